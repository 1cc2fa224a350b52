"""The tables of README and docs say what the code does, their links work, and their commands are the Makefile's."""

import json
import re
import stat
import subprocess
import tomllib
from pathlib import Path
from typing import Any, Final

import pytest

from functions.segment_ingest.app import METRIC_OF
from sandbox.msg91_simulator.numbers import NUMBERS
from sandbox.template import load_document
from segment_msg91.mapping import PARAMETERS
from segment_msg91.msg91.codes import API_ERRORS, RANK, REPORT_CODES, REPORT_TEXTS, WITHOUT_REPORT
from segment_msg91.msg91.failures import FAILURES
from segment_msg91.segment.track_events import EventName, track_events
from segment_msg91.store.stream import Change
from segment_msg91.use_cases.segment_ingest import HTTP_STATUS

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text()
REFERENCE = (ROOT / "docs/reference.md").read_text()
DELIVERY_EVENTS = (ROOT / "docs/delivery-events.md").read_text()
SANDBOX = (ROOT / "sandbox/README.md").read_text()
DOCUMENTS = sorted(path for folder in ("", "docs", "sandbox", "tests") for path in (ROOT / folder).glob("*.md"))


def _table(heading: str, document: str = REFERENCE) -> list[list[str]]:
    """Return the rows of the first table under a heading, cells without code marks."""
    section = re.split(r"^#{2,3} ", document.split(f"# {heading}\n", 1)[1], maxsplit=1, flags=re.MULTILINE)[0]
    rows = re.search(r"^\|.*\|\n\|[-|]+\|\n((?:\|.*\|\n)+)", section, re.MULTILINE)
    assert rows, heading
    lines = rows[1].strip().splitlines()
    return [[cell.strip().replace("`", "") for cell in line.strip("|").split("|")] for line in lines]


def _listed(cell: str) -> set[str]:
    return {one.strip() for one in cell.split(",") if one.strip()}


@pytest.fixture(scope="module")
def parameters() -> dict[str, Any]:
    declared: dict[str, Any] = load_document()["Parameters"]
    return declared


def test_parameters_and_their_defaults_are_the_templates(parameters: dict[str, Any]) -> None:
    documented = {name: default for name, default, _ in _table("Parameters")}
    assert documented == {name: str(parameter["Default"]) for name, parameter in parameters.items()}


def test_results_and_their_http_statuses_are_the_codes() -> None:
    documented = {status: int(http) for status, http, _ in _table("HTTP responses to Segment")}
    assert documented == {str(status): http for status, http in HTTP_STATUS.items()}


def test_delivery_statuses_are_the_codes() -> None:
    documented = _table("Delivery statuses")
    assert {status: int(rank) for status, rank, _, _ in documented} == {
        str(status): rank for status, rank in RANK.items()
    }
    for status, _, codes, texts in documented:
        assert _listed(codes) == {code for code, meaning in REPORT_CODES.items() if meaning == status}
        if status != "unknown":
            assert _listed(texts) == {text for text, meaning in REPORT_TEXTS.items() if meaning == status}


def test_failures_are_the_codes() -> None:
    coded = [
        [str(category), "permanent" if failure.is_permanent else "temporary", failure.sentence, failure.advice]
        for category, failure in FAILURES.items()
    ]
    assert _table("Why an SMS failed") == coded


def test_error_codes_are_the_codes() -> None:
    documented = {error_class: _listed(codes) for error_class, codes, _ in _table("MSG91's error codes")}
    coded: dict[str, set[str]] = {}
    for code, (error_class, _) in API_ERRORS.items():
        coded.setdefault(error_class, set()).add(code)
    assert documented == coded


def test_the_codes_without_a_report_are_named() -> None:
    after = REFERENCE.split("and stored. After ")[1].split(" MSG91 sends no delivery report")[0]
    assert set(re.findall(r"\d+", after)) == WITHOUT_REPORT


def test_fields_are_those_that_are_mapped() -> None:
    documented = {name for name, _, _ in _table("Fields")}
    own = {"phone", "message", "firstName", "senderID", "templateId", "variables", "promotional"}
    assert documented == own | set(PARAMETERS.values())


def test_metrics_are_those_that_are_emitted() -> None:
    folders = (ROOT / "functions", ROOT / "layers/shared/segment_msg91")
    everything = "".join(path.read_text() for folder in folders for path in folder.rglob("*.py"))
    emitted = set(METRIC_OF.values()) | set(re.findall(r'\bcount\("([A-Z]\w+)"', everything))
    emitted |= set(re.findall(r'"(Unauthorized|Malformed|TooLarge|SecretUnavailable)"', everything))
    assert {name for name, _ in _table("Metrics")} == emitted


def test_delivery_events_are_the_codes() -> None:
    assert {name for name, _, _ in _table("Delivery events", DELIVERY_EVENTS)} == set(EventName)


def test_the_delivery_event_that_is_shown_is_one_that_is_sent() -> None:
    shown = json.loads(DELIVERY_EVENTS.split("```json\n")[1].split("```")[0])
    *_, record = json.loads((ROOT / "events/stream.json").read_text())["Records"]
    change = Change.of(record)
    (sent,) = track_events(change.before, change.after, change.written_at)
    assert shown["properties"].keys() == sent["properties"].keys()
    named = ("event", "timestamp", "context")
    assert {name: shown[name] for name in named} == {name: sent[name] for name in named}
    assert shown.keys() == sent.keys()


def test_magic_numbers_are_the_simulators() -> None:
    documented = dict(_table("Magic numbers", SANDBOX))
    assert documented.pop("any other") == "delivered"
    assert documented == {suffix: behaviour.sentence.replace("`", "") for suffix, behaviour in NUMBERS.items()}


def _anchors(text: str) -> set[str]:
    """Return the anchors that GitHub gives to the headings."""
    headings = re.findall(
        r"^#+ (.*)$", re.sub(r"^ *```.*?^ *```", "", text, flags=re.MULTILINE | re.DOTALL), re.MULTILINE
    )
    return {re.sub(r"[^a-z0-9_ -]", "", heading.lower()).replace(" ", "-") for heading in headings}


def test_links_are_checked_in_every_document() -> None:
    assert {ROOT / "README.md", ROOT / "docs/reference.md", ROOT / "sandbox/README.md"} <= set(DOCUMENTS)
    assert "first-deployment" in _anchors("# First deployment\n```sh\n# No heading\n```\n")
    assert "no-heading" not in _anchors("# First deployment\n```sh\n# No heading\n```\n")


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_every_link_and_anchor_resolves(document: Path) -> None:
    text = document.read_text()
    for link in re.findall(r"\]\(([^)\s]+)\)|(?:src|href)=\"([^\"]+)\"", text):
        path, _, anchor = "".join(link).partition("#")
        if path.startswith(("https:", "http:")):
            continue
        target = document.parent / path if path else document
        assert target.exists(), link
        assert not anchor or anchor in _anchors(target.read_text()), link


def test_the_readme_is_short() -> None:
    assert len(README.splitlines()) < 150


def test_the_name_of_the_production_stack_is_that_of_samconfig() -> None:
    config = tomllib.loads((ROOT / "samconfig.toml").read_text())
    name = config["production"]["global"]["parameters"]["stack_name"]
    for document in (README, (ROOT / "docs/operations.md").read_text()):
        named = re.findall(r"STACK=([a-z0-9-]+)`?[^.]*--config-env production", document)
        assert named == [name] * document.count("--config-env production")


def test_make_targets_exist() -> None:
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    named = set(re.findall(r"(?:^ *|`|… )make ([a-z]+)", README, re.MULTILINE))
    assert {"run", "test", "build"} <= named <= targets


def test_outputs_that_are_pasted_exist() -> None:
    outputs = (ROOT / "template.yaml").read_text().split("\nOutputs:\n")[1]
    for name in ("SegmentUrl", "Msg91ReportsUrl", "SecretArn"):
        assert f"  {name}:\n" in outputs
        assert name in README


AWS: Final = """#!/bin/sh
echo "$AWS_REGION $AWS_DEFAULT_REGION" >> "$NOTES/regions"
case "$*" in
  *describe-stacks*) echo "output of $STACK" ;;
  *put-secret-value*) echo "$@" > "$NOTES/put"; cp -p secret.json "$NOTES/secret.json" ;;
esac
"""


@pytest.fixture
def deployed(tmp_path: Path) -> Path:
    """After the five steps, in a new shell whose tools only take notes: the folder of the notes."""
    section = README.split("## Deploy in five steps\n")[1].split("\n## ")[0]
    blocks = re.findall(r"```sh\n(.*?)```", section, re.DOTALL)
    assert len(blocks) == 4
    notes = tmp_path / "notes"
    for name, script in {"bin/aws": AWS, "bin/make": "#!/bin/sh\n", ".venv/bin/sam": AWS}.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(script)
        (tmp_path / name).chmod(0o700)
    notes.mkdir()
    subprocess.run(  # noqa: S603 - the document's own commands
        ["/bin/sh", "-euc", "umask 022\n" + "\n".join(blocks)],
        env={"PATH": f"{tmp_path / 'bin'}:/usr/local/bin:/usr/bin:/bin", "NOTES": str(notes)},
        cwd=tmp_path,
        input="the authkey\n",
        text=True,
        check=True,
        capture_output=True,
        start_new_session=True,  # without a terminal, getpass reads the standard input
    )
    return notes


def test_the_five_steps_fill_the_secret_in(deployed: Path) -> None:
    secret = json.loads((deployed / "secret.json").read_text())
    assert secret.pop("msg91_authkey") == "the authkey"
    assert set(secret) == {"segment_shared_secret", "segment_token", "report_token", "console_token"}
    assert len(set(secret.values())) == 4
    assert min(map(len, secret.values())) >= 40
    assert "--secret-id output of segment-msg91 --secret-string file://secret.json" in (deployed / "put").read_text()


def test_the_five_steps_delete_the_secrets_file_which_only_its_owner_can_read(deployed: Path) -> None:
    assert stat.S_IMODE((deployed / "secret.json").stat().st_mode) == 0o600
    assert not (deployed.parent / "secret.json").exists()


def test_the_five_steps_stay_in_one_region(deployed: Path) -> None:
    assert set((deployed / "regions").read_text().splitlines()) == {"ap-south-1 ap-south-1"}
