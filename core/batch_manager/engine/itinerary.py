"""The itinerary: which request each text would travel in, if all that is pending were sent now. Pure."""

from __future__ import annotations

from array import array
from bisect import bisect_left
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from batch_manager.packing import Input, Limits, pack


@dataclass(frozen=True, slots=True)
class Itinerary:
    """Requests by number, 1, 2, 3… as a run packs them. Some 20 bytes a text.

    Attributes:
        requests: Inputs in each.
    """

    requests: Sequence[int]
    _texts: array[int]
    _numbers: array[int]

    def of(self, hashes: Iterable[str]) -> tuple[int, ...]:
        """The requests that carry these texts, by hash; a text that was paid for, or can't be sent, is in none."""
        found = set()
        for one in hashes:
            try:
                found.add(self._numbers[self._texts.index(_short(one))])
            except ValueError:
                continue  # in none
        return tuple(sorted(found))


def itinerary_of(texts: Iterable[tuple[Input, str]], limits: Limits) -> Itinerary:
    """Pack the texts as a run would.

    Args:
        texts: Inputs and the hashes of their texts, in the order of their ids.
        limits: Ceilings of a request.
    """
    ids, short = array("q"), array("Q")

    def inputs() -> Iterator[Input]:
        for one, digest in texts:
            ids.append(one.text_id)
            short.append(_short(digest))
            yield one

    sizes = array("l")
    numbers: dict[int, array[int]] = {}
    for number, batch in enumerate(pack(inputs(), limits), start=1):
        sizes.append(len(batch))
        numbers[number] = array("q", (one.text_id for one in batch))
    places = array("l", bytes(array("l").itemsize * len(ids)))
    for number, members in numbers.items():
        for text_id in members:
            places[bisect_left(ids, text_id)] = number
    return Itinerary(sizes, short, places)


def _short(digest: str) -> int:
    """Enough of a hash to tell some hundred thousand texts apart on a screen."""
    return int(digest[:16], 16)
