"""Documents for benchmarks: all different, about as long as real ones, the same at every call."""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

UNLIMITED: dict[str, Any] = {
    "requests_per_minute": None,
    "tokens_per_minute": None,
    "rate_headers": False,
    "keep_hashes": False,
}
"""Options of a rehearsal server that nothing is measured of."""

WORDS = (
    "order customer invoice payment ledger warehouse shipment return supplier product price stock contract employee "
    "campaign ticket account period status amount currency date reference line header note approval reminder rate "
    "table row column key joins references holds keeps records written read monthly nightly by job user partner team"
).split()


def lines(count: int, seed: int = 7, words: int = 170) -> Iterator[str]:
    """JSON Lines in the import format; about 220 tokens each, names and all."""
    chance = random.Random(seed)
    for number in range(count):
        length = max(20, int(chance.gauss(words, words / 4)))
        text = " ".join(chance.choices(WORDS, k=length))
        name = f"{chance.choice(WORDS)}_{chance.choice(WORDS)}_{number}"
        yield json.dumps({"kind": "table", "name": name, "documentation": f"{text}. Number {number}."})


def write(path: Path, count: int, seed: int = 7) -> Path:
    """Write that many documents to a file."""
    path.write_text("\n".join(lines(count, seed)) + "\n", encoding="utf-8")
    return path
