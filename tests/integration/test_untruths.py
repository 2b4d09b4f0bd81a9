"""Each kind of untruth, done to a real Chroma behind the program's back: found, and mended for nothing."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import chromadb
import pytest

from batch_manager.quote import Scope
from batch_manager.rehearsal import RehearsalServer
from jobs import job, options

pytestmark = pytest.mark.usefixtures("each_store_if_asked")

SMALL = {"OPENAI_EMBEDDING_DIMENSIONS": "8"}


@pytest.fixture(scope="module")
def server() -> Iterator[RehearsalServer]:
    with RehearsalServer.start(options()) as running:
        yield running


def altered(tables: Any) -> None:
    """One sort of untruth a row, and rows of another program; of `table_0` nothing is untrue."""
    tables.delete(ids=["table_1", "table_2"])
    tables.update(ids=["table_3"], documents=["Holds lies."], embeddings=[[0.5] * 8])
    tables.update(ids=["table_4"], metadatas=[{"hash": "0" * 64}])
    tables.update(ids=["table_5", "table_6"], metadatas=[{"model": "some-other"}] * 2)
    tables.update(ids=["table_7"], metadatas=[{"dimensions": 9}])
    tables.add(ids=["other#x", "table_0#2"], documents=["a", "b"], embeddings=[[0.1] * 8, [0.2] * 8])


def of_another_size(tables: Any, client: Any) -> None:
    """The same rows, with vectors of another size."""
    rows = tables.get(include=["metadatas", "documents"])
    client.delete_collection("tables")
    again = client.create_collection("tables", metadata={"hnsw:space": "cosine"}, embedding_function=None)
    vectors = [[1.0, 2.0, 3.0]] * len(rows["ids"])
    again.add(ids=rows["ids"], metadatas=rows["metadatas"], documents=rows["documents"], embeddings=vectors)


def test_each_untruth_is_found_and_mended_for_nothing(tmp_path: Path, server: RehearsalServer) -> None:
    with job(tmp_path, server, **SMALL) as opened:
        opened.bring(8)
        opened.run()
    server.clear()
    with closing(chromadb.PersistentClient(str(tmp_path / "vectors"))) as client:
        altered(client.get_collection("tables", embedding_function=None))
    with job(tmp_path, server, **SMALL) as opened:
        found = opened.engine.index.verify()
        assert (found.missing, found.wrong_text, found.outdated, found.orphaned) == (2, 1, 1, 2), found.names
        assert (found.wrong_model, found.wrong_dimensions, found.repaired) == (2, 1, 0), found.names
        assert len(found.names) == found.found == 9
        mended = opened.engine.index.verify(repair=True)
        assert (mended.repaired, mended.pending, mended.untrue) == (9, 0, 0), mended
        assert opened.engine.index.verify().found == 0
        assert opened.store.items.counts().total("indexed") == 8
        assert "Holds lies." not in {hit.document for hit in opened.engine.index.neighbours("table", "table_0", 8)}
    with closing(chromadb.PersistentClient(str(tmp_path / "vectors"))) as client:
        of_another_size(client.get_collection("tables", embedding_function=None), client)
    with job(tmp_path, server, **SMALL) as opened:
        found = opened.engine.index.verify()
        assert (found.wrong_dimensions, found.found) == (8, 8)
        assert opened.engine.index.verify(repair=True).untrue == 0
        assert opened.engine.index.verify().found == 0
    assert server.totals()["requests"] == 0


def test_what_no_answer_is_kept_of_becomes_pending_with_its_price(tmp_path: Path, server: RehearsalServer) -> None:
    with job(tmp_path, server, **SMALL) as opened:
        opened.bring(3)
        opened.run()
        opened.store._db.execute_sql("DELETE FROM answer WHERE text_id = 2")
        opened.store._db.execute_sql("UPDATE item SET stage = 'indexed'")
    with closing(chromadb.PersistentClient(str(tmp_path / "vectors"))) as client:
        client.delete_collection("tables")
    server.clear()
    with job(tmp_path, server, **SMALL) as opened:
        report = opened.engine.index.verify(repair=True)
        assert (report.missing, report.repaired, report.pending, report.untrue) == (3, 2, 1, 1)
        quote = opened.engine.quote(Scope())
        assert (quote.items, quote.texts) == (1, 1) and quote.cost > 0
        assert server.totals()["requests"] == 0
