"""POST /segment: authentication and responses."""

import hashlib
import hmac
import json
from typing import TYPE_CHECKING, Any, Final

import pytest

from functions.segment_ingest import app as segment_ingest
from segment_msg91.http import MAX_BODY_BYTES

if TYPE_CHECKING:
    from tests.fakes.aws import Aws
    from tests.fakes.dynamodb import UnreliableDynamoDb
    from tests.fakes.events import Track
    from tests.fakes.msg91 import FakeMsg91
    from tests.handlers.conftest import Endpoint

PHONE: Final = "919800000001"
OTHER_PHONE: Final = "919800000002"
SHARED_SECRET: Final = "sandbox-shared-secret"


def _signature(body: str) -> dict[str, str]:
    return {"x-signature": hmac.new(SHARED_SECRET.encode(), body.encode(), hashlib.sha1).hexdigest()}


@pytest.fixture
def event(track: "Track") -> dict[str, Any]:
    return track(PHONE)


def test_an_accepted_event_is_answered_with_its_ids(
    ingest: "Endpoint", event: dict[str, Any], msg91: "FakeMsg91"
) -> None:
    answer = ingest(event)
    (sms,) = msg91.sent
    assert answer.status == 200
    assert answer.body["results"] == [
        {"messageId": "message-1", "status": "accepted", "requestId": sms.request_id, "crqid": sms.crqid}
    ]


def test_a_rejected_event_is_answered_400_with_msg91s_words(
    ingest: "Endpoint", event: dict[str, Any], msg91: "FakeMsg91"
) -> None:
    msg91.refuses("203", "Invalid sender ID")
    answer = ingest(event)
    assert (answer.status, "Invalid sender ID" in answer.body["message"]) == (400, True)
    assert answer.body["results"][0]["status"] == "rejected"


def test_an_invalid_event_is_answered_400_with_the_field(ingest: "Endpoint", track: "Track") -> None:
    answer = ingest(track("12345"))
    (result,) = answer.body["results"]
    assert (answer.status, result["status"]) == (400, "invalid")
    assert answer.body["message"] == result["reason"]
    assert result["reason"].startswith("properties.phone: ")


def test_a_skipped_event_is_answered_200_with_the_reason(ingest: "Endpoint") -> None:
    answer = ingest({"type": "identify", "messageId": "message-1", "traits": {"phone": PHONE}})
    assert answer.status == 200
    assert answer.body["results"] == [{"messageId": "message-1", "status": "skipped", "reason": answer.body["message"]}]


def test_a_repeated_event_is_answered_200_as_a_duplicate(ingest: "Endpoint", event: dict[str, Any]) -> None:
    (first,) = ingest(event).body["results"]
    answer = ingest(event)
    (second,) = answer.body["results"]
    assert (answer.status, second["status"], second["requestId"]) == (200, "duplicate", first["requestId"])


def test_an_event_without_a_message_id_has_none_in_its_result(ingest: "Endpoint", track: "Track") -> None:
    assert ingest(track(PHONE, message_id=None)).body["results"][0]["messageId"] is None


@pytest.mark.parametrize(
    ("body", "status", "event_status"),
    [
        ('{"msg":"418","msgType":"error"}', 503, "held"),
        ('{"type":"error","message":"no database","code":"001"}', 503, "retry"),
        ("", 200, "unknown"),
    ],
    ids=["held", "retry", "unknown"],
)
def test_an_outcome_is_answered_by_its_status(
    body: str, status: int, event_status: str, ingest: "Endpoint", event: dict[str, Any], msg91: "FakeMsg91"
) -> None:
    msg91.answers(body)
    answer = ingest(event)
    assert (answer.status, answer.body["results"][0]["status"]) == (status, event_status)


def test_msg91s_throttling_is_passed_on(ingest: "Endpoint", event: dict[str, Any], msg91: "FakeMsg91") -> None:
    msg91.answers("", 429)
    answer = ingest(event)
    assert (answer.status, "retry-after" in answer.headers) == (429, True)


def test_an_event_is_in_flight_while_it_is_being_sent(
    ingest: "Endpoint", event: dict[str, Any], msg91: "FakeMsg91"
) -> None:
    repeats = []
    msg91.during_call = lambda: repeats.append(ingest(event))
    ingest(event)
    assert [(repeat.status, repeat.body["results"][0]["status"]) for repeat in repeats] == [(503, "in_flight")]


def test_a_refusing_database_is_answered_503_and_nothing_is_sent(
    ingest: "Endpoint", event: dict[str, Any], dynamodb: "UnreliableDynamoDb", msg91: "FakeMsg91"
) -> None:
    dynamodb.refuses_everything()
    answer = ingest(event)
    assert (answer.status, answer.body["results"][0]["status"], msg91.calls) == (503, "retry", [])


def test_a_batch_of_final_outcomes_is_answered_200_in_order(
    ingest: "Endpoint", track: "Track", msg91: "FakeMsg91"
) -> None:
    msg91.refuses_number(OTHER_PHONE, "202")
    answer = ingest([track("12345", "m1"), track(PHONE, "m2"), track(OTHER_PHONE, "m3"), {"type": "group"}])
    statuses = [(result["messageId"], result["status"]) for result in answer.body["results"]]
    assert answer.status == 200
    assert statuses == [("m1", "invalid"), ("m2", "accepted"), ("m3", "rejected"), (None, "skipped")]


def test_a_batch_with_an_event_to_deliver_again_is_answered_503(
    ingest: "Endpoint", track: "Track", msg91: "FakeMsg91"
) -> None:
    msg91.refuses("301")
    assert ingest([track(PHONE, "m1"), track("12345", "m2")]).status == 503


@pytest.fixture
def mapped(event: dict[str, Any]) -> dict[str, Any]:
    """A mapped request, made of the event."""
    return {"messageId": event["messageId"], "event": event["event"], **event["properties"]}


def test_a_mapped_request_is_one_sms_and_its_repeat_none(
    ingest: "Endpoint", mapped: dict[str, Any], msg91: "FakeMsg91", aws: "Aws"
) -> None:
    answers = [ingest(mapped), ingest(mapped), ingest([mapped])]
    statuses = [(answer.status, answer.body["results"][0]["status"]) for answer in answers]
    assert statuses == [(200, "accepted"), (200, "duplicate"), (200, "duplicate")]
    (message,) = aws.messages()
    assert (message["event_type"], message["event_name"], "mapping" in message) == ("mapped", "Order Shipped", False)
    assert len(msg91.sent) == 1


def test_a_batch_holds_events_and_mapped_requests(
    ingest: "Endpoint", event: dict[str, Any], mapped: dict[str, Any], msg91: "FakeMsg91"
) -> None:
    other = mapped | {"messageId": "m2", "phone": OTHER_PHONE}
    answer = ingest([event, {"json": other}, mapped | {"messageId": None}, mapped])
    statuses = [result["status"] for result in answer.body["results"]]
    assert (statuses, len(msg91.sent)) == (["accepted", "accepted", "invalid", "duplicate"], 2)


def test_a_mapped_request_without_a_message_id_is_answered_400_with_the_remedy(
    ingest: "Endpoint", mapped: dict[str, Any], msg91: "FakeMsg91", aws: "Aws"
) -> None:
    del mapped["messageId"]
    answer = ingest(mapped)
    assert (answer.status, answer.body["results"][0]["status"]) == (400, "invalid")
    assert "map it from $.messageId" in answer.body["message"]
    assert ([message["send_state"] for message in aws.messages()], msg91.calls) == (["invalid"], [])


def test_an_event_causes_one_sms_by_each_mapping(
    ingest: "Endpoint", event: dict[str, Any], mapped: dict[str, Any], msg91: "FakeMsg91", aws: "Aws"
) -> None:
    bodies = (event, mapped)
    answers = [ingest(body, mapping=name) for name in (None, "order-sms", "review_1") for body in bodies]
    statuses = [answer.body["results"][0]["status"] for answer in answers]
    assert statuses == ["accepted", "duplicate"] * 3
    assert len(msg91.sent) == 3
    assert {message.get("mapping") for message in aws.messages()} == {None, "order-sms", "review_1"}


@pytest.mark.parametrize("name", ["", "a b", "x" * 41, "order-sms,review"])
def test_a_malformed_mapping_name_is_named_and_segment_keeps_the_event(
    name: str, ingest: "Endpoint", event: dict[str, Any], msg91: "FakeMsg91", aws: "Aws"
) -> None:
    answer = ingest(event, mapping=name)
    assert (answer.status, "retry-after" in answer.headers) == (503, True)
    assert answer.body["message"].startswith("mapping: must be 1 to 40 letters, digits, - or _")
    assert (aws.messages(), msg91.calls) == ([], [])
    assert ingest(event, mapping="order-sms").body["results"][0]["status"] == "accepted"


def test_a_signature_is_enough_with_a_mapping_name(ingest: "Endpoint", event: dict[str, Any]) -> None:
    body = json.dumps(event)
    assert ingest(body, _signature(body), mapping="order-sms").status == 200


@pytest.mark.parametrize(
    ("rule", "reason"),
    [
        (("ONLY_TO_NUMBERS", OTHER_PHONE), "phone: not one of OnlyToNumbers"),
        (("ALLOWED_COUNTRIES", "AE,LK"), "phone: its country is IN, which AllowedCountries does not have"),
    ],
)
def test_an_sms_that_a_rule_stops_is_answered_200_as_suppressed_with_the_rule(
    rule: tuple[str, str],
    reason: str,
    ingest: "Endpoint",
    event: dict[str, Any],
    msg91: "FakeMsg91",
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv(*rule)
    first, second = ingest(event), ingest(event)
    (result,) = first.body["results"]
    assert (first.status, result["status"], result["reason"]) == (200, "suppressed", first.body["message"])
    assert result["reason"].startswith(reason)
    assert (second.status, second.body["results"][0]["status"]) == (200, "duplicate")
    assert msg91.calls == []


@pytest.mark.parametrize("written", ["98000 00001", "09800000001", "+91 98000 00001", 9800000001, "00919800000001"])
def test_with_a_default_region_all_forms_of_a_number_are_one_sms(
    written: object, ingest: "Endpoint", event: dict[str, Any], msg91: "FakeMsg91", monkeypatch: pytest.MonkeyPatch
) -> None:
    ingest(event)
    monkeypatch.setenv("DEFAULT_REGION", "IN")
    segment_ingest.wiring.cache_clear()
    event["properties"]["phone"] = written
    assert ingest(event).body["results"][0]["status"] == "duplicate"
    assert [sms.number for sms in msg91.sent] == [PHONE]


def test_with_a_default_region_a_number_of_none_is_answered_400_with_what_was_tried(
    ingest: "Endpoint", event: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DEFAULT_REGION", "IN")
    event["properties"]["phone"] = "4155552671"
    answer = ingest(event)
    assert (answer.status, answer.body["results"][0]["status"]) == (400, "invalid")
    assert "neither a mobile number of IN (DefaultRegion) nor" in answer.body["message"]


def test_an_extensible_batch_is_unwrapped(ingest: "Endpoint", track: "Track", msg91: "FakeMsg91") -> None:
    answer = ingest([{"json": track(PHONE, "m1")}, {"json": track(OTHER_PHONE, "m2")}])
    assert (answer.status, len(msg91.sent)) == (200, 2)


@pytest.mark.parametrize(
    "body",
    ["", "not JSON", "[]", "null", "17", '"text"', '{"type":', "{} {}", '{"a":NaN}', b"\xff\xfe", "[" * 100_000],
    ids=lambda body: str(body)[:12] or "empty",
)
def test_a_body_that_holds_no_event_is_answered_400(body: object, ingest: "Endpoint", aws: "Aws") -> None:
    answer = ingest(body)
    assert (answer.status, bool(answer.body["message"]), aws.messages()) == (400, True, [])


def test_a_body_over_5_mb_is_answered_413(ingest: "Endpoint", track: "Track", aws: "Aws") -> None:
    answer = ingest(track(PHONE, message="x" * MAX_BODY_BYTES))
    assert (answer.status, bool(answer.body["message"]), aws.messages()) == (413, True, [])


@pytest.mark.parametrize(
    "headers",
    [
        {"authorization": "Bearer sandbox-only-segment-token"},
        {"Authorization": "bearer sandbox-only-segment-token"},
        {"authorization": "Basic c2FuZGJveC1vbmx5LXNlZ21lbnQtdG9rZW46"},
        {"authorization": "Basic c2FuZGJveC1tc2c5MS1hdXRoa2V5Og=="},
    ],
    ids=["bearer", "bearer in another casing", "basic with the token", "basic with the authkey"],
)
def test_a_valid_token_is_let_in(headers: dict[str, str], ingest: "Endpoint", event: dict[str, Any]) -> None:
    assert ingest(event, headers).status == 200


def test_a_valid_token_in_the_query_is_let_in(ingest: "Endpoint", event: dict[str, Any]) -> None:
    assert ingest(event, {}, token="sandbox-only-segment-token").status == 200


def test_a_signature_over_the_whole_body_is_let_in(ingest: "Endpoint", event: dict[str, Any]) -> None:
    body = json.dumps(event)
    assert ingest(body, _signature(body)).status == 200


def test_a_signed_body_in_base64_is_let_in(ingest: "Endpoint", event: dict[str, Any]) -> None:
    body = json.dumps(event)
    assert ingest(body.encode(), _signature(body)).status == 200


def test_a_batch_signed_on_its_first_event_needs_the_token(ingest: "Endpoint", track: "Track") -> None:
    first = json.dumps(track(PHONE))
    body = f"[{first},{json.dumps(track(OTHER_PHONE, 'forged'))}]"
    assert ingest(body, _signature(first)).status == 401
    assert ingest(body, _signature(first) | {"authorization": "Bearer sandbox-only-segment-token"}).status == 200


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"authorization": ""},
        {"authorization": "Bearer "},
        {"authorization": "Bearer wrong"},
        {"authorization": "Bearer sandbox-only-report-token"},
        {"authorization": "Basic !"},
        {"authorization": "Basic Og=="},
        {"x-signature": ""},
        {"x-signature": "0" * 40},
        {"x-signature": "0" * 40, "authorization": "Bearer sandbox-only-segment-token"},
        {"authorization": "Bearer \udcff"},
    ],
    ids=str,
)
def test_other_requests_are_refused_and_not_read_further(
    headers: dict[str, str],
    ingest: "Endpoint",
    event: dict[str, Any],
    aws: "Aws",
    msg91: "FakeMsg91",
    dynamodb: "UnreliableDynamoDb",
) -> None:
    answer = ingest(event, headers)
    assert (answer.status, bool(answer.body["message"]), "results" in answer.body) == (401, True, False)
    assert (aws.messages(), msg91.calls, dynamodb.calls) == ([], [], [])


@pytest.mark.parametrize("body", ["not JSON", "x" * (MAX_BODY_BYTES + 1)], ids=["malformed", "too large"])
def test_an_unauthenticated_body_is_refused_before_it_is_looked_at(body: str, ingest: "Endpoint") -> None:
    assert ingest(body, {}).status == 401


@pytest.mark.parametrize(
    "secret",
    ["{}", '{"segment_token": "", "segment_shared_secret": "", "msg91_authkey": ""}', '{"segment_token": [null, ""]}'],
)
@pytest.mark.parametrize("headers", [{"authorization": "Bearer "}, {"authorization": "Basic Og=="}, {}], ids=str)
def test_an_empty_secret_refuses_every_request(
    secret: str, headers: dict[str, str], ingest: "Endpoint", event: dict[str, Any], aws: "Aws"
) -> None:
    aws.set_secret(secret)
    assert ingest(event, headers).status == 401


def test_a_signature_made_with_an_empty_secret_is_refused(
    ingest: "Endpoint", event: dict[str, Any], aws: "Aws"
) -> None:
    aws.set_secret('{"segment_shared_secret": "", "segment_token": "sandbox-only-segment-token"}')
    body = json.dumps(event)
    signature = hmac.new(b"", body.encode(), hashlib.sha1).hexdigest()
    assert ingest(body, {"x-signature": signature}).status == 401


def test_both_tokens_are_let_in_while_one_replaces_the_other(
    ingest: "Endpoint", event: dict[str, Any], aws: "Aws"
) -> None:
    tokens = ["new-token-of-24-characters", "old-token-of-24-characters"]
    aws.set_secret(json.dumps({"segment_token": tokens, "msg91_authkey": "authkey"}))
    assert [ingest(event, {"authorization": f"Bearer {token}"}).status for token in tokens] == [200, 200]


@pytest.mark.parametrize("secret", [None, "not JSON", "[]", '"text"', "null"], ids=str)
@pytest.mark.parametrize("headers", [{}, {"authorization": "Bearer sandbox-only-segment-token"}], ids=str)
def test_a_secret_that_cannot_be_read_refuses_every_request_for_now(
    secret: str | None,
    headers: dict[str, str],
    ingest: "Endpoint",
    event: dict[str, Any],
    aws: "Aws",
    dynamodb: "UnreliableDynamoDb",
) -> None:
    aws.set_secret(secret)
    answer = ingest(event, headers)
    assert (answer.status, bool(answer.body["message"]), dynamodb.calls) == (503, True, [])


def test_a_missing_authkey_holds_events_until_the_customer_adds_it(
    ingest: "Endpoint", event: dict[str, Any], aws: "Aws", msg91: "FakeMsg91"
) -> None:
    aws.set_secret('{"segment_token": "sandbox-only-segment-token"}')
    answer = ingest(event)
    assert (answer.status, answer.body["results"][0]["status"], msg91.calls) == (503, "held", [])


def test_the_authkey_goes_to_msg91_in_its_header_only(
    ingest: "Endpoint", event: dict[str, Any], msg91: "FakeMsg91"
) -> None:
    ingest(event)
    (request,) = msg91.requests
    assert request.headers["authkey"] == "sandbox-msg91-authkey"
    assert "sandbox-msg91-authkey" not in f"{request.url} {request.content.decode()}"


@pytest.mark.parametrize("body", ['{"type":"group"}', "not JSON", "[]"], ids=["skipped", "malformed", "no event"])
@pytest.mark.parametrize("headers", [{}, {"authorization": "Bearer sandbox-only-segment-token"}], ids=["401", "let in"])
def test_every_answer_is_json_with_one_line_for_a_person(
    body: str, headers: dict[str, str], ingest: "Endpoint"
) -> None:
    answer = ingest(body, headers)
    assert answer.headers["content-type"] == "application/json"
    assert answer.body["message"].strip()
    assert "\n" not in answer.body["message"]
