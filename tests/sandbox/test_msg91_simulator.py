import json
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import Lock
from typing import Any
from urllib.parse import parse_qs

import httpx
import pytest
from werkzeug.wrappers import Request, Response

from sandbox.msg91_simulator.answers import ANSWERS, REQUEST_ID
from sandbox.msg91_simulator.calls import FLOW_PATH, SMS_PATH
from sandbox.msg91_simulator.numbers import NUMBERS, PREFIX
from sandbox.msg91_simulator.server import running_simulator
from sandbox.msg91_simulator.simulator import Simulator, Webhook
from sandbox.servers import serving, url_of, wsgi_server

AUTHKEY = "test-authkey"
DEADLINE = 10
"""Seconds."""

type Sent = tuple[int, Any]


class Msg91:
    """A client of the simulator."""

    def __init__(self, simulator: Simulator, url: str) -> None:
        self.simulator = simulator
        self.url = url

    def sms(self, *numbers: str, text: str = "Hello") -> httpx.Response:
        return self.texts([(text, number) for number in numbers])

    def texts(self, texts: list[tuple[str, str]], **changes: object) -> httpx.Response:
        sms = [{"message": text, "to": [number], "CRQID": f"C{number}"} for text, number in texts]
        return self.call(SMS_PATH, {"sender": "MSGIND", "route": "4", "country": "0", "sms": sms, **changes})

    def flow(self, *recipients: dict[str, str], **changes: object) -> httpx.Response:
        return self.call(FLOW_PATH, {"template_id": "60b07c", "recipients": recipients, **changes})

    def call(self, path: str, body: object, authkey: str = AUTHKEY) -> httpx.Response:
        return httpx.post(self.url + path, json=body, headers={"authkey": authkey} if authkey else {}, timeout=0.5)

    def sent_to(self, number: str) -> int:
        return len(self.simulator.ledger.entries(number))


class Receiver:
    """The customer's webhook."""

    def __init__(self) -> None:
        self._bodies: list[tuple[str, bytes]] = []
        self._lock = Lock()

    def take(self, content_type: str, body: bytes) -> None:
        with self._lock:
            self._bodies.append((content_type, body))

    def wait_for(self, count: int) -> list[Any]:
        """Return the JSON of the reports; for v2, from the form field."""
        return [_read(*received) for received in until(lambda: self._bodies, lambda bodies: len(bodies) >= count)]


def _read(content_type: str, body: bytes) -> Any:  # noqa: ANN401 - any JSON
    is_form = content_type == "application/x-www-form-urlencoded"
    return json.loads(parse_qs(body.decode(), strict_parsing=True)["data"][0] if is_form else body)


def until[T](look: Callable[[], T], satisfied: Callable[[T], bool]) -> T:
    deadline = time.monotonic() + DEADLINE
    while not satisfied(look()) and time.monotonic() < deadline:
        time.sleep(0.01)
    return look()


@pytest.fixture
def msg91() -> Iterator[Msg91]:
    with running_simulator(AUTHKEY, silence=2) as (simulator, url):
        yield Msg91(simulator, url)


@contextmanager
def receiving() -> Iterator[tuple[Receiver, str]]:
    receiver = Receiver()

    @Request.application
    def app(request: Request) -> Response:
        receiver.take(request.mimetype, request.get_data())
        return Response("{}")

    server = wsgi_server(app, "127.0.0.1", 0)
    with serving(server):
        yield receiver, url_of(server)


@pytest.fixture
def receiver(msg91: Msg91) -> Iterator[Receiver]:
    with receiving() as (receiver, url):
        msg91.simulator.webhook = Webhook(url, "v2", delay=0)
        yield receiver


def number(suffix: str) -> str:
    return PREFIX + suffix


def with_version(msg91: Msg91, version: str) -> None:
    webhook = msg91.simulator.webhook
    assert webhook
    msg91.simulator.webhook = Webhook(webhook.url, version, delay=0)


def test_success_is_a_request_id_and_an_entry_in_the_ledger(msg91: Msg91) -> None:
    answer = msg91.sms(number("60")).json()

    (entry,) = msg91.simulator.ledger.entries()
    assert answer == {"type": "success", "message": entry.request_id}
    assert (entry.sms.number, entry.sms.text, entry.sms.crqid) == (number("60"), "Hello", f"C{number('60')}")


def test_the_ledger_can_be_read_over_http(msg91: Msg91) -> None:
    msg91.sms(number("60"))

    (entry,) = httpx.get(f"{msg91.url}/ledger").json()
    assert entry["number"] == number("60")


def test_one_request_id_covers_all_recipients_of_a_flow(msg91: Msg91) -> None:
    msg91.flow({"mobiles": number("60"), "VAR1": "a"}, {"mobiles": number("61"), "VAR1": "b"})

    assert len({entry.request_id for entry in msg91.simulator.ledger.entries()}) == 1


@pytest.mark.parametrize(("authkey", "code"), [("", "106"), ("wrong", "207")])
def test_without_the_authkey_nothing_is_sent(msg91: Msg91, authkey: str, code: str) -> None:
    answer = msg91.call(SMS_PATH, {}, authkey)

    assert (answer.status_code, answer.json()["code"]) == (200, code)


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"route": ""}, "107"),
        ({"sender": ""}, "103"),
        ({"sender": "Vodaphn"}, "203"),
        ({"sms": []}, "102"),
        ({"sms": [{"message": "", "to": [number("60")]}]}, "102"),
        ({"sms": [{"message": "Hello", "to": []}]}, "101"),
        ({"sms": [{"message": "Hello", "to": ["12"]}]}, "202"),
        ({"schtime": "tomorrow"}, "307"),
    ],
)
def test_a_wrong_body_is_answered_with_its_code(msg91: Msg91, changes: dict[str, object], code: str) -> None:
    answer = msg91.texts([("Hello", number("60"))], **changes)

    assert (answer.status_code, answer.json()["code"]) == (200, code)
    assert msg91.simulator.ledger.entries() == []


def test_a_flow_without_a_template_is_refused_without_a_code(msg91: Msg91) -> None:
    answer = msg91.flow({"mobiles": number("60")}, template_id="")

    assert answer.json() == {"message": "flow id missing", "type": "error"}


def test_a_crqid_with_other_than_letters_and_digits_is_refused(msg91: Msg91) -> None:
    answer = msg91.flow({"mobiles": number("60"), "CRQID": "a-b"})

    assert answer.json()["message"] == "Invalid CRQID"


def test_the_same_text_to_the_same_number_is_dropped_for_10_s(msg91: Msg91) -> None:
    msg91.sms(number("60"))

    assert msg91.sms(number("60")).json()["code"] == "311"
    assert msg91.sms(number("60"), text="Another").json()["type"] == "success"
    assert msg91.sent_to(number("60")) == 2


ANSWERED = [
    suffix for suffix, behaviour in NUMBERS.items() if behaviour.answer not in ("silent", "reset", "reset-sent")
]


@pytest.mark.parametrize("suffix", ANSWERED)
def test_a_magic_number_gets_the_tables_answer(msg91: Msg91, suffix: str) -> None:
    expected = ANSWERS.get(NUMBERS[suffix].answer)

    answer = msg91.sms(number(suffix))

    if expected:
        dropped = msg91.simulator.ledger.dropped()
        body = expected.body.replace(REQUEST_ID, dropped[0].request_id if dropped else "")
        assert (answer.status_code, answer.text) == (expected.status, body)
        assert msg91.sent_to(number(suffix)) == int(expected.sends)
    else:
        assert answer.json()["type"] == "success"


@pytest.mark.parametrize(("suffix", "sent"), [("41", 1), ("42", 0), ("43", 1)])
def test_a_magic_number_that_breaks_the_connection(msg91: Msg91, suffix: str, sent: int) -> None:
    with pytest.raises(httpx.ReadTimeout if suffix == "41" else httpx.ReadError):
        msg91.sms(number(suffix))

    assert msg91.sent_to(number(suffix)) == sent


def test_one_numbers_error_is_the_whole_calls(msg91: Msg91) -> None:
    answer = msg91.sms(number("60"), number("41"), number("24"))

    assert answer.json()["code"] == "202"
    assert msg91.simulator.ledger.entries() == []


def test_a_fault_meets_so_many_calls(msg91: Msg91) -> None:
    httpx.post(f"{msg91.url}/faults", json={"answer": "301", "times": 2}).raise_for_status()

    types = [msg91.sms(number("60")).json()["type"] for _ in range(3)]

    assert types == ["error", "error", "success"]


def test_faults_can_be_switched_off(msg91: Msg91) -> None:
    msg91.simulator.faults.add("503", times=100)

    httpx.delete(f"{msg91.url}/faults")

    assert msg91.sms(number("60")).status_code == 200


def test_an_unknown_fault_is_refused_with_the_known_ones(msg91: Msg91) -> None:
    answer = httpx.post(f"{msg91.url}/faults", json={"answer": "no such"})

    assert answer.status_code == 400
    assert "cut-off" in answer.json()["message"]


def test_a_v2_report_is_a_form_with_json_in_it(msg91: Msg91, receiver: Receiver) -> None:
    request_id = msg91.sms(number("02")).json()["message"]

    (((group,),),) = [receiver.wait_for(1)]
    (report,) = group["report"]
    assert (group["requestId"], group["senderId"]) == (request_id, "MSGIND")
    assert (report["number"], report["CRQID"]) == (number("02"), f"C{number('02')}")
    assert (report["status"], report["desc"], report["failedReason"]) == ("2", "FAILED", "Template Inactive on DLT")


def test_a_v3_report_is_flat(msg91: Msg91, receiver: Receiver) -> None:
    with_version(msg91, "v3")
    request_id = msg91.sms(number("01")).json()["message"]

    (report,) = receiver.wait_for(1)
    assert (report["requestId"], report["number"], report["status"]) == (request_id, number("01"), "1")


def test_a_v4_report_has_the_crqid_as_its_only_link(msg91: Msg91, receiver: Receiver) -> None:
    with_version(msg91, "v4")
    msg91.sms(number("02"))

    ((report,),) = receiver.wait_for(1)
    (data,) = report["data"]
    assert (report["event"], data["meta"], data["code"]) == ("failed", f"C{number('02')}", 908)
    assert number("02") not in json.dumps({**data, "meta": ""})


def test_a_v4_webhook_receives_no_pending_report(msg91: Msg91, receiver: Receiver) -> None:
    with_version(msg91, "v4")
    msg91.sms(number("12"))

    ((report,),) = receiver.wait_for(1)
    assert report["event"] == "delivered"


def test_a_new_report_says_its_status_in_words(msg91: Msg91, receiver: Receiver) -> None:
    with_version(msg91, "new")
    msg91.sms(number("06"))

    (report,) = receiver.wait_for(1)
    assert (report["telNum"], report["status"]) == (number("06"), "Blocked Number")


def test_reports_out_of_order_carry_the_older_date_last(msg91: Msg91, receiver: Receiver) -> None:
    msg91.sms(number("10"))

    (first,), (second,) = receiver.wait_for(2)
    assert [first["report"][0]["status"], second["report"][0]["status"]] == ["1", "2"]
    assert second["report"][0]["date"] < first["report"][0]["date"]


def test_two_recipients_of_one_text_share_the_first_crqid(msg91: Msg91, receiver: Receiver) -> None:
    msg91.texts([("same", number("60")), ("same", number("61")), ("other", number("62"))])

    reports = [group["report"][0] for (group,) in receiver.wait_for(3)]
    assert [report["CRQID"] for report in reports] == [f"C{number(suffix)}" for suffix in ("60", "60", "62")]


def test_a_top_level_crqid_is_that_of_the_text(msg91: Msg91, receiver: Receiver) -> None:
    msg91.call(
        SMS_PATH,
        {"sender": "MSGIND", "route": "4", "CRQID": "Top1", "sms": [{"message": "Hello", "to": [number("60")]}]},
    )

    ((group,),) = receiver.wait_for(1)
    assert group["report"][0]["CRQID"] == "Top1"


def test_an_sms_whose_answer_is_lost_is_reported_all_the_same(msg91: Msg91, receiver: Receiver) -> None:
    with pytest.raises(httpx.ReadError):
        msg91.sms(number("43"))

    ((group,),) = receiver.wait_for(1)
    assert group["report"][0]["CRQID"] == f"C{number('43')}"


def test_a_lost_report_is_not_posted(msg91: Msg91, receiver: Receiver) -> None:
    msg91.sms(number("14"))
    msg91.sms(number("60"))

    ((group,),) = receiver.wait_for(1)
    assert group["report"][0]["number"] == number("60")


def test_an_overdue_report_is_posted_when_it_is_asked_for(msg91: Msg91, receiver: Receiver) -> None:
    msg91.sms(number("15"))
    msg91.sms(number("60"))
    receiver.wait_for(1)

    httpx.post(f"{msg91.url}/overdue-reports").raise_for_status()

    _, (group,) = receiver.wait_for(2)
    assert (group["report"][0]["number"], group["report"][0]["status"]) == (number("15"), "1")


def test_a_report_that_meets_an_error_is_not_posted_again(msg91: Msg91) -> None:
    @Request.application
    def app(_request: Request) -> Response:
        return Response(status=503)

    server = wsgi_server(app, "127.0.0.1", 0)
    with serving(server):
        msg91.simulator.webhook = Webhook(url_of(server), delay=0)
        msg91.sms(number("01"))
        msg91.sms(number("61"))
        posted = until(msg91.simulator.postman.posted, lambda posted: len(posted) >= 2)

    assert [one.status for one in posted] == [503, 503]


@pytest.mark.parametrize(
    ("headers", "text"), [({"authkey": AUTHKEY}, "Valid"), ({"authkey": "other"}, "201"), ({}, "201")]
)
def test_it_says_whether_an_authkey_is_valid(headers: dict[str, str], text: str) -> None:
    with running_simulator(AUTHKEY) as (simulator, url):
        assert httpx.get(f"{url}/api/validate.php", headers=headers).text == text
        simulator.faults.add("418")
        assert httpx.get(f"{url}/api/validate.php", headers=headers).json()["msg"] == "418"
