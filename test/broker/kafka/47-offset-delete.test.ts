import { describe, expect, it } from 'vitest';
import type { TopicId } from '../../../src/base/ids.js';
import type { GroupReply } from '../../../src/coordinator/group/group-messages.js';
import { offsetDelete } from '../../../src/protocol/kafka/messages/47-offset-delete.js';
import { groupScene, LOADING, refused } from './group-scene.js';

const TOPICS = { orders: { topicId: 'nHFYrRJiQ921bvWs9VkYnA' as TopicId, partitions: 3 } };

const topic = (name: string, ...partitions: readonly number[]) => ({
  name,
  partitions: partitions.map((partitionIndex) => ({ partitionIndex })),
});

describe('OffsetDelete', () => {
  const client = groupScene(TOPICS).connect();
  const ask = (reply: GroupReply, ...topics: readonly ReturnType<typeof topic>[]) =>
    client.ask(offsetDelete, 0, { groupId: 'a-group', topics }, () => reply);

  it('deletes what exists, and says of the rest that it does not', () => {
    const deleted: GroupReply = {
      ...{ type: 'offsets-deleted', error: 'NONE' },
      topics: [
        {
          name: 'orders',
          partitions: [
            { partition: 0, error: 'NONE' },
            { partition: 2, error: 'GROUP_SUBSCRIBED_TO_TOPIC' },
          ],
        },
      ],
    };
    const { response, commands } = ask(deleted, topic('unheard-of', 0), topic('orders', 0, 9, 2));
    expect(commands).toEqual([
      { type: 'delete-offsets', groupId: 'a-group', topics: [{ name: 'orders', partitions: [0, 2] }] },
    ]);
    expect(response).toEqual({
      ...{ errorCode: 0, throttleTimeMs: 0 },
      topics: [
        { name: 'unheard-of', partitions: [{ partitionIndex: 0, errorCode: 3 }] },
        {
          name: 'orders',
          partitions: [
            { partitionIndex: 0, errorCode: 0 },
            { partitionIndex: 9, errorCode: 3 },
            { partitionIndex: 2, errorCode: 86 },
          ],
        },
      ],
    });
  });

  it('asks for the group even if no partition exists, and says its error once', () => {
    const missing: GroupReply = { type: 'offsets-deleted', error: 'GROUP_ID_NOT_FOUND', topics: [] };
    const { response, commands } = ask(missing, topic('unheard-of', 0));
    expect(commands).toEqual([{ type: 'delete-offsets', groupId: 'a-group', topics: [] }]);
    expect(response).toEqual({ errorCode: 69, throttleTimeMs: 0, topics: [] });
    expect(ask(refused, topic('orders', 0)).response).toMatchObject({ errorCode: LOADING, topics: [] });
  });
});
