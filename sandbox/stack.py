"""The local stack: MSG91, Segment, AWS, the functions and their API, each with the addresses of the others."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Final

from sandbox.api_gateway import running_api
from sandbox.aws import SECRET, Aws, running_aws
from sandbox.deployment import Deployed
from sandbox.dynamodb_local.server import running_dynamodb_local
from sandbox.event_source import EventSource, polling
from sandbox.execution_environment import scaling
from sandbox.lambda_runtime import Event, Invoker
from sandbox.msg91_simulator.server import SILENCE, running_simulator
from sandbox.msg91_simulator.simulator import Simulator, Webhook
from sandbox.schedule_source import ScheduleSource, scheduling
from sandbox.segment_simulator.server import running_tracking_api
from sandbox.segment_simulator.tracking_api import TrackingApi
from sandbox.stream_source import StreamSource, polling_stream
from sandbox.template import PATH, Function, Template

if TYPE_CHECKING:
    from mypy_boto3_dynamodb.service_resource import Table

type Environments = Mapping[str, Mapping[str, str]]
"""By function."""
type Invokers = Mapping[str, Invoker]
"""By function."""
type StartFunctions = Callable[[Sequence[Function], Environments], AbstractContextManager[Invokers]]

MOTO: Final = "moto"
LOCAL: Final = "local"
ENGINES: Final = (MOTO, LOCAL)
"""What DynamoDB can be."""
LOG: Final = PATH.parent / ".cache" / "sandbox.log"


@dataclass(frozen=True, slots=True)
class RealMsg91:
    authkey: str = field(repr=False)
    base_url: str


@dataclass(frozen=True, slots=True)
class Options:
    """A port of 0 means a free one; `parameters` are the template's; `log` is the file for logs and metrics.

    `dynamodb` is one of ENGINES.
    """

    log: Path = LOG
    host: str = "127.0.0.1"
    api_port: int = 0
    aws_port: int = 0
    msg91_port: int = 0
    tracking_port: int = 0
    dynamodb: str = MOTO
    report_version: str = "v2"
    report_delay: float = 0.3
    silence: float = SILENCE
    parameters: Mapping[str, str] = field(default_factory=dict)
    real_msg91: RealMsg91 | None = None


@dataclass(frozen=True, slots=True)
class Stack:
    api_url: str
    msg91_url: str
    aws: Aws
    secret: Mapping[str, str]
    simulator: Simulator | None
    """None when the real MSG91 is used."""
    tracking: TrackingApi
    tracking_url: str
    sends_events: bool
    invokers: Invokers

    @property
    def segment_url(self) -> str:
        return f"{self.api_url}/segment"

    @property
    def console_url(self) -> str:
        return f"{self.api_url}/console"

    @property
    def messages(self) -> "Table":
        return self.aws.tables.Table("MessagesTable")

    @property
    def reports_url(self) -> str:
        return f"{self.api_url}/msg91/reports/{self.secret['report_token']}"

    def last_event(self, crqid: str) -> str | None:
        """Return the name of the last delivery event of a message: empty if there is none yet, None if they are off."""
        if not self.sends_events:
            return None
        names = [event["event"] for key, event in self.tracking.events().items() if key.startswith(crqid)]
        return str(names[-1]) if names else ""

    def invoke(self, function: str, event: Event) -> object:
        """Invoke a function now, as `aws lambda invoke` does. Raises FunctionError."""
        return self.invokers[function](event)

    def reset(self) -> None:
        """Empty the tables, queues and ledger."""
        self.aws.reset()
        self.tracking.reset()
        if self.simulator:
            self.simulator.reset()


@contextmanager
def in_processes(functions: Sequence[Function], environments: Environments, log: Path) -> Iterator[Invokers]:
    """Run the functions from their sources."""
    log.parent.mkdir(exist_ok=True)
    with ExitStack() as started:
        file = started.enter_context(log.open("a", encoding="utf-8"))
        yield {
            function.name: started.enter_context(scaling(function, environments[function.name], file))
            for function in functions
        }


def engine(name: str) -> AbstractContextManager[str | None]:
    """Yield the URL of DynamoDB Local, or None for moto, which needs no server. Raises NotAvailableError."""
    return running_dynamodb_local() if name == LOCAL else nullcontext()


@contextmanager
def running_stack(options: Options, start_functions: StartFunctions | None = None) -> Iterator[Stack]:
    """Start the stack. `start_functions` defaults to `in_processes`."""
    start = start_functions or partial(in_processes, log=options.log)
    with ExitStack() as started:
        simulator, msg91_url, secret = started.enter_context(_msg91(options))
        write_key = secret["segment_write_key"]
        tracking, tracking_url = started.enter_context(
            running_tracking_api(write_key, options.host, options.tracking_port)
        )
        urls = {"Msg91BaseUrl": msg91_url, "SegmentTrackingUrl": tracking_url}
        template = Template.load(parameters={"DeliveryEvents": "on", **options.parameters, **urls})
        dynamodb_url = started.enter_context(engine(options.dynamodb))
        aws = started.enter_context(running_aws(template, secret, options.host, options.aws_port, dynamodb_url))
        environments = {
            function.name: aws.environment(function.name) | template.environment(function.name, aws.url)
            for function in template.functions()
        }
        invokers = started.enter_context(start(template.functions(), environments))
        api_url = started.enter_context(running_api(template.routes(), invokers, options.host, options.api_port))
        aws.deployment.deploy(Deployed(template, api_url, aws.url, options.log, invokers))
        streams = template.stream_triggers()
        stack = Stack(api_url, msg91_url, aws, secret, simulator, tracking, tracking_url, bool(streams), invokers)
        if simulator:
            simulator.webhook = Webhook(stack.reports_url, options.report_version, options.report_delay)
        for trigger in template.queue_triggers():
            source = EventSource(aws.sqs, aws.url, trigger, invokers[trigger.function])
            started.enter_context(polling(source))
        for stream in streams:
            started.enter_context(polling_stream(StreamSource(aws, stream, invokers[stream.function])))
        for schedule in template.schedule_triggers():
            started.enter_context(scheduling(ScheduleSource(schedule, invokers[schedule.function])))
        yield stack


@contextmanager
def _msg91(options: Options) -> Iterator[tuple[Simulator | None, str, Mapping[str, str]]]:
    """Yield the simulator if there is one, MSG91's URL, and the matching secret."""
    if real := options.real_msg91:
        yield None, real.base_url, SECRET | {"msg91_authkey": real.authkey}
        return
    authkey = SECRET["msg91_authkey"]
    with running_simulator(authkey, options.host, options.msg91_port, options.silence) as (simulator, url):
        yield simulator, url, SECRET
