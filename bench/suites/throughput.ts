import { rmSync } from 'node:fs';
import type { Ground, Run } from '../ground.js';
import type { LoadResult, PumpResult } from '../job.js';
import { type Metrics, MIB, perGb } from '../metrics.js';
import type { Suite, Turn, Turns } from '../suite.js';

const RECORD_BYTES = 1024;
/** Of one connection: enough that the broker never waits for the load generator, little enough that nothing piles up. */
const WINDOW_BYTES = 2 * MIB;
const WINDOW_MIN = 4;
const WINDOW_MAX = 64;

export interface ThroughputCase {
  /** As it is part of the rows' names. */
  readonly batch: string;
  readonly batchBytes: number;
  readonly partitions: number;
}

/** Batches into a topic and out of it again; bytes from the loopback into a file and out of it again. */
export function throughput({ batch, batchBytes, partitions }: ThroughputCase): Suite {
  const produceRow = `produce.${batch}.p${partitions}`;
  const consumeRow = `consume.${batch}.p${partitions}`;
  return {
    name: `throughput.${batch}.p${partitions}`,
    rows: [produceRow, consumeRow],
    startsBrokers: false,
    async broker(ground, share) {
      const bytes = ground.options.bytes * share;
      const sizes = { partitions, batchBytes, recordBytes: RECORD_BYTES };
      const batchesPerPartition = Math.max(1, Math.round(bytes / partitions / batchBytes));
      const window = Math.min(WINDOW_MAX, Math.max(WINDOW_MIN, Math.floor(WINDOW_BYTES / batchBytes)));
      const { port } = ground.broker;
      ground.warmPages(batchesPerPartition * partitions * batchBytes);
      return await ground.withTopic(partitions, async (topic) => {
        const target = { port, topic, ...sizes, batchesPerPartition };
        const produced = await ground.load({ type: 'produce', ...target, window });
        const produceTurn = brokerTurn(ground, produced);
        const consumed = await ground.load({
          type: 'consume',
          ...target,
          fetchBytes: ground.options.fetchBytes,
        });
        if (
          consumed.result.bytes !== produced.result.bytes ||
          consumed.result.records !== produced.result.records
        ) {
          throw new Error(`${produced.result.bytes} bytes were produced, ${consumed.result.bytes} consumed.`);
        }
        return { [produceRow]: produceTurn, [consumeRow]: brokerTurn(ground, consumed) };
      });
    },
    async pump(ground, share): Promise<Turns> {
      const bytes = Math.round(ground.options.bytes * share);
      const pieceBytes = ground.options.pumpPieceBytes;
      const file = ground.path('pump');
      ground.warmPages(bytes);
      try {
        const into = await ground.pumpFrom({ type: 'send', bytes }, (port) => ({
          type: 'sink',
          port,
          file,
          pieceBytes,
        }));
        // What arrived in the file is what counts, and when; on the way out, what arrived at the other end.
        const intoTurn = pumpTurn(into.pump, into.pump.seconds, into.others);
        const out = await ground.pump(
          { type: 'source', file, bytes, pieceBytes: Math.min(pieceBytes, MIB / 4) },
          (port) => ({
            type: 'receive',
            port,
            bytes,
          }),
        );
        return { [produceRow]: intoTurn, [consumeRow]: pumpTurn(out.pump, out.load.seconds, out.others) };
      } finally {
        rmSync(file, { force: true });
      }
    },
  };
}

function brokerTurn(ground: Ground, { result, cpu, others }: Run<LoadResult>): Turn {
  const metrics: Metrics = {
    mibPerSecond: result.bytes / MIB / result.seconds,
    ...perGb(cpu, result.bytes),
    ...peakRss(ground),
    loadCores: (result.userSeconds + result.systemSeconds) / result.seconds,
  };
  return { metrics, bytes: result.bytes, records: result.records, others };
}

function pumpTurn(pump: PumpResult, seconds: number, others: number | null): Turn {
  const metrics: Metrics = {
    mibPerSecond: pump.bytes / MIB / seconds,
    ...perGb({ user: pump.userSeconds, system: pump.systemSeconds }, pump.bytes),
    peakRssMib: pump.peakRssMib,
  };
  return { metrics, bytes: pump.bytes, records: 0, others };
}

/** Of the broker, so far. */
export function peakRss({ proc, broker }: Ground): Metrics {
  return proc ? { peakRssMib: proc.memoryMib(broker.pid, 'VmHWM') } : {};
}
