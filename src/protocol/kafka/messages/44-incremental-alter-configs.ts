// IncrementalAlterConfigs: changes configs of topics and brokers one by one (KIP-339).
//
// v1 flexible.
import { Api } from '../api.js';
import type { Decoded, Encodable } from '../message.js';
import { array, boolean, int8, int32, string } from '../schema.js';
import { alteredResources } from './altered-resources.js';

export const incrementalAlterConfigs = new Api({
  key: 44,
  name: 'IncrementalAlterConfigs',
  versions: '0-1',
  flexible: '1+',
  request: {
    resources: array('What to change.', {
      resourceType: int8('2 topic, 4 broker, 8 loggers of a broker, 16 client metrics, 32 group.'),
      resourceName: string('Name of the topic, id of the broker …'),
      configs: array('Changes.', {
        name: string('Name of the config.'),
        configOperation: int8('0 set, 1 back to the default, 2 append to a list, 3 subtract from a list.'),
        value: string('Value, or items of the list.', { nullable: true }),
      }),
    }),
    validateOnly: boolean('Whether to check everything and change nothing.', { default: false }),
  },
  response: {
    throttleTimeMs: int32('How long the client is held back.', { default: 0 }),
    responses: alteredResources,
  },
});

export type IncrementalAlterConfigsRequest = Decoded<typeof incrementalAlterConfigs.request>;
export type IncrementalAlterConfigsResponse = Encodable<typeof incrementalAlterConfigs.response>;
