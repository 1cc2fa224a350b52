"""The environment of every test: made-up credentials, and the functions' variables as the template sets them.

Import this before boto3 and moto, so that no client ever holds a real key.
"""

import os
from typing import Final

from sandbox.template import REGION, Template

TEMPLATE: Final = Template.load(parameters={"DeliveryEvents": "on"})
QUEUE_BASE_URL: Final = f"https://sqs.{REGION}.amazonaws.com"
_REAL: Final = ("AWS_ENDPOINT_URL", "AWS_PROFILE", "AWS_LAMBDA_RUNTIME_API")


def set_environment() -> None:
    os.environ |= {
        "AWS_ACCESS_KEY_ID": "testing",
        "AWS_SECRET_ACCESS_KEY": "testing",
        "AWS_SESSION_TOKEN": "testing",
        "AWS_DEFAULT_REGION": REGION,
        "AWS_EC2_METADATA_DISABLED": "true",
    }
    for function in TEMPLATE.functions():
        os.environ |= TEMPLATE.environment(function.name, QUEUE_BASE_URL)
    for name in _REAL:
        os.environ.pop(name, None)
