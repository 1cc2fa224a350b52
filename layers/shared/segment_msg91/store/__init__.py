"""DynamoDB and SQS: claim, settle, apply and record. Only this folder and `secret` import botocore."""
