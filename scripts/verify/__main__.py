"""Check a deployed stack from outside, with a remedy for each failure. `make verify STACK=segment-msg91`.

Uses the AWS CLI's credentials. Exit code: 0 if nothing failed, 1 if something did, 2 if the stack could not be checked.
Prints no credential and no number. docs/operations.md says which permissions it needs and what it leaves.
"""

import argparse
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from typing import Final

import boto3
import httpx
from botocore.exceptions import BotoCoreError, ClientError

from scripts.stack import CommandError, exit_code, find, new_session
from scripts.verify import console, deployment, ingest, messages, monitoring, msg91, reports, sms
from scripts.verify.gateway import NotStartedError
from scripts.verify.results import Result, Status, Table, failed, skipped
from scripts.verify.target import HTTP_TIMEOUT, MissingError, Sms, Target, load
from segment_msg91.fields import phone_digits

TIMEOUT: Final = 180.0
TEXT: Final = "A test of segment-msg91: this deployment sends SMS."
_CREDENTIALS: Final = (
    "ExpiredToken",
    "ExpiredTokenException",
    "InvalidClientTokenId",
    "UnrecognizedClientException",
    "AccessDenied",
    "AccessDeniedException",
    "SignatureDoesNotMatch",
    "AuthFailure",
)


@dataclass(frozen=True, slots=True)
class Check:
    """A check by its name. It is skipped unless the earlier checks in `needs` are ok.

    `left`: what may be left in the stack if the check cannot delete it, and how a person does.
    """

    name: str
    run: Callable[[Target], Result]
    needs: tuple[str, ...] = ()
    left: Callable[[Target], str] = lambda _: ""


CHECKS: Final = (
    Check("stack complete", deployment.stack_is_complete),
    Check("outputs complete", deployment.outputs_are_complete),
    Check("secret complete", deployment.secret_is_complete),
    # Before the probes, which may set QuarantineAlarm off.
    Check("alarms", monitoring.alarms_exist),
    Check("Segment: wrong token refused", ingest.wrong_token_is_refused),
    Check("Segment: wrong signature refused", ingest.wrong_signature_is_refused),
    Check("Segment: unsigned batch refused", ingest.unsigned_batch_is_refused),
    Check("Segment: half-signed batch refused", ingest.partly_signed_batch_is_refused),
    Check("Segment: signed event skipped", ingest.signed_event_is_skipped),
    Check("Segment: event with token skipped", ingest.event_with_token_is_skipped),
    Check("Segment: malformed body named", ingest.malformed_body_is_named),
    Check(
        "Segment: invalid event recorded",
        messages.invalid_event_is_recorded,
        needs=("Segment: signed event skipped",),
        left=messages.left_message,
    ),
    Check("reports: wrong token refused", reports.wrong_token_is_refused),
    Check("report stored", reports.report_is_stored),
    Check("report known the second time", reports.report_is_known, needs=("report stored",)),
    Check("report in the table", reports.report_is_found, needs=("report stored",)),
    Check("report deleted", reports.report_is_deleted, left=reports.left_report),
    Check("unreadable report quarantined", reports.unreadable_report_is_kept),
    Check(
        "unreadable report taken out",
        reports.unreadable_report_is_taken_out,
        needs=("unreadable report quarantined",),
        left=reports.left_body,
    ),
    Check(
        "metric SmsSkipped arrives",
        partial(monitoring.metric_arrives, "SmsSkipped"),
        needs=("Segment: signed event skipped",),
    ),
    Check("metric ReportStored arrives", partial(monitoring.metric_arrives, "ReportStored"), needs=("report stored",)),
    Check("log groups", monitoring.log_groups_have_retention),
    Check("console locked", console.console_is_locked),
    Check("console opens to its token", console.console_opens),
    Check("authkey valid at MSG91", msg91.authkey_is_valid),
    Check("one real SMS", sms.sms_is_delivered, needs=("Segment: signed event skipped",)),
)
_CLEAN_UPS: Final[tuple[tuple[Callable[[Target], object], Callable[[Target], str]], ...]] = (
    (reports.delete, reports.left_report),
    (partial(reports.take_out, within=0), reports.left_body),
    (messages.delete, messages.left_message),
)
"""Each deletes something that a run has stored, and says what may be left if that fails."""
_IN_PROGRESS: Final = 2.0
"""Seconds after which what was being sent when a run was stopped is stored."""
_ALARMED: Final = (
    "These probes were counted: about ten requests answered 401, one malformed body, one invalid event, one "
    "quarantined body. QuarantineAlarm may go off once and recover; three runs in three hours set off the alarms for "
    "refused requests and failed sends as well."
)


def main(arguments: list[str] | None = None, session: boto3.Session | None = None) -> int:
    """Check the stack that the arguments name. Return the exit code."""
    return exit_code(partial(_verify, _parse(arguments), session))


def _verify(options: argparse.Namespace, session: boto3.Session | None) -> int:
    real_sms = _sms(options)
    with httpx.Client(timeout=HTTP_TIMEOUT) as http:
        target = load(
            find(session or new_session(), options.stack),
            http,
            sms=real_sms,
            timeout=options.timeout,
            progress=lambda text: print(text, file=sys.stderr, flush=True),
        )
        return _run(target, real_sms)


def _parse(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="make verify", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--stack", default="", help="the stack's name, such as segment-msg91 (STACK=)")
    parser.add_argument("--to", default="", help="your number: gets one real SMS (TO=)")
    parser.add_argument("--text", default=TEXT, help="its text; in India that of a DLT template (TEXT=)")
    parser.add_argument("--sender", default="", help="its sender id, if the stack has no default (SENDER=)")
    parser.add_argument(
        "--timeout", type=float, default=TIMEOUT, help="seconds to wait for metrics and reports (TIMEOUT=180)"
    )
    return parser.parse_args(arguments)


def _sms(options: argparse.Namespace) -> Sms | None:
    if not options.to:
        return None
    number = phone_digits(options.to)
    if not number:
        raise CommandError("TO= is no phone number: 7 to 15 digits, with the country code.")
    return Sms(number, options.text, options.sender)


def _run(target: Target, real_sms: Sms | None) -> int:
    credentials = [value for values in target.secret.members.values() for value in values]
    table = Table([*credentials, *([real_sms.to] if real_sms else [])])
    table.say(f"Stack {target.stack} in {target.region}. What is sent now has ids that begin with {target.marker}.\n")
    table.head()
    results: dict[str, Result] = {}
    try:
        for check in CHECKS:
            results[check.name] = _result(check, target, results)
            table.row(check.name, results[check.name])
    except KeyboardInterrupt:
        table.say("\nStopping: what this run has stored is deleted first.")
        table.say(" ".join(["Stopped.", *_clean_up(target)]))
        return 1
    table.say(f"\n{_summary(results)} {_ALARMED}")
    return 1 if any(result.status is Status.FAILED for result in results.values()) else 0


def _result(check: Check, target: Target, earlier: dict[str, Result]) -> Result:
    if missing := [name for name in check.needs if earlier[name].status is not Status.OK]:
        return skipped(f"It needs these checks to be ok first: {', '.join(missing)}.")
    try:
        return check.run(target)
    except Exception as error:  # noqa: BLE001 - the other checks still run, and delete what this run has stored
        explained = _explained(error)
        return replace(explained, remedy=f"{explained.remedy} {check.left(target)}".strip())


def _explained(error: Exception) -> Result:
    """Say what an error of a check means. Never quotes its text, which may have a credential in it."""
    match error:
        case MissingError():
            return skipped(f"It needs {error}, which is missing.")
        case NotStartedError():
            return error.result
        case httpx.HTTPError():
            return failed(
                f"The stack's URL does not answer ({type(error).__name__}).",
                "Check this machine's network, and that the API of the stack still exists.",
            )
        case ClientError():
            code = error.response["Error"]["Code"]
            what = f"{error.operation_name}: {code}"
            if code in _CREDENTIALS:
                return failed(
                    f"AWS does not let you do this ({what}).",
                    "Use credentials with the permissions of docs/operations.md#verify-a-deployment.",
                )
            return failed(
                f"AWS refuses {what}.", "If it no longer exists, deploy again; otherwise try again in some minutes."
            )
        case BotoCoreError():
            return failed(f"AWS does not answer ({type(error).__name__}).", "Try again in some minutes.")
        case _:
            return failed(
                f"The check ended with an unexpected error ({type(error).__name__}).",
                "A credential or a URL may be malformed: first repair what else failed. If nothing else did, this is a "
                "defect of make verify; report it with the type of the error.",
            )


def _clean_up(target: Target) -> list[str]:
    """Delete what an interrupted run has stored. Return what may be left."""
    time.sleep(_IN_PROGRESS)
    left = []
    for delete, what_is_left in _CLEAN_UPS:
        try:
            delete(target)
        except Exception:  # noqa: BLE001 - each of them is tried; an output may be missing, or AWS may refuse
            left.append(what_is_left(target))
    return left


def _summary(results: dict[str, Result]) -> str:
    counts = {status: sum(result.status is status for result in results.values()) for status in Status}
    counted = [f"{count} {status}" for status, count in counts.items() if count]
    return f"{', '.join(counted)}."


if __name__ == "__main__":
    sys.exit(main())
