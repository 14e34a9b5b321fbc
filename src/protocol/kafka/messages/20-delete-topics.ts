// DeleteTopics.
//
// v4 flexible; v5 error messages; v6 topics by name or by id (KIP-516).
import { Api } from '../api.js';
import type { Decoded, Encodable } from '../message.js';
import { array, int32, list, string, topicId, ZERO_UUID } from '../schema.js';
import { errorCode } from './common.js';

export const deleteTopics = new Api({
  key: 20,
  name: 'DeleteTopics',
  versions: '1-6',
  flexible: '4+',
  request: {
    topics: array(
      'Topics to delete.',
      {
        name: string('Name of the topic; null if the id says it.', { nullable: true, default: null }),
        topicId: topicId('Id of the topic, or zero.', { default: ZERO_UUID }),
      },
      { versions: '6+' },
    ),
    topicNames: list(string('Names of the topics to delete.'), { versions: '0-5' }),
    timeoutMs: int32('How long to wait for the deletion.'),
  },
  response: {
    throttleTimeMs: int32('How long the client is held back.', { default: 0 }),
    responses: array('What became of each topic.', {
      name: string('Name of the topic; null if an unknown id was asked for.', { nullable: '6+' }),
      topicId: topicId('Id of the topic, or zero.', { versions: '6+', default: ZERO_UUID }),
      errorCode,
      errorMessage: string('What is wrong, or null.', { versions: '5+', nullable: '5+', default: null }),
    }),
  },
});

export type DeleteTopicsRequest = Decoded<typeof deleteTopics.request>;
export type DeleteTopicsResponse = Encodable<typeof deleteTopics.response>;
