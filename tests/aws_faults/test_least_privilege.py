"""Each function's role allows exactly the AWS calls that the function makes on some path."""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

import httpx
import pytest

from segment_msg91.use_cases import reconciliation
from tests.aws_faults.faults import LOST, REFUSED, Injector
from tests.aws_faults.test_reporting import RECORD
from tests.aws_faults.test_sending import CLAIM, CLAIM_MANY, KilledError
from tests.engines import MOTO
from tests.transformed import EVERYTHING, of_type, transformed

if TYPE_CHECKING:
    from sandbox.interception import Call, Verdict
    from tests.aws_faults.conftest import World
    from tests.fakes.events import Track

type Permission = tuple[str, str]
"""An IAM action and the name of its resource."""

FUNCTIONS: Final = (
    "SegmentIngestFunction",
    "DeliveryReportsFunction",
    "ReconciliationFunction",
    "DeliveryEventsFunction",
    "ConsoleFunction",
)
ON_ONE_ENGINE: Final = pytest.mark.parametrize("embedded", [MOTO], indirect=True)  # the calls are the same on the other
# DynamoDB asks for the permission of each write in a transaction, not for one of the transaction's.
ACTION_OF_WRITE: Final = {"Update": "UpdateItem", "Put": "PutItem", "Delete": "DeleteItem"}
V3: Final = {"date": "2026-01-02 08:34:10", "number": "919800000001", "status": "1", "desc": "DELIVERED"}
# What Lambda itself does with a function's role, as its documentation lists it.
LOGGING: Final = ("logs:CreateLogStream", "logs:PutLogEvents")
POLLING_A_QUEUE: Final = ("sqs:ReceiveMessage", "sqs:DeleteMessage", "sqs:GetQueueAttributes")
READING_A_STREAM: Final = ("dynamodb:GetRecords", "dynamodb:GetShardIterator", "dynamodb:DescribeStream")
BY_LAMBDA: Final[dict[str, set[Permission]]] = {
    "SegmentIngestFunction": {(action, "SegmentIngestLogGroup") for action in LOGGING},
    "DeliveryReportsFunction": {
        *((action, "DeliveryReportsLogGroup") for action in LOGGING),
        *((action, "ReportsRedriveQueue") for action in POLLING_A_QUEUE),
    },
    "ReconciliationFunction": {(action, "ReconciliationLogGroup") for action in LOGGING},
    "DeliveryEventsFunction": {
        *((action, "DeliveryEventsLogGroup") for action in LOGGING),
        *((action, "MessagesTable.StreamArn") for action in READING_A_STREAM),
        ("dynamodb:ListStreams", "MessagesTable/stream/*"),
        # For records that Lambda gives up. The function itself dead-letters records there as well.
        ("sqs:SendMessage", "DeliveryEventsDeadLetterQueue"),
    },
    "ConsoleFunction": {(action, "ConsoleLogGroup") for action in LOGGING},
}


@dataclass(slots=True)
class Recorder(Injector):
    """Records the permission that each call needs, by function."""

    needed: dict[str, set[Permission]] = field(default_factory=dict)

    def before(self, call: "Call") -> "Verdict":
        self.needed.setdefault(call.caller, set()).update(_permissions_for(call))
        return Injector.before(self, call)


def _permissions_for(call: "Call") -> Iterator[Permission]:
    if call.operation != "TransactWriteItems":
        yield f"{call.service}:{call.operation}", call.resource
        return
    for write in json.loads(call.body)["TransactItems"]:
        for kind, request in write.items():
            yield f"dynamodb:{ACTION_OF_WRITE[kind]}", request["TableName"]


def _permissions_of(function: str) -> set[Permission]:
    document = transformed(EVERYTHING)
    role = of_type(document, "AWS::Lambda::Function")[function]["Role"]["Fn::GetAtt"][0]
    return {
        (statement["Action"], _name(statement["Resource"]))
        for policy in of_type(document, "AWS::IAM::Role")[role]["Policies"]
        for statement in policy["PolicyDocument"]["Statement"]
    }


def _name(resource: dict[str, Any] | str) -> str:
    """Return the parts of an ARN: `MessagesTable/index/by_phone`, `MessagesTable.StreamArn` or `Secret`."""
    match resource:
        case {"Ref": str(name)} | str(name):
            return name
        case {"Fn::GetAtt": [str(name), str(attribute)]}:
            return name if attribute == "Arn" else f"{name}.{attribute}"
        case {"Fn::Sub": str(text)}:
            return re.sub(r"[${}]|\.Arn", "", text)
        case _:
            raise ValueError(f"{resource} is no named resource")


@pytest.fixture
def recorder(world: "World", track: "Track", monkeypatch: pytest.MonkeyPatch) -> Recorder:
    """The world after every path of the functions that calls AWS."""
    recorder = Recorder(plan={})
    world.aws.interceptor = recorder
    try:
        _send(world, track, recorder)
        _report(world, recorder)
        _reconcile(world, track, monkeypatch)
        world.publish({"dynamodb": {"SequenceNumber": "1"}})
        _ask(world)
    finally:
        world.aws.interceptor = None
    return recorder


def _send(world: "World", track: "Track", recorder: Recorder) -> None:
    single, *batch = (track(f"91980000000{number}", f"message-{number}") for number in range(1, 5))
    world.deliver(single)
    world.deliver(single)
    world.deliver(track("12", "message-invalid"))
    world.deliver(single, *batch)
    world.msg91.refuses("301")
    world.deliver(track("919800000005", "message-held"))
    world.msg91.breaks_off(KilledError())
    with pytest.raises(KilledError):
        world.deliver(track("919800000006", "message-killed"))
    world.leases_run_out()
    world.deliver(track("919800000006", "message-killed"))
    recorder.plan = {CLAIM: LOST, CLAIM_MANY: LOST}
    world.deliver(track("919800000007", "message-lost"))
    world.deliver(track("919800000008", "message-lost-1"), track("919800000009", "message-lost-2"))
    recorder.plan = {}


def _report(world: "World", recorder: Recorder) -> None:
    messages = world.aws.tables.Table("MessagesTable")
    message = next(one for one in world.aws.items("MessagesTable") if one["phone"] == V3["number"])
    by_request_id = V3 | {"requestId": message["request_id"], "CRQID": "0"}
    messages.delete_item(Key={"crqid": message["crqid"]})
    world.report(by_request_id)
    messages.put_item(Item=message)
    world.report(by_request_id)
    world.report([by_request_id | {"CRQID": message["crqid"], "status": status} for status in ("2", "9")])
    world.report({"odd": "body"})
    world.report(V3 | {"requestId": "r-blocked", "number": "919800000011", "status": "17", "desc": "Blocked number"})
    recorder.plan = {RECORD: REFUSED}
    world.report(by_request_id)
    recorder.plan = {}
    world.redrive()


def _reconcile(world: "World", track: "Track", monkeypatch: pytest.MonkeyPatch) -> None:
    """End messages in doubt, in as many runs as there are pages."""
    numbers = [f"9198000000{number}" for number in range(21, 24)]
    for number in numbers:
        world.msg91.breaks_off(httpx.ReadTimeout("no answer"))
        world.deliver(track(number, f"message-{number}"))
    monkeypatch.setattr(reconciliation, "MAX_PAGES", 1)
    world.logs.per_page = 1
    for message in world.aws.items("MessagesTable"):
        if message.get("phone") in numbers[1:]:
            world.logs.has(str(message["phone"]), CRQID=message["crqid"], requestId="r-1", status="Blocked Number")
    while world.reconcile()["remaining"]:
        pass


def _ask(world: "World") -> None:
    crqid = next(one["crqid"] for one in world.aws.items("MessagesTable") if "request_id" in one)
    for name in ("phone", "message_id", "user_id", "request_id"):
        assert world.ask("/console/messages", **{name: "919800000001"}).status == 200
    assert world.ask("/console/messages").status == 200
    assert world.ask("/console/messages", outcome="waiting").status == 200
    assert world.ask("/console/overview").status == 200
    assert world.ask("/console/breakdown").status == 200
    assert world.ask("/console/export", outcome="failed").status == 200
    assert world.ask(f"/console/messages/{crqid}").status == 200
    assert world.ask(f"/console/messages/{crqid}/phone").status == 200


@ON_ONE_ENGINE
@pytest.mark.parametrize("function", FUNCTIONS)
def test_no_permission_is_missing(recorder: Recorder, function: str) -> None:
    assert (recorder.needed[function] | BY_LAMBDA[function]) - _permissions_of(function) == set()


@ON_ONE_ENGINE
@pytest.mark.parametrize("function", FUNCTIONS)
def test_no_permission_is_unused(recorder: Recorder, function: str) -> None:
    assert _permissions_of(function) - recorder.needed[function] - BY_LAMBDA[function] == set()


@pytest.mark.parametrize("function", FUNCTIONS)
def test_every_resource_is_named(function: str) -> None:
    wide = {permission for permission in _permissions_of(function) if "*" in permission[1]}
    assert wide <= {("dynamodb:ListStreams", "MessagesTable/stream/*"), ("cloudwatch:GetMetricData", "*")}
