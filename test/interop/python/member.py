"""What members of a group print, and what they are told: ../README.md says how."""

import json
import sys
import threading
import time


def load_plan(program):
    if len(sys.argv) != 3 or sys.argv[1] != "member":
        sys.exit(f"usage: {program} member PLAN")
    return json.loads(sys.argv[2])


def when_input_ends(act):
    """Standard input ends when the member is to leave."""

    def wait():
        sys.stdin.read()
        act()

    threading.Thread(target=wait, daemon=True).start()


def numbers(partitions):
    return ",".join(str(partition) for partition in sorted(partitions)) or "-"


class Journal:
    """Prints what happens, and knows what is processed and not committed."""

    def __init__(self, commit_interval_ms):
        self.processed = {}
        self.committed_ends = {}
        self.commit_interval_s = commit_interval_ms / 1000
        self.due_s = 0

    def say(self, *words):
        sys.stdout.write(" ".join(words) + "\n")
        sys.stdout.flush()

    def assigned(self, partitions):
        self.say("assigned", numbers(partitions))

    def revoked(self, partitions):
        self.forget(partitions)
        self.say("revoked", numbers(partitions))

    def lost(self, partitions):
        self.forget(partitions)
        self.say("lost", numbers(partitions))

    def forget(self, partitions):
        for partition in partitions:
            self.processed.pop(partition, None)
            self.committed_ends.pop(partition, None)

    def record(self, partition, offset, key, value):
        self.say("record", str(partition), str(offset), key.decode(), value.decode())
        self.processed[partition] = offset + 1

    def is_due(self):
        return time.monotonic() >= self.due_s

    def uncommitted(self, partitions=None):
        """The ends to commit, by partition; of the given partitions, or of all."""
        self.due_s = time.monotonic() + self.commit_interval_s
        return {
            partition: end
            for partition, end in self.processed.items()
            if self.committed_ends.get(partition) != end and (partitions is None or partition in partitions)
        }

    def committed(self, ends):
        self.committed_ends.update(ends)
        self.say("committed", ",".join(f"{partition}:{end}" for partition, end in ends.items()))

    def commit_failed(self, error):
        self.say("commit-failed", str(error).replace("\n", " "))

    def left(self):
        self.say("left")
