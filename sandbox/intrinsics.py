"""Resolves the template's intrinsic functions, for resources that are described and not run."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from sandbox.template import ACCOUNT, NO_VALUE, REGION

_PLACEHOLDER: Final = re.compile(r"\$\{(?P<name>[^!}][^}]*)\}")
PSEUDO_PARAMETERS: Final = {
    "AWS::AccountId": ACCOUNT,
    "AWS::Partition": "aws",
    "AWS::Region": REGION,
    "AWS::URLSuffix": "amazonaws.com",
}


@dataclass(frozen=True, slots=True)
class Resolver:
    """`references` has what `Ref` gives, `attributes` what `Fn::GetAtt` gives as `Resource.Attribute`."""

    references: Mapping[str, str]
    attributes: Mapping[str, str]
    conditions: Mapping[str, bool]

    def resolve(self, value: Any) -> Any:  # noqa: ANN401  # any YAML value
        """Raises ValueError for an intrinsic function that is not known here."""
        match value:
            case {"Ref": str(name)}:
                return self._reference(name)
            case {"Fn::GetAtt": [str(name), str(attribute)]}:
                return self._attribute(name, attribute)
            case {"Fn::Sub": str(text)}:
                return _PLACEHOLDER.sub(lambda found: self._substitute(found["name"]), text)
            case {"Fn::If": [str(condition), then, otherwise]}:
                return self.resolve(then if self.conditions[condition] else otherwise)
            case dict():
                return self._mapping(value)
            case list():
                return [self.resolve(item) for item in value if not self._is_absent(item)]
            case _:
                return value

    def _mapping(self, value: Mapping[str, Any]) -> dict[str, Any]:
        if unknown := [name for name in value if name.startswith("Fn::")]:
            raise ValueError(f"{unknown[0]} is an intrinsic function that is not known here")
        return {name: self.resolve(item) for name, item in value.items() if not self._is_absent(item)}

    def _is_absent(self, value: object) -> bool:
        match value:
            case {"Fn::If": [str(condition), then, otherwise]}:
                return self._is_absent(then if self.conditions[condition] else otherwise)
            case _:
                return value == NO_VALUE

    def _substitute(self, name: str) -> str:
        resource, _, attribute = name.partition(".")
        return self._attribute(resource, attribute) if attribute else self._reference(name)

    def _reference(self, name: str) -> str:
        return PSEUDO_PARAMETERS[name] if name in PSEUDO_PARAMETERS else self.references[name]

    def _attribute(self, name: str, attribute: str) -> str:
        """Return the attribute; if it is not known, a text that names it."""
        known = self.attributes.get(f"{name}.{attribute}")
        return f"{self._reference(name)}.{attribute}" if known is None else known
