// DescribeConfigs: settings of topics (2) and of the broker (4), all of them with their defaults, from the settings tables.
import { ERRORS, type ErrorName } from '../../base/errors.js';
import { brokerConfigEntries } from '../../config/broker-config-entries.js';
import type { Property } from '../../config/property.js';
import { resolveTopicConfig } from '../../config/topic-config.js';
import { TOPIC_PROPERTIES, type TopicProperty } from '../../config/topic-properties.js';
import {
  type DescribeConfigsRequest,
  describeConfigs,
} from '../../protocol/kafka/messages/32-describe-configs.js';
import type { Router } from '../router.js';
import { CONFIG_SOURCE, CONFIG_TYPE } from './config-source.js';
import { serveAtOnce } from './context.js';
import { DETAIL_CHARACTERS_MAX, RESOURCES_MAX } from './limits.js';

type Resource = DescribeConfigsRequest['resources'][number];

const TOPIC = 2;
const BROKER = 4;

interface Entry {
  readonly row: Property;
  readonly name: string;
  readonly value: string;
  readonly source: keyof typeof CONFIG_SOURCE;
  readonly readOnly: boolean;
}

const TOPIC_ROWS = new Map<string, TopicProperty>(
  Object.values(TOPIC_PROPERTIES).map((row) => [row.name, row]),
);

function topicEntries(router: Router, name: string): Entry[] | null {
  const topic = router.topics.topic(name);
  if (!topic) return null;
  const { entries } = resolveTopicConfig(router.options.config, Object.entries(topic.image.overrides));
  return entries.flatMap(({ name: setting, value, source }) => {
    const row = TOPIC_ROWS.get(setting);
    return row ? [{ row, name: setting, value, source, readOnly: false }] : [];
  });
}

function brokerEntries(router: Router, name: string): Entry[] | null {
  const { config, brokerId } = router.options;
  if (name === '') return []; // What is set for all brokers while they run: nothing can be.
  if (name !== String(brokerId)) return null;
  return brokerConfigEntries(config).map((entry) => ({ ...entry, readOnly: true }));
}

function describe(
  router: Router,
  { resourceType, resourceName, configurationKeys }: Resource,
  request: DescribeConfigsRequest,
  isTooMany: boolean,
) {
  const resource = { resourceType, resourceName };
  const refuse = (error: ErrorName, detail: string) => ({
    errorCode: ERRORS[error].code,
    errorMessage: detail.slice(0, DETAIL_CHARACTERS_MAX),
    ...resource,
    configs: [],
  });
  if (isTooMany) return refuse('POLICY_VIOLATION', `At most ${RESOURCES_MAX} resources at a time.`);
  if (resourceType !== TOPIC && resourceType !== BROKER) {
    return refuse('INVALID_REQUEST', `Resources of type ${resourceType} have no settings here.`);
  }
  const entries =
    resourceType === TOPIC ? topicEntries(router, resourceName) : brokerEntries(router, resourceName);
  if (!entries) {
    return resourceType === TOPIC
      ? refuse('UNKNOWN_TOPIC_OR_PARTITION', `There is no topic ${JSON.stringify(resourceName)}.`)
      : refuse('INVALID_REQUEST', `This is broker ${router.options.brokerId}.`);
  }
  const wanted = configurationKeys?.length ? new Set(configurationKeys) : null;
  const configs = entries
    .filter(({ name }) => wanted === null || wanted.has(name))
    .map(({ row, name, value, source, readOnly }) => ({
      name,
      value,
      readOnly,
      configSource: CONFIG_SOURCE[source],
      isSensitive: false,
      synonyms: request.includeSynonyms ? [{ name, value, source: CONFIG_SOURCE[source] }] : [],
      configType: CONFIG_TYPE[row.type],
      documentation: request.includeDocumentation ? row.doc : null,
    }));
  return { errorCode: 0, errorMessage: null, ...resource, configs };
}

export const serveDescribeConfigs = serveAtOnce(describeConfigs, ({ router, body }, answer) => {
  // What is asked for twice is answered once.
  const resources = new Map(body.resources.map((one) => [`${one.resourceType}/${one.resourceName}`, one]));
  const results = [...resources.values()].map((resource, index) =>
    describe(router, resource, body, index >= RESOURCES_MAX),
  );
  answer.reply({ results });
});
