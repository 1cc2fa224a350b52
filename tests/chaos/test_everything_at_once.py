"""All faults at once; `make chaos` is the long run."""

import os

from tests.chaos.run import Plan, attack
from tests.chaos.world import World

SHORT = Plan(
    seed=os.environ.get("SEED", "short"),
    events=120,
    reports=150,
    aws_rate=0.2,
    msg91_rate=0.5,
    tracking_rate=0.5,
    per_kill=1,
    sizes=(1, 1, 1, 1, 1, 1, 2, 2, 5, 30),
    segment_workers=8,
    report_workers=8,
    max_freeze=2.0,
    chaos_timeout=120.0,
    recovery_timeout=120.0,
)


def test_whatever_fails_no_sms_is_sent_twice_and_none_is_lost(world: World) -> None:
    result = attack(world, SHORT, world.expire_leases, print)
    assert not result.violations
    assert not result.not_injected
