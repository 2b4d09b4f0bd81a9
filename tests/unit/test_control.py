"""Control of a worker's run: what is left to other workers, and what ends the run for all of them."""

from __future__ import annotations

from decimal import Decimal

import pytest

from batch_manager.documents import Kind
from batch_manager.engine.budget import Budget
from batch_manager.engine.control import Control, StopRun
from batch_manager.engine.progress import Progress
from batch_manager.errors import Refusal, RequestRefused, Verdict
from batch_manager.packing import Limits
from batch_manager.pricing import Price
from batch_manager.quote import Scope, Space, Work, make_quote


def worker() -> Control:
    """Of a run that a worker has under way."""
    nothing: dict[Kind, int] = {"table": 0, "relationship": 0}
    work = Work(nothing, nothing, 0, 0, 0, "", 0, 0, (), 0)
    space = Space("openai", "server", "text-embedding-3-small", 1536)
    quote = make_quote(Scope(), work, space, "host", Price(Decimal("0.02"), "list"), Limits(), None)
    return Control(Progress(1, quote, Budget(None), started=0.0, state="running"), lambda event: None, "wait")


async def test_a_server_that_was_never_reached_is_one_workers_trouble() -> None:
    control = worker()
    with pytest.raises(StopRun):
        await control.trouble(RequestRefused(Refusal(Verdict.RETRY, "unreachable", "It can't be reached.")))
    assert control.set_aside and not control.stopping


@pytest.mark.parametrize("code", ["timeout", "bad_gateway"])
async def test_what_may_be_billed_isnt_sent_for_ever(code: str) -> None:
    control = worker()
    refusal = Refusal(Verdict.RETRY, code, "No answer.", "Try again later.", maybe_billed=True)
    with pytest.raises(StopRun):
        await control.trouble(RequestRefused(refusal))
    assert control.stopping and not control.set_aside
    assert (control.progress.code, control.progress.reason) == (code, "No answer.")
