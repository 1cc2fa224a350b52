"""Delivery reports in any order, cut off, misattributed, and while DynamoDB is unavailable."""

import itertools
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

from sandbox.interception import Refuse
from sandbox.msg91_simulator import numbers
from sandbox.msg91_simulator.ledger import SentSms
from tests.chaos.aws_faults import Site
from tests.chaos.conftest import NewEvent
from tests.chaos.scenarios import AtAws
from tests.chaos.segment import Segment
from tests.chaos.webhook import Histories, Webhook
from tests.chaos.world import QUARANTINE, World


def _sent(world: World, segment: Segment, new_event: NewEvent) -> SentSms:
    event = new_event()
    segment.deliver([event])
    return world.simulator.ledger.entries(event.phone)[0]


def test_reports_in_every_order_and_version_give_the_same_status(
    world: World, segment: Segment, webhook: Webhook, histories: Histories, new_event: NewEvent
) -> None:
    history = [
        (numbers.PENDING_BEFORE, "v2"),
        (numbers.NDNC, "v3"),
        (numbers.DLT_FAILED, "v4"),
        (numbers.DELIVERED, "new"),
    ]
    statuses = set()
    for order in itertools.permutations(range(len(history))):
        sent = _sent(world, segment, new_event)
        reports = [histories.named(sent, *report) for report in history]
        assert {webhook.post(reports[position].posting) for position in order} == {200}
        message = world.message(sent.sms.crqid)
        statuses.add((message["delivery_status"], message["delivery_conflict"]))
        assert message["delivery_reported_at"] == reports[-1].reported_at
    assert statuses == {("delivered", True)}


def test_a_body_cut_off_anywhere_is_kept_whole_in_the_quarantine(
    world: World, segment: Segment, webhook: Webhook, histories: Histories, new_event: NewEvent
) -> None:
    sent = _sent(world, segment, new_event)
    whole = histories.named(sent, numbers.DELIVERED, "v3").posting
    world.take_from(QUARANTINE)
    cut = [replace(whole, body=whole.body[:length]) for length in range(1, len(whole.body))]
    with ThreadPoolExecutor(8) as pool:
        assert set(pool.map(webhook.post, cut)) == {202}
    assert sorted(world.take_from(QUARANTINE)) == sorted(posting.body.decode() for posting in cut)
    assert "delivery_status" not in world.message(sent.sms.crqid)


def test_a_report_with_anothers_crqid_is_applied_by_request_id_and_number(
    world: World, segment: Segment, webhook: Webhook, histories: Histories, new_event: NewEvent
) -> None:
    own, other = _sent(world, segment, new_event), _sent(world, segment, new_event)
    misattributed = replace(own, sms=replace(own.sms, echoed_crqid=other.sms.crqid))
    assert webhook.post(histories.named(misattributed, numbers.DELIVERED).posting) == 200
    assert world.message(own.sms.crqid)["delivery_status"] == "delivered"
    assert "delivery_status" not in world.message(other.sms.crqid)


def test_a_report_during_an_outage_of_dynamodb_is_applied_after_it(
    world: World, segment: Segment, webhook: Webhook, histories: Histories, new_event: NewEvent
) -> None:
    sent = _sent(world, segment, new_event)
    world.aws.interceptor = AtAws(Site.APPLY, Refuse(500, "InternalServerError"), times=3)
    assert webhook.post(histories.named(sent, numbers.DELIVERED).posting) == 202
    world.wait_until_redriven()
    assert world.message(sent.sms.crqid)["delivery_status"] == "delivered"
