"""The half-price lane: handed over once, paid half, brought home whatever the server does."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from batch_manager.embedding.batch_api import BatchApi
from batch_manager.errors import QuoteChanged, SettingError
from batch_manager.pricing import show_usd
from batch_manager.quote import Scope
from batch_manager.rehearsal import RehearsalServer, expected_vector
from jobs import options
from lanes import Memory, as_new, batch_bill, lane

pytestmark = pytest.mark.usefixtures("each_store_if_asked")


@pytest.fixture(scope="module")
def shared() -> Iterator[RehearsalServer]:
    with RehearsalServer.start(options()) as running:
        yield running


@pytest.fixture
def server(shared: RehearsalServer) -> RehearsalServer:
    """The shared server as newly started."""
    return as_new(shared)


def test_the_whole_way_into_chroma(tmp_path: Path, server: RehearsalServer) -> None:
    with lane(tmp_path, server) as home:
        home.bring(10)
        quote = home.half.quote(Scope())
        now = home.engine.quote(Scope())
        assert quote.cost * 2 == now.cost and quote.requests == 1 and quote.lane == "batch"
        found = home.hand_over()
        assert [one.state for one in found.settled] == ["completed"] and not found.under_way
        assert found.answered == 10 and home.count("indexed") == 10
        assert home.engine.index.counts() == {"table": 10, "relationship": 0}
        ((kept,),) = [home.store.answers.of_item(home.store.items.find("table", "table_3") or 0)]
        expected = expected_vector(kept.text, "text-embedding-3-small", None, 7)
        assert np.array_equal(np.frombuffer(kept.vector, "<f4"), expected)
        assert home.store.ledger.spent() == batch_bill(server) == quote.cost
        assert home.store.jobs.held() == 0
        run = home.store.ledger.runs()[0]
        assert (run.state, run.quote["lane"]) == ("done", "batch")
        # Nothing is left on the server, nor on this disk.
        assert home.half.collect().runs == () and not list((tmp_path / "half-price").iterdir())
        assert home.half.jobs() == ()


def test_it_takes_its_time_and_the_laptop_is_closed(tmp_path: Path, server: RehearsalServer) -> None:
    server.set_options(batch_seconds=1000)
    memory = Memory()
    with lane(tmp_path, server, vectors=memory, requests=4) as home:
        home.bring(10)
        found = home.hand_over()
        assert [one.total for one in found.under_way] == [4, 4, 2]
        cost = sum(one.estimated for one in found.under_way)
        assert home.store.jobs.held() == home.store.ledger.spent() == cost
        # What is under way is nobody else's to send.
        assert home.engine.quote(Scope()).nothing_to_do and home.half.quote(Scope()).nothing_to_do
    server.advance(500)
    with lane(tmp_path, server, vectors=memory) as home:
        found = home.half.collect()
        assert [one.state for one in found.under_way] == ["in progress"] * 3
        assert all(0 < one.done < one.total for one in found.under_way)
        assert all(one.expires and one.since for one in found.under_way)
        assert home.count("pending") == 10
    server.advance(500)
    with lane(tmp_path, server, vectors=memory) as home:
        assert home.half.collect().answered == 10
        assert home.count("indexed") == 10 == len(memory.rows["table"])
        assert home.store.ledger.spent() == batch_bill(server) == cost
        assert server.totals()["inputs"] == 10


def test_the_cap_binds(tmp_path: Path, server: RehearsalServer) -> None:
    with lane(tmp_path, server, vectors=Memory()) as home:
        home.bring(10)
        cost = home.half.quote(Scope()).cost
        found = home.hand_over(cap=cost / 2)
        assert 0 < found.answered < 10
        assert home.store.ledger.spent() <= cost / 2
        assert batch_bill(server) <= cost / 2
        run = home.store.ledger.runs()[0]
        assert run.state == "stopped" and "The cap of" in run.reason
        assert home.count("pending") == 10 - found.answered
        rest = home.half.quote(Scope()).cost
        assert found.left_over == (run.reason,) and f"which would cost {show_usd(rest)}." in run.reason


def test_a_yes_binds_to_what_was_quoted(tmp_path: Path, server: RehearsalServer) -> None:
    with lane(tmp_path, server, vectors=Memory()) as home:
        home.bring(3)
        quote = home.half.quote(Scope())
        home.bring(1, start=3)
        with pytest.raises(QuoteChanged):
            home.half.start(quote)
        assert server.totals()["requests"] == 0


def test_part_of_a_plan_in_each_lane(tmp_path: Path, server: RehearsalServer) -> None:
    server.set_options(batch_seconds=1000)
    with lane(tmp_path, server, vectors=Memory()) as home:
        home.bring(6)
        ids = list(home.store.items.ids())
        home.run(Scope("pending", ids=tuple(ids[:2])))
        home.hand_over()
        home.bring(2, start=6)
        assert home.engine.quote(Scope()).items == 2  # what came since, and nothing that is under way
        home.run()
        assert home.count("indexed") == 4
        server.advance(1000)
        home.half.collect()
        assert home.count("indexed") == 8
        assert server.totals()["inputs"] == 8
        assert home.store.ledger.spent() == batch_bill(server)


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        ({"OPENAI_EMBEDDING_MODEL": "text-embedding-ada-002"}, "text-embedding-ada-002"),
        ({"EMBEDDING_PROVIDER": "local"}, "local model"),
        ({"OPENAI_BASE_URL": "https://x.openai.azure.com/v1", "EMBEDDING_PRICE_PER_MILLION": "0.02"}, "Azure"),
        ({"OPENAI_BASE_URL": "https://embed.example/v1", "EMBEDDING_PRICE_PER_MILLION": "0.02"}, "embed.example"),
    ],
)
def test_who_has_no_such_lane_says_so(tmp_path: Path, flags: dict[str, str], words: str) -> None:
    with lane(tmp_path, flags.pop("OPENAI_BASE_URL", "https://api.openai.com/v1"), vectors=Memory(), **flags) as home:
        home.bring(1)
        lanes = home.half.lanes(Scope())
        assert lanes.batch is None and words in lanes.why_not
        with pytest.raises(SettingError) as error:
            home.half.quote(Scope())
        assert error.value.code == "no_batch_lane" and "--lane now" in error.value.next_step


def test_a_server_without_the_endpoint(tmp_path: Path, server: RehearsalServer) -> None:
    server.set_options(batch_api=False)
    with lane(tmp_path, server, vectors=Memory()) as home:
        home.bring(3)
        with pytest.raises(SettingError) as error:
            home.hand_over()
        assert error.value.code == "no_batch_api"
        assert home.store.jobs.handed_runs() == [] and home.store.ledger.spent() == 0
        assert home.engine.quote(Scope()).items == 3


def test_error_lines_become_failed_items(tmp_path: Path, server: RehearsalServer) -> None:
    rule = {"fault": "line_errors", "contains": "case 2 of", "status": 400, "message": "not this one"}
    server.set_options(batch_faults=[rule])
    with lane(tmp_path, server, vectors=Memory()) as home:
        home.bring(5)
        found = home.hand_over()
        assert (found.answered, found.failed) == (4, 1)
        (failure,) = home.store.items.failures()
        assert (failure.name, failure.message) == ("table_2", "not this one")
        assert home.count("indexed") == 4 and home.store.ledger.spent() == batch_bill(server)


def test_errors_alone(tmp_path: Path, server: RehearsalServer) -> None:
    server.set_options(batch_faults=[{"fault": "errors_only", "status": 500, "message": "down"}])
    with lane(tmp_path, server, vectors=Memory()) as home:
        home.bring(3)
        found = home.hand_over()
        assert found.failed == 3 and home.count("failed") == 3
        assert home.store.ledger.spent() == 0
        assert home.engine.quote(Scope("failed")).items == 3


def test_what_expired_is_pending_again(tmp_path: Path, server: RehearsalServer) -> None:
    server.set_options(batch_faults=[{"fault": "expired", "share": 0.5}])
    with lane(tmp_path, server, vectors=Memory()) as home:
        home.bring(8)
        found = home.hand_over()
        assert [one.state for one in found.settled] == ["expired"]
        assert (home.count("indexed"), home.count("pending"), home.count("failed")) == (4, 4, 0)
        assert home.store.ledger.spent() == batch_bill(server) > 0
        server.set_options(batch_faults=[])
        home.hand_over()
        assert home.count("indexed") == 8 and server.totals()["inputs"] == 8


def test_cancelled_keeps_and_pays_what_was_done(tmp_path: Path, server: RehearsalServer) -> None:
    server.set_options(batch_seconds=1000)
    with lane(tmp_path, server, vectors=Memory()) as home:
        home.bring(8)
        home.hand_over()
        server.advance(500)
        home.half.cancel()
        assert [one.state for one in home.half.collect().under_way] == ["cancelling"]
        found = home.half.collect()
        assert [one.state for one in found.settled] == ["cancelled"]
        assert (home.count("indexed"), home.count("pending")) == (4, 4)
        assert home.store.ledger.spent() == batch_bill(server) > 0


def test_moved_to_the_other_lane_and_a_late_answer(tmp_path: Path, server: RehearsalServer) -> None:
    server.set_options(batch_seconds=1000)
    with lane(tmp_path, server, vectors=Memory()) as home:
        home.bring(8)
        half = home.hand_over().under_way[0].estimated
        server.advance(500)
        home.half.collect()
        quote = home.half.quote_move()
        assert quote.items == 8 and quote.cost == 2 * half and quote.lane == "now"
        assert home.engine.quote(Scope()).nothing_to_do  # asking has changed nothing
        home.half.move(quote)
        home.ended()
        assert home.count("indexed") == 8
        found = home.until_back()
        assert found.answered == 4
        assert home.store.ledger.spent() == batch_bill(server) > quote.cost
        run_id = found.settled[0].run_id
        assert 0 < home.store.jobs.doubled_tokens(run_id) == found.settled[0].billed / Decimal("0.01") * 1_000_000


def test_the_accounts_queue_is_learnt(tmp_path: Path, server: RehearsalServer) -> None:
    with lane(tmp_path, server, vectors=Memory()) as home:
        home.bring(9)
        tokens = home.half.quote(Scope()).tokens
        server.set_options(enqueued_token_limit=tokens // 2, batch_seconds=10)
        home.hand_over()
        for _ in range(12):
            server.advance(10)
            found = home.half.collect()
            if not found.under_way:
                break
        assert home.count("indexed") == 9 and server.totals()["inputs"] == 9
        assert home.store.ledger.spent() == batch_bill(server)
        home.bring(9, start=9)
        assert home.half.quote(Scope()).requests == 3


@pytest.mark.parametrize("fault", ["lost_create", "lost_upload"])
def test_lost_answers_are_found_out(tmp_path: Path, server: RehearsalServer, fault: str) -> None:
    server.set_options(batch_faults=[{"fault": fault, "times": 1}])
    with lane(tmp_path, server, vectors=Memory(), settle=60) as home:
        home.bring(4)
        assert home.hand_over().answered == 4
        assert server.totals()["inputs"] == 4 and home.store.ledger.spent() == batch_bill(server)


def test_what_cant_be_known_is_maybe_submitted(tmp_path: Path, server: RehearsalServer) -> None:
    faults = [{"fault": "lost_create", "times": 1}, {"fault": "list_fails"}]
    server.set_options(batch_faults=faults)
    with lane(tmp_path, server, vectors=Memory(), EMBEDDING_MAX_RETRIES=0) as home:
        home.bring(4)
        quote = home.half.quote(Scope())
        (one,) = home.hand_over().under_way
        assert one.state == "maybe submitted" and one.problem
        assert home.store.ledger.spent() == home.store.jobs.held() == quote.cost
        server.set_options(batch_faults=[])
        assert home.half.collect().answered == 4
        assert server.totals()["inputs"] == 4


def test_a_list_that_lags_makes_no_second_batch(
    tmp_path: Path, server: RehearsalServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    create, created = BatchApi.create, []

    async def counted(self: BatchApi, file: str, plan: str) -> Any:
        created.append(plan)
        return await create(self, file, plan)

    monkeypatch.setattr(BatchApi, "create", counted)
    server.set_options(batch_faults=[{"fault": "lost_create", "times": 1}, {"fault": "unlisted"}])
    with lane(tmp_path, server, vectors=Memory()) as home:
        home.bring(4)
        cost = home.half.quote(Scope()).cost
        home.hand_over()
        home.half.cancel()  # even then: only somebody who knows may say that there is none
        (one,) = home.half.collect().under_way
        assert (one.state, one.unseen) == ("maybe submitted", True) and "give it up" in one.next_step
        assert len(created) == 1 and home.store.jobs.held() == cost
        assert home.half.give_up([one.id + 1]) == () and home.half.waiting().items == 4
        assert [ended.state for ended in home.half.give_up([one.id])] == ["given up"]
        assert home.store.jobs.held() == 0 and home.store.ledger.held() == home.store.ledger.spent() == cost
        assert home.engine.quote(Scope()).items == 4 and home.store.jobs.handed_runs() == []


def test_a_key_of_another_organisation(tmp_path: Path, server: RehearsalServer) -> None:
    server.set_options(batch_seconds=10)
    memory = Memory()
    with lane(tmp_path, server, vectors=memory) as home:
        home.bring(4)
        home.hand_over()
    server.advance(10)
    with lane(tmp_path, server, vectors=memory, OPENAI_API_KEY="sk-other") as home:
        (one,) = home.half.collect().under_way
        assert "another organisation" in one.problem and "key" in one.next_step and one.unseen
        assert home.store.jobs.held() > 0 and home.count("indexed") == 0
        waiting = home.half.waiting()
        assert (waiting.items, waiting.batches, waiting.since) == (4, 1, one.since)
    with lane(tmp_path, server, vectors=memory) as home:
        assert home.half.give_up([one.id + 1]) == ()
        assert home.half.collect().answered == 4


def test_a_batch_that_vanished(tmp_path: Path, server: RehearsalServer) -> None:
    server.set_options(batch_faults=[{"fault": "vanished"}])
    with lane(tmp_path, server, vectors=Memory()) as home:
        home.bring(4)
        cost = home.half.quote(Scope()).cost
        (one,) = home.hand_over().settled
        assert one.state == "vanished" and "usage page" in one.next_step
        assert home.engine.quote(Scope()).items == 4
        assert home.store.ledger.held() == cost  # it may have been billed


def test_a_batch_that_fails(tmp_path: Path, server: RehearsalServer) -> None:
    server.set_options(batch_faults=[{"fault": "failed", "code": "bad_line", "message": "no good"}])
    with lane(tmp_path, server, vectors=Memory()) as home:
        home.bring(4)
        assert [one.state for one in home.hand_over().settled] == ["failed"]
        assert home.engine.quote(Scope()).items == 4 and home.store.ledger.spent() == 0


@pytest.mark.parametrize(
    ("fault", "indexed", "failed"),
    [("unknown_id", 6, 0), ("doubled_id", 6, 0), ("missing_line", 5, 0), ("short_vector", 5, 1)],
)
def test_odd_lines_are_never_stored(
    tmp_path: Path, server: RehearsalServer, fault: str, indexed: int, failed: int
) -> None:
    server.set_options(batch_faults=[{"fault": fault}])
    with lane(tmp_path, server, vectors=Memory()) as home:
        said = home.engine.subscribe()
        home.bring(6)
        home.hand_over()
        assert (home.count("indexed"), home.count("failed")) == (indexed, failed)
        assert home.count("pending") == 6 - indexed - failed
        assert home.store.ledger.spent() == batch_bill(server)
        for number in range(6):
            for kept in home.store.answers.of_item(home.store.items.find("table", f"table_{number}") or 0):
                expected = expected_vector(kept.text, "text-embedding-3-small", None, 7)
                assert np.array_equal(np.frombuffer(kept.vector, "<f4"), expected)
        words = " ".join(getattr(event, "message", "") for event in said.drain())
        assert failed or "never sent" in words or "had its answer" in words or "no result" in words


@pytest.mark.parametrize(("fault", "words", "kept"), [("truncated", "cut off", 5), ("gzipped", "compressed", 0)])
def test_a_file_that_cant_be_read(tmp_path: Path, server: RehearsalServer, fault: str, words: str, kept: int) -> None:
    server.set_options(batch_faults=[{"fault": fault}])
    with lane(tmp_path, server, vectors=Memory()) as home:
        home.bring(6)
        (one,) = home.hand_over().under_way
        assert one.state == "collecting" and words in one.problem and "cancel" in one.next_step
        assert one.kept == kept
        home.half.cancel()
        assert home.half.collect().under_way == ()
        assert (home.count("indexed"), home.count("pending")) == (kept, 6 - kept)
        assert home.store.ledger.spent() == batch_bill(server)  # by the batch's own usage


def test_a_download_that_breaks_goes_on_where_it_was(tmp_path: Path, server: RehearsalServer) -> None:
    server.set_options(batch_faults=[{"fault": "cut_download", "share": 0.9, "times": 2}])
    with lane(tmp_path, server, vectors=Memory()) as home:
        home.bring(30)
        assert home.hand_over().answered == 30
        assert home.store.ledger.spent() == batch_bill(server)


def test_files_that_cant_be_deleted_are_listed(tmp_path: Path, server: RehearsalServer) -> None:
    server.set_options(batch_faults=[{"fault": "delete_fails"}])
    with lane(tmp_path, server, vectors=Memory()) as home:
        home.bring(3)
        (one,) = home.hand_over().settled
        assert home.count("indexed") == 3 and len(one.files_left) == 2
        assert len(home.store.jobs.with_files(1)) == 1
        server.set_options(batch_faults=[])
        home.half.collect()
        assert home.store.jobs.with_files(1) == []


def test_a_wrong_key_stops_everything(tmp_path: Path) -> None:
    with RehearsalServer.start(options(key="sk-right")) as server:
        with lane(tmp_path, server, vectors=Memory(), OPENAI_API_KEY="sk-wrong-0123456789") as home:
            home.bring(3)
            found = home.hand_over()
            assert found.fatal is not None and found.fatal[0] == "invalid_api_key"
            assert home.store.ledger.spent() == 0
        with lane(tmp_path, server, vectors=Memory(), OPENAI_API_KEY="sk-right") as home:
            assert home.half.collect().answered == 3
