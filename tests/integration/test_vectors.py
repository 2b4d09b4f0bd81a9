"""Chroma behind its pipe: the real library, a real server, real kills."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import textwrap
import time
import urllib.error
import urllib.request
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path

import numpy as np
import psutil  # type: ignore[import-untyped]
import pytest
import pytest_asyncio
from filelock import FileLock, Timeout
from hypothesis import given
from hypothesis import strategies as st

from batch_manager.errors import VectorStoreError
from batch_manager.vectors import VectorRow, row_id
from batch_manager.vectors.folder import DATABASE, LOCK
from batch_manager.vectors.process import ChromaProcess
from batch_manager.vectors.standing import BEHIND

CORE = Path(__file__).parents[2] / "core"
Numbers = np.ndarray[tuple[int, ...], np.dtype[np.float32]]


def unit_vectors(count: int, size: int = 8, seed: int = 1) -> Numbers:
    """Float32 of shape (count, size), each of length 1."""
    noise = np.random.default_rng(seed).standard_normal((count, size)).astype("<f4")
    vectors: Numbers = (noise / np.linalg.norm(noise, axis=1, keepdims=True)).astype("<f4")
    return vectors


def row(name: str, vector: Numbers, text: str = "", *, part: int = 1, parts: int = 1, model: str = "m") -> VectorRow:
    text = text or f"what {name} is for"
    return VectorRow(
        id=row_id(name, part),
        document=text,
        vector=vector.astype("<f4").tobytes(),
        metadata={
            "name": name,
            "kind": "table",
            "model": model,
            "dimensions": len(vector),
            "hash": f"hash of {text}",
            "part": part,
            "parts": parts,
        },
    )


def rows(count: int, size: int = 8) -> list[VectorRow]:
    return [row(f"t{number}", vector) for number, vector in enumerate(unit_vectors(count, size))]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "a folder" / "vectors"


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def shared_process(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[ChromaProcess]:
    store = ChromaProcess(directory=tmp_path_factory.mktemp("shared") / "vectors", url=None)
    yield store
    await store.close()


@pytest_asyncio.fixture(loop_scope="module")
async def emptied(shared_process: ChromaProcess) -> ChromaProcess:
    """A store without rows, in a process that tests share: starting one takes a second."""
    await shared_process.reset()
    return shared_process


@pytest.fixture
async def store(folder: Path) -> AsyncIterator[ChromaProcess]:
    store = ChromaProcess(directory=folder, url=None)
    yield store
    await store.close()


def as_read_by_others(folder: Path, code: str) -> str:
    """What a program of its own prints that opens the folder with chromadb alone, as `client`."""
    program = f"import chromadb\nclient = chromadb.PersistentClient({str(folder)!r})\n" + textwrap.dedent(code)
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60, cwd="/")
    assert done.returncode == 0, done.stderr
    return done.stdout


# reading and writing


async def test_missing_folder_is_empty_and_stays_missing(store: ChromaProcess, folder: Path) -> None:
    vector = unit_vectors(1)[0].tobytes()
    for opened in (False, True):
        if opened:
            await store.open()
        assert await store.counts() == {"table": 0, "relationship": 0}
        assert await store.query("table", vector, 5) == []
        assert await store.hashes("table", ["a"]) == {}
        assert await store.dimensions("table") is None
        await store.delete("table", ["a"])
        await store.reset()
        assert (await store.write("table", [], ["a"])).written == 0
        assert (store.pid is not None) is opened
        assert not folder.parent.exists()


async def test_rows_come_back(store: ChromaProcess, folder: Path) -> None:
    vectors = unit_vectors(3)
    done = await store.write("table", [row(name, vector) for name, vector in zip("abc", vectors, strict=True)])
    assert (done.written, done.unchanged) == (3, 0)
    assert await store.counts() == {"table": 3, "relationship": 0}
    assert await store.dimensions("table") == 8
    assert await store.hashes("table", ["a", "nobody", "a"]) == {"a": "hash of what a is for"}

    hits = await store.query("table", vectors[1].tobytes(), 10)
    assert hits[0].id == "b" and len(hits) == 3
    assert hits[0].score == pytest.approx(1.0, abs=1e-6)
    assert hits[0].document == "what b is for"
    assert hits[0].metadata == row("b", vectors[1]).metadata
    for hit in hits:
        angle = float(vectors[1] @ vectors["abc".index(hit.id)])
        assert 0.0 <= hit.score <= 1.0 and hit.score == pytest.approx(max(0.0, angle), abs=1e-5)

    assert folder.stat().st_mode & 0o777 == 0o700
    assert all(path.stat().st_mode & 0o077 == 0 for path in folder.rglob("*"))


@pytest.mark.asyncio(loop_scope="module")
async def test_collections_are_independent(emptied: ChromaProcess) -> None:
    await emptied.write("table", [row("same", unit_vectors(1, 8)[0], "a table")])
    await emptied.write("relationship", [row("same", unit_vectors(1, 4)[0], "a relationship")])
    assert (await emptied.dimensions("table"), await emptied.dimensions("relationship")) == (8, 4)
    await emptied.delete("table", ["same", "nobody"])
    assert await emptied.counts() == {"table": 0, "relationship": 1}
    assert await emptied.hashes("relationship", ["same"]) == {"same": "hash of a relationship"}


@pytest.mark.asyncio(loop_scope="module")
async def test_same_hash_is_left_alone_and_changed_text_replaced(emptied: ChromaProcess) -> None:
    old, new = unit_vectors(2)
    await emptied.write("table", [row("kept", old), row("changed", old)])
    # The vector of an unchanged text is not looked at: were it written, the search would show it.
    done = await emptied.write("table", [row("kept", new), row("changed", new, "other words")])
    assert (done.written, done.unchanged) == (1, 1)
    hits = await emptied.query("table", new.tobytes(), 2)
    assert (hits[0].id, hits[0].document) == ("changed", "other words")
    assert hits[0].score == pytest.approx(1.0, abs=1e-6)
    assert hits[1].id == "kept" and hits[1].score == pytest.approx(max(0.0, float(old @ new)), abs=1e-5)

    done = await emptied.write("table", [row("kept", new, model="another")])
    assert (done.written, done.unchanged) == (1, 0)


@pytest.mark.asyncio(loop_scope="module")
async def test_parts_come_and_go(emptied: ChromaProcess) -> None:
    one, two, three = unit_vectors(3)
    await emptied.write(
        "table",
        [
            row("long", one, "first", part=1, parts=3),
            row("long", two, "second", part=2, parts=3),
            row("long", three, "third", part=3, parts=3),
            row("other", one),
        ],
    )
    shorter = [row("long", one, "first", part=1, parts=1)]
    done = await emptied.write("table", shorter, [row_id("long", 2), row_id("long", 3), "never there"])
    assert (done.written, done.unchanged) == (0, 1)
    assert await emptied.counts() == {"table": 2, "relationship": 0}
    # The vector stays, what is said of it is brought up to date.
    hits = await emptied.query("table", one.tobytes(), 2)
    assert {hit.metadata["parts"] for hit in hits} == {1}


@pytest.mark.asyncio(loop_scope="module")
async def test_one_id_twice_and_written_while_stale(emptied: ChromaProcess) -> None:
    one, two = unit_vectors(2)
    done = await emptied.write("table", [row("a", one, "early"), row("a", two, "late")], ["a"])
    assert (done.written, done.unchanged) == (1, 0)
    assert [hit.document for hit in await emptied.query("table", two.tobytes(), 5)] == ["late"]


@pytest.mark.asyncio(loop_scope="module")
async def test_wrong_shapes_write_nothing(emptied: ChromaProcess) -> None:
    await emptied.write("table", rows(3))
    one = unit_vectors(1, 4)[0]
    with pytest.raises(VectorStoreError) as caught:
        await emptied.write("table", [row("new", one)], stale_ids=["t0"])
    assert caught.value.code == "vectors_other_shape" and caught.value.next_step
    assert "8" in caught.value.message and "4" in caught.value.message
    with pytest.raises(VectorStoreError, match="another shape"):
        await emptied.query("table", one.tobytes(), 1)
    with pytest.raises(VectorStoreError, match="another shape"):
        await emptied.write("table", [row("x", one), row("y", unit_vectors(1)[0])])
    assert sorted(await emptied.hashes("table", ["t0", "t1", "t2", "new", "x", "y"])) == ["t0", "t1", "t2"]

    await emptied.reset()
    assert await emptied.counts() == {"table": 0, "relationship": 0}
    assert (await emptied.write("table", [row("new", one)])).written == 1
    # An emptied collection takes any size, too.
    await emptied.delete("table", ["new"])
    assert await emptied.dimensions("table") is None
    await emptied.write("table", rows(1, 16))
    assert await emptied.dimensions("table") == 16


@pytest.mark.asyncio(loop_scope="module")
async def test_numbers_that_are_none_write_nothing(emptied: ChromaProcess) -> None:
    for bad in (float("nan"), float("inf")):
        vectors = unit_vectors(2)
        vectors[1, 3] = bad
        with pytest.raises(VectorStoreError) as caught:
            await emptied.write("table", [row("good", vectors[0]), row("bad", vectors[1])])
        assert "'bad'" in caught.value.message
    assert await emptied.counts() == {"table": 0, "relationship": 0}
    # No angle, no crash.
    await emptied.write("table", [row("zero", np.zeros(8, dtype="<f4"))])
    assert [hit.score for hit in await emptied.query("table", unit_vectors(1)[0].tobytes(), 1)] == [0.0]


@pytest.mark.asyncio(loop_scope="module")
async def test_more_rows_than_chroma_takes_at_once(emptied: ChromaProcess) -> None:
    many = rows(5_600, 4)
    assert (await emptied.write("table", many)).written == 5_600
    again = [*many[:10], row("one more", unit_vectors(1, 4)[0])]
    done = await emptied.write("table", [*again, *many[10:]])
    assert (done.written, done.unchanged) == (1, 5_600)
    assert len(await emptied.hashes("table", [one.id for one in many])) == 5_600
    await emptied.write("table", [], [one.id for one in many])
    assert await emptied.counts() == {"table": 1, "relationship": 0}


@pytest.mark.asyncio(loop_scope="module")
async def test_hostile_names(emptied: ChromaProcess) -> None:
    names = [
        'it\'s "quoted"',
        "two\nlines\r\n",
        "a#b",
        "a##b",
        "#2",
        "a#2",
        "x" * 300,
        "[bold red]markup[/]",
        "\x1b[31mred\x1b[0m",
        "nul\0nul",
        "é",
        "e\u0301",
        "<|endoftext|>",
        "'; DROP TABLE embeddings; --",
        " ",
        "表",
    ]
    vectors = unit_vectors(len(names), 32)
    await emptied.write("table", [row(name, vector) for name, vector in zip(names, vectors, strict=True)])
    assert (await emptied.counts())["table"] == len(names)
    for name, vector in zip(names, vectors, strict=True):
        [hit] = await emptied.query("table", vector.tobytes(), 1)
        assert (hit.id, hit.metadata["name"], hit.document) == (row_id(name), name, f"what {name} is for")
    with pytest.raises(VectorStoreError):
        await emptied.write("table", [row("half a \ud800", vectors[0])])
    assert (await emptied.counts())["table"] == len(names)


async def test_other_programs_read_it(store: ChromaProcess, folder: Path) -> None:
    vectors = unit_vectors(2)
    first, more = row("a#b", vectors[0], "first", parts=2), row("a#b", vectors[1], "more", part=2, parts=2)
    await store.write("table", [first, more])
    await store.write("relationship", [row("fk", vectors[0])])
    await store.close()
    printed = as_read_by_others(
        folder,
        """
        import json
        tables = client.get_collection("tables")
        got = tables.get(include=["documents", "metadatas", "embeddings"])
        print(json.dumps({
            "names": sorted(one.name for one in client.list_collections()),
            "space": tables.configuration_json["hnsw"]["space"],
            "ids": got["ids"], "documents": got["documents"], "metadatas": got["metadatas"],
            "vectors": [[float(x) for x in one] for one in got["embeddings"]],
        }))
        """,
    )
    seen = json.loads(printed)
    assert seen["names"] == ["relationships", "tables"]
    assert seen["space"] == "cosine"
    assert dict(zip(seen["ids"], seen["documents"], strict=True)) == {"a##b": "first", "a##b#2": "more"}
    assert seen["metadatas"][seen["ids"].index("a##b")] == first.metadata
    # In cosine space Chroma scales a vector to length 1 itself, so its last bit may differ.
    there = np.array(seen["vectors"], dtype=np.float32)[[seen["ids"].index("a##b"), seen["ids"].index("a##b#2")]]
    assert np.abs(there - vectors).max() <= 6e-8


async def test_collection_of_another_space_is_refused(store: ChromaProcess, folder: Path) -> None:
    as_read_by_others(
        folder,
        "client.create_collection('tables', embedding_function=None).add(ids=['x'], embeddings=[[1.0] * 8])",
    )
    await store.open()
    assert (await store.counts())["table"] == 1
    with pytest.raises(VectorStoreError, match="l2, not cosine") as caught:
        await store.write("table", rows(1), ["x"])
    assert caught.value.code == "vectors_other_shape"
    with pytest.raises(VectorStoreError, match="l2, not cosine"):
        await store.query("table", unit_vectors(1)[0].tobytes(), 1)
    assert (await store.counts())["table"] == 1
    await store.reset()
    assert (await store.write("table", rows(1))).written == 1


# ids


@given(
    st.tuples(st.text(st.sampled_from("a#2é\n")), st.integers(1, 30)),
    st.tuples(st.text(st.sampled_from("a#2é\n")), st.integers(1, 30)),
)
def test_ids_tell_every_part_of_every_name_apart(one: tuple[str, int], other: tuple[str, int]) -> None:
    assert (row_id(*one) == row_id(*other)) == (one == other)


@given(st.text(), st.integers(1, 10_000))
def test_id_is_the_name_with_its_signs_doubled(name: str, part: int) -> None:
    assert row_id(name) == name.replace("#", "##")
    assert row_id(name, part) == row_id(name) + (f"#{part}" if part > 1 else "")


# the process


async def test_child_opens_no_socket_and_prints_nothing(
    store: ChromaProcess,
    folder: Path,
    capfd: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    (tmp_path / ".env").write_text("CHROMA_SERVER_NOFILE=not a number\nIS_PERSISTENT=nonsense\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("CHROMA_API_IMPL", "chromadb.api.fastapi.FastAPI")
    monkeypatch.setenv("CHROMA_OTEL_COLLECTION_ENDPOINT", "http://127.0.0.1:9")
    monkeypatch.setenv("CHROMA_OTEL_GRANULARITY", "all")
    monkeypatch.setenv("OPENAI_API_KEY", "sk-secret")
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    await store.write("table", rows(5))
    await store.query("table", unit_vectors(1)[0].tobytes(), 1)
    assert store.pid is not None
    child = psutil.Process(store.pid)
    assert child.net_connections() == [] and child.children() == []
    assert "OPENAI_API_KEY" not in child.environ()
    assert os.getsid(child.pid) == child.pid
    child.send_signal(signal.SIGINT)
    assert await store.counts() == {"table": 5, "relationship": 0}
    assert sorted(path.name for path in tmp_path.iterdir()) == [".env", "a folder"]
    await store.close()
    await store.close()
    assert not child.is_running()
    assert capfd.readouterr() == ("", "")


def test_parent_stays_light() -> None:
    program = (
        "import sys, batch_manager.vectors.process as p; print({'chromadb', 'numpy', 'filelock'} & set(sys.modules))"
    )
    environment = os.environ | {"PYTHONPATH": str(CORE)}
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, env=environment, timeout=60)
    assert done.stdout == "set()\n", done.stderr


async def test_calls_at_once_and_a_cancelled_one(store: ChromaProcess) -> None:
    await store.write("table", rows(1, 1024))
    writing = asyncio.create_task(store.write("table", rows(1_500, 1024)))
    await asyncio.sleep(0)  # the request goes into the pipe at the first step; its answer takes a while
    await asyncio.sleep(0)
    writing.cancel()
    with pytest.raises(asyncio.CancelledError):
        await writing
    # What was in the pipe is done all the same, and the answers still belong to their questions.
    counts, hashes, size = await asyncio.gather(
        store.counts(), store.hashes("table", ["t7"]), store.dimensions("table")
    )
    assert counts == {"table": 1_500, "relationship": 0}
    assert (hashes, size) == ({"t7": "hash of what t7 is for"}, 1024)


async def test_killed_in_mid_write(store: ChromaProcess) -> None:
    await store.write("table", rows(1, 1536))
    many = rows(2_000, 1536)
    writing = asyncio.create_task(store.write("table", many))
    await asyncio.sleep(0.8)
    assert not writing.done() and store.pid is not None
    killed = store.pid
    os.kill(killed, signal.SIGKILL)
    with pytest.raises(VectorStoreError) as caught:
        await writing
    assert caught.value.code == "vectors_crashed" and "SIGKILL" in caught.value.message

    done = await store.write("table", many[:200])
    assert done.written + done.unchanged == 200
    assert store.pid != killed
    assert len(await store.hashes("table", [one.id for one in many[:200]])) == 200


async def test_what_only_reads_is_asked_again_after_a_kill(store: ChromaProcess) -> None:
    await store.write("table", rows(3))
    for ask in (store.counts, lambda: store.dimensions("table")):
        assert store.pid is not None
        os.kill(store.pid, signal.SIGSTOP)  # so that the request is under way when it is killed
        asking = asyncio.create_task(ask())  # type: ignore[operator]
        await asyncio.sleep(0.1)
        os.kill(store.pid, signal.SIGKILL)
        assert await asking


@pytest.mark.skipif(not Path("/proc/self/autogroup").exists(), reason="no groups of sessions here")
async def test_it_steps_back_and_comes_forward(store: ChromaProcess) -> None:
    async def has_niceness(niceness: int) -> bool:
        for _ in range(100):  # the system bears a change ten times a second
            if Path(f"/proc/{store.pid}/autogroup").read_text().split()[-1] == str(niceness):
                return True
            await asyncio.sleep(0.05)
        return False

    mine = Path("/proc/self/autogroup").read_text()
    store.step_back(True)  # there is no process yet
    await store.write("table", rows(1))
    assert await has_niceness(0)
    store.step_back(True)
    assert await has_niceness(BEHIND)
    for yes in (False, True, False):  # too fast for the system, and the last word counts
        store.step_back(yes)
    assert await has_niceness(0)
    assert Path("/proc/self/autogroup").read_text() == mine


@pytest.mark.parametrize("busy", [False, True])
async def test_child_ends_with_its_parent(folder: Path, busy: bool) -> None:
    program = f"""
        import asyncio, pathlib, struct, threading
        from batch_manager.vectors import VectorRow
        from batch_manager.vectors.process import ChromaProcess

        def row(number):
            vector = struct.pack("<1024f", *[float((number + n) % 7 + 1) for n in range(1024)])
            return VectorRow(f"t{{number}}", "text", vector, {{"hash": "h"}})

        async def main():
            store = ChromaProcess(directory=pathlib.Path({str(folder)!r}), url=None)
            await store.write("table", [row(0)])
            many = [row(number) for number in range(1_200)]
            print(store.pid, flush=True)
            if {busy}:
                await store.write("table", many)
            await asyncio.sleep(60)

        threading.Thread(target=asyncio.run, args=[main()]).start()
    """
    parent = subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(program)],
        stdout=subprocess.PIPE,
        env=os.environ | {"PYTHONPATH": str(CORE)},
    )
    assert parent.stdout is not None
    with parent, parent.stdout:
        child = psutil.Process(int(await asyncio.to_thread(parent.stdout.readline)))
        await asyncio.sleep(0.5)
        parent.kill()
    gone, _ = await asyncio.to_thread(psutil.wait_procs, [child], 20)
    assert gone
    store = ChromaProcess(directory=folder, url=None)
    # The write that was under way has been finished, not torn.
    assert (await store.counts())["table"] == (1_200 if busy else 1)
    await store.close()


async def test_folder_taken_away_under_it(store: ChromaProcess, folder: Path) -> None:
    await store.write("table", rows(5))
    folder.rename(folder.with_name("moved"))
    assert await store.counts() == {"table": 0, "relationship": 0}
    assert not folder.exists()
    assert (await store.write("table", rows(3))).written == 3
    assert await store.counts() == {"table": 3, "relationship": 0}
    folder.rename(folder.with_name("moved too"))
    folder.with_name("moved").rename(folder)
    assert await store.counts() == {"table": 5, "relationship": 0}


# trouble with the folder


def garble(path: Path) -> None:
    path.write_bytes(np.random.default_rng(3).bytes(path.stat().st_size))


def halve(path: Path) -> None:
    os.truncate(path, path.stat().st_size // 2)


@pytest.fixture(scope="module")
def good_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with enough rows for files of the HNSW index to be there."""
    folder = tmp_path_factory.mktemp("good") / "vectors"

    async def fill() -> None:
        store = ChromaProcess(directory=folder, url=None)
        await store.write("table", rows(1_500, 32))
        await store.close()

    asyncio.run(fill())
    return folder


@pytest.mark.parametrize(
    ("file", "harm"),
    [
        (DATABASE, halve),
        (DATABASE, garble),
        ("*/data_level0.bin", garble),  # this one kills the process that reads it
        ("*/header.bin", Path.unlink),
        ("*/index_metadata.pickle", garble),
    ],
)
async def test_damage_is_found_at_open(
    store: ChromaProcess, folder: Path, good_folder: Path, file: str, harm: Callable[[Path], None]
) -> None:
    shutil.copytree(good_folder, folder)
    [harmed] = folder.glob(file)
    harm(harmed)
    with pytest.raises(VectorStoreError) as caught:
        await store.open()
    assert caught.value.code == "vectors_damaged", caught.value
    assert "--verify --repair" in caught.value.next_step


async def test_a_damaged_folder_stays_damaged_until_it_is_moved_aside(
    store: ChromaProcess, folder: Path, good_folder: Path
) -> None:
    shutil.copytree(good_folder, folder)
    [harmed] = folder.glob("*/data_level0.bin")
    garble(harmed)
    for _ in range(2):
        with pytest.raises(VectorStoreError) as caught:
            await store.write("table", rows(2, 32))
        assert caught.value.code == "vectors_damaged"
    folder.rename(folder.with_name("aside"))
    assert (await store.write("table", rows(2))).written == 2


async def test_harm_that_chroma_may_not_notice_never_reaches_us(
    store: ChromaProcess, folder: Path, good_folder: Path
) -> None:
    shutil.copytree(good_folder, folder)
    for file in ("*/data_level0.bin", "*/link_lists.bin", "*/length.bin"):
        halve(*folder.glob(file))
    try:
        await store.open()
        await store.write("table", [row("new", unit_vectors(1, 32)[0])])
        await store.query("table", unit_vectors(1, 32)[0].tobytes(), 3)
    except VectorStoreError as error:
        assert error.code in ("vectors_damaged", "vectors_crashed", "vectors_failed")


async def test_folder_in_use(store: ChromaProcess, folder: Path) -> None:
    await store.write("table", rows(1))
    with sqlite3.connect(folder / DATABASE, isolation_level=None) as other:
        other.execute("BEGIN EXCLUSIVE")
        with pytest.raises(VectorStoreError) as caught:
            await store.write("table", rows(2))
        other.execute("ROLLBACK")
    other.close()
    assert caught.value.code == "vectors_locked" and caught.value.next_step
    assert (await store.write("table", rows(2))).written == 1
    assert store.pid is not None
    with pytest.raises(Timeout):
        FileLock(folder / LOCK).acquire(timeout=0)


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 3 MB, where the tests may mount one."""
    place = tmp_path / "small"
    place.mkdir()
    try:
        done = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=3m", "tmpfs", str(place)], capture_output=True)
    except FileNotFoundError:
        pytest.skip("no mount here")
    if done.returncode:
        pytest.skip("mounting needs root")
    yield place
    subprocess.run(["umount", "-l", str(place)], check=True)


async def test_full_disk(small_disk: Path) -> None:
    ballast = small_disk / "ballast"
    ballast.write_bytes(bytes(2_000_000))
    store = ChromaProcess(directory=small_disk / "vectors", url=None)
    try:
        await store.write("table", rows(20, 512))
        with pytest.raises(VectorStoreError) as caught:
            await store.write("table", rows(600, 512))
        assert caught.value.code == "vectors_disk_full" and "room" in caught.value.next_step
        ballast.unlink()
        done = await store.write("table", rows(60, 512))
        assert (done.written, done.unchanged) == (40, 20)
    finally:
        await store.close()


async def test_path_that_is_a_file(store: ChromaProcess, folder: Path) -> None:
    folder.parent.mkdir()
    folder.write_text("a letter")
    for call in (store.open, store.counts):
        with pytest.raises(VectorStoreError, match="not a folder") as caught:
            await call()
        assert "CHROMA_PERSIST_DIRECTORY" in caught.value.next_step
    assert folder.read_text() == "a letter"


# a server


class Server:
    """`chroma run` on loopback, on a port that the system picks."""

    def __init__(self, folder: Path) -> None:
        command = [sys.executable, "-c", "from chromadb.cli.cli import app; app()"]
        self.process = subprocess.Popen(
            [*command, "run", "--path", str(folder), "--host", "127.0.0.1", "--port", "0"],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        self.url = self._wait()

    def _wait(self) -> str:
        # Its own words name port 0, so the port is read off the process; ready is when the heartbeat answers.
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        until = time.monotonic() + 30
        while time.monotonic() < until and self.process.poll() is None:
            for one in psutil.Process(self.process.pid).net_connections("tcp"):
                if one.status == psutil.CONN_LISTEN:
                    url = f"http://127.0.0.1:{one.laddr.port}"
                    try:
                        opener.open(f"{url}/api/v2/heartbeat", timeout=5).close()
                        return url
                    except urllib.error.URLError:
                        pass
            time.sleep(0.05)
        self.stop()
        raise AssertionError("chroma run does not answer")

    def stop(self) -> None:
        self.process.terminate()
        try:
            self.process.wait(10)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    server = Server(tmp_path / "server")
    yield server
    server.stop()


async def test_a_real_server(server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    store = ChromaProcess(directory=tmp_path / "unused", url=server.url)
    try:
        vectors = unit_vectors(4)
        assert await store.counts() == {"table": 0, "relationship": 0}
        assert await store.query("table", vectors[0].tobytes(), 3) == []
        assert await store.dimensions("table") is None
        await store.delete("table", ["nobody"])
        many = rows(4)
        assert (await store.write("table", many)).written == 4
        done = await store.write("table", [*many[:2], row("t2", vectors[0], "other words")], ["t3"])
        assert (done.written, done.unchanged) == (1, 2)
        assert await store.counts() == {"table": 3, "relationship": 0}
        hits = await store.query("table", vectors[0].tobytes(), 2)
        assert {hit.id for hit in hits} == {"t0", "t2"} and hits[0].score == pytest.approx(1.0, abs=1e-5)
        with pytest.raises(VectorStoreError) as caught:
            await store.write("table", [row("wrong", unit_vectors(1, 4)[0])])
        assert caught.value.code == "vectors_other_shape"

        assert store.pid is not None
        peers = {one.raddr.port for one in psutil.Process(store.pid).net_connections() if one.raddr}
        assert peers <= {int(server.url.rpartition(":")[2])}

        await store.write("table", [row(f"m{number}", vectors[0]) for number in range(6_000)])
        await store.reset()
        assert await store.counts() == {"table": 0, "relationship": 0}

        server.stop()
        with pytest.raises(VectorStoreError) as caught:
            await store.write("table", many)
        assert caught.value.code == "vectors_away" and "CHROMA_URL" in caught.value.next_step
        assert server.url in caught.value.message
    finally:
        await store.close()
    assert not (tmp_path / "unused").exists()


async def test_server_that_is_not_there() -> None:
    store = ChromaProcess(directory=None, url="http://someone:s3cret@127.0.0.1:9/")
    try:
        for _ in range(2):
            with pytest.raises(VectorStoreError) as caught:
                await store.open()
            assert caught.value.code == "vectors_away"
            assert "s3cret" not in str(caught.value) and "someone" not in str(caught.value)
    finally:
        await store.close()
