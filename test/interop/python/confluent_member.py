"""confluent-kafka, which is librdkafka, as a member of a group."""

import threading

from confluent_kafka import Consumer, KafkaException, TopicPartition

import member as members

ASSIGNORS = {"range": "range", "cooperative": "cooperative-sticky"}
POLL_S = 0.1


class Member:
    def __init__(self, plan):
        self.topic = plan["topic"]
        self.journal = members.Journal(plan["commitIntervalMs"])
        config = {
            "bootstrap.servers": plan["bootstrap"],
            "client.id": plan["clientId"],
            "group.id": plan["group"],
            "partition.assignment.strategy": ASSIGNORS[plan["assignor"]],
            "session.timeout.ms": plan["sessionTimeoutMs"],
            "heartbeat.interval.ms": plan["heartbeatIntervalMs"],
            "enable.auto.commit": False,
            "auto.offset.reset": "earliest",
            "fetch.wait.max.ms": 100,
            "reconnect.backoff.max.ms": 500,
            # Lost connections are what some scenarios are about.
            "log_level": 0,
        }
        if plan["instanceId"] is not None:
            config["group.instance.id"] = plan["instanceId"]
        self.consumer = Consumer(config)

    def on_assign(self, _, places):
        self.journal.assigned([place.partition for place in places])

    def on_revoke(self, _, places):
        partitions = [place.partition for place in places]
        self.commit(partitions)
        self.journal.revoked(partitions)

    def on_lost(self, _, places):
        self.journal.lost([place.partition for place in places])

    def commit(self, partitions=None):
        ends = self.journal.uncommitted(partitions)
        if not ends:
            return
        places = [TopicPartition(self.topic, partition, end) for partition, end in ends.items()]
        try:
            answers = self.consumer.commit(offsets=places, asynchronous=False)
        except KafkaException as error:
            self.journal.commit_failed(error)
            return
        self.journal.committed({place.partition: place.offset for place in answers if place.error is None})
        for place in answers:
            if place.error is not None:
                self.journal.commit_failed(place.error)

    def run(self, stop):
        self.consumer.subscribe(
            [self.topic], on_assign=self.on_assign, on_revoke=self.on_revoke, on_lost=self.on_lost
        )
        while not stop.is_set():
            message = self.consumer.poll(POLL_S)
            if message is not None:
                if message.error():
                    raise KafkaException(message.error())
                self.journal.record(message.partition(), message.offset(), message.key(), message.value())
            if self.journal.is_due():
                self.commit()
        # Revokes, which commits.
        self.consumer.close()
        self.journal.left()


def main():
    plan = members.load_plan("confluent_member.py")
    stop = threading.Event()
    members.when_input_ends(stop.set)
    Member(plan).run(stop)


main()
