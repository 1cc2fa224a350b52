"""Keeps tests from reaching other machines."""

import ssl
from typing import Any, Final
from unittest.mock import patch

_LOCAL: Final = frozenset({"localhost", "127.0.0.1", "::1", "0.0.0.0", "", None})  # noqa: S104 - a server's own address


class NetworkError(Exception):
    """A test tried to reach another machine."""


def block_network(event: str, arguments: tuple[Any, ...]) -> None:
    """Refuse to look up or call other hosts: an audit hook, which no code in this process can avoid."""
    if event == "socket.getaddrinfo":
        host = arguments[0]
    elif event in ("socket.connect", "socket.sendto") and isinstance(arguments[1], tuple):
        host = arguments[1][0]
    else:
        return
    if (host.decode() if isinstance(host, bytes) else host) not in _LOCAL:
        raise NetworkError(f"a test may not reach {host!r}")


def load_no_certificates() -> None:
    """Let clients be made without the certificates of authorities, which no test needs; to read them takes 20 ms."""
    patch.object(ssl.SSLContext, "load_verify_locations", lambda *_arguments, **_named: None).start()
