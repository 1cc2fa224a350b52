"""`python -m sandbox`: starts the local stack, sends the sample events through it and tells what became of them."""

import json
import logging
import os
import signal
import sys
from argparse import Namespace
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from sandbox.arguments import UsageError, parse, to_options
from sandbox.console import Console
from sandbox.dynamodb_local.installation import NotAvailableError
from sandbox.messages import DELIVERED, Row, changes, settled_rows
from sandbox.msg91_simulator.numbers import NUMBERS, PREFIX
from sandbox.samples import SAMPLES, Result, authorization, send, send_sample, track
from sandbox.servers import PortInUseError
from sandbox.stack import Options, Stack, running_stack
from sandbox.template import UnknownParameterError

REPORTS_WITHIN: Final = 15
"""Seconds."""


def main() -> int:
    arguments = parse()
    console = Console()
    if arguments.numbers:
        _tell_numbers(console)
        return 0
    # `kill` ends it as cleanly as Ctrl-C does.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        return _run(console, to_options(arguments), arguments)
    except NotAvailableError as error:
        console.say(f"No DynamoDB Local: {error}. --dynamodb moto needs nothing.")
        return 2
    except (UsageError, PortInUseError, UnknownParameterError) as error:
        console.say(str(error))
        return 2
    except KeyboardInterrupt:
        console.say("\nStopped.")
        return 0


def _run(console: Console, options: Options, arguments: Namespace) -> int:
    options.log.parent.mkdir(exist_ok=True)
    logging.basicConfig(filename=options.log, filemode="w", level=logging.WARNING)
    with running_stack(options) as stack:
        succeeded = _send_real(console, stack, arguments.to) if options.real_msg91 else _send_samples(console, stack)
        if not arguments.once:
            _tell_urls(console, stack, options.log)
            _follow(console, stack)
    return 0 if succeeded else 1


def _send_samples(console: Console, stack: Stack) -> bool:
    """Tells whether all of them were accepted and delivered."""
    console.say("Sample events on their way through API Gateway, the functions and MSG91:\n")
    results = [result for name in SAMPLES for result in send_sample(stack.segment_url, name)]
    rows = _rows(stack, results, within=REPORTS_WITHIN)
    _tell(console, rows)
    delivered = sum(row.is_delivered for row in rows)
    console.say(f"\n{delivered} of {len(rows)} accepted and delivered.")
    if stack.sends_events:
        told = sum(row.told == DELIVERED for row in rows)
        console.say(f"{told} of them told to Segment as {DELIVERED}; the others' events named no user.")
    return delivered == len(rows) and all(row.is_settled for row in rows)


def _send_real(console: Console, stack: Stack, number: str | None) -> bool:
    """Tells whether MSG91 accepted the SMS. The samples' numbers may be somebody's, so they are not sent."""
    console.say(f"REAL SMS: MSG91 at {stack.msg91_url} gets every event that you send from here on.")
    console.say("Its delivery reports cannot reach this machine unless you expose the reports URL and enter it there.")
    if number is None:
        console.say("Nothing is sent yet; --to <your number> would have sent you a first one.")
        return True
    console.say("")
    event = track(number, "A test of segment-msg91.")
    rows = _rows(stack, send(stack.segment_url, json.dumps(event), authorization(stack.secret)), within=0)
    _tell(console, rows)
    return all(row.sent == "accepted" for row in rows)


def _rows(stack: Stack, results: Sequence[Result], within: float) -> list[Row]:
    """What the answers left without a message stands with the answer's own words."""
    found = settled_rows(stack.messages, stack.told, [result.crqid for result in results if result.crqid], within)
    unstored = [Row("", "", result.status, "", "", result.reason) for result in results if not result.crqid]
    return found + unstored


def _tell(console: Console, rows: Sequence[Row]) -> None:
    console.headings()
    for row in rows:
        console.row(row)


def _tell_urls(console: Console, stack: Stack, log: Path) -> None:
    number = f"{PREFIX}02" if stack.simulator else "<your number>"
    event = track(number, "Hello from the sandbox", senderID="MSGIND")
    advice = "The number's last two digits choose what MSG91 does; `python -m sandbox --numbers` lists them"
    console.say(f"""
Up until Ctrl-C:
  the console         {stack.console_url} (any user name, password {stack.secret["console_token"]})
  Segment's events    {stack.segment_url}
  MSG91's reports     {stack.reports_url}
  AWS                 {stack.aws.url} (as AWS_ENDPOINT_URL)
  Segment             {stack.tracking_url}/events (the delivery events that it was sent)
  MSG91               {stack.msg91_url}{"" if stack.simulator is None else " (what it sent: /ledger)"}
  logs and metrics    {os.path.relpath(log)}

Try it{". " + advice if stack.simulator else ""}:
  curl {stack.segment_url} -H 'Authorization: {authorization(stack.secret)}' -H 'Content-Type: application/json' \\
    -d '{json.dumps(event)}'
""")


def _follow(console: Console, stack: Stack) -> None:
    """Tells of every message from here on, until Ctrl-C."""
    console.headings()
    for row in changes(stack.messages, stack.told):
        console.row(row)


def _tell_numbers(console: Console) -> None:
    for suffix, behaviour in NUMBERS.items():
        console.say(f"{PREFIX}{suffix}  {behaviour.sentence}")
    console.say("Every other number is delivered.")


if __name__ == "__main__":
    sys.exit(main())
