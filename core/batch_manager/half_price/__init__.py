"""The half-price lane: the same texts over OpenAI's Batch API, for half the money, back within a day.

    quote ── yes ──▶ run: handed ── plan (pure) ──▶ job: file ── upload ──▶ create ──▶ … ──▶ collect ──▶ answers

Each step is written down before it is taken and after it (`store.jobs`). After a crash the server is asked what it
has (`submission`), so nothing is handed over twice and nothing is forgotten.

The values that are shown stand here; the lane itself, which brings the engine with it, is imported from `lane`.
"""

from batch_manager.half_price.views import Collected, JobView, Lanes, waiting_words

__all__ = ["Collected", "JobView", "Lanes", "waiting_words"]
