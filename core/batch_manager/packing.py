"""Packing: which inputs travel in which request. Pure, stable, and near the fewest requests possible.

A request has three ceilings: inputs, tokens, and the tokens as the server is reported to meter them
(UTF-8 bytes ÷ 4). The larger of both meters counts.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import NamedTuple

MAX_REQUEST_TOKENS = 300_000
"""Most tokens of one request, summed over its inputs (OpenAI's API reference)."""

WINDOW_BATCHES = 200
"""Requests that are packed together: enough to be near optimal, few enough to keep memory flat."""


class Input(NamedTuple):
    """One input to send: the text's id in the store, its tokens, its UTF-8 bytes."""

    text_id: int
    tokens: int
    bytes: int

    @property
    def weight(self) -> int:
        """What it takes of a request's token ceiling, by the larger of both meters."""
        return max(self.tokens, -(-self.bytes // 4))


@dataclass(frozen=True, slots=True)
class Limits:
    """Ceilings of one request."""

    inputs: int = 100
    tokens: int = MAX_REQUEST_TOKENS


def pack(inputs: Iterable[Input], limits: Limits) -> Iterator[list[Input]]:
    """Yield requests, each under every ceiling; windows of inputs are taken one by one, so memory stays flat.

    An input that is heavier than a whole request travels alone, and the server has the last word on it.
    """
    stream = iter(inputs)
    size = limits.inputs * WINDOW_BATCHES
    while window := list(islice(stream, size)):
        yield from pack_window(window, limits)


class RequestCount:
    """How many requests `pack` makes of a stream of inputs, of which only a window is held."""

    def __init__(self, limits: Limits) -> None:
        """No input yet."""
        self._limits = limits
        self._size = limits.inputs * WINDOW_BATCHES
        self._weights: list[int] = []
        self._requests = 0

    def add(self, weights: Iterable[int]) -> None:
        """The next inputs, by their `weight`."""
        self._weights.extend(weights)
        while len(self._weights) >= self._size:
            self._requests += self._of(self._weights[: self._size])
            del self._weights[: self._size]

    def total(self) -> int:
        """Requests of all that was added."""
        return self._requests + (self._of(self._weights) if self._weights else 0)

    def _of(self, weights: Sequence[int]) -> int:
        if _only_number_counts(weights, self._limits):
            return -(-len(weights) // self._limits.inputs)
        return len(pack_window([Input(number, weight, 0) for number, weight in enumerate(weights)], self._limits))


def fitting(tokens: Iterable[int], room: int) -> int:
    """How many of these inputs, by their tokens and in this order, have room together."""
    number = 0
    for one in tokens:
        room -= one
        if room < 0:
            break
        number += 1
    return number


def pack_window(inputs: Sequence[Input], limits: Limits) -> list[list[Input]]:
    """Pack what is at hand. In order when that takes no more requests than must be; otherwise balanced."""
    if _only_number_counts([one.weight for one in inputs], limits):
        return [list(inputs[at : at + limits.inputs]) for at in range(0, len(inputs), limits.inputs)]
    in_order = _next_fit(inputs, limits)
    if len(in_order) <= lower_bound(inputs, limits):
        return in_order
    alone = [[one] for one in inputs if one.weight > limits.tokens]
    others = [one for one in inputs if one.weight <= limits.tokens] if alone else inputs
    balanced = _fewest(others, limits, len(in_order) - len(alone))
    return in_order if balanced is None else sorted([*alone, *balanced], key=lambda batch: batch[0].text_id)


def _only_number_counts(weights: Sequence[int], limits: Limits) -> bool:
    """Whether any of these inputs, as many as a request takes, have room in one: the usual case."""
    return max(weights, default=0) * min(len(weights), limits.inputs) <= limits.tokens


def _fewest(inputs: Sequence[Input], limits: Limits, most: int) -> list[list[Input]] | None:
    """The balanced packing of fewest requests, under `most`; None when there is none that is found.

    Dealing is no exact science, so that one count works hardly ever means that a smaller one doesn't: strides that
    double and then halve find the turn in a few deals.
    """
    best: list[list[Input]] | None = None
    low, stride = lower_bound(inputs, limits), 1
    while low < most and best is None:
        count = min(low + stride - 1, most - 1)
        best = _deal(inputs, limits, count)
        if best is None:
            low, stride = count + 1, stride * 2
        else:
            most = count
    while low < most:
        count = (low + most) // 2
        packed = _deal(inputs, limits, count)
        if packed is None:
            low = count + 1
        else:
            best, most = packed, count
    return best


def lower_bound(inputs: Sequence[Input], limits: Limits) -> int:
    """No packing of these inputs can have fewer requests than this."""
    total = sum(min(one.weight, limits.tokens) for one in inputs)
    return max(-(-len(inputs) // limits.inputs), -(-total // limits.tokens))


def _next_fit(inputs: Sequence[Input], limits: Limits) -> list[list[Input]]:
    batches: list[list[Input]] = []
    weight = 0
    for one in inputs:
        if not batches or len(batches[-1]) == limits.inputs or weight + one.weight > limits.tokens:
            batches.append([])
            weight = 0
        batches[-1].append(one)
        weight += one.weight
    return batches


def _deal(inputs: Sequence[Input], limits: Limits, count: int) -> list[list[Input]] | None:
    """Deal the inputs, heaviest first, each to the lightest of `count` requests with room; None if one has none."""
    order = sorted(range(len(inputs)), key=lambda index: (-inputs[index].weight, index))
    heap: list[tuple[int, int, int]] = [(0, 0, number) for number in range(count)]
    members: list[list[int]] = [[] for _ in range(count)]
    for index in order:
        if not heap:
            return None
        weight = inputs[index].weight
        # The lightest request has the most room: where it can't take the input, none can.
        lightest, held, number = heapq.heappop(heap)
        if lightest + weight > limits.tokens:
            return None
        members[number].append(index)
        if held + 1 < limits.inputs:
            heapq.heappush(heap, (lightest + weight, held + 1, number))
    return [[inputs[index] for index in sorted(group)] for group in members if group]
