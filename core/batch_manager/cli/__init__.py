"""The command `batch-manager`: flags in, results on stdout, everything else on stderr, an exit code.

    flags ── one action ──▶ actions/ ──▶ opening (home, store, engine) ──▶ ask ──▶ progress ──▶ report

Nothing but this function is here, and nothing heavy is imported for it: `--help` has to be instant.
"""

from __future__ import annotations

TYPE_CHECKING = False  # as checkers read it; importing typing would cost more than all of the parser
if TYPE_CHECKING:
    from collections.abc import Sequence

COLLECTOR = (50_000, 10, 10)
"""Imports make a lot of objects that stay; at Python's own threshold a third of a short call would go into looking
through them for garbage."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command.

    Args:
        arguments: Instead of the process's own.

    Returns:
        The exit code.
    """
    import sys

    arguments = sys.argv[1:] if arguments is None else arguments
    if list(arguments) == ["--version"]:  # asked by scripts more than anything else, so not even argparse
        from batch_manager import __version__

        print(f"batch-manager {__version__}")
        return 0
    from batch_manager.cli.flags import read_flags

    try:
        flags = read_flags(arguments)
    except SystemExit as end:  # --help, --version or a wrong call; argparse has written what there is to say
        return end.code if isinstance(end.code, int) else 2
    import gc

    gc.set_threshold(*COLLECTOR)
    from batch_manager.cli.guard import guarded

    return guarded(flags)
