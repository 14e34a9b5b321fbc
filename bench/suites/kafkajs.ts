import type { Ground, Run } from '../ground.js';
import type { ClientJob, KafkaJsJob, LoadResult } from '../job.js';
import { type Metrics, MIB, perRecordOfLoad } from '../metrics.js';
import type { Suite, Turn, Turns } from '../suite.js';

const PARTITIONS = 6;
const RECORDS_MAX = 500_000;
const RECORDS_MIN = 2000;

/**
 * The client library beside kafkajs, which has the turns of the pump: the same broker, the same records, one Node process
 * each. Ours sends one message a call, kafkajs a thousand.
 */
export function kafkaJsSuite(label: string, recordBytes: number): Suite {
  const produceRow = `kafkajs-produce.${label}`;
  const consumeRow = `kafkajs-consume.${label}`;

  const turns = (ground: Ground, share: number, isOurs: boolean): Promise<Turns> => {
    const records = recordsOf(ground, recordBytes, share);
    ground.warmPages(records * recordBytes);
    return ground.withBroker({ opensKafkaDoor: true }, ({ port, kafkaPort }) =>
      ground.withTopic(PARTITIONS, async (topic) => {
        const common = { topic, partitions: PARTITIONS, recordBytes, records };
        const ours = (type: ClientJob['type']): ClientJob => ({ type, port, ...common, batches: false });
        const theirs = (type: KafkaJsJob['type']): KafkaJsJob => ({ type, port: kafkaPort, ...common });
        const produced = await ground.load(isOurs ? ours('client-produce') : theirs('kafkajs-produce'));
        const consumed = await ground.load(isOurs ? ours('client-consume') : theirs('kafkajs-consume'));
        return { [produceRow]: turn(produced), [consumeRow]: turn(consumed) };
      }),
    );
  };

  return {
    name: `kafkajs.${label}`,
    rows: [produceRow, consumeRow],
    startsBrokers: true,
    broker: (ground, share) => turns(ground, share, true),
    pump: (ground, share) => turns(ground, share, false),
  };
}

function recordsOf({ options }: Ground, recordBytes: number, share: number): number {
  const records = Math.min(RECORDS_MAX, Math.floor(options.bytes / recordBytes)) * share;
  return Math.max(RECORDS_MIN, Math.floor(records));
}

/** What counts here is the client's process: its speed, its CPU and its memory. */
function turn({ result, others }: Run<LoadResult>): Turn {
  const { bytes, records, seconds, peakRssMib } = result;
  const metrics: Metrics = {
    mibPerSecond: bytes / MIB / seconds,
    recordsPerSecond: records / seconds,
    ...perRecordOfLoad(result),
    ...(peakRssMib === undefined ? {} : { peakRssMib }),
  };
  return { metrics, bytes, records, others };
}
