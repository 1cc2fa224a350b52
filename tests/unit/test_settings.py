from datetime import timedelta
from typing import Final

import pytest

from segment_msg91.settings import (
    ConsoleSettings,
    Defaults,
    EventSettings,
    GuardRailSettings,
    IngestSettings,
    NumberRules,
    ReconciliationSettings,
    ReportSettings,
    Secrets,
    SecretUnavailableError,
    SettingsError,
    in_lambda,
)

INGEST = {"SECRET_ID": "secret", "MESSAGES_TABLE": "messages"}
REPORTS = INGEST | {
    "REPORTS_TABLE": "reports",
    "REPORTS_REDRIVE_QUEUE_URL": "https://queue/redrive",
    "REPORTS_QUARANTINE_QUEUE_URL": "https://queue/quarantine",
}

CONSOLE: Final = {
    **INGEST,
    "REPORTS_TABLE": "reports",
    "POWERTOOLS_METRICS_NAMESPACE": "SegmentMsg91",
    "POWERTOOLS_SERVICE_NAME": "stack",
}
TOKENS: Final = [f"token-{number}-of-24-characters" for number in range(4)]


def test_an_environment_with_only_the_resources_gets_the_documented_defaults() -> None:
    assert IngestSettings.load(INGEST) == IngestSettings(
        secret_id="secret",
        messages_table="messages",
        retention=timedelta(days=400),
        msg91_base_url="https://control.msg91.com",
        defaults=Defaults(sender_id="", template_id="", route="4", country="0", dlt_template_id="", region=""),
        number_rules=NumberRules(),
        max_event_age=None,
        resend_unknown_after=None,
        max_recipients_per_request=50,
        console_enabled=False,
        reconciliation_enabled=True,
        guard_rails=None,
    )


def test_every_variable_of_the_ingest_function_is_read() -> None:
    environment = {
        **INGEST,
        "MSG91_BASE_URL": "https://api.msg91.com/",
        "DEFAULT_SENDER_ID": " MSGIND ",
        "DEFAULT_TEMPLATE_ID": "60b07c0ffee0000000000001",
        "DEFAULT_ROUTE": "1",
        "DEFAULT_COUNTRY": "91",
        "DEFAULT_DLT_TEMPLATE_ID": "1107161234567890123",
        "DEFAULT_REGION": " in ",
        "ALLOWED_COUNTRIES": "IN, ae",
        "ONLY_TO_NUMBERS": "+919800000001, 98000 00002",
        "RETENTION_DAYS": "7",
        "MAX_EVENT_AGE_HOURS": "24",
        "RESEND_UNKNOWN_AFTER_MINUTES": "30",
        "MAX_RECIPIENTS_PER_REQUEST": "100",
        "CONSOLE": "on",
        "RECONCILE_EVERY_MINUTES": "0",
        "GUARD_RAILS": "on",
        "RECIPIENTS_TABLE": "recipients",
        "MAX_SMS_PER_NUMBER_PER_HOUR": "5",
        "MAX_SMS_PER_NUMBER_PER_DAY": "50",
    }
    assert IngestSettings.load(environment) == IngestSettings(
        secret_id="secret",
        messages_table="messages",
        retention=timedelta(days=7),
        msg91_base_url="https://api.msg91.com",
        defaults=Defaults("MSGIND", "60b07c0ffee0000000000001", "1", "91", "1107161234567890123", "IN"),
        number_rules=NumberRules(frozenset({"IN", "AE"}), frozenset({"919800000001", "919800000002"})),
        max_event_age=timedelta(hours=24),
        resend_unknown_after=timedelta(minutes=30),
        max_recipients_per_request=100,
        console_enabled=True,
        reconciliation_enabled=False,
        guard_rails=GuardRailSettings("recipients", max_per_hour=5, max_per_day=50),
    )


def test_the_guard_rails_have_their_documented_defaults() -> None:
    settings = IngestSettings.load(INGEST | {"GUARD_RAILS": "on", "RECIPIENTS_TABLE": "recipients"})
    assert settings.guard_rails == GuardRailSettings("recipients", max_per_hour=20, max_per_day=0)


@pytest.mark.parametrize(
    ("variables", "named"),
    [
        ({"GUARD_RAILS": "yes"}, "GUARD_RAILS"),
        ({"GUARD_RAILS": "on"}, "RECIPIENTS_TABLE"),
        ({"GUARD_RAILS": "on", "RECIPIENTS_TABLE": ""}, "RECIPIENTS_TABLE"),
        ({"MAX_SMS_PER_NUMBER_PER_HOUR": "-1"}, "MAX_SMS_PER_NUMBER_PER_HOUR"),
        ({"MAX_SMS_PER_NUMBER_PER_DAY": "many"}, "MAX_SMS_PER_NUMBER_PER_DAY"),
    ],
)
def test_guard_rails_that_are_set_wrong_are_refused_by_name(variables: dict[str, str], named: str) -> None:
    with pytest.raises(SettingsError, match=named):
        IngestSettings.load(INGEST | variables)


@pytest.mark.parametrize(
    ("guard_rails", "on_blocked", "table"),
    [("on", "on", "recipients"), ("on", "off", None), ("off", "on", None), ("off", "off", None)],
)
def test_reports_opt_numbers_out_only_if_both_switches_are_on(
    guard_rails: str, on_blocked: str, table: str | None
) -> None:
    switches = {"GUARD_RAILS": guard_rails, "OPT_OUT_ON_BLOCKED": on_blocked, "RECIPIENTS_TABLE": "recipients"}
    assert ReportSettings.load(REPORTS | switches).opt_outs_table == table
    assert ReconciliationSettings.load(REPORTS | switches).opt_outs_table == table


@pytest.mark.parametrize(("variable", "named"), [("OPT_OUT_ON_BLOCKED", "maybe"), ("GUARD_RAILS", "maybe")])
def test_a_switch_of_reports_that_is_neither_on_nor_off_is_refused(variable: str, named: str) -> None:
    with pytest.raises(SettingsError, match=f"{variable}: must be on or off"):
        ReportSettings.load(REPORTS | {variable: named})


def test_every_variable_of_the_reconciliation_is_read() -> None:
    settings = ReconciliationSettings.load(
        {
            **REPORTS,
            "RETENTION_DAYS": "7",
            "MSG91_BASE_URL": "https://api.msg91.com/",
            "MSG91_UTC_OFFSET": "-03:00",
            "MSG91_LOGS_METHOD": "get",
            "REPORT_OVERDUE_MINUTES": "0",
            "REPORT_GIVEN_UP_HOURS": "0",
        }
    )
    assert (settings.secret_id, settings.messages_table, settings.reports_table) == ("secret", "messages", "reports")
    assert (settings.msg91_base_url, settings.logs_method) == ("https://api.msg91.com", "GET")
    assert settings.msg91_zone.utcoffset(None) == timedelta(hours=-3)
    assert (settings.retention, settings.overdue_after, settings.given_up_after) == (
        timedelta(days=7),
        *[timedelta()] * 2,
    )


def test_reconciliation_waits_an_hour_and_gives_up_after_forty_six() -> None:
    settings = ReconciliationSettings.load(REPORTS)
    assert (settings.overdue_after, settings.given_up_after) == (timedelta(hours=1), timedelta(hours=46))
    assert settings.logs_method == "POST"


def test_another_method_of_the_logs_is_refused() -> None:
    with pytest.raises(SettingsError, match="MSG91_LOGS_METHOD: must be POST or GET"):
        ReconciliationSettings.load(REPORTS | {"MSG91_LOGS_METHOD": "PUT"})


def test_every_variable_of_the_reports_function_is_read() -> None:
    settings = ReportSettings.load({**REPORTS, "RETENTION_DAYS": "7", "MSG91_UTC_OFFSET": "-03:00"})
    assert (settings.secret_id, settings.messages_table, settings.reports_table) == ("secret", "messages", "reports")
    assert (settings.redrive_queue_url, settings.quarantine_queue_url) == (
        "https://queue/redrive",
        "https://queue/quarantine",
    )
    assert settings.retention == timedelta(days=7)
    assert settings.msg91_zone.utcoffset(None) == timedelta(hours=-3)


def test_msg91_s_zone_is_india_s_unless_set() -> None:
    assert ReportSettings.load(REPORTS).msg91_zone.utcoffset(None) == timedelta(hours=5, minutes=30)


@pytest.mark.parametrize("name", CONSOLE)
def test_the_console_does_not_start_without_a_resource(name: str) -> None:
    with pytest.raises(SettingsError, match=name):
        ConsoleSettings.load(CONSOLE | {name: ""})


def test_the_console_counts_days_as_msg91_does_and_what_waits_unless_nothing_is_reconciled() -> None:
    settings = ConsoleSettings.load(CONSOLE)
    assert (settings.msg91_zone.utcoffset(None), settings.reconciliation_enabled) == (timedelta(minutes=330), True)
    assert not ConsoleSettings.load(CONSOLE | {"RECONCILE_EVERY_MINUTES": "0"}).reconciliation_enabled


@pytest.mark.parametrize("value", ["On", "true", "1"])
def test_a_switch_is_on_or_off(value: str) -> None:
    with pytest.raises(SettingsError, match="CONSOLE: must be on or off"):
        IngestSettings.load(INGEST | {"CONSOLE": value})


@pytest.mark.parametrize("name", INGEST)
@pytest.mark.parametrize("value", [None, "", "  "])
def test_the_ingest_function_does_not_start_without_a_resource(name: str, value: str | None) -> None:
    environment = {key: text for key, text in (INGEST | {name: value}).items() if text is not None}
    with pytest.raises(SettingsError, match=name):
        IngestSettings.load(environment)


@pytest.mark.parametrize("name", REPORTS)
def test_the_reports_function_does_not_start_without_a_resource(name: str) -> None:
    with pytest.raises(SettingsError, match=name):
        ReportSettings.load(REPORTS | {name: ""})


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("RETENTION_DAYS", "0"),
        ("RETENTION_DAYS", "forever"),
        ("RETENTION_DAYS", "\u0667"),  # a digit outside ASCII
        ("MAX_EVENT_AGE_HOURS", "-1"),
        ("MAX_EVENT_AGE_HOURS", "1.5"),
        ("RESEND_UNKNOWN_AFTER_MINUTES", "½"),
        ("MAX_RECIPIENTS_PER_REQUEST", "0"),
    ],
)
def test_a_number_out_of_range_is_refused_by_its_name(name: str, value: str) -> None:
    with pytest.raises(SettingsError, match=name):
        IngestSettings.load(INGEST | {name: value})


@pytest.mark.parametrize("value", ["UK", "91", "+91", "IND", "India", "001", "XX", "I"])
def test_a_region_that_is_no_country_is_refused_by_its_name(value: str) -> None:
    with pytest.raises(SettingsError, match=r"DEFAULT_REGION: must be the two letters of a country \(ISO 3166\)"):
        IngestSettings.load(INGEST | {"DEFAULT_REGION": value})


@pytest.mark.parametrize("value", ["UK", "IN,UK", "IN,", ",IN", "IN,,AE", ",", "IN;AE", "India", "91"])
def test_a_list_of_countries_with_one_that_is_none_is_refused_by_its_name(value: str) -> None:
    with pytest.raises(SettingsError, match="ALLOWED_COUNTRIES: must be countries of two letters"):
        IngestSettings.load(INGEST | {"ALLOWED_COUNTRIES": value})


@pytest.mark.parametrize(
    ("value", "place"),
    [
        ("12345", 1),
        ("919800000001,", 2),
        (",919800000001", 1),
        (",", 1),
        ("919800000001,919800000002 or 3", 2),
        ("919800000001;919800000002", 1),
    ],
)
def test_a_list_of_numbers_with_one_that_is_none_is_refused_by_its_place_and_not_quoted(value: str, place: int) -> None:
    with pytest.raises(SettingsError, match=f"ONLY_TO_NUMBERS: entry {place} is no phone number") as caught:
        IngestSettings.load(INGEST | {"ONLY_TO_NUMBERS": value})
    assert "98000" not in str(caught.value)


def test_a_number_on_the_test_list_has_its_country_code_unless_there_is_a_default_region() -> None:
    numbers = {"ONLY_TO_NUMBERS": "9800000001"}
    with_region = IngestSettings.load(INGEST | numbers | {"DEFAULT_REGION": "IN"})
    assert with_region.number_rules.only_to == {"919800000001"}
    assert IngestSettings.load(INGEST | numbers).number_rules.only_to == {"9800000001"}


def test_a_zone_that_is_none_is_refused_by_its_name() -> None:
    with pytest.raises(SettingsError, match="MSG91_UTC_OFFSET"):
        ReportSettings.load(REPORTS | {"MSG91_UTC_OFFSET": "IST"})


def test_lambda_is_known_by_its_runtime_api() -> None:
    assert in_lambda({"AWS_LAMBDA_RUNTIME_API": "127.0.0.1:9001"})
    assert not in_lambda({})


EVENTS = {"SECRET_ID": "secret", "DELIVERY_EVENTS_DEAD_LETTER_QUEUE_URL": "https://queue/dead"}


def test_delivery_events_go_to_segments_own_host_unless_another_is_named() -> None:
    standard = EventSettings("secret", "https://api.segment.io", "https://queue/dead")
    assert EventSettings.load(EVENTS) == standard
    europe = EventSettings.load(EVENTS | {"SEGMENT_TRACKING_URL": "https://events.eu1.segmentapis.com/"})
    assert europe.tracking_url == "https://events.eu1.segmentapis.com"


@pytest.mark.parametrize("name", EVENTS)
def test_the_events_function_needs_its_resources(name: str) -> None:
    with pytest.raises(SettingsError, match=name):
        EventSettings.load(EVENTS | {name: " "})


def test_the_secret_is_read() -> None:
    secrets = Secrets.parse(
        {
            "msg91_authkey": "authkey",
            "segment_shared_secret": "shared",
            "segment_token": TOKENS[0],
            "report_token": TOKENS[1],
            "segment_write_key": " write ",
            "console_token": TOKENS[2],
        }
    )
    assert secrets == Secrets("authkey", ("shared",), (TOKENS[0],), (TOKENS[1],), "write", (TOKENS[2],))


def test_a_rotated_credential_is_a_list_of_two() -> None:
    secrets = Secrets.parse(
        {"segment_shared_secret": ["new", "old"], "segment_token": TOKENS[:2], "report_token": TOKENS[2:]}
    )
    assert secrets == Secrets("", ("new", "old"), tuple(TOKENS[:2]), tuple(TOKENS[2:]))


@pytest.mark.parametrize("name", ["segment_token", "report_token", "console_token"])
def test_a_token_that_can_be_guessed_is_refused_and_named(name: str) -> None:
    secrets = Secrets.parse({name: ["x" * 23, TOKENS[0]]})
    assert {secrets.segment_tokens, secrets.report_tokens, secrets.console_tokens} == {(), (TOKENS[0],)}
    (reason,) = secrets.refused
    assert reason.startswith(f"{name}: shorter than 24 characters")


def test_a_signing_secret_and_an_authkey_may_be_short() -> None:
    secrets = Secrets.parse({"segment_shared_secret": "abc123", "msg91_authkey": "key"})
    assert (secrets.segment_shared_secrets, secrets.msg91_authkey, secrets.refused) == (("abc123",), "key", ())


@pytest.mark.parametrize("empty", [None, "", "   ", [], [""], ["", None], 0, {}, False])
def test_an_empty_credential_is_none_at_all(empty: object) -> None:
    names = (
        "msg91_authkey",
        "segment_shared_secret",
        "segment_token",
        "report_token",
        "segment_write_key",
        "console_token",
    )
    assert Secrets.parse(dict.fromkeys(names, empty)) == Secrets()


def test_an_empty_half_of_a_rotation_leaves_the_other() -> None:
    assert Secrets.parse({"segment_token": ["", TOKENS[0]]}).segment_tokens == (TOKENS[0],)


@pytest.mark.parametrize("value", [None, [], "authkey", 1])
def test_a_secret_that_is_no_json_object_is_unavailable(value: object) -> None:
    with pytest.raises(SecretUnavailableError):
        Secrets.parse(value)
