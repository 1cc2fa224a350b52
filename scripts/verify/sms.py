"""Check by one real SMS to the operator's number: from a signed event to its delivery report."""

import json
from collections.abc import Mapping
from typing import Any, Final

import httpx

from scripts.verify.ingest import post_signed
from scripts.verify.results import Result, failed, ok, skipped
from scripts.verify.target import Sms, Target, json_of, words_of
from segment_msg91.masking import masked, without_numbers
from segment_msg91.msg91.codes import FINAL, DeliveryStatus
from segment_msg91.msg91.failures import FAILURES, Category

_WITHOUT_REPORT: Final = (
    "If the SMS arrived, MSG91's webhook is not set: enter Msg91ReportsUrl there (README, Configure MSG91). If it did "
    "not, MSG91 may have accepted it without sending: look for the request in MSG91's panel. Operators may also be "
    "slow: TIMEOUT=900 waits longer."
)


def sms_is_delivered(target: Target) -> Result:
    """Send one SMS and follow it to its report. Its message and report stay in the tables."""
    if not (sms := target.sms):
        return skipped("No real SMS was sent. TO=<your number> sends one and follows it to its report.")
    target.progress(f"  … sending one real SMS to {masked(sms.to)}")
    response = post_signed(target, _event(target, sms))
    result: Mapping[str, Any] = next(iter(json_of(response).get("results") or []), {})
    if result.get("status") != "accepted":
        return _not_accepted(result, response)
    return _follow(target, str(result.get("crqid")))


def _follow(target: Target, crqid: str) -> Result:
    seen: list[str] = []
    message: Mapping[str, Any] = {}
    for _ in target.waiting("the SMS's delivery report", target.timeout):
        message = _message(target, crqid)
        status = message.get("delivery_status", "")
        if status and status not in seen:
            seen.append(status)
            target.progress(f"  … reported: {status}")
        if status in FINAL:
            return _reported(status, message, seen)
    reported = f"the last report says {seen[-1]}" if seen else "no report came"
    return failed(f"MSG91 accepted the SMS, but in {target.timeout:.0f} s {reported}.", _WITHOUT_REPORT)


def _reported(status: str, message: Mapping[str, Any], seen: list[str]) -> Result:
    way = ", then ".join(["accepted", *seen])
    if status == DeliveryStatus.DELIVERED:
        return ok(f"The SMS was {way}.")
    category = message.get("failure_category", Category.OTHER)
    failure = FAILURES[Category(category) if category in set(Category) else Category.OTHER]
    return failed(f"The SMS was {way}. {failure.sentence}", failure.advice)


def _not_accepted(result: Mapping[str, Any], response: httpx.Response) -> Result:
    reason = without_numbers(str(result.get("reason") or "")) or words_of(response)
    match result.get("status"):
        case "invalid":
            remedy = (
                "Deploy with what the event lacks, such as DefaultSenderId or DefaultTemplateId, or name it: SENDER=."
            )
        case "suppressed":
            remedy = (
                "Add the number to OnlyToNumbers or its country to AllowedCountries, or choose another number: TO=."
            )
        case "held":
            remedy = "MSG91 refuses the account or its configuration: docs/operations.md#messages-are-held."
        case "rejected":
            remedy = (
                "MSG91 refuses this SMS. In India the text must be that of a registered DLT template: TEXT=, with "
                "DefaultDltTemplateId; or deploy with DefaultTemplateId."
            )
        case "unknown":
            remedy = "It may have been sent; its report will say so. Run this again if no SMS arrives."
        case _:
            remedy = "Look at the log of SegmentIngestFunction."
    return failed(f"The SMS was not accepted but {result.get('status') or 'refused'}: {reason}.", remedy)


def _event(target: Target, sms: Sms) -> bytes:
    properties = {"phone": sms.to, "message": sms.text, "senderID": sms.sender_id}
    event = {
        "type": "track",
        "event": "Deployment Verified",
        "messageId": f"{target.marker}-sms",
        "properties": {name: value for name, value in properties.items() if value},
    }
    return json.dumps(event).encode()


def _message(target: Target, crqid: str) -> Mapping[str, Any]:
    answer = target.aws.dynamodb.get_item(
        TableName=target.output("MessagesTableName"),
        Key={"crqid": {"S": crqid}},
        ProjectionExpression="delivery_status, failure_category",
        ConsistentRead=True,
    )
    return {name: value.get("S", "") for name, value in answer.get("Item", {}).items()}
