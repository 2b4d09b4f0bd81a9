"""A Chroma server for tests: `chroma run` on a free port of loopback."""

from __future__ import annotations

import contextlib
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import psutil


class ChromaServer:
    """`chroma run` on loopback."""

    def __init__(self, folder: Path, port: int = 0) -> None:
        self.folder = folder
        self.port = port
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        command = [sys.executable, "-c", "from chromadb.cli.cli import app; app()", "run"]
        self.process = subprocess.Popen(
            [*command, "--path", str(self.folder), "--host", "127.0.0.1", "--port", str(self.port)],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        deadline = time.monotonic() + 40
        while time.monotonic() < deadline:
            with contextlib.suppress(OSError, psutil.Error):
                for one in psutil.Process(self.process.pid).net_connections("tcp"):
                    if one.status == psutil.CONN_LISTEN:
                        opener.open(f"http://127.0.0.1:{one.laddr.port}/api/v2/heartbeat", timeout=5).close()
                        self.port = one.laddr.port
                        return
            time.sleep(0.05)
        raise AssertionError("chroma run does not answer")

    def stop(self) -> None:
        if self.process is not None:
            self.process.kill()
            self.process.wait()
