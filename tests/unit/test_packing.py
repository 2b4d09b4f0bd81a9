"""Packing: every ceiling holds, every input travels once, and requests are few."""

from __future__ import annotations

import random
import time
from collections import Counter
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from batch_manager.packing import WINDOW_BATCHES, Input, Limits, RequestCount, lower_bound, pack, pack_window

sizes = st.integers(1, 8191) | st.sampled_from([1, 50, 8000, 8191])


def inputs_of(tokens: list[int], bytes_a_token: float = 4.0) -> list[Input]:
    return [Input(number, one, int(one * bytes_a_token)) for number, one in enumerate(tokens, start=1)]


def check(batches: list[list[Input]], inputs: list[Input], limits: Limits) -> None:
    assert Counter(one for batch in batches for one in batch) == Counter(inputs)
    for batch in batches:
        assert 1 <= len(batch) <= limits.inputs
        assert len(batch) == 1 or sum(one.weight for one in batch) <= limits.tokens
        assert len(batch) == 1 or sum(one.tokens for one in batch) <= limits.tokens
        assert len(batch) == 1 or sum(one.bytes for one in batch) <= limits.tokens * 4
        assert [one.text_id for one in batch] == sorted(one.text_id for one in batch)


@given(
    rows=st.lists(st.tuples(sizes, st.integers(1, 40_000)), max_size=300),
    limits=st.builds(Limits, inputs=st.integers(1, 120), tokens=st.integers(8191, 300_000)),
)
def test_every_ceiling_holds(rows: list[tuple[int, int]], limits: Limits) -> None:
    inputs = [Input(number, tokens, size) for number, (tokens, size) in enumerate(rows, start=1)]
    batches = list(pack(inputs, limits))
    check(batches, inputs, limits)
    assert batches == list(pack(iter(inputs), limits))
    assert len(batches) >= lower_bound(inputs, limits)
    counted = RequestCount(limits)
    for one in inputs:
        counted.add([one.weight])
    assert counted.total() == len(batches)


@given(tokens=st.lists(sizes, min_size=1, max_size=200), limit=st.integers(1, 9000))
def test_inputs_beyond_a_ceiling_travel_alone(tokens: list[int], limit: int) -> None:
    inputs, limits = inputs_of(tokens), Limits(inputs=20, tokens=limit)
    check(list(pack(inputs, limits)), inputs, limits)


@given(count=st.integers(0, 3000), size=st.integers(1, 150))
def test_where_only_the_count_limits_it_is_exact(count: int, size: int) -> None:
    batches = list(pack(inputs_of([50] * count), Limits(inputs=size)))
    assert len(batches) == -(-count // size)
    assert [one.text_id for batch in batches for one in batch] == list(range(1, count + 1)), "in order"


@pytest.mark.parametrize(("count", "requests"), [(150 + 75, 3), (0, 0), (100, 1), (101, 2), (1, 1)])
def test_the_contracts_examples(count: int, requests: int) -> None:
    assert len(list(pack(inputs_of([220] * count), Limits(inputs=100)))) == requests


def lengths(kind: str, count: int, seed: int) -> list[int]:
    chance = random.Random(seed)
    draw: dict[str, Callable[[], int]] = {
        "usual": lambda: chance.randint(50, 400),
        "lognormal": lambda: min(8191, max(5, int(chance.lognormvariate(6, 1.2)))),
        "long": lambda: min(8191, max(5, int(chance.lognormvariate(8, 0.8)))),
        "half and half": lambda: chance.choice([8000, 50]),
        "a few giants": lambda: 8191 if chance.random() < 0.05 else chance.randint(50, 400),
        "a hundred fill it": lambda: chance.randint(2500, 3500),
        "uniform": lambda: chance.randint(1, 8191),
    }
    return [draw[kind]() for _ in range(count)]


KINDS = ["usual", "lognormal", "long", "half and half", "a few giants", "a hundred fill it", "uniform"]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("size", [25, 100, 2048])
@pytest.mark.parametrize("bytes_a_token", [3.2, 5.3])
def test_near_the_fewest_requests(kind: str, size: int, bytes_a_token: float) -> None:
    inputs, limits = inputs_of(lengths(kind, 5_000, 11), bytes_a_token), Limits(inputs=size)
    batches = list(pack(inputs, limits))
    check(batches, inputs, limits)
    assert len(batches) <= lower_bound(inputs, limits) * 1.05 + 1


@pytest.mark.parametrize("order", ["giants first", "giants last", "blocks"])
def test_half_giants_in_any_order(order: str) -> None:
    tokens = [8000] * 5_000 + [50] * 5_000
    if order == "giants last":
        tokens.reverse()
    elif order == "blocks":
        tokens = ([8000] * 500 + [50] * 500) * 10
    inputs, limits = inputs_of(tokens), Limits(inputs=100)
    batches = list(pack(inputs, limits))
    check(batches, inputs, limits)
    assert len(batches) <= lower_bound(inputs, limits) * 1.05


def test_few_heavy_inputs_do_not_spoil_the_rest() -> None:
    tokens = lengths("uniform", 5_000, 3)
    limits = Limits(inputs=100, tokens=8_100)  # a server whose limit was learnt: some inputs are beyond it
    inputs = inputs_of(tokens)
    batches = list(pack(inputs, limits))
    check(batches, inputs, limits)
    beyond = [one for one in inputs if one.weight > limits.tokens]
    assert beyond
    best = max(lower_bound([one for one in inputs if one.weight <= limits.tokens], limits) + len(beyond), 1)
    assert len(batches) <= best * 1.35, "halves can't be shared when most inputs are heavier than half"


def test_a_stream_is_taken_window_by_window() -> None:
    limits = Limits(inputs=10)
    taken = 0

    def stream() -> object:
        nonlocal taken
        for one in inputs_of([50] * 10_000):
            taken += 1
            yield one

    next(pack(stream(), limits))  # type: ignore[arg-type]
    assert taken == limits.inputs * WINDOW_BATCHES


def test_a_hundred_thousand_take_a_moment() -> None:
    inputs = inputs_of(lengths("lognormal", 100_000, 5))
    started = time.monotonic()
    list(pack(inputs, Limits()))
    assert time.monotonic() - started < 5


def test_an_empty_window() -> None:
    assert pack_window([], Limits()) == []
