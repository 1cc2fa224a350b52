"""MSG91's requests: which messages can share one, and its path and body. Pure."""

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from segment_msg91.mapping import Sms
from segment_msg91.times import instant, parse_reported

SMS_PATH: Final = "/api/v2/sendsms"
FLOW_PATH: Final = "/api/v5/flow"

_MAX_MINUTES: Final = 60 * 24 * 366
_MAX_DIGITS: Final = 9


def groups(messages: Iterable[Sms], most: int) -> list[list[Sms]]:
    """Divide messages into those that can share one request: same API, sender and parameters, each number once.

    A number once per request, because the request's id and the number are what a report may be matched by.
    """
    divided: dict[tuple[object, ...], list[list[Sms]]] = {}
    for sms in messages:
        candidates = divided.setdefault(sms.kind, [])
        for group in candidates:
            if len(group) < most and all(other.phone != sms.phone for other in group):
                group.append(sms)
                break
        else:
            candidates.append([sms])
    return [group for candidates in divided.values() for group in candidates]


def request_of(group: Sequence[Sms]) -> tuple[str, dict[str, Any]]:
    """Write the MSG91 request, path and JSON body, for messages that `groups` put together."""
    return _flow_request(group) if group[0].template_id else _sms_request(group)


def scheduled_at(sms: Sms, now: datetime) -> str | None:
    """Return when MSG91 is to send it, if that is later than now: by `schtime` or `afterminutes`.

    `schtime` is an epoch, or a date without a documented zone; it is read as UTC, the later of the two that are likely.
    """
    parameters = dict(sms.parameters)
    moment = parse_reported(parameters.get("schtime"), UTC)
    minutes = str(parameters.get("afterminutes", ""))
    # Python refuses to read thousands of digits.
    if minutes.isdigit() and len(minutes) <= _MAX_DIGITS and int(minutes) <= _MAX_MINUTES:
        moment = max(moment or now, now + timedelta(minutes=int(minutes)))
    return instant(moment) if moment and moment > now else None


def _sms_request(group: Sequence[Sms]) -> tuple[str, dict[str, Any]]:
    first = group[0]
    body: dict[str, Any] = {"sender": first.sender_id, **dict(first.parameters)}
    if len(group) == 1:
        # MSG91 documents CRQID at the top level for one text.
        return SMS_PATH, body | {"CRQID": first.crqid, "sms": [{"message": first.text, "to": [first.phone]}]}
    return SMS_PATH, body | {"sms": [{"message": s.text, "to": [s.phone], "CRQID": s.crqid} for s in group]}


def _flow_request(group: Sequence[Sms]) -> tuple[str, dict[str, Any]]:
    first = group[0]
    body: dict[str, Any] = {"template_id": first.template_id}
    if first.sender_id:
        body["sender"] = first.sender_id
    # realTimeResponse: errors in the answer itself, not only in reports that may never come.
    body |= {"realTimeResponse": "1", **dict(first.parameters)}
    return FLOW_PATH, body | {
        "recipients": [{**dict(s.variables), "mobiles": s.phone, "CRQID": s.crqid} for s in group]
    }
