"""The way to Chroma: its client over a folder or to a server, opened when it is first needed.

Together with `index` the one place that imports chromadb; both live in Chroma's process alone.
"""

from __future__ import annotations

import os
import socket
from pathlib import Path
from typing import Any

from batch_manager.errors import VectorStoreError
from batch_manager.vectors.address import parse_address
from batch_manager.vectors.folder import Folder
from batch_manager.vectors.trouble import explain, known, place

CONNECT_SECONDS = 10.0


class Chroma:
    """Chroma's client, wherever its data are.

    Args:
        directory: Absolute path of Chroma's folder, or None with a server.
        url: The Chroma server, or None with a folder.

    Attributes:
        where: The place, in words for messages.
        most: Rows that one call may bring; known once it was reached.
    """

    def __init__(self, directory: str | None, url: str | None) -> None:
        self._folder = None if url else Folder(Path(directory or ""))
        self._url = url
        self.where = place(directory, url)
        self.most = 0
        self._client: Any = None
        self._identity: tuple[int, int] | None = None

    @property
    def on_server(self) -> bool:
        """The data are a server's."""
        return self._folder is None

    @property
    def folder(self) -> Path | None:
        """Where an embedded Chroma keeps its files."""
        return None if self._folder is None else self._folder.path

    def reach(self, *, create: bool) -> Any:
        """The client; None where there is no folder and none is wanted."""
        if self._folder is not None:
            identity = self._folder.identity()
            if self._client is not None and identity != self._identity:
                # Somebody moved the folder away under us: what is open is no longer what the path names.
                self._client.close()
                self._client = None
                self._folder.unlock()
            if identity is None and not create:
                return None
            if create:
                self._folder.make_and_lock()
            if identity is not None:
                self._folder.wait(write=create)
        if self._client is None:
            self._client = self._embedded(self._folder) if self._folder else self._remote(self._url or "")
            self.most = int(self._client.get_max_batch_size())
        return self._client

    def _embedded(self, folder: Folder) -> Any:
        import chromadb

        client = chromadb.PersistentClient(str(folder.path), settings=_settings())
        self._identity = folder.identity()
        return client

    def _remote(self, url: str) -> Any:
        import chromadb

        try:
            address = parse_address(url)
            if address.loopback:
                # A proxy that the environment names must not get in between.
                for name in ("NO_PROXY", "no_proxy"):
                    os.environ[name] = ",".join(filter(None, (os.environ.get(name), address.host)))
                # The client itself would wait for a silent host as long as the system lets it.
                socket.create_connection((address.host, address.port), CONNECT_SECONDS).close()
            return chromadb.HttpClient(
                host=address.base,
                port=address.port,
                ssl=address.secure,
                headers=address.headers or None,
                settings=_settings(),
            )
        except Exception as error:
            raise known("away", self.where, getattr(error, "strerror", None) or str(error)) from error

    def start_over(self) -> None:
        """After an error of Chroma's own: open the folder anew when it is needed next.

        A transaction that a full disk broke off stays open in one of Chroma's connections, which goes back to their
        pool with it; the next write then waits for that lock, which is its own process's, for a quarter of an hour.
        """
        if self._folder is not None and self._client is not None:
            client, self._client = self._client, None
            client.close()

    def close(self) -> None:
        """Let Chroma put its house in order."""
        if self._client is not None:
            self._client.close()

    def trouble(self, error: BaseException) -> VectorStoreError:
        """What an error of Chroma or of the system means."""
        if isinstance(error, VectorStoreError):
            return error
        words = str(error) or type(error).__name__
        if self._folder is None and any(base.__module__.startswith("httpx") for base in type(error).__mro__):
            return known("away", self.where, words)
        if isinstance(error, OSError) and error.errno is not None:
            words = f"{error.strerror} (os error {error.errno})"
        return explain(words, self.where, on_server=self._folder is None)


def _settings() -> Any:
    from chromadb.config import Settings

    return Settings(_env_file=None, anonymized_telemetry=False)
