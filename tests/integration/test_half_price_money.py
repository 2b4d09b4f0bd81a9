"""The half-price lane where money is at stake: nothing is paid beyond the quote, and nothing that was paid is lost."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from batch_manager.embedding.batch_api import BatchApi, RemoteBatch
from batch_manager.quote import Scope
from batch_manager.rehearsal import RehearsalServer
from batch_manager.store.ledger import Ledger
from jobs import options
from lanes import Lane, Memory, as_new, batch_bill, lane

pytestmark = pytest.mark.usefixtures("each_store_if_asked")


@pytest.fixture(scope="module")
def shared() -> Iterator[RehearsalServer]:
    with RehearsalServer.start(options()) as running:
        yield running


@pytest.fixture
def server(shared: RehearsalServer) -> RehearsalServer:
    """The shared server as newly started."""
    return as_new(shared)


def test_a_batch_that_failed_is_not_taken_for_the_one_after_it(tmp_path: Path, server: RehearsalServer) -> None:
    """A full queue, then the same file again, and the answer to that is lost."""
    full = {
        "fault": "failed",
        "at": [1],
        "code": "token_limit_exceeded",
        "message": "Enqueued token limit reached. Limit: 1,000,000 enqueued tokens.",
    }
    server.set_options(batch_faults=[full])
    with lane(tmp_path, server, vectors=Memory()) as home:
        home.bring(4)
        cost = home.half.quote(Scope()).cost
        (one,) = home.hand_over().under_way
        assert one.state == "waits"
        server.set_options(batch_faults=[{"fault": "lost_create"}], batch_seconds=1000)
        (one,) = home.half.collect().under_way
        assert one.state != "waits" and home.store.jobs.held() == cost
        server.advance(1000)
        assert home.until_back().answered == 4
        assert server.totals()["inputs"] == 4
        assert home.store.ledger.spent() == batch_bill(server) == cost


def test_vectors_that_can_be_cut_are_not_paid_for(tmp_path: Path, server: RehearsalServer) -> None:
    with lane(tmp_path, server, OPENAI_EMBEDDING_DIMENSIONS="16") as home:
        home.bring(4)
        home.run()
    inputs = server.totals()["inputs"]
    with lane(tmp_path, server, OPENAI_EMBEDDING_DIMENSIONS="8") as home:
        home.bring(2, start=4)
        quote = home.half.quote(Scope())
        assert quote.texts == 2
        home.half.start(quote)
        assert server.totals()["inputs"] == inputs + 2
        assert home.count("indexed") == 6


def test_a_batch_that_is_not_seen_yet_has_not_vanished(tmp_path: Path, server: RehearsalServer) -> None:
    server.set_options(batch_faults=[{"fault": "vanished"}])
    with lane(tmp_path, server, vectors=Memory(), settle=60.0) as home:
        home.bring(4)
        cost = home.half.quote(Scope()).cost
        (one,) = home.hand_over().under_way
        assert "not seen" in one.problem
        assert home.store.jobs.held() == cost
        assert home.engine.quote(Scope()).nothing_to_do


def test_a_drift_that_shows_half_way_doesnt_pass_the_cap(tmp_path: Path, server: RehearsalServer) -> None:
    """Two files, the second of which waits for room while the first turns out dearer than it was counted."""
    with lane(tmp_path, server, vectors=Memory(), requests=3) as home:
        home.bring(6)
        quote = home.half.quote(Scope())
        server.set_options(enqueued_token_limit=quote.tokens * 2 // 3, batch_seconds=10)
        home.store.set_note(f"batch_queue:{quote.space.server}:{quote.space.model}", str(quote.tokens * 2 // 3))
        first, second = home.hand_over(cap=quote.cost).under_way
        assert (first.state, second.state) == ("validating", "waits")
        home.store.set_note(f"drift:{quote.space.server}:{quote.space.model}", "1.5")
        server.advance(10)
        assert home.until_back().answered == 3
        run = home.store.ledger.runs()[0]
        assert run.state == "stopped" and "The cap of" in run.reason
        assert home.store.jobs.held() == 0 and batch_bill(server) == home.store.ledger.spent() < quote.cost
        assert home.engine.quote(Scope()).items == 3
        assert not list((tmp_path / "half-price").iterdir()) and home.store.jobs.with_files(1) == []


def test_a_move_is_written_down_with_its_run_or_not_at_all(tmp_path: Path, server: RehearsalServer) -> None:
    server.set_options(batch_seconds=1000)
    memory = Memory()
    with lane(tmp_path, server, vectors=memory) as home:
        home.bring(4)
        home.hand_over()
        quote = home.half.quote_move()
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(Ledger, "open_run", _killed)
            with pytest.raises(KeyboardInterrupt):
                home.half.move(quote)
    with lane(tmp_path, server, vectors=memory) as home:
        assert home.engine.quote(Scope()).nothing_to_do  # the batch has them still
        server.advance(1000)
        assert home.until_back().answered == 4 and server.totals()["inputs"] == 4


def _killed(*_values: object) -> int:
    raise KeyboardInterrupt


def test_a_bill_that_nobody_can_count_stays_held(tmp_path: Path, server: RehearsalServer) -> None:
    """The output file is damaged, and the server doesn't say what the batch used."""
    server.set_options(batch_faults=[{"fault": "gzipped"}])
    look = BatchApi.look

    async def silent(self: BatchApi, name: str) -> RemoteBatch | None:
        found = await look(self, name)
        return None if found is None else replace(found, tokens=None)

    with lane(tmp_path, server, vectors=Memory()) as home, pytest.MonkeyPatch.context() as patch:
        patch.setattr(BatchApi, "look", silent)
        home.bring(4)
        cost = home.half.quote(Scope()).cost
        home.hand_over()
        home.half.cancel()
        assert home.half.collect().under_way == ()
        assert home.store.ledger.held() == cost == batch_bill(server)
        assert home.store.ledger.runs()[0].state == "done" and home.count("pending") == 4


def test_a_key_in_an_error_line_is_not_kept(tmp_path: Path, server: RehearsalServer) -> None:
    key = "sk-proj-abcdefghijklmnopqrstuvwxyz0123456789"
    words = f"Incorrect API key provided: {key}."
    server.set_options(batch_faults=[{"fault": "errors_only", "status": 400, "message": words}])
    with lane(tmp_path, server, vectors=Memory(), OPENAI_API_KEY=key) as home:
        home.bring(1)
        home.hand_over()
        (failure,) = home.store.items.failures()
        assert "Incorrect API key" in failure.message and key not in failure.message


def test_what_was_withdrawn_leaves_no_file_behind(tmp_path: Path, server: RehearsalServer) -> None:
    """The upload's answer was lost: the file is on the server, and nobody knows its id."""
    server.set_options(batch_faults=[{"fault": "lost_upload"}, {"fault": "list_fails"}])
    with lane(tmp_path, server, vectors=Memory(), EMBEDDING_MAX_RETRIES=0) as home:
        home.bring(2)
        (one,) = home.hand_over().under_way
        assert one.state == "uploading"
        server.set_options(batch_faults=[])
        home.half.cancel()
        assert home.half.collect().under_way == ()
        assert not list((tmp_path / "half-price").iterdir())
        assert home.engine.quote(Scope()).items == 2 and server.totals()["inputs"] == 0
        assert home.engine.do(_names(home)) == []


def test_a_file_that_somebody_deleted_is_uploaded_again(tmp_path: Path, server: RehearsalServer) -> None:
    """While its batch waited for room; nothing was submitted, so nothing can be paid twice."""
    with lane(tmp_path, server, vectors=Memory(), requests=2) as home:
        home.bring(4)
        quote = home.half.quote(Scope())
        server.set_options(enqueued_token_limit=quote.tokens // 2, batch_seconds=10)
        home.store.set_note(f"batch_queue:{quote.space.server}:{quote.space.model}", str(quote.tokens // 2))
        home.hand_over()
        (waiting,) = [one for one in home.store.jobs.under_way() if one.state == "uploaded"]
        home.engine.do(_delete(home, waiting.input_file or ""))
        for _ in range(6):
            server.advance(10)
            if not home.half.collect().under_way:
                break
        assert home.count("indexed") == 4 and server.totals()["inputs"] == 4
        assert home.store.ledger.spent() == batch_bill(server) == quote.cost


async def _delete(home: Lane, file: str) -> None:
    api = BatchApi(home.engine.settings)
    try:
        await api.delete_file(file)
    finally:
        await api.close()


async def _names(home: Lane) -> list[str]:
    api = BatchApi(home.engine.settings)
    try:
        return [one.id async for one in api._files()]
    finally:
        await api.close()


def test_another_model_at_half_the_price_is_built_beside(tmp_path: Path, server: RehearsalServer) -> None:
    with lane(tmp_path, server, OPENAI_EMBEDDING_DIMENSIONS="8") as home:
        home.bring(3)
        home.hand_over()
        assert [one.state for one in home.store.generations.all()] == ["serving"]
    server.set_options(batch_seconds=1000)
    large = {"OPENAI_EMBEDDING_MODEL": "text-embedding-3-large", "OPENAI_EMBEDDING_DIMENSIONS": "12"}
    with lane(tmp_path, server, **large) as home:
        home.hand_over()
        assert [one.state for one in home.store.generations.all()] == ["serving", "building"]
        assert len(home.engine.index.search("what the business knows")) == 3
        assert server.ledger()[-1]["model"] == "text-embedding-3-small"
    # The settings go back while the batch is under way: it waits for those it was handed over with.
    with lane(tmp_path, server, OPENAI_EMBEDDING_DIMENSIONS="8") as home:
        home.bring(1, start=3)
        home.run()
        assert home.count("indexed") == 4
        home.half.collect()
        assert len(home.engine.index.search("what the business knows")) == 4
    server.advance(1000)
    with lane(tmp_path, server, **large) as home:
        home.until_back()
        assert len(home.engine.index.search("what the business knows")) == 4
        assert home.engine.index.verify().found == 0
        inputs = server.totals()["inputs"]
        home.run()
        assert server.totals()["inputs"] == inputs + 1  # the one that came since; the others were paid for
        assert home.count("indexed") == 4
        assert [one.state for one in home.store.generations.all()] == ["kept", "serving"]
        assert home.engine.index.counts() == {"table": 4, "relationship": 0}
        assert home.engine.index.verify().found == 0


def test_what_comes_late_and_was_not_paid_yet_is_not_paid_again(tmp_path: Path, server: RehearsalServer) -> None:
    """Moved under a cap that ended the other run; then the batch brings half of it after all."""
    server.set_options(batch_seconds=1000)
    with lane(tmp_path, server, vectors=Memory()) as home:
        home.bring(8)
        home.hand_over()
        server.advance(500)
        home.half.collect()
        home.half.move(home.half.quote_move(cap=home.half.quote_move().cost / 4))
        home.ended()
        assert home.count("indexed") == 0  # all of it is one request, which doesn't fit
        assert home.until_back().answered == 4
        assert home.engine.quote(Scope()).texts == 4
        home.run()
        assert home.count("indexed") == 8 and server.totals()["inputs"] == 8
        assert home.store.ledger.spent() == batch_bill(server)
        assert sum(run.doubled for run in home.store.ledger.bill().runs) == 0


def test_a_text_that_changes_while_its_batch_is_under_way(tmp_path: Path, server: RehearsalServer) -> None:
    server.set_options(batch_seconds=1000)
    with lane(tmp_path, server, vectors=Memory()) as home:
        home.bring(3)
        home.hand_over()
        home.bring(1, words="something else")
        assert home.engine.quote(Scope()).texts == 1
        home.run()
        server.advance(1000)
        home.until_back()
        (kept,) = home.store.answers.of_item(home.store.items.find("table", "table_0") or 0)
        assert "something else" in kept.text and home.count("indexed") == 3
        home.bring(1)  # and back again: what the batch brought for it was kept
        assert home.engine.quote(Scope()).texts == 0
        home.run()
        assert home.count("indexed") == 3 and server.totals()["inputs"] == 4
        assert home.store.ledger.spent() == batch_bill(server)
