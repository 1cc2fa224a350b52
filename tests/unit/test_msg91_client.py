"""The call to MSG91: the request on the wire, and the meaning of each failure."""

import json
import socket
from collections.abc import Callable
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, HTTPServer, ThreadingHTTPServer
from threading import Thread
from typing import ClassVar

import httpx
import pytest

from segment_msg91.mapping import Sms, to_sms
from segment_msg91.msg91.client import Msg91, Outcome, outcome_of
from segment_msg91.msg91.codes import SendState
from segment_msg91.settings import Defaults

NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
AUTHKEY = "authkey-1"


def _sms(number: str = "919800000001", **properties: object) -> Sms:
    standard = {"phone": number, "message": "नमस्ते", "senderID": "MSGIND"}
    sms = to_sms({"type": "track", "messageId": "message-1", "properties": standard | properties}, Defaults(), NOW)
    assert isinstance(sms, Sms), sms
    return sms


def _client(handler: Callable[[httpx.Request], httpx.Response], base_url: str = "https://msg91.test") -> Msg91:
    return Msg91(base_url, httpx.MockTransport(handler))


def _success(_: httpx.Request) -> httpx.Response:
    return httpx.Response(200, json={"type": "success", "message": "346130aa11bb22cc33dd0000"})


class _SuccessHandler(BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["content-length"]))
        self.send_response(200)
        self.end_headers()
        self.wfile.write(b'{"type":"success","message":"346130aa11bb22cc33dd0000"}')

    def log_message(self, *_: object) -> None:
        """Do not log."""


def _request(*group: Sms, base_url: str = "https://msg91.test") -> httpx.Request:
    """Return the only request for a group."""
    requests: list[httpx.Request] = []

    def handle(request: httpx.Request) -> httpx.Response:
        requests.append(request)
        return _success(request)

    _client(handle, base_url).send(group, AUTHKEY)
    (request,) = requests
    return request


def _outcome_when(error: Exception) -> Outcome:
    def handle(_: httpx.Request) -> httpx.Response:
        raise error

    return _client(handle).send([_sms()], AUTHKEY)


def test_free_text_is_posted_to_sms_v2_as_json_in_utf_8() -> None:
    request = _request(_sms())
    assert (request.method, str(request.url)) == ("POST", "https://msg91.test/api/v2/sendsms")
    assert request.headers["content-type"] == "application/json"
    assert json.loads(request.content)["sms"][0]["message"] == "नमस्ते"


def test_a_template_is_posted_to_flow() -> None:
    request = _request(_sms(templateId="60b07c0ffee0000000000001"))
    assert (request.method, request.url.path) == ("POST", "/api/v5/flow")


def test_a_group_is_one_request() -> None:
    body = json.loads(_request(_sms(), _sms("919800000002")).content)
    assert [element["to"] for element in body["sms"]] == [["919800000001"], ["919800000002"]]


def test_the_authkey_goes_in_its_header_only() -> None:
    request = _request(_sms())
    assert request.headers["authkey"] == AUTHKEY
    assert AUTHKEY not in str(request.url)
    assert AUTHKEY.encode() not in request.content


def test_the_host_is_the_configured_one() -> None:
    assert str(_request(_sms(), base_url="https://api.msg91.com").url) == "https://api.msg91.com/api/v2/sendsms"


def test_the_proxy_of_an_environment_is_not_used(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:1")
    monkeypatch.delenv("NO_PROXY", raising=False)
    monkeypatch.delenv("no_proxy", raising=False)
    with HTTPServer(("127.0.0.1", 0), _SuccessHandler) as server:
        thread = Thread(target=server.handle_request)
        server.timeout = 10
        thread.start()
        outcome = Msg91(f"http://127.0.0.1:{server.server_port}").send([_sms()], AUTHKEY)
        thread.join()
    assert outcome.state is SendState.ACCEPTED


def test_an_answer_is_classified() -> None:
    outcome = _client(_success).send([_sms()], AUTHKEY)
    assert (outcome.state, outcome.request_id) == (SendState.ACCEPTED, "346130aa11bb22cc33dd0000")


@pytest.mark.parametrize(
    "error", [httpx.ConnectError("refused"), httpx.ConnectTimeout("slow"), httpx.PoolTimeout("busy")]
)
def test_a_connection_that_was_never_made_is_to_be_tried_again(error: Exception) -> None:
    assert _outcome_when(error).state is SendState.RETRYABLE


@pytest.mark.parametrize("base_url", ["https://msg91.test:443x", "https://control..msg91.test"])
def test_an_address_that_is_none_is_held_with_the_parameter_to_check(base_url: str) -> None:
    outcome = Msg91(base_url).send([_sms()], AUTHKEY)
    assert (outcome.state, outcome.error) == (SendState.HELD, "the parameter Msg91BaseUrl is no address; check it")


@pytest.mark.parametrize(("status", "is_split"), [(400, True), (403, True), (413, True), (414, True), (401, False)])
def test_a_firewalls_refusal_of_several_messages_may_be_of_one(status: int, is_split: bool) -> None:  # noqa: FBT001
    outcome = outcome_of(status, b"<html>Forbidden</html>")
    assert (outcome.state, outcome.should_split) == (SendState.HELD, is_split)


@pytest.mark.parametrize(
    "error",
    [
        httpx.ReadTimeout("no answer"),
        httpx.WriteTimeout("half written"),
        httpx.ReadError("reset"),
        httpx.WriteError("reset"),
        httpx.RemoteProtocolError("closed without an answer"),
        httpx.DecodingError("not gzip"),
        httpx.CloseError("closed"),
    ],
)
def test_a_request_that_may_have_been_read_has_an_unknown_outcome(error: Exception) -> None:
    assert _outcome_when(error).state is SendState.UNKNOWN


def test_an_answer_that_is_not_the_gzip_it_claims_to_be_is_an_unknown_outcome() -> None:
    def handle(_: httpx.Request) -> httpx.Response:
        return httpx.Response(200, headers={"content-encoding": "gzip"}, stream=httpx.ByteStream(b"no gzip"))

    assert _client(handle).send([_sms()], AUTHKEY).state is SendState.UNKNOWN


def test_a_redirect_is_not_followed() -> None:
    paths: list[str] = []

    def handle(request: httpx.Request) -> httpx.Response:
        paths.append(request.url.path)
        return httpx.Response(302, headers={"location": "https://msg91.test/elsewhere"})

    assert _client(handle).send([_sms()], AUTHKEY).state is SendState.HELD
    assert paths == ["/api/v2/sendsms"]


@pytest.mark.parametrize("authkey", ["", "authkey-é"])
def test_an_authkey_that_cannot_be_sent_is_held_without_a_call(authkey: str) -> None:
    def handle(_: httpx.Request) -> httpx.Response:
        pytest.fail("nothing may be sent")

    outcome = _client(handle).send([_sms()], authkey)
    assert outcome.state is SendState.HELD
    assert str(outcome.reason).startswith("msg91_authkey ")


def test_an_authkey_with_a_line_break_is_held_before_anything_is_written() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        outcome = Msg91(f"http://127.0.0.1:{port}").send([_sms()], "authkey\n1")
    assert outcome.state is SendState.HELD
    assert "msg91_authkey" in str(outcome.error)


def test_a_host_without_a_listener_is_to_be_tried_again() -> None:
    assert Msg91("http://127.0.0.1:1").send([_sms()], AUTHKEY).state is SendState.RETRYABLE


@pytest.mark.parametrize(
    "error", [httpx.ReadTimeout("919800000001 authkey-1"), httpx.ConnectError("919800000001 authkey-1")]
)
def test_the_text_of_an_error_is_not_passed_on(error: Exception) -> None:
    words = str(_outcome_when(error).error)
    assert "919800000001" not in words
    assert AUTHKEY not in words


class _KeepAliveHandler(_SuccessHandler):
    protocol_version = "HTTP/1.1"
    connections: ClassVar[list[tuple[str, int]]] = []

    def do_POST(self) -> None:
        self.connections.append(self.client_address)
        self.rfile.read(int(self.headers["content-length"]))
        body = b'{"type":"success","message":"346130aa11bb22cc33dd0000"}'
        self.send_response(200)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


def _connections_of_two_sends(seconds_between: float) -> int:
    """Return over how many connections two messages go, with the clock moved between them."""
    _KeepAliveHandler.connections.clear()
    now = [0.0]
    with ThreadingHTTPServer(("127.0.0.1", 0), _KeepAliveHandler) as server:
        thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        client = Msg91(f"http://127.0.0.1:{server.server_port}", clock=lambda: now[0])
        for _ in range(2):
            client.drop_idle_connections()
            assert client.send([_sms()], AUTHKEY).state is SendState.ACCEPTED
            now[0] += seconds_between
        client.close()
        server.shutdown()
        thread.join()
    return len(set(_KeepAliveHandler.connections))


def test_a_connection_is_used_again_while_it_is_warm() -> None:
    assert _connections_of_two_sends(seconds_between=0.1) == 1


def test_a_connection_that_idled_through_a_freeze_is_not_used_again() -> None:
    assert _connections_of_two_sends(seconds_between=2) == 2
