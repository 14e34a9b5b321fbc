// AlterConfigs: replaces all configs of topics and brokers (KIP-133); IncrementalAlterConfigs is its successor.
//
// v1 throttling; v2 flexible.
import { Api } from '../api.js';
import type { Decoded, Encodable } from '../message.js';
import { array, boolean, int8, int32, string } from '../schema.js';
import { alteredResources } from './altered-resources.js';

export const alterConfigs = new Api({
  key: 33,
  name: 'AlterConfigs',
  versions: '0-2',
  flexible: '2+',
  request: {
    resources: array('What to change.', {
      resourceType: int8('2 topic, 4 broker, 8 loggers of a broker, 16 client metrics, 32 group.'),
      resourceName: string('Name of the topic, id of the broker …'),
      configs: array('All that is to be set.', {
        name: string('Name of the config.'),
        value: string('Its value.', { nullable: true }),
      }),
    }),
    validateOnly: boolean('Whether to check everything and change nothing.', { default: false }),
  },
  response: {
    throttleTimeMs: int32('How long the client is held back.', { default: 0 }),
    responses: alteredResources,
  },
});

export type AlterConfigsRequest = Decoded<typeof alterConfigs.request>;
export type AlterConfigsResponse = Encodable<typeof alterConfigs.response>;
