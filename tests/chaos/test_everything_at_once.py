"""Everything fails now and then, all at once; the long form is `make chaos`."""

import os

import pytest

from tests.chaos.run import Plan, attack
from tests.chaos.world import World

pytestmark = pytest.mark.slow

SHORT = Plan(
    seed=os.environ.get("SEED", "short"),
    events=250,
    reports=300,
    aws_rate=0.2,
    msg91_rate=0.3,
    tracking_rate=0.5,
    per_kill=1,
    sizes=(1, 1, 1, 1, 1, 1, 2, 2, 5, 30),
    segments=8,
    mailmen=8,
    longest_freeze=2.0,
    chaos_within=120.0,
    calm_within=120.0,
)


def test_whatever_fails_no_sms_is_sent_twice_and_none_is_lost(world: World) -> None:
    verdict = attack(world, SHORT, world.let_leases_end, print)
    assert not verdict.violations
    assert not verdict.untried
