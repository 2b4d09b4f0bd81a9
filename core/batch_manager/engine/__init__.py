"""The engine: a thread of its own with one event loop, which runs what was agreed and says how it goes."""

from __future__ import annotations

from batch_manager.engine.engine import Engine
from batch_manager.engine.results import Failure, RunResults
from batch_manager.engine.search import SearchHit
from batch_manager.engine.verify import VerifyReport

__all__ = ["Engine", "Failure", "RunResults", "SearchHit", "VerifyReport"]
