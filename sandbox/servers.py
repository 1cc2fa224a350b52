"""Servers and loops that run in a thread of this process until their `with` block ends."""

import errno
import secrets
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from socketserver import BaseServer, TCPServer
from threading import Event, Thread
from typing import TYPE_CHECKING, Final

from werkzeug.serving import BaseWSGIServer, WSGIRequestHandler, make_server

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIApplication

SHUTDOWN_POLL_INTERVAL = 0.05
"""Seconds between a server's checks whether to stop."""

_PORTS: Final = range(20_000, 32_000)


class PortInUseError(Exception):
    """Another program listens on the port; the message names it and the remedy."""


@contextmanager
def serving(server: BaseServer) -> Iterator[None]:
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": SHUTDOWN_POLL_INTERVAL}, daemon=True)
    thread.start()
    try:
        yield
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@contextmanager
def looping(work: Callable[[Event], None]) -> Iterator[None]:
    """Run work, which ends once the event is set."""
    stopped = Event()
    thread = Thread(target=work, args=[stopped], daemon=True)
    thread.start()
    try:
        yield
    finally:
        stopped.set()
        thread.join()


def wsgi_server(
    app: "WSGIApplication", host: str, port: int, handler: type[WSGIRequestHandler] = WSGIRequestHandler
) -> BaseWSGIServer:
    """Return a threaded server of a WSGI application; port 0 means a free one."""

    class QuietHandler(handler):  # type: ignore[misc, valid-type]  # the base class is a parameter
        disable_nagle_algorithm = True  # otherwise every response waits 40 ms for the caller's delayed ACK

        def log_request(self, *_args: object) -> None:
            """Do not log: the log is for the functions."""

    return make_server(host, port, app, threaded=True, request_handler=QuietHandler)


def require_free_port(host: str, port: int, option: str) -> None:
    """Raises PortInUseError. werkzeug would end the process instead, without naming the option."""
    try:
        socket.create_server((host, port)).close()
    except OSError as error:
        if error.errno != errno.EADDRINUSE:
            raise
        remedy = f"Stop the program that listens there, or choose another with {option}."
        raise PortInUseError(f"Port {port} of {host} is in use. {remedy}") from error


def free_port() -> int:
    """Return a free port, for a program that does not accept port 0.

    Not one of those above 32,767: a connection may be given such a port before the program listens on it.
    """
    while True:
        port = secrets.choice(_PORTS)
        with socket.socket() as probe, suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port


def url_of(server: TCPServer) -> str:
    """Return the server's URL on this machine, also if it listens on every interface."""
    host, port = server.socket.getsockname()[:2]
    return f"http://{'127.0.0.1' if host == '0.0.0.0' else host}:{port}"
