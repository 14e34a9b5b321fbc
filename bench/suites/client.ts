import type { Ground, Run } from '../ground.js';
import type { LoadResult } from '../job.js';
import { MIB, perGb } from '../metrics.js';
import type { Suite, Turn } from '../suite.js';
import { peakRss } from './throughput.js';

const PARTITIONS = 6;
const RECORDS_MAX = 1_000_000;

/** The client library, one message at a time in and out. Has no pump: a pump knows no messages. */
export function clientSuite(label: string, recordBytes: number): Suite {
  const produceRow = `client-produce.${label}`;
  const consumeRow = `client-consume.${label}`;
  return {
    name: `client.${label}`,
    rows: [produceRow, consumeRow],
    startsBrokers: false,
    pump: null,
    async broker(ground, share) {
      const records = Math.min(RECORDS_MAX, Math.floor(ground.options.bytes / recordBytes)) * share;
      ground.warmPages(records * recordBytes);
      return await ground.withTopic(PARTITIONS, async (topic) => {
        const job = {
          port: ground.broker.port,
          topic,
          partitions: PARTITIONS,
          recordBytes,
          records: Math.floor(records),
        };
        const produced = turn(ground, await ground.load({ type: 'client-produce', ...job }));
        const consumed = turn(ground, await ground.load({ type: 'client-consume', ...job }));
        return { [produceRow]: produced, [consumeRow]: consumed };
      });
    },
  };
}

function turn(ground: Ground, { result, cpu, others }: Run<LoadResult>): Turn {
  const { bytes, records, seconds } = result;
  const loadSeconds = result.userSeconds + result.systemSeconds;
  const metrics = {
    mibPerSecond: bytes / MIB / seconds,
    recordsPerSecond: records / seconds,
    ...perGb(cpu, bytes),
    loadMicrosPerRecord: (loadSeconds / records) * 1e6,
    ...peakRss(ground),
  };
  return { metrics, bytes, records, others };
}
