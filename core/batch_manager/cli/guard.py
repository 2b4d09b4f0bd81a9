"""The last line of defence: whatever goes wrong becomes one line on stderr and the contract's exit code."""

from __future__ import annotations

import os
import traceback
from typing import TYPE_CHECKING

from batch_manager.cli import terminal
from batch_manager.cli.signals import end_on_signals
from batch_manager.errors import BatchManagerError, RequestRefused, Verdict

if TYPE_CHECKING:
    from batch_manager.cli.flags import Flags

INTERRUPTED = 130
BROKEN = 2
"""A fault of the program itself; the contract's 1 would say that the work is done."""


def guarded(flags: Flags) -> int:
    """Do what the flags say; returns the exit code and lets no exception out."""
    terminal.prepare()
    try:
        with end_on_signals():
            from batch_manager.cli.actions import do

            return do(flags)
    except BatchManagerError as error:
        _show_traceback()
        terminal.say(f"error: {error}")
        return exit_code(error)
    except KeyboardInterrupt:
        terminal.say("Interrupted.")
        return INTERRUPTED
    except BrokenPipeError:
        terminal.silence_stdout()  # whoever read the documents has had enough of them
        return 1
    except Exception as error:
        return _broken(error)


def exit_code(error: BatchManagerError) -> int:
    """The exit code of an error that ended the call."""
    if isinstance(error, RequestRefused):
        return 4 if error.refusal.verdict is Verdict.STOP else error.exit_code
    return error.exit_code


def _broken(error: Exception) -> int:
    import logging

    from batch_manager.cli.logs import log_file

    where = log_file()
    if where:
        logging.getLogger("batch_manager.cli").exception("the command broke")
    _show_traceback()
    step = f"See {str(where)!r}" if where else "Run it again with LOG_LEVEL=DEBUG"
    terminal.say(f"error: A fault of this program: {type(error).__name__}. {step}, and report it.")
    return BROKEN


def _show_traceback() -> None:
    """At DEBUG the whole story goes to stderr, without secrets."""
    import logging

    if "DEBUG" in (os.environ.get("LOG_LEVEL", "").strip().upper(), logging.getLevelName(logging.getLogger().level)):
        from batch_manager.cli.logs import redacted

        for line in redacted(traceback.format_exc()).splitlines():
            terminal.say(line)
