"""aiokafka as a member of a group."""

import asyncio

from aiokafka import AIOKafkaConsumer, ConsumerRebalanceListener, TopicPartition
from aiokafka.coordinator.assignors.range import RangePartitionAssignor
from aiokafka.errors import IllegalStateError, KafkaError

import member as members

POLL_MS = 100


class Member(ConsumerRebalanceListener):
    def __init__(self, plan):
        self.topic = plan["topic"]
        self.journal = members.Journal(plan["commitIntervalMs"])
        self.consumer = AIOKafkaConsumer(
            bootstrap_servers=plan["bootstrap"],
            client_id=plan["clientId"],
            group_id=plan["group"],
            group_instance_id=plan["instanceId"],
            partition_assignment_strategy=(RangePartitionAssignor,),
            session_timeout_ms=plan["sessionTimeoutMs"],
            heartbeat_interval_ms=plan["heartbeatIntervalMs"],
            enable_auto_commit=False,
            auto_offset_reset="earliest",
            fetch_max_wait_ms=100,
        )

    async def on_partitions_assigned(self, assigned):
        self.journal.assigned([place.partition for place in assigned])

    async def on_partitions_revoked(self, revoked):
        await self.commit()
        self.journal.revoked([place.partition for place in revoked])

    async def commit(self):
        ends = self.journal.uncommitted()
        if not ends:
            return
        try:
            await self.consumer.commit({TopicPartition(self.topic, partition): end for partition, end in ends.items()})
        except (KafkaError, IllegalStateError) as error:
            self.journal.commit_failed(repr(error))
            return
        self.journal.committed(ends)

    async def run(self, stop):
        await self.consumer.start()
        self.consumer.subscribe([self.topic], listener=self)
        while not stop.is_set():
            batches = await self.consumer.getmany(timeout_ms=POLL_MS)
            for place, messages in batches.items():
                for message in messages:
                    self.journal.record(place.partition, message.offset, message.key, message.value)
            if self.journal.is_due():
                await self.commit()
        await self.commit()
        await self.consumer.stop()
        self.journal.left()


async def main():
    plan = members.load_plan("aio_member.py")
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    members.when_input_ends(lambda: loop.call_soon_threadsafe(stop.set))
    await Member(plan).run(stop)


asyncio.run(main())
