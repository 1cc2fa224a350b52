"""docs/design.md names what the template and the code have: its contract, and where each promise is kept."""

import re
from pathlib import Path
from typing import Final

import pytest

from sandbox.template import Template
from segment_msg91.store.messages import Conclusion
from segment_msg91.use_cases import reconciliation
from tests.handlers.fuzz.contract import MESSAGE, REPORT

ROOT: Final = Path(__file__).parent.parent
DESIGN: Final = re.sub(r"```.*?```", "", (ROOT / "docs/design.md").read_text(), flags=re.DOTALL)
NAMES: Final = frozenset(re.findall(r"`([^`\n]+)`", DESIGN))
CONTRACT: Final = DESIGN.split("\n## Contract\n")[1].split("\n## ")[0]
TEMPLATE: Final = Template.load(parameters={"DeliveryEvents": "on", "Console": "on"})
VARIABLES: Final = sorted(
    {name for function in TEMPLATE.functions() for name in TEMPLATE.environment(function.name, "https://sqs.test")}
)
REFERENCE: Final = (ROOT / "docs/reference.md").read_text()


@pytest.mark.parametrize("name", VARIABLES)
def test_the_contract_names_every_environment_variable(name: str) -> None:
    assert f"`{name}`" in CONTRACT


@pytest.mark.parametrize("route", [route.key for route in TEMPLATE.routes()])
def test_the_contract_names_every_route(route: str) -> None:
    assert f"`{route}`" in CONTRACT


@pytest.mark.parametrize("function", [function.name for function in TEMPLATE.functions()])
def test_the_contract_names_every_function(function: str) -> None:
    assert f"`{function}`" in CONTRACT


def test_the_contract_names_the_metrics_of_the_reference() -> None:
    section = re.split(r"^## ", REFERENCE.split("## Metrics\n")[1], maxsplit=1, flags=re.MULTILINE)[0]
    named = CONTRACT.split("**Metrics**")[1]
    assert set(re.findall(r"^\| `([A-Z]\w+)` \|", section, re.MULTILINE)) == set(re.findall(r"`([A-Z]\w+)`", named)) - {
        "SegmentMsg91"
    }


@pytest.mark.parametrize("attribute", sorted({*MESSAGE, *REPORT}))
def test_the_data_model_names_every_attribute(attribute: str) -> None:
    assert attribute in NAMES


def test_the_conclusions_are_the_codes() -> None:
    section = DESIGN.split("\n## Reconciliation\n")[1].split("\n## ")[0]
    documented = re.findall(r"\| `(\w+)` \| ([^|`]+) \| `(\w+)` \|$", section, re.MULTILINE)
    coded = [
        (end.status, end.reason, end.category) for end in vars(reconciliation).values() if isinstance(end, Conclusion)
    ]
    assert sorted(documented) == sorted(coded)


POINTERS: Final = [
    (path, name)
    for cell in re.findall(r"^\|[^|]+\|([^|]+)\|[^|]+\|$", DESIGN.split("\n## Sending one event\n")[0], re.MULTILINE)
    for part in cell.split(";")
    for path in re.findall(r"`([\w/]+\.py)`", part)
    for name in (re.findall(r"`([\w.]+)`", part.partition(":")[2]) or [""])
]


@pytest.mark.parametrize(("path", "name"), POINTERS)
def test_a_promise_s_code_is_where_the_design_says(path: str, name: str) -> None:
    source = (ROOT / "layers/shared/segment_msg91" / path).read_text()
    for part in name.split(".") if name else ():
        assert re.search(rf"^ *(?:def |class )?{part}\b", source, re.MULTILINE), name
