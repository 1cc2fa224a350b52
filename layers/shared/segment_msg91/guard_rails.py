"""Guard rails: what must not be sent to a number, because the person has opted out or a cap is reached.

Only the functions of a stack with GuardRails=on import this module.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Final

from segment_msg91 import mapping
from segment_msg91.mapping import Invalid, Skipped, Sms, Unrecorded
from segment_msg91.msg91.failures import Category
from segment_msg91.recipient import Attempt, Change, Scope, Source, caps
from segment_msg91.segment import opt_outs
from segment_msg91.segment.opt_outs import OptOuts
from segment_msg91.settings import GuardRailSettings, IngestSettings
from segment_msg91.store.aws import StoreUnavailableError
from segment_msg91.store.recipients import Admission, Recipients
from segment_msg91.times import parse_instant

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

    from segment_msg91.msg91.reports import DeliveryReport
    from segment_msg91.store.messages import Claimed

# Why a report opts its number out: the person, or MSG91 on the person's behalf, wants no SMS.
_OPTING_OUT: Final = frozenset({Category.OPT_OUT, Category.BLOCKED})


class GuardRails:
    """The guard rails of sending."""

    def __init__(self, dynamodb: "DynamoDBClient", settings: IngestSettings, own: GuardRailSettings) -> None:
        limits = caps(own.max_per_hour, own.max_per_day)
        self._recipients = Recipients(dynamodb, own.recipients_table, settings.retention, limits)
        self._region = settings.defaults.region
        # A message may then be sent twice, and counts twice.
        self._resends = settings.resend_unknown_after is not None

    def record[Mapped](
        self, events: Sequence[object], mapped: Sequence[Mapped], now: datetime, mapping_name: str | None
    ) -> list[Mapped | Skipped | Invalid | Unrecorded]:
        """Store the opt-outs and opt-ins of events. Return what events were mapped to, or what these become instead.

        An event whose change is not stored must be delivered again, and sends nothing before.
        """
        found = [opt_outs.read(event, self._region, now, mapping_name) for event in events]
        changes = [change for one in found if one for change in one.changes]
        failed = self._recipients.record(changes, now) if changes else {}
        return [self._answer(one, before, failed) if one else before for one, before in zip(found, mapped, strict=True)]

    def admit(self, claimed: Sequence[tuple[Sms, "Claimed"]], now: datetime) -> Admission:
        """Decide which claimed messages may be sent, and count them."""
        return self._recipients.admit(self._attempts(claimed, now), now)

    def release(self, claimed: Sequence[tuple[Sms, "Claimed"]], claimed_at: datetime, now: datetime) -> None:
        """Stop counting admitted messages of which nothing was sent. `claimed_at`: the time they were admitted at."""
        self._recipients.release(self._attempts(claimed, claimed_at), now)

    def _attempts(self, claimed: Sequence[tuple[Sms, "Claimed"]], at: datetime) -> list[Attempt]:
        return [
            Attempt(sms.phone, sms.crqid, claim.claim_id, at, sms.is_promotional, self._resends)
            for sms, claim in claimed
        ]

    def _answer[Mapped](
        self, found: OptOuts, before: Mapped, failed: dict[str, str]
    ) -> Mapped | Skipped | Invalid | Unrecorded:
        errors = [failed[change.phone] for change in found.changes if change.phone in failed]
        if errors:
            return Unrecorded(f"the database did not take the opt-out or opt-in ({errors[0]})", found.origin)
        if found.problem:
            if isinstance(before, Invalid) and before.crqid is None:
                return before  # its messageId is none that a message can have
            return Invalid(found.problem, found.origin, mapping.key_of(found.origin, None))
        if found.sends_no_sms or isinstance(before, Skipped):
            return Skipped("; ".join(map(_recorded, found.changes)), found.origin)
        return before


class ReportedOptOuts:
    """Opts out the numbers of delivery reports that say so (OptOutOnBlocked)."""

    def __init__(self, dynamodb: "DynamoDBClient", table: str, retention: timedelta) -> None:
        self._recipients = Recipients(dynamodb, table, retention)

    def record(self, report: "DeliveryReport", phone: str | None, received_at: datetime) -> None:
        """Opt out the number of a report, if its category says so. Raises StoreUnavailableError."""
        if report.failure_category not in _OPTING_OUT or phone is None:
            return
        at = min(parse_instant(report.reported_at or "") or received_at, received_at)
        reason = report.description or report.failure_reason
        change = Change(phone, opts_out=True, scope=Scope.ALL, at=at, source=Source.DELIVERY_REPORT, reason=reason)
        if failed := self._recipients.record([change], received_at):
            raise StoreUnavailableError(failed[phone])


def _recorded(change: Change) -> str:
    return f"opted {'out of' if change.opts_out else 'in to'} {change.scope} SMS: recorded"
