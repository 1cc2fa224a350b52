"""Which messages of a list are wanted: compared with what the console shows of each. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from segment_msg91.message_view import event_shown
from segment_msg91.msg91.failures import Category
from segment_msg91.outcomes import Outcome, outcome_of


@dataclass(frozen=True, slots=True)
class MessageFilter:
    """What a message has. None: anything.

    `event` is the name as it is shown, in which the message's own number is masked: the page has no other to send back.
    """

    outcome: Outcome | None = None
    category: Category | None = None
    event: str | None = field(default=None, repr=False)
    template_id: str | None = field(default=None, repr=False)
    sender_id: str | None = field(default=None, repr=False)

    def matches(self, message: Mapping[str, Any]) -> bool:
        """Whether a message has all of it."""
        return (
            (self.outcome is None or outcome_of(message) is self.outcome)
            and (self.category is None or message.get("failure_category") == self.category)
            and (self.template_id is None or message.get("template_id") == self.template_id)
            and (self.sender_id is None or message.get("sender_id") == self.sender_id)
            and (self.event is None or (event_shown(message) or "").strip() == self.event)
        )
