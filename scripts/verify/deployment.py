"""Checks of the stack itself: its state, its outputs and its secret."""

import re
from collections.abc import Iterator
from typing import Final

from scripts.verify.results import Result, failed, ok
from scripts.verify.target import Target
from segment_msg91.settings import MIN_TOKEN_LENGTH

OUTPUTS: Final = (
    "SegmentUrl",
    "Msg91ReportsUrl",
    "SecretArn",
    "MessagesTableName",
    "ReportsTableName",
    "ReportsQuarantineQueueUrl",
    "DashboardUrl",
)
OPTIONAL_OUTPUTS: Final = {
    "ConsoleUrl": "Console",
    "DeliveryEventsDeadLetterQueueUrl": "DeliveryEvents",
    "RecipientsTableName": "GuardRails",
}
"""Outputs by the parameter that switches them on."""
MEMBERS: Final = ("msg91_authkey", "segment_shared_secret", "segment_token", "report_token")
OPTIONAL_MEMBERS: Final = {"console_token": "Console", "segment_write_key": "DeliveryEvents"}
"""Members of the secret by the parameter that needs them."""
TOKENS: Final = ("segment_token", "report_token", "console_token")
MAX_CREDENTIALS: Final = 2
"""The current one and the one it replaces."""
_UNPRINTABLE: Final = re.compile(r"[^!-~]")
_NOT_IN_A_PATH: Final = re.compile(r"[/?#%]")
_COMPLETE: Final = ("CREATE_COMPLETE", "UPDATE_COMPLETE", "UPDATE_COMPLETE_CLEANUP_IN_PROGRESS", "IMPORT_COMPLETE")


def stack_is_complete(target: Target) -> Result:
    """Check that CloudFormation has finished, and with which status."""
    if target.status in _COMPLETE:
        return ok(f"CloudFormation says {target.status}.")
    events = f"aws cloudformation describe-stack-events --stack-name {target.stack}"
    if "ROLLBACK" in target.status:
        return failed(
            f"The last deployment failed: CloudFormation says {target.status}. At best, the version before it runs.",
            f"Find the first error, repair it, and deploy again: {events}",
        )
    return failed(
        f"CloudFormation says {target.status}: the stack is not (or not yet) complete.",
        f"Wait until the deploy has ended, or look for the first error: {events}",
    )


def outputs_are_complete(target: Target) -> Result:
    """Check that the stack has every output that its parameters ask for."""
    missing = [name for name in _wanted(target, OUTPUTS, OPTIONAL_OUTPUTS) if not target.outputs.get(name)]
    if not missing:
        return ok(f"All {len(target.outputs)} outputs exist.")
    return failed(
        f"Missing: {', '.join(missing)}.",
        "The stack was deployed from another template. Run make build and sam deploy from this checkout.",
    )


def secret_is_complete(target: Target) -> Result:
    """Check the secret's members; the result never contains their values."""
    if target.secret.problem:
        return failed(target.secret.problem, "Fill the secret in as the README says; you need GetSecretValue on it.")
    problems = list(_problems(target))
    if not problems:
        return ok("Every member that this stack needs is there, and the tokens are long enough.")
    return failed(
        f"{'; '.join(problems)}.",
        "Repair the secret: docs/operations.md#rotate-a-credential. The functions see a change within five minutes.",
    )


def _problems(target: Target) -> Iterator[str]:
    for name in _wanted(target, MEMBERS, OPTIONAL_MEMBERS):
        values = target.secret.members.get(name, ())
        if not values:
            yield f"{name} is missing or empty"
        if len(values) > MAX_CREDENTIALS:
            yield f"{name} lists {len(values)} credentials; only the first {MAX_CREDENTIALS} count"
        if name in TOKENS and any(len(value) < MIN_TOKEN_LENGTH for value in values):
            yield f"{name} is shorter than {MIN_TOKEN_LENGTH} characters, so the functions do not accept it"
        # Copying adds such characters, and no one sees them. Headers and URLs can't carry them; a signature's key may.
        if name != "segment_shared_secret" and any(_UNPRINTABLE.search(value) for value in values):
            yield f"{name} has a space or a character that is not printable ASCII: store it again without that"
        if name == "report_token" and any(_NOT_IN_A_PATH.search(value) for value in values):
            yield f"{name} has one of / ? # %, which mean something else in a URL: make another one"


def _wanted(target: Target, always: tuple[str, ...], optional: dict[str, str]) -> list[str]:
    return [*always, *(name for name, parameter in optional.items() if target.parameter(parameter) == "on")]
