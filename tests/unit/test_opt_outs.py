"""Opt-outs and opt-ins in Segment's events."""

from datetime import UTC, datetime
from typing import Any, Final

import pytest

from segment_msg91.recipient import Change, Scope, Source
from segment_msg91.segment.opt_outs import read

NOW: Final = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
AT: Final = "2026-01-02T03:00:00.000Z"
PHONE: Final = "919800000001"


def _track(name: str = "SMS Opted Out", **properties: object) -> dict[str, Any]:
    return {
        "type": "track",
        "event": name,
        "messageId": "m",
        "timestamp": AT,
        "properties": {"phone": PHONE} | properties,
    }


def _identify(*subscriptions: object, **more: object) -> dict[str, Any]:
    return {
        "type": "identify",
        "messageId": "m",
        "timestamp": AT,
        "context": {"messaging_subscriptions": list(subscriptions)},
    } | more


def _sms(status: object, key: object = "+91 98000 00001") -> dict[str, Any]:
    return {"key": key, "type": "SMS", "status": status}


def _changes(event: object, region: str = "") -> list[tuple[str, bool, Scope]]:
    found = read(event, region, NOW)
    assert found is not None
    assert found.problem is None
    return [(change.phone, change.opts_out, change.scope) for change in found.changes]


@pytest.mark.parametrize("name", ["SMS Opted Out", "sms opted out", "SMS_Opted_Out", "SmsOptedOut"])
def test_an_opt_out_is_found_in_any_casing(name: str) -> None:
    assert _changes(_track(name)) == [(PHONE, True, Scope.ALL)]


def test_an_opt_out_says_all_that_is_stored() -> None:
    found = read(_track(scope="Promotional", reason="replied STOP"), "", NOW)
    assert found is not None
    expected = Change(
        PHONE,
        opts_out=True,
        scope=Scope.PROMOTIONAL,
        at=datetime(2026, 1, 2, 3, tzinfo=UTC),
        source=Source.TRACK,
        reason="replied STOP",
    )
    assert found.changes == (expected,)
    assert found.sends_no_sms


def test_an_opt_in_is_no_opt_out() -> None:
    assert _changes(_track("SMS Opted In", scope="promotional")) == [(PHONE, False, Scope.PROMOTIONAL)]


@pytest.mark.parametrize(
    ("status", "opts_out", "scope"),
    [
        ("SUBSCRIBED", False, Scope.ALL),
        ("UNSUBSCRIBED", True, Scope.ALL),
        ("DID_NOT_SUBSCRIBE", True, Scope.PROMOTIONAL),
        ("unsubscribed", True, Scope.ALL),
        ("did-not-subscribe", True, Scope.PROMOTIONAL),
    ],
)
def test_a_subscription_of_segments_is_a_change(status: str, opts_out: bool, scope: Scope) -> None:  # noqa: FBT001
    assert _changes(_identify(_sms(status))) == [(PHONE, opts_out, scope)]


def test_other_subscriptions_of_an_identify_are_not_ours() -> None:
    email = {"key": "a@example.com", "type": "EMAIL", "status": "UNSUBSCRIBED"}
    assert read(_identify(email, "odd", None), "", NOW) is None
    assert len(_changes(_identify(email, _sms("SUBSCRIBED"), _sms("UNSUBSCRIBED", "919800000002")))) == 2


def test_a_number_without_country_code_is_of_the_default_region() -> None:
    assert _changes(_track(phone="98000 00001"), "IN") == [(PHONE, True, Scope.ALL)]
    assert _changes(_identify(_sms("UNSUBSCRIBED", "098000 00001")), "IN") == [(PHONE, True, Scope.ALL)]


@pytest.mark.parametrize(
    "event",
    [
        None,
        [],
        "text",
        {},
        {"type": "track"},
        {"type": "track", "event": 5},
        _track("Order Completed"),
        _track("SMS Opted Out Later"),
        _track() | {"type": "page"},
        _track() | {"integrations": {"MSG91": False}},
        _track() | {"context": {"integration": {"name": "segment-msg91"}}},
        _identify(),
        _identify(_sms("UNSUBSCRIBED")) | {"type": "track"},
        {"type": "identify", "context": {"messaging_subscriptions": {"key": PHONE}}},
        {"type": "identify", "context": {"messaging_subscriptions": "SMS"}},
        {"type": "identify", "context": None},
    ],
)
def test_other_events_change_nothing(event: object) -> None:
    assert read(event, "", NOW) is None


@pytest.mark.parametrize(
    ("event", "problem"),
    [
        (_track(phone=None), "properties.phone: missing"),
        (_track(phone="12345"), "properties.phone: no phone number"),
        (_track(scope="some"), "properties.scope: must be all or promotional"),
        (_track(scope=["all"]), "properties.scope: must be all or promotional"),
        (_identify(_sms("UNSUBSCRIBED", "12345")), "context.messaging_subscriptions: a key"),
        (_identify(_sms("GONE")), "context.messaging_subscriptions: a status"),
    ],
)
def test_what_cannot_be_read_is_said_without_quoting_it(event: dict[str, Any], problem: str) -> None:
    found = read(event, "", NOW)
    assert found is not None
    assert (found.changes, (found.problem or "")[: len(problem)]) == ((), problem)
    assert "12345" not in (found.problem or "")


def test_what_can_be_read_beside_it_is_a_change_all_the_same() -> None:
    found = read(_identify(_sms("GONE"), _sms("UNSUBSCRIBED")), "", NOW)
    assert found is not None
    assert (len(found.changes), found.problem is None) == (1, False)


@pytest.mark.parametrize(
    ("times", "at"),
    [
        ({"timestamp": AT}, "2026-01-02T03:00:00+00:00"),
        ({"timestamp": None, "originalTimestamp": AT}, "2026-01-02T03:00:00+00:00"),
        ({"timestamp": None}, "2026-01-02T03:04:05+00:00"),
        ({"timestamp": "2030-01-01T00:00:00Z"}, "2026-01-02T03:04:05+00:00"),
        ({"timestamp": "2030-01-01T00:00:00Z", "receivedAt": AT}, "2026-01-02T03:00:00+00:00"),
        ({"timestamp": "yesterday", "sentAt": AT}, "2026-01-02T03:00:00+00:00"),
    ],
)
def test_a_change_is_of_its_events_time_and_never_of_the_future(times: dict[str, Any], at: str) -> None:
    found = read(_track() | times, "", NOW)
    assert found is not None
    assert found.changes[0].at.isoformat() == at
