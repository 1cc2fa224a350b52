"""Reads what the local stack needs from template.yaml, so that the two stay consistent."""

import json
import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import yaml

REGION = "ap-south-1"
ACCOUNT = "123456789012"
STACK_NAME = "segment-msg91-sandbox"
NO_VALUE = {"Ref": "AWS::NoValue"}
"""CloudFormation omits such a variable; `sam local` needs its declaration before --env-vars can set it."""
PATH = Path(__file__).resolve().parent.parent / "template.yaml"
_PLACEHOLDER = re.compile(r"\$\{(?P<name>[^!}]+)\}")
_WHOLE_NUMBER = re.compile(r"[0-9]{1,15}")
_RATE = re.compile(r"rate\((?P<count>[1-9]\d*) (?P<unit>minute|hour|day)s?\)")
_SECONDS = {"minute": 60, "hour": 3600, "day": 86400}


@dataclass(frozen=True, slots=True)
class Route:
    method: str
    path: str
    function: str

    @property
    def key(self) -> str:
        """As API Gateway writes it: `POST /msg91/reports/{token}`."""
        return f"{self.method} {self.path}"


@dataclass(frozen=True, slots=True)
class QueueTrigger:
    queue: str
    function: str
    batch_size: int
    reports_item_failures: bool


@dataclass(frozen=True, slots=True)
class StreamTrigger:
    table: str
    function: str
    batch_size: int
    patterns: tuple[dict[str, Any], ...]
    """The function receives a record if it matches one of them."""
    maximum_retry_attempts: int
    """-1: no limit."""
    maximum_record_age: int
    """Seconds."""
    on_failure: str
    """The queue for records that are given up."""


@dataclass(frozen=True, slots=True)
class ScheduleTrigger:
    function: str
    seconds: int
    """Between two runs."""


@dataclass(frozen=True, slots=True)
class Function:
    name: str
    module: str
    handler: str
    timeout: int
    """Seconds."""
    memory: int
    """MB."""


@dataclass(frozen=True, slots=True)
class Table:
    name: str
    definition: dict[str, Any]
    """The arguments of boto3's create_table."""
    time_to_live: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Queue:
    name: str
    attributes: dict[str, str]
    """The attributes for boto3's create_queue: strings, with RedrivePolicy as JSON."""


# libyaml, which most of PyYAML's wheels have, reads the template several times as fast.
_SAFE: Final[type[yaml.SafeLoader]] = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


class _Loader(_SAFE):  # type: ignore[misc, valid-type]  # one of two
    """Reads CloudFormation's short tags: `!Ref X` becomes `{"Ref": "X"}`."""


def _intrinsic(loader: yaml.SafeLoader, suffix: str, node: yaml.Node) -> dict[str, Any]:
    if isinstance(node, yaml.ScalarNode):
        value = loader.construct_scalar(node)
        return {"Fn::GetAtt": value.split(".", 1)} if suffix == "GetAtt" else {_long_name(suffix): value}
    if isinstance(node, yaml.SequenceNode):
        return {_long_name(suffix): loader.construct_sequence(node, deep=True)}
    raise yaml.constructor.ConstructorError(problem=f"!{suffix} of a mapping", problem_mark=node.start_mark)


def _long_name(suffix: str) -> str:
    return suffix if suffix in ("Ref", "Condition") else f"Fn::{suffix}"


_Loader.add_multi_constructor("!", _intrinsic)


def load_document(path: Path = PATH) -> dict[str, Any]:
    """Return the template with each intrinsic function under its long name."""
    # A SafeLoader, with tags that only make dicts.
    document: dict[str, Any] = yaml.load(path.read_text(encoding="utf-8"), _Loader)  # noqa: S506
    return document


class ParameterError(Exception):
    """A parameter was given that the template does not declare, or a value that it does not take."""


class Template:
    """template.yaml with its parameters filled in, without resources whose condition is false.

    Every resource's local name is its logical id.
    """

    def __init__(self, document: Mapping[str, Any], parameters: Mapping[str, str] | None = None) -> None:
        declared = document.get("Parameters", {})
        if unknown := set(parameters or {}) - set(declared):
            raise ParameterError(f"template.yaml has no parameter {', '.join(sorted(unknown))}")
        for name, value in (parameters or {}).items():
            _check(name, value, declared[name])
        given = {name: str(parameter["Default"]) for name, parameter in declared.items()} | dict(parameters or {})
        self._parameters = given
        self._outputs: Mapping[str, Any] = document.get("Outputs", {})
        self._conditions: dict[str, bool] = {}
        for name, condition in document.get("Conditions", {}).items():
            self._conditions[name] = _holds(condition, given, self._conditions)
        self._resources: Mapping[str, Any] = {
            name: resource
            for name, resource in document["Resources"].items()
            if "Condition" not in resource or self._conditions[resource["Condition"]]
        }
        self._globals: Mapping[str, Any] = document.get("Globals", {}).get("Function", {})
        self._references = {name: name for name in self._resources} | {"AWS::StackName": STACK_NAME} | given

    @classmethod
    def load(cls, path: Path = PATH, parameters: Mapping[str, str] | None = None) -> "Template":
        return cls(load_document(path), parameters)

    @property
    def parameters(self) -> Mapping[str, str]:
        """Every parameter with its value, given or default."""
        return self._parameters

    @property
    def conditions(self) -> Mapping[str, bool]:
        return self._conditions

    @property
    def resources(self) -> Mapping[str, Mapping[str, Any]]:
        """Every resource by logical id, without those whose condition is false. Intrinsics are unresolved."""
        return self._resources

    @property
    def outputs(self) -> Mapping[str, Any]:
        """The values of the outputs, without those whose condition is false. Intrinsics are unresolved."""
        return {
            name: output["Value"]
            for name, output in self._outputs.items()
            if "Condition" not in output or self._conditions[output["Condition"]]
        }

    def functions(self) -> list[Function]:
        return [self._function(name) for name, _ in self._of_type("AWS::Serverless::Function")]

    def routes(self) -> list[Route]:
        return [
            Route(properties["Method"].upper(), properties["Path"], function)
            for function, properties in self._events("HttpApi")
        ]

    def queue_triggers(self) -> list[QueueTrigger]:
        return [
            QueueTrigger(
                queue=properties["Queue"]["Fn::GetAtt"][0],
                function=function,
                batch_size=properties["BatchSize"],
                reports_item_failures="ReportBatchItemFailures" in properties.get("FunctionResponseTypes", []),
            )
            for function, properties in self._events("SQS")
        ]

    def stream_triggers(self) -> list[StreamTrigger]:
        return [
            StreamTrigger(
                table=properties["Stream"]["Fn::GetAtt"][0],
                function=function,
                batch_size=properties["BatchSize"],
                patterns=tuple(json.loads(entry["Pattern"]) for entry in properties["FilterCriteria"]["Filters"]),
                maximum_retry_attempts=properties["MaximumRetryAttempts"],
                maximum_record_age=properties["MaximumRecordAgeInSeconds"],
                on_failure=properties["DestinationConfig"]["OnFailure"]["Destination"]["Fn::GetAtt"][0],
            )
            for function, properties in self._events("DynamoDB")
        ]

    def schedule_triggers(self) -> list[ScheduleTrigger]:
        """Raises ValueError for a schedule that is not a rate."""
        return [
            ScheduleTrigger(function, _seconds(_resolve(properties["Schedule"], self._references)))
            for function, properties in self._events("Schedule")
        ]

    def tables(self) -> list[Table]:
        return [_table(name, self._chosen(properties)) for name, properties in self._of_type("AWS::DynamoDB::Table")]

    def queues(self) -> list[Queue]:
        """Return the queues; dead-letter queues come before those that refer to them."""
        queues = [
            Queue(name, {key: _attribute(_resolve(value, self._references)) for key, value in properties.items()})
            for name, properties in self._of_type("AWS::SQS::Queue")
        ]
        return sorted(queues, key=lambda queue: "RedrivePolicy" in queue.attributes)

    def secrets(self) -> list[str]:
        return [name for name, _ in self._of_type("AWS::SecretsManager::Secret")]

    def environment(self, function: str, queue_base_url: str) -> dict[str, str]:
        """Return the function's variables: parameters filled in, tables and secret by name, queues by URL."""
        queue_urls = {queue.name: queue_url(queue_base_url, queue.name) for queue in self.queues()}
        references = self._references | queue_urls
        variables = _variables(self._globals) | _variables(self._resources[function]["Properties"])
        return {name: str(_resolve(value, references)) for name, value in self._chosen(variables).items()}

    def logging(self) -> list[Mapping[str, Any]]:
        """Each function's LoggingConfig. Intrinsics are unresolved."""
        common: Mapping[str, Any] = self._globals.get("LoggingConfig", {})
        return [
            {**common, **properties.get("LoggingConfig", {})}
            for _, properties in self._of_type("AWS::Serverless::Function")
        ]

    def _of_type(self, kind: str) -> Iterator[tuple[str, Mapping[str, Any]]]:
        for name, resource in self._resources.items():
            if resource["Type"] == kind:
                yield name, resource["Properties"]

    def _events(self, kind: str) -> Iterator[tuple[str, Mapping[str, Any]]]:
        for function, properties in self._of_type("AWS::Serverless::Function"):
            for event in properties.get("Events", {}).values():
                if event["Type"] == kind:
                    yield function, event["Properties"]

    def _chosen(self, properties: Mapping[str, Any]) -> dict[str, Any]:
        """Return the properties with each `!If` resolved, without those that then have no value."""
        chosen = {
            name: value["Fn::If"][1 if self._conditions[value["Fn::If"][0]] else 2]
            if isinstance(value, dict) and "Fn::If" in value
            else value
            for name, value in properties.items()
        }
        return {name: value for name, value in chosen.items() if value != NO_VALUE}

    def _function(self, name: str) -> Function:
        properties = {**self._globals, **self._resources[name]["Properties"]}
        module, handler = properties["Handler"].rsplit(".", 1)
        folder = properties["CodeUri"].strip("/").replace("/", ".")
        memory = int(_resolve(properties["MemorySize"], self._references))
        return Function(name, f"{folder}.{module}", handler, properties["Timeout"], memory)


def queue_arn(name: str) -> str:
    return f"arn:aws:sqs:{REGION}:{ACCOUNT}:{name}"


def queue_url(base_url: str, name: str) -> str:
    return f"{base_url}/{ACCOUNT}/{name}"


def _holds(condition: Mapping[str, Any], parameters: Mapping[str, str], others: Mapping[str, bool]) -> bool:
    """Say whether a condition holds. `others`: the conditions above it, by name."""
    match condition:
        case {"Fn::Equals": [first, second]}:
            # CloudFormation compares texts: a parameter's value is one, and YAML may hold a number.
            return str(_resolve(first, parameters)) == str(_resolve(second, parameters))
        case {"Fn::Not": [inner]}:
            return not _holds(inner, parameters, others)
        case {"Fn::And": [*all_of]}:
            return all(_holds(one, parameters, others) for one in all_of)
        case {"Condition": str(name)}:
            return others[name]
        case _:
            raise ValueError(f"{condition} is a condition of a kind that is not known here")


def _variables(properties: Mapping[str, Any]) -> dict[str, Any]:
    return dict(properties.get("Environment", {}).get("Variables", {}))


def _resolve(value: Any, references: Mapping[str, str]) -> Any:  # noqa: ANN401  # any YAML value
    match value:
        case {"Ref": str(name)}:
            return references[name]
        case {"Fn::GetAtt": [str(name), "Arn"]}:
            return queue_arn(name)
        case {"Fn::Sub": str(text)}:
            return _PLACEHOLDER.sub(lambda found: references[found["name"]], text)
        case dict():
            return {key: _resolve(item, references) for key, item in value.items()}
        case _:
            return value


def _check(name: str, value: str, declared: Mapping[str, Any]) -> None:
    """Refuse what CloudFormation refuses, in the template's words. Raises ParameterError."""
    if "AllowedValues" in declared and value not in map(str, declared["AllowedValues"]):
        raise ParameterError(f"{name}: one of {', '.join(map(str, declared['AllowedValues']))}")
    if "AllowedPattern" in declared and not re.fullmatch(declared["AllowedPattern"], value):
        raise ParameterError(f"{name}: {declared['ConstraintDescription']}")
    if declared.get("Type") == "Number":
        least, most = declared.get("MinValue", 0), declared.get("MaxValue", math.inf)
        if not _WHOLE_NUMBER.fullmatch(value) or not least <= int(value) <= most:
            limit = f" to {most}" if "MaxValue" in declared else " or more"
            raise ParameterError(f"{name}: a number of {least}{limit}")


def _seconds(rate: str) -> int:
    """Return the seconds of a schedule such as `rate(30 minutes)`."""
    found = _RATE.fullmatch(rate)
    if not found:
        raise ValueError(f"{rate} is a schedule of a kind that is not known here")
    return int(found["count"]) * _SECONDS[found["unit"]]


def _attribute(value: object) -> str:
    return value if isinstance(value, str) else json.dumps(value)


def _table(name: str, properties: Mapping[str, Any]) -> Table:
    definition = {
        "TableName": name,
        "SSESpecification": {"Enabled": properties["SSESpecification"]["SSEEnabled"]},
        **{key: properties[key] for key in ("BillingMode", "AttributeDefinitions", "KeySchema")},
        **{name: properties[name] for name in ("GlobalSecondaryIndexes",) if name in properties},
    }
    if stream := properties.get("StreamSpecification"):
        definition["StreamSpecification"] = {"StreamEnabled": True, **stream}
    return Table(name, definition, properties["TimeToLiveSpecification"])
