"""librdkafka's idempotent producer, for as long as its standard input is open: idempotent_load.py BOOTSTRAP TOPIC PARTITIONS.

Each record's value is its number in its partition, from 0 on. Prints `acknowledged N` now and then, `disconnected N` with all that
was acknowledged by then when a connection is lost, and at the end, when all is delivered, one line of JSON: the numbers of
records per partition that were sent and acknowledged, and the first problems.
"""

import json
import sys
import threading

from confluent_kafka import KafkaException, Producer

REPORT_EVERY = 500
BUFFERED_MAX = 2000
PROBLEMS_MAX = 10
FLUSH_S = 60


class Load:
    def __init__(self, bootstrap, topic, partitions):
        self.topic = topic
        self.sent = [0] * partitions
        self.acknowledged = [0] * partitions
        self.problems = []
        self.producer = Producer(
            {
                "bootstrap.servers": bootstrap,
                "enable.idempotence": True,
                "linger.ms": 2,
                "batch.size": 4096,
                "queue.buffering.max.messages": BUFFERED_MAX,
                "message.timeout.ms": 0,
                "reconnect.backoff.ms": 20,
                "reconnect.backoff.max.ms": 200,
                "retry.backoff.ms": 50,
                "error_cb": self.on_error,
            }
        )

    def on_error(self, error):
        """Lost connections are what this is about; what ends the producer is not."""
        if error.fatal():
            self.problem(f"fatal: {error}")
        # Errors and deliveries come in the order in which they happened.
        print(f"disconnected {sum(self.acknowledged)}", flush=True)

    def problem(self, text):
        if len(self.problems) < PROBLEMS_MAX:
            self.problems.append(text)

    def on_delivery(self, error, message):
        partition = message.partition()
        number = int(message.value())
        if error is not None:
            self.problem(f"partition {partition}, record {number}: {error}")
            return
        if message.offset() != number:
            self.problem(f"partition {partition}, record {number} is at {message.offset()}")
        if number != self.acknowledged[partition]:
            self.problem(f"partition {partition}: acknowledged {number} after {self.acknowledged[partition] - 1}")
        self.acknowledged[partition] = number + 1
        total = sum(self.acknowledged)
        if total % REPORT_EVERY == 0:
            print(f"acknowledged {total}", flush=True)

    def send(self, partition):
        value = str(self.sent[partition]).encode()
        while True:
            try:
                self.producer.produce(self.topic, value=value, partition=partition, on_delivery=self.on_delivery)
                self.sent[partition] += 1
                return
            except BufferError:
                self.producer.poll(0.1)

    def run(self, stop):
        turn = 0
        while not stop.is_set() and not self.problems:
            self.send(turn % len(self.sent))
            self.producer.poll(0)
            turn += 1
        left = self.producer.flush(FLUSH_S)
        if left:
            self.problem(f"{left} records are not delivered")


def main():
    if len(sys.argv) != 4:
        sys.exit("usage: idempotent_load.py BOOTSTRAP TOPIC PARTITIONS")
    stop = threading.Event()

    def wait_for_end():
        sys.stdin.read()
        stop.set()

    threading.Thread(target=wait_for_end, daemon=True).start()
    load = Load(sys.argv[1], sys.argv[2], int(sys.argv[3]))
    try:
        load.run(stop)
    except KafkaException as error:
        load.problem(str(error))
    report = {"acknowledged": load.acknowledged, "sent": load.sent, "problems": load.problems}
    print(json.dumps(report), flush=True)


main()
