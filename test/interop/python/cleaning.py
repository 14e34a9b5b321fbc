"""librdkafka writes to and reads from topics that are compacted and deleted: cleaning.py load|read PLAN.

The plan is JSON: {"bootstrap": "…", "topics": [names], "partitions": 3, "keys": 120, "seed": 1}. A record is told in a line
`TOPIC PARTITION OFFSET KEY SEQUENCE V`, with T instead of V for a tombstone.

load: idempotent producers, one for each codec, for as long as standard input is open; each line of it says how many more records may be
sent from then on. Key n of a topic is `librdkafka-n` and lies in partition n mod partitions; the records of a key go through one
producer. Prints each record that is acknowledged, and in the end one line of JSON with the numbers of records that were sent and
acknowledged, and the first problems.

read: for each line of standard input, a JSON object with the offset to reach by `TOPIC PARTITION`, reads all partitions with a new
consumer; prints the records, then `low TOPIC PARTITION BEFORE AFTER` for each log start, and `done`.
"""

import hashlib
import json
import random
import sys
import threading
import time

from confluent_kafka import Consumer, KafkaError, KafkaException, OFFSET_BEGINNING, Producer, TopicPartition

CODECS = ["none", "gzip", "snappy", "lz4", "zstd"]
HEADER = "n"
UNACKNOWLEDGED_MAX = 400
BURST = 12
TOMBSTONE_OF = 8
KEYS_AT_A_TIME = 40
KEYS_CHANGE_AFTER = 400
KEYS_CHANGE_BY = 30
PROBLEMS_MAX = 10
FLUSH_S = 60
READ_S = 60


def value_of(key, sequence):
    text = f"{key}/{sequence}/{'0123456789abcdef' * (sequence * 7 % 19)}/"
    return (text + hashlib.md5(text.encode()).hexdigest()).encode()


class Load:
    def __init__(self, plan):
        self.plan = plan
        self.random = random.Random(plan["seed"])
        self.sequences = {}
        self.sent = 0
        self.allowed = 0
        self.acknowledged = 0
        self.problems = []
        self.producers = [self.producer(codec) for codec in CODECS]

    def producer(self, codec):
        return Producer(
            {
                "bootstrap.servers": self.plan["bootstrap"],
                "enable.idempotence": True,
                "compression.type": codec,
                "linger.ms": 2,
                "message.timeout.ms": 0,
                "reconnect.backoff.ms": 20,
                "reconnect.backoff.max.ms": 200,
                "retry.backoff.ms": 50,
                "error_cb": self.on_error,
            }
        )

    def on_error(self, error):
        if error.fatal():
            self.problem(f"fatal: {error}")

    def problem(self, text):
        if len(self.problems) < PROBLEMS_MAX:
            self.problems.append(text)

    def send(self):
        topic = self.random.choice(self.plan["topics"])
        # Some keys at a time, so that others keep their newest record, or its tombstone, for long.
        first = self.sent // KEYS_CHANGE_AFTER * KEYS_CHANGE_BY
        index = (first + self.random.randrange(KEYS_AT_A_TIME)) % self.plan["keys"]
        key = f"librdkafka-{index}"
        partition = index % self.plan["partitions"]
        sequence = self.sequences.get((topic, key), 0)
        self.sequences[(topic, key)] = sequence + 1
        value = None if self.random.randrange(TOMBSTONE_OF) == 0 else value_of(key, sequence)

        def delivered(error, message):
            self.acknowledged += 1
            if error is not None:
                self.problem(f"{topic}-{partition}, {key}/{sequence}: {error}")
                return
            kind = "T" if value is None else "V"
            sys.stdout.write(f"{topic} {partition} {message.offset()} {key} {sequence} {kind}\n")

        self.producers[index % len(CODECS)].produce(
            topic,
            key=key,
            value=value,
            partition=partition,
            headers=[(HEADER, str(sequence).encode())],
            on_delivery=delivered,
        )
        self.sent += 1

    def run(self, stop):
        while not stop.is_set() and not self.problems:
            if self.sent < self.allowed and self.sent - self.acknowledged < UNACKNOWLEDGED_MAX:
                for _ in range(BURST):
                    self.send()
            for producer in self.producers:
                producer.poll(0)
            sys.stdout.flush()
            # The others on this machine are to get on, too.
            time.sleep(0.003)
        for producer in self.producers:
            left = producer.flush(FLUSH_S)
            if left:
                self.problem(f"{left} records are not delivered")
        sys.stdout.flush()


class Reader:
    def __init__(self, plan):
        self.plan = plan
        self.readings = 0

    def read(self, ends):
        self.readings += 1
        consumer = Consumer(
            {
                "bootstrap.servers": self.plan["bootstrap"],
                "group.id": f"reading-{self.readings}",
                "enable.auto.commit": False,
                "auto.offset.reset": "earliest",
                "check.crcs": True,
                "fetch.wait.max.ms": 20,
                # Several fetches for a partition, or all of it at once.
                "fetch.message.max.bytes": 20_000 if self.readings % 2 else 1_000_000,
            }
        )
        try:
            before = self.lows(consumer)
            self.print_records(consumer, {place: end for place, end in ends.items()})
            for place, low in self.lows(consumer).items():
                sys.stdout.write(f"low {place} {before[place]} {low}\n")
            print("done", flush=True)
        finally:
            consumer.close()

    def places(self):
        return [(topic, partition) for topic in self.plan["topics"] for partition in range(self.plan["partitions"])]

    def lows(self, consumer):
        return {
            f"{topic} {partition}": consumer.get_watermark_offsets(TopicPartition(topic, partition), timeout=READ_S)[0]
            for topic, partition in self.places()
        }

    def print_records(self, consumer, ends):
        consumer.assign([TopicPartition(topic, partition, OFFSET_BEGINNING) for topic, partition in self.places()])
        deadline = time.monotonic() + READ_S
        while ends:
            if time.monotonic() > deadline:
                raise RuntimeError(f"the ends were not reached: {ends}")
            for message in consumer.consume(num_messages=500, timeout=0.05):
                error = message.error()
                if error is not None:
                    if error.code() == KafkaError._AUTO_OFFSET_RESET:
                        continue
                    raise KafkaException(error)
                self.print_record(message)
                place = f"{message.topic()} {message.partition()}"
                if message.offset() >= ends.get(place, message.offset() + 1):
                    del ends[place]

    def print_record(self, message):
        key = message.key().decode()
        sequence = int(dict(message.headers())[HEADER])
        place = f"{message.topic()} {message.partition()} {message.offset()}"
        if message.value() is not None and message.value() != value_of(key, sequence):
            raise RuntimeError(f"{place} is not what was sent: {message.value()}")
        kind = "T" if message.value() is None else "V"
        sys.stdout.write(f"{place} {key} {sequence} {kind}\n")


def load(plan):
    stop = threading.Event()
    loading = Load(plan)

    def listen():
        for line in sys.stdin:
            loading.allowed = loading.sent + int(line)
        stop.set()

    threading.Thread(target=listen, daemon=True).start()
    try:
        loading.run(stop)
    except KafkaException as error:
        loading.problem(str(error))
    report = {"sent": loading.sent, "acknowledged": loading.acknowledged, "problems": loading.problems}
    print(json.dumps(report), flush=True)


def read(plan):
    reader = Reader(plan)
    for line in sys.stdin:
        reader.read(json.loads(line))


def main():
    if len(sys.argv) != 3 or sys.argv[1] not in ("load", "read"):
        sys.exit("usage: cleaning.py load|read PLAN")
    {"load": load, "read": read}[sys.argv[1]](json.loads(sys.argv[2]))


main()
