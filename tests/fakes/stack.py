"""A stack's description, and a session whose clients are given."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sandbox.template import REGION


@dataclass(slots=True)
class FakeCloudFormation:
    """Describes one stack, of any name."""

    outputs: dict[str, str]
    parameters: dict[str, str]

    def describe_stacks(self, *, StackName: str) -> dict[str, Any]:  # noqa: N803 - boto3's
        outputs = [{"OutputKey": name, "OutputValue": value} for name, value in self.outputs.items()]
        parameters = [{"ParameterKey": name, "ParameterValue": value} for name, value in self.parameters.items()]
        described = {"StackName": StackName, "StackStatus": "CREATE_COMPLETE"}
        return {"Stacks": [described | {"Outputs": outputs, "Parameters": parameters}]}


class FakeSession:
    """Stands in for boto3.Session."""

    def __init__(self, clients: Mapping[str, Any], region_name: str | None = None) -> None:
        self._clients = clients
        self.region_name = region_name or REGION

    def client(self, service: str) -> Any:  # noqa: ANN401 - any client
        return self._clients[service]
