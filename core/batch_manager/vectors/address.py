"""Where a Chroma server is, read off its URL; pure."""

from __future__ import annotations

import base64
import ipaddress
from dataclasses import dataclass, field
from urllib.parse import unquote, urlsplit


@dataclass(frozen=True, slots=True)
class Address:
    """A Chroma server.

    Attributes:
        base: Scheme, host, port and path, as the client wants its host: with all of them it adds nothing of its own.
        host: Name or number, without brackets.
        port: As given, else that of the scheme.
        secure: https.
        headers: `Authorization`, when the URL has a user name.
        loopback: The host is this machine.
    """

    base: str
    host: str
    port: int
    secure: bool
    headers: dict[str, str] = field(repr=False)
    loopback: bool = False


def parse_address(url: str) -> Address:
    """Read a URL such as ``https://user:password@chroma.example:8443/prefix``.

    Raises:
        ValueError: No host, a port that is none, or a scheme other than http and https.
    """
    parts = urlsplit(url)
    host = parts.hostname or ""
    if parts.scheme not in ("http", "https") or not host:
        raise ValueError("a Chroma server's URL looks like http://host:8000")
    secure = parts.scheme == "https"
    port = parts.port or (443 if secure else 80)
    headers = {}
    if parts.username is not None:
        pair = f"{unquote(parts.username)}:{unquote(parts.password or '')}"
        headers["Authorization"] = "Basic " + base64.b64encode(pair.encode()).decode("ascii")
    named = f"[{host}]" if ":" in host else host
    base = f"{parts.scheme}://{named}:{port}{parts.path.rstrip('/')}"
    return Address(base, host, port, secure, headers, _is_loopback(host))


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host.lower() == "localhost"
