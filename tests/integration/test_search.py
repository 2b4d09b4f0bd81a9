"""Search on a real index: by meaning and by the words of names."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from batch_manager.documents import Column, Document
from batch_manager.engine import Engine
from batch_manager.engine.search import Unmetered
from batch_manager.errors import DeclinedError, UsageError
from batch_manager.quote import Scope
from batch_manager.rehearsal import RehearsalServer
from batch_manager.settings import load_settings
from batch_manager.sources.collection import IterableSource
from batch_manager.store import DocumentationStore
from jobs import KEY, options


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engine]:
    home = tmp_path_factory.mktemp("home")
    settings = load_settings(
        {"BATCH_MANAGER_HOME": str(home), "EMBEDDING_PROVIDER": "local"}, environment={}, folder=Path(home)
    )
    with DocumentationStore(settings) as store:
        documents = [
            Document("table", "customer_orders", documentation="A basket that was paid, with its goods."),
            Document("table", "zzqx17", documentation="Money that somebody owes and is late with."),
            Document("relationship", "customer_orders_fk", tables=("customer_orders", "people")),
            Document("table", "hr.slips", documentation="Wages of a month. The bureau sends a spreadsheet."),
            Document("table", "inv_mv", documentation="Goods in and out."),
            *[Document("table", f"t{n}", documentation=f"Basket number {n} that was paid.") for n in range(60)],
            Document("table", "pending_only"),
        ]
        store.items.bring(IterableSource(documents, "words", "a test"))
        scanned = [
            Document("table", "customer_orders", columns=(Column("id"),), schema="sales"),
            Document("relationship", "customer_orders_fk", tables=("customer_orders", "people"), schema="sales"),
        ]
        store.items.bring(IterableSource(scanned, "structure", "postgresql://db/Shop"))
        engine = Engine(settings, store, on_trouble="stop")
        engine.start(engine.quote(Scope()))
        assert engine.wait(60).indexed == 65
        yield engine
        engine.close()


@pytest.mark.parametrize("query", ["cust_ord", "customer orders", "CustomerOrders"])
def test_a_name_is_found_by_its_words(engine: Engine, query: str) -> None:
    assert engine.index.search(query, "table", 3)[0].name == "customer_orders"


def test_meaning_finds_what_no_name_says(engine: Engine) -> None:
    assert engine.index.search("who pays late", "table", 3)[0].name == "zzqx17"


def test_results_are_best_first_within_bounds_and_of_the_kind_asked_for(engine: Engine) -> None:
    hits = engine.index.search("customer orders", None, 5)
    scores = [hit.score for hit in hits]
    assert scores == sorted(scores, reverse=True)
    assert all(0 <= score <= 1 for score in scores)
    assert len({(hit.kind, hit.name) for hit in hits}) == len(hits) == 5
    assert {hit.kind for hit in engine.index.search("customer orders", "relationship", 5)} == {"relationship"}


def test_what_is_not_indexed_is_not_found_by_its_words_either(engine: Engine) -> None:
    assert "pending_only" not in {hit.name for hit in engine.index.search("pending only", None, 50)}


@pytest.mark.parametrize("query", ['" OR name:*', "a NEAR b", "* ^ ( ) -", "'; DROP TABLE item; --"])
def test_the_syntax_of_full_text_search_means_nothing(engine: Engine, query: str) -> None:
    assert engine.index.search(query, None, 3)


def test_a_word_of_the_text_is_found_where_the_vectors_see_little(engine: Engine) -> None:
    assert engine.index.search("bureau spreadsheet", None, 3)[0].name == "hr.slips"


def test_whole_words_find_an_abbreviated_name(engine: Engine) -> None:
    assert engine.index.search("inventory movements", "table", 3)[0].name == "inv_mv"


@pytest.mark.parametrize(
    ("sources", "schemas", "names"),
    [
        ((), ("sales",), {"customer_orders", "customer_orders_fk"}),
        ((), ("hr",), {"hr.slips"}),
        ((), ("h?", "sal*"), {"customer_orders", "customer_orders_fk", "hr.slips"}),
        (("shop",), (), {"customer_orders", "customer_orders_fk"}),
        (("a test",), ("hr", "sales"), {"customer_orders", "customer_orders_fk", "hr.slips"}),
        (("shop",), ("hr",), set()),
    ],
)
def test_a_search_is_kept_to_sources_and_schemas(
    engine: Engine, sources: tuple[str, ...], schemas: tuple[str, ...], names: set[str]
) -> None:
    hits = engine.index.search("what was paid", None, 10, sources=sources, schemas=schemas)
    assert {hit.name for hit in hits} == names


@pytest.mark.parametrize(("sources", "schemas"), [(("nowhere",), ()), ((), ("Sales",))])
def test_a_source_or_schema_of_no_item_is_refused(
    engine: Engine, sources: tuple[str, ...], schemas: tuple[str, ...]
) -> None:
    with pytest.raises(UsageError, match="There is: "):
        engine.index.search("what was paid", None, 10, sources=sources, schemas=schemas)


def test_a_row_that_chroma_lost_does_not_end_a_filtered_search(engine: Engine) -> None:
    import chromadb

    client = chromadb.PersistentClient(str(engine.settings.vectors_directory))
    client.get_collection("tables", embedding_function=None).delete(ids=["t7"])
    names = {hit.name for hit in engine.index.search("basket 7", "table", 80, sources=("a test",))}
    assert "t8" in names


def test_what_stops_a_request_keeps_it_back(engine: Engine) -> None:
    class Full(Unmetered):
        def reserve(self, tokens: int) -> None:
            raise UsageError("Enough.", code="enough")

    with pytest.raises(UsageError, match="Enough"):
        engine.index.search("what nobody asked before", meter=Full())


def test_a_query_that_was_paid_for_is_asked_again_for_nothing(tmp_path: Path) -> None:
    with RehearsalServer.start(options()) as server:
        values = {"BATCH_MANAGER_HOME": str(tmp_path), "OPENAI_API_KEY": KEY, "OPENAI_BASE_URL": server.base_url}
        settings = load_settings(values, environment={}, folder=tmp_path)
        with DocumentationStore(settings) as store:
            documents = [
                Document("table", "orders", documentation="Baskets that were paid."),
                Document("relationship", "orders_fk", tables=("orders", "people")),
            ]
            store.items.bring(IterableSource(documents, "words", "a test"))
            engine = Engine(settings, store, on_trouble="stop")
            try:
                engine.start(engine.quote(Scope()))
                assert engine.wait(60).indexed == 2
                server.clear()
                index = engine.index
                assert index.search_price("paid baskets") > 0 and not index.keeps("paid baskets")
                with pytest.raises(DeclinedError, match="nobody said yes"):
                    index.search("paid baskets", may_pay=False)
                assert server.totals()["requests"] == 0
                assert index.search("paid baskets", "table")[0].name == "orders"
                assert index.search_price("paid baskets") == 0 and index.keeps("paid baskets")
                found = index.search("paid baskets", "relationship", may_pay=False)
                assert [hit.name for hit in found] == ["orders_fk"]
                assert server.totals()["requests"] == 1
            finally:
                engine.close()
