"""Lambda's event filtering: the patterns of an event source mapping's FilterCriteria, as far as the template uses them.

`{"a": {"b": ["x", {"exists": false}]}}` matches a record with "x" at a.b, and one with nothing there.
"""

from collections.abc import Mapping, Sequence
from typing import Any

type Pattern = Mapping[str, Any]


class UnknownRuleError(ValueError):
    """A pattern has a rule that is not known here; the message shows it."""


def fits(record: object, pattern: Pattern) -> bool:
    members = record if isinstance(record, Mapping) else {}
    return all(_member_fits(members.get(name), wanted) for name, wanted in pattern.items())


def _member_fits(value: object, wanted: Pattern | Sequence[object]) -> bool:
    if isinstance(wanted, Mapping):
        return fits(value, wanted)
    return any(_rule_fits(value, rule) for rule in wanted)


def _rule_fits(value: object, rule: object) -> bool:
    """Return whether a rule matches. `exists` applies only to leaves; no other rule matches a missing value."""
    is_leaf = value is not None and not isinstance(value, Mapping)
    match rule:
        case {"exists": bool(wanted), **more} if not more:
            return is_leaf is wanted
        case {"anything-but": list(unwanted), **more} if not more:
            return is_leaf and value not in unwanted
        case str():
            return value == rule
        case _:
            raise UnknownRuleError(f"{rule!r} in a filter pattern")
