"""What holds for all tests."""

from __future__ import annotations

import gc


def pytest_collection_finish() -> None:
    """Leave what is imported by now out of every search for garbage: it stays to the end, and there is a lot of it."""
    gc.collect()
    gc.freeze()
