"""`python -m sandbox`: starts the local stack, sends the sample events through it and prints their outcomes."""

import json
import logging
import os
import signal
import sys
from argparse import Namespace
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from sandbox import overdue, suppressed
from sandbox.arguments import UsageError, parse, to_options
from sandbox.console import Console
from sandbox.dynamodb_local.installation import NotAvailableError
from sandbox.messages import DELIVERED, Row, changes, settled_rows
from sandbox.msg91_simulator.numbers import NUMBERS, PREFIX
from sandbox.samples import SAMPLES, Result, authorization, send, send_sample, track
from sandbox.servers import PortInUseError
from sandbox.stack import Options, Stack, running_stack
from sandbox.template import ParameterError

REPORTS_TIMEOUT: Final = 15
"""Seconds."""


def main() -> int:
    arguments = parse()
    console = Console()
    if arguments.numbers:
        _print_numbers(console)
        return 0
    # `kill` stops it as cleanly as Ctrl-C.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        return _run(console, to_options(arguments), arguments)
    except NotAvailableError as error:
        console.say(f"No DynamoDB Local: {error}. --dynamodb moto needs nothing.")
        return 2
    except (UsageError, PortInUseError, ParameterError) as error:
        console.say(str(error))
        return 2
    except KeyboardInterrupt:
        console.say("\nStopped.")
        return 0


def _run(console: Console, options: Options, arguments: Namespace) -> int:
    options.log.parent.mkdir(exist_ok=True)
    logging.basicConfig(filename=options.log, filemode="w", level=logging.WARNING)
    with running_stack(options) as stack:
        if stack.simulator:
            succeeded = _send_samples(console, stack)
            if overdue.FUNCTION in stack.invokers:
                succeeded &= overdue.reconcile_samples(console, stack, stack.simulator)
            succeeded &= suppressed.suppress_samples(console, stack, options)
        else:
            succeeded = _send_real(console, stack, arguments.to)
        if not arguments.once:
            _print_urls(console, stack, options.log)
            _follow(console, stack)
    return 0 if succeeded else 1


def _send_samples(console: Console, stack: Stack) -> bool:
    """Return whether all of them were accepted and delivered."""
    console.say("Sending the sample events through API Gateway, the functions and MSG91:\n")
    results = [result for name in SAMPLES for result in send_sample(stack.segment_url, name)]
    rows = _rows(stack, results, timeout=REPORTS_TIMEOUT)
    _print_rows(console, rows)
    delivered = sum(row.is_delivered for row in rows)
    console.say(f"\n{delivered} of {len(rows)} accepted and delivered.")
    if stack.sends_events:
        sent = sum(row.last_event == DELIVERED for row in rows)
        console.say(f"Segment has the event {DELIVERED} for {sent} of them; the others have no user.")
    return delivered == len(rows) and all(row.is_settled for row in rows)


def _send_real(console: Console, stack: Stack, number: str | None) -> bool:
    """Return whether MSG91 accepted the SMS. The samples are not sent, because their numbers may be real."""
    console.say(f"REAL SMS: MSG91 at {stack.msg91_url} gets every event that you send from here on.")
    console.say("Its delivery reports cannot reach this machine unless you expose the reports URL and enter it there.")
    if number is None:
        console.say("Nothing is sent yet; --to <your number> sends you a first one.")
        return True
    console.say("")
    event = track(number, "A test of segment-msg91.")
    rows = _rows(stack, send(stack.segment_url, json.dumps(event), authorization(stack.secret)), timeout=0)
    _print_rows(console, rows)
    return all(row.sent == "accepted" for row in rows)


def _rows(stack: Stack, results: Sequence[Result], timeout: float) -> list[Row]:
    """Return a row for each result. Events without a message have the status and reason of the answer."""
    found = settled_rows(
        stack.messages, stack.last_event, [result.crqid for result in results if result.crqid], timeout
    )
    unstored = [Row(result.event, "", result.status, "", "", result.reason) for result in results if not result.crqid]
    return found + unstored


def _print_rows(console: Console, rows: Sequence[Row]) -> None:
    console.headings()
    for row in rows:
        console.row(row)


def _print_urls(console: Console, stack: Stack, log: Path) -> None:
    number = f"{PREFIX}02" if stack.simulator else "<your number>"
    event = track(number, "Hello from the sandbox", senderID="MSGIND")
    advice = "The number's last two digits choose what MSG91 does; `make run ARGS=--numbers` lists them"
    console.say(f"""
Running until Ctrl-C:
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
    """Print every message that changes from now on, until Ctrl-C."""
    console.headings()
    for row in changes(stack.messages, stack.last_event):
        console.row(row)


def _print_numbers(console: Console) -> None:
    for suffix, behaviour in NUMBERS.items():
        console.say(f"{PREFIX}{suffix}  {behaviour.sentence}")
    console.say("Every other number is delivered.")


if __name__ == "__main__":
    sys.exit(main())
