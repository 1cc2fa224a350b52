"""The dashboard of the template."""

import json
from collections.abc import Mapping
from typing import Any


def widgets(document: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return the widgets of the stack that has every alarm; names such as `${HttpApi}` stay as they are."""
    text, variables = document["Resources"]["Dashboard"]["Properties"]["DashboardBody"]["Fn::Sub"]
    for name, value in variables.items():
        _, then, _ = value["Fn::If"]
        text = text.replace(f"${{{name}}}", then["Fn::Sub"])
    found: list[dict[str, Any]] = json.loads(text)["widgets"]
    return found
