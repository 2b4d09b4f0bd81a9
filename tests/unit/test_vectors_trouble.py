"""What Chroma's errors are called, where a server is, and what crosses the pipe."""

from __future__ import annotations

import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from batch_manager.frames import pack, read_frame
from batch_manager.vectors.address import parse_address
from batch_manager.vectors.trouble import explain, one_line, place


@pytest.mark.parametrize(
    ("words", "code"),
    [
        ("error returned from database: (code: 11) database disk image is malformed", "vectors_damaged"),
        ("error returned from database: (code: 26) file is not a database", "vectors_damaged"),
        (
            "Query error: error returned from database: (code: 13) database or disk is full",
            "vectors_disk_full",
        ),
        ("IO error: No space left on device (os error 28)", "vectors_disk_full"),
        ("database is locked (code: 5)", "vectors_locked"),
        ("error returned from database: (code: 261) database is locked", "vectors_locked"),
        ("error returned from database: (code: 1032) attempt to write a readonly database", "vectors_failed"),
        ("Error creating hnsw segment reader: Error loading hnsw index", "vectors_damaged"),
        ("Collection expecting embedding with dimension of 256, got 3", "vectors_other_shape"),
        ("Could not connect to a Chroma server. Are you sure it is running?", "vectors_away"),
        ("something new", "vectors_failed"),
    ],
)
def test_errors_have_names(words: str, code: str) -> None:
    error = explain(words, place("/somewhere", None), on_server=False)
    assert error.code == code
    assert error.next_step and "/somewhere" in error.message and "\n" not in error.message


def test_a_servers_folder_is_the_servers_to_mend() -> None:
    error = explain("(code: 11) malformed", place(None, "http://u:p@host:1/x?token=t"), on_server=True)
    assert "server" in error.next_step and "aside" not in error.next_step
    assert "http://host:1/x" in error.message and "u:p" not in error.message and "token" not in error.message


def test_words_are_harmless() -> None:
    assert one_line("a\x1b[31m\nb\u202e\ud800") == "a\\x1b[31m b\\u202e\\ud800"
    assert len(one_line("x" * 10_000)) == 300


@pytest.mark.parametrize(
    ("url", "base", "port", "loopback"),
    [
        ("http://localhost:8000", "http://localhost:8000", 8000, True),
        ("https://chroma.example/prefix/", "https://chroma.example:443/prefix", 443, False),
        ("http://[::1]:9/", "http://[::1]:9", 9, True),
        ("http://10.0.0.1", "http://10.0.0.1:80", 80, False),
    ],
)
def test_addresses(url: str, base: str, port: int, loopback: bool) -> None:
    address = parse_address(url)
    assert (address.base, address.port, address.loopback) == (base, port, loopback)
    assert address.headers == {} and address.secure is url.startswith("https")


def test_user_and_password_go_into_a_header_and_nowhere_else() -> None:
    address = parse_address("https://me:p%40ss@host:1")
    assert address.headers == {"Authorization": "Basic bWU6cEBzcw=="}
    assert "ss" not in address.base and "Basic" not in repr(address)


@pytest.mark.parametrize("url", ["", "localhost:8000", "ftp://host", "http://", "http://host:port"])
def test_addresses_that_are_none(url: str) -> None:
    with pytest.raises(ValueError):
        parse_address(url)


@given(st.lists(st.tuples(st.text(), st.binary()), max_size=4), st.integers(1, 5))
def test_frames_come_back_and_a_torn_one_is_an_end(sent: list[tuple[str, bytes]], torn: int) -> None:
    raw = b"".join(pack({"text": text}, blob) for text, blob in sent)
    stream = io.BytesIO(raw + pack({"text": "last"}, b"more")[:-torn])
    for text, blob in sent:
        assert read_frame(stream) == ({"text": text}, blob)
    assert read_frame(stream) is None


def test_lone_surrogates_cross_the_pipe() -> None:
    assert read_frame(io.BytesIO(pack({"text": "\ud800"}))) == ({"text": "\ud800"}, b"")
