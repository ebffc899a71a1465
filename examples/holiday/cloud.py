"""What the holiday needs in the cloud, and what it leaves there: `cloud.py make`, then `cloud.py show foo`.

Needs boto3, which takes region, credentials and endpoint from the environment.
"""

import json
import sys

import boto3
from boto3.dynamodb.conditions import Key

TABLES = ["flights", "cars", "payments"]


def make():
    dynamodb = boto3.resource("dynamodb")
    for table in TABLES:
        dynamodb.create_table(
            TableName=table,
            BillingMode="PAY_PER_REQUEST",
            AttributeDefinitions=[{"AttributeName": name, "AttributeType": "S"} for name in ("pk", "sk")],
            KeySchema=[
                {"AttributeName": "pk", "KeyType": "HASH"},
                {"AttributeName": "sk", "KeyType": "RANGE"},
            ],
        ).wait_until_exists()
    queue = boto3.resource("sqs").create_queue(QueueName="trips")
    topic = boto3.resource("sns").create_topic(Name="trips")
    topic.subscribe(
        Protocol="sqs",
        Endpoint=queue.attributes["QueueArn"],
        Attributes={"RawMessageDelivery": "true"},
    )
    print("topic", topic.arn)


def show(trip):
    for table in TABLES:
        found = boto3.resource("dynamodb").Table(table).query(KeyConditionExpression=Key("pk").eq(trip))
        for row in found["Items"]:
            print(table, json.dumps(row, sort_keys=True))
    queue = boto3.resource("sqs").get_queue_by_name(QueueName="trips")
    for message in queue.receive_messages(MaxNumberOfMessages=10):
        print("message", message.body)


if sys.argv[1:] == ["make"]:
    make()
elif len(sys.argv) == 3 and sys.argv[1] == "show":
    show(sys.argv[2])
else:
    sys.exit(__doc__)
