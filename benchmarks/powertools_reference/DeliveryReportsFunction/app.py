"""The same job with Powertools: its resolver and parameters, and boto3's resource."""

import hmac
import json
import os
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import parse_qs

import boto3
from aws_lambda_powertools import Logger, Metrics
from aws_lambda_powertools.event_handler import APIGatewayHttpResolver
from aws_lambda_powertools.event_handler.exceptions import UnauthorizedError
from aws_lambda_powertools.metrics import MetricUnit
from aws_lambda_powertools.utilities import parameters
from aws_lambda_powertools.utilities.typing import LambdaContext

logger = Logger()
metrics = Metrics()
app = APIGatewayHttpResolver()
dynamodb = boto3.resource("dynamodb")
messages = dynamodb.Table(os.environ["MESSAGES_TABLE"])
reports = dynamodb.Table(os.environ["REPORTS_TABLE"])


@app.post("/msg91/reports/<token>")
def receive(token: str) -> dict[str, Any]:
    secret: Any = parameters.get_secret(os.environ["SECRET_ID"], transform="json", max_age=300)
    if not hmac.compare_digest(token.encode(), secret["report_token"].encode()):
        raise UnauthorizedError("wrong token")
    stored = 0
    for group in json.loads(parse_qs(app.current_event.decoded_body)["data"][0]):
        for report in group["report"]:
            _store(group, report)
            stored += 1
    metrics.add_metric("ReportStored", MetricUnit.Count, stored)
    logger.info("reports", stored=stored)
    return {"stored": stored}


def _store(group: dict[str, Any], report: dict[str, Any]) -> None:
    now = datetime.now(UTC)
    status = "delivered" if report["status"] == "1" else "failed"
    messages.update_item(
        Key={"crqid": report["CRQID"]},
        UpdateExpression="SET delivery_status = :status, delivery_code = :code, delivery_reported_at = :at",
        ExpressionAttributeValues={":status": status, ":code": report["status"], ":at": report["date"]},
    )
    reports.put_item(
        Item={
            "report_group": group["requestId"],
            "report_id": f"{report['date']}#{report['number']}#{report['status']}",
            "status": status,
            "phone": report["number"],
            "crqid": report["CRQID"],
            "raw": json.dumps(report),
            "expires_at": int((now + timedelta(days=400)).timestamp()),
        }
    )


@logger.inject_lambda_context
@metrics.log_metrics
def lambda_handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    return app.resolve(event, context)
