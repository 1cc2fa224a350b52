"""DynamoDB and SQS: claim, settle, apply and record. The only importer of boto3 beside the secret's reader."""
