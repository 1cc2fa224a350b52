"""Which events are an SMS, which are skipped, and which are invalid (design.md: "What is an SMS")."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from segment_msg91.mapping import INTEGRATION_NAME, Invalid, Skipped, Sms, to_sms
from segment_msg91.settings import Defaults

NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
PHONE = {"phone": "919800000001"}
MESSAGE = {"message": "Hello"}
SENDER = {"senderID": "MSGIND"}
TEMPLATE = {"templateId": "60b07c0ffee0000000000001"}
VARIABLES = {"variables": {"VAR1": "1001"}}
WITH_SENDER = Defaults(sender_id="DEFSND")
WITH_TEMPLATE = Defaults(sender_id="DEFSND", template_id="60b07c0ffee0000000000002")


def _track(**properties: object) -> dict[str, Any]:
    return {"type": "track", "messageId": "message-1", "properties": properties}


def _sms_event() -> dict[str, Any]:
    return _track(**PHONE, **MESSAGE, **SENDER)


def _skipped(event: object, defaults: Defaults = Defaults(), max_age: timedelta | None = None) -> str:  # noqa: B008
    outcome = to_sms(event, defaults, NOW, max_age)
    assert isinstance(outcome, Skipped), outcome
    return outcome.reason


def _invalid(event: object, defaults: Defaults = Defaults()) -> Invalid:  # noqa: B008 - frozen
    outcome = to_sms(event, defaults, NOW)
    assert isinstance(outcome, Invalid), outcome
    return outcome


@pytest.mark.parametrize(
    ("fields", "defaults"),
    [
        pytest.param(PHONE | MESSAGE | SENDER, Defaults(), id="phone, message, sender"),
        pytest.param(PHONE | MESSAGE, WITH_SENDER, id="phone, message; default sender"),
        pytest.param(PHONE | MESSAGE, Defaults(template_id="t"), id="phone, message; default template"),
        pytest.param(PHONE | TEMPLATE, Defaults(), id="phone, template"),
        pytest.param(PHONE | TEMPLATE | VARIABLES, Defaults(), id="phone, template, variables"),
        pytest.param(PHONE | {"flow_id": "60b07c0ffee0000000000001"}, Defaults(), id="phone, older name of a template"),
        pytest.param(PHONE | VARIABLES, WITH_TEMPLATE, id="phone, variables; default template"),
    ],
)
def test_fields_that_make_an_sms(fields: dict[str, object], defaults: Defaults) -> None:
    assert isinstance(to_sms(_track(**fields), defaults, NOW), Sms)


@pytest.mark.parametrize("defaults", [Defaults(), WITH_SENDER, WITH_TEMPLATE])
@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({}, "phone"),
        (MESSAGE, "phone"),
        ({"firstName": "Asha"}, "phone"),
        (VARIABLES, "phone"),
        (PHONE, "message"),
        (PHONE | {"firstName": "Asha"}, "message"),
        (PHONE | {"variables": {}}, "message"),
        (PHONE | {"message": "  "}, "message"),
        (MESSAGE | {"phone": None}, "phone"),
        (MESSAGE | {"phone": ""}, "phone"),
    ],
)
def test_an_event_without_phone_or_message_is_no_sms_whatever_the_defaults(
    fields: dict[str, object], field: str, defaults: Defaults
) -> None:
    assert f"properties.{field}" in _skipped(_track(**fields), defaults)


def test_an_identify_call_is_read_by_its_traits() -> None:
    event = {"type": "identify", "traits": {"email": "asha@example.org", **PHONE}, "properties": MESSAGE | SENDER}
    assert "traits.message" in _skipped(event)


@pytest.mark.parametrize("payload", [None, [], "text", 1])
def test_an_event_without_a_payload_object_is_no_sms(payload: object) -> None:
    assert "properties.phone" in _skipped({"type": "page", "properties": payload})


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        pytest.param(SENDER | MESSAGE, "phone", id="sender and message, no phone"),
        pytest.param(TEMPLATE, "phone", id="template, no phone"),
        pytest.param(SENDER | PHONE, "message", id="sender and phone, no message"),
        pytest.param(SENDER | MESSAGE | {"phone": "12345"}, "phone", id="too short"),
        pytest.param(SENDER | MESSAGE | {"phone": "Phone number to send SMS"}, "phone", id="the page's placeholder"),
        pytest.param(SENDER | MESSAGE | {"phone": True}, "phone", id="no number"),
        pytest.param(SENDER | MESSAGE | {"phone": {"mobile": "919800000001"}}, "phone", id="an object"),
        pytest.param(SENDER | PHONE | {"message": {"text": "Hello"}}, "message", id="a message that is no text"),
        pytest.param(PHONE | MESSAGE | {"senderID": "Ex. flipKT, MSGIND, Vodaphn"}, "senderID", id="no sender id"),
        pytest.param(PHONE | MESSAGE | {"senderID": "A" * 15}, "senderID", id="15 letters"),
        pytest.param(PHONE | MESSAGE | {"senderID": ["MSGIND"]}, "senderID", id="a sender id that is no text"),
        pytest.param(SENDER | PHONE | MESSAGE | {"firstName": {}}, "firstName", id="a first name that is no text"),
        pytest.param(PHONE | {"templateId": {}}, "templateId", id="a template id that is no text"),
        pytest.param(PHONE | TEMPLATE | {"variables": "VAR1"}, "variables", id="variables that are no object"),
        pytest.param(PHONE | TEMPLATE | {"variables": {"VAR1": []}}, "variables.VAR1", id="a variable that is a list"),
        pytest.param(PHONE | MESSAGE | SENDER | {"unicode": "yes"}, "unicode", id="unicode neither 0 nor 1"),
        pytest.param(PHONE | MESSAGE | SENDER | {"afterminutes": "soon"}, "afterminutes", id="no minutes"),
        pytest.param(
            PHONE | MESSAGE | SENDER | {"country": "\u0669\u0661"}, "country", id="digits, and none of ASCII's"
        ),
        pytest.param(PHONE | MESSAGE | SENDER | {"schtime": {}}, "schtime", id="a parameter that is no text"),
    ],
)
def test_if_the_intent_shows_a_missing_or_malformed_part_is_invalid_and_named(
    fields: dict[str, object], field: str
) -> None:
    assert _invalid(_track(**fields)).reason.startswith(f"properties.{field}: ")


def test_the_field_of_an_identify_call_is_named_in_its_traits() -> None:
    assert _invalid({"type": "identify", "traits": MESSAGE | SENDER}).reason.startswith("traits.phone: ")


def test_a_message_without_a_sender_is_invalid_when_there_is_no_default_either() -> None:
    assert "senderID" in _invalid(_track(**PHONE, **MESSAGE)).reason


def test_variables_without_a_template_are_invalid_when_there_is_no_default_either() -> None:
    assert _invalid(_track(**PHONE, **SENDER, **VARIABLES)).reason.startswith("properties.templateId: ")


def test_a_default_template_makes_no_sms_of_an_event_that_has_only_a_number_and_a_sender() -> None:
    assert _invalid(_track(**PHONE, **SENDER), WITH_TEMPLATE).reason.startswith("properties.message: missing")


def test_a_missing_number_is_distinguished_from_a_malformed_one() -> None:
    missing, malformed = _invalid(_track(**MESSAGE, **SENDER)), _invalid(_track(**MESSAGE, **SENDER, phone="12345"))
    assert "missing" in missing.reason
    assert "missing" not in malformed.reason


def test_a_message_id_that_no_segment_library_makes_is_invalid() -> None:
    event = _sms_event()
    assert isinstance(to_sms(event | {"messageId": "m" * 100}, Defaults(), NOW), Sms)
    assert _invalid(event | {"messageId": "m" * 1000}).reason.startswith("messageId: ")


@pytest.mark.parametrize("sender_id", ["A", "600001", 600001, "ABCDEFGHIJ1234", "Vodaphn"])
def test_a_sender_id_that_some_country_may_allow_is_left_to_msg91(sender_id: object) -> None:
    assert isinstance(to_sms(_track(**PHONE, **MESSAGE, senderID=sender_id), Defaults(), NOW), Sms)


def test_an_invalid_event_has_a_key_to_be_put_on_record_under() -> None:
    event = _track(**MESSAGE, **SENDER, phone="12345")
    assert _invalid(event).crqid == _invalid(event).crqid is not None


def test_malformed_numbers_of_one_message_id_have_different_keys() -> None:
    one, other = (_invalid(_track(**MESSAGE, **SENDER, phone=phone)) for phone in ("12345", "12346"))
    assert one.crqid != other.crqid


@pytest.mark.parametrize(
    ("fields", "phone"),
    [
        (MESSAGE | SENDER | {"phone": " 12345 "}, "12345"),
        (MESSAGE | {"phone": "+91 98000 00001", "senderID": "no sender"}, "919800000001"),
        (MESSAGE | SENDER | {"phone": {}}, None),
    ],
)
def test_an_invalid_event_keeps_its_number_for_the_record(fields: dict[str, object], phone: str | None) -> None:
    assert _invalid(_track(**fields)).phone == phone


@pytest.mark.parametrize("event", [None, [], "text", 1, True])
def test_what_is_no_object_is_invalid(event: object) -> None:
    assert "JSON object" in _invalid(event).reason


@pytest.mark.parametrize("type_", [None, "", 1.5, {}])
def test_an_event_without_a_type_becomes_no_sms(type_: object) -> None:
    assert not isinstance(to_sms(_sms_event() | {"type": type_}, Defaults(), NOW), Sms)


@pytest.mark.parametrize("type_", ["group", "alias", "delete", "Group", "something-new"])
def test_events_of_other_types_are_skipped(type_: str) -> None:
    event = _sms_event() | {"type": type_, "traits": PHONE | MESSAGE | SENDER}
    assert _skipped(event).startswith("type: ")


@pytest.mark.parametrize("name", ["MSG91", "msg91", "Msg91"])
def test_an_explicit_opt_out_is_honoured(name: str) -> None:
    assert "integrations" in _skipped(_sms_event() | {"integrations": {"All": True, name: False}})


@pytest.mark.parametrize(
    "integrations",
    [{"All": False}, {"All": False, "MSG91": True}, {"MSG91": {}}, {"MSG91": None}, {"Webhooks": False}, {}, None, []],
)
def test_anything_but_an_explicit_opt_out_is_no_reason_to_skip(integrations: object) -> None:
    assert isinstance(to_sms(_sms_event() | {"integrations": integrations}, Defaults(), NOW), Sms)


def test_an_event_of_our_own_is_skipped() -> None:
    event = _sms_event() | {"context": {"integration": {"name": INTEGRATION_NAME, "version": "1"}}}
    assert "context.integration" in _skipped(event)


@pytest.mark.parametrize("context", [None, [], {}, {"integration": None}, {"integration": {"name": "Another"}}])
def test_an_event_of_another_integration_is_not(context: object) -> None:
    assert isinstance(to_sms(_sms_event() | {"context": context}, Defaults(), NOW), Sms)


@pytest.mark.parametrize("name", ["timestamp", "originalTimestamp", "sentAt", "receivedAt"])
def test_an_event_older_than_the_limit_is_skipped(name: str) -> None:
    event = _sms_event() | {name: "2026-01-01T03:04:04Z"}
    assert "older than 24 h" in _skipped(event, max_age=timedelta(hours=24))


@pytest.mark.parametrize("timestamp", ["2026-01-01T03:04:05Z", "2026-02-01T00:00:00Z", "yesterday", 0, None])
def test_an_event_within_the_limit_or_without_a_time_is_sent(timestamp: object) -> None:
    event = _sms_event() | {"timestamp": timestamp}
    assert isinstance(to_sms(event, Defaults(), NOW, timedelta(hours=24)), Sms)


def test_a_replayed_event_is_as_old_as_its_timestamp_says() -> None:
    replayed = {"timestamp": "2019-04-16T06:33:14.682Z", "sentAt": "2026-01-02T03:04:05Z"}
    assert "older" in _skipped(_sms_event() | replayed, max_age=timedelta(hours=24))


def test_events_of_any_age_are_sent_without_a_limit() -> None:
    event = _sms_event() | {"timestamp": "2019-04-16T06:33:14.682Z"}
    assert isinstance(to_sms(event, Defaults(), NOW, None), Sms)
