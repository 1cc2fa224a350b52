"""`python -m tests.chaos`: the long form. It prints its seed, by which it can be repeated."""

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
from tests.chaos.run import Plan, Verdict, attack
from tests.chaos.world import EVENTS, INGEST, REPORTS, running_world

ENVIRONMENTS: Final = {INGEST: 12, REPORTS: 24, EVENTS: 1}
_MOST_SHOWN: Final = 50


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
        segments=16,
        mailmen=32,
        longest_freeze=20.0,
        chaos_within=3600.0,
        calm_within=1800.0,
    )
    _say(f"SEED={plan.seed} EVENTS={plan.events} REPORTS={plan.reports} DYNAMODB={arguments.dynamodb}")
    started = time.monotonic()
    try:
        with engine(arguments.dynamodb) as dynamodb_url, running_world(build(), ENVIRONMENTS, dynamodb_url) as world:
            verdict = attack(world, plan, world.wait_for_leases, _say)
    except NotAvailableError as error:
        _say(f"No DynamoDB Local: {error}. `--dynamodb moto` needs nothing.")
        return 2
    _tell(verdict)
    _say(f"SEED={plan.seed}: {time.monotonic() - started:.0f} s, {len(verdict.violations)} violations")
    return 1 if verdict.violations or verdict.untried else 0


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.chaos", description=__doc__)
    parser.add_argument("--seed", default=secrets.token_hex(4))
    parser.add_argument("--events", type=int, default=20_000)
    parser.add_argument("--reports", type=int, default=20_000)
    parser.add_argument("--dynamodb", choices=ENGINES, default=LOCAL, help="Amazon's DynamoDB Local, or moto (local)")
    return parser.parse_args()


def _tell(verdict: Verdict) -> None:
    for name, count in sorted(verdict.figures.items()):
        _say(f"{count:9}  {name}")
    _tell_some("VIOLATED", verdict.violations)
    _tell_some("NEVER TRIED", verdict.untried)


def _tell_some(heading: str, lines: Iterable[str]) -> None:
    for line in list(lines)[:_MOST_SHOWN]:
        _say(f"{heading}: {line}")


def _say(line: str) -> None:
    print(line, flush=True)  # noqa: T201  # it talks to a person


if __name__ == "__main__":
    logging.basicConfig(level=logging.CRITICAL)  # killed functions are what the front would report
    sys.exit(main())
