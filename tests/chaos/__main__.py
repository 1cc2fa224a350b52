"""`python -m tests.chaos`: the long chaos run. It prints its seed; --seed repeats the same faults."""

import argparse
import logging
import secrets
import sys
import time
from collections.abc import Iterable
from typing import Final

from sandbox.dynamodb_local.installation import NotAvailableError
from sandbox.stack import ENGINES, LOCAL, engine
from tests.chaos.building import build
from tests.chaos.run import Plan, Result, attack
from tests.chaos.world import EVENTS, INGEST, RECONCILIATION, REPORTS, running_world

ENVIRONMENTS: Final = {INGEST: 12, REPORTS: 24, EVENTS: 1, RECONCILIATION: 3}
_MAX_SHOWN: Final = 50


def main() -> int:
    arguments = _arguments()
    plan = Plan(
        seed=arguments.seed,
        events=arguments.events,
        reports=arguments.reports,
        aws_rate=0.2,
        msg91_rate=0.2,
        tracking_rate=0.2,
        per_kill=4,
        sizes=(1, 1, 1, 2, 5, 10, 20, 40, 80, 200),
        segment_workers=16,
        report_workers=32,
        max_freeze=20.0,
        chaos_timeout=3600.0,
        recovery_timeout=1800.0,
    )
    _say(f"SEED={plan.seed} EVENTS={plan.events} REPORTS={plan.reports} DYNAMODB={arguments.dynamodb}")
    started = time.monotonic()
    try:
        with engine(arguments.dynamodb) as dynamodb_url, running_world(build(), ENVIRONMENTS, dynamodb_url) as world:
            result = attack(world, plan, world.wait_for_leases, _say)
    except NotAvailableError as error:
        _say(f"No DynamoDB Local: {error}. `--dynamodb moto` needs nothing.")
        return 2
    _print_result(result)
    _say(f"SEED={plan.seed}: {time.monotonic() - started:.0f} s, {len(result.violations)} violations")
    return 1 if result.violations or result.not_injected else 0


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.chaos", description=__doc__)
    parser.add_argument("--seed", default=secrets.token_hex(4), help="seed of the faults; the default is a random one")
    parser.add_argument("--events", type=int, default=20_000, help="number of Segment events (20000)")
    parser.add_argument("--reports", type=int, default=20_000, help="number of delivery reports (20000)")
    parser.add_argument("--dynamodb", choices=ENGINES, default=LOCAL, help="Amazon's DynamoDB Local, or moto (local)")
    return parser.parse_args()


def _print_result(result: Result) -> None:
    for name, count in sorted(result.figures.items()):
        _say(f"{count:9}  {name}")
    _print_lines("VIOLATED", result.violations)
    _print_lines("NOT INJECTED", result.not_injected)


def _print_lines(heading: str, lines: Iterable[str]) -> None:
    for line in list(lines)[:_MAX_SHOWN]:
        _say(f"{heading}: {line}")


def _say(line: str) -> None:
    print(line, flush=True)  # noqa: T201  # output for the user


if __name__ == "__main__":
    logging.basicConfig(level=logging.CRITICAL)  # the API would log every killed function
    sys.exit(main())
