"""The nearest items of an indexed one: by its kept vector, for nothing."""

from __future__ import annotations

import re
from typing import Any

import pytest

from batch_manager.documents import Column, Document
from batch_manager.errors import UsageError

DOCUMENTS = [
    Document("table", "invoices", "Invoices that customers have to pay"),
    Document("table", "payments", "Money that customers paid for their invoices"),
    Document("table", "weather", "Temperature and rain at noon"),
]


async def test_details_show_the_nearest_items(local: Any, drives: Any) -> None:
    workspace = local([*DOCUMENTS, Document("table", "empty")])
    engine = workspace.engine
    with pytest.raises(UsageError, match="No vector"):
        engine.index.neighbours("table", "invoices")
    with pytest.raises(UsageError, match="no table 'nothing'"):
        engine.index.neighbours("table", "nothing")
    async with drives(workspace) as driver:
        await driver.press("enter")
        assert "nearest items" not in driver.screen_text()
        assert "enter open" not in driver.screen_text(), "there is none to be opened"
        await driver.press("escape", "s")
        await driver.asked()
        await driver.press("y")
        await driver.run_to_the_end()
        requests = workspace.store.ledger.bill().total.requests
        await driver.press("enter")
        await driver.until(lambda: driver.app.screen._near is not None)
        await driver.settle()
        hits = driver.app.screen._near
        assert [hit.name for hit in hits] == ["payments", "weather"]
        assert 1 >= hits[0].score > hits[1].score >= 0
        assert "payments" in driver.screen_text() and "enter open" in driver.screen_text()
        assert workspace.store.ledger.bill().total.requests == requests
        assert [hit.name for hit in engine.index.neighbours("table", "weather", 1)] != ["weather"]


async def test_details_say_which_part_of_the_document_the_tokens_are_in(local: Any, drives: Any) -> None:
    columns = (Column("id"), Column("mail"))
    workspace = local([Document("table", "users", "People", "Words " * 40, columns=columns)])
    async with drives(workspace) as driver:
        await driver.press("enter")
        seen = driver.screen_text()
        (row,) = workspace.store.items.rows(workspace.store.items.ids())
        told = {
            label: int(number) for number, label in re.findall(r"(\d+) (name and purpose|documentation|columns) ", seen)
        }
        assert list(told) == ["name and purpose", "documentation", "columns"], seen
        assert sum(told.values()) == row.tokens and told["documentation"] > 40
