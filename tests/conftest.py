"""What holds for all tests."""

from __future__ import annotations

import gc
import signal


def pytest_collection_finish() -> None:
    """Leave what is imported by now out of every search for garbage: it stays to the end, and there is a lot of it."""
    gc.collect()
    gc.freeze()


def pytest_configure() -> None:
    """What a script starts with `&` ignores Ctrl-C, and so would all that the tests start, which send it."""
    signal.signal(signal.SIGINT, signal.default_int_handler)
