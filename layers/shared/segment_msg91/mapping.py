"""Payload mapping: a Segment event becomes an `Sms`, or the reason why not. Pure."""

import hashlib
import json
import re
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any, ClassVar, Final

from segment_msg91.encoding import encoding_of
from segment_msg91.fields import by_canonical_name, canonical, phone_digits, text_of, well_formed
from segment_msg91.phone_numbers import read_number
from segment_msg91.settings import Defaults
from segment_msg91.times import parse_instant

# Our name in `context.integration`: we made events that carry it, and they must not be sent for again.
INTEGRATION_NAME: Final = "segment-msg91"

# The member with the payload of each type of event, and the member with its name.
PAYLOADS: Final = {"identify": "traits", "page": "properties", "screen": "properties", "track": "properties"}
_OTHER_TYPES: Final = frozenset({"group", "alias", "delete"})
_NAMES: Final = {"page": "name", "screen": "name", "track": "event", "mapped": "event"}

# When an event happened, the best knowledge first.
_TIMES: Final = ("timestamp", "originalTimestamp", "sentAt", "receivedAt")

# A mapped request is an object that a mapping in Segment's page has made of an event. It has no type, and the fields at
# its top level; one of these shows what it is for.
MAPPED: Final = "mapped"
_SHOW_A_MAPPED_REQUEST: Final = frozenset({"phone", "message", "templateid", "flowid", "variables"})
# What a mapped request may have of its event, beside the fields.
_OF_THE_EVENT: Final = ("messageId", "userId", "anonymousId", "event", "context", "integrations", *_TIMES)
_MAPPING_NAME: Final = re.compile(r"[A-Za-z0-9_-]{1,40}")
# The messageId of our own delivery events (segment/track_events.py): a mapping may leave their context out.
_OWN_MESSAGE_ID: Final = re.compile(r"[0-9a-f]{32,40}-sms-(sent|delivered|undelivered|failed|suppressed)")

# MSG91's own parameters that an event may carry, by canonical name.
PARAMETERS: Final = {
    "route": "route",
    "country": "country",
    "unicode": "unicode",
    "flash": "flash",
    "schtime": "schtime",
    "afterminutes": "afterminutes",
    "campaign": "campaign",
    "dltteid": "DLT_TE_ID",
    "shorturl": "short_url",
}
_SWITCHES: Final = frozenset({"unicode", "flash"})
_WHOLE_NUMBERS: Final = {"country": "91", "afterminutes": "15"}  # with an example

_PROMOTIONAL_ROUTE: Final = "1"

# "Can never be valid" only: India wants six letters or digits, other countries more; MSG91 decides (code 203).
_SENDER_ID: Final = re.compile(r"[A-Za-z0-9]{1,14}")
_PLACEHOLDER: Final = re.compile(r"##\s*(\w+)\s*##")
_MAX_NAME_LENGTH: Final = 256
_MAX_BAD_PHONE_LENGTH: Final = 32
_MAX_TEXT_LENGTH: Final = 255 * 153  # what the most parts that an SMS can have hold: longer can never be valid


class MalformedMappingNameError(ValueError):
    """The URL's mapping name is malformed. The text says what it must be, and quotes nothing."""


class _InvalidFieldError(ValueError):
    """A field can't be sent. The text names the field and the remedy, and quotes no value."""

    quotes_event: ClassVar = False


class _InvalidVariableError(_InvalidFieldError):
    """A template's variable can't be sent. The text quotes its name, which is the event's."""

    quotes_event: ClassVar = True


@dataclass(frozen=True, slots=True)
class Origin:
    """The event that causes an SMS, as answers, tables and delivery events name it.

    `event_type` is the event's, or `mapped`. `mapping`: the mapping name in the URL.
    """

    message_id: str | None
    event_type: str
    event_name: str | None = None
    mapping: str | None = None
    user_id: str | None = field(default=None, repr=False)  # some use the number
    anonymous_id: str | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class Sms:
    """One SMS to one number. With a template id it goes out by Flow, else as free text by SMS v2."""

    crqid: str
    origin: Origin
    phone: str = field(repr=False)
    sender_id: str | None
    template_id: str | None
    text: str | None = field(repr=False)
    variables: tuple[tuple[str, str], ...] = field(default=(), repr=False)
    parameters: tuple[tuple[str, str | int], ...] = ()
    encoding: str | None = None
    parts: int | None = None
    promotional: bool = False

    @property
    def is_promotional(self) -> bool:
        """Whether an opt-out from promotional SMS stops it: the event or MSG91's route says so."""
        return self.promotional or ("route", _PROMOTIONAL_ROUTE) in self.parameters

    @property
    def kind(self) -> tuple[object, ...]:
        """What messages that share a request have in common."""
        return (self.template_id, self.sender_id, self.parameters)

    @property
    def content(self) -> tuple[object, ...]:
        """What makes texts different. For equal texts MSG91 may echo one message's CRQID for all (webhook page)."""
        return (*self.kind, self.text, self.variables)


@dataclass(frozen=True, slots=True)
class Invalid:
    """An event that asks for an SMS and has a bad field. `crqid` is None if it is no event at all."""

    reason: str
    origin: Origin
    crqid: str | None = None
    phone: str | None = field(default=None, repr=False)
    quotes_event: bool = False
    """Whether `reason` quotes the event."""


@dataclass(frozen=True, slots=True)
class Skipped:
    """An event that asks for no SMS, or that no SMS may be sent for."""

    reason: str
    origin: Origin


@dataclass(frozen=True, slots=True)
class Unrecorded:
    """An event with an opt-out or opt-in that could not be stored, so that it must be delivered again."""

    reason: str
    origin: Origin


@dataclass(frozen=True, slots=True)
class Request:
    """What an event or a mapped request says: about the event itself, and in its fields, which are at `place`."""

    origin: Origin
    event: Mapping[str, Any] = field(repr=False)
    fields: Mapping[str, Any] = field(repr=False)
    place: str = ""
    is_mapped: bool = False

    def at(self, problem: object) -> str:
        """Name the place of a problem with a field."""
        return f"{self.place}.{problem}" if self.place else str(problem)


def mapping_name(value: str | None) -> str | None:
    """Return the mapping name of a URL, None without one. Raises MalformedMappingNameError."""
    if value is not None and not _MAPPING_NAME.fullmatch(value):
        raise MalformedMappingNameError("mapping: must be 1 to 40 letters, digits, - or _, as in ?mapping=order-sms")
    return value


def to_sms(
    event: object, defaults: Defaults, now: datetime, max_age: timedelta | None = None, mapping: str | None = None
) -> Sms | Invalid | Skipped:
    """Map one Segment event, or one mapped request. `max_age` None: events of any age are sent.

    `mapping`: the mapping name in the URL. It is a part of the key, so one event may cause an SMS by each mapping.
    """
    if not isinstance(event, dict):
        return Invalid("the event: must be a JSON object", Origin(None, "unknown"))
    request = read(event, mapping)
    origin = request.origin
    if len(origin.message_id or "") > _MAX_NAME_LENGTH:
        return Invalid(f"messageId: longer than {_MAX_NAME_LENGTH} characters", replace(origin, message_id=None))
    if not origin.event_type:
        return Invalid(
            "type: missing; identify, page, screen or track become SMS, and so does a mapped request: a phone, and a "
            "message, a templateId or variables",
            origin,
        )
    if reason := reason_to_skip(request, now, max_age) or _asks_for_no_sms(request):
        return Skipped(reason, origin)
    fields = request.fields
    phone = read_number(fields.get("phone"), defaults.region)
    bad_phone = None if phone else (text_of(fields.get("phone")) or "").strip()[:_MAX_BAD_PHONE_LENGTH] or None
    crqid = key_of(origin, phone or bad_phone)
    try:
        return replace(_sms(crqid, request, phone, defaults), promotional=_is_promotional(fields))
    except _InvalidFieldError as problem:
        return Invalid(request.at(problem), origin, crqid, phone or bad_phone, problem.quotes_event)


def read(event: Mapping[str, Any], mapping: str | None) -> Request:
    """Read what an event or a mapped request says."""
    event_type = (text_of(event.get("type")) or "").strip().lower()[:_MAX_NAME_LENGTH]
    if event_type:
        place, payload = _payload(event, event_type)
        return Request(_origin(event, event_type, mapping), event, by_canonical_name(payload), place)
    fields = by_canonical_name(event)
    if "type" in fields or not fields.keys() & _SHOW_A_MAPPED_REQUEST:
        return Request(_origin(event, "", mapping), event, {})
    own = {name: fields.get(canonical(name)) for name in _OF_THE_EVENT}
    return Request(_origin(own, MAPPED, mapping), own, fields, is_mapped=True)


def _payload(event: Mapping[str, Any], event_type: str) -> tuple[str, Mapping[str, Any]]:
    """Return where the fields are, and the object there."""
    place = PAYLOADS.get(event_type, "")
    payload = event.get(place)
    if not payload and event_type == "identify" and (traits := member_of(event, "context", "traits")):
        return "context.traits", traits  # where RudderStack's SDKs write them
    return place, payload if isinstance(payload, dict) else {}


def member_of(event: Mapping[str, Any], name: str, member: str) -> dict[str, Any]:
    """Return an object that is a member of an object of the event's, empty without one."""
    parent = event.get(name)
    value = parent.get(member) if isinstance(parent, dict) else None
    return value if isinstance(value, dict) else {}


def _origin(event: Mapping[str, Any], event_type: str, mapping: str | None) -> Origin:
    return Origin(
        message_id=(text_of(event.get("messageId")) or "").strip() or None,
        event_type=event_type,
        event_name=_name(event.get(_NAMES.get(event_type, ""))),
        mapping=mapping,
        user_id=_name(event.get("userId")),
        anonymous_id=_name(event.get("anonymousId")),
    )


def _name(value: object) -> str | None:
    return (text_of(value) or "").strip()[:_MAX_NAME_LENGTH] or None


def reason_to_skip(request: Request, now: datetime, max_age: timedelta | None) -> str | None:
    """Return why an event is not for us, or too old; None if it is."""
    event, event_type = request.event, request.origin.event_type
    if event_type not in PAYLOADS and not request.is_mapped:
        if event_type in _OTHER_TYPES:
            return f"type: {event_type} events send no SMS"
        return "type: not one that sends an SMS; use identify, page, screen or track"
    if member_of(event, "context", "integration").get("name") == INTEGRATION_NAME:
        return "context.integration: this event came from us"
    if request.is_mapped and _OWN_MESSAGE_ID.fullmatch(request.origin.message_id or ""):
        return "messageId: this event came from us"
    integrations = event.get("integrations")
    if isinstance(integrations, dict) and any(
        name.lower() == "msg91" and value is False for name, value in integrations.items()
    ):
        return "integrations.MSG91: false"
    if max_age and (age := _age(event, now)) and age > max_age:
        return f"timestamp: older than {max_age // timedelta(hours=1)} h (MaxEventAgeHours)"
    return None


def times_of(event: Mapping[str, Any]) -> list[datetime]:
    """Return when an event happened, the best knowledge first. Empty if it does not say."""
    texts = [event.get(name) for name in _TIMES]
    moments = [parse_instant(text) for text in texts if isinstance(text, str)]
    return [moment for moment in moments if moment]


def _age(event: Mapping[str, Any], now: datetime) -> timedelta | None:
    times = times_of(event)
    return now - times[0] if times else None


def _is_promotional(fields: Mapping[str, Any]) -> bool:
    """Whether `promotional` is true. Tracking plans may have other texts under this name: those mean nothing here."""
    value = fields.get("promotional")
    return value is True or (text_of(value) or "").strip().lower() in ("true", "1")


def _template_id(fields: Mapping[str, Any]) -> object:
    return fields.get("templateid", fields.get("flowid"))


def _asks_for_no_sms(request: Request) -> str | None:
    """Return why an event asks for no SMS. If its intent shows, a missing field is an error instead.

    A sender or a template shows it, and a mapping, which is made for SMS.
    """
    fields = request.fields
    if request.is_mapped or "senderid" in fields or _template_id(fields) is not None:
        return None
    if "phone" not in fields:
        return request.at("phone: missing")
    if "message" not in fields and not fields.get("variables"):
        return request.at("message: missing, and no templateId or variables")
    return None


def _sms(crqid: str, request: Request, phone: str | None, defaults: Defaults) -> Sms:
    origin, fields = request.origin, request.fields
    if request.is_mapped and origin.message_id is None:
        raise _InvalidFieldError("messageId: missing, so a retry could not be recognised; map it from $.messageId")
    if phone is None:
        raise _InvalidFieldError(phone_problem(fields.get("phone"), defaults.region))
    first_name = _optional_text(fields, "firstname", "firstName")
    variables = _variables(fields, is_mapped=request.is_mapped)
    text = _optional_text(fields, "message", "message")
    if text is not None:
        text = _filled_in(text, {"firstname": first_name or "", **{canonical(n): v for n, v in variables.items()}})
        if not text.strip():
            raise _InvalidFieldError("message: empty once its placeholders are filled in; add firstName")
    template_id = _template_id_for(fields, defaults, has_content=text is not None or bool(variables))
    if template_id:
        standard = {"firstName": first_name, "message": text}
        named = {name: value for name, value in standard.items() if value is not None} | variables
        return Sms(
            crqid=crqid,
            origin=origin,
            phone=phone,
            sender_id=_sender_id(fields, defaults),
            template_id=template_id,
            text=None,
            variables=tuple(named.items()),
            parameters=_parameters(fields, {"short_url": "0"}),
        )
    return _free_text(crqid, origin, phone, text, fields, defaults)


def _template_id_for(fields: Mapping[str, Any], defaults: Defaults, *, has_content: bool) -> str | None:
    """Return the event's own template, else the default one, which applies to events with a text or variables only."""
    own = _optional_text(fields, "templateid", "templateId") or _optional_text(fields, "flowid", "flowId")
    template_id = (own or (defaults.template_id if has_content else "")).strip()
    if len(template_id) > _MAX_NAME_LENGTH:
        raise _InvalidFieldError(f"templateId: longer than {_MAX_NAME_LENGTH} characters")
    return template_id or None


def _free_text(
    crqid: str, origin: Origin, phone: str, text: str | None, fields: Mapping[str, Any], defaults: Defaults
) -> Sms:
    if text is None:
        raise _InvalidFieldError(
            "templateId: missing for the variables; add it, or set the parameter DefaultTemplateId"
            if fields.get("variables")
            else "message: missing; add the text, or a templateId"
        )
    sender_id = _sender_id(fields, defaults)
    if sender_id is None:
        raise _InvalidFieldError("senderID: missing; add it, or set the parameter DefaultSenderId")
    given = {"route": defaults.route, "country": defaults.country, "DLT_TE_ID": defaults.dlt_template_id}
    if encoding_of(text).name == "UCS-2":
        given["unicode"] = "1"
    parameters = _parameters(fields, given)
    encoding = encoding_of(text, unicode=("unicode", 1) in parameters)
    return Sms(
        crqid=crqid,
        origin=origin,
        phone=phone,
        sender_id=sender_id,
        template_id=None,
        text=text,
        parameters=parameters,
        encoding=encoding.name,
        parts=encoding.parts,
    )


def phone_problem(value: object, region: str) -> str:
    """Say what is wrong with a phone number, without quoting it."""
    if value is None:
        return "phone: missing; give the number with its country code"
    text = text_of(value)
    if region and phone_digits(value):
        return (
            f"phone: neither a mobile number of {region} (DefaultRegion) nor, with a + in front, a valid number of any "
            "country; give it with its country code, as in +918818888758"
        )
    found = "not a text or number" if text is None else f"no phone number in its {len(text)} characters"
    return f"phone: {found}; give 7 to 15 digits with the country code, as in 918818888758"


def _optional_text(fields: Mapping[str, Any], key: str, name: str) -> str | None:
    if key not in fields:
        return None
    text = text_of(fields[key])
    if text is None:
        raise _InvalidFieldError(f"{name}: must be a text")
    return text


def _sender_id(fields: Mapping[str, Any], defaults: Defaults) -> str | None:
    sender_id = (_optional_text(fields, "senderid", "senderID") or defaults.sender_id).strip()
    if sender_id and not _SENDER_ID.fullmatch(sender_id):
        raise _InvalidFieldError("senderID: must be 1 to 14 letters and digits, as in MSGIND")
    return sender_id or None


def _variables(fields: Mapping[str, Any], *, is_mapped: bool) -> dict[str, str]:
    """Return the members of `variables`. Their names are the template's own, and case-sensitive.

    A mapping may take over a whole object of the event: what is no text or number there is left out.
    """
    value = fields.get("variables", {})
    if not isinstance(value, dict):
        raise _InvalidFieldError('variables: must be an object, as in {"VAR1": "text"}')
    variables = {}
    for name, member in value.items():
        text = _variable_text(member)
        if text is None:
            if is_mapped:
                continue
            raise _InvalidVariableError(f"variables.{well_formed(name)[:_MAX_NAME_LENGTH]}: must be a text or number")
        if canonical(name) not in ("mobiles", "crqid"):  # the recipient's own fields in a Flow request
            variables[well_formed(name)] = text
    return variables


def _variable_text(member: object) -> str | None:
    """Return a variable as text: null is empty, a truth value `true` or `false`; None for an object or array."""
    if member is None:
        return ""
    return str(member).lower() if isinstance(member, bool) else text_of(member)


def _parameters(fields: Mapping[str, Any], given: Mapping[str, str]) -> tuple[tuple[str, str | int], ...]:
    """Lay the event's MSG91 parameters over the given ones. An empty one is left out."""
    own = {name: _parameter(name, fields[key]) for key, name in PARAMETERS.items() if key in fields}
    merged = {name: _parameter(name, value) for name, value in given.items() if value} | own
    return tuple(sorted(merged.items()))


def _parameter(name: str, value: object) -> str | int:
    text = str(int(value)) if isinstance(value, bool) else (text_of(value) or "").strip()
    if name in _SWITCHES:
        if text not in ("0", "1"):
            raise _InvalidFieldError(f"{name}: must be 0 or 1")
        return int(text)
    if not text:
        raise _InvalidFieldError(f"{name}: must be a text or number")
    if name in _WHOLE_NUMBERS and not (text.isascii() and text.isdigit()):
        raise _InvalidFieldError(f"{name}: must be digits, such as {_WHOLE_NUMBERS[name]}")
    return text


def _filled_in(text: str, values: Mapping[str, str]) -> str:
    """Fill `##firstName##` and variables in; a placeholder of another name is MSG91's, and stays.

    The length is known before the text is made: a few kilobytes of placeholders could become gigabytes.
    """

    def filling(match: re.Match[str]) -> str:
        return values.get(canonical(match[1]), match[0])

    if len(text) + sum(len(filling(match)) - len(match[0]) for match in _PLACEHOLDER.finditer(text)) > _MAX_TEXT_LENGTH:
        raise _InvalidFieldError(f"message: longer than {_MAX_TEXT_LENGTH} characters, filled in; no SMS can be")
    return _PLACEHOLDER.sub(filling, text)


def key_of(origin: Origin, phone: str | None) -> str:
    """Return the key of an event's SMS to a number: 40 letters and digits, at most MSG91's 52.

    An event without a message id cannot be recognised again, so its key is random.
    """
    if origin.message_id is None:
        return uuid.uuid4().hex
    parts = [origin.message_id, phone, *([origin.mapping] if origin.mapping else [])]
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:40]
