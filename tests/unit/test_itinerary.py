"""The itinerary: every text in the request that a run would send it with."""

from __future__ import annotations

import hashlib

from batch_manager.engine.itinerary import itinerary_of
from batch_manager.packing import Input, Limits, pack


def test_each_text_is_where_a_run_packs_it() -> None:
    inputs = [Input(number * 3, 100 + number * 37 % 900, 400) for number in range(1, 400)]
    hashes = {one.text_id: hashlib.sha256(str(one.text_id).encode()).hexdigest() for one in inputs}
    limits = Limits(inputs=25, tokens=9_000)
    itinerary = itinerary_of(((one, hashes[one.text_id]) for one in inputs), limits)
    batches = list(pack(inputs, limits))
    assert list(itinerary.requests) == [len(batch) for batch in batches]
    for number, batch in enumerate(batches, start=1):
        assert {itinerary.of([hashes[one.text_id]]) for one in batch} == {(number,)}
    first, last = batches[0][0], batches[-1][0]
    assert itinerary.of([hashes[first.text_id], hashes[last.text_id], "0" * 64]) == (1, len(batches))
