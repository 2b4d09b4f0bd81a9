"""The collections in Chroma: what is asked of them, and what is written into them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, cast

from batch_manager.documents import KINDS, Kind
from batch_manager.vectors.client import Chroma
from batch_manager.vectors.names import collection_name, drop, swap
from batch_manager.vectors.states import state_of
from batch_manager.vectors.trouble import known

SAME = ("hash", "model", "dimensions")
"""Metadata that say whether a vector is the one that is there already."""


class Index:
    """The two collections of an index, wherever they are; each request says which index it means.

    Collections and folders come into being at the first write and not before.

    Args:
        chroma: The way to them.
        build: HNSW settings of collections that are made (`hnsw:` stands before each name).
    """

    def __init__(self, chroma: Chroma, build: Mapping[str, int]) -> None:
        self._chroma = chroma
        self._build = {f"hnsw:{name}": value for name, value in build.items()}
        self._suffix = ""

    def open(self) -> None:
        """Reach the server, or read a little of all there is in the folder, so that damage shows now."""
        client = self._chroma.reach(create=False)
        if client is None or self._chroma.on_server:
            return
        for kind in KINDS:
            collection = self._collection(kind)
            if collection is not None and collection.count() and (size := collection.get_model().dimension):
                collection.get(limit=1, include=["metadatas"])
                collection.query(query_embeddings=[[1.0] + [0.0] * (size - 1)], n_results=1, include=["distances"])

    # collections

    def _name(self, kind: Kind) -> str:
        return collection_name(kind, self._suffix)

    def _collection(self, kind: Kind) -> Any:
        """The collection as it is now, or None; asked anew each time, since other programs may drop it."""
        from chromadb.errors import NotFoundError

        client = self._chroma.reach(create=False)
        if client is None:
            return None
        try:
            return client.get_collection(self._name(kind), embedding_function=None)
        except NotFoundError:
            return None

    def _create(self, kind: Kind) -> Any:
        client = self._chroma.reach(create=True)
        return client.create_collection(
            self._name(kind),
            metadata={"hnsw:space": "cosine", **self._build},
            embedding_function=None,
            get_or_create=True,
        )

    def _slices(self, things: Sequence[Any]) -> Iterator[Sequence[Any]]:
        for start in range(0, len(things), self._chroma.most):
            yield things[start : start + self._chroma.most]

    def _metadata(self, collection: Any, ids: Sequence[str]) -> dict[str, Mapping[str, Any]]:
        """Metadata of each of the (different) ids that is there."""
        found: dict[str, Mapping[str, Any]] = {}
        for some in self._slices(ids):
            got = collection.get(ids=list(some), include=["metadatas"])
            found.update(zip(got["ids"], (one or {} for one in got["metadatas"]), strict=True))
        return found

    def _remove(self, collection: Any, ids: Sequence[str]) -> None:
        for some in self._slices(ids):
            collection.delete(ids=list(some))

    # what can be asked

    def counts(self) -> dict[str, int]:
        """Rows of each kind."""
        return {kind: self._count(self._collection(kind)) for kind in KINDS}

    @staticmethod
    def _count(collection: Any) -> int:
        return 0 if collection is None else int(collection.count())

    def dimensions(self, kind: Kind) -> int | None:
        """Numbers a vector; None without rows."""
        collection = self._collection(kind)
        return cast("int | None", collection.get_model().dimension) if self._count(collection) else None

    def hashes(self, kind: Kind, ids: Sequence[str]) -> dict[str, str]:
        """Text hash of each id that is there; empty for a row that another program wrote without one."""
        collection = self._collection(kind)
        if collection is None:
            return {}
        found = self._metadata(collection, list(dict.fromkeys(ids)))
        return {name: str(metadata.get("hash", "")) for name, metadata in found.items()}

    def ids(self, kind: Kind, offset: int, limit: int) -> list[str]:
        """A page of the ids that are there."""
        collection = self._collection(kind)
        if collection is None:
            return []
        return list(collection.get(limit=limit, offset=offset, include=[])["ids"])

    def query(self, kind: Kind, vector: bytes, limit: int, ids: Sequence[str] | None) -> list[dict[str, Any]]:
        """The nearest rows, best first; of the ids, where they are given."""
        import numpy as np

        collection = self._collection(kind)
        if limit < 1 or not self._count(collection):
            return []
        wanted = np.frombuffer(vector, dtype="<f4")
        if misfit := self._misfit(kind, collection, len(wanted)):
            raise known("other_shape", self._chroma.where, misfit)
        got = self._nearest(collection, wanted, limit, None if ids is None else list(dict.fromkeys(ids)))
        if got is None:
            return []
        columns = zip(got["ids"][0], got["distances"][0], got["documents"][0], got["metadatas"][0], strict=True)
        return [
            {"id": name, "score": _score(distance), "document": document or "", "metadata": dict(metadata or {})}
            for name, distance, document, metadata in columns
        ]

    def _nearest(self, collection: Any, wanted: Any, limit: int, ids: list[str] | None) -> Any:
        """Chroma's answer; None when none of the ids is there."""
        from chromadb.errors import InternalError

        include = ["documents", "metadatas", "distances"]
        try:
            return collection.query(query_embeddings=[wanted], n_results=limit, ids=ids, include=include)
        except InternalError:
            if ids is None:
                raise
        # One id that isn't there and Chroma refuses the whole query; looking them all up first would cost more.
        ids = [one for some in self._slices(ids) for one in collection.get(ids=list(some), include=[])["ids"]]
        return collection.query(query_embeddings=[wanted], n_results=limit, ids=ids, include=include) if ids else None

    def _misfit(self, kind: Kind, collection: Any, size: int) -> str:
        """Why vectors of that size have no place in the collection; empty when they have."""
        there, space = collection.get_model().dimension, _space(collection)
        if there not in (None, size):
            return f"collection {self._name(kind)} has {there} dimensions, not {size}"
        return "" if space == "cosine" else f"collection {self._name(kind)} measures {space}, not cosine"

    def write(self, kind: Kind, asked: Mapping[str, Any], blob: bytes) -> dict[str, int]:
        """Make rows stand and stale ids not; of two rows with one id the later counts.

        Everything is checked before anything is changed.
        """
        import numpy as np

        ids, documents, metadatas = asked["ids"], asked["documents"], asked["metadatas"]
        rows = {name: number for number, name in enumerate(ids)}
        stale = [name for name in dict.fromkeys(asked["stale"]) if name not in rows]
        vectors = np.frombuffer(blob, dtype="<f4").reshape(len(ids), -1) if ids else None
        if vectors is not None and not (finite := np.isfinite(vectors).all(axis=1)).all():
            bad = ids[int(np.argmin(finite))]
            raise known("failed", self._chroma.where, f"the vector of {bad!r} has numbers that are not finite")
        collection = self._collection(kind)
        if vectors is not None and collection is not None:
            misfit = self._misfit(kind, collection, vectors.shape[1])
            if misfit and self._count(collection):
                raise known("other_shape", self._chroma.where, misfit)
            if misfit:
                # An emptied collection still insists on the shape it once had.
                self._chroma.reach(create=True).delete_collection(self._name(kind))
                collection = None
        if collection is not None:
            self._chroma.reach(create=True)  # from here on as the folder's only writer
            self._remove(collection, list(self._metadata(collection, stale)))
        if vectors is None:
            return {"written": 0, "unchanged": 0}
        if collection is None:
            collection = self._create(kind)

        there = self._metadata(collection, list(rows))
        alike = {
            name: number
            for name, number in rows.items()
            if name in there and all(there[name].get(key) == metadatas[number].get(key) for key in SAME)
        }
        # The vector may stay while what is said of it (the number of parts) changes: a seventh of the cost.
        renamed = [name for name, number in alike.items() if dict(there[name]) != metadatas[number]]
        for some in self._slices(renamed):
            collection.update(ids=list(some), metadatas=[metadatas[rows[name]] for name in some])
        for some in self._slices([name for name in rows if name not in alike]):
            # Deleting first costs a third of an upsert over rows that exist.
            self._remove(collection, [name for name in some if name in there])
            numbers = [rows[name] for name in some]
            # An upsert looks for what it would replace, once more and row by row, which takes a tenth of the time where
            # nothing can be there. On a server others may write between our look and this.
            put = collection.upsert if self._chroma.on_server else collection.add
            put(
                ids=list(some),
                embeddings=vectors if len(numbers) == len(vectors) else vectors[numbers],
                documents=[documents[number] for number in numbers],
                metadatas=[metadatas[number] for number in numbers],
            )
        return {"written": len(rows) - len(alike), "unchanged": len(alike)}

    def delete(self, kind: Kind, ids: Sequence[str]) -> None:
        """Take rows out."""
        collection = self._collection(kind)
        if collection is not None and ids:
            self._chroma.reach(create=True)
            self._remove(collection, list(self._metadata(collection, list(dict.fromkeys(ids)))))

    def reset(self) -> None:
        """Drop both collections."""
        from chromadb.errors import NotFoundError

        if self._chroma.reach(create=False) is None:
            return
        client = self._chroma.reach(create=True)
        for kind in KINDS:
            try:
                client.delete_collection(self._name(kind))
            except NotFoundError:
                continue

    def states(self, kind: Kind, ids: Sequence[str]) -> dict[str, dict[str, Any]]:
        """What stands in the row of each id that is there, as `RowState` has it."""
        collection = self._collection(kind)
        found: dict[str, dict[str, Any]] = {}
        for some in self._slices(list(dict.fromkeys(ids))) if collection is not None else ():
            got = collection.get(ids=list(some), include=["metadatas", "documents"])
            for name, document, metadata in zip(got["ids"], got["documents"], got["metadatas"], strict=True):
                found[name] = state_of(document, metadata or {})
        return found

    def make(self) -> None:
        """Make both collections where they aren't yet."""
        for kind in KINDS:
            self._create(kind)

    def answer(self, asked: Mapping[str, Any], blob: bytes) -> Any:
        """The result of one request."""
        op: str = asked["op"]
        self._suffix = asked.get("suffix", "")
        kind: Any = asked.get("kind")
        if op == "open":
            return self.open()
        if op == "counts":
            return self.counts()
        if op == "reset":
            return self.reset()
        if op == "dimensions":
            return self.dimensions(kind)
        if op == "hashes":
            return self.hashes(kind, asked["ids"])
        if op == "ids":
            return self.ids(kind, asked["offset"], asked["limit"])
        if op == "query":
            return self.query(kind, blob, asked["limit"], asked["ids"])
        if op == "write":
            return self.write(kind, asked, blob)
        if op == "delete":
            return self.delete(kind, asked["ids"])
        if op == "states":
            return self.states(kind, asked["ids"])
        if op == "make":
            return self.make()
        if op == "swap":
            return swap(self._chroma.reach(create=True), asked["built"], asked["kept_as"])
        if op == "drop":
            return drop(self._chroma.reach(create=True), self._chroma.folder, self._suffix)
        raise ValueError(f"unknown request {op!r}")


def _space(collection: Any) -> str:
    hnsw = (collection.configuration_json or {}).get("hnsw") or (collection.configuration_json or {}).get("spann") or {}
    return str(hnsw.get("space", "l2"))


def _score(distance: float) -> float:
    # A vector of zeros has no angle: its distance is NaN, which compares false with everything.
    score = 1.0 - distance
    return min(score, 1.0) if score > 0.0 else 0.0
