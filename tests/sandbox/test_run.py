import os
import re
import socket
import subprocess
import sys
from pathlib import Path

import httpx
import pytest

from sandbox.msg91_simulator.reports import WRITERS
from sandbox.msg91_simulator.server import running_simulator
from sandbox.template import PATH

FREE_PORTS = ("--api-port", "0", "--aws-port", "0", "--msg91-port", "0", "--tracking-port", "0")


def run(log: Path, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "sandbox", "--log", str(log), *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=60, env=environment)  # noqa: S603


@pytest.fixture(scope="module")
def usual(tmp_path_factory: pytest.TempPathFactory) -> subprocess.CompletedProcess[str]:
    """A run without any option."""
    return run(tmp_path_factory.mktemp("usual") / "log", "--once", *FREE_PORTS)


def test_every_sample_event_is_delivered(usual: subprocess.CompletedProcess[str]) -> None:
    assert (usual.returncode, usual.stderr) == (0, "")
    assert "11 of 11 accepted and delivered." in usual.stdout
    assert "Segment has the event SMS Delivered for 8 of them" in usual.stdout
    assert "track Order Shipped             919800000065    accepted    delivered   SMS Delivered" in usual.stdout
    assert "6 of 6 as expected." in usual.stdout
    assert "5 of 5 suppressed." in usual.stdout


# Each version of the reports, and each option without which a run shows less, is in one run: a run takes seconds.
VERSIONS = {"usual": "v2", "without reconciliation": "v3", "without console and events": "v4", "dynamodb local": "new"}


@pytest.mark.parametrize(
    ("name", "parameters", "shown", "not_shown"),
    [
        ("without reconciliation", ["ReconcileEveryMinutes=0"], "SMS Delivered", "as expected"),
        ("without console and events", ["Console=off", "DeliveryEvents=off"], "6 of 6 as expected.", "SMS Delivered"),
    ],
)
def test_every_sample_event_is_delivered_with_options_off(
    tmp_path: Path, name: str, parameters: list[str], shown: str, not_shown: str
) -> None:
    options = [argument for parameter in parameters for argument in ("--parameter", parameter)]
    ended = run(tmp_path / "log", "--once", "--report-version", VERSIONS[name], *options, *FREE_PORTS)

    assert (ended.returncode, ended.stderr) == (0, "")
    assert "11 of 11 accepted and delivered." in ended.stdout
    assert (shown in ended.stdout, not_shown in ended.stdout, "skipped" in ended.stdout) == (True, False, False)


def test_every_version_of_reports_is_in_a_run() -> None:
    assert set(VERSIONS.values()) == set(WRITERS)


@pytest.mark.usefixtures("dynamodb_local")
def test_every_sample_event_is_delivered_on_dynamodb_local_too(tmp_path: Path) -> None:
    version = VERSIONS["dynamodb local"]
    options = ("--dynamodb", "local", "--report-version", version)
    ended = run(tmp_path / "log", "--once", *options, *FREE_PORTS, PATH=os.environ["PATH"])

    assert (ended.returncode, ended.stderr) == (0, "")
    assert "11 of 11 accepted and delivered." in ended.stdout
    assert "Segment has the event SMS Delivered for 8 of them" in ended.stdout
    assert "6 of 6 as expected." in ended.stdout


def test_the_readme_shows_what_it_prints(usual: subprocess.CompletedProcess[str]) -> None:
    (shown,) = re.findall(r"^```\n(EVENT .*?)^```$", (PATH.parent / "README.md").read_text(), re.MULTILINE | re.DOTALL)

    assert set(shown.splitlines()) - {"…"} <= set(usual.stdout.splitlines())


def test_it_fails_if_a_message_does_not_end_as_it_must(tmp_path: Path) -> None:
    ended = run(tmp_path / "log", "--once", "--parameter", "ReportGivenUpHours=46", *FREE_PORTS)

    assert ended.returncode == 1
    assert "3 of 6 as expected." in ended.stdout


def test_a_run_with_events_that_are_not_accepted_fails(tmp_path: Path) -> None:
    ended = run(tmp_path / "log", "--once", "--parameter", "MaxEventAgeHours=1", *FREE_PORTS)

    assert ended.returncode == 1
    assert re.search(r"^track Order Shipped +skipped", ended.stdout, re.MULTILINE)


def test_a_port_in_use_is_named_with_the_remedy(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        ended = run(
            tmp_path / "log",
            "--once",
            "--api-port",
            port,
            "--aws-port",
            "0",
            "--msg91-port",
            "0",
            "--tracking-port",
            "0",
        )

    assert ended.returncode == 2
    assert f"Port {port} of 127.0.0.1 is in use" in ended.stdout
    assert "--api-port" in ended.stdout


def test_a_real_authkey_without_a_number_sends_nothing_of_its_own(tmp_path: Path) -> None:
    with running_simulator("test-authkey") as (real, url):
        ended = run(tmp_path / "log", "--once", *FREE_PORTS, MSG91_AUTHKEY="test-authkey", MSG91_BASE_URL=url)

    assert (ended.returncode, ended.stderr) == (0, "")
    assert "Nothing is sent yet" in ended.stdout
    assert real.ledger.entries() == []


def test_a_number_without_an_authkey_is_an_error_that_names_it(tmp_path: Path) -> None:
    ended = run(tmp_path / "log", "--once", "--to", "919800000061", *FREE_PORTS)

    assert ended.returncode == 2
    assert "MSG91_AUTHKEY" in ended.stdout


def test_a_real_authkey_and_a_number_send_one_sms_to_it(tmp_path: Path) -> None:
    with running_simulator("test-authkey") as (real, url):
        ended = run(
            tmp_path / "log",
            *("--once", "--to", "919800000061", "--parameter", "DefaultSenderId=MSGIND", *FREE_PORTS),
            MSG91_AUTHKEY="test-authkey",
            MSG91_BASE_URL=url,
        )

    assert (ended.returncode, ended.stderr) == (0, "")
    assert "REAL SMS" in ended.stdout
    assert [entry.sms.number for entry in real.ledger.entries()] == ["919800000061"]


def test_it_prints_the_console_url_and_sigterm_ends_it_cleanly(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "sandbox", "--log", str(tmp_path / "log"), *FREE_PORTS]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env={}) as process:  # noqa: S603
        assert process.stdout
        lines = []
        for line in process.stdout:
            lines.append(line)
            if line.startswith("  curl"):
                break
        (console,) = [line for line in lines if "the console" in line]
        page = httpx.get(console.split()[2], auth=("anybody", console.split()[-1].rstrip(")")))
        process.terminate()
        rest, _ = process.communicate(timeout=30)

    assert (page.status_code, page.headers["content-type"]) == (200, "text/html; charset=utf-8")
    assert process.returncode == 0
    assert rest.endswith("Stopped.\n")


def test_the_magic_numbers_are_listed(tmp_path: Path) -> None:
    ended = run(tmp_path / "log", "--numbers")

    assert "919800000021  code 301: insufficient balance" in ended.stdout
