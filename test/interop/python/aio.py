"""aiokafka as a writer and as a reader of lots."""

import asyncio
import sys

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewTopic

import lot as lots

TIMEOUT_S = 30
ACKS = {"0": 0, "1": 1, "all": "all"}


async def create_topics(plan):
    admin = AIOKafkaAdminClient(bootstrap_servers=plan["bootstrap"])
    await admin.start()
    try:
        await admin.create_topics(
            [
                NewTopic(
                    lot["topic"],
                    num_partitions=lot["partitions"],
                    replication_factor=1,
                    topic_configs=lots.TOPIC_CONFIG,
                )
                for lot in plan["lots"]
            ]
        )
    finally:
        await admin.close()


async def write(plan, lot):
    producer = AIOKafkaProducer(
        bootstrap_servers=plan["bootstrap"],
        acks=ACKS[lot["acks"]],
        enable_idempotence=lot["idempotent"],
        compression_type=None if lot["codec"] == "none" else lot["codec"],
        linger_ms=5,
        request_timeout_ms=TIMEOUT_S * 1000,
    )
    await producer.start()
    try:
        records = lots.records_of(lot)
        sent = [
            await producer.send(
                lot["topic"],
                key=record.key,
                value=record.value,
                headers=record.headers,
                partition=record.partition,
                timestamp_ms=record.timestamp_ms,
            )
            for record in records
        ]
        results = await asyncio.gather(*sent)
    finally:
        await producer.stop()
    if lot["acks"] != "0":
        for record, result in zip(records, results):
            if result.offset != record.offset:
                return len(results), f"appended at {result.offset}, expected {record.offset}"
    return len(results), None


def record_of(message):
    return lots.Record(
        partition=message.partition,
        offset=message.offset,
        timestamp_ms=message.timestamp,
        key=message.key,
        value=message.value,
        headers=list(message.headers),
    )


async def read_from(consumer, place, offset, end):
    """Reads the offsets [offset, end)."""
    consumer.seek(place, offset)
    read = []
    while len(read) < end - offset:
        batches = await consumer.getmany(place, timeout_ms=TIMEOUT_S * 1000)
        if not batches:
            break
        read.extend(record_of(message) for message in batches[place])
    return read[: end - offset]


async def check_partition(consumer, place, expected):
    first = (await consumer.beginning_offsets([place]))[place]
    end = (await consumer.end_offsets([place]))[place]
    if first != 0:
        return 0, f"partition {place.partition} begins at {first}"
    read = await read_from(consumer, place, 0, end)
    problem = lots.compare(read, expected)
    if problem:
        return len(read), problem
    offset, middle = lots.middle(expected)
    problem = lots.compare(await read_from(consumer, place, offset, offset + len(middle)), middle)
    if problem:
        return len(read), problem
    times, offsets, from_time = lots.times(expected)
    answers = [(await consumer.offsets_for_times({place: time}))[place] for time in times]
    found = [answer.offset if answer else None for answer in answers]
    if found != offsets:
        return len(read), f"partition {place.partition}: offsets by time {found}, not {offsets}"
    again = await read_from(consumer, place, found[0], found[0] + len(from_time))
    return len(read), lots.compare(again, from_time)


async def read(plan, lot):
    consumer = AIOKafkaConsumer(
        bootstrap_servers=plan["bootstrap"],
        enable_auto_commit=False,
        # A fetch that waits holds up all other requests: it has one connection.
        fetch_max_wait_ms=20,
    )
    await consumer.start()
    try:
        results = []
        for expected in lots.partitions_of(lot):
            place = TopicPartition(lot["topic"], expected[0].partition)
            consumer.assign([place])
            results.append(await check_partition(consumer, place, expected))
    finally:
        await consumer.stop()
    problems = [problem for _, problem in results if problem]
    return sum(count for count, _ in results), problems[0] if problems else None


async def main():
    if len(sys.argv) != 3 or sys.argv[1] not in ("write", "read"):
        lots.usage("aio.py")
    plan = lots.load_plan(sys.argv[2])
    if sys.argv[1] == "write":
        await create_topics(plan)
    for lot in plan["lots"]:
        lots.report(lot, *await (write if sys.argv[1] == "write" else read)(plan, lot))


asyncio.run(main())
