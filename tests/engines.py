"""What DynamoDB can be in the tests; `engine` is a fixture's name."""

from typing import Final

MOTO: Final = "moto"
DYNAMODB_LOCAL: Final = "dynamodb-local"
ENGINES: Final = (MOTO, DYNAMODB_LOCAL)
