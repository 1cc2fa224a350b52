"""The SMS of an event: Segment's four sample events, casings, placeholders, and the key."""

import json
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from segment_msg91.mapping import Invalid, Skipped, Sms, to_sms
from segment_msg91.settings import Defaults

NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
TEXT = "Thank you for singup, this is test SMS"

# As Segment's page about the destination prints them, with real values for the number and the sender id.
IDENTIFY = """{
  "messageId": "test-message-7krupg",
  "timestamp": "2019-04-16T06:33:14.682Z",
  "type": "identify",
  "email": "test@example.org",
  "traits": {
    "phone": PHONE,
    "firstName": "Firstname of SMS receiver",
    "message": "Thank you for singup, this is test SMS",
    "senderID": "flipKT"
  },
  "userId": "test-user-0md4g"
}"""
PAGE = """{
  "type": "page",
  "name": "Home",
  "properties": {
    "phone": PHONE,
    "firstName": "John",
    "message": "Thank you for singup, this is test SMS",
    "senderID": "MSGIND"
  }
}"""
SCREEN = """{
  "type": "screen",
  "name": "Home",
  "properties": {
    "phone": PHONE,
    "firstName": "John",
    "message": "Thank you for singup, this is test SMS",
    "senderID": "Vodaph"
  }
}"""
TRACK = """{
  "type": "track",
  "event": "Clicked Login Button",
  "properties": {
    "phone": PHONE,
    "firstName": "John",
    "message": "Thank you for singup, this is test SMS",
    "senderID": "Vodaphn"
  }
}"""


def _sms(event: object, defaults: Defaults = Defaults()) -> Sms:  # noqa: B008 - frozen
    sms = to_sms(event, defaults, NOW)
    assert isinstance(sms, Sms), sms
    return sms


def _track(message_id: str | None = "message-1", /, **properties: object) -> dict[str, Any]:
    standard = {"phone": "919800000001", "message": "Hello", "senderID": "MSGIND"}
    return {"type": "track", "messageId": message_id, "properties": standard | properties}


@pytest.mark.parametrize("phone", ['"919800000001"', "919800000001"])
@pytest.mark.parametrize(
    ("sample", "sender_id"), [(IDENTIFY, "flipKT"), (PAGE, "MSGIND"), (SCREEN, "Vodaph"), (TRACK, "Vodaphn")]
)
def test_a_sample_event_of_segment_s_page_becomes_an_sms(sample: str, sender_id: str, phone: str) -> None:
    sms = _sms(json.loads(sample.replace("PHONE", phone)))
    assert (sms.phone, sms.text, sms.sender_id, sms.template_id) == ("919800000001", TEXT, sender_id, None)


@pytest.mark.parametrize("published", ["167554321", "918818888758"])
@pytest.mark.parametrize("written", ['"{}"', "{}"])
def test_the_published_example_numbers_are_taken_as_text_and_as_number(published: str, written: str) -> None:
    event = json.loads(TRACK.replace("PHONE", written.format(published)))
    assert _sms(event).phone == published


@pytest.mark.parametrize(
    ("phone", "first_name", "message", "sender_id"),
    [
        pytest.param("phone", "firstName", "message", "senderID", id="as documented"),
        pytest.param("phone", "firstName", "message", "senderId", id="camelCase"),
        pytest.param("phone", "first_name", "message", "sender_id", id="snake_case"),
        pytest.param("Phone", "FirstName", "Message", "SenderId", id="PascalCase"),
        pytest.param("PHONE", "FIRST_NAME", "MESSAGE", "SENDER_ID", id="UPPER_CASE"),
        pytest.param("phone", "first-name", "message", "sender-id", id="kebab-case"),
        pytest.param("Phone", "First Name", "Message", "Sender ID", id="Title Case"),
    ],
)
def test_field_names_match_in_any_casing(phone: str, first_name: str, message: str, sender_id: str) -> None:
    fields = {phone: "919800000001", first_name: "Asha", message: "Hello ##firstName##", sender_id: "MSGIND"}
    sms = _sms({"type": "track", "properties": fields})
    assert (sms.phone, sms.text, sms.sender_id) == ("919800000001", "Hello Asha", "MSGIND")


@pytest.mark.parametrize("placeholder", ["##firstName##", "##first_name##", "##FIRSTNAME##", "## firstName ##"])
def test_the_first_name_is_filled_into_the_text(placeholder: str) -> None:
    assert _sms(_track(message=f"Hello {placeholder}!", firstName="Asha")).text == "Hello Asha!"


def test_a_placeholder_of_a_missing_first_name_is_left_blank() -> None:
    assert _sms(_track(message="Hello##firstName##!")).text == "Hello!"


def test_a_placeholder_of_another_name_stays() -> None:
    assert _sms(_track(message="Hello ##var## #firstName#", firstName="Asha")).text == "Hello ##var## #firstName#"


def test_a_name_that_looks_like_a_placeholder_is_not_filled_in_again() -> None:
    assert _sms(_track(message="##firstName##", firstName="##message##")).text == "##message##"


def test_the_parts_are_counted_after_the_name_is_filled_in() -> None:
    sms = _sms(_track(message="##firstName##" + "a" * 159, firstName="Asha"))
    assert (sms.encoding, sms.parts) == ("GSM-7", 2)


@pytest.mark.parametrize("type_", ["Track", "TRACK", " track "])
def test_the_type_of_an_event_matches_in_any_casing(type_: str) -> None:
    assert _sms(_track() | {"type": type_}).origin.event_type == "track"


def test_an_sms_has_the_event_behind_it() -> None:
    event = _track() | {"event": "Order Shipped", "userId": 7, "anonymousId": "a-1"}
    origin = _sms(event).origin
    assert (origin.message_id, origin.event_type, origin.event_name) == ("message-1", "track", "Order Shipped")
    assert (origin.user_id, origin.anonymous_id) == ("7", "a-1")


@pytest.mark.parametrize("type_", ["page", "screen"])
def test_pages_and_screens_are_identified_by_their_name(type_: str) -> None:
    assert _sms(_track() | {"type": type_, "name": "Home", "event": "No"}).origin.event_name == "Home"


@pytest.mark.parametrize("blank", [None, "", "  ", {}, True])
def test_blank_names_and_ids_of_an_event_are_absent(blank: object) -> None:
    origin = _sms(_track() | {"event": blank, "userId": blank, "anonymousId": blank}).origin
    assert (origin.event_name, origin.user_id, origin.anonymous_id) == (None, None, None)


@given(st.text(max_size=256), st.integers(10**6, 10**15 - 1))
def test_the_key_is_what_msg91_takes_as_crqid(message_id: str, phone: int) -> None:
    crqid = _sms(_track(message_id, phone=phone)).crqid
    assert crqid.isascii()
    assert crqid.isalnum()
    assert 0 < len(crqid) <= 52


def test_the_same_event_has_the_same_key_however_its_number_is_written() -> None:
    keys = {_sms(_track(phone=phone)).crqid for phone in ("919800000001", 919800000001, "+91 98000-00001")}
    assert len(keys) == 1


def test_another_message_id_or_number_has_another_key() -> None:
    events = [_track(), _track("message-2"), _track(phone="919800000002")]
    assert len({_sms(event).crqid for event in events}) == 3


def test_a_key_cannot_be_shifted_between_message_id_and_number() -> None:
    one, other = _track("m9", phone="19800000001"), _track("m", phone="919800000001")
    assert _sms(one).crqid != _sms(other).crqid


@pytest.mark.parametrize("message_id", [None, "", "  "])
def test_an_event_without_a_message_id_gets_a_new_key_each_time(message_id: str | None) -> None:
    assert _sms(_track(message_id)).crqid != _sms(_track(message_id)).crqid


def test_a_lone_surrogate_in_a_text_is_replaced() -> None:
    event = json.loads(
        '{"type":"track","properties":{"phone":"919800000001","message":"a\\ud800b","senderID":"MSGIND"}}'
    )
    assert _sms(event).text == "a\ufffdb"


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters(exclude_categories=())),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)
names = st.sampled_from(
    ["phone", "firstName", "message", "senderID", "templateId", "flow_id", "variables", "unicode", "route", "schtime"]
)
events = json_values | st.fixed_dictionaries(
    {},
    optional={
        "type": st.sampled_from(["identify", "page", "screen", "track"]) | json_values,
        "traits": st.dictionaries(names, json_values) | json_values,
        "properties": st.dictionaries(names, json_values | st.just("919800000001")) | json_values,
        "messageId": json_values,
        "timestamp": json_values,
        "context": json_values | st.fixed_dictionaries({"integration": json_values}),
        "integrations": json_values,
        "event": json_values,
        "userId": json_values,
    },
)


@given(events, st.sampled_from([Defaults(), Defaults("MSGIND", "60b07c0ffee0000000000001")]))
def test_no_json_makes_mapping_fail(event: object, defaults: Defaults) -> None:
    assert isinstance(to_sms(event, defaults, NOW), Sms | Invalid | Skipped)
