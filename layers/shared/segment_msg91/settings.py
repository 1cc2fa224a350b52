"""The environment, which only this module reads, and the shape of the secret."""

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta, timezone
from typing import Final, Self

from segment_msg91.phone_numbers import is_region, read_number
from segment_msg91.times import parse_offset

_ROTATION: Final = 2  # the current credential and the one it replaces
MIN_TOKEN_LENGTH: Final = 24

_TOKENS: Final = ("segment_token", "report_token", "console_token")


class SettingsError(Exception):
    """The function's environment is wrong: the message names the variable and the remedy."""


class SecretUnavailableError(Exception):
    """Secrets Manager returned no readable secret, so no request can be authenticated now."""


@dataclass(frozen=True, slots=True)
class Defaults:
    """What is sent when an event does not say. Empty: nothing."""

    sender_id: str = ""
    template_id: str = ""
    route: str = "4"
    country: str = "0"
    dlt_template_id: str = ""
    region: str = ""


@dataclass(frozen=True, slots=True)
class NumberRules:
    """Which numbers may be sent to. Empty: all.

    `allowed_countries`: ISO 3166. `only_to`: digits with country code, for a stack that sends to testers only.
    """

    allowed_countries: frozenset[str] = frozenset()
    only_to: frozenset[str] = field(default=frozenset(), repr=False)


@dataclass(frozen=True, slots=True)
class GuardRailSettings:
    """The guard rails: the table of the numbers, and the most SMS to one of them. 0: no cap."""

    recipients_table: str
    max_per_hour: int
    max_per_day: int

    @classmethod
    def load(cls, environ: Mapping[str, str]) -> Self | None:
        """Read the environment; None if they are off. Raises SettingsError."""
        max_per_hour = _whole(environ, "MAX_SMS_PER_NUMBER_PER_HOUR", 20)
        max_per_day = _whole(environ, "MAX_SMS_PER_NUMBER_PER_DAY", 0)
        table = _recipients_table(environ)
        return cls(table, max_per_hour, max_per_day) if table else None


@dataclass(frozen=True, slots=True)
class IngestSettings:
    """The environment of SegmentIngestFunction."""

    secret_id: str
    messages_table: str
    retention: timedelta
    msg91_base_url: str
    defaults: Defaults
    number_rules: NumberRules
    max_event_age: timedelta | None
    resend_unknown_after: timedelta | None
    max_recipients_per_request: int
    console_enabled: bool
    reconciliation_enabled: bool
    guard_rails: GuardRailSettings | None

    @classmethod
    def load(cls, environ: Mapping[str, str] = os.environ) -> Self:
        """Read the environment. Raises SettingsError."""
        standard = Defaults()
        region = _region(environ, "DEFAULT_REGION")
        return cls(
            secret_id=_required(environ, "SECRET_ID"),
            messages_table=_required(environ, "MESSAGES_TABLE"),
            retention=timedelta(days=_whole(environ, "RETENTION_DAYS", 400, least=1)),
            msg91_base_url=_base_url(environ, "MSG91_BASE_URL"),
            defaults=Defaults(
                sender_id=environ.get("DEFAULT_SENDER_ID", "").strip(),
                template_id=environ.get("DEFAULT_TEMPLATE_ID", "").strip(),
                route=environ.get("DEFAULT_ROUTE", standard.route).strip(),
                country=environ.get("DEFAULT_COUNTRY", standard.country).strip(),
                dlt_template_id=environ.get("DEFAULT_DLT_TEMPLATE_ID", "").strip(),
                region=region,
            ),
            number_rules=NumberRules(
                allowed_countries=_regions(environ, "ALLOWED_COUNTRIES"),
                only_to=_numbers(environ, "ONLY_TO_NUMBERS", region),
            ),
            max_event_age=timedelta(hours=_whole(environ, "MAX_EVENT_AGE_HOURS", 0)) or None,
            resend_unknown_after=timedelta(minutes=_whole(environ, "RESEND_UNKNOWN_AFTER_MINUTES", 0)) or None,
            max_recipients_per_request=_whole(environ, "MAX_RECIPIENTS_PER_REQUEST", 50, least=1),
            console_enabled=_switch(environ, "CONSOLE"),
            reconciliation_enabled=_whole(environ, "RECONCILE_EVERY_MINUTES", 30) > 0,
            guard_rails=GuardRailSettings.load(environ),
        )


@dataclass(frozen=True, slots=True)
class ReportSettings:
    """The environment of DeliveryReportsFunction.

    `opt_outs_table`: where reports opt numbers out; None if they do not.
    """

    secret_id: str
    messages_table: str
    reports_table: str
    redrive_queue_url: str
    quarantine_queue_url: str
    retention: timedelta
    msg91_zone: timezone
    opt_outs_table: str | None

    @classmethod
    def load(cls, environ: Mapping[str, str] = os.environ) -> Self:
        """Read the environment. Raises SettingsError."""
        return cls(
            secret_id=_required(environ, "SECRET_ID"),
            messages_table=_required(environ, "MESSAGES_TABLE"),
            reports_table=_required(environ, "REPORTS_TABLE"),
            redrive_queue_url=_required(environ, "REPORTS_REDRIVE_QUEUE_URL"),
            quarantine_queue_url=_required(environ, "REPORTS_QUARANTINE_QUEUE_URL"),
            retention=timedelta(days=_whole(environ, "RETENTION_DAYS", 400, least=1)),
            msg91_zone=_zone(environ, "MSG91_UTC_OFFSET"),
            opt_outs_table=_opt_outs_table(environ),
        )


@dataclass(frozen=True, slots=True)
class ReconciliationSettings:
    """The environment of ReconciliationFunction. `logs_method` is the HTTP verb of MSG91's logs API.

    `opt_outs_table`: where rows of the logs opt numbers out; None if they do not.
    """

    secret_id: str
    messages_table: str
    reports_table: str
    retention: timedelta
    msg91_base_url: str
    msg91_zone: timezone
    logs_method: str
    overdue_after: timedelta
    given_up_after: timedelta
    opt_outs_table: str | None

    @classmethod
    def load(cls, environ: Mapping[str, str] = os.environ) -> Self:
        """Read the environment. Raises SettingsError."""
        method = environ.get("MSG91_LOGS_METHOD", "").strip().upper() or "POST"
        if method not in ("POST", "GET"):
            raise SettingsError("MSG91_LOGS_METHOD: must be POST or GET")
        return cls(
            secret_id=_required(environ, "SECRET_ID"),
            messages_table=_required(environ, "MESSAGES_TABLE"),
            reports_table=_required(environ, "REPORTS_TABLE"),
            retention=timedelta(days=_whole(environ, "RETENTION_DAYS", 400, least=1)),
            msg91_base_url=_base_url(environ, "MSG91_BASE_URL"),
            msg91_zone=_zone(environ, "MSG91_UTC_OFFSET"),
            logs_method=method,
            overdue_after=timedelta(minutes=_whole(environ, "REPORT_OVERDUE_MINUTES", 60)),
            given_up_after=timedelta(hours=_whole(environ, "REPORT_GIVEN_UP_HOURS", 46)),
            opt_outs_table=_opt_outs_table(environ),
        )


@dataclass(frozen=True, slots=True)
class EventSettings:
    """The environment of DeliveryEventsFunction."""

    secret_id: str
    tracking_url: str
    dead_letter_queue_url: str

    @classmethod
    def load(cls, environ: Mapping[str, str] = os.environ) -> Self:
        """Read the environment. Raises SettingsError."""
        return cls(
            secret_id=_required(environ, "SECRET_ID"),
            tracking_url=(environ.get("SEGMENT_TRACKING_URL") or "https://api.segment.io").rstrip("/"),
            dead_letter_queue_url=_required(environ, "DELIVERY_EVENTS_DEAD_LETTER_QUEUE_URL"),
        )


@dataclass(frozen=True, slots=True)
class ConsoleSettings:
    """The environment of ConsoleFunction. `metrics_namespace` and `metrics_service` are the metrics' in CloudWatch."""

    secret_id: str
    messages_table: str
    reports_table: str
    retention: timedelta
    msg91_zone: timezone
    reconciliation_enabled: bool
    metrics_namespace: str
    metrics_service: str

    @classmethod
    def load(cls, environ: Mapping[str, str] = os.environ) -> Self:
        """Read the environment. Raises SettingsError."""
        return cls(
            secret_id=_required(environ, "SECRET_ID"),
            messages_table=_required(environ, "MESSAGES_TABLE"),
            reports_table=_required(environ, "REPORTS_TABLE"),
            retention=timedelta(days=_whole(environ, "RETENTION_DAYS", 400, least=1)),
            msg91_zone=_zone(environ, "MSG91_UTC_OFFSET"),
            reconciliation_enabled=_whole(environ, "RECONCILE_EVERY_MINUTES", 30) > 0,
            metrics_namespace=_required(environ, "POWERTOOLS_METRICS_NAMESPACE"),
            metrics_service=_required(environ, "POWERTOOLS_SERVICE_NAME"),
        )


@dataclass(frozen=True, slots=True)
class Secrets:
    """The credentials of both sides. An empty one authenticates no request.

    `refused`: the members that are not used, and why; no values.
    """

    msg91_authkey: str = field(default="", repr=False)
    segment_shared_secrets: tuple[str, ...] = field(default=(), repr=False)
    segment_tokens: tuple[str, ...] = field(default=(), repr=False)
    report_tokens: tuple[str, ...] = field(default=(), repr=False)
    segment_write_key: str = field(default="", repr=False)
    console_tokens: tuple[str, ...] = field(default=(), repr=False)
    refused: tuple[str, ...] = field(default=(), repr=False)

    @classmethod
    def parse(cls, value: object) -> Self:
        """Read the secret's JSON object. Raises SecretUnavailableError when it is none.

        Tokens of fewer than MIN_TOKEN_LENGTH characters can be guessed, so they authenticate no request.
        """
        if not isinstance(value, dict):
            raise SecretUnavailableError("the secret is not a JSON object")
        tokens = {name: _credentials(value.get(name)) for name in _TOKENS}
        long_enough = {
            name: tuple(token for token in given if len(token) >= MIN_TOKEN_LENGTH) for name, given in tokens.items()
        }
        return cls(
            msg91_authkey=next(iter(_credentials(value.get("msg91_authkey"))), ""),
            segment_shared_secrets=_credentials(value.get("segment_shared_secret")),
            segment_tokens=long_enough["segment_token"],
            report_tokens=long_enough["report_token"],
            segment_write_key=next(iter(_credentials(value.get("segment_write_key"))), ""),
            console_tokens=long_enough["console_token"],
            refused=tuple(
                f"{name}: shorter than {MIN_TOKEN_LENGTH} characters, so it is not accepted; make a longer one"
                for name in _TOKENS
                if tokens[name] != long_enough[name]
            ),
        )


def log_level(environ: Mapping[str, str] = os.environ) -> str:
    """Return the level of the functions' own log lines, such as INFO."""
    return environ.get("POWERTOOLS_LOG_LEVEL", "").strip().upper() or "INFO"


def in_lambda(environ: Mapping[str, str] = os.environ) -> bool:
    """Whether a Lambda runtime imports this code. Then clients are built at import, before the first request."""
    return "AWS_LAMBDA_RUNTIME_API" in environ


def _base_url(environ: Mapping[str, str], name: str) -> str:
    return (environ.get(name) or "https://control.msg91.com").rstrip("/")


def _zone(environ: Mapping[str, str], name: str) -> timezone:
    try:
        return parse_offset(environ.get(name) or "+05:30")
    except ValueError as error:
        raise SettingsError(f"{name}: {error}") from error


def _recipients_table(environ: Mapping[str, str]) -> str | None:
    """Return the table of the numbers; None if the guard rails are off."""
    table = environ.get("RECIPIENTS_TABLE", "")
    return _required({"RECIPIENTS_TABLE": table}, "RECIPIENTS_TABLE") if _switch(environ, "GUARD_RAILS") else None


def _opt_outs_table(environ: Mapping[str, str]) -> str | None:
    """Return the table of the numbers if reports opt them out."""
    table = _recipients_table(environ)
    return table if _switch(environ, "OPT_OUT_ON_BLOCKED") else None


def _required(environ: Mapping[str, str], name: str) -> str:
    value = environ.get(name, "").strip()
    if not value:
        raise SettingsError(f"{name}: missing; template.yaml sets it from the stack's resources")
    return value


def _whole(environ: Mapping[str, str], name: str, default: int, least: int = 0) -> int:
    text = environ.get(name, "").strip() or str(default)
    if not text.isascii() or not text.isdigit() or int(text) < least:
        raise SettingsError(f"{name}: must be a whole number of {least} or more")
    return int(text)


def _region(environ: Mapping[str, str], name: str) -> str:
    code = environ.get(name, "").strip().upper()
    if code and not is_region(code):
        raise SettingsError(f"{name}: must be the two letters of a country (ISO 3166), as in IN or GB, or empty")
    return code


def _regions(environ: Mapping[str, str], name: str) -> frozenset[str]:
    codes = _list(environ, name)
    if not all(is_region(code.upper()) for code in codes):
        raise SettingsError(f"{name}: must be countries of two letters (ISO 3166) separated by commas, as in IN,AE")
    return frozenset(code.upper() for code in codes)


def _numbers(environ: Mapping[str, str], name: str, region: str) -> frozenset[str]:
    """Read a list of phone numbers. An error names the place of the wrong one, because logs hold no numbers."""
    numbers = [read_number(text, region) for text in _list(environ, name)]
    if None in numbers:
        raise SettingsError(
            f"{name}: entry {numbers.index(None) + 1} is no phone number; write each with its country code, as in "
            "918818888758, separated by commas"
        )
    return frozenset(number for number in numbers if number)


def _list(environ: Mapping[str, str], name: str) -> list[str]:
    """Return the entries of a list separated by commas. A blank one stays, so that it is refused."""
    text = environ.get(name, "").strip()
    return [entry.strip() for entry in text.split(",")] if text else []


def _switch(environ: Mapping[str, str], name: str) -> bool:
    text = environ.get(name, "").strip() or "off"
    if text not in ("on", "off"):
        raise SettingsError(f"{name}: must be on or off")
    return text == "on"


def _credentials(value: object) -> tuple[str, ...]:
    values = value if isinstance(value, list) else [value]
    stripped = [one.strip() for one in values if isinstance(one, str)]
    return tuple(one for one in stripped if one)[:_ROTATION]
