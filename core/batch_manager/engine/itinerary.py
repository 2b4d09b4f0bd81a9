"""The itinerary: which request each text would travel in, if all that is pending were sent now. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from batch_manager.packing import Limits, pack
from batch_manager.quote import Work


@dataclass(frozen=True, slots=True)
class Itinerary:
    """Requests by number, 1, 2, 3… as a run packs them.

    Attributes:
        requests: Inputs in each.
    """

    requests: tuple[int, ...]
    _places: dict[str, int]

    def of(self, hashes: Iterable[str]) -> tuple[int, ...]:
        """The requests that carry these texts, by hash; a text that was paid for, or can't be sent, is in none."""
        return tuple(sorted({self._places[one] for one in hashes if one in self._places}))


def itinerary_of(work: Work, limits: Limits) -> Itinerary:
    """Pack the work as a run would."""
    by_id = {one.text_id: digest for one, digest in zip(work.inputs, work.hashes, strict=True)}
    places: dict[str, int] = {}
    sizes: list[int] = []
    for number, batch in enumerate(pack(work.inputs, limits), start=1):
        sizes.append(len(batch))
        places |= {by_id[one.text_id]: number for one in batch}
    return Itinerary(tuple(sizes), places)
