"""``python -m batch_manager.rehearsal``: runs the rehearsal server.

By hand it takes flags and runs until Ctrl-C. With ``--supervised`` a parent process holds it: the first
line of stdin is the options as JSON, and the end of stdin, or of the parent, is the end of the server.
Either way it prints one line of JSON with the port as soon as it listens.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import signal
import sys
import threading
from collections.abc import Sequence

from batch_manager.rehearsal.faults import FAULTS
from batch_manager.rehearsal.options import VECTORS, RehearsalOptions, demo_options, options_from_json

PARENT_CHECK_S = 0.5


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the server; returns the exit code: 0, or 2 for wrong options or a port or file out of reach."""
    parser = _parser()
    given = parser.parse_args(arguments)
    try:
        if given.supervised:
            # Ctrl-C in a terminal reaches the whole group; what it means is for the parent to say.
            signal.signal(signal.SIGINT, signal.SIG_IGN)
            options = options_from_json(_read_line())
        else:
            options = _options(given)
        asyncio.run(_serve(options, supervised=given.supervised))
    except KeyboardInterrupt:
        return 0
    except (ValueError, TypeError, OSError, ImportError) as error:
        print(f"rehearsal: {error}", file=sys.stderr)
        return 2
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m batch_manager.rehearsal",
        description="A small server on 127.0.0.1 that speaks the OpenAI embeddings API, with faults to order.",
        epilog="faults:\n" + "\n".join(f"  {name:15}{words}" for name, words in FAULTS.items()),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    add("--supervised", action="store_true", help="options on stdin's first line; ends when stdin ends")
    add("--demo", action="store_true", help="the lively settings that --rehearse uses")
    add("--port", type=int, help="default: a free one")
    add("--seed", type=int, help="source of every choice (default 0)")
    add("--latency-ms", type=float, metavar="MS", help="from arrival to answer (default 0)")
    add("--latency-jitter-ms", type=float, metavar="MS", help="at most this much more or less")
    add("--rpm", type=int, metavar="N", dest="requests_per_minute", help="requests a minute; 0: no limit")
    add("--tpm", type=int, metavar="N", dest="tokens_per_minute", help="tokens a minute; 0: no limit")
    add("--vectors", choices=VECTORS, help="noise, or a small local model's meaning")
    add("--fault", action="append", metavar="JSON", help='e.g. \'{"fault": "overloaded", "at": [4]}\'')
    add("--batch-seconds", type=float, metavar="S", help="from a batch's creation to its completion (default 0)")
    add("--ledger", metavar="FILE", dest="ledger_file", help="JSON Lines file to append every request to")
    return parser


def _options(given: argparse.Namespace) -> RehearsalOptions:
    values = demo_options() if given.demo else RehearsalOptions()
    named = ("seed", "port", "latency_ms", "latency_jitter_ms", "requests_per_minute", "tokens_per_minute")
    changes = {name: getattr(given, name) for name in (*named, "vectors", "ledger_file", "batch_seconds")}
    changes = {name: value for name, value in changes.items() if value is not None}
    for name in ("requests_per_minute", "tokens_per_minute"):
        if changes.get(name) == 0:
            changes[name] = None
    if given.fault:
        changes["faults"] = tuple(json.loads(rule) for rule in given.fault)
    return RehearsalOptions(**(json.loads(values.to_json()) | changes))


def _read_line() -> bytes:
    # Byte by byte past Python's buffers: a thread waits on the same descriptor afterwards.
    line = bytearray()
    while (byte := os.read(0, 1)) not in (b"", b"\n"):
        line += byte
    return bytes(line)


async def _serve(options: RehearsalOptions, *, supervised: bool) -> None:
    # Numpy and the tokenizer are loaded only now, so that wrong options are told at once.
    from batch_manager.rehearsal.server import HOST, listen
    from batch_manager.rehearsal.service import Service

    loop = asyncio.get_running_loop()
    done = asyncio.Event()
    service = Service(options)
    try:
        server, port = await listen(service)
        address = {"port": port, "base_url": f"http://{HOST}:{port}/v1", "pid": os.getpid()}
        print(json.dumps(address), flush=True)
        if supervised:
            threading.Thread(target=_await_end, args=(loop, done), daemon=True).start()
        parent = os.getppid()
        while not done.is_set():
            try:
                await asyncio.wait_for(done.wait(), PARENT_CHECK_S)
            except TimeoutError:
                # A sibling that was forked may hold stdin open after the parent's death.
                if supervised and os.getppid() != parent:
                    break
        server.close()
    finally:
        service.ledger.close()
        service.batches.close()


def _await_end(loop: asyncio.AbstractEventLoop, done: asyncio.Event) -> None:
    while os.read(0, 4096):
        pass
    loop.call_soon_threadsafe(done.set)


if __name__ == "__main__":
    sys.exit(main())
