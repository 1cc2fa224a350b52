"""Messages counted by event, template and sender, for each quarter of a day. Pure."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from typing import Any, Final

from segment_msg91.message_view import View, event_shown
from segment_msg91.outcomes import SENT, Outcome, outcome_of
from segment_msg91.times import instant

BAR: Final = timedelta(hours=6)
BARS_OF_A_DAY: Final = 4
# What is read of a message. `phone` is for masking it in the event's name.
COUNTED: Final = (
    *("crqid", "created_at", "event_name", "event_type", "phone", "template_id", "sender_id"),
    *("send_state", "delivery_status", "concluded_at"),
)

type _Group = tuple[str | None, str | None, str | None]


def bars_of(messages: Iterable[Mapping[str, Any]], day_begins: datetime) -> list[View]:
    """Return the four bars of a day, each with its messages counted in groups, the largest first.

    `read` are all messages of a bar; the groups have only those that were sent, or may have been.
    """
    starts = [instant(day_begins + BAR * number) for number in range(BARS_OF_A_DAY)]
    read: Counter[str] = Counter()
    groups: dict[str, dict[_Group, Counter[Outcome]]] = {start: defaultdict(Counter) for start in starts}
    for message in messages:
        start = max(one for one in starts if one <= message["created_at"])
        read[start] += 1
        outcome = outcome_of(message)
        if outcome in SENT:
            groups[start][_group_of(message)][outcome] += 1
    return [{"from": start, "read": read[start], "groups": _largest_first(groups[start])} for start in starts]


def _group_of(message: Mapping[str, Any]) -> _Group:
    return event_shown(message), message.get("template_id"), message.get("sender_id")


def _largest_first(groups: Mapping[_Group, Counter[Outcome]]) -> list[View]:
    views = [
        {
            **dict(zip(("event", "template_id", "sender_id"), group, strict=True)),
            "sent": counts.total(),
            **{str(outcome): counts[outcome] for outcome in SENT},
        }
        for group, counts in groups.items()
    ]
    return sorted(
        views, key=lambda view: (-view["sent"], *(view[one] or "" for one in ("event", "template_id", "sender_id")))
    )
