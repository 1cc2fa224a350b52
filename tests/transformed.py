"""The template as CloudFormation gets it: after SAM's own transform, with the parameters' values in it."""

from collections.abc import Mapping
from typing import Any, Final

import boto3
from samtranslator.parser.parser import Parser
from samtranslator.translator.translator import Translator

from sandbox.template import NO_VALUE, REGION, load_document

EVERYTHING: Final = {
    "Console": "on",
    "DeliveryEvents": "on",
    "GuardRails": "on",
    "OptOutOnBlocked": "on",
    "AlarmWhenSmsPerHourAbove": "10000",
}
"""With these parameters each resource is there that does not depend on a company's rules."""


UPLOADED: Final = {"AWS::Serverless::Function": "CodeUri", "AWS::Serverless::LayerVersion": "ContentUri"}


def transformed(parameters: Mapping[str, str] | None = None) -> dict[str, Any]:
    """Return the document without what the parameters leave out.

    An intrinsic function that needs AWS stays as it is.
    """
    document = load_document()
    given = {name: str(one["Default"]) for name, one in document["Parameters"].items()} | dict(parameters or {})
    for resource in document["Resources"].values():
        if resource["Type"] in UPLOADED:
            resource["Properties"][UPLOADED[resource["Type"]]] = "s3://bucket/key"
    # Without a list of AWS's managed policies: a role that named one would fail.
    translator = Translator({}, Parser(), boto_session=boto3.Session(region_name=REGION))
    result: dict[str, Any] = translator.translate(document, given)
    conditions = _Conditions(result["Conditions"], given)
    for section in ("Resources", "Outputs"):
        result[section] = {
            name: conditions.decided(one)
            for name, one in result[section].items()
            if "Condition" not in one or conditions.hold(one["Condition"])
        }
    return result


class _Conditions:
    def __init__(self, conditions: Mapping[str, Any], parameters: Mapping[str, str]) -> None:
        self._conditions = conditions
        self._parameters = parameters

    def hold(self, condition: Any) -> bool:  # noqa: ANN401 - any YAML value
        match condition:
            case str(name) | {"Condition": str(name)}:
                return self.hold(self._conditions[name])
            case {"Fn::Equals": [one, other]}:
                return bool(self.decided(one) == self.decided(other))
            case {"Fn::Not": [inner]}:
                return not self.hold(inner)
            case {"Fn::And": [*inner]}:
                return all(map(self.hold, inner))
            case {"Fn::Or": [*inner]}:
                return any(map(self.hold, inner))
            case _:
                raise ValueError(f"{condition} is a condition of a kind that is not known here")

    def decided(self, value: Any) -> Any:  # noqa: ANN401
        """Return a value with each `Fn::If` decided and each parameter's value in its place."""
        match value:
            case {"Fn::If": [name, one, other]}:
                return self.decided(one if self.hold(name) else other)
            case {"Ref": str(name)} if name in self._parameters:
                return self._parameters[name]
            case {"Fn::Split": [str(separator), text]}:
                return self.decided(text).split(separator)
            case dict():
                decided = {key: self.decided(item) for key, item in value.items()}
                return {key: item for key, item in decided.items() if item != NO_VALUE} if value != NO_VALUE else value
            case list():
                return [item for item in map(self.decided, value) if item != NO_VALUE]
            case _:
                return value


def of_type(document: Mapping[str, Any], kind: str) -> dict[str, dict[str, Any]]:
    """Return the properties of each resource of a type, by logical id."""
    return {name: one.get("Properties", {}) for name, one in document["Resources"].items() if one["Type"] == kind}
