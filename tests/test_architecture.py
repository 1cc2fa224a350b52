"""Imports go one way, as design.md's layout says: functions → use cases → the others → tables, settings.

What a rule forbids is shown to be found on made-up sources, so that the rules cannot pass by looking at nothing.
"""

import ast
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest

ROOT: Final = Path(__file__).parents[1]
LAYER: Final = "segment_msg91"
SOURCES: Final = {
    ".".join(path.relative_to(base).with_suffix("").parts).removesuffix(".__init__"): path
    for base, folder in ((ROOT / "layers/shared", LAYER), (ROOT, "functions"))
    for path in sorted((base / folder).rglob("*.py"))
}

USE_CASES: Final = "segment_msg91.use_cases"
STORE: Final = "segment_msg91.store"
CLIENTS: Final = ("segment_msg91.msg91.client", "segment_msg91.msg91.logs", "segment_msg91.segment.tracking_api")
RECORDING: Final = "segment_msg91.recording"
GUARD_RAILS: Final = "segment_msg91.guard_rails"
SENDING: Final = "segment_msg91.use_cases.segment_ingest"
EDGES: Final = (STORE, *CLIENTS, "segment_msg91.secret")

# Who may import a library, a module or what is in a folder.
ALLOWED_IN: Final = {
    "boto3": (),  # its clients are botocore's, and its resources are not used
    "botocore": (STORE, "segment_msg91.secret"),
    "httpx": CLIENTS,
    "phonenumbers": ("segment_msg91.libphonenumber",),
    "segment_msg91.libphonenumber": ("segment_msg91.phone_numbers",),
    "aws_lambda_powertools": ("functions", "segment_msg91.handler"),
    "segment_msg91.handler": ("functions",),
    USE_CASES: ("functions",),
    STORE: ("functions", USE_CASES, RECORDING, GUARD_RAILS, STORE),
    # Off, they are not loaded: who names them does so in annotations, or in a function that is called when they are on.
    GUARD_RAILS: ("functions", SENDING, RECORDING),
    "segment_msg91.store.recipients": (GUARD_RAILS,),
    "segment_msg91.segment.opt_outs": (GUARD_RAILS,),
    "segment_msg91.recipient": (GUARD_RAILS, SENDING, STORE, "segment_msg91.segment.opt_outs"),
    RECORDING: ("functions", USE_CASES, "segment_msg91.handler"),
    "segment_msg91.store.overdue": ("functions.reconciliation", "segment_msg91.use_cases.reconciliation"),
    "segment_msg91.store.search": ("functions.console", "segment_msg91.use_cases.console"),  # sending need not load it
    "segment_msg91.store.samples": ("segment_msg91.store.search",),
    "segment_msg91.store.metrics": ("functions.console", "segment_msg91.use_cases.overview"),
    "segment_msg91.store.waiting": ("functions.console", "segment_msg91.use_cases.overview"),
    "segment_msg91.secret": ("functions",),
    "segment_msg91.msg91.client": ("functions", "segment_msg91.use_cases.segment_ingest"),
    "segment_msg91.msg91.logs": ("functions.reconciliation", "segment_msg91.use_cases.reconciliation"),
    "segment_msg91.segment.tracking_api": ("functions", "segment_msg91.use_cases.delivery_events"),
    "functions": (),
    "sandbox": (),
    "tests": (),
}
_TABLES: Final = ("segment_msg91.msg91.codes", "segment_msg91.msg91.failures")
# What a module, or what is in a folder, may import of the layer, if it is less than all that the rules above leave.
ONLY: Final = {
    "segment_msg91.msg91.codes": (),
    "segment_msg91.msg91.failures": ("segment_msg91.msg91.codes",),
    "segment_msg91.masking": (),
    "segment_msg91.message_view": ("segment_msg91.masking", "segment_msg91.times", *_TABLES),
    "segment_msg91.outcomes": ("segment_msg91.msg91.codes",),
    "segment_msg91.breakdown": ("segment_msg91.message_view", "segment_msg91.outcomes", "segment_msg91.times"),
    "segment_msg91.spreadsheet": ("segment_msg91.masking", "segment_msg91.message_view"),
    "segment_msg91.message_filter": ("segment_msg91.message_view", "segment_msg91.outcomes", *_TABLES),
    "segment_msg91.list_query": (
        *("segment_msg91.message_filter", "segment_msg91.fields", "segment_msg91.outcomes", "segment_msg91.times"),
        *_TABLES,
    ),
    "segment_msg91.encoding": (),
    "segment_msg91.fields": (),
    "segment_msg91.http": (),
    "segment_msg91.times": ("segment_msg91.fields",),
    "segment_msg91.settings": ("segment_msg91.times", "segment_msg91.phone_numbers"),
    "segment_msg91.phone_numbers": ("segment_msg91.fields", "segment_msg91.libphonenumber"),
    "segment_msg91.libphonenumber": ("segment_msg91.fields",),
    STORE: (STORE, *_TABLES, "segment_msg91.times", "segment_msg91.recipient"),
    "segment_msg91.recipient": (*_TABLES, "segment_msg91.times"),
}


def violations(module: str, source: str) -> list[str]:
    """Return what a module's source imports, or reads of the environment, against the rules."""
    tree = ast.parse(source)
    imported = sorted(set(_imports(tree, module)))
    own = next((allowed for name, allowed in ONLY.items() if _is_in(module, (name,))), None)
    found = [f"{module} imports {name}" for name in imported if not _may_import(module, name, own)]
    if module != "segment_msg91.settings" and any(_reads_environment(node) for node in ast.walk(tree)):
        found.append(f"{module} reads the environment")
    return found


def _may_import(module: str, name: str, own: tuple[str, ...] | None) -> bool:
    if any(_is_in(name, (ruled,)) and not _is_in(module, allowed) for ruled, allowed in ALLOWED_IN.items()):
        return False
    return own is None or name == LAYER or not _is_in(name, (LAYER,)) or _is_in(name, own)


def _is_in(name: str, modules: tuple[str, ...]) -> bool:
    return any(name == module or name.startswith(f"{module}.") for module in modules)


def _imports(tree: ast.AST, module: str) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            parents = module.split(".")[: -node.level] if node.level else []
            start = ".".join([*parents, *([node.module] if node.module else [])])
            yield start
            # `from segment_msg91 import store` imports a module, `from segment_msg91.store import x` may not.
            yield from (f"{start}.{alias.name}" for alias in node.names if start in (LAYER, "functions"))


def _reads_environment(node: ast.AST) -> bool:
    names = {"environ", "environb", "getenv", "getenvb", "putenv"}
    if isinstance(node, ast.Attribute):
        return node.attr in names and isinstance(node.value, ast.Name) and node.value.id == "os"
    return isinstance(node, ast.ImportFrom) and node.module == "os" and any(alias.name in names for alias in node.names)


def test_the_modules_are_found() -> None:
    assert {"segment_msg91.mapping", "segment_msg91.store.messages", "functions.segment_ingest.app"} <= set(SOURCES)


@pytest.mark.parametrize("module", SOURCES)
def test_a_module_imports_only_what_its_layer_may(module: str) -> None:
    assert violations(module, SOURCES[module].read_text()) == []


@pytest.mark.parametrize("name", [*ALLOWED_IN, *ONLY, *EDGES])
def test_every_rule_is_about_something_that_exists(name: str) -> None:
    libraries = {"boto3", "botocore", "httpx", "phonenumbers", "aws_lambda_powertools", "functions", "sandbox", "tests"}
    assert name in SOURCES or name in libraries


@pytest.mark.parametrize(
    ("module", "source"),
    [
        ("segment_msg91.mapping", "import boto3"),
        ("segment_msg91.msg91.reports", "from botocore.exceptions import ClientError"),
        ("segment_msg91.use_cases.segment_ingest", "import boto3.dynamodb.types"),
        ("functions.segment_ingest.app", "import boto3"),
        ("segment_msg91.use_cases.segment_ingest", "import httpx"),
        ("segment_msg91.store.messages", "import httpx"),
        ("segment_msg91.use_cases.delivery_events", "import httpx"),
        ("functions.delivery_reports.app", "from httpx import Client"),
        ("segment_msg91.use_cases.segment_ingest", "from aws_lambda_powertools import Logger"),
        ("segment_msg91.store.queues", "from aws_lambda_powertools import Logger"),
        ("segment_msg91.settings", "import aws_lambda_powertools.utilities.parameters"),
        ("segment_msg91.mapping", "from segment_msg91.store.messages import Messages"),
        ("segment_msg91.mapping", "from segment_msg91 import store"),
        ("segment_msg91.mapping", "import segment_msg91.store"),
        ("segment_msg91.mapping", "from .store import messages"),
        ("segment_msg91.mapping", "from . import store"),
        ("segment_msg91.msg91.reports", "from segment_msg91.use_cases import delivery_reports"),
        ("segment_msg91.segment.payload", "from segment_msg91.use_cases.segment_ingest import Sender"),
        ("segment_msg91.use_cases.segment_ingest", "from segment_msg91.use_cases.delivery_reports import Reporter"),
        ("segment_msg91.use_cases.segment_ingest", "from segment_msg91.store.search import Search"),
        ("segment_msg91.use_cases.delivery_reports", "from segment_msg91.msg91.client import Msg91"),
        ("segment_msg91.use_cases.delivery_events", "from segment_msg91.use_cases.segment_ingest import Sender"),
        ("segment_msg91.segment.track_events", "from segment_msg91.store.stream import Change"),
        ("segment_msg91.segment.track_events", "from segment_msg91.segment.tracking_api import Tracking"),
        ("segment_msg91.authentication", "from segment_msg91.secret import SecretReader"),
        ("segment_msg91.store.messages", "from segment_msg91.mapping import Sms"),
        ("segment_msg91.msg91.codes", "from segment_msg91.settings import Defaults"),
        ("segment_msg91.settings", "from segment_msg91.mapping import Sms"),
        ("segment_msg91.use_cases.segment_ingest", "from functions.segment_ingest import app"),
        ("functions.segment_ingest.app", "from functions.delivery_reports.app import metrics"),
        ("functions.segment_ingest.app", "from sandbox.messages import sample"),
        ("segment_msg91.mapping", "def f() -> None:\n    import boto3"),
        ("segment_msg91.mapping", "if TYPE_CHECKING:\n    from segment_msg91.store.messages import Messages"),
        ("segment_msg91.store.messages", "import os\nTABLE = os.environ['MESSAGES_TABLE']"),
        ("segment_msg91.msg91.client", "import os\nos.getenv('MSG91_BASE_URL')"),
        ("functions.segment_ingest.app", "from os import environ"),
    ],
)
def test_an_import_that_goes_the_other_way_is_found(module: str, source: str) -> None:
    assert len(violations(module, source)) >= 1


@pytest.mark.parametrize(
    ("module", "source"),
    [
        ("segment_msg91.store.messages", "import botocore\nfrom segment_msg91.msg91.codes import SendState"),
        ("segment_msg91.store.messages", "from segment_msg91.store.aws import to_item"),
        ("segment_msg91.secret", "from botocore.exceptions import ClientError"),
        ("segment_msg91.msg91.client", "import httpx\nfrom segment_msg91.mapping import Sms"),
        ("segment_msg91.segment.tracking_api", "import httpx"),
        (
            "segment_msg91.use_cases.segment_ingest",
            "from segment_msg91 import mapping\nfrom segment_msg91.store.messages import Messages",
        ),
        (
            "functions.segment_ingest.app",
            "from aws_lambda_powertools import Logger\nimport segment_msg91.use_cases.segment_ingest",
        ),
        ("segment_msg91.settings", "import os\nENVIRON = os.environ"),
        ("segment_msg91.mapping", "import os.path\nimport storey\nfrom segment_msg91.msg91.codes import SendState"),
    ],
)
def test_an_import_that_goes_the_right_way_is_not(module: str, source: str) -> None:
    assert violations(module, source) == []
