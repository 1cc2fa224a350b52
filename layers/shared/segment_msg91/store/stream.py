"""The stream of the messages table: what an item was, and what it became."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Self

from segment_msg91.store.aws import Attributes, from_item


@dataclass(frozen=True, slots=True)
class Change:
    """One write to an item. `before` is empty for a new one, `after` for one that is gone."""

    before: Attributes = field(repr=False)
    after: Attributes = field(repr=False)
    written_at: datetime

    @classmethod
    def of(cls, record: Mapping[str, Any]) -> Self:
        """Read a stream record as Lambda hands it over. Raises KeyError, TypeError or ValueError for what is none."""
        change = record["dynamodb"]
        return cls(
            before=from_item(change.get("OldImage", {})),
            after=from_item(change.get("NewImage", {})),
            written_at=datetime.fromtimestamp(float(change["ApproximateCreationDateTime"]), UTC),
        )
