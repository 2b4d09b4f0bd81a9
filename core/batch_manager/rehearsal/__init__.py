"""A dress rehearsal for embedding jobs: a real HTTP server on loopback that speaks the OpenAI API.

It limits, meters and bills as the real one does, takes its time, and fails when told to. `--rehearse`, the
tests and the benchmarks all use it::

    with RehearsalServer.start(RehearsalOptions(seed=7, faults=[{"fault": "overloaded", "at": [1]}])) as server:
        client = OpenAI(base_url=server.base_url, api_key="any")

Importing this package is cheap; what computes vectors is loaded when it is used.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from batch_manager.rehearsal.options import DEMO_POISON, RehearsalOptions, demo_options
from batch_manager.rehearsal.process import RehearsalError, RehearsalServer

if TYPE_CHECKING:
    from batch_manager.rehearsal.vectors import expected_vector

__all__ = [
    "DEMO_POISON",
    "RehearsalError",
    "RehearsalOptions",
    "RehearsalServer",
    "demo_options",
    "expected_vector",
]


def __getattr__(name: str) -> Any:
    if name == "expected_vector":
        from batch_manager.rehearsal.vectors import expected_vector

        return expected_vector
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
