"""Delivery reports: the bodies of webhooks v2, v3, v4 and Webhook (New), and rows of MSG91's logs, normalised. Pure."""

import hashlib
import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timezone
from decimal import Decimal
from itertools import groupby
from typing import Any, Final, Literal
from urllib.parse import parse_qs, unquote_plus

from segment_msg91.fields import (
    MalformedJsonError,
    by_canonical_name,
    canonical,
    identifier_of,
    phone_digits,
    read_json,
    text_of,
    well_formed,
)
from segment_msg91.msg91 import failures
from segment_msg91.msg91.codes import CLEVERTAP_CODES, FAILING, DeliveryStatus, report_status
from segment_msg91.msg91.failures import Category
from segment_msg91.times import parse_reported, second

type Version = Literal["v2", "v3", "v4", "new", "logs"]

_MAX_RAW_LENGTH: Final = 32_000  # characters of one report; MSG91's have a few hundred
_MAX_TEXT_LENGTH: Final = 512
_MAX_IDENTIFIER_LENGTH: Final = 256
_MAX_NUMBER_LENGTH: Final = 32
_NUMBER: Final = re.compile(r"-?\d{1,12}(\.\d{1,12})?", re.ASCII)
_NESTED_JSON: Final = 3  # JSON in a form field, in a string, in a string
_DATA: Final = "data"

MAX_REPORTS_IN_BODY: Final = 200
MAX_BYTES_IN_BODY: Final = 200_000


class UnreadableError(ValueError):
    """A body, or a part of it, is no delivery report of a known form. The text says why and quotes nothing."""


@dataclass(frozen=True, slots=True)
class DeliveryReport:
    """One normalised report. Instants are UTC; `raw` is its unchanged JSON."""

    status: DeliveryStatus
    webhook_version: Version
    digest: str
    raw: str = field(repr=False)
    request_id: str | None = None
    crqid: str | None = None
    meta: str | None = None
    phone: str | None = field(default=None, repr=False)
    code: str | None = None
    description: str | None = None
    failure_reason: str | None = None
    failure_category: Category | None = None
    reported_at: str | None = None
    sender_id: str | None = None
    campaign_name: str | None = None
    msg91_user_id: str | None = None
    client_id: str | None = None
    inmsid: str | None = None
    country_code: str | None = None
    amount: Decimal | None = None
    credits: Decimal | None = None


@dataclass(frozen=True, slots=True)
class LogRow:
    """What a row of MSG91's logs says of one SMS, and when MSG91 was asked to send it."""

    report: DeliveryReport
    sent_at: datetime | None


@dataclass(frozen=True, slots=True)
class Reading:
    """What a body holds: its reports, and why parts of it could not be read (empty: all could)."""

    reports: list[DeliveryReport]
    problems: list[str]


def read(body: bytes, zone: timezone, version: str = "") -> Reading:
    """Read a webhook's body, whichever form it has. `zone` is that of dates without one. Never raises.

    `version` names the form of a body that `bodies_of` has written.
    """
    try:
        content = _content(body)
        form, records = (_version(version), _flat(content)) if version else _recognise(content)
    except UnreadableError as error:
        return Reading([], [str(error)])
    reports: list[DeliveryReport] = []
    problems: list[str] = []
    for record in records:
        try:
            reports.append(_READERS[form](record, zone))
        except UnreadableError as error:
            problems.append(str(error))
        except RecursionError:
            problems.append("nested too deeply")
    if not reports and not problems:
        problems.append("no report in it")
    return Reading(reports, problems)


def read_log_row(row: Mapping[str, Any], zone: timezone) -> LogRow:
    """Read a row of MSG91's logs. `zone` is that of its dates. Raises UnreadableError.

    A row proves that MSG91 has the SMS, so one without a status is a report of an unknown one. Its status is a text;
    the column `statusCode` is not documented, and decides only if the text is not known.
    """
    fields = by_canonical_name({name: _unwrapped(value) for name, value in row.items()})
    given, description = _text(fields, "status"), _text(fields, "reportstatusdesc")
    code = _text(fields, "statuscode")
    status = report_status(None, given, description)
    if status is DeliveryStatus.UNKNOWN:
        status = report_status(code)
    sent_at = parse_reported(_first(fields, "sentdatetime", "requestdate"), zone)
    reported_at = parse_reported(_delivered_at(fields), zone) or sent_at
    report = _report(
        row,
        fields,
        "logs",
        status=status,
        code=code,
        description=description or given,
        failure_reason=_text(fields, "failurereason"),
        reported_at=second(reported_at) if reported_at else None,
    )
    return LogRow(report, sent_at)


def bodies_of(reports: Iterable[DeliveryReport]) -> Iterator[tuple[Version, bytes]]:
    """Write reports as bodies that `read` reads as the same reports: each of one version, and small.

    A body has at most MAX_REPORTS_IN_BODY reports and about MAX_BYTES_IN_BODY bytes.
    """
    for version, of_version in groupby(reports, lambda report: report.webhook_version):
        records: list[bytes] = []
        size = 0
        for report in of_version:
            record = report.raw.encode()
            if records and (len(records) == MAX_REPORTS_IN_BODY or size + len(record) > MAX_BYTES_IN_BODY):
                yield version, b"[" + b",".join(records) + b"]"
                records, size = [], 0
            records.append(record)
            size += len(record) + 1
        yield version, b"[" + b",".join(records) + b"]"


def _version(name: str) -> Version:
    known = next((version for version in _READERS if version == name), None)
    if known is None:
        raise UnreadableError("its webhook_version is none that is known")
    return known


def _flat(content: Any) -> list[dict[str, Any]]:  # noqa: ANN401 - any JSON value
    """Return the records of a body of `bodies_of`."""
    if not isinstance(content, list) or not all(isinstance(record, dict) for record in content):
        raise UnreadableError("not an array of objects")
    return content


def _content(body: bytes) -> Any:  # noqa: ANN401 - any JSON value
    """Return the JSON of a body that is JSON, or a form whose one field `data` is, encoded or not."""
    try:
        text = body.decode().strip()
    except UnicodeDecodeError:
        raise UnreadableError("not UTF-8") from None
    form, _, rest = text.partition("=")
    candidates = [text]
    if form.strip() == _DATA:
        # URL-encoded as MSG91 documents it; or not encoded, as in its samples and after some proxies.
        candidates = [*parse_qs(text).get(_DATA, []), unquote_plus(rest), rest]
    problem = None
    for candidate in candidates:
        try:
            return _unpacked(read_json(candidate))
        except MalformedJsonError as error:
            problem = problem or error
    raise UnreadableError(f"not JSON: {problem}")


def _unpacked(content: Any) -> Any:  # noqa: ANN401 - any JSON value
    """Parse JSON inside JSON strings, of the whole or under `data`: v2 as on MSG91's page, or a customer's own form."""
    for _ in range(_NESTED_JSON):
        if isinstance(content, str):
            content = read_json(content)
    if isinstance(content, dict) and _DATA in content:
        data = read_json(content[_DATA]) if isinstance(content[_DATA], str) else content[_DATA]
        return data if set(content) == {_DATA} else {**content, _DATA: data}
    return content


def _recognise(content: Any) -> tuple[Version, list[dict[str, Any]]]:  # noqa: ANN401 - any JSON value
    """Recognise the version, and return the records: one for each report, with the members of its envelope.

    The first row that matches decides:

    | version | an element or record has |
    |---|---|
    | v2 | `report` |
    | v4 | `meta`; or `event` and none of request id, number, CRQID |
    | v3 | `number`, and no `telNum` |
    | new | anything else |
    """
    elements = content if isinstance(content, list) else [content]
    if not any(isinstance(element, dict) for element in elements):
        raise UnreadableError("neither an object nor an array of objects")
    elements = [element if isinstance(element, dict) else {_DATA: [element]} for element in elements]
    if any("report" in element for element in elements):
        return "v2", [record for element in elements for record in _records(element, "report")]
    records = [record for element in elements for record in _records(element, _DATA)]
    names = {canonical(name) for record in records for name in record}
    if "meta" in names or ("event" in names and not names & _IDENTITIES):
        return "v4", records
    return "v3" if "number" in names and "telnum" not in names else "new", records


def _records(element: Mapping[str, Any], name: str) -> Iterator[dict[str, Any]]:
    """Yield each object under `name`, or the element itself if there is none, with its envelope's members."""
    inner = element.get(name, {})
    envelope = {key: value for key, value in element.items() if key != name}
    for record in inner if isinstance(inner, list) else [inner]:
        yield {**envelope, **record} if isinstance(record, dict) else {name: record}


def _read_flat(record: Mapping[str, Any], zone: timezone, version: Version) -> DeliveryReport:
    """Read a report of v2, v3 or Webhook (New): flat, and all it needs is an identity and a status."""
    fields = by_canonical_name({name: _unquoted(value) for name, value in record.items()})
    given = _text(fields, "status")
    description = _text(fields, "desc", "description")
    event = _text(fields, *_EVENT)
    if not (given or description or event):
        raise UnreadableError("a report without a status")
    is_code = given is not None and given.isascii() and given.isdigit()
    report = _report(
        record,
        fields,
        version,
        status=report_status(given, description, event),
        code=given if is_code else None,
        description=description or (None if is_code else given) or event,
        failure_reason=_text(fields, "failedreason", "failurereason"),
        reported_at=_reported_at(fields, zone),
    )
    if not (report.request_id or report.crqid or report.phone):
        raise UnreadableError("a report without a request id, a CRQID and a number")
    return report


def _read_v4(record: Mapping[str, Any], zone: timezone) -> DeliveryReport:
    """Read a report of v4, the form CleverTap takes: no request id and no number, `meta` is the only link."""
    fields = by_canonical_name(record)
    event, description, code = _text(fields, *_EVENT), _text(fields, "description"), _text(fields, "code")
    if not (event or description):
        raise UnreadableError("a report without an event")
    status = report_status(None, event, description)
    if status is DeliveryStatus.FAILED:
        status = _failure_kind(code, description)
    is_reason = status in FAILING and report_status(None, description) is DeliveryStatus.UNKNOWN
    return _report(
        record,
        fields,
        "v4",
        status=status,
        code=code,
        description=description or event,
        # v4 has no field for the reason: a description that is no status text is one.
        failure_reason=description if is_reason else None,
        reported_at=_reported_at(fields, zone),
    )


def _failure_kind(code: str | None, description: str | None) -> DeliveryStatus:
    """Refine v4's event `failed` by CleverTap's code, else by the description."""
    described = report_status(None, description)
    return CLEVERTAP_CODES.get(code or "", described if described in FAILING else DeliveryStatus.FAILED)


_EVENT: Final = ("event", "eventname")
_IDENTITIES: Final = frozenset({"requestid", "number", "telnum", "crqid"})
_READERS: Final[dict[Version, Callable[[Mapping[str, Any], timezone], DeliveryReport]]] = {
    "v2": lambda record, zone: _read_flat(record, zone, "v2"),
    "v3": lambda record, zone: _read_flat(record, zone, "v3"),
    "v4": _read_v4,
    "new": lambda record, zone: _read_flat(record, zone, "new"),
}


def _report(  # noqa: PLR0913 - what the versions read differently
    record: Mapping[str, Any],
    fields: Mapping[str, Any],
    version: Version,
    *,
    status: DeliveryStatus,
    code: str | None,
    description: str | None,
    failure_reason: str | None,
    reported_at: str | None,
) -> DeliveryReport:
    raw = _raw(record)
    number = identifier_of(_first(fields, "number", "telnum"))
    return DeliveryReport(
        status=status,
        webhook_version=version,
        digest=hashlib.sha256(raw.encode()).hexdigest()[:20],
        raw=raw,
        request_id=_identifier(fields, "requestid"),
        crqid=_identifier(fields, "crqid"),
        meta=_identifier(fields, "meta"),
        phone=phone_digits(number) or (number[:_MAX_NUMBER_LENGTH] if number else None),
        code=code,
        description=description,
        failure_reason=failure_reason,
        failure_category=failures.of_report(status, _text(fields, "ctcode") or code, description, failure_reason),
        reported_at=reported_at,
        sender_id=_identifier(fields, "senderid"),
        campaign_name=_text(fields, "campaignname"),
        msg91_user_id=_identifier(fields, "userid"),
        client_id=_identifier(fields, "clientid"),
        inmsid=_identifier(fields, "inmsid"),
        country_code=_identifier(fields, "countrycode"),
        amount=_number(fields, "amount"),
        credits=_number(fields, "credit", "credits"),
    )


def _raw(record: Mapping[str, Any]) -> str:
    """Write a record as JSON with sorted members, so that a repeated report has the same digest."""
    try:
        raw = json.dumps(record, ensure_ascii=False, sort_keys=True, separators=(",", ":"), allow_nan=False)
    except ValueError:
        raise UnreadableError("a report with a number beyond what floating point holds") from None
    raw = well_formed(raw)
    if len(raw) > _MAX_RAW_LENGTH:
        raise UnreadableError(f"a report of more than {_MAX_RAW_LENGTH} characters")
    return raw


def _unquoted(value: object) -> object:
    """Read a value of Webhook (New) that is JSON in a string; of a list of one, take the one."""
    if isinstance(value, str) and value[:1] in ('"', "["):
        try:
            value = read_json(value)
        except MalformedJsonError:
            return value
    return value[0] if isinstance(value, list) and len(value) == 1 else value


def _unwrapped(value: object) -> object:
    """Take a date out of an object, as the logs write some: `{"value": "2026-01-02"}`."""
    return value.get("value") if isinstance(value, dict) else value


def _delivered_at(fields: Mapping[str, Any]) -> str | None:
    """Join the logs' two columns of a delivery, unless the second one is a whole date."""
    day, time = _text(fields, "deliverydate"), _text(fields, "deliverytime")
    if not day or not time or day[:10] in time:
        return time or day
    return f"{day[:10]} {time}"


def _first(fields: Mapping[str, Any], *names: str) -> object:
    return next((fields[name] for name in names if name in fields), None)


def _text(fields: Mapping[str, Any], *names: str) -> str | None:
    return (text_of(_first(fields, *names)) or "").strip()[:_MAX_TEXT_LENGTH] or None


def _identifier(fields: Mapping[str, Any], name: str) -> str | None:
    identifier = identifier_of(fields.get(name))
    if identifier and len(identifier) > _MAX_IDENTIFIER_LENGTH:
        raise UnreadableError(f"{name} of more than {_MAX_IDENTIFIER_LENGTH} characters")
    return identifier


def _number(fields: Mapping[str, Any], *names: str) -> Decimal | None:
    text = (text_of(_first(fields, *names)) or "").strip()
    return Decimal(text) if _NUMBER.fullmatch(text) else None


def _reported_at(fields: Mapping[str, Any], zone: timezone) -> str | None:
    moment = parse_reported(_first(fields, "date", "deliverytime", "ts"), zone)
    return second(moment) if moment else None
