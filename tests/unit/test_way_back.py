"""Which settings make an index the one that is worked on, said so that they can be typed."""

from __future__ import annotations

import pytest

from batch_manager.engine.way_back import way_back
from batch_manager.quote import Space
from batch_manager.settings import LOCAL_MODEL
from batch_manager.store.generations import Generation

SMALL, LARGE = "text-embedding-3-small", "text-embedding-3-large"


def index(model: str, dimensions: int, provider: str = "openai") -> Generation:
    return Generation(1, model, dimensions, "serving", "2026", None, provider, "api.openai.com")


def space(model: str, dimensions: int | None, provider: str = "openai") -> Space:
    return Space(provider, "api.openai.com", model, dimensions)


@pytest.mark.parametrize(
    ("to", "now", "words"),
    [
        (index(SMALL, 1536), space(SMALL, 512), "unset OPENAI_EMBEDDING_DIMENSIONS"),
        (index(SMALL, 512), space(SMALL, 1536), "set OPENAI_EMBEDDING_DIMENSIONS=512"),
        (index(SMALL, 512), space(SMALL, 256), "set OPENAI_EMBEDDING_DIMENSIONS=512"),
        (index(SMALL, 1536), space(LARGE, 3072), f"use --model {SMALL}"),
        (index(SMALL, 1536), space(LARGE, 1024), f"use --model {SMALL} and unset OPENAI_EMBEDDING_DIMENSIONS"),
        (index(SMALL, 512), space(LARGE, 512), f"use --model {SMALL}"),
        (index(LARGE, 1024), space(SMALL, 1536), f"use --model {LARGE} and set OPENAI_EMBEDDING_DIMENSIONS=1024"),
        (index(LOCAL_MODEL, 256, "local"), space(SMALL, 1536), "use --provider local"),
        (index(SMALL, 1536), space(LOCAL_MODEL, 256, "local"), f"use --provider openai --model {SMALL}"),
        (
            index(SMALL, 512),
            space(LOCAL_MODEL, 256, "local"),
            f"use --provider openai --model {SMALL} and set OPENAI_EMBEDDING_DIMENSIONS=512",
        ),
        (index("nomic", 0), space(SMALL, 1536), "use --model nomic"),
    ],
)
def test_the_way_back_names_what_differs_and_nothing_else(to: Generation, now: Space, words: str) -> None:
    assert way_back(to, now) == words
