"""The recipients table: one item for each number that has opted out or was recently sent to.

Every write has a condition on what was read (`version`), and is repeated on what is there instead. A single SMS to a
number that has never opted out takes one write, which reads nothing: its condition is the cap.
"""

import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

from segment_msg91.recipient import Attempt, Cap, Change, Recipient, Refusal, Scope, milliseconds
from segment_msg91.store.aws import AWS_ERRORS, StoreUnavailableError, error_code, from_item
from segment_msg91.store.batch_reads import read_items
from segment_msg91.store.conditional_writes import (
    Blocked,
    ConditionalWrites,
    Failed,
    Update,
    WriteOutcome,
    Written,
)

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

# How often a change is tried on what another writer has left. Few writers meet, because a number that has reached its
# cap is written no more.
_MAX_ATTEMPTS: Final = 8
# Entries beyond the largest cap from which a write reads the item first, to drop those that are too old to count.
_SLACK: Final = 10


@dataclass(frozen=True, slots=True)
class Admission:
    """Which attempts may be sent: all but the refused ones, and those whose number could not be checked.

    By key: why a rule refuses an attempt, or the error because of which DynamoDB did not decide.
    """

    refused: dict[str, Refusal] = field(default_factory=dict)
    undecided: dict[str, str] = field(default_factory=dict)


class Recipients:
    """The recipients table."""

    def __init__(
        self,
        client: "DynamoDBClient",
        table: str,
        retention: timedelta,
        caps: Sequence[Cap] = (),
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._client = client
        self._table = table
        self._retention = retention
        self._caps = tuple(caps)
        self._writes = ConditionalWrites(client, table, sleep)

    def admit(self, attempts: Sequence[Attempt], now: datetime) -> Admission:
        """Decide whether attempts may be sent, and count those that may. One call for one, and few for many."""
        admission = Admission()
        by_phone = _by_phone(attempts)
        known: dict[str, Recipient] = {}
        if len(attempts) == 1 and self._caps:
            outcome = self._count(attempts[0], now)
            if isinstance(outcome, Written):
                return admission
            if isinstance(outcome, Failed):
                return Admission(undecided={attempts[0].crqid: outcome.code})
            known = {attempts[0].phone: Recipient.of(outcome.item)}

        def admitting(phone: str, recipient: Recipient) -> Recipient:
            admitted, refused = recipient.admitting(by_phone[phone], self._caps)
            for attempt in by_phone[phone]:
                admission.refused.pop(attempt.crqid, None)
            admission.refused.update(refused)
            return admitted

        for phone, code in self._change(by_phone, admitting, now, known).items():
            for attempt in by_phone[phone]:
                admission.refused.pop(attempt.crqid, None)
                admission.undecided[attempt.crqid] = code
        return admission

    def release(self, attempts: Sequence[Attempt], now: datetime) -> None:
        """Stop counting attempts of which nothing was sent. What fails stays counted, which is the safe side."""
        if not attempts or not self._caps:
            return
        by_phone = _by_phone(attempts)
        self._change(by_phone, lambda phone, recipient: recipient.without(by_phone[phone]), now)

    def record(self, changes: Sequence[Change], now: datetime) -> dict[str, str]:
        """Store opt-outs and opt-ins. Return the numbers whose changes are not stored, each with the error."""
        by_phone = _by_phone(changes)
        return self._change(by_phone, lambda phone, recipient: recipient.changed(by_phone[phone]), now)

    def find(self, phone: str) -> Recipient:
        """Return what is stored of a number. Raises StoreUnavailableError."""
        return self._read([phone])[phone]

    def opted_out(self) -> Iterator[tuple[str, Scope, Recipient]]:
        """Yield each opt-out in force, by reading the whole table. Raises StoreUnavailableError."""
        arguments: dict[str, Any] = {}
        while True:
            try:
                page = self._client.scan(TableName=self._table, **arguments)
            except AWS_ERRORS as error:
                raise StoreUnavailableError(error_code(error)) from error
            for item in map(from_item, page["Items"]):
                recipient = Recipient.of(item)
                for scope, consent in recipient.consents.items():
                    if consent.opted_out:
                        yield str(item["phone"]), scope, recipient
            if "LastEvaluatedKey" not in page:
                return
            arguments["ExclusiveStartKey"] = page["LastEvaluatedKey"]

    def _count(self, attempt: Attempt, now: datetime) -> WriteOutcome:
        """Count an attempt without reading. Condition: the number has no opt-outs, and no cap is reached."""
        update = Update("phone", attempt.phone)
        recent = update.name("recent")
        conditions = [f"attribute_not_exists({update.name(f'{scope}_since')})" for scope in Scope]
        for place, cap in enumerate(self._caps):
            oldest = f"{recent}[{cap.most - 1}]"
            since = update.value(f"since_{place}", milliseconds(attempt.at - cap.window))
            conditions.append(f"(attribute_not_exists({oldest}) OR {oldest} < {since})")
        longest = max(cap.most for cap in self._caps) + _SLACK
        conditions.append(f"attribute_not_exists({recent}[{longest}])")
        # The SDK may repeat a write whose answer was lost.
        conditions.append(f"NOT contains({recent}, {update.value('entry', attempt.entry)})")
        update.condition(" AND ".join(conditions))
        update.prepend("recent", attempt.entry)
        update.count("version")
        update.set({"expires_at": Recipient().attributes(now, self._retention)["expires_at"]})
        try:
            return self._writes.write(update)
        except StoreUnavailableError as error:
            return Failed(str(error))

    def _change(
        self,
        phones: Iterable[str],
        change: Callable[[str, Recipient], Recipient],
        now: datetime,
        known: Mapping[str, Recipient] | None = None,
    ) -> dict[str, str]:
        """Write what a function makes of each number; return the numbers for which that failed, each with the error.

        The function is called again if another writer was faster. What it returned last is what is stored.
        """
        left = list(phones)
        try:
            current = dict(known) if known else self._read(left)
        except StoreUnavailableError as error:
            return dict.fromkeys(left, str(error))
        failed: dict[str, str] = {}
        for _ in range(_MAX_ATTEMPTS):
            changed = {phone: change(phone, current[phone]) for phone in left}
            updates = [
                self._replacing(phone, current[phone], after, now)
                for phone, after in changed.items()
                if after is not current[phone]
            ]
            outcomes = self._writes.write_all(updates) if updates else {}
            failed |= {phone: outcome.code for phone, outcome in outcomes.items() if isinstance(outcome, Failed)}
            blocked = {phone: outcome for phone, outcome in outcomes.items() if isinstance(outcome, Blocked)}
            current |= {phone: Recipient.of(outcome.item) for phone, outcome in blocked.items()}
            left = list(blocked)
            if not left:
                return failed
        return failed | dict.fromkeys(left, "the number changed during each of several attempts")

    def _replacing(self, phone: str, before: Recipient, after: Recipient, now: datetime) -> Update:
        """Write a number. Condition: it is as it was read."""
        update = Update("phone", phone)
        version = update.name("version")
        if before.version:
            update.condition(f"{version} = {update.value('read', before.version)}")
        else:
            update.condition(f"attribute_not_exists({version})")
        attributes = after.attributes(now, self._retention)
        update.set(attributes, remove_absent=attributes)
        return update

    def _read(self, phones: Sequence[str]) -> dict[str, Recipient]:
        """Read numbers; one that is not stored is empty. Raises StoreUnavailableError."""
        keys = [{"phone": {"S": phone}} for phone in phones]
        items = read_items(self._client, self._table, keys, is_consistent=True)
        found = {str(item["phone"]): item for item in items}
        return {phone: Recipient.of(found.get(phone, {})) for phone in phones}


def _by_phone[Subject: (Attempt, Change)](subjects: Sequence[Subject]) -> dict[str, list[Subject]]:
    grouped: dict[str, list[Subject]] = defaultdict(list)
    for subject in subjects:
        grouped[subject.phone].append(subject)
    return grouped
