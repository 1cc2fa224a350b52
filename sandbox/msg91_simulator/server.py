"""The simulator over HTTP. It works on sockets, because MSG91's worst answers are none."""

import json
import os
import socket
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Event
from typing import Final

from sandbox.msg91_simulator.answers import ANSWERS, Answer, Ending
from sandbox.msg91_simulator.ledger import SentSms
from sandbox.msg91_simulator.simulator import Simulator
from sandbox.servers import serving, url_of

SILENCE: Final = 30.0
"""Seconds that a silent answer keeps its connection open: the functions give MSG91 ten."""
HINT: Final = {"message": "Try GET /ledger, POST or DELETE /faults, or MSG91's own paths"}


class _Server(ThreadingHTTPServer):
    def __init__(self, address: tuple[str, int], simulator: Simulator, silence: float) -> None:
        super().__init__(address, _Handler)
        self.simulator = simulator
        self.silence = silence
        self.stopped = Event()


class _Handler(BaseHTTPRequestHandler):
    server: _Server
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    wbufsize = -1  # head and body in one segment

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        if self.path == "/faults":
            self._add_fault(body)
        else:
            self._give(self.server.simulator.answer(self.path, self.headers.get("authkey"), body))

    def do_GET(self) -> None:
        if self.path == "/ledger":
            self._send_json(200, [_entry(sent) for sent in self.server.simulator.ledger.entries()])
        else:
            self._send_json(404, HINT)

    def do_DELETE(self) -> None:
        if self.path == "/faults":
            self.server.simulator.faults.clear()
            self._send_json(200, {"message": "no faults"})
        else:
            self._send_json(404, HINT)

    def log_message(self, *_args: object) -> None:
        """The log belongs to the functions."""

    def _add_fault(self, body: bytes) -> None:
        try:
            fault = json.loads(body)
            self.server.simulator.faults.add(fault["answer"], int(fault.get("times", 1)))
        except (ValueError, KeyError, TypeError):
            example = '{"answer": "301", "times": 2}'
            self._send_json(400, {"message": f"A fault is {example}; answers are {', '.join(ANSWERS)}"})
        else:
            self._send_json(200, {"message": f"{fault['answer']} to whoever comes next"})

    def _give(self, answer: Answer) -> None:
        match answer.ending:
            case Ending.ANSWERED:
                self._send(answer.status, answer.content_type, answer.body)
            case Ending.SILENT:
                self.server.stopped.wait(self.server.silence)
                self.close_connection = True
            case Ending.RESET:
                self._reset()

    def _reset(self) -> None:
        # Closing with unsent linger of 0 s sends RST instead of FIN. The file objects on the socket would delay it.
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
def running_simulator(
    authkey: str, host: str = "127.0.0.1", port: int = 0, silence: float = SILENCE
) -> Iterator[tuple[Simulator, str]]:
    """Yields the simulator and its URL. Reports go out once its `webhook` is set."""
    simulator = Simulator(authkey)
    server = _Server((host, port), simulator, silence)
    simulator.postman.start()
    with serving(server):
        try:
            yield simulator, url_of(server)
        finally:
            server.stopped.set()
            simulator.postman.stop()
