"""The same job with Powertools: its resolver, idempotency and parameters, httpx and boto3's resource."""

import hashlib
import hmac
import os
from datetime import UTC, datetime, timedelta
from typing import Any

import boto3
import httpx
from aws_lambda_powertools import Logger, Metrics
from aws_lambda_powertools.event_handler import APIGatewayHttpResolver, Response
from aws_lambda_powertools.event_handler.exceptions import UnauthorizedError
from aws_lambda_powertools.metrics import MetricUnit
from aws_lambda_powertools.utilities import parameters
from aws_lambda_powertools.utilities.idempotency import (
    DynamoDBPersistenceLayer,
    IdempotencyConfig,
    idempotent_function,
)
from aws_lambda_powertools.utilities.typing import LambdaContext

logger = Logger()
metrics = Metrics()
app = APIGatewayHttpResolver()
table = boto3.resource("dynamodb").Table(os.environ["MESSAGES_TABLE"])
persistence = DynamoDBPersistenceLayer(table_name=os.environ["IDEMPOTENCY_TABLE"])
config = IdempotencyConfig(event_key_jmespath="[messageId, properties.phone]", expires_after_seconds=30 * 24 * 3600)
msg91 = httpx.Client(base_url=os.environ["MSG91_BASE_URL"], timeout=10)


@idempotent_function(data_keyword_argument="event", persistence_store=persistence, config=config)
def send_sms(event: dict[str, Any]) -> dict[str, Any]:
    secret = _secret()
    properties = event["properties"]
    crqid = hashlib.sha256(f"{event['messageId']}{properties['phone']}".encode()).hexdigest()[:52]
    request = {
        "sender": properties["senderID"],
        "route": "4",
        "country": "0",
        "CRQID": crqid,
        "sms": [{"message": properties["message"], "to": [properties["phone"]]}],
    }
    answer = msg91.post("/api/v2/sendsms", json=request, headers={"authkey": secret["msg91_authkey"]}).json()
    now = datetime.now(UTC)
    table.put_item(
        Item={
            "crqid": crqid,
            "message_id": event["messageId"],
            "event_type": event["type"],
            "event_name": event["event"],
            "user_id": event["userId"],
            "phone": properties["phone"],
            "sender_id": properties["senderID"],
            "send_state": "accepted" if answer["type"] == "success" else "rejected",
            "request_id": answer["message"],
            "created_at": f"{now:%Y-%m-%dT%H:%M:%SZ}",
            "expires_at": int((now + timedelta(days=400)).timestamp()),
        }
    )
    metrics.add_metric("SmsAccepted", MetricUnit.Count, 1)
    logger.info("sent", message_id=event["messageId"], request_id=answer["message"])
    return {"messageId": event["messageId"], "status": "accepted", "requestId": answer["message"], "crqid": crqid}


@app.post("/segment")
def segment() -> Response[str] | dict[str, Any]:
    given = app.current_event.headers.get("authorization", "")
    if not hmac.compare_digest(given.encode(), f"Bearer {_secret()['segment_token']}".encode()):
        raise UnauthorizedError("wrong token")
    body = app.current_event.json_body
    events = body if isinstance(body, list) else [body]
    return {"message": "done", "results": [send_sms(event=event) for event in events]}


def _secret() -> dict[str, str]:
    return parameters.get_secret(os.environ["SECRET_ID"], transform="json", max_age=300)


@logger.inject_lambda_context
@metrics.log_metrics
def lambda_handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    return app.resolve(event, context)
