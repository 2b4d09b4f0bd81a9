"""Vectors of earlier queries: each serves its own model, size and server, and only the latest are kept."""

from __future__ import annotations

from dataclasses import replace

from batch_manager.engine.asked import MOST, Asked, Query
from batch_manager.quote import Space

SPACE = Space("openai", "https://a.example/v1", "m", 2)
QUERY = Query("who pays late", SPACE, "a.example")


def test_a_vector_serves_the_very_query_of_its_model_size_and_server() -> None:
    asked = Asked()
    asked.keep(QUERY, b"12345678")
    assert asked.vector(QUERY) == b"12345678" and QUERY in asked
    others = [
        QUERY._replace(text="who pays"),
        QUERY._replace(host="b.example"),
        QUERY._replace(space=replace(SPACE, model="n")),
        QUERY._replace(space=replace(SPACE, dimensions=1)),
        QUERY._replace(space=replace(SPACE, server="https://b.example/v1")),
    ]
    assert all(asked.vector(other) is None and other not in asked for other in others)


def test_the_query_asked_for_longest_ago_goes_first() -> None:
    asked = Asked()
    queries = [QUERY._replace(text=str(number)) for number in range(MOST + 1)]
    for query in queries[:-1]:
        asked.keep(query, b"12345678")
    asked.vector(queries[0])
    asked.keep(queries[-1], b"12345678")
    assert queries[0] in asked and queries[1] not in asked and queries[-1] in asked


def test_a_vector_of_a_wrong_size_is_not_kept() -> None:
    asked = Asked()
    asked.keep(QUERY, b"1234")
    assert QUERY not in asked
