"""`make verify` against a local stack, with faults in the stack and between the two."""

import hashlib
import hmac
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final

import boto3
import httpx
import pytest
from werkzeug.wrappers import Request, Response

from sandbox.deployment import Deployed
from sandbox.msg91_simulator.simulator import Simulator, Webhook
from sandbox.servers import serving, url_of, wsgi_server
from sandbox.stack import Options, Stack, running_stack
from sandbox.template import REGION, STACK_NAME, Template, load_document
from scripts.verify.__main__ import main

if TYPE_CHECKING:
    from collections.abc import Iterable

    from _typeshed.wsgi import StartResponse, WSGIEnvironment
    from mypy_boto3_cloudwatch import CloudWatchClient
    from mypy_boto3_logs import CloudWatchLogsClient

TOPIC: Final = f"arn:aws:sns:{REGION}:123456789012:alarms"
PARAMETERS: Final = {"Console": "on", "DeliveryEvents": "on", "DefaultSenderId": "MSGIND", "AlarmTopicArn": TOPIC}
SECRET: Final = {
    "msg91_authkey": "sandbox-msg91-authkey",
    **{
        name: f"made-up-for-{name}-of-the-tests"
        for name in ("segment_shared_secret", "segment_token", "report_token", "segment_write_key", "console_token")
    },
}
TIMEOUT: Final = "3"
OPERATOR: Final = "testing"
"""The access key id of the calls of `make verify`."""

type Fault = Callable[[Request], Response | None]
"""Changes a request to the API, or answers instead of the API."""


class FaultProxy:
    """A WSGI application between `make verify` and the API."""

    def __init__(self, api_url: str) -> None:
        self._api_url = api_url
        self._http = httpx.Client(timeout=60)
        self.fault: Fault | None = None
        self.seen: list[str] = []
        """Method and path of every request."""

    def __call__(self, environ: "WSGIEnvironment", start_response: "StartResponse") -> "Iterable[bytes]":
        self.seen.append(f"{environ['REQUEST_METHOD']} {environ['PATH_INFO']}?{environ['QUERY_STRING']}")
        request = Request(environ)
        answered = self.fault(request) if self.fault else None
        return (answered or self._forward(request))(environ, start_response)

    def close(self) -> None:
        self._http.close()

    def _forward(self, request: Request) -> Response:
        headers = {name: value for name, value in request.headers.items() if name.lower() not in ("host", "connection")}
        path = request.environ["PATH_INFO"]  # a fault may have changed it
        answer = self._http.request(request.method, self._api_url + path, content=request.get_data(), headers=headers)
        kept = {name: value for name, value in answer.headers.items() if name not in ("content-length", "connection")}
        return Response(answer.content, answer.status_code, kept)


@dataclass(frozen=True, slots=True)
class Verified:
    """The output and the exit code of a run."""

    code: int
    out: str
    err: str

    def row(self, name: str) -> str:
        """Return the line of a check, joined with its continuation lines."""
        lines = iter(self.out.splitlines())
        found = next(line for line in lines if line.startswith(name))
        rest = []
        for line in lines:
            if not line.startswith(" "):
                break
            rest.append(line.strip())
        return " ".join([" ".join(found.split()), *rest])


@dataclass(frozen=True, slots=True)
class World:
    """The stack, and the operator's clients."""

    stack: Stack
    proxy: FaultProxy
    deployed: Deployed
    simulator: Simulator
    cloudwatch: "CloudWatchClient"
    logs: "CloudWatchLogsClient"

    def set_secret(self, **members: object) -> None:
        """Store the secret with these members changed; None leaves one out."""
        changed = {name: value for name, value in (SECRET | members).items() if value is not None}
        self.stack.aws.secrets.put_secret_value(SecretId="Secret", SecretString=json.dumps(changed))

    def deploy(self, change: Callable[[dict[str, Any]], object], **parameters: str) -> None:
        """Describe the stack as if it were deployed from another template."""
        document = load_document()
        change(document)
        template = Template(document, {**self.deployed.template.parameters, **parameters})
        self.stack.aws.deployment.deploy(replace(self.deployed, template=template))

    def repair(self) -> None:
        """Remove every fault."""
        self.proxy.fault = None
        self.proxy.seen.clear()
        self.stack.aws.interceptor = None
        self.stack.reset()
        self.set_secret()
        self.stack.aws.deployment.deploy(self.deployed)


type Verify = Callable[..., Verified]


@pytest.fixture(scope="package")
def _world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    options = Options(log=tmp_path_factory.mktemp("verify") / "log", parameters=PARAMETERS)
    with running_stack(options) as stack:
        proxy = FaultProxy(stack.api_url)
        server = wsgi_server(proxy, "127.0.0.1", 0)
        session = boto3.Session("operator", "sandbox", region_name=REGION)
        assert stack.aws.deployment.deployed
        assert stack.simulator
        stack.simulator.webhook = Webhook(f"{stack.api_url}/msg91/reports/{SECRET['report_token']}")
        with serving(server):
            world = World(
                stack,
                proxy,
                replace(stack.aws.deployment.deployed, api_url=url_of(server)),
                stack.simulator,
                session.client("cloudwatch", endpoint_url=stack.aws.url),
                session.client("logs", endpoint_url=stack.aws.url),
            )
            world.set_secret()
            _warm(stack)
            yield world
            proxy.close()


def _warm(stack: Stack) -> None:
    """Let each function read the secret, which it caches for five minutes: faults do not change it then."""
    httpx.post(stack.segment_url, timeout=60)
    httpx.post(f"{stack.api_url}/msg91/reports", timeout=60)
    httpx.get(stack.console_url, timeout=60)


@pytest.fixture
def world(_world: World) -> World:
    _world.repair()
    return _world


@pytest.fixture
def verify(
    world: World, session: boto3.Session, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Verify:
    """Run `make verify`; further arguments are its own. The session is shared: it is slow to make."""
    monkeypatch.setenv("AWS_ENDPOINT_URL", world.stack.aws.url)

    def run(*arguments: str, stack: str = STACK_NAME, timeout: str = TIMEOUT) -> Verified:
        code = main(["--stack", stack, "--timeout", timeout, *arguments], session)
        output = capsys.readouterr()
        return Verified(code, output.out, output.err)

    return run


def signed(body: bytes) -> str:
    """Return Segment's signature of a body."""
    return hmac.new(SECRET["segment_shared_secret"].encode(), body, hashlib.sha1).hexdigest()
