"""POST /segment, from bytes up: any body gets an answer that matches the record."""

import json
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from segment_msg91.http import MAX_BODY_BYTES
from tests.handlers.fuzz import strategies as odd
from tests.handlers.fuzz.contract import about_segment

if TYPE_CHECKING:
    from tests.fakes.aws import Aws, Item
    from tests.fakes.msg91 import FakeMsg91, SentSms
    from tests.handlers.conftest import Answer, Endpoint

type Leftovers = Callable[[], tuple[list["Item"], list["SentSms"]]]
type Check = Callable[["Answer"], list[str]]

PHONE: Final = "919800000001"


PAYLOAD: Final = {"phone": PHONE, "message": "Hello ##firstName##", "senderID": "MSGIND", "firstName": "Asha"}
TEMPLATE: Final = {"templateId": "60b07", "variables": {"VAR1": "one", "two": 2}}
PARAMETERS: Final = {
    **dict.fromkeys(("route", "country", "unicode", "flash", "afterminutes", "short_url"), "1"),
    "schtime": "2026-01-02 03:04:05",
    "campaign": "Spring",
    "DLT_TE_ID": "1107",
}
SURROUNDINGS: Final = {
    "userId": "user-1",
    "anonymousId": 7,
    "timestamp": "2026-01-02T03:04:05Z",
    "sentAt": "2026-01-02T03:04:05Z",
    "context": {"integration": {"name": "x"}},
    "integrations": {"All": False},
}


def _event(message_id: str, kind: str, properties: dict[str, Any]) -> dict[str, Any]:
    place = "traits" if kind == "identify" else "properties"
    named = {"type": kind, "messageId": message_id, "event": "Order Shipped", "name": "Home"}
    return named | SURROUNDINGS | {place: PAYLOAD | properties}


def _mapped(message_id: str, fields: dict[str, Any]) -> dict[str, Any]:
    return {"messageId": message_id, "event": "Order Completed"} | SURROUNDINGS | PAYLOAD | fields


EVENTS: Final = [
    _event("m1", "track", {}),
    _event("m2", "track", TEMPLATE),
    _event("m3", "page", PARAMETERS),
    _event("m4", "identify", TEMPLATE | PARAMETERS),
    _event("m7", "track", {"scope": "promotional", "reason": "replied STOP"}) | {"event": "SMS Opted Out"},
    _event("m8", "identify", {})
    | {"context": {"messaging_subscriptions": [{"key": PHONE, "type": "SMS", "status": "SUBSCRIBED"}]}},
    _mapped("m5", PARAMETERS),
    _mapped("m6", TEMPLATE | {"variables": {"order": {"id": 1}, "total": 27.5}}),
]
BATCHES: Final = [EVENTS[:2], EVENTS, [EVENTS[0], EVENTS[0]], [{"json": event} for event in EVENTS[2:]]]
SAMPLES: Final = [json.dumps(sample) for sample in (*EVENTS, {"json": EVENTS[0]}, *BATCHES)]
BODY: Final = odd.mutated(SAMPLES) | odd.mutated(SAMPLES) | odd.ANYTHING | st.sampled_from(odd.NO_JSON)


@pytest.fixture
def left(aws: "Aws", msg91: "FakeMsg91") -> Leftovers:
    """Return the messages on record and the SMS sent, and remove them."""

    def take() -> tuple[list["Item"], list["SentSms"]]:
        messages, sent = aws.messages(), list(msg91.sent)
        for message in messages:
            aws.dynamodb.delete_item(TableName="MessagesTable", Key={"crqid": {"S": message["crqid"]}})
        msg91.sent.clear()
        return messages, sent

    return take


@pytest.fixture
def check(left: Leftovers) -> Check:
    """Return the violations about an answer and the stored items, and remove the items."""
    return lambda answer: list(about_segment(answer, *left()))


@odd.FUZZED
@given(body=BODY)
def test_any_json_gets_an_answer_that_matches_the_record(body: str, ingest: "Endpoint", check: Check) -> None:
    assert check(ingest(body)) == []


@pytest.mark.parametrize(
    "rules",
    [
        {"DEFAULT_REGION": "IN"},
        {"ALLOWED_COUNTRIES": "AE"},
        {"ONLY_TO_NUMBERS": "919800000002"},
        {"GUARD_RAILS": "on", "MAX_SMS_PER_NUMBER_PER_HOUR": "3"},
    ],
    ids=str,
)
@odd.FUZZED
@given(body=odd.mutated(SAMPLES))
def test_any_json_gets_such_an_answer_under_rules_too(
    rules: dict[str, str], body: str, ingest: "Endpoint", check: Check, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in rules.items():
        monkeypatch.setenv(name, value)
    assert check(ingest(body)) == []


@odd.FUZZED
@given(body=odd.mutated(SAMPLES))
def test_any_json_that_is_repeated_is_sent_once(body: str, ingest: "Endpoint", left: Leftovers) -> None:
    results = ingest(body).body.get("results", [])
    ingest(body)
    _, sent = left()
    # Without a message id an event can't be recognised.
    unnamed = [result for result in results if result["messageId"] is None and result["status"] == "accepted"]
    again = len(sent) - sum(result["status"] == "accepted" for result in results)
    assert again == len(unnamed)


@odd.FUZZED
@given(body=odd.cut_and_stained(BODY.map(lambda body: body.encode("utf-8", "surrogatepass"))) | st.binary())
def test_any_bytes_get_an_answer_that_matches_the_record(body: bytes, ingest: "Endpoint", check: Check) -> None:
    assert check(ingest(body)) == []


@odd.FUZZED
@given(
    members=odd.odd_members("queryStringParameters", "pathParameters", "requestContext", "cookies", "rawPath"),
    body=odd.ODD | BODY,
    is_base64=odd.ODD,
    headers=st.dictionaries(st.text(max_size=5) | st.sampled_from(["Content-Type", "Cookie"]), odd.ODD, max_size=3),
)
def test_an_odd_request_with_the_token_gets_an_answer_that_matches_the_record(
    members: dict[str, object],
    body: object,
    is_base64: object,
    headers: dict[str, object],
    ingest: "Endpoint",
    check: Check,
) -> None:
    headers |= {"authorization": "Bearer sandbox-only-segment-token"}
    answer = ingest.call(members | {"body": body, "isBase64Encoded": is_base64, "headers": headers})
    assert check(answer) == []


@odd.FUZZED
@given(
    event=odd.odd_members("headers", "queryStringParameters", "pathParameters", "body", "isBase64Encoded"),
    names=st.sets(st.sampled_from(["authorization", "X-Signature", "x-webhook-token"])),
    value=odd.ODD,
)
def test_an_odd_request_without_the_token_is_refused(
    event: dict[str, object], names: set[str], value: object, ingest: "Endpoint", check: Check
) -> None:
    if names:
        event["headers"] = dict.fromkeys(names, value)
    answer = ingest.call(event)
    assert (answer.status, check(answer)) == (401, [])


@pytest.mark.parametrize("body", odd.DEEP, ids=["arrays", "objects", "open arrays", "Extensible, ever again"])
@pytest.mark.parametrize("place", ["{}", '{{"type":"track","properties":{}}}', '[{{"json":{}}}]'])
def test_deep_nesting_is_refused(place: str, body: str, ingest: "Endpoint", check: Check) -> None:
    answer = ingest(place.format(body))
    assert (answer.status, check(answer)) == (400, [])


@pytest.mark.parametrize("form", [str, str.encode], ids=["text", "base64"])
@pytest.mark.parametrize(("excess", "status"), [(-1, 200), (0, 200), (1, 413)])
def test_a_body_is_read_up_to_5_mb(
    form: Callable[[str], object], excess: int, status: int, ingest: "Endpoint", check: Check
) -> None:
    answer = ingest(form(SAMPLES[0].ljust(MAX_BODY_BYTES + excess)))
    assert (answer.status, check(answer)) == (status, [])
