"""The simulator over HTTP. It uses sockets directly, because some faults are a missing answer."""

import json
import os
import socket
import struct
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from enum import Enum
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Event
from typing import Any, Final

from sandbox.msg91_simulator.answers import ANSWERS, Answer, Ending
from sandbox.msg91_simulator.ledger import SentSms
from sandbox.msg91_simulator.logs import FAULTS, LOGS_PATH, ROUTE_MISSING, LogsCall, parameters_of
from sandbox.msg91_simulator.simulator import Simulator
from sandbox.servers import serving, url_of

SILENCE: Final = 30.0
"""Seconds that a connection without an answer stays open; the functions wait ten."""
KEY_CHECK_PATH: Final = "/api/validate.php"
LOGS_FOLDER: Final = "/api/v5/report/"
OVERDUE_REPORTS_PATH: Final = "/overdue-reports"
HINT: Final = {"message": "Try GET /ledger, POST or DELETE /faults, POST /overdue-reports, or MSG91's own paths"}
FAULTS_HINT: Final = (
    f'A fault is {{"answer": "301", "times": 2}} or {{"logs": "html"}}; answers are {", ".join(ANSWERS)}; '
    f"for logs {', '.join(FAULTS)}"
)


class ConnectionEnd(Enum):
    """How an idle connection ends while its caller is frozen."""

    CLOSED = "closed"
    """By FIN, which reaches the caller's machine."""
    DROPPED = "dropped"
    """Silently; a request on it gets no answer: a load balancer has forgotten it."""
    REFUSED = "refused"
    """Silently; a request on it is answered by RST: a NAT gateway has forgotten it."""


class Listener(ThreadingHTTPServer):
    """One listening address of the simulator. If each caller has its own, its name identifies the caller."""

    def __init__(self, address: tuple[str, int], simulator: Simulator, silence: float, name: str = "") -> None:
        super().__init__(address, _Handler)
        self.simulator = simulator
        self.silence = silence
        self.name = name
        self.stopped = Event()
        self.connections: set[_Handler] = set()
        self.wasted: list[ConnectionEnd] = []
        """How the connections had ended that still received a request."""

    @property
    def is_connected(self) -> bool:
        return any(connection.connection_end is None for connection in list(self.connections))

    def end_connections(self, connection_end: ConnectionEnd) -> None:
        """End the open connections, which are all idle."""
        for connection in list(self.connections):
            connection.end(connection_end)

    def handle_error(self, request: Any, client_address: Any) -> None:  # noqa: ANN401  # socketserver's
        """Ignore closed connections: callers time out and are killed on purpose."""
        if not isinstance(sys.exception(), ConnectionError):
            super().handle_error(request, client_address)


class _Handler(BaseHTTPRequestHandler):
    """One connection."""

    server: Listener
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    wbufsize = -1  # head and body in one segment
    connection_end: ConnectionEnd | None = None

    def setup(self) -> None:
        super().setup()
        self.server.connections.add(self)

    def finish(self) -> None:
        self.server.connections.discard(self)
        super().finish()

    def end(self, connection_end: ConnectionEnd) -> None:
        self.connection_end = connection_end
        if connection_end is ConnectionEnd.CLOSED:
            with suppress(OSError):  # the caller closed it first
                self.connection.shutdown(socket.SHUT_WR)

    def do_POST(self) -> None:
        if self.connection_end:
            self._waste(self.connection_end)
        elif self.server.simulator.resets_unread(self.server.name):
            self._reset()
        else:
            self._answer_post(self.rfile.read(int(self.headers.get("Content-Length", 0))))

    def _answer_post(self, body: bytes) -> None:
        path, _, query = self.path.partition("?")
        if path == "/faults":
            self._add_fault(body)
        elif path == OVERDUE_REPORTS_PATH:
            count = self.server.simulator.post_overdue_reports()
            self._send_json(200, {"message": f"{count} reports on their way"})
        elif path.startswith(LOGS_FOLDER):
            self._give_logs("POST", path, parameters_of(query, body))
        else:
            authkey = self.headers.get("authkey")
            self._give(self.server.simulator.answer(self.path, authkey, body, self.server.name))

    def _give_logs(self, method: str, path: str, parameters: Mapping[str, str]) -> None:
        if path == LOGS_PATH:
            call = LogsCall(self.server.name, method, parameters)
            self._give(self.server.simulator.logs.answer(call, self.headers.get("authkey")))
        else:
            self._give(ROUTE_MISSING)

    def _waste(self, connection_end: ConnectionEnd) -> None:
        self.server.wasted.append(connection_end)
        if connection_end is ConnectionEnd.DROPPED:
            self.server.stopped.wait(self.server.silence)
        self._reset()

    def do_GET(self) -> None:
        path, _, query = self.path.partition("?")
        if path.startswith(LOGS_FOLDER):
            self._give_logs("GET", path, parameters_of(query, b""))
        elif self.path == "/ledger":
            self._send_json(200, [_entry(sent) for sent in self.server.simulator.ledger.entries()])
        elif self.path == KEY_CHECK_PATH:
            self._give(self.server.simulator.check_key(self.headers.get("authkey")))
        else:
            self._send_json(404, HINT)

    def do_DELETE(self) -> None:
        if self.path == "/faults":
            self.server.simulator.faults.clear()
            self.server.simulator.logs.faults.clear()
            self._send_json(200, {"message": "no faults"})
        else:
            self._send_json(404, HINT)

    def log_message(self, *_args: object) -> None:
        """Do not log: the log is for the functions."""

    def _add_fault(self, body: bytes) -> None:
        simulator = self.server.simulator
        try:
            fault = json.loads(body)
            if "logs" in fault:
                simulator.logs.faults.add(fault["logs"], int(fault.get("times", 1)))
            else:
                simulator.faults.add(fault["answer"], int(fault.get("times", 1)))
        except (ValueError, KeyError, TypeError):
            self._send_json(400, {"message": FAULTS_HINT})
        else:
            self._send_json(200, {"message": f"{fault.get('logs') or fault['answer']} for the next calls"})

    def _give(self, answer: Answer) -> None:
        self.server.stopped.wait(answer.delay)
        match answer.ending:
            case Ending.ANSWERED:
                self._send(answer.status, answer.content_type, answer.body)
            case Ending.SILENT:
                self.server.stopped.wait(self.server.silence)
                self.close_connection = True
            case Ending.RESET:
                self._reset()

    def _reset(self) -> None:
        # Closing with a linger time of 0 s sends RST instead of FIN. The file objects on the socket would delay it.
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        os.close(self.connection.detach())
        self.close_connection = True

    def _send_json(self, status: int, value: object) -> None:
        self._send(status, "application/json", f"{json.dumps(value, indent=1)}\n")

    def _send(self, status: int, content_type: str, body: str) -> None:
        data = body.encode()
        self.send_response(status)
        self.send_header("Content-Type", content_type)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)


def _entry(sent: SentSms) -> dict[str, str]:
    return {
        "at": sent.at.isoformat(timespec="milliseconds"),
        "request_id": sent.request_id,
        "number": sent.sms.number,
        "text": sent.sms.text,
        "sender": sent.sms.sender,
        "crqid": sent.sms.crqid,
    }


@contextmanager
def listening(
    simulator: Simulator, name: str = "", host: str = "127.0.0.1", port: int = 0, silence: float = SILENCE
) -> Iterator[Listener]:
    server = Listener((host, port), simulator, silence, name)
    with serving(server):
        try:
            yield server
        finally:
            server.stopped.set()


@contextmanager
def running_simulator(
    authkey: str, host: str = "127.0.0.1", port: int = 0, silence: float = SILENCE
) -> Iterator[tuple[Simulator, str]]:
    """Yield the simulator and its URL. It posts reports if its `webhook` is set."""
    simulator = Simulator(authkey)
    simulator.postman.start()
    with listening(simulator, host=host, port=port, silence=silence) as server:
        try:
            yield simulator, url_of(server)
        finally:
            simulator.postman.stop()
