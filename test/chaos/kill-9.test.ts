// Rounds of `kill -9` under load. ROUNDS=20 for more of them, SEED= to draw the same load and the same moments again; what
// the machine makes of it is a little different each time.
import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { seededRandom } from '../../src/base/random.js';
import { BrokerProcess } from './broker-process.js';
import { Ledger } from './ledger.js';
import { follow, ProducerLoad, readBack } from './load.js';
import { NativeConnection } from './native-connection.js';
import { chooseSeed, countFromEnvironment } from './seed.js';

const PARTITIONS = 6;
const PRODUCERS = 4;
const WINDOW = 16;
/** A round's kill comes after so many acknowledged records, and up to so many more. */
const ACKNOWLEDGED_MIN = 10_000;
const ACKNOWLEDGED_MORE = 3000;
const TOPIC = 'load';

describe('A broker under load that is killed', () => {
  const rounds = countFromEnvironment('ROUNDS', 2);
  const seed = chooseSeed('kill -9');
  const random = seededRandom(seed);
  const ledger = new Ledger(seed, PARTITIONS);
  const folder = mkdtempSync(join(tmpdir(), 'odradek-kill-'));
  const dataDirectory = join(folder, 'data');
  const options = {
    dataDirectory,
    settings: {
      'odradek.workers': 2,
      'log.segment.bytes': 48 * 1024,
      'log.flush.offset.checkpoint.interval.ms': 200,
    },
  };
  let broker: BrokerProcess | null = null;

  afterAll(async () => {
    await broker?.kill();
    rmSync(folder, { recursive: true, force: true });
  });

  const segmentCount = () =>
    readdirSync(dataDirectory, { recursive: true, encoding: 'utf8' }).filter(
      (name) => name.startsWith(`${TOPIC}-`) && name.endsWith('.log'),
    ).length;

  async function startFirst(): Promise<BrokerProcess> {
    const first = await BrokerProcess.start(options);
    const connection = await NativeConnection.open(first.native);
    const configs = { partitions: PARTITIONS, replicationFactor: 1, configs: [], validateOnly: false };
    await connection.must({ type: 'createTopic', name: TOPIC, ...configs });
    await connection.close();
    return first;
  }

  /** Starts it again; now and then it is killed once more in the middle of its recovery. */
  async function restart(): Promise<BrokerProcess> {
    if (random.below(3) === 0) {
      const killed = BrokerProcess.spawn({ ...options, onLine: (_, self) => self.signal('SIGKILL') });
      await killed.exited;
    }
    return BrokerProcess.start(options);
  }

  for (let round = 1; round <= rounds; round++) {
    it(`has everything that it acknowledged, round ${round}`, async () => {
      const victim = broker ?? (await startFirst());
      broker = victim;
      const segmentsBefore = segmentCount();
      const acknowledgedBefore = ledger.acknowledged;
      const killAt = acknowledgedBefore + ACKNOWLEDGED_MIN + random.below(ACKNOWLEDGED_MORE);
      const onAnswer = () => {
        if (ledger.acknowledged >= killAt && !victim.hasEnded) victim.signal('SIGKILL');
      };
      const common = { address: victim.native, topic: TOPIC, ledger, seed, window: WINDOW, onAnswer };
      const following = follow(victim.native, TOPIC, ledger);
      const loads = await Promise.all(Array.from({ length: PRODUCERS }, () => ProducerLoad.start(common)));
      await Promise.all([following, victim.exited, ...loads.map(({ ended }) => ended)]);

      broker = await restart();
      const records = await readBack(broker.native, TOPIC, ledger);

      const acknowledged = ledger.acknowledged - acknowledgedBefore;
      const unanswered = loads.reduce((sum, load) => sum + load.unanswered, 0);
      const cuts = broker.lines('the log was cut at the first invalid batch');
      console.log(
        [
          `round ${round}: ${acknowledged} records acknowledged`,
          `${unanswered} requests unanswered at the kill`,
          `${segmentCount() - segmentsBefore} segment rolls`,
          `${cuts.reduce((sum, { bytes }) => sum + Number(bytes), 0)} bytes cut`,
          `ready after ${broker.readyMs} ms`,
          `${records} records read back`,
        ].join(', '),
      );
      expect(acknowledged).toBeGreaterThanOrEqual(ACKNOWLEDGED_MIN);
      expect(unanswered).toBeGreaterThan(0);
      expect(loads.map(({ refused }) => [...refused])).toEqual(loads.map(() => []));
      expect(broker.lines('invalid record batch')).toEqual([]);
    });
  }

  it('has the same after a clean stop, without a recovery', async () => {
    const stopped = broker ?? (await startFirst());
    await stopped.stop();
    broker = await BrokerProcess.start(options);
    expect(await readBack(broker.native, TOPIC, ledger)).toBeGreaterThanOrEqual(ledger.acknowledged);
    expect(broker.lines('the last stop was not clean: logs are recovered')).toEqual([]);
    await broker.stop();
  });
});
