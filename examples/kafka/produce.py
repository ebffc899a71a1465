"""Produces lines of the form KEY:VALUE from standard input to a topic."""

import os
import sys

from confluent_kafka import Producer

producer = Producer({"bootstrap.servers": os.environ.get("BROKERS", "localhost:9092")})
for line in sys.stdin:
    key, value = line.rstrip("\n").split(":", 1)
    producer.produce(sys.argv[1], value, key)
producer.flush()
