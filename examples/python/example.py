"""Produces, fetches and subscribes:  python example.py 127.0.0.1:9091

Prints a line of JSON for each thing that it does.
"""
import itertools
import json
import sys
import time

from odradek_client import BrokerError, Client
from record_batch import Record


def main(address: str) -> None:
    host, port = address.rsplit(':', 1)
    with Client(host, int(port)) as client:
        say('hello', broker=client.hello.broker_id, version=client.hello.version)

        topic = f'python-{time.time_ns()}'
        say('created', topic=client.create_topic(topic, partitions=2).name)
        try:
            client.create_topic(topic)
        except BrokerError as error:
            say('refused', error=error.name, retriable=error.retriable)

        now_ms = time.time_ns() // 1_000_000
        records = [Record(0, now_ms + i, f'k{i}'.encode(), f'value {i}'.encode()) for i in range(100)]
        records[1] = Record(0, now_ms, None, None, (('trace', b'abc'), ('trace', None)))
        first = client.produce(topic, 1, records)
        second = client.produce(topic, 1, records, use_gzip=True)
        say('produced', first=first, second=second, offsets=client.offsets(topic, 1))

        # From the midst of the first batch to the end of the second.
        fetched, offset = [], 40
        while offset < 200:
            fetched += client.fetch(topic, 1, offset)
            offset = fetched[-1].offset + 1
        expected = [record._replace(offset=i) for i, record in enumerate(records + records)]
        say('fetched', records=len(fetched), same=fetched == expected[40:])
        say('waited', records=len(client.fetch(topic, 1, 200, max_wait_ms=10)))

        if client.can_subscribe:
            # Less credit than a batch has: the broker sends one batch, and the next when that was handed on.
            subscription = client.subscribe(topic, 1, 1, credit_bytes=100)
            received = list(itertools.islice(subscription, 199))
            # Another client appends while this one waits.
            with Client(host, int(port)) as other:
                other.produce(topic, 1, records[:1])
            received.append(next(subscription))
            subscription.close()
            say('subscribed', records=len(received), same=received == expected[1:] + [records[0]._replace(offset=200)])


def say(what: str, **fields: object) -> None:
    print(json.dumps({'what': what, **fields}), flush=True)


if __name__ == '__main__':
    if len(sys.argv) != 2:
        sys.exit('usage: python example.py HOST:PORT')
    main(sys.argv[1])
