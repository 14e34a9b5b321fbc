"""The records that all clients write and read, made from a seed: ../README.md says how."""

import json
import sys
from dataclasses import dataclass

CHECKED_FROM_THE_MIDDLE = 20
# The records are older than the broker would keep them.
TOPIC_CONFIG = {"retention.ms": "-1"}
TEXT = bytes(97 + (byte & 15) for byte in range(256))


@dataclass(frozen=True)
class Record:
    partition: int
    offset: int
    timestamp_ms: int
    key: "bytes | None"
    value: "bytes | None"
    headers: "list[tuple[str, bytes | None]]"


class Draws:
    def __init__(self, state):
        self.state = (state & 0xFFFFFFFF) or 1

    def draw(self):
        state = self.state
        state ^= (state << 13) & 0xFFFFFFFF
        state ^= state >> 17
        state ^= (state << 5) & 0xFFFFFFFF
        self.state = state
        return state

    def below(self, end):
        return self.draw() % end

    def bytes(self, count):
        words = b"".join(self.draw().to_bytes(4, "little") for _ in range((count + 3) // 4))
        return words[:count]


def record_of(lot, index):
    draws = Draws(lot["seed"] ^ ((index + 1) * 2654435761))
    if index % 25 == 7:
        key = None
    elif index % 25 == 13:
        key = b""
    else:
        key = draws.bytes(8 + draws.below(17))
    if index % 25 == 3:
        value = None
    elif index % 25 == 11:
        value = b""
    elif index % 625 == 500:
        value = draws.bytes(60000) * 15
    else:
        value = draws.bytes(draws.below(400)).translate(TEXT)
    headers = []
    for place in range(draws.below(4)):
        name = "same" if index % 10 == 9 else "h" + "abc"[place]
        kind = draws.below(6)
        if kind == 0 and lot["nullHeaderValues"]:
            headers.append((name, None))
        else:
            headers.append((name, b"" if kind <= 1 else draws.bytes(1 + draws.below(20))))
    return Record(
        partition=index % lot["partitions"],
        offset=index // lot["partitions"],
        timestamp_ms=lot["firstTimestampMs"] + 10 * index - 37 * (index % 7),
        key=key,
        value=value,
        headers=headers,
    )


def records_of(lot):
    return [record_of(lot, index) for index in range(lot["records"])]


def partitions_of(lot):
    """The lot's records by partition, each list by offset."""
    records = records_of(lot)
    return [records[partition :: lot["partitions"]] for partition in range(lot["partitions"])]


def compare(read, expected):
    """The first difference in words, or None."""
    for other, record in zip(read, expected):
        at = f"partition {record.partition}, offset {record.offset}"
        if (other.partition, other.offset) != (record.partition, record.offset):
            return f"expected {at}, read partition {other.partition}, offset {other.offset}"
        for field in ("timestamp_ms", "key", "value", "headers"):
            if getattr(other, field) != getattr(record, field):
                return f"{at}: {field}"
    if len(read) != len(expected):
        return f"read {len(read)} records, expected {len(expected)}"
    return None


def middle(expected):
    """Where the read by offset begins, and what it must give."""
    offset = 2 * len(expected) // 5
    return offset, expected[offset : offset + CHECKED_FROM_THE_MIDDLE]


def times(expected):
    """The times to look up, the offsets that must be found (None: none), and what is read from the first of them on."""
    timestamp_ms = expected[3 * len(expected) // 5].timestamp_ms + 1
    late = max(record.timestamp_ms for record in expected) + 1
    offset = next(record.offset for record in expected if record.timestamp_ms >= timestamp_ms)
    return (
        [timestamp_ms, 0, late],
        [offset, 0, None],
        expected[offset : offset + CHECKED_FROM_THE_MIDDLE],
    )


def load_plan(path):
    with open(path, encoding="utf-8") as file:
        return json.load(file)


def report(lot, records, problem):
    print(json.dumps({"topic": lot["topic"], "records": records, "problem": problem}), flush=True)


def usage(program):
    sys.exit(f"usage: {program} write|read PLAN")
