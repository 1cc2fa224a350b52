"""Add, remove, show, list or import the opt-outs of a stack with GuardRails=on.

`add`, `remove` and `show` prompt for one number, because the shell and other users of the machine can see arguments.
`list` prints only the last two digits of each number, unless --numbers is given. `import` reads a CSV file whose first
line names its columns: `phone`, and optionally `scope` (all, promotional), `reason`, `at` (ISO 8601) and `status`
(opted_out, opted_in). It stores each line or says why not, and may be run again. docs/operations.md has the details.
"""

import argparse
import csv
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Final

from scripts.forget import masked
from scripts.stack import CommandError, Stack, exit_code, find, new_session
from segment_msg91.phone_numbers import is_region, read_number
from segment_msg91.recipient import Change, Scope, Source
from segment_msg91.store.aws import StoreUnavailableError
from segment_msg91.store.recipients import Recipients
from segment_msg91.times import instant, parse_instant

_PER_CALL: Final = 500
_STATUSES: Final = {"": True, "opted_out": True, "opted_in": False}
_RETENTION: Final = timedelta(days=400)


class _BadLineError(ValueError):
    """A line of the file cannot be imported. The text quotes no number."""


def change_of(row: dict[str, str | None], region: str, now: datetime) -> Change:
    """Read a line of a CSV file. Raises _BadLineError."""
    values = {str(name).strip().lower(): (value or "").strip() for name, value in row.items()}
    phone = read_number(values.get("phone"), region)
    if phone is None:
        raise _BadLineError("phone: no phone number; give it with its country code")
    scope = values.get("scope") or Scope.ALL
    if scope not in list(Scope):
        raise _BadLineError("scope: must be all or promotional")
    if (status := values.get("status", "")) not in _STATUSES:
        raise _BadLineError("status: must be opted_out or opted_in")
    at = parse_instant(values["at"]) if values.get("at") else now
    if at is None or at > now:
        raise _BadLineError("at: must be a time in the past, as in 2026-01-02T03:04:05Z")
    return Change(phone, _STATUSES[status], Scope(scope), at, Source.OPERATOR, values.get("reason") or None)


def import_file(path: Path, recipients: Recipients, region: str, now: datetime) -> Iterator[str]:
    """Store the lines of a file; yield what went wrong, and at the end what was stored."""
    changes: list[tuple[int, Change]] = []
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            rows = csv.DictReader(file)
            if "phone" not in [(name or "").strip().lower() for name in rows.fieldnames or ()]:
                yield "The first line must name the columns, and one of them must be `phone`. Nothing was stored."
                return
            for row in rows:
                try:
                    changes.append((rows.line_num, change_of(row, region, now)))
                except _BadLineError as error:
                    yield f"line {rows.line_num}: {error}"
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        yield f"{path} cannot be read ({type(error).__name__}): give a CSV file in UTF-8. Nothing was stored."
        return
    stored = 0
    for start in range(0, len(changes), _PER_CALL):
        part = changes[start : start + _PER_CALL]
        failed = recipients.record([change for _, change in part], now)
        for line, change in part:
            if change.phone in failed:
                yield f"line {line}: not stored ({failed[change.phone]}); run the import again"
            else:
                stored += 1
    yield f"Stored: {stored}."


def listed(recipients: Recipients, *, numbers: bool) -> Iterator[str]:
    """Yield each opt-out in force, one a line, separated by tabs."""
    for phone, scope, recipient in recipients.opted_out():
        consent = recipient.consents[scope]
        yield "\t".join(
            (phone if numbers else masked(phone), scope, consent.since, consent.source, consent.reason or "")
        )


def shown(phone: str, recipients: Recipients) -> Iterator[str]:
    """Yield what is stored of a number."""
    recipient = recipients.find(phone)
    for scope, consent in recipient.consents.items():
        state = "opted out of" if consent.opted_out else "opted in to"
        reason = f": {consent.reason}" if consent.reason else ""
        yield f"{masked(phone)}: {state} {scope} SMS since {consent.since} ({consent.source}){reason}"
    if not recipient.consents:
        yield f"{masked(phone)}: neither opted out nor in."


def main(arguments: list[str] | None = None) -> int:
    """Run a command; return 0 if all that was asked for is done."""
    options = _parser().parse_args(arguments)
    if options.region and not is_region(options.region):
        print("--region: must be the two letters of a country, as in IN", file=sys.stderr)
        return 2
    try:
        return exit_code(partial(_run, options))
    except StoreUnavailableError as error:
        print(f"DynamoDB did not answer: {error}. Run it again.", file=sys.stderr)
        return 1


def _run(options: argparse.Namespace) -> int:
    stack = find(new_session(), options.stack)
    recipients = _recipients(stack)
    region = options.region or stack.region_of_numbers
    now = datetime.now(UTC)
    if options.command == "list":
        for line in listed(recipients, numbers=options.numbers):
            print(line)
        return 0
    if options.command == "import":
        lines = list(import_file(options.file, recipients, region, now))
        print("\n".join(lines))
        return 0 if len(lines) == 1 and lines[0].startswith("Stored") else 1
    phone = _typed_number(region)
    if phone is None:
        return 2
    if options.command == "show":
        print("\n".join(shown(phone, recipients)))
        return 0
    opts_out = options.command == "add"
    change = Change(phone, opts_out, Scope(options.scope), now, Source.OPERATOR, options.reason)
    if failed := recipients.record([change], now):
        print(f"Not stored ({failed[phone]}). Run it again.", file=sys.stderr)
        return 1
    state = "opted out of" if opts_out else "opted in to"
    print(f"{masked(phone)}: {state} {options.scope} SMS since {instant(now)}.")
    return 0


def _typed_number(region: str) -> str | None:
    print("Phone number, with its country code: ", end="", file=sys.stderr, flush=True)
    phone = read_number(sys.stdin.readline().strip(), region)
    if phone is None:
        print("That is no phone number: give 7 to 15 digits with the country code. Nothing done.", file=sys.stderr)
    return phone


def _recipients(stack: Stack) -> Recipients:
    if "RecipientsTableName" not in stack.outputs:
        raise CommandError("The stack has no table of opt-outs: deploy it with GuardRails=on first.")
    print(f"Stack {stack.name} in {stack.session.region_name}.", file=sys.stderr)
    days = stack.parameters.get("RetentionDays")
    retention = timedelta(days=int(days)) if days else _RETENTION
    return Recipients(stack.session.client("dynamodb"), stack.outputs["RecipientsTableName"], retention)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--stack", required=True, help="the stack's name, such as segment-msg91")
    parser.add_argument(
        "--region", default="", help="country of numbers without a country code, such as IN; default: DefaultRegion"
    )
    commands = parser.add_subparsers(dest="command", required=True)
    for name, words in (("add", "opt a number out"), ("remove", "opt a number in again")):
        command = commands.add_parser(name, help=words)
        command.add_argument("--scope", choices=list(Scope), default=str(Scope.ALL), help="which SMS; all by default")
        command.add_argument("--reason", help="a note for people, such as a ticket")
    commands.add_parser("show", help="show what is stored of a number")
    command = commands.add_parser("list", help="list the opt-outs in force; the cost grows with their number")
    command.add_argument("--numbers", action="store_true", help="with whole numbers")
    command = commands.add_parser("import", help="import a CSV file")
    command.add_argument("file", type=Path, help="the file")
    return parser


if __name__ == "__main__":
    sys.exit(main())
