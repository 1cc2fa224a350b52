"""Events whose SMS a rule suppresses, one for each rule: sent through a second ingest function that has the rules."""

import json
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from typing import Any, Final

from sandbox.api_gateway import running_api
from sandbox.console import Console
from sandbox.execution_environment import scaling
from sandbox.messages import Row, settled_rows
from sandbox.msg91_simulator.numbers import PREFIX
from sandbox.samples import Result, authorization, send, track
from sandbox.stack import Options, Stack
from sandbox.template import Template

FUNCTION: Final = "SegmentIngestFunction"
TIMEOUT: Final = 15
"""Seconds."""
_ABROAD: Final = "14155552671"  # libphonenumber's example of the USA
_OPTED_OUT, _NO_OFFERS, _CAPPED, _NO_TESTER = (PREFIX + suffix for suffix in ("81", "82", "83", "84"))
RULES: Final = {
    "AllowedCountries": "IN",
    "OnlyToNumbers": f"{_ABROAD},{_OPTED_OUT},{_NO_OFFERS},{_CAPPED}",
    "GuardRails": "on",
    "MaxSmsPerNumberPerHour": "2",
}
"""Template parameters. The stack itself does not have them, so that any SMS can be tried there."""


@dataclass(frozen=True, slots=True)
class Sample:
    """An event to a number, what happens before it, and the rule that must stop its SMS."""

    event: str
    number: str
    because: str
    before: Sequence[dict[str, object]] = ()
    properties: dict[str, Any] = field(default_factory=dict)

    @property
    def sms(self) -> dict[str, object]:
        return _sms(self.event, self.number, **self.properties)


def _sms(name: str, number: str, text: str = "Your order is on its way.", **properties: str) -> dict[str, object]:
    event = track(number, text, senderID="MSGIND", **properties)
    return event | {"event": name, "userId": f"user-{number[-2:]}"}


def _opted_out(number: str, scope: str) -> dict[str, object]:
    properties = {"phone": number, "scope": scope}
    return {"type": "track", "event": "SMS Opted Out", "userId": f"user-{number[-2:]}", "properties": properties}


SAMPLES: Final = (
    Sample("To Another Country", _ABROAD, "country"),
    Sample("Not On The Test List", _NO_TESTER, "not_on_test_list"),
    Sample("After Opt-Out", _OPTED_OUT, "opted_out", [_opted_out(_OPTED_OUT, "all")]),
    Sample(
        "Offer After Opt-Out",
        _NO_OFFERS,
        "opted_out",
        [_opted_out(_NO_OFFERS, "promotional")],
        {"promotional": "true"},
    ),
    Sample("Third In An Hour", _CAPPED, "capped", [_sms("In A Loop", _CAPPED, text) for text in ("Once.", "Twice.")]),
)


def suppress_samples(console: Console, stack: Stack, options: Options) -> bool:
    """Return whether each of them is suppressed by its rule, and recorded."""
    console.say(f"\nSending events that rules suppress ({', '.join(sorted(RULES))}):\n")
    with _ingest_with_rules(stack, options) as url:
        results = [_send(url, stack, sample) for sample in SAMPLES]
    crqids = [last.crqid or "" for *_, last in results]
    sent = [one.crqid for *before, _ in results for one in before if one.crqid]

    def is_done(row: Row) -> bool:
        return row.sent == "suppressed" and (not stack.sends_events or bool(row.last_event))

    rows = settled_rows(stack.messages, stack.last_event, crqids, TIMEOUT, is_done)
    settled_rows(stack.messages, stack.last_event, sent, TIMEOUT)  # or they would be shown as the user's
    console.headings()
    for row in rows:
        console.row(row)
    causes = [
        stack.messages.get_item(Key={"crqid": crqid}).get("Item", {}).get("suppressed_because") for crqid in crqids
    ]
    suppressed = sum(sample.because == cause for sample, cause in zip(SAMPLES, causes, strict=True))
    console.say(f"\n{suppressed} of {len(SAMPLES)} suppressed.")
    return suppressed == len(SAMPLES)


@contextmanager
def _ingest_with_rules(stack: Stack, options: Options) -> Iterator[str]:
    """Yield the URL for Segment of another ingest function, on the same tables."""
    urls = {"Msg91BaseUrl": stack.msg91_url, "SegmentTrackingUrl": stack.tracking_url}
    template = Template.load(parameters={**options.parameters, **RULES, **urls})
    stack.aws.create_tables(template)
    (function,) = (one for one in template.functions() if one.name == FUNCTION)
    variables = stack.aws.environment(FUNCTION) | template.environment(FUNCTION, stack.aws.url)
    routes = [route for route in template.routes() if route.function == FUNCTION]
    with ExitStack() as started:
        log = started.enter_context(options.log.open("a", encoding="utf-8"))
        invoker = started.enter_context(scaling(function, variables, log))
        yield started.enter_context(running_api(routes, {FUNCTION: invoker}, options.host)) + "/segment"


def _send(url: str, stack: Stack, sample: Sample) -> list[Result]:
    """Send an event after those that must come before it, each by itself; return a result for each."""
    events = (*sample.before, sample.sms)
    return [result for event in events for result in send(url, json.dumps(event), authorization(stack.secret))]
