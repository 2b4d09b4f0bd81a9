"""The bill: by run, by day and by model the sums are the same, to the picodollar."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from batch_manager.pricing import from_pico
from batch_manager.settings import load_settings
from batch_manager.sources.rows import write_rows
from batch_manager.store import DocumentationStore
from batch_manager.store.bill import BILL_COLUMNS, Spent, bill_records, records_by

pytestmark = pytest.mark.usefixtures("each_store")

Sent = tuple[int, str, str, str, int]

SENT = st.tuples(
    st.integers(1, 4),
    st.sampled_from(["2026-11-01", "2026-11-02", "2026-12-31"]),
    st.sampled_from(["text-embedding-3-small", "other"]),
    st.sampled_from(["answered", "refused", "unknown", "sent"]),
    st.integers(0, 10**12),
)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[DocumentationStore]:
    with DocumentationStore(load_settings({"BATCH_MANAGER_HOME": str(tmp_path)}, {}, tmp_path)) as opened:
        yield opened


def fill(store: DocumentationStore, sent: list[Sent]) -> None:
    """Runs 1 to 4, and these requests in them."""
    for table in ("run", "request"):
        store._db.execute_sql(f"DELETE FROM {table}")
    quote = json.dumps({"model": "text-embedding-3-small", "items": 5, "tokens": 50, "cost": "0.000001"})
    for run_id in range(1, 5):
        store._db.execute_sql(
            "INSERT INTO run (id, state, which, space_id, host, price, quote, agreed_at, ended_at) VALUES"
            " (?, 'done', 'pending', 1, '=host', '0.02', ?, '2026-11-01T10:00:00+00:00', '2026-11-01T10:00:07+00:00')",
            (run_id, quote),
        )
    for run_id, day, model, state, pico in sent:
        store._db.execute_sql(
            "INSERT INTO request (run_id, batch, try, state, model, inputs, tokens_estimated, tokens_billed, price,"
            " cost_pico, sent_at) VALUES (?, 1, ?, ?, ?, 1, 9, ?, '0.02', ?, ?)",
            (run_id, 1 + pico % 2, state, model, 9 if state == "answered" else None, pico, day + "T10:00:00+00:00"),
        )


@given(st.lists(SENT, max_size=30))
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_every_way_of_adding_gives_the_whole(store: DocumentationStore, sent: list[Sent]) -> None:
    fill(store, sent)
    bill = store.ledger.bill()
    assert [run.id for run in bill.runs] == [4, 3, 2, 1]
    for parts in ([run.spent for run in bill.runs], [one for _, one in bill.days], [one for _, one in bill.models]):
        assert sum(parts, Spent()) == bill.total
    assert bill.total.usd == store.ledger.spent() == from_pico(sum(one[4] for one in sent))
    assert bill.total.requests == len(sent)
    assert [key for key, _ in bill.days] == sorted({one[1] for one in sent})


def test_what_was_estimated_stands_beside_what_was_billed_and_is_counted_once(store: DocumentationStore) -> None:
    fill(store, [(1, "2026-11-01", "one", "answered", 1), (2, "2026-11-02", "one", "unknown", 30)])
    nine = Decimal("0.02") * 9 / 1_000_000  # tokens that we counted
    bill = store.ledger.bill()
    assert [(day, spent.estimated) for day, spent in bill.days] == [("2026-11-01", nine), ("2026-11-02", 0)]
    assert dict(bill.models)["one"].estimated == nine
    whole = sum(run.estimated for run in bill.runs)
    assert bill.estimated == whole > 0
    store._db.execute_sql("UPDATE run SET state = 'replaced' WHERE id = 1")  # its rest is in a later run's quote
    bill = store.ledger.bill()
    assert bill.estimated == whole - bill.runs[-1].estimated + nine
    (first, _) = records_by(bill, "day")
    assert (first["estimated_usd"], first["billed_usd"]) == ("0.00000018", "0.000000000001")


@pytest.mark.parametrize("ending", [".csv", ".json"])
def test_the_written_bill_is_exact(store: DocumentationStore, tmp_path: Path, ending: str) -> None:
    fill(store, [(2, "2026-11-01", "other", "answered", 1), (2, "2026-11-01", "other", "unknown", 30)])
    path = tmp_path / f"bill{ending}"
    assert write_rows(bill_records(store.ledger.bill()), BILL_COLUMNS, path) == 4
    text = path.read_text()
    rows = json.loads(text) if ending == ".json" else list(csv.DictReader(text.splitlines()))
    second = rows[2]
    assert tuple(second) == BILL_COLUMNS
    assert second["billed_usd"] == "0.000000000001"
    assert Decimal(second["held_usd"]) == Decimal(30) / 10**12
    assert str(second["retries"]) == "1"
    assert second["host"] == ("'=host" if ending == ".csv" else "=host")


def test_the_time_of_a_run_is_when_it_sent_and_not_between_sittings(store: DocumentationStore) -> None:
    fill(store, [])
    for sent, ended, inputs in (
        ("10:00:00", "10:00:03", 30),
        ("10:00:02", "10:00:05", 30),
        ("10:00:06", "10:00:08", 30),  # a second apart is the clock's grain
        ("11:30:00", "11:30:02", 10),
        ("11:45:00", None, 10),
    ):
        store._db.execute_sql(
            "INSERT INTO request (run_id, batch, try, state, model, inputs, tokens_estimated, price, cost_pico,"
            " sent_at, ended_at) VALUES (2, 1, 1, 'answered', 'm', ?, 9, '0.02', 1, ?, ?)",
            (inputs, f"2026-11-01T{sent}+00:00", ended and f"2026-11-01T{ended}+00:00"),
        )
    run = next(run for run in store.ledger.bill().runs if run.id == 2)
    assert run.sending == 10
    assert next(row for row in bill_records(store.ledger.bill()) if row["run"] == 2)["sending_seconds"] == 10
    pace = store.ledger.pace(2, 24)
    assert pace is not None
    assert sum(pace.answered) == 100
    assert pace.seconds * len(pace.answered) == 10
    assert max(pace.rates) <= 100 / 8  # as the run's own screen has it, and not of one lucky second
