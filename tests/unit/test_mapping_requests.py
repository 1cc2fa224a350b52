"""Requests to MSG91: parameters and defaults, SMS v2 and Flow bodies, and which messages share a request."""

from collections import Counter
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from segment_msg91.mapping import Sms, to_sms
from segment_msg91.msg91.requests import groups, request_of, scheduled_at
from segment_msg91.settings import Defaults

NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
TEMPLATE_ID = "60b07c0ffee0000000000001"


def _sms(defaults: Defaults = Defaults(), /, **properties: object) -> Sms:  # noqa: B008 - frozen
    standard = {"phone": "919800000001", "message": "Hello", "senderID": "MSGIND"}
    sms = to_sms({"type": "track", "messageId": "message-1", "properties": standard | properties}, defaults, NOW)
    assert isinstance(sms, Sms), sms
    return sms


def _body(*messages: Sms) -> dict[str, Any]:
    return request_of(messages)[1]


def test_one_text_goes_by_sms_v2_with_the_crqid_at_the_top() -> None:
    sms = _sms()
    assert request_of([sms]) == (
        "/api/v2/sendsms",
        {
            "sender": "MSGIND",
            "route": "4",
            "country": "0",
            "CRQID": sms.crqid,
            "sms": [{"message": "Hello", "to": ["919800000001"]}],
        },
    )


@pytest.mark.parametrize(
    ("parameters", "expected"),
    [
        ({}, None),
        ({"schtime": "2026-01-02 09:00:00"}, "2026-01-02T09:00:00.000Z"),
        ({"schtime": "1767344645"}, "2026-01-02T09:04:05.000Z"),
        ({"schtime": "2026-01-02 03:00:00"}, None),  # past
        ({"schtime": "tomorrow"}, None),
        ({"afterminutes": 90}, "2026-01-02T04:34:05.000Z"),
        ({"afterminutes": "0"}, None),
        ({"afterminutes": "9" * 30}, None),
        ({"afterminutes": "9" * 5000}, None),
        ({"schtime": "2026-01-02 09:00:00", "afterminutes": 1}, "2026-01-02T09:00:00.000Z"),
    ],
    ids=str,
)
def test_when_a_message_is_scheduled_is_known_if_that_is_later(
    parameters: dict[str, object], expected: str | None
) -> None:
    assert scheduled_at(_sms(**parameters), NOW) == expected


def test_several_texts_go_in_one_request_each_with_its_crqid() -> None:
    one, other = _sms(), _sms(phone="919800000002", message="Good-bye")
    body = _body(one, other)
    assert "CRQID" not in body
    assert body["sms"] == [
        {"message": "Hello", "to": ["919800000001"], "CRQID": one.crqid},
        {"message": "Good-bye", "to": ["919800000002"], "CRQID": other.crqid},
    ]


def test_the_configured_defaults_are_sent_if_the_event_has_none() -> None:
    defaults = Defaults(sender_id="DEFSND", route="1", country="91", dlt_template_id="1107161234567890123")
    body = _body(_sms(defaults, senderID=None))
    expected = {"sender": "DEFSND", "route": "1", "country": "91", "DLT_TE_ID": "1107161234567890123"}
    assert {name: body[name] for name in expected} == expected


def test_a_sender_id_is_sent_without_surrounding_space() -> None:
    assert _body(_sms(senderID=" MSGIND "))["sender"] == "MSGIND"


def test_an_empty_default_is_not_sent() -> None:
    body = _body(_sms(Defaults(route="", country="")))
    assert not {"route", "country", "DLT_TE_ID"} & set(body)


@pytest.mark.parametrize(
    ("name", "given_as", "sent_as"),
    [
        ("route", "1", "1"),
        ("route", 1, "1"),
        ("country", 91, "91"),
        ("unicode", 1, 1),
        ("unicode", "1", 1),
        ("unicode", True, 1),
        ("flash", 1, 1),
        ("flash", "0", 0),
        ("schtime", " 2026-01-02 10:00:00 ", "2026-01-02 10:00:00"),
        ("afterminutes", 10, "10"),
        ("campaign", "New Year", "New Year"),
        ("DLT_TE_ID", 1107161234567890123, "1107161234567890123"),
        ("short_url", 1, "1"),
    ],
)
def test_a_parameter_of_msg91_passes_through_from_the_event_over_the_defaults(
    name: str, given_as: object, sent_as: object
) -> None:
    defaults = Defaults(route="4", country="0", dlt_template_id="1107160000000000000")
    assert _body(_sms(defaults, **{name: given_as}))[name] == sent_as


@pytest.mark.parametrize("name", ["dlt_te_id", "DLT_TE_ID", "dltTeId", "DLT-TE-ID"])
def test_a_parameter_is_sent_by_msg91_s_name_in_whatever_casing_it_came(name: str) -> None:
    assert _body(_sms(**{name: "1107161234567890123"}))["DLT_TE_ID"] == "1107161234567890123"


@pytest.mark.parametrize("message", ["नमस्ते", "Hello 👋", "ça va"])
def test_unicode_is_set_for_a_text_outside_gsm_7(message: str) -> None:
    sms = _sms(message=message)
    assert (_body(sms)["unicode"], sms.encoding) == (1, "UCS-2")


def test_unicode_is_not_set_for_a_text_of_gsm_7() -> None:
    sms = _sms(message="Price: 10 € [é]")
    assert "unicode" not in _body(sms)
    assert sms.encoding == "GSM-7"


def test_the_event_decides_about_unicode_when_it_says() -> None:
    assert _body(_sms(message="नमस्ते", unicode=0))["unicode"] == 0
    assert _sms(unicode=1).encoding == "UCS-2"


def test_a_template_goes_by_flow_with_first_name_message_and_variables() -> None:
    sms = _sms(templateId=TEMPLATE_ID, firstName="Asha", variables={"VAR1": 1001, "orderDate": "4 January"})
    assert request_of([sms]) == (
        "/api/v5/flow",
        {
            "template_id": TEMPLATE_ID,
            "sender": "MSGIND",
            "short_url": "0",
            "realTimeResponse": "1",
            "recipients": [
                {
                    "firstName": "Asha",
                    "message": "Hello",
                    "VAR1": "1001",
                    "orderDate": "4 January",
                    "mobiles": "919800000001",
                    "CRQID": sms.crqid,
                }
            ],
        },
    )


def test_a_default_template_sends_the_message_as_a_variable() -> None:
    body = _body(_sms(Defaults(template_id=TEMPLATE_ID), message="Hello ##firstName##", firstName="Asha"))
    assert body["template_id"] == TEMPLATE_ID
    assert body["recipients"][0]["message"] == "Hello Asha"


def test_the_event_s_template_comes_before_the_default_one() -> None:
    assert _body(_sms(Defaults(template_id="another"), templateId=TEMPLATE_ID))["template_id"] == TEMPLATE_ID


@pytest.mark.parametrize("name", ["templateId", "template_id", "TEMPLATE_ID", "flow_id", "flowId"])
def test_a_template_id_is_taken_by_both_its_names_without_surrounding_space(name: str) -> None:
    assert _body(_sms(**{name: f" {TEMPLATE_ID} "}))["template_id"] == TEMPLATE_ID


def test_a_flow_without_a_sender_leaves_it_to_the_template() -> None:
    assert "sender" not in _body(_sms(senderID=None, templateId=TEMPLATE_ID))


def test_the_event_may_ask_for_short_urls_in_a_flow() -> None:
    assert _body(_sms(templateId=TEMPLATE_ID, shortUrl=True))["short_url"] == "1"


@pytest.mark.parametrize(("value", "sent"), [(None, ""), (True, "true"), (1.5, "1.5"), (10.0, "10"), ("", "")])
def test_a_variable_is_sent_as_text(value: object, sent: str) -> None:
    assert _body(_sms(templateId=TEMPLATE_ID, variables={"VAR1": value}))["recipients"][0]["VAR1"] == sent


@pytest.mark.parametrize("name", ["mobiles", "CRQID", "crqid"])
def test_a_variable_cannot_take_the_place_of_the_number_or_the_key(name: str) -> None:
    sms = _sms(templateId=TEMPLATE_ID, message=None, variables={name: "919800000099"})
    assert _body(sms)["recipients"] == [{"mobiles": "919800000001", "CRQID": sms.crqid}]


def test_a_flow_s_recipients_share_one_request() -> None:
    one = _sms(templateId=TEMPLATE_ID)
    other = _sms(templateId=TEMPLATE_ID, phone="919800000002", variables={"VAR1": "x"})
    assert groups([one, other], 50) == [[one, other]]
    assert [recipient["mobiles"] for recipient in _body(one, other)["recipients"]] == ["919800000001", "919800000002"]


@pytest.mark.parametrize(
    "difference",
    [{"senderID": "OTHERS"}, {"templateId": TEMPLATE_ID}, {"route": "1"}, {"message": "नमस्ते"}, {"schtime": "later"}],
)
def test_messages_that_differ_in_api_sender_or_parameters_go_separately(difference: dict[str, object]) -> None:
    one, other = _sms(), _sms(phone="919800000002", **difference)
    assert groups([one, other], 50) == [[one], [other]]


def test_messages_of_equal_content_are_those_that_msg91_cannot_tell_apart() -> None:
    one, same, other = _sms(), _sms(phone="919800000002"), _sms(phone="919800000003", message="Good-bye")
    assert one.content == same.content != other.content


def test_flows_of_other_variables_have_other_content() -> None:
    one, other = (_sms(templateId=TEMPLATE_ID, variables={"VAR1": value}) for value in ("1", "2"))
    assert one.content != other.content


def test_a_number_is_at_most_once_in_a_request() -> None:
    one, other, again = _sms(), _sms(phone="919800000002"), _sms(message="Once more")
    assert groups([one, other, again], 50) == [[one, other], [again]]


def test_a_request_has_at_most_so_many_recipients() -> None:
    messages = [_sms(phone=f"9198000000{number:02}") for number in range(5)]
    assert [len(group) for group in groups(messages, 2)] == [2, 2, 1]


@given(
    st.lists(
        st.builds(
            lambda number, sender, message: _sms(phone=f"919800000{number:03}", senderID=sender, message=message),
            st.integers(0, 9),
            st.sampled_from(["MSGIND", "OTHERS"]),
            st.sampled_from(["Hello", "नमस्ते"]),
        ),
        max_size=30,
    ),
    st.integers(1, 5),
)
def test_every_message_is_in_exactly_one_request_that_fits_it(messages: list[Sms], most: int) -> None:
    divided = groups(messages, most)
    assert Counter(sms for group in divided for sms in group) == Counter(messages)
    for group in divided:
        assert 1 <= len(group) <= most
        assert len({sms.phone for sms in group}) == len(group)
        assert len({(sms.sender_id, sms.parameters) for sms in group}) == 1
