"""confluent-kafka, which is librdkafka, as a writer and as a reader of lots."""

import sys

from confluent_kafka import Consumer, KafkaException, Producer, TopicPartition
from confluent_kafka.admin import AdminClient, NewTopic

import lot as lots

TIMEOUT_S = 30


def create_topics(plan):
    admin = AdminClient({"bootstrap.servers": plan["bootstrap"]})
    topics = [
        NewTopic(lot["topic"], num_partitions=lot["partitions"], replication_factor=1, config=lots.TOPIC_CONFIG)
        for lot in plan["lots"]
    ]
    for future in admin.create_topics(topics).values():
        future.result(TIMEOUT_S)


def write(plan, lot):
    producer = Producer(
        {
            "bootstrap.servers": plan["bootstrap"],
            "acks": lot["acks"],
            "enable.idempotence": lot["idempotent"],
            "compression.type": lot["codec"],
            "linger.ms": 5,
            "message.timeout.ms": TIMEOUT_S * 1000,
        }
    )
    problems = []
    delivered = 0

    def delivery(record):
        def done(error, message):
            nonlocal delivered
            delivered += 1
            if error is not None:
                problems.append(f"offset {record.offset}: {error}")
            elif lot["acks"] != "0" and message.offset() != record.offset:
                problems.append(f"appended at {message.offset()}, expected {record.offset}")

        return done

    records = lots.records_of(lot)
    for record in records:
        producer.produce(
            lot["topic"],
            key=record.key,
            value=record.value,
            headers=record.headers,
            partition=record.partition,
            timestamp=record.timestamp_ms,
            on_delivery=delivery(record),
        )
        producer.poll(0)
    left = producer.flush(TIMEOUT_S)
    if left:
        problems.append(f"{left} records are not delivered")
    return delivered, problems[0] if problems else None


def record_of(message):
    return lots.Record(
        partition=message.partition(),
        offset=message.offset(),
        timestamp_ms=message.timestamp()[1],
        key=message.key(),
        value=message.value(),
        headers=message.headers() or [],
    )


def read_from(consumer, topic, partition, offset, end):
    """Reads the offsets [offset, end)."""
    consumer.assign([TopicPartition(topic, partition, offset)])
    read = []
    while len(read) < end - offset:
        # It waits until it has as many as it may give.
        messages = consumer.consume(num_messages=min(1000, end - offset - len(read)), timeout=TIMEOUT_S)
        if not messages:
            break
        for message in messages:
            if message.error():
                raise KafkaException(message.error())
            read.append(record_of(message))
    return read


def offset_at(consumer, topic, partition, timestamp_ms):
    [found] = consumer.offsets_for_times([TopicPartition(topic, partition, timestamp_ms)], timeout=TIMEOUT_S)
    # librdkafka answers with the end, as a special offset, where nothing is found.
    return found.offset if found.offset >= 0 else None


def check_partition(consumer, topic, expected):
    partition = expected[0].partition
    first, end = consumer.get_watermark_offsets(TopicPartition(topic, partition), timeout=TIMEOUT_S)
    if first != 0:
        return 0, f"partition {partition} begins at {first}"
    read = read_from(consumer, topic, partition, 0, end)
    problem = lots.compare(read, expected)
    if problem:
        return len(read), problem
    offset, middle = lots.middle(expected)
    problem = lots.compare(read_from(consumer, topic, partition, offset, offset + len(middle)), middle)
    if problem:
        return len(read), problem
    times, offsets, from_time = lots.times(expected)
    found = [offset_at(consumer, topic, partition, time) for time in times]
    if found != offsets:
        return len(read), f"partition {partition}: offsets by time {found}, not {offsets}"
    again = read_from(consumer, topic, partition, found[0], found[0] + len(from_time))
    return len(read), lots.compare(again, from_time)


def read(plan, lot):
    consumer = Consumer(
        {
            "bootstrap.servers": plan["bootstrap"],
            "group.id": "interop",
            "enable.auto.commit": False,
            "auto.offset.reset": "error",
            # A fetch that waits holds up the other requests to the broker.
            "fetch.wait.max.ms": 20,
        }
    )
    try:
        results = [check_partition(consumer, lot["topic"], expected) for expected in lots.partitions_of(lot)]
    finally:
        consumer.close()
    problems = [problem for _, problem in results if problem]
    return sum(count for count, _ in results), problems[0] if problems else None


def main():
    if len(sys.argv) != 3 or sys.argv[1] not in ("write", "read"):
        lots.usage("confluent.py")
    plan = lots.load_plan(sys.argv[2])
    if sys.argv[1] == "write":
        create_topics(plan)
    for lot in plan["lots"]:
        lots.report(lot, *(write if sys.argv[1] == "write" else read)(plan, lot))


main()
