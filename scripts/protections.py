"""Mutation testing of the safeguards: remove each line that keeps a promise, and check that a named test fails.

A safeguard is 'killed' if its test fails without it, and 'SURVIVED' if the test still passes. It works on a copy of the
project and takes some minutes. docs/reliability.md names the same lines and tests.
"""

import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).parent.parent
PACKAGE: Final = "layers/shared/segment_msg91"
_IGNORED: Final = (".git", ".venv", ".uv", ".aws-sam", ".cache", "__pycache__", ".*_cache", ".hypothesis")


@dataclass(frozen=True, slots=True)
class Safeguard:
    """A line that keeps a promise, its mutant, and the test that kills the mutant."""

    promise: str
    file: str
    line: str
    mutant: str
    """The text that replaces the line."""
    test: str


SAFEGUARDS: Final = (
    Safeguard(
        "an existing message is not claimed again",
        f"{PACKAGE}/store/message_updates.py",
        'OR ({unreported} AND ({claimable}))"',
        "OR attribute_exists({name('crqid')}) OR {claimable}\"",
        "tests/integration/test_found_at_claim.py::test_an_accepted_event_is_a_duplicate_with_the_stored_request_id",
    ),
    Safeguard(
        "a report proves a send whose answer was lost, so it is not repeated",
        f"{PACKAGE}/store/message_updates.py",
        "({unreported} AND ({claimable}))",
        "({claimable})",
        "tests/integration/test_found_at_claim.py::test_an_unknown_outcome_with_a_report_is_never_sent_again",
    ),
    Safeguard(
        "a claim whose answer was lost is recognised by its claim id",
        f"{PACKAGE}/store/messages.py",
        'item.get("claim_id") == claimed.claim_id',
        "False",
        "tests/integration/test_sending_under_failures.py::test_a_claim_that_the_sdk_repeats_is_recognised_as_our_own",
    ),
    Safeguard(
        "an outcome is written only over its own claim",
        f"{PACKAGE}/store/message_updates.py",
        "f\"{update.name('claim_id')} = {update.value('own_claim', outcome.claim.claim_id)}\"",
        "f\"attribute_exists({update.name('crqid')})\"",
        "tests/integration/test_messages_store.py::test_a_settlement_is_written_over_its_own_claim_only",
    ),
    Safeguard(
        "a running lease keeps others away",
        f"{PACKAGE}/use_cases/segment_ingest.py",
        "found.lease_until > instant(now)",
        "False",
        "tests/integration/test_found_at_claim.py::test_an_event_that_is_being_sent_is_in_flight",
    ),
    Safeguard(
        "an event is answered unknown only once that is on record",
        f"{PACKAGE}/use_cases/segment_ingest.py",
        'return None if is_recorded else "another delivery just changed this message"',
        "return None",
        "tests/integration/test_sending_under_failures.py::"
        "test_an_event_that_its_late_sender_settles_meanwhile_is_answered_503",
    ),
    Safeguard(
        "a number gets no more SMS than its cap",
        f"{PACKAGE}/store/recipients.py",
        '(attribute_not_exists({oldest}) OR {oldest} < {since})"',
        '(attribute_not_exists({oldest}) OR NOT {oldest} < {since})"',
        "tests/integration/test_guard_rails.py::test_a_number_gets_no_more_than_the_cap_and_the_rest_is_on_record",
    ),
    Safeguard(
        "a number gets no more SMS than its cap in a batch",
        f"{PACKAGE}/recipient.py",
        "_count(others, attempt.at - cap.window) >= cap.most",
        "_count(others, attempt.at - cap.window) > cap.most",
        "tests/integration/test_guard_rails.py::test_in_a_batch_the_first_events_to_a_number_are_sent",
    ),
    Safeguard(
        "the window is longer than an hour, because MSG91's clock is not ours",
        f"{PACKAGE}/recipient.py",
        "_MARGIN: Final = timedelta(seconds=120)",
        "_MARGIN: Final = timedelta(0)",
        "tests/unit/test_recipient.py::test_in_no_hour_of_msg91s_clock_do_more_than_the_cap_arrive",
    ),
    Safeguard(
        "without an answer of the recipients table nothing is sent",
        f"{PACKAGE}/use_cases/segment_ingest.py",
        "elif error := admission.undecided.get(sms.crqid):",
        "elif error := None:",
        "tests/integration/test_guard_rails.py::test_without_an_answer_nothing_is_sent_and_a_retry_sends_it",
    ),
    Safeguard(
        "a sender that has read a number decides again after an opt-out",
        f"{PACKAGE}/store/recipients.py",
        "f\"{version} = {update.value('read', before.version)}\"",
        'f"attribute_exists({version})"',
        "tests/integration/test_guard_rails.py::test_senders_that_race_for_the_last_place_do_not_both_get_it",
    ),
    Safeguard(
        "a late, older change does not win against a newer one",
        f"{PACKAGE}/recipient.py",
        "(self.since, self.opted_out) < (instant(change.at), change.opts_out)",
        "True",
        "tests/unit/test_recipient.py::test_the_latest_change_of_a_scope_stays_in_whatever_order_they_come",
    ),
    Safeguard(
        "an opt-out is stored before it is answered",
        f"{PACKAGE}/guard_rails.py",
        "        if errors:",
        "        if False:",
        "tests/integration/test_opt_outs.py::test_an_opt_out_that_is_not_stored_is_delivered_again",
    ),
    Safeguard(
        "a request that may have been read is not repeated",
        f"{PACKAGE}/msg91/client.py",
        'SendState.UNKNOWN,\n                error=f"MSG91 gave no readable answer',
        'SendState.RETRYABLE,\n                error=f"MSG91 gave no readable answer',
        "tests/unit/test_msg91_client.py::test_a_request_that_may_have_been_read_has_an_unknown_outcome",
    ),
    Safeguard(
        "a gateway without an answer is no proof that nothing was sent",
        f"{PACKAGE}/msg91/client.py",
        "if status in _GATEWAY_ERRORS:",
        "if False:",
        "tests/unit/test_msg91_outcomes.py::test_a_gateway_without_an_answer_is_no_proof_that_nothing_was_sent",
    ),
    Safeguard(
        "while MSG91 does not answer, it is not called for every event",
        f"{PACKAGE}/use_cases/segment_ingest.py",
        "if open_reason := self._breaker.open_reason(now):",
        "if open_reason := None:",
        "tests/integration/test_account_errors.py::"
        "test_while_msg91_does_not_answer_events_are_answered_503_without_a_call",
    ),
    Safeguard(
        "reports that there is no time to store wait in the redrive queue",
        f"{PACKAGE}/use_cases/delivery_reports.py",
        'self._redrive.put(part, "no time left to store it at once")',
        "pass",
        "tests/integration/test_reporting.py::"
        "test_what_there_is_no_time_to_store_waits_in_the_redrive_queue_in_small_bodies",
    ),
    Safeguard(
        "a number is in a request once, so that request id and number name one message",
        f"{PACKAGE}/msg91/requests.py",
        "all(other.phone != sms.phone for other in group)",
        "True",
        "tests/unit/test_mapping_requests.py::test_a_number_is_at_most_once_in_a_request",
    ),
    Safeguard(
        "a report changes only a message to its own number",
        f"{PACKAGE}/store/message_updates.py",
        "condition += f\" AND {name('phone')} = {value('phone', phone)}\"",
        "pass",
        "tests/integration/test_messages_store.py::test_a_report_for_another_number_leaves_the_message_alone",
    ),
    Safeguard(
        "reports are ranked, in any order",
        f"{PACKAGE}/store/message_updates.py",
        "{order} < {value('order', report.order)}",
        "{order} <> {value('order', report.order)}",
        "tests/integration/test_delivery_status.py::test_reports_in_any_order_and_number_leave_the_same_message",
    ),
    Safeguard(
        "a report that DynamoDB refuses is kept in a queue",
        f"{PACKAGE}/use_cases/delivery_reports.py",
        "self._redrive.put(raw, str(error))",
        "pass",
        "tests/handlers/test_delivery_reports.py::test_a_body_that_dynamodb_refuses_is_answered_202_and_redriven",
    ),
    Safeguard(
        "a batch whose signature covers only its first event needs the token",
        f"{PACKAGE}/authentication.py",
        "if signature is not None and _signs(signature, request.body, secrets):",
        "if signature is not None and any(\n"
        "        _signs(signature, part, secrets) for part in [request.body, *segment.signed_parts(request.body)]\n"
        "    ):",
        "tests/unit/test_authentication_segment.py::test_a_batch_signed_on_its_first_event_needs_the_token",
    ),
    Safeguard(
        "an empty secret does not authenticate",
        f"{PACKAGE}/settings.py",
        "return tuple(one for one in stripped if one)",
        "return tuple(stripped or [''])",
        "tests/unit/test_settings.py::test_an_empty_credential_is_none_at_all",
    ),
    Safeguard(
        "a delivery event has one id, however often it is sent",
        f"{PACKAGE}/segment/track_events.py",
        "f\"{message['crqid']}-{name.lower().replace(' ', '-')}\"",
        "f\"{message['crqid']}-{__import__('time').time_ns()}\"",
        "tests/unit/test_delivery_event_histories.py::test_a_stream_that_is_read_again_from_anywhere_gives_the_same_events",
    ),
    Safeguard(
        "a record that cannot be read does not block others",
        f"{PACKAGE}/use_cases/delivery_events.py",
        'undeliverable[position] = f"unexpected {type(error).__name__}"',
        "raise RuntimeError from error",
        "tests/handlers/test_delivery_events.py::test_an_undeliverable_record_is_dead_lettered_and_does_not_block_others",
    ),
    Safeguard(
        "delivery events that are routed back send no SMS",
        f"{PACKAGE}/mapping.py",
        'member_of(event, "context", "integration").get("name") == INTEGRATION_NAME',
        "False",
        "tests/handlers/test_delivery_events.py::"
        "test_events_that_are_routed_back_with_a_phone_and_a_text_send_no_sms_either",
    ),
    Safeguard(
        "delivery events send no SMS by a mapping that leaves their context out either",
        f"{PACKAGE}/mapping.py",
        'request.is_mapped and _OWN_MESSAGE_ID.fullmatch(request.origin.message_id or "")',
        "False",
        "tests/unit/test_mapping_mapped_requests.py::"
        "test_our_delivery_events_send_no_sms_although_their_context_is_not_mapped",
    ),
    Safeguard(
        "a mapped request that cannot be recognised again is not sent",
        f"{PACKAGE}/mapping.py",
        "request.is_mapped and origin.message_id is None",
        "False",
        "tests/handlers/test_segment_ingest.py::"
        "test_a_mapped_request_without_a_message_id_is_answered_400_with_the_remedy",
    ),
    Safeguard(
        "a number of another country is not taken for one of the region",
        f"{PACKAGE}/libphonenumber.py",
        "_digits(number) if number_type(number) in _CAN_BE_MOBILE else None",
        "_digits(number)",
        "tests/unit/test_phone_numbers.py::test_what_is_neither_is_none",
    ),
    Safeguard(
        "a stack with a test list sends to no other number",
        f"{PACKAGE}/suppression.py",
        "rules.only_to and sms.phone not in rules.only_to",
        "False",
        "tests/integration/test_suppression.py::test_a_number_that_is_not_on_the_test_list_is_suppressed_and_on_record",
    ),
    Safeguard(
        "a number of no known country is not of an allowed one",
        f"{PACKAGE}/suppression.py",
        "(region := region_of(sms.phone)) not in rules.allowed_countries",
        "(region := region_of(sms.phone)) and region not in rules.allowed_countries",
        "tests/integration/test_suppression.py::test_a_number_of_another_country_is_suppressed",
    ),
    Safeguard(
        "what may have been sent is not recorded as suppressed",
        f"{PACKAGE}/store/message_updates.py",
        "if resend_after and not is_refused:\n        concluded",
        "if resend_after:\n        concluded",
        "tests/integration/test_suppression.py::test_what_may_have_been_sent_is_not_suppressed_afterwards",
    ),
    Safeguard(
        "a connection that may have died in a freeze is not used",
        f"{PACKAGE}/msg91/client.py",
        "self.close()\n            self._transport = self._given or self._new_transport()",
        "pass",
        "tests/unit/test_msg91_client.py::test_a_connection_that_idled_through_a_freeze_is_not_used_again",
    ),
)


def main() -> int:
    """Return 0 if every mutant is killed."""
    with tempfile.TemporaryDirectory() as directory:
        copy = Path(directory) / "project"
        shutil.copytree(ROOT, copy, ignore=shutil.ignore_patterns(*_IGNORED))
        killed = [_is_killed(safeguard, copy) for safeguard in SAFEGUARDS]
    print(f"{sum(killed)} of {len(killed)} mutants killed: their tests fail without the safeguard.")
    return 0 if all(killed) else 1


def _is_killed(safeguard: Safeguard, copy: Path) -> bool:
    file = copy / safeguard.file
    source = file.read_text()
    if source.count(safeguard.line) != 1:
        print(f"NOT FOUND ONCE  {safeguard.promise}: {safeguard.file}")
        return False
    passes_with = _passes(safeguard.test, copy)
    file.write_text(source.replace(safeguard.line, safeguard.mutant))
    fails_without = not _passes(safeguard.test, copy)
    file.write_text(source)
    is_killed = passes_with and fails_without
    print(f"{'killed' if is_killed else 'SURVIVED':8}  {safeguard.promise}: {safeguard.test}", flush=True)
    return is_killed


def _passes(test: str, copy: Path) -> bool:
    on_moto = ("-k", "not dynamodb-local")  # either engine shows it
    command = [sys.executable, "-m", "pytest", "-q", "-x", "-p", "no:cacheprovider", *on_moto, test]
    ended = subprocess.run(command, cwd=copy, capture_output=True, check=False)  # noqa: S603 - our own command
    if ended.returncode not in (0, 1):
        raise RuntimeError(ended.stdout.decode()[-2000:])  # no test ran, so it neither passed nor failed
    return ended.returncode == 0


if __name__ == "__main__":
    sys.exit(main())
