// Requests that change topics, and the one that shows all configs.
import { assert } from '../../base/assert.js';
import { toOffset, toPartitionIndex } from '../../base/ids.js';
import { brokerConfigEntries } from '../../config/broker-config-entries.js';
import { resolveTopicConfig } from '../../config/topic-config.js';
import {
  type AddPartitionsRequest,
  type AlterTopicRequest,
  type ConfigEntry,
  type DeleteRecordsRequest,
  type DeleteRecordsResult,
  type DescribeConfigsRequest,
  REQUEST_PARTITIONS_MAX,
} from '../../protocol/native/messages.js';
import { atATime } from '../kafka/at-a-time.js';
import { unknownTopic } from '../messages.js';
import type { Router } from '../router.js';
import type { RequestContext } from './context.js';
import { topicMetadata } from './metadata.js';

/** How many partitions the supervisor is asked about at a time. */
const DELETED_AT_A_TIME = 100;

/** Every config of a topic with these overrides. */
export function topicConfigs(router: Router, overrides: Readonly<Record<string, string>>): ConfigEntry[] {
  const { entries } = resolveTopicConfig(router.options.config, Object.entries(overrides));
  return entries.map((entry) => ({ ...entry, readOnly: false }));
}

/** Answers when the configs are in force. */
export function handleAlterTopic(context: RequestContext, request: AlterTopicRequest): void {
  const { name, changes, validateOnly } = request;
  context.router.ask({ type: 'alter-topic', name, changes, replaces: false, validateOnly }, (reply) => {
    if (reply.type === 'failed') context.fail(reply);
    else {
      assert(reply.type === 'topic', 'a topic that was altered is described');
      context.reply({ type: 'alterTopic', configs: topicConfigs(context.router, reply.topic.overrides) });
    }
  });
}

/** Answers when the new partitions are served. */
export function handleAddPartitions(context: RequestContext, request: AddPartitionsRequest): void {
  const { name, count, validateOnly } = request;
  context.router.ask({ type: 'add-partitions', name, count, validateOnly }, (reply) => {
    if (reply.type === 'failed') context.fail(reply);
    else {
      assert(reply.type === 'topic', 'a topic that has grown is described');
      context.reply({ type: 'addPartitions', topic: topicMetadata(reply.topic) });
    }
  });
}

/** Partitions succeed or fail each by itself. */
export function handleDeleteRecords(context: RequestContext, request: DeleteRecordsRequest): void {
  const { partitions } = request;
  if (partitions.length > REQUEST_PARTITIONS_MAX) {
    const detail = `A request may name ${REQUEST_PARTITIONS_MAX} partitions.`;
    context.fail({ error: 'INVALID_REQUEST', detail });
    return;
  }
  const results: DeleteRecordsResult[] = new Array(partitions.length);
  atATime(
    partitions,
    DELETED_AT_A_TIME,
    ({ topic, partition, before }, index, ended) => {
      const end = (result: Pick<DeleteRecordsResult, 'error' | 'logStartOffset'>) => {
        results[index] = { topic, partition, ...result };
        ended();
      };
      if (before !== 'highWatermark' && before < 0) {
        end({ error: { error: 'OFFSET_OUT_OF_RANGE' }, logStartOffset: 0 });
        return;
      }
      const beforeOffset = before === 'highWatermark' ? null : toOffset(before);
      const target = { topic, partition: toPartitionIndex(partition), beforeOffset };
      context.router.ask({ type: 'delete-records', ...target }, (reply) => {
        if (reply.type === 'failed') {
          end({ error: { error: reply.error, detail: reply.detail }, logStartOffset: 0 });
        } else {
          assert(reply.type === 'records-deleted', 'a log whose records were deleted has a start');
          end({ error: null, logStartOffset: reply.logStartOffset });
        }
      });
    },
    () => context.reply({ type: 'deleteRecords', partitions: results }),
  );
}

/** Answers at once. */
export function handleDescribeConfigs(context: RequestContext, { resource }: DescribeConfigsRequest): void {
  const { router } = context;
  if (resource === 'broker') {
    const configs = brokerConfigEntries(router.options.config).map(
      ({ row, name, value, source }): ConfigEntry => ({
        ...{ name, value, source },
        documentation: row.doc,
        readOnly: true,
      }),
    );
    context.reply({ type: 'describeConfigs', configs });
    return;
  }
  const topic = router.topics.topic(resource.topic);
  if (!topic) context.fail(unknownTopic(resource.topic));
  else context.reply({ type: 'describeConfigs', configs: topicConfigs(router, topic.image.overrides) });
}
