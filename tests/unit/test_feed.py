"""The feed: whole, in order, and without the help of whoever put it in."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
import threading

import pytest

from batch_manager.vectors.feed import Feed, write_all


@pytest.mark.parametrize("several", [True, False])
def test_many_small_pieces_go_through_a_narrow_pipe(several: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    if not several:
        monkeypatch.delattr(os, "writev", raising=False)
    pieces = [bytes([number % 256]) * (number * 97 % 5_000) for number in range(2_500)]
    source, sink = os.pipe()  # of 64 KB, and nobody widens it
    got: list[bytes] = []

    def read() -> None:
        while some := os.read(source, 3_001):
            got.append(some)

    reader = threading.Thread(target=read)
    reader.start()
    write_all(sink, pieces)
    write_all(sink, [])
    write_all(sink, [b""])
    os.close(sink)
    reader.join(60)
    os.close(source)
    assert b"".join(got) == b"".join(pieces)


def test_the_reader_has_all_of_it_while_who_put_it_does_nothing_else() -> None:
    theirs, ours = os.pipe()
    requests = [b"first ", b"second ", os.urandom(6_000_000)]
    code = "import hashlib, sys; print(hashlib.sha256(sys.stdin.buffer.read()).hexdigest())"
    reader = subprocess.Popen([sys.executable, "-c", code], stdin=theirs, stdout=subprocess.PIPE, text=True)
    os.close(theirs)
    feed = Feed(ours)
    feed.put(requests[:2])
    feed.put(requests[2:])
    feed.close()
    feed.close()
    told, _ = reader.communicate(timeout=60)  # nothing of ours runs meanwhile but the feed itself
    assert told.strip() == hashlib.sha256(b"".join(requests)).hexdigest()


def test_a_reader_that_is_gone_ends_it() -> None:
    theirs, ours = os.pipe()
    feed = Feed(ours)
    os.close(theirs)
    feed.put([b"x" * 3_000_000])
    feed.put([b"nobody reads this"])
    feed.close()
    for thread in threading.enumerate():
        if thread.name == "batch-manager-feed":
            thread.join(30)
            assert not thread.is_alive()
