"""Delete what the tables hold about one person: the messages to a phone number, their delivery reports, and its counts.

An opt-out stays, with its number and without its reason, because without it the person would get SMS again. Not as a
digest: there are so few numbers that a digest is found by trying all. --opt-out deletes it as well.

It prompts for the number, because the shell and other users of the machine can see arguments, and prints only its last
two digits. Without --delete it only counts. docs/operations.md says what else to do.
"""

import argparse
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from scripts.stack import exit_code, find, new_session
from segment_msg91.fields import phone_digits
from segment_msg91.phone_numbers import read_number

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

type Item = dict[str, Any]  # in DynamoDB's wire form

_SHOWN_DIGITS: Final = 2


@dataclass(frozen=True, slots=True)
class Tables:
    """The names of a stack's tables."""

    messages: str
    reports: str
    recipients: str | None = None
    """None without guard rails."""

    @classmethod
    def of(cls, outputs: Mapping[str, str]) -> "Tables":
        """Take them from a stack's outputs."""
        return cls(outputs["MessagesTableName"], outputs["ReportsTableName"], outputs.get("RecipientsTableName"))


@dataclass(slots=True)
class Found:
    """The keys of all items about a number, each once."""

    messages: dict[str, Item] = field(default_factory=dict)
    reports: dict[tuple[str, str], Item] = field(default_factory=dict)
    recipients: dict[str, Item] = field(default_factory=dict)
    opt_outs: int = 0
    unlinked_reports: int = 0  # messages that may have a report that no index leads to

    def add(self, report: Mapping[str, Any]) -> None:
        """Note a report."""
        group, report_id = report["report_group"], report["report_id"]
        self.reports[group["S"], report_id["S"]] = {"report_group": group, "report_id": report_id}


class Person:
    """What the tables hold about the person with a phone number."""

    def __init__(self, dynamodb: "DynamoDBClient", tables: Tables, phone: str, region: str = "") -> None:
        """`region`: the country of a number without a country code, as the stack completes it."""
        self._dynamodb = dynamodb
        self._tables = tables
        # Messages and reports have the digits; an invalid event has the number as it was given.
        self._phones = dict.fromkeys((read_number(phone, region) or phone, phone_digits(phone) or phone, phone))

    def find(self, *, scan: bool = False) -> Found:
        """Find messages and reports by the indexes.

        A message's reports have MSG91's request id or the message's key as their group. No index leads to one kind of
        report: its group is a request id that is not stored, because the answer to a send was lost.
        `scan` reads the whole reports table for those.
        """
        found = Found()
        for phone in self._phones:
            for message in self._messages(phone):
                self._find_reports_of(message, phone, found)
            for report in self._query(self._tables.reports, "unmatched_phone", phone, "unmatched_by_phone"):
                found.add(report)
            if scan:
                for report in self._scan_reports(phone):
                    found.add(report)
            self._find_recipient(phone, found)
        return replace(found, unlinked_reports=0) if scan else found

    def delete(self, found: Found, *, opt_out: bool = False) -> None:
        """Delete reports first: messages lead to them, so a second run finds what an interrupted run left.

        Of a number that has opted out or in, counts and reasons only, unless `opt_out`.
        """
        for key in found.reports.values():
            self._dynamodb.delete_item(TableName=self._tables.reports, Key=key)
        for key in found.messages.values():
            self._dynamodb.delete_item(TableName=self._tables.messages, Key=key)
        for item in found.recipients.values():
            self._forget_recipient(item, opt_out=opt_out)

    def _find_recipient(self, phone: str, found: Found) -> None:
        if self._tables.recipients is None:
            return
        key = {"phone": {"S": phone}}
        response = self._dynamodb.get_item(TableName=self._tables.recipients, Key=key, ConsistentRead=True)
        if item := response.get("Item"):
            found.recipients[phone] = item
            found.opt_outs += any(name.endswith("_since") for name in item)

    def _forget_recipient(self, item: Item, *, opt_out: bool) -> None:
        table, key = str(self._tables.recipients), {"phone": item["phone"]}
        if opt_out or not any(name.endswith("_since") for name in item):
            self._dynamodb.delete_item(TableName=table, Key=key)
            return
        self._dynamodb.update_item(
            TableName=table,
            Key=key,
            # The version changes, so that a sender that has read the item does not write it back.
            UpdateExpression="SET version = version + :one REMOVE recent, all_reason, promotional_reason",
            ConditionExpression="attribute_exists(version)",
            ExpressionAttributeValues={":one": {"N": "1"}},
        )

    def _messages(self, phone: str) -> Iterator[Item]:
        for indexed in self._query(self._tables.messages, "phone", phone, "by_phone"):
            key = {"crqid": indexed["crqid"]}
            response = self._dynamodb.get_item(TableName=self._tables.messages, Key=key, ConsistentRead=True)
            yield response.get("Item", key)

    def _find_reports_of(self, message: Item, phone: str, found: Found) -> None:
        crqid = message["crqid"]["S"]
        found.messages[crqid] = {"crqid": message["crqid"]}
        groups = {message[name]["S"] for name in ("crqid", "request_id") if name in message}
        reports = [report for group in groups for report in self._query(self._tables.reports, "report_group", group)]
        # The group also has reports of the request's other recipients. Reports of v4 have no number: they belong to
        # this message if they refer to its key.
        own = [
            report
            for report in reports
            if (report["phone"]["S"] == phone if "phone" in report else crqid in _references(report))
        ]
        for report in own:
            found.add(report)
        # The message has the request id of its last attempt; MSG91 may report on an earlier one.
        was_repeated = int(message.get("attempts", {}).get("N", 1)) > 1
        found.unlinked_reports += was_repeated or ("delivery_status" in message and not own)

    def _query(self, table: str, name: str, value: str, index: str | None = None) -> Iterator[Item]:
        arguments: dict[str, Any] = {
            "TableName": table,
            "KeyConditionExpression": f"{name} = :value",
            "ExpressionAttributeValues": {":value": {"S": value}},
        }
        if index:
            arguments["IndexName"] = index
        for page in self._dynamodb.get_paginator("query").paginate(**arguments):
            yield from page["Items"]

    def _scan_reports(self, phone: str) -> Iterator[Item]:
        pages = self._dynamodb.get_paginator("scan").paginate(
            TableName=self._tables.reports,
            FilterExpression="phone = :phone",
            ProjectionExpression="report_group, report_id",
            ExpressionAttributeValues={":phone": {"S": phone}},
        )
        for page in pages:
            yield from page["Items"]


def masked(phone: str) -> str:
    """Return a number with only its last two digits: `••••••••••01`."""
    return "•" * max(0, len(phone) - _SHOWN_DIGITS) + phone[-_SHOWN_DIGITS:]


def summary(phone: str, found: Found, *, deleted: bool, opt_out: bool = False) -> str:
    """Return what was found, whether it was deleted, and what to do next."""
    counted = f"{_counted(len(found.messages), 'message')}, {_counted(len(found.reports), 'report')}"
    lines = [f"{masked(phone)}: {counted}.", "Deleted." if deleted else "Nothing was deleted: run again with DELETE=1."]
    if not (found.messages or found.reports or found.recipients):
        lines = [f"{masked(phone)}: nothing is stored. Was it with its country code, as in 918818888758?"]
    if found.opt_outs and not opt_out:
        lines.append("The opt-out stays, without its reason, so that no SMS is sent again (OPT_OUT=1 deletes it).")
    if found.unlinked_reports:
        messages = _counted(found.unlinked_reports, "message")
        lines.append(f"No index leads to all reports that {messages} may have: run again with SCAN=1.")
    return "\n".join(lines)


def _references(report: Item) -> set[str]:
    return {report[name]["S"] for name in ("report_group", "matched", "crqid") if name in report}


def _counted(count: int, thing: str) -> str:
    return f"{count} {thing}{'' if count == 1 else 's'}"


def main(arguments: list[str] | None = None) -> int:
    """Prompt for a number; count or delete what is stored about it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--stack", required=True, help="the stack's name, such as segment-msg91")
    parser.add_argument(
        "--scan", action="store_true", help="also read the whole reports table; the cost grows with its size"
    )
    parser.add_argument("--delete", action="store_true", help="delete what is found; without it, only count")
    parser.add_argument(
        "--opt-out", action="store_true", help="delete the opt-out as well; then SMS are sent to the number again"
    )
    return exit_code(partial(_forget, parser.parse_args(arguments)))


def _forget(options: argparse.Namespace) -> int:
    stack = find(new_session(), options.stack)
    print(f"Stack {stack.name} in {stack.session.region_name}.", file=sys.stderr)
    print("Phone number, with its country code: ", end="", file=sys.stderr, flush=True)
    phone = sys.stdin.readline().strip()
    if not phone:
        print("No number, nothing done.", file=sys.stderr)
        return 2
    person = Person(stack.session.client("dynamodb"), Tables.of(stack.outputs), phone, stack.region_of_numbers)
    found = person.find(scan=options.scan)
    if options.delete:
        person.delete(found, opt_out=options.opt_out)
    print(summary(phone, found, deleted=options.delete, opt_out=options.opt_out))
    return 0


if __name__ == "__main__":
    sys.exit(main())
