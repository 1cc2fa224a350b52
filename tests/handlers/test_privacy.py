"""On every path of an event or a report, nothing that leaves the functions reveals its person or a credential.

Every path is driven with marked values. Then all that reaches CloudWatch is searched (the functions' lines and metrics,
what libraries log through Lambda's handler, what the runtime would write of an error), and the
responses to unexpected errors.
"""

import io
import json
import logging
import subprocess
import sys
import traceback
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

import httpx
import pytest

from functions.delivery_reports import app as delivery_reports
from functions.segment_ingest import app as segment_ingest
from sandbox.template import PATH
from segment_msg91 import mapping
from segment_msg91.handler import logger
from segment_msg91.http import MAX_BODY_BYTES, Request
from segment_msg91.msg91 import reports, requests
from segment_msg91.msg91.client import Msg91
from segment_msg91.secret import SecretReader
from segment_msg91.segment import payload as segment
from segment_msg91.store.messages import Messages
from segment_msg91.store.queues import Queue, RawReport
from segment_msg91.store.reports import Reports

if TYPE_CHECKING:
    from tests.fakes.aws import Aws
    from tests.fakes.dynamodb import UnreliableDynamoDb
    from tests.fakes.events import Track
    from tests.fakes.msg91 import FakeMsg91
    from tests.fakes.msg91_logs import FakeLogs
    from tests.handlers.conftest import Answer, Endpoint, Invoke, Output

type Drive = Callable[["World"], object]

PHONE: Final = "919800000042"
TEXT: Final = "Marked text 4711Q"
PERSON: Final = {"userId": "marked@example.org", "anonymousId": "marked-anonymous", "context": {"ip": "marked"}}
TOKEN: Final = "marked-report-token-of-24"
CREDENTIALS: Final = {
    "msg91_authkey": "marked-authkey",
    "segment_shared_secret": "marked-shared",
    "segment_token": ["marked-token-of-24-characters", "marked-older-token-of-24-characters"],
    "report_token": TOKEN,
}
MARKS: Final = (PHONE[2:], "4711Q", "arked")
"""Every private value contains one of these."""
BEARER: Final = {"authorization": "Bearer marked-token-of-24-characters"}
STRANGER: Final = {"authorization": "Bearer marked-wrong", "x-signature": "marked", "x-webhook-token": "marked"}
REPORT: Final = {
    "requestId": "r1",
    "number": PHONE,
    "status": "2",
    "desc": TEXT,
    "failureReason": TEXT,
    "CRQID": "m1",
    "UUID": TEXT,
}
V4: Final = [{"event": "failed", "data": [{"meta": "0", "description": TEXT, "number": PHONE}]}]
QUOTING: Final = f"{PHONE} {TEXT} marked-authkey marked-token"


@dataclass(slots=True)
class World:
    """The functions, their fakes, and their output."""

    segment: "Endpoint"
    msg91_reports: "Endpoint"
    schedule: "Invoke"
    logs: "FakeLogs"
    msg91: "FakeMsg91"
    dynamodb: "UnreliableDynamoDb"
    aws: "Aws"
    track: "Track"
    output: "Output"
    libraries: io.StringIO
    revealed: list[str] = field(default_factory=list)

    def event(self, message_id: str = "m1", **properties: Any) -> dict[str, Any]:  # noqa: ANN401 - any JSON
        return self.track(PHONE, message_id, **({"message": TEXT, "firstName": "Markedname"} | properties)) | PERSON

    def deliver(self, body: object, headers: dict[str, str] = BEARER) -> "Answer":
        return self._watched(lambda: self.segment(body, headers))

    def report(self, body: object, in_path: str = TOKEN) -> "Answer":
        return self._watched(lambda: self.msg91_reports(body, {}, in_path=in_path))

    def redrive(self, *records: dict[str, Any]) -> None:
        self._watched(lambda: self.msg91_reports.invoke({"Records": list(records)}))

    def reconcile(self) -> None:
        self.revealed.append(json.dumps(self._watched(lambda: self.schedule({}))))

    def queued(self, queue: str) -> list[dict[str, Any]]:
        return [event["Records"][0] for event in self.aws.queued(queue)]

    def reveal(self, answer: "Answer") -> None:
        self.revealed.append(json.dumps([answer.headers, answer.body]))

    def leaks(self) -> list[str]:
        """Return each line that contains a mark. Fails if there is no output."""
        lines = [*self.output.text.splitlines(), *self.libraries.getvalue().splitlines(), *self.revealed]
        assert self.output.text
        return [line for line in lines if any(mark in line for mark in MARKS)]

    def _watched[Returned](self, call: Callable[[], Returned]) -> Returned:
        """Call a function; Lambda's runtime writes an unhandled error into the log."""
        try:
            return call()
        except Exception:
            self.revealed.append(traceback.format_exc())
            raise


@pytest.fixture
def _as_in_lambda() -> Iterator[io.StringIO]:
    """Set LogLevel to DEBUG, and the root logger's level as the functions do."""
    written, root = io.StringIO(), logging.getLogger()
    handler, level = logging.StreamHandler(written), root.level
    root.addHandler(handler)
    root.setLevel(logging.WARNING)
    logger.setLevel("DEBUG")
    yield written
    logger.setLevel("INFO")
    root.setLevel(level)
    root.removeHandler(handler)


@pytest.fixture
def world(  # noqa: PLR0913, PLR0917 - all there is
    ingest: "Endpoint",
    report: "Endpoint",
    reconcile: "Invoke",
    logs: "FakeLogs",
    msg91: "FakeMsg91",
    dynamodb: "UnreliableDynamoDb",
    aws: "Aws",
    track: "Track",
    output: "Output",
    _as_in_lambda: io.StringIO,
) -> World:
    aws.set_secret(json.dumps(CREDENTIALS))
    return World(ingest, report, reconcile, logs, msg91, dynamodb, aws, track, output, _as_in_lambda)


def _delivered(prepare: Callable[["FakeMsg91"], object], **properties: Any) -> Drive:  # noqa: ANN401 - any JSON
    """Deliver an event alone, again, and in a batch, each with the same answer from MSG91."""

    def drive(world: World) -> None:
        for body in (
            world.event(**properties),
            world.event(**properties),
            [world.event("m2", **properties), world.event("m3", **properties), {"type": "group"}],
        ):
            prepare(world.msg91)
            world.deliver(body)

    return drive


def _invalid(**properties: Any) -> Drive:  # noqa: ANN401 - any JSON
    return lambda world: [world.deliver(body) for body in (world.event(**properties), [world.event(**properties)])]


def _body(make: Callable[[World], object]) -> Drive:
    return lambda world: world.deliver(make(world))


def _in_flight(world: World) -> None:
    world.msg91.during_call = lambda: world.deliver(world.event())
    world.deliver(world.event())


def _held_until_the_circuit_opens(world: World) -> None:
    for number in range(8):
        world.msg91.refuses("301", QUOTING)
        world.deliver(world.event(f"m{number}"))


def _under(rules: dict[str, str], *numbers: str) -> Drive:
    """Deliver an event to each number alone and in a batch, in an environment with these rules."""

    def drive(world: World) -> None:
        events = [world.event(f"m{place}", phone=number) for place, number in enumerate(numbers)]
        with pytest.MonkeyPatch.context() as environment:
            for name, value in rules.items():
                environment.setenv(name, value)
            segment_ingest.wiring.cache_clear()
            for body in (*events, [event | {"messageId": f"b{place}"} for place, event in enumerate(events)]):
                world.deliver(body)
        segment_ingest.wiring.cache_clear()

    return drive


def _mapped(world: World) -> None:
    """Deliver mapped requests: one that is sent, and one with each thing wrong."""
    request = {"messageId": "m1", **PERSON, **world.event()["properties"]}
    for wrong in ({}, {"messageId": None}, {"phone": TEXT}, {"variables": [TEXT]}, {"type": f"{PHONE} {TEXT}"}):
        world.deliver(request | wrong)


def _malformed_mapping_name(world: World) -> None:
    request = world.segment.sample | {"body": json.dumps(world.event()), "headers": BEARER}
    world.segment.call(request | {"queryStringParameters": {"mapping": QUOTING}})


def _database(prepare: Callable[["UnreliableDynamoDb"], object]) -> Drive:
    def drive(world: World) -> None:
        for body in (world.event(), [world.event("m2"), world.event("m3", phone="919800000043")]):
            prepare(world.dynamodb)
            world.deliver(body)

    return drive


def _settle_refused(world: World) -> None:
    world.msg91.during_call = world.dynamodb.refuses_everything
    world.deliver(world.event())


def _strangers_event(world: World) -> None:
    for body in (world.event(), f"{PHONE} {TEXT}", "x" * (MAX_BODY_BYTES + 1)):
        world.reveal(world.deliver(body, STRANGER))


def _strangers_report(world: World) -> None:
    for body in (REPORT, f"{PHONE} {TEXT}"):
        world.reveal(world.report(body, "marked-wrong"))


def _unreadable_secret(text: str | None) -> Drive:
    def drive(world: World) -> None:
        world.aws.set_secret(text)
        world.reveal(world.deliver(world.event()))
        world.reveal(world.report(REPORT))

    return drive


def _reported(*bodies: object) -> Drive:
    """Report each twice, so that it is a duplicate as well."""
    return lambda world: [world.report(body) for body in (*bodies, *bodies)]


def _matched_and_contradicted(world: World) -> None:
    (result,) = world.deliver(world.event()).body["results"]
    for status in ("1", "2"):
        world.report(REPORT | {"CRQID": result["crqid"], "requestId": result["requestId"], "status": status})


def _redriven(world: World) -> None:
    world.dynamodb.refuses_everything()
    world.report(REPORT)
    (record,) = world.queued("ReportsRedriveQueue")
    world.redrive(record)
    world.dynamodb.recovers()
    world.redrive(record)


def _quarantined_and_redriven(world: World) -> None:
    world.report(f"{PHONE} {TEXT}")
    world.redrive(*world.queued("ReportsQuarantineQueue"))


def _undeliverable(world: World) -> None:
    packed = {"messageAttributes": {"body_encoding": {"stringValue": "gzip+base64"}}}
    record = {"messageId": "record-1", "body": f"{PHONE} {TEXT}"}
    world.redrive(record | packed, {"messageId": "record-2"}, record | {"messageAttributes": [PHONE]}, record)


def _nothing_durable(world: World) -> None:
    world.dynamodb.refuses_everything()
    world.aws.delete_queue("ReportsRedriveQueue")
    world.report(REPORT)


def _reconciled(world: World) -> None:
    """Look messages up in logs that quote: in a row of each, in a row that is no report, and in errors."""
    world.deliver(world.event("m1"))
    world.msg91.breaks_off(httpx.ReadTimeout(QUOTING))
    world.deliver(world.event("m2"))
    columns = ("failureReason", "reportStatusDesc", "senderId", "campaignName", "UUID")
    quoting: dict[str, Any] = dict.fromkeys(columns, QUOTING)
    for error in (QUOTING, json.dumps({"error": QUOTING}), json.dumps({"hasError": True, "apiError": QUOTING})):
        world.logs.answers(error)
        world.reconcile()
    world.logs.breaks_off(httpx.ReadTimeout(QUOTING))
    world.reconcile()
    for message in world.aws.messages():
        world.logs.has(PHONE, QUOTING, CRQID=message["crqid"], requestId="r1", **quoting)
    world.logs.has(PHONE, CRQID=TEXT * 99, **quoting)
    world.dynamodb.refuses("put_item")
    world.reconcile()
    world.reconcile()


PATHS: Final[dict[str, Drive]] = {
    "accepted": _delivered(lambda _: None),
    "accepted by a template": _delivered(lambda _: None, templateId="60b07", variables={"VAR1": TEXT}),
    "rejected": _delivered(lambda msg91: msg91.refuses("202", QUOTING)),
    "rejected without a code": _delivered(lambda msg91: msg91.answers(f'{{"type":"error","message":"{QUOTING}"}}')),
    "authkey refused": _delivered(lambda msg91: msg91.refuses("207", QUOTING)),
    "held until the circuit opens": _held_until_the_circuit_opens,
    "HTTP 503": _delivered(lambda msg91: msg91.answers(f"<html>{QUOTING}</html>", 503)),
    "HTTP 429": _delivered(lambda msg91: msg91.answers(f'{{"type":"error","message":"{QUOTING}"}}', 429)),
    "HTTP 404": _delivered(lambda msg91: msg91.answers(f"<html>{QUOTING}</html>", 404)),
    "unknown": _delivered(lambda msg91: msg91.breaks_off(httpx.ReadTimeout(QUOTING))),
    "HTML": _delivered(lambda msg91: msg91.answers(f"<html>{QUOTING}</html>")),
    "refused connection": _delivered(lambda msg91: msg91.breaks_off(httpx.ConnectError(QUOTING))),
    "in flight": _in_flight,
    "invalid phone": _invalid(phone=f"{PHONE} or {TEXT}"),
    "invalid sender": _invalid(senderID=TEXT),
    "invalid parameter": _invalid(unicode=TEXT),
    "invalid variable": _invalid(variables={TEXT: [TEXT]}),
    "no event": _body(lambda _: [TEXT, {TEXT: PHONE}, None]),
    "another type": _body(lambda world: world.event() | {"type": f"{PHONE} {TEXT}"}),
    "without a phone": _body(lambda _: {"type": "track", "properties": {"message": TEXT}} | PERSON),
    "without a message": _body(lambda _: {"type": "identify", "traits": {"phone": PHONE}} | PERSON),
    "opted out": _body(lambda world: world.event() | {"integrations": {"MSG91": False, TEXT: PHONE}}),
    "mapped": _mapped,
    "a malformed mapping name": _malformed_mapping_name,
    "not on the test list": _under({"ONLY_TO_NUMBERS": "919800000001"}, PHONE, "12345"),
    "of another country": _under({"ALLOWED_COUNTRIES": "LK"}, PHONE, "9"),
    "a number of no country": _under({"DEFAULT_REGION": "IN"}, f"{PHONE}42", f"{PHONE} {TEXT}"),
    "a test list that is malformed": _under({"ONLY_TO_NUMBERS": f"{PHONE} or so,{TEXT}"}, PHONE),
    "malformed": _body(lambda _: f'{{"phone":"{PHONE}", {TEXT}'),
    "no number": _body(lambda _: f'{{"{TEXT}":NaN}}'),
    "too large": _body(lambda _: TEXT * (MAX_BODY_BYTES // len(TEXT) + 1)),
    "claim refused": _database(lambda dynamodb: dynamodb.refuses_everything()),
    "claim lost": _database(lambda dynamodb: dynamodb.loses_answer("update_item")),
    "settle refused": _settle_refused,
    "stranger's event": _strangers_event,
    "stranger's report": _strangers_report,
    "no secret": _unreadable_secret(None),
    "a secret cut off": _unreadable_secret(json.dumps(CREDENTIALS)[:-1]),
    "a secret that is a text": _unreadable_secret('"marked-token"'),
    "reported": _reported(REPORT, [{"report": [REPORT, REPORT | {"status": "1"}]}], V4),
    "reported in a form": _reported(f"data={json.dumps([REPORT])}"),
    "reported in part": _reported([REPORT, {"number": PHONE}, {"status": TEXT}]),
    "reported unreadably": _reported(f"{PHONE} {TEXT}", f'"{PHONE}"', b"\xff" + TEXT.encode(), {"CRQID": TEXT * 99}),
    "reported at length": _reported(TEXT * (MAX_BODY_BYTES // len(TEXT) + 1)),
    "matched and contradicted": _matched_and_contradicted,
    "redriven": _redriven,
    "quarantined and redriven": _quarantined_and_redriven,
    "undeliverable in the queue": _undeliverable,
    "nothing durable": _nothing_durable,
    "reconciled": _reconciled,
}


@pytest.mark.parametrize("path", PATHS)
def test_a_path_gives_nothing_private_away(path: str, world: World) -> None:
    PATHS[path](world)
    assert world.leaks() == []


@pytest.mark.parametrize(
    ("owner", "name"),
    [
        (Request, "of"),
        *((segment_ingest, name) for name in ("authenticate_segment", "summary", "_record")),
        *((delivery_reports, name) for name in ("authenticate_msg91", "_record")),
        *((segment, "split"), (mapping, "to_sms"), (requests, "groups"), (reports, "read"), (RawReport, "of")),
        *((SecretReader, "read"), (Msg91, "send"), (Reports, "record"), (Queue, "put")),
        *((Messages, name) for name in ("claim", "settle", "apply", "find")),
    ],
    ids=lambda value: getattr(value, "__name__", value),
)
def test_an_unexpected_error_reveals_nothing_private(
    owner: object, name: str, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise ValueError(QUOTING) from KeyError(PHONE)

    monkeypatch.setattr(owner, name, fail)
    for answer in (
        world.deliver(world.event()),
        world.deliver([world.event("m2"), world.event("m3")]),
        world.report(REPORT),
        world.report(f"{PHONE} {TEXT}"),
    ):
        world.reveal(answer)  # a response to an error must not quote it, whether or not the caller is authenticated
    world.redrive({"messageId": "record-1", "body": json.dumps(REPORT)})
    assert "ValueError" in world.output.text
    assert world.leaks() == []


def test_the_search_finds_what_a_library_logs(world: World) -> None:
    logging.getLogger().setLevel(logging.DEBUG)
    world.deliver(world.event())
    assert world.leaks() != []


def test_the_search_finds_what_a_function_prints(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(segment_ingest, "_record", lambda results: print(QUOTING))  # noqa: ARG005, T201
    world.deliver(world.event())
    assert world.leaks() != []


@pytest.mark.usefixtures("_as_in_lambda")
@pytest.mark.parametrize("library", ["botocore", "boto3", "urllib3", "httpx", "httpcore", "aws_lambda_powertools"])
def test_no_library_logs_at_the_lowest_log_level(library: str) -> None:
    assert not logging.getLogger(library).isEnabledFor(logging.DEBUG)


@pytest.mark.parametrize(
    "function", ["segment_ingest", "delivery_reports", "reconciliation", "delivery_events", "console"]
)
def test_a_function_silences_libraries_whose_level_the_runtime_lowered(function: str) -> None:
    script = f"""if True:
        import logging
        logging.getLogger().setLevel(logging.DEBUG)
        import functions.{function}.app
        print(logging.getLogger("httpx").getEffectiveLevel(), logging.getLogger("botocore").getEffectiveLevel())"""
    environment = {"PYTHONPATH": f"{PATH.parent}:{PATH.parent / 'layers' / 'shared'}"}
    process = subprocess.run(  # noqa: S603  # our own
        [sys.executable, "-c", script], env=environment, capture_output=True, text=True, check=True
    )
    assert process.stdout.split() == [str(logging.WARNING)] * 2
