"""The local stack as an operator sees a deployed one: CloudFormation's answers, alarms, log groups, metrics, functions.

The server of the embedded AWS forwards the calls to these services. CloudFormation is answered here, from
template.yaml. Functions are invoked by `lambda_api`. Alarms, log groups and metrics are moto's. They are created at the
first call that asks for them, so that a stack starts quickly.
"""

import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from itertools import batched
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import parse_qsl
from xml.sax.saxutils import escape

import boto3
from moto.cloudwatch.models import cloudwatch_backends

from sandbox import lambda_api
from sandbox.intrinsics import Resolver
from sandbox.lambda_runtime import Invoker
from sandbox.template import ACCOUNT, REGION, STACK_NAME, Template, queue_arn, queue_url

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment
    from mypy_boto3_cloudwatch import CloudWatchClient
    from mypy_boto3_logs import CloudWatchLogsClient

CREATOR: Final = "deployment"
"""The access key id of the calls that create the template's resources: they are not intercepted."""
ALARM: Final = "AWS::CloudWatch::Alarm"
COMPOSITE_ALARM: Final = "AWS::CloudWatch::CompositeAlarm"
LOG_GROUP: Final = "AWS::Logs::LogGroup"
LEVELS: Final = ("TRACE", "DEBUG", "INFO", "WARN", "ERROR", "FATAL")
_CREDENTIAL: Final = re.compile(r"Credential=(?P<caller>[^/]+)/\d+/[^/]+/(?P<service>[^/]+)/aws4_request")
_DATA_PER_CALL: Final = 1000
_NAMESPACE: Final = "http://cloudformation.amazonaws.com/doc/2010-05-15/"
_API: Final = "https://${HttpApi}.execute-api.${AWS::Region}.${AWS::URLSuffix}"


@dataclass(frozen=True, slots=True)
class Deployed:
    """A running stack. `log` is the file with the functions' lines; without it there are no metrics.

    `invokers` are those of its functions, by logical id.
    """

    template: Template
    api_url: str
    aws_url: str
    log: Path
    invokers: Mapping[str, Invoker] = field(default_factory=dict)
    status: str = "CREATE_COMPLETE"

    def resolver(self) -> Resolver:
        queues = [queue.name for queue in self.template.queues()]
        references = {name: name for name in self.template.resources}
        references |= {name: queue_url(self.aws_url, name) for name in queues}
        references |= {name: f"{STACK_NAME}-{name}" for name in self._of_types(ALARM, COMPOSITE_ALARM, LOG_GROUP)}
        references |= {"AWS::StackName": STACK_NAME, **self.template.parameters}
        attributes = {f"{name}.QueueName": name for name in queues} | {
            f"{name}.Arn": queue_arn(name) for name in queues
        }
        return Resolver(references, attributes, self.template.conditions)

    def outputs(self) -> dict[str, str]:
        resolver = self.resolver()
        return {
            name: str(resolver.resolve(_with_api(value, self.api_url))) for name, value in self.template.outputs.items()
        }

    def physical_ids(self) -> dict[str, tuple[str, str]]:
        """Type and physical id of every resource that the template declares; what SAM adds is left out."""
        resolver = self.resolver()
        named = {name: group["LogGroupName"] for name, group in self.properties(LOG_GROUP)}
        return {
            name: (resource["Type"], named.get(name, resolver.resolve({"Ref": name})))
            for name, resource in self.template.resources.items()
        }

    def properties(self, kind: str) -> Iterator[tuple[str, dict[str, Any]]]:
        """Resources of a type with resolved properties, named as they are at AWS."""
        resolver = self.resolver()
        name_property = "LogGroupName" if kind == LOG_GROUP else "AlarmName"
        for name in self._of_types(kind):
            properties = resolver.resolve(self.template.resources[name].get("Properties", {}))
            yield name, {name_property: resolver.resolve({"Ref": name}), **properties}

    def level(self) -> str:
        """The log level that Lambda applies. One file has the lines of all functions, so the strictest level counts."""
        resolver = self.resolver()
        levels = [
            str(resolver.resolve(configuration.get("ApplicationLogLevel", "INFO")))
            for configuration in self.template.logging()
        ]
        return max(levels, key=LEVELS.index)

    def _of_types(self, *kinds: str) -> list[str]:
        return [name for name, resource in self.template.resources.items() if resource["Type"] in kinds]


class Deployment:
    """WSGI middleware in front of the embedded AWS. Without a stack that is up, it knows none, and no alarms."""

    def __init__(self, app: "WSGIApplication", moto: "WSGIApplication") -> None:
        self._app = app
        self._moto = moto
        self._monitoring: _Monitoring | None = None
        self._clients_by_url: dict[str, _CloudWatchClients] = {}
        self._making = Lock()

    @property
    def deployed(self) -> Deployed | None:
        return self._monitoring.deployed if self._monitoring else None

    def deploy(self, deployed: Deployed) -> None:
        """Deploy a stack. Alarms and log groups of an earlier one stay until the embedded AWS is reset."""
        clients = self._clients_by_url.setdefault(deployed.aws_url, _CloudWatchClients(deployed.aws_url))
        self._monitoring = _Monitoring(deployed, clients)

    def close(self) -> None:
        for clients in self._clients_by_url.values():
            clients.close()

    def __call__(self, environ: "WSGIEnvironment", start_response: "StartResponse") -> Iterable[bytes]:
        if environ["PATH_INFO"] == "/moto-api/reset" and (deployed := self.deployed):
            self.deploy(deployed)
        if function := lambda_api.function_of(environ["PATH_INFO"]):
            return lambda_api.invoke(function, self.deployed.invokers if self.deployed else {}, environ, start_response)
        signed = _CREDENTIAL.search(environ.get("HTTP_AUTHORIZATION", ""))
        if not signed or signed["service"] not in ("cloudformation", "monitoring", "logs"):
            return self._app(environ, start_response)
        if signed["service"] == "cloudformation":
            status, xml = _answer(self.deployed, _form(environ))
            start_response(status, [("Content-Type", "text/xml")])
            return [xml.encode()]
        if signed["caller"] == CREATOR:
            return self._moto(environ, start_response)
        if self._monitoring:
            with self._making:
                self._monitoring.bring_up_to_date(with_alarms=not _reads_metrics(environ))
        app = self._app if _reads_metrics(environ) else self._moto
        return app(environ, start_response)


def _reads_metrics(environ: "WSGIEnvironment") -> bool:
    return str(environ.get("HTTP_X_AMZ_TARGET", "")).endswith(".GetMetricData")


class _CloudWatchClients:
    """Clients that create the stack's CloudWatch resources. They are slow to create, so they are created late."""

    def __init__(self, aws_url: str) -> None:
        self._url = aws_url

    def close(self) -> None:
        for name in ("cloudwatch", "logs"):
            if client := self.__dict__.get(name):
                client.close()

    @cached_property
    def cloudwatch(self) -> "CloudWatchClient":
        return self._session.client("cloudwatch", endpoint_url=self._url)

    @cached_property
    def logs(self) -> "CloudWatchLogsClient":
        return self._session.client("logs", endpoint_url=self._url)

    @cached_property
    def _session(self) -> boto3.Session:
        return boto3.Session(CREATOR, "sandbox", region_name=REGION)


class _Monitoring:
    """The template's CloudWatch resources in moto, and the metrics of the functions' log lines from now on."""

    def __init__(self, deployed: Deployed, clients: _CloudWatchClients) -> None:
        self.deployed = deployed
        self._clients = clients
        self._is_made = False
        self._read = deployed.log.stat().st_size if deployed.log.exists() else 0

    def bring_up_to_date(self, *, with_alarms: bool) -> None:
        """Take the metrics so far. Alarms and log groups take a second, and are made for those who ask for them."""
        if with_alarms and not self._is_made:
            self._is_made = True
            self._make()
        self._take_metrics()

    def _make(self) -> None:
        for _, alarm in self.deployed.properties(ALARM):
            self._clients.cloudwatch.put_metric_alarm(**alarm)
        for _, alarm in self.deployed.properties(COMPOSITE_ALARM):
            _put_composite_alarm(alarm)
        for _, group in self.deployed.properties(LOG_GROUP):
            self._clients.logs.create_log_group(logGroupName=group["LogGroupName"])
            if days := group.get("RetentionInDays"):
                self._clients.logs.put_retention_policy(logGroupName=group["LogGroupName"], retentionInDays=int(days))

    def _take_metrics(self) -> None:
        """Create metrics from lines in the embedded metric format, as CloudWatch Logs does, after Lambda's filter."""
        if not self.deployed.log.exists():
            return
        with self.deployed.log.open("rb") as log:
            log.seek(self._read)
            lines = log.readlines()
        whole = [line for line in lines if line.endswith(b"\n")]
        self._read += sum(map(len, whole))
        level = self.deployed.level()
        by_namespace: dict[str, list[Any]] = {}
        for line in filter(None, map(_json, whole)):
            if _passes(line, level):
                for namespace, data in metric_data(line):
                    by_namespace.setdefault(namespace, []).extend(data)
        for namespace, data in by_namespace.items():
            for part in batched(data, _DATA_PER_CALL, strict=False):
                self._clients.cloudwatch.put_metric_data(Namespace=namespace, MetricData=part)


def _put_composite_alarm(alarm: Mapping[str, Any]) -> None:
    """Put the alarm into moto's memory: moto has composite alarms, but not the call that creates them."""
    cloudwatch_backends[ACCOUNT][REGION].put_metric_alarm(
        name=alarm["AlarmName"],
        description=alarm["AlarmDescription"],
        rule=alarm["AlarmRule"],
        alarm_actions=alarm.get("AlarmActions", []),
        ok_actions=alarm.get("OKActions", []),
        actions_enabled=alarm.get("ActionsEnabled", True),
        namespace="",
        metric_name="",
        comparison_operator="",
        evaluation_periods=0,
        period=0,
        threshold=0,
        statistic="",
        dimensions=[],
    )


def _json(line: bytes) -> dict[str, Any] | None:
    try:
        value = json.loads(line)
    except ValueError:
        return None
    return value if isinstance(value, dict) else None


def _passes(line: Mapping[str, Any], level: str) -> bool:
    """Return whether Lambda keeps a line: it drops JSON lines below ApplicationLogLevel; the default level is INFO."""
    own = str(line.get("level", "INFO")).upper()
    named = {"WARNING": "WARN", "CRITICAL": "FATAL"}.get(own, own)
    return LEVELS.index(named if named in LEVELS else "INFO") >= LEVELS.index(level)


def metric_data(line: Mapping[str, Any]) -> Iterator[tuple[str, list[Any]]]:
    """Yield namespace and data of an embedded metric line; nothing for other lines."""
    emf = line.get("_aws", {})
    for directive in emf.get("CloudWatchMetrics", []):
        yield (
            directive["Namespace"],
            [
                {
                    "MetricName": metric["Name"],
                    "Dimensions": [{"Name": name, "Value": str(line[name])} for name in dimensions],
                    "Timestamp": emf["Timestamp"] / 1000,
                    "Unit": metric["Unit"],
                    "Value": value,
                }
                for metric in directive["Metrics"]
                for dimensions in directive["Dimensions"]
                for value in _values(line[metric["Name"]])
            ],
        )


def _values(value: object) -> list[Any]:
    return value if isinstance(value, list) else [value]


def _with_api(value: object, api_url: str) -> object:
    match value:
        case {"Fn::Sub": str(text)}:
            return {"Fn::Sub": text.replace(_API, api_url)}
        case _:
            return value


def _form(environ: "WSGIEnvironment") -> dict[str, str]:
    body = environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
    return dict(parse_qsl(body.decode()))


def _answer(deployed: Deployed | None, form: Mapping[str, str]) -> tuple[str, str]:
    """Return CloudFormation's response to a call of its query protocol."""
    action = form.get("Action", "")
    describe = _ACTIONS.get(action)
    if not describe:
        return _error("InvalidAction", f"{action} is not known here")
    if not deployed or form.get("StackName") != STACK_NAME:
        return _error("ValidationError", f"Stack with id {form.get('StackName', '')} does not exist")
    return "200 OK", (
        f'<{action}Response xmlns="{_NAMESPACE}"><{action}Result>{describe(deployed)}</{action}Result>'
        f"<ResponseMetadata><RequestId>local</RequestId></ResponseMetadata></{action}Response>"
    )


def _error(code: str, message: str) -> tuple[str, str]:
    xml = _element("Error", _element("Type", "Sender") + _text("Code", code) + _text("Message", message))
    return "400 Bad Request", f'<ErrorResponse xmlns="{_NAMESPACE}">{xml}</ErrorResponse>'


def _stacks(deployed: Deployed) -> str:
    parameters = [
        _text("ParameterKey", name) + _text("ParameterValue", value)
        for name, value in deployed.template.parameters.items()
    ]
    outputs = [_text("OutputKey", name) + _text("OutputValue", value) for name, value in deployed.outputs().items()]
    stack = (
        _text("StackName", STACK_NAME)
        + _text("StackStatus", deployed.status)
        + _text("CreationTime", "2026-01-01T00:00:00Z")
        + _members("Parameters", parameters)
        + _members("Outputs", outputs)
    )
    return _members("Stacks", [stack])


def _resource_summaries(deployed: Deployed) -> str:
    return _members(
        "StackResourceSummaries",
        [
            _text("LogicalResourceId", name)
            + _text("PhysicalResourceId", physical)
            + _text("ResourceType", kind)
            + _text("ResourceStatus", "CREATE_COMPLETE")
            + _text("LastUpdatedTimestamp", "2026-01-01T00:00:00Z")
            for name, (kind, physical) in deployed.physical_ids().items()
        ],
    )


_ACTIONS: Final[Mapping[str, Callable[[Deployed], str]]] = {
    "DescribeStacks": _stacks,
    "ListStackResources": _resource_summaries,
}


def _members(name: str, members: Iterable[str]) -> str:
    return _element(name, "".join(_element("member", member) for member in members))


def _text(name: str, text: str) -> str:
    return _element(name, escape(text))


def _element(name: str, content: str) -> str:
    return f"<{name}>{content}</{name}>"
