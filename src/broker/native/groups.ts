// Groups, for administration: the coordinator's answers in the native protocol's words. What members of the protocol type
// "consumer" said to each other is decoded here, so that no client has to know Kafka's formats for it.
import { type ErrorName, type Failure, OdradekError } from '../../base/errors.js';
import type { CommitOffsetsCommand } from '../../coordinator/group/group-messages.js';
import { decodeAssignment, decodeSubscription } from '../../protocol/kafka/consumer-protocol.js';
import type {
  CommitGroupOffsetsRequest,
  DeleteGroupOffsetsRequest,
  GroupMember,
  GroupOffset,
  GroupPartition,
  GroupPartitionResult,
  GroupRequest,
} from '../../protocol/native/group-messages.js';
import { REQUEST_PARTITIONS_MAX } from '../../protocol/native/messages.js';
import { type AnswerTo, coordinate, type RefusedCommand } from '../coordinate.js';
import type { RequestContext } from './context.js';

type DescribedMember = AnswerTo<'describe'>['members'][number];

const CONSUMER = 'consumer';
/** From outside of the group. */
const NO_MEMBER = { generation: -1, memberId: '', instanceId: null };

export function handleGroupRequest(context: RequestContext, request: GroupRequest): void {
  switch (request.type) {
    case 'listGroups':
      listGroups(context, request.states);
      return;
    case 'describeGroup':
      describeGroup(context, request.groupId);
      return;
    case 'fetchGroupOffsets':
      fetchOffsets(context, request.groupId);
      return;
    case 'commitGroupOffsets':
      commitOffsets(context, request);
      return;
    case 'deleteGroup':
      deleteGroup(context, request.groupId);
      return;
    case 'deleteGroupOffsets':
      deleteOffsets(context, request);
      return;
  }
}

/** Whether the command failed as a whole; then the request is answered with it. */
function failed(
  context: RequestContext,
  { error }: { readonly error: ErrorName },
  groupId: string | null,
): boolean {
  if (error === 'NONE') return false;
  const isUnknown = error === 'GROUP_ID_NOT_FOUND' && groupId !== null;
  context.fail(isUnknown ? { error, detail: `There is no group ${JSON.stringify(groupId)}.` } : { error });
  return true;
}

const isRefused = (reply: { readonly type: string }): reply is RefusedCommand => reply.type === 'refused';

function listGroups(context: RequestContext, states: readonly string[]): void {
  coordinate(context.router, { type: 'list', states, types: [] }, (listed) => {
    if (failed(context, listed, null) || isRefused(listed)) return;
    const groups = listed.groups.map(({ groupId, protocolType, state }) => ({
      groupId,
      protocolType,
      state,
    }));
    context.reply({ type: 'listGroups', groups });
  });
}

function describeGroup(context: RequestContext, groupId: string): void {
  coordinate(context.router, { type: 'describe', groupId }, (group) => {
    if (failed(context, group, groupId) || isRefused(group)) return;
    const { state, protocolType, protocol } = group;
    const members = group.members.map((member) => describeMember(member, protocolType));
    context.reply({ type: 'describeGroup', groupId, state, protocolType, protocol, members });
  });
}

function describeMember(member: DescribedMember, protocolType: string): GroupMember {
  const { memberId, instanceId, clientId, clientHost, metadata, assignment } = member;
  const isConsumer = protocolType === CONSUMER;
  const subscription = isConsumer ? decoded(metadata, decodeSubscription) : null;
  const assigned = isConsumer ? decoded(assignment, decodeAssignment) : null;
  return {
    memberId,
    instanceId,
    clientId,
    clientHost: clientHost.replace(/^\//, ''),
    topics: subscription?.topics ?? [],
    assignment: assigned?.assignedPartitions ?? [],
  };
}

/** null: the member said nothing, or nothing that makes sense. */
function decoded<Message>(bytes: Uint8Array, decode: (bytes: Buffer) => Message): Message | null {
  if (bytes.length === 0) return null;
  try {
    return decode(Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length));
  } catch (error) {
    if (error instanceof OdradekError && error.code === 'ODR_PROTOCOL') return null;
    throw error;
  }
}

function fetchOffsets(context: RequestContext, groupId: string): void {
  const command = { type: 'fetch-offsets', groupId, topics: null, requireStable: false } as const;
  coordinate(context.router, command, (fetched) => {
    if (failed(context, fetched, groupId) || isRefused(fetched)) return;
    const offsets = fetched.topics.flatMap(({ name, partitions }) =>
      partitions
        .filter(({ error, offset }) => error === 'NONE' && offset >= 0)
        .map(({ partition, offset, leaderEpoch, metadata }): GroupOffset => {
          return { topic: name, partition, offset, leaderEpoch, metadata };
        }),
    );
    context.reply({ type: 'fetchGroupOffsets', offsets });
  });
}

function tooMany(context: RequestContext, partitions: readonly unknown[]): boolean {
  if (partitions.length <= REQUEST_PARTITIONS_MAX) return false;
  const detail = `A request may name ${REQUEST_PARTITIONS_MAX} partitions.`;
  context.fail({ error: 'INVALID_REQUEST', detail });
  return true;
}

function commitOffsets(context: RequestContext, { groupId, offsets }: CommitGroupOffsetsRequest): void {
  if (tooMany(context, offsets)) return;
  const { topics } = context.router;
  const committed = byTopic(offsets.filter(({ topic, partition }) => topics.partition(topic, partition)));
  const commits = [...committed].flatMap(([name, partitions]): CommitOffsetsCommand['topics'] => {
    const topicId = topics.topic(name)?.image.topicId;
    return topicId === undefined ? [] : [{ name, topicId, partitions }];
  });
  const reply = (results: PartitionErrors) =>
    context.reply({ type: 'commitGroupOffsets', partitions: offsets.map((one) => resultOf(one, results)) });
  if (commits.length === 0) {
    reply(new Map());
    return;
  }
  const command = {
    type: 'commit-offsets',
    groupId,
    ...NO_MEMBER,
    retentionMs: null,
    topics: commits,
  } as const;
  coordinate(context.router, command, (result) => {
    if (isRefused(result)) failed(context, result, groupId);
    else reply(errorsOf(result.topics));
  });
}

function deleteGroup(context: RequestContext, groupId: string): void {
  coordinate(context.router, { type: 'delete', groupId }, (deleted) => {
    if (!failed(context, deleted, groupId)) context.reply({ type: 'deleteGroup' });
  });
}

function deleteOffsets(
  context: RequestContext,
  { groupId, partitions: asked }: DeleteGroupOffsetsRequest,
): void {
  if (tooMany(context, asked)) return;
  const known = asked.filter(({ topic, partition }) => context.router.topics.partition(topic, partition));
  const topics = [...byTopic(known)].map(([name, named]) => ({
    name,
    partitions: named.map(({ partition }) => partition),
  }));
  coordinate(context.router, { type: 'delete-offsets', groupId, topics }, (deleted) => {
    if (failed(context, deleted, groupId) || isRefused(deleted)) return;
    const errors = errorsOf(deleted.topics);
    context.reply({ type: 'deleteGroupOffsets', partitions: asked.map((one) => resultOf(one, errors)) });
  });
}

function byTopic<Entry extends GroupPartition>(entries: readonly Entry[]): Map<string, Entry[]> {
  const topics = new Map<string, Entry[]>();
  for (const entry of entries) {
    const others = topics.get(entry.topic);
    if (others) others.push(entry);
    else topics.set(entry.topic, [entry]);
  }
  return topics;
}

type PartitionErrors = ReadonlyMap<string, ErrorName>;

function errorsOf(topics: AnswerTo<'commit-offsets'>['topics']): PartitionErrors {
  return new Map(
    topics.flatMap(({ name, partitions }) =>
      partitions.map(({ partition, error }) => [`${name}/${partition}`, error] as const),
    ),
  );
}

function resultOf({ topic, partition }: GroupPartition, errors: PartitionErrors): GroupPartitionResult {
  const error = errors.get(`${topic}/${partition}`) ?? 'UNKNOWN_TOPIC_OR_PARTITION';
  return { topic, partition, error: failureOf(error) };
}

function failureOf(error: ErrorName): Failure | null {
  if (error === 'NONE') return null;
  // Who comes from outside is no member, which is wrong only because there are some.
  return { error: error === 'UNKNOWN_MEMBER_ID' ? 'NON_EMPTY_GROUP' : error };
}
