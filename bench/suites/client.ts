import type { Ground, Run } from '../ground.js';
import type { LoadResult } from '../job.js';
import { MIB, perGb, perRecordOfLoad } from '../metrics.js';
import type { Suite, Turn } from '../suite.js';
import { peakRss } from './throughput.js';

const PARTITIONS = 6;
const RECORDS_MAX = 1_000_000;

/**
 * The client library, one message at a time in and out, and batches of them. Has no pump: a pump knows no messages. Both ways
 * have a topic of their own.
 */
export function clientSuite(label: string, recordBytes: number): Suite {
  const ways = [
    { batches: false, produceRow: `client-produce.${label}`, consumeRow: `client-consume.${label}` },
    {
      batches: true,
      produceRow: `client-produce-batches.${label}`,
      consumeRow: `client-consume-batches.${label}`,
    },
  ];
  return {
    name: `client.${label}`,
    rows: ways.flatMap(({ produceRow, consumeRow }) => [produceRow, consumeRow]),
    startsBrokers: false,
    pump: null,
    async broker(ground, share) {
      const records = Math.floor(
        Math.min(RECORDS_MAX, Math.floor(ground.options.bytes / recordBytes)) * share,
      );
      const turns: Record<string, Turn> = {};
      for (const { batches, produceRow, consumeRow } of ways) {
        ground.warmPages(records * recordBytes);
        await ground.withTopic(PARTITIONS, async (topic) => {
          const { port } = ground.broker;
          const job = { port, topic, partitions: PARTITIONS, recordBytes, records, batches };
          turns[produceRow] = turn(ground, await ground.load({ type: 'client-produce', ...job }));
          turns[consumeRow] = turn(ground, await ground.load({ type: 'client-consume', ...job }));
        });
      }
      return turns;
    },
  };
}

function turn(ground: Ground, { result, cpu, others }: Run<LoadResult>): Turn {
  const { bytes, records, seconds } = result;
  const metrics = {
    mibPerSecond: bytes / MIB / seconds,
    recordsPerSecond: records / seconds,
    ...perGb(cpu, bytes),
    ...perRecordOfLoad(result),
    ...peakRss(ground),
  };
  return { metrics, bytes, records, others };
}
