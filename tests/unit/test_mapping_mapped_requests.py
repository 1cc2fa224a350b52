"""Mapped requests: bodies that a mapping in Segment's page makes of an event. And the mapping name in the URL."""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

import pytest

from segment_msg91.mapping import (
    INTEGRATION_NAME,
    MAPPED,
    Invalid,
    MalformedMappingNameError,
    Skipped,
    Sms,
    mapping_name,
    to_sms,
)
from segment_msg91.segment.payload import split
from segment_msg91.segment.track_events import EventName, track_events
from segment_msg91.settings import Defaults

VECTORS: Final = Path(__file__).parents[1] / "vectors"
NOW: Final = datetime(2026, 1, 2, 3, 4, 6, tzinfo=UTC)
TEMPLATE_ID: Final = "60b07c0ffee0000000000001"
REQUEST: Final[dict[str, Any]] = {
    "messageId": "message-1",
    "userId": "user-1",
    "anonymousId": "anonymous-1",
    "event": "Order Completed",
    "timestamp": "2026-01-02T03:04:05Z",
    "phone": "919800000001",
    "message": "Your order is confirmed",
    "senderID": "MSGIND",
}


def _without(*names: str) -> dict[str, Any]:
    return {name: value for name, value in REQUEST.items() if name not in names}


def _sms(request: object, mapping: str | None = None, defaults: Defaults = Defaults()) -> Sms:  # noqa: B008 - frozen
    sms = to_sms(request, defaults, NOW, None, mapping)
    assert isinstance(sms, Sms), sms
    return sms


def _invalid(request: object) -> Invalid:
    outcome = to_sms(request, Defaults(), NOW)
    assert isinstance(outcome, Invalid), outcome
    return outcome


def _skipped(request: object, max_age: timedelta | None = None) -> str:
    outcome = to_sms(request, Defaults(), NOW, max_age)
    assert isinstance(outcome, Skipped), outcome
    return outcome.reason


def _captured(name: str) -> list[Any]:
    request = json.loads((VECTORS / f"segment_mapped_{name}.json").read_text())["requests"][0]
    return split(request["raw"].encode()).events


def test_segments_own_code_maps_an_order_to_a_template_and_its_variables() -> None:
    (request,) = _captured("template")
    sms = _sms(request)
    assert (sms.phone, sms.template_id) == ("919800000071", TEMPLATE_ID)
    assert dict(sms.variables) == {
        "order_id": "50314b8e9bcf000000000000",
        "total": "27.5",
        "revenue": "25",
        "currency": "INR",
        "coupon": "",
        "gift": "false",
        "note": "नमस्ते 🎲",
    }


def test_segments_own_code_maps_an_order_to_a_text() -> None:
    (request,) = _captured("message")
    sms = _sms(request)
    text = "Hello Asha, your order 50314b8e9bcf000000000000 over 27.5 INR is confirmed."
    assert (sms.phone, sms.text, sms.sender_id) == ("919800000072", text, "MSGIND")
    assert ("DLT_TE_ID", "1207160000000000001") in sms.parameters


def test_segments_own_code_leaves_out_a_number_that_the_event_lacks() -> None:
    outcomes = [to_sms(request, Defaults(), NOW) for request in _captured("batch")]
    assert [type(outcome) for outcome in outcomes] == [Sms, Invalid, Sms]
    assert isinstance(outcomes[1], Invalid)
    assert outcomes[1].reason.startswith("phone: missing")


def test_a_mapped_request_names_its_event() -> None:
    origin = _sms(REQUEST).origin
    assert (origin.message_id, origin.event_type, origin.event_name) == ("message-1", MAPPED, "Order Completed")
    assert (origin.user_id, origin.anonymous_id) == ("user-1", "anonymous-1")


@pytest.mark.parametrize(
    "names",
    [
        pytest.param({}, id="as documented"),
        pytest.param(
            {"messageId": "message_id", "userId": "user_id", "anonymousId": "anonymous_id", "senderID": "sender_id"},
            id="snake_case",
        ),
        pytest.param({name: name[0].upper() + name[1:] for name in REQUEST}, id="PascalCase"),
        pytest.param({name: name.upper() for name in REQUEST}, id="UPPER CASE"),
        pytest.param({"messageId": "message-id", "userId": "user-id", "senderID": "Sender ID"}, id="others"),
    ],
)
def test_any_casing_is_the_same_message(names: dict[str, str]) -> None:
    assert _sms({names.get(name, name): value for name, value in REQUEST.items()}) == _sms(REQUEST)


@pytest.mark.parametrize(
    "content",
    [
        {"message": "Hello", "senderID": "MSGIND"},
        {"templateId": TEMPLATE_ID},
        {"flow_id": TEMPLATE_ID},
        {"templateId": TEMPLATE_ID, "variables": {"order_id": "1001"}},
    ],
)
def test_a_phone_with_a_text_or_a_template_is_enough(content: dict[str, Any]) -> None:
    _sms({"messageId": "message-1", "phone": "919800000001"} | content)


def test_the_defaults_are_those_of_an_event() -> None:
    defaults = Defaults(sender_id="DEFSND", template_id=TEMPLATE_ID)
    request = {"messageId": "message-1", "phone": "919800000001", "variables": {"order_id": "1001"}}
    sms = _sms(request, defaults=defaults)
    assert (sms.sender_id, sms.template_id, sms.variables) == ("DEFSND", TEMPLATE_ID, (("order_id", "1001"),))


def test_an_event_and_its_mapped_request_have_the_same_key() -> None:
    fields = {"phone": "919800000001", "message": "Hello", "senderID": "MSGIND"}
    event = {"type": "track", "messageId": "message-1", "properties": fields}
    assert _sms(event).crqid == _sms(REQUEST).crqid


@pytest.mark.parametrize("type_", [None, "", " "])
def test_a_type_that_is_empty_is_none(type_: object) -> None:
    assert _sms(REQUEST | {"type": type_}).origin.event_type == MAPPED


@pytest.mark.parametrize(
    ("type_", "outcome"), [("track", Skipped), ("mapped", Skipped), ("group", Skipped), ({}, Invalid)]
)
def test_an_object_with_a_type_is_an_event_whatever_is_at_its_top_level(type_: object, outcome: type) -> None:
    assert isinstance(to_sms(REQUEST | {"type": type_}, Defaults(), NOW), outcome)


@pytest.mark.parametrize("request_", [{}, {"messageId": "1"}, {"messageId": "1", "properties": {"phone": 1}}])
def test_an_object_of_neither_kind_is_invalid_and_both_kinds_are_named(request_: dict[str, Any]) -> None:
    reason = _invalid(request_).reason
    assert reason.startswith("type: missing")
    assert "a phone, and a message" in reason


@pytest.mark.parametrize(
    ("request_", "field"),
    [
        (_without("phone"), "phone"),
        (_without("message"), "message"),
        ({"messageId": "m1", "phone": "919800000001", "variables": {}}, "message"),
        ({"messageId": "m1", "phone": "919800000001", "variables": {"order_id": "1"}}, "templateId"),
        (REQUEST | {"phone": "12345"}, "phone"),
        (REQUEST | {"senderID": "no sender"}, "senderID"),
        (REQUEST | {"variables": "order_id"}, "variables"),
    ],
)
def test_a_missing_or_malformed_field_is_named_and_recorded(request_: dict[str, Any], field: str) -> None:
    invalid = _invalid(request_)
    assert invalid.reason.startswith(f"{field}: ")
    assert invalid.crqid == _invalid(request_).crqid is not None


@pytest.mark.parametrize("message_id", [None, "", " "])
def test_without_a_message_id_it_is_invalid_because_a_retry_would_be_another_sms(message_id: object) -> None:
    invalid = _invalid(REQUEST | {"messageId": message_id})
    assert "retry" in invalid.reason
    assert "$.messageId" in invalid.reason
    assert (invalid.phone, bool(invalid.crqid)) == ("919800000001", True)


def test_a_message_id_that_no_segment_library_makes_is_invalid() -> None:
    assert _invalid(REQUEST | {"messageId": "m" * 1000}).reason.startswith("messageId: longer")


@pytest.mark.parametrize("left_out", [[], [{"name": "Monopoly"}], {}, {"city": "Pune"}])
def test_of_a_whole_object_taken_as_variables_the_texts_and_numbers_are_sent(left_out: object) -> None:
    request = _without("message") | {"templateId": TEMPLATE_ID, "variables": {"products": left_out, "total": 27.5}}
    assert _sms(request).variables == (("total", "27.5"),)


def test_an_event_that_is_too_old_is_skipped_if_its_timestamp_is_mapped() -> None:
    old = {"timestamp": "2026-01-01T00:00:00Z"}
    assert "older than 24 h" in _skipped(REQUEST | old, timedelta(hours=24))
    assert isinstance(to_sms(_without("timestamp"), Defaults(), NOW, timedelta(hours=24)), Sms)


@pytest.mark.parametrize(
    ("mapped", "place"),
    [
        ({"integrations": {"MSG91": False}}, "integrations.MSG91"),
        ({"context": {"integration": {"name": INTEGRATION_NAME}}}, "context.integration"),
    ],
)
def test_what_is_mapped_of_an_event_that_must_not_be_sent_is_honoured(mapped: dict[str, Any], place: str) -> None:
    assert place in _skipped(REQUEST | mapped)


@pytest.mark.parametrize("status", ["delivered", "failed", "ndnc"])
def test_our_delivery_events_send_no_sms_although_their_context_is_not_mapped(status: str) -> None:
    """Else a mapping of all track events, with `context.traits.phone`, would send SMS about SMS without an end."""
    sent = {"crqid": _sms(REQUEST).crqid, "user_id": "user-1", "send_state": "accepted", "delivery_status": status}
    for event in track_events({}, sent, NOW):
        assert _skipped(REQUEST | {"messageId": event["messageId"]}).startswith("messageId: ")


@pytest.mark.parametrize("name", EventName)
def test_every_delivery_event_of_ours_is_recognised(name: EventName) -> None:
    message_id = f"{_sms(REQUEST).crqid}-{name.lower().replace(' ', '-')}"
    assert _skipped(REQUEST | {"messageId": message_id}) == "messageId: this event came from us"


@pytest.mark.parametrize("message_id", ["order-1001-sms-sent", f"{'a' * 40}-sms-reminder", f"{'a' * 40}"])
def test_another_message_id_is_not_taken_for_ours(message_id: str) -> None:
    _sms(REQUEST | {"messageId": message_id})


def test_the_key_with_a_mapping_is_another_for_each_name() -> None:
    event = {"type": "track", "messageId": "message-1", "properties": _without("messageId")}
    for request in (REQUEST, event):
        names = (None, "order-sms", "order-sms-2", "Order-sms")
        assert len({_sms(request, name).crqid for name in names}) == len(names)


def test_the_key_with_a_mapping_is_a_digest_of_message_id_number_and_name() -> None:
    assert _sms(REQUEST, "order-sms").crqid == "83ccd1a364e80dbb7729efed5537a148a4d9c403"


def test_the_key_without_a_mapping_is_what_it_was() -> None:
    assert _sms(REQUEST).crqid == "643062395c5a7914667dbf7f02d9a76e3659c029"


def test_a_message_knows_its_mapping() -> None:
    assert _sms(REQUEST, "order-sms").origin.mapping == "order-sms"


@pytest.mark.parametrize("name", [None, "a", "order-sms", "Order_SMS-2", "x" * 40])
def test_a_mapping_name_has_1_to_40_letters_digits_hyphens_and_underscores(name: str | None) -> None:
    assert mapping_name(name) == name


@pytest.mark.parametrize("name", ["", " ", "x" * 41, "a,b", "a b", "ä", "a\n", "९"])
def test_another_mapping_name_is_malformed(name: str) -> None:
    with pytest.raises(MalformedMappingNameError, match=r"^mapping: must be 1 to 40 letters"):
        mapping_name(name)


# As RudderStack's webhook destination sends events: the event itself, unchanged. Members and places are those of the
# samples on its page about the destination and of its transformer's tests; its SDKs write traits into the context.
RUDDERSTACK: Final[dict[str, Any]] = {
    "channel": "web",
    "context": {
        "app": {"build": "1.0.0", "name": "RudderLabs JavaScript SDK", "namespace": "com.rudderlabs.javascript"},
        "traits": {"name": "Asha", "email": "asha@example.org", "phone": "+91 98000 00001"},
        "library": {"name": "RudderLabs JavaScript SDK", "version": "1.1.1-rc.2"},
        "locale": "en-US",
    },
    "messageId": "508d5e8c-96e4-4301-bd46-1890dba5c866",
    "originalTimestamp": "2026-01-02T03:04:05.337Z",
    "anonymousId": "21b43de4-3b9b-423f-b51f-794eae31fc03",
    "userId": "my-user-id",
    "integrations": {"All": True},
    "sentAt": "2026-01-02T03:04:05.337Z",
}
FIELDS: Final = {"phone": "919800000001", "message": "Hello", "senderID": "MSGIND"}


def test_a_track_event_of_rudderstack_becomes_an_sms() -> None:
    sms = _sms(RUDDERSTACK | {"type": "track", "event": "Order Completed", "properties": FIELDS})
    assert (sms.phone, sms.text, sms.origin.event_name) == ("919800000001", "Hello", "Order Completed")
    assert (sms.origin.message_id, sms.origin.user_id) == (RUDDERSTACK["messageId"], "my-user-id")


def test_an_identify_call_of_rudderstack_has_its_traits_in_the_context() -> None:
    traits = {"context": {"traits": FIELDS}}
    assert _sms(RUDDERSTACK | {"type": "identify"} | traits).phone == "919800000001"
    invalid = _invalid({"type": "identify", "context": {"traits": FIELDS | {"phone": "1"}}})
    assert invalid.reason.startswith("context.traits.phone: ")


def test_an_identify_calls_own_traits_come_before_those_in_the_context() -> None:
    event = {"type": "identify", "traits": FIELDS, "context": {"traits": {"phone": "919800000002"}}}
    assert _sms(event).phone == "919800000001"


def test_traits_in_the_context_of_another_call_make_no_sms() -> None:
    assert _skipped({"type": "track", "context": {"traits": FIELDS}}) == "properties.phone: missing"


def test_an_event_of_rudderstack_that_is_too_old_is_skipped() -> None:
    old = {"originalTimestamp": "2020-04-22T08:06:20.337Z", "sentAt": "2020-04-22T08:06:20.337Z"}
    event = RUDDERSTACK | old | {"type": "track", "properties": FIELDS}
    assert "older" in _skipped(event, timedelta(hours=24))
