import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { BrokerProcess } from './broker-process.js';
import { Ledger } from './ledger.js';
import { ProducerLoad, readBack } from './load.js';
import { NativeConnection } from './native-connection.js';
import { chooseSeed } from './seed.js';

const PARTITIONS = 4;
const TOPIC = 'load';
/** The signal comes when so many records are acknowledged. */
const ACKNOWLEDGED = 2000;

describe('A broker under load that is told to stop', () => {
  const seed = chooseSeed('stop');
  let folder: string;
  let broker: BrokerProcess;
  let ledger: Ledger;

  beforeEach(async () => {
    folder = mkdtempSync(join(tmpdir(), 'odradek-stop-'));
    ledger = new Ledger(seed, PARTITIONS);
    broker = await BrokerProcess.start({ dataDirectory: folder });
    const connection = await NativeConnection.open(broker.native);
    const settings = { partitions: PARTITIONS, replicationFactor: 1, configs: [], validateOnly: false };
    await connection.must({ type: 'createTopic', name: TOPIC, ...settings });
    await connection.close();
  });

  afterEach(async () => {
    await broker.kill();
    rmSync(folder, { recursive: true, force: true });
  });

  /** Runs load until it has had its effect, and returns how the broker ended. */
  async function signalUnderLoad(...signals: NodeJS.Signals[]) {
    let signalled = false;
    const onAnswer = () => {
      if (signalled || ledger.acknowledged < ACKNOWLEDGED) return;
      signalled = true;
      // It gets all of them at once, however busy the machine is.
      for (const signal of ['SIGSTOP', ...signals, 'SIGCONT'] as const) broker.signal(signal);
    };
    const common = { address: broker.native, topic: TOPIC, ledger, seed, window: 16, onAnswer };
    const loads = await Promise.all([1, 2, 3].map(() => ProducerLoad.start(common)));
    const [exit] = await Promise.all([broker.exited, ...loads.map(({ ended }) => ended)]);
    return exit;
  }

  it('answers, flushes and ends with 0, and the next start recovers nothing', async () => {
    expect(await signalUnderLoad('SIGTERM')).toEqual({ code: 0, signal: null });
    expect(broker.lines('broker stopped')).toHaveLength(1);
    broker = await BrokerProcess.start({ dataDirectory: folder });
    expect(broker.lines('the last stop was not clean: logs are recovered')).toEqual([]);
    expect(await readBack(broker.native, TOPIC, ledger)).toBeGreaterThanOrEqual(ACKNOWLEDGED);
  });

  it('ends at once at the second signal, and still has what it acknowledged', async () => {
    // Two signals of one kind could be delivered as one.
    expect(await signalUnderLoad('SIGTERM', 'SIGINT')).toEqual({ code: 1, signal: null });
    expect(broker.lines('broker stopped')).toEqual([]);
    broker = await BrokerProcess.start({ dataDirectory: folder });
    expect(broker.lines('the last stop was not clean: logs are recovered')).toHaveLength(1);
    expect(await readBack(broker.native, TOPIC, ledger)).toBeGreaterThanOrEqual(ACKNOWLEDGED);
  });
});
