import type { BrokerConfig } from '../config/broker-config.js';

/** The internal topic that the group coordinator keeps its records in. */
export const OFFSETS_TOPIC = '__consumer_offsets';

/**
 * The configs that the topic is made with. Source: Kafka's GroupCoordinatorService. It is compacted, so nothing goes by age or
 * size, whatever the broker's defaults say.
 */
export function offsetsTopicOverrides(
  config: Pick<BrokerConfig, 'offsetsTopicSegmentBytes'>,
): Readonly<Record<string, string>> {
  return {
    'cleanup.policy': 'compact',
    'compression.type': 'producer',
    'segment.bytes': String(config.offsetsTopicSegmentBytes),
    'retention.ms': '-1',
    'retention.bytes': '-1',
  };
}
