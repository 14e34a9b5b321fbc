// Consumer groups: no committed offset goes back, no partition has two owners.
import type { Mutant } from '../mutant.js';

const FOLDER = 'src/coordinator/group';
const TESTS = 'test/coordinator/group';

export const GROUP_MUTANTS: readonly Mutant[] = [
  {
    name: 'commit-answered-before-append',
    wrong: 'A commit of offsets is answered before the log has it.',
    file: `${FOLDER}/offset-commands.ts`,
    piece: 'this.#store.append(records, answer, () => reply);',
    replacement: 'this.#store.note(records);\n    answer(reply);',
    caughtBy: {
      file: `${TESTS}/offset-commands.test.ts`,
      name: 'is answered when the log has it, and what is fetched is in the log',
    },
  },
  {
    name: 'commit-not-appended',
    wrong: 'Of a commit for several partitions only the first is written.',
    file: `${FOLDER}/offset-commands.ts`,
    piece: 'this.#store.append(records, answer, () => reply);',
    replacement: 'this.#store.append(records.slice(0, 1), answer, () => reply);',
    caughtBy: {
      file: `${TESTS}/histories.test.ts`,
      name: 'keeps its promises in every history',
      environment: { HISTORIES: '20' },
    },
  },
  {
    name: 'commit-of-old-generation',
    wrong: 'A member that lost its partitions still commits for them.',
    file: `${FOLDER}/offset-commands.ts`,
    piece: "  if (generation !== group.generation) return 'ILLEGAL_GENERATION';\n",
    replacement: '',
    caughtBy: {
      file: `${TESTS}/offset-commands.test.ts`,
      name: 'takes the commits of members of the generation',
    },
  },
  {
    name: 'commit-from-outside-a-living-group',
    wrong: 'Anybody may commit for a group that has members.',
    file: `${FOLDER}/offset-commands.ts`,
    piece: "  if (isFromOutside && group.state === 'Empty') return 'NONE';",
    replacement: "  if (isFromOutside) return 'NONE';",
    caughtBy: {
      file: `${TESTS}/offset-commands.test.ts`,
      name: 'takes the commits of members of the generation',
    },
  },
  {
    name: 'fetched-before-append',
    wrong: 'An offset is told that is not in the log yet, and may go back.',
    file: 'src/coordinator/append-queue.ts',
    piece: '    if (last) last.push(done);\n    else done(null);',
    replacement: '    if (last === null) last.push(done);\n    else done(null);',
    caughtBy: {
      file: 'test/coordinator/coordinator-runtime.test.ts',
      name: 'answers questions about its state when that is in the log',
    },
  },
  {
    name: 'appends-answered-when-written',
    wrong: 'What a shard appends is answered when it is handed over, not when it is committed.',
    file: 'src/coordinator/append-queue.ts',
    piece: '    this.#inFlight.push(group);\n',
    replacement:
      '    this.#inFlight.push([]);\n    for (const done of group) done(null);\n    const handed = group.splice(0);\n    if (handed.length < 0) return;\n',
    caughtBy: {
      file: 'test/coordinator/coordinator-runtime.test.ts',
      name: 'has its topic made by the first command, once for all that wait',
    },
  },
  {
    name: 'append-split',
    wrong: 'The records of one step are split over two batches: a crash keeps half of it.',
    file: 'src/coordinator/append-queue.ts',
    piece:
      '    if (builder.bytes + this.#bytesOf(records) > this.#options.partition.batchBytesMax) {\n      this.#full.push(builder.build());\n    }',
    replacement: '',
    caughtBy: {
      file: 'test/coordinator/coordinator-runtime.test.ts',
      name: 'writes several batches where one would be too large, and never splits a step',
    },
  },
  {
    name: 'state-ahead-of-log-kept',
    wrong: 'A shard goes on with a state that could not be appended.',
    file: 'src/coordinator/append-queue.ts',
    piece: `      if (error) {
        this.#options.failed(error);
        return;
      }
      const oldest`,
    replacement: '      const oldest',
    caughtBy: {
      file: 'test/coordinator/coordinator-runtime.test.ts',
      name: 'tells everyone when an append fails, and has the state of the log afterwards',
    },
  },
  {
    name: 'replay-keeps-the-older',
    wrong: 'After a restart the first commit of a partition counts, not the last.',
    file: `${FOLDER}/group-shard.ts`,
    piece: 'if (stored !== null) group.offsets.set(topic, partition, stored);\n    else {',
    replacement:
      'if (stored !== null) {\n      if (group.offsets.get(topic, partition) === undefined) group.offsets.set(topic, partition, stored);\n    } else {',
    caughtBy: {
      file: `${TESTS}/histories.test.ts`,
      name: 'keeps its promises in every history',
      environment: { HISTORIES: '20' },
    },
  },
  {
    name: 'replay-ignores-tombstones',
    wrong: 'Offsets that were deleted, or expired, are back after a restart.',
    file: `${FOLDER}/group-shard.ts`,
    piece: '      group.offsets.delete(topic, partition);\n      this.#store.dropIfUnused(group);',
    replacement: '      this.#store.dropIfUnused(group);',
    caughtBy: {
      file: `${TESTS}/group-shard.test.ts`,
      name: 'forgets the offsets of deleted topics, and groups with nothing else',
    },
  },
  {
    name: 'replay-ends-too-early',
    wrong: 'A coordinator serves before it has replayed what was appended and not yet committed.',
    file: 'src/coordinator/replay-log.ts',
    piece: 'this.#end = extent?.endOffset ?? null;',
    replacement: 'this.#end = extent?.committedOffset ?? null;',
    caughtBy: {
      file: 'test/coordinator/replay-log.test.ts',
      name: 'waits until what was appended before is committed, and not for what comes after',
    },
  },
  {
    name: 'damaged-log-replayed-in-part',
    wrong: 'A coordinator whose log is damaged serves what lies before the damage.',
    file: 'src/coordinator/replay-log.ts',
    piece: '        this.#finish(new Error(piece.reason));',
    replacement: '        this.#finish(this.#records);',
    caughtBy: { file: 'test/coordinator/replay-log.test.ts', name: 'says why the log cannot be read' },
  },
  {
    name: 'old-generation-goes-on',
    wrong: 'A member of an earlier generation is told that all is well: its partitions have two owners.',
    file: `${FOLDER}/membership.ts`,
    piece: "return generation === group.generation ? null : 'ILLEGAL_GENERATION';",
    replacement: "return generation <= group.generation ? null : 'ILLEGAL_GENERATION';",
    caughtBy: {
      file: `${TESTS}/membership.test.ts`,
      name: 'tells a member that missed a rebalance that its generation is over, as a sync does',
    },
  },
  {
    name: 'rebalance-not-told',
    wrong: 'A heartbeat does not tell of a rebalance: members keep partitions that others get.',
    file: `${FOLDER}/membership.ts`,
    piece: "answer({ type: 'heartbeat', error: isJoining ? 'REBALANCE_IN_PROGRESS' : 'NONE' });",
    replacement:
      "answer({ type: 'heartbeat', error: isJoining && member.isNew ? 'REBALANCE_IN_PROGRESS' : 'NONE' });",
    caughtBy: { file: `${TESTS}/membership.test.ts`, name: 'is answered by the state of the group' },
  },
  {
    name: 'assignment-told-before-append',
    wrong: 'Members are told an assignment that a crash makes the coordinator forget.',
    file: `${FOLDER}/membership.ts`,
    piece: '    this.#store.ports.afterAppends((error) => {',
    replacement: '    ((told: (error: ErrorName | null) => void) => told(null))((error) => {',
    caughtBy: {
      file: `${TESTS}/membership.test.ts`,
      name: 'waits for the log, also for members that come late',
    },
  },
  {
    name: 'assignment-kept-from-before',
    wrong: 'A member that the leader gave nothing keeps what it had.',
    file: `${FOLDER}/membership.ts`,
    piece: 'decided.get(member.memberId) ?? NO_BYTES;',
    replacement: 'decided.get(member.memberId) ?? member.assignment;',
    caughtBy: {
      file: `${TESTS}/membership.test.ts`,
      name: 'gives nothing to whom the leader forgot, whatever it had before',
    },
  },
  {
    name: 'assignment-of-overtaken-sync',
    wrong: 'A member is told an assignment though another rebalance has begun meanwhile.',
    file: `${FOLDER}/membership.ts`,
    piece: 'if (answer === null || member.awaitingSync !== answer) continue;',
    replacement: 'if (answer === null || member.awaitingSync === null) continue;',
    caughtBy: {
      file: `${TESTS}/membership.test.ts`,
      name: 'does not tell what was decided before a rebalance to whom asks after it',
    },
  },
  {
    name: 'generation-not-raised',
    wrong: 'A rebalance ends with the generation of before: late commits of the old owners count.',
    file: `${FOLDER}/group.ts`,
    piece: 'this.generation = this.generation === 2 ** 31 - 1 ? 1 : this.generation + 1;',
    replacement: 'this.generation = Math.max(1, this.generation);',
    caughtBy: {
      file: `${TESTS}/rebalances.test.ts`,
      name: 'ends when all members have joined, and tells the leader of everybody',
    },
  },
  {
    name: 'silent-member-stays',
    wrong: 'A member that does not join in time stays in the group, with its partitions.',
    file: `${FOLDER}/rebalances.ts`,
    piece: `      this.#store.events.expiredMembers++;
      this.remove(group, member);
    }
    if (group.members.size > 0`,
    replacement: `      this.#store.events.expiredMembers++;
    }
    if (group.members.size > 0`,
    caughtBy: {
      file: `${TESTS}/rebalances.test.ts`,
      name: 'goes on without members that do not join within the longest rebalance timeout',
    },
  },
  {
    name: 'zombie-not-fenced',
    wrong: 'The older of two processes with the same instance id goes on beside the newer one.',
    file: `${FOLDER}/replies.ts`,
    piece: "return known.isRestored ? 'UNKNOWN_MEMBER_ID' : 'FENCED_INSTANCE_ID';",
    replacement: "return known.isRestored ? 'UNKNOWN_MEMBER_ID' : 'NONE';",
    caughtBy: {
      file: `${TESTS}/join-group.test.ts`,
      name: 'takes its own place under a new id, and nobody else notices',
    },
  },
  {
    name: 'live-offset-expires',
    wrong: 'Offsets expire of a topic that members still read.',
    file: `${FOLDER}/offset-expiry.ts`,
    piece: "    if (group.state !== 'Empty' && group.isSubscribed(topic)) continue;\n",
    replacement: '',
    caughtBy: {
      file: `${TESTS}/offset-expiry.test.ts`,
      name: 'keeps what members read, and lets go of it so long after the last one has left',
    },
  },
  {
    name: 'offset-expires-with-last-commit',
    wrong: 'Offsets of an empty group expire by their commit, not by when its last member left.',
    file: `${FOLDER}/offset-expiry.ts`,
    piece: '(stored) => Math.max(stateSinceMs, sinceCommit(stored));',
    replacement: 'sinceCommit;',
    caughtBy: {
      file: `${TESTS}/offset-expiry.test.ts`,
      name: 'keeps what members read, and lets go of it so long after the last one has left',
    },
  },
  {
    name: 'expired-offset-comes-back',
    wrong: 'Offsets that expire get no tombstone, and are back after a restart.',
    file: `${FOLDER}/offset-expiry.ts`,
    piece: '    this.#store.noteTombstones(tombstones);\n',
    replacement: '',
    caughtBy: {
      file: `${TESTS}/offset-expiry.test.ts`,
      name: 'takes the offsets of a simple group so long after each was committed, and then the group',
    },
  },
  {
    name: 'offset-of-deleted-topic-told',
    wrong: 'The offset of a deleted topic is told for a new one of its name.',
    file: `${FOLDER}/offset-commands.ts`,
    piece: 'present === null || topicId === null || topicId === present;',
    replacement: 'present === null || topicId === null || topicId !== null;',
    caughtBy: {
      file: `${TESTS}/offset-commands.test.ts`,
      name: 'does not take the offsets of a deleted topic for those of a new one of that name',
    },
  },
];
