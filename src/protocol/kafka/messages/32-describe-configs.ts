// DescribeConfigs: configs of topics and brokers.
//
// v1 sources and synonyms (KIP-226); v3 types and documentation (KIP-569); v4 flexible.
import { Api } from '../api.js';
import type { Decoded, Encodable } from '../message.js';
import { array, boolean, int8, int32, list, string } from '../schema.js';
import { errorCode } from './common.js';

export const describeConfigs = new Api({
  key: 32,
  name: 'DescribeConfigs',
  versions: '1-4',
  flexible: '4+',
  request: {
    resources: array('What to describe.', {
      resourceType: int8('2 topic, 4 broker, 8 loggers of a broker, 16 client metrics, 32 group.'),
      resourceName: string('Name of the topic, id of the broker …'),
      configurationKeys: list(string('Names of the configs; null for all.'), { nullable: true }),
    }),
    includeSynonyms: boolean('Whether to list all values that were considered.', { default: false }),
    includeDocumentation: boolean('Whether to add what the configs mean.', {
      versions: '3+',
      default: false,
    }),
  },
  response: {
    throttleTimeMs: int32('How long the client is held back.', { default: 0 }),
    results: array('Resources.', {
      errorCode,
      errorMessage: string('What is wrong, or null.', { nullable: true }),
      resourceType: int8('As in the request.'),
      resourceName: string('As in the request.'),
      configs: array('Configs.', {
        name: string('Name of the config.'),
        value: string('Its value; null if it has none or keeps it secret.', { nullable: true }),
        readOnly: boolean('Whether it cannot be changed.'),
        configSource: int8(
          '1 the topic, 2 the broker while it runs, 3 all brokers while they run, 4 the file of the broker, 5 the default, 6 a logger, 7 client metrics, 8 a group; -1 if unknown.',
          { default: -1 },
        ),
        isSensitive: boolean('Whether the value is kept secret.'),
        synonyms: array(
          'Values that were considered, the one in use first.',
          {
            name: string('Name of the config there.'),
            value: string('Its value there, or null.', { nullable: true }),
            source: int8('Where it comes from, as in configSource.'),
          },
          { default: [] },
        ),
        configType: int8(
          '1 boolean, 2 string, 3 int, 4 short, 5 long, 6 double, 7 list, 8 class, 9 password; 0 if unknown.',
          {
            versions: '3+',
            default: 0,
          },
        ),
        documentation: string('What it means, or null.', { versions: '3+', nullable: true }),
      }),
    }),
  },
});

export type DescribeConfigsRequest = Decoded<typeof describeConfigs.request>;
export type DescribeConfigsResponse = Encodable<typeof describeConfigs.response>;
