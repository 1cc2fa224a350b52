"""The environment of every test: made-up credentials, the functions' variables, and the examples of property tests.

Import this before boto3 and moto, so that no client ever holds a real key.
"""

import os
from typing import Final

import hypothesis

from sandbox.template import REGION, Template

TEMPLATE: Final = Template.load(parameters={"DeliveryEvents": "on", "GuardRails": "on"})
QUEUE_BASE_URL: Final = f"https://sqs.{REGION}.amazonaws.com"
_REAL: Final = ("AWS_ENDPOINT_URL", "AWS_PROFILE", "AWS_LAMBDA_RUNTIME_API")


def set_environment() -> None:
    """Set the variables, from the template, and the settings of hypothesis."""
    os.environ |= {
        "AWS_ACCESS_KEY_ID": "testing",
        "AWS_SECRET_ACCESS_KEY": "testing",
        "AWS_SESSION_TOKEN": "testing",
        "AWS_DEFAULT_REGION": REGION,
        "AWS_EC2_METADATA_DISABLED": "true",
    }
    for function in TEMPLATE.functions():
        os.environ |= TEMPLATE.environment(function.name, QUEUE_BASE_URL)
    os.environ["GUARD_RAILS"] = "off"  # the table is there, for the tests that turn them on
    for name in _REAL:
        os.environ.pop(name, None)
    # The same examples in every run: `make test` fails because of a change, not because of a new example. `make fuzz`
    # makes new ones. No deadline either: a busy machine is slow at times.
    hypothesis.settings.register_profile("repeatable", derandomize="FUZZ_EXAMPLES" not in os.environ, deadline=None)
    hypothesis.settings.load_profile("repeatable")
