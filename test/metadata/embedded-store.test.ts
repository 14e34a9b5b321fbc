import { describe, expect, it } from 'vitest';
import { toLeaderEpoch, toOffset } from '../../src/base/ids.js';
import { SimulatedCrash } from '../../src/io/simulated-disk.js';
import type { Log } from '../../src/log/log.js';
import type { LogConfig } from '../../src/log/log-config.js';
import { EmbeddedStore, METADATA_COMPACTION } from '../../src/metadata/embedded-store.js';
import type {
  CommitResult,
  MetadataChange,
  MetadataCommit,
  MetadataEntry,
} from '../../src/metadata/metadata-store.js';
import { BatchBuilder } from '../../src/record/batch-builder.js';
import { chance, pick, withSeeds } from '../actor/seeds.js';
import { batch, CONFIG, LogMachine } from '../log/log-fixture.js';

const DIRECTORY = '/data/metadata-0';
const LOG_CONFIG: LogConfig = {
  ...CONFIG,
  segmentBytes: 1024 * 1024,
  compaction: METADATA_COMPACTION,
};

interface Listed {
  readonly entries: readonly MetadataEntry[];
  readonly revision: number;
}

class Scene {
  readonly machine: LogMachine;
  readonly compactAfter: number | undefined;
  store: EmbeddedStore;
  #log: Log | null = null;

  constructor({ seed = 1, compactAfter }: { seed?: number; compactAfter?: number } = {}) {
    this.machine = new LogMachine(seed);
    this.compactAfter = compactAfter;
    this.store = this.open('clean');
  }

  open(how: 'clean' | 'crashed', config = LOG_CONFIG): EmbeddedStore {
    const recovery =
      how === 'clean' ? { type: 'clean' as const } : { type: 'from' as const, recoveryPoint: toOffset(0) };
    const log = this.machine.open({ directory: DIRECTORY, config, recovery });
    this.#log = log;
    // As the supervisor does, before it acts upon what it finds.
    expect(this.machine.wait((done) => log.flush(done))).toBeNull();
    const { disk, clock, logger } = this.machine;
    const options = { log, directory: DIRECTORY, disk, clock, logger };
    const { compactAfter } = this;
    this.store = new EmbeddedStore(compactAfter === undefined ? options : { ...options, compactAfter });
    return this.store;
  }

  get log(): Log {
    if (!this.#log) throw new Error('the log is not open');
    return this.#log;
  }

  crash(how: 'process' | 'power'): void {
    if (how === 'process') this.machine.crash();
    else this.machine.losePower();
    this.open('crashed');
  }

  close(): void {
    let closed = false;
    this.store.close(() => {
      closed = true;
    });
    this.machine.settle();
    expect(closed).toBe(true);
  }

  get listed(): Listed {
    let listed: Listed | null = null;
    this.store.list((entries, revision) => {
      listed = { entries, revision };
    });
    if (!listed) throw new Error('an embedded store lists at once');
    return listed;
  }

  /** Keys and values. */
  get content(): Record<string, string> {
    return Object.fromEntries(this.listed.entries.map(({ key, value }) => [key, value]));
  }

  /** Commits; the result is there when it was told. */
  begin(commit: Partial<MetadataCommit>): () => CommitResult | null {
    const results: CommitResult[] = [];
    this.store.commit({ compare: [], puts: [], deletes: [], ...commit }, (result) => results.push(result));
    return () => {
      if (results.length > 1) throw new Error('a commit is answered once');
      return results[0] ?? null;
    };
  }

  commit(commit: Partial<MetadataCommit>): CommitResult {
    const result = this.begin(commit);
    expect(result()).toBeNull();
    this.machine.clock.runUntil(() => result() !== null);
    const done = result();
    if (!done) throw new Error('the commit is not answered');
    return done;
  }

  put(key: string, value: string): CommitResult {
    return this.commit({ puts: [{ key, value }] });
  }
}

describe('EmbeddedStore', () => {
  it('lists what was put, in order of keys, with the revisions of the commits', () => {
    const scene = new Scene();
    expect(scene.listed).toEqual({ entries: [], revision: 0 });
    expect(scene.put('b', '1')).toEqual({ type: 'committed', revision: 1 });
    const both = [
      { key: 'c', value: '2' },
      { key: 'a', value: '3' },
    ];
    expect(scene.commit({ puts: both, deletes: ['none'] })).toEqual({ type: 'committed', revision: 2 });
    expect(scene.listed).toEqual({
      entries: [
        { key: 'a', value: '3', modRevision: 2 },
        { key: 'b', value: '1', modRevision: 1 },
        { key: 'c', value: '2', modRevision: 2 },
      ],
      revision: 2,
    });
    expect(scene.commit({ deletes: ['b'] })).toEqual({ type: 'committed', revision: 3 });
    expect(scene.content).toEqual({ a: '3', c: '2' });
  });

  it('changes nothing if a comparison does not hold', () => {
    const scene = new Scene();
    scene.put('a', '1');
    const puts = [{ key: 'a', value: '2' }];
    expect(scene.commit({ compare: [{ key: 'a', modRevision: 0 }], puts })).toEqual({ type: 'conflict' });
    expect(scene.commit({ compare: [{ key: 'a', modRevision: 2 }], puts })).toEqual({ type: 'conflict' });
    expect(scene.commit({ compare: [{ key: 'b', modRevision: 1 }], puts })).toEqual({ type: 'conflict' });
    expect(scene.content).toEqual({ a: '1' });
    const compare = [
      { key: 'a', modRevision: 1 },
      { key: 'b', modRevision: 0 },
    ];
    expect(scene.commit({ compare, puts })).toEqual({ type: 'committed', revision: 2 });
  });

  it('lets one of two commits through that begin at the same state', () => {
    const scene = new Scene();
    const compare = [{ key: 'a', modRevision: 0 }];
    const results = ['1', '2'].map((value) => scene.begin({ compare, puts: [{ key: 'a', value }] }));
    scene.machine.settle();
    expect(results.map((result) => result()?.type)).toEqual(['committed', 'conflict']);
    expect(scene.content).toEqual({ a: '1' });
  });

  it('tells of each commit in order, before the commit itself is answered, until it is asked to stop', () => {
    const scene = new Scene();
    scene.put('a', '1');
    const told: string[] = [];
    const end = scene.store.watch(1, (changes: readonly MetadataChange[]) => {
      told.push(changes.map(({ key, value, modRevision }) => `${key}=${value}@${modRevision}`).join());
    });
    scene.store.commit({ compare: [], puts: [{ key: 'a', value: '2' }], deletes: ['b'] }, () =>
      told.push('done 2'),
    );
    scene.store.commit({ compare: [], puts: [], deletes: ['a'] }, () => told.push('done 3'));
    expect(told).toEqual([]);
    scene.machine.settle();
    expect(told).toEqual(['a=2@2,b=null@2', 'done 2', 'a=null@3', 'done 3']);
    end();
    scene.put('c', '3');
    expect(told.length).toBe(4);
  });

  it('may be changed by those whom it tells', () => {
    const scene = new Scene();
    const results: CommitResult[] = [];
    scene.store.watch(0, (changes) => {
      const [change] = changes;
      if (change?.key !== 'a') return;
      scene.store.commit({ compare: [], puts: [{ key: 'b', value: 'follows' }], deletes: [] }, (result) =>
        results.push(result),
      );
    });
    scene.put('a', '1');
    scene.machine.settle();
    expect(results).toEqual([{ type: 'committed', revision: 2 }]);
    expect(scene.content).toEqual({ a: '1', b: 'follows' });
  });

  it('knows everything again after a stop, with the same revisions', () => {
    const scene = new Scene();
    for (let i = 0; i < 20; i++) scene.put(`key ${i % 7}`, `value ${i} ${'ä'.repeat(i)}`);
    scene.commit({ deletes: ['key 3'] });
    const before = scene.listed;
    scene.close();
    scene.open('clean');
    expect(scene.listed.entries).toEqual(before.entries);
    expect(scene.listed.revision).toBeGreaterThanOrEqual(before.revision);
    const result = scene.put('new', '1');
    expect(result.type === 'committed' && result.revision).toBeGreaterThan(before.revision);
  });

  it('keeps values larger than it reads at once', () => {
    const scene = new Scene();
    const large = 'x'.repeat(900_000);
    for (const key of ['a', 'b', 'c']) scene.put(key, large + key);
    scene.close();
    scene.open('clean');
    expect(Object.entries(scene.content).map(([key, value]) => [key, value.length, value.at(-1)])).toEqual([
      ['a', 900_001, 'a'],
      ['b', 900_001, 'b'],
      ['c', 900_001, 'c'],
    ]);
  });

  it('has on the disk what it confirmed', () => {
    const scene = new Scene();
    scene.put('a', '1');
    scene.crash('power');
    expect(scene.content).toEqual({ a: '1' });
  });

  it('confirms a commit by a flush that began behind it, never by one that was under way', () => {
    for (let seed = 1; seed <= 10; seed++) {
      for (let events = 0, isConfirmed = false; !isConfirmed; events++) {
        const scene = new Scene({ seed });
        const first = scene.begin({ puts: [{ key: 'a', value: '1' }] });
        for (let ran = 0; ran < events; ran++) scene.machine.clock.runNext();
        isConfirmed = first() !== null;
        const second = scene.begin({ puts: [{ key: 'b', value: '2' }] });
        scene.machine.clock.runUntil(() => first() !== null);
        const wasConfirmed = second() !== null;
        scene.crash('power');
        if (wasConfirmed) expect(scene.content['b'], `SEED ${seed}, ${events} events`).toBe('2');
      }
    }
  });

  it('fails a commit that cannot be written, and goes on', () => {
    const scene = new Scene();
    scene.put('a', '1');
    scene.machine.disk.failNext({ operation: 'write', path: /metadata-0.*\.log$/, code: 'ENOSPC' });
    expect(scene.put('a', '2')).toMatchObject({ type: 'failed' });
    expect(scene.content).toEqual({ a: '1' });
    expect(scene.put('a', '3').type).toBe('committed');
    scene.crash('power');
    expect(scene.content).toEqual({ a: '3' });
  });

  it('has room made for a change that finds none, as long as that helps', () => {
    const scene = new Scene();
    const { disk, clock, logger } = scene.machine;
    let pieces = 3;
    const makeRoom = () => {
      disk.capacityBytes += 40;
      return --pieces >= 0;
    };
    scene.store = new EmbeddedStore({ log: scene.log, directory: DIRECTORY, disk, clock, logger, makeRoom });
    disk.capacityBytes = disk.usedBytes;
    expect(scene.put('a', '1').type).toBe('committed');
    expect(pieces).toBe(0);
    disk.capacityBytes = disk.usedBytes;
    expect(scene.put('a', '2')).toMatchObject({ type: 'failed', error: 'KAFKA_STORAGE_ERROR' });
    expect(scene.content).toEqual({ a: '1' });
    scene.crash('power');
    expect(scene.content).toEqual({ a: '1' });
  });

  it('waits with what was appended for room to flush all that belongs to it, and takes nothing meanwhile', () => {
    const scene = new Scene();
    const { disk, clock } = scene.machine;
    // A leader of a new epoch: its checkpoint is written with the flush.
    disk.failNext({ operation: 'write', path: /leader-epoch/, code: 'ENOSPC', times: 1000 });
    scene.log.assignLeaderEpoch(toLeaderEpoch(1));
    const result = scene.begin({ puts: [{ key: 'a', value: '1' }] });
    clock.advance(2000);
    expect(result()).toBeNull();
    expect(scene.put('b', '1')).toMatchObject({ type: 'failed', error: 'KAFKA_STORAGE_ERROR' });
    disk.stopFailing();
    clock.advance(1000);
    expect(result()?.type).toBe('committed');
    expect(scene.store.failure).toBeNull();
    expect(scene.put('b', '2').type).toBe('committed');
    scene.crash('power');
    expect(scene.content).toEqual({ a: '1', b: '2' });
  });

  it('takes nothing more once the disk did not sync: only a restart can tell what is there', () => {
    const scene = new Scene();
    scene.put('a', '1');
    expect(scene.store.failure).toBeNull();
    scene.machine.disk.failNext({ operation: 'sync', path: /metadata-0.*\.log$/ });
    expect(scene.put('b', '2')).toMatchObject({
      type: 'failed',
      reason: expect.stringContaining('cannot be flushed'),
    });
    expect(scene.put('c', '3')).toMatchObject({ type: 'failed' });
    expect(scene.store.failure).toContain('cannot be flushed');
    scene.crash('power');
    const { a, c } = scene.content;
    expect([a, c]).toEqual(['1', undefined]);
    expect(scene.put('c', '4').type).toBe('committed');
  });

  it('bounds what waits for the disk', () => {
    const scene = new Scene();
    const { disk, clock, logger } = scene.machine;
    const log = scene.machine.open({ directory: '/data/other-0', config: LOG_CONFIG });
    scene.store = new EmbeddedStore({ log, directory: '/data/other-0', disk, clock, logger, commitsMax: 3 });
    const results = [1, 2, 3, 4].map((i) => scene.begin({ puts: [{ key: `${i}`, value: '' }] }));
    scene.machine.settle();
    expect(results.map((result) => result()?.type)).toEqual([
      'committed',
      'committed',
      'committed',
      'failed',
    ]);
  });

  it('finishes what was begun before it closes, and takes nothing afterwards', () => {
    const scene = new Scene();
    const before = scene.begin({ puts: [{ key: 'a', value: '1' }] });
    let closed = false;
    scene.store.close(() => {
      expect(before()).toMatchObject({ type: 'committed' });
      closed = true;
    });
    const after = scene.begin({ puts: [{ key: 'b', value: '2' }] });
    scene.machine.settle();
    expect(closed).toBe(true);
    expect(after()).toMatchObject({ type: 'failed', reason: 'The metadata store is closed.' });
    scene.open('clean');
    expect(scene.content).toEqual({ a: '1' });
  });

  it('refuses a log that something else wrote, or a newer version', () => {
    const scene = new Scene();
    scene.close();
    const append = (headers: { key: string; value: Uint8Array }[]) => {
      const log = scene.machine.open({ directory: DIRECTORY, config: LOG_CONFIG });
      const builder = new BatchBuilder();
      builder.add({ timestampMs: 0, key: Buffer.from('a'), value: Buffer.from('{"r":1,"v":"x"}'), headers });
      const bytes = builder.build({ baseOffset: log.logEndOffset });
      const template = batch({ baseOffset: log.logEndOffset });
      expect(log.append([{ ...template, bytes }]).error).toBeNull();
      expect(scene.machine.wait((done) => log.close(done))).toBeNull();
    };
    append([{ key: 'odradek', value: Uint8Array.of(2) }]);
    expect(() => scene.open('clean')).toThrow('newer version of Odradek');
  });

  it('says where the log is damaged', () => {
    const scene = new Scene();
    for (let i = 0; i < 5; i++) scene.put(`key ${i}`, 'value');
    scene.close();
    scene.machine.disk.corrupt(`${DIRECTORY}/00000000000000000000.log`, 100);
    expect(() => scene.open('clean')).toThrow(DIRECTORY);
  });
});

describe('EmbeddedStore: compaction', () => {
  const segments = (scene: Scene) =>
    scene.machine.disk.files().filter((path) => path.startsWith(DIRECTORY) && path.endsWith('.log'));
  const bytes = (scene: Scene) =>
    segments(scene).reduce((sum, path) => sum + scene.machine.disk.contents(path).length, 0);

  it('keeps the log about as long as what it says', () => {
    const scene = new Scene({ compactAfter: 20 });
    for (let i = 0; i < 500; i++) {
      scene.put(`key ${i % 5}`, `value ${i}`);
      if (i % 50 === 0) scene.machine.settle();
    }
    scene.machine.settle();
    scene.machine.clock.advance(120_000);
    expect(segments(scene).length).toBe(2);
    expect(bytes(scene)).toBeLessThan(60 * 150);
    const before = scene.listed.entries;
    scene.crash('power');
    expect(scene.listed.entries).toEqual(before);
  });

  it('leaves nothing of what was deleted', () => {
    const scene = new Scene({ compactAfter: 20 });
    scene.put('stays', '1');
    for (let i = 0; i < 300; i++) {
      scene.put(`key ${i}`, `value ${i}`);
      scene.commit({ deletes: [`key ${i}`] });
      if (i % 10 === 0) scene.machine.settle();
    }
    scene.machine.settle();
    expect(bytes(scene)).toBeLessThan(100 * 150);
    expect(scene.log.replacements).toBeGreaterThan(5);
    scene.close();
    scene.open('clean');
    expect(scene.content).toEqual({ stays: '1' });
  });

  it('does not get in the way of a stop', () => {
    for (let steps = 0; steps < 60; steps++) {
      const scene = new Scene({ compactAfter: 5 });
      for (let i = 0; i < 9; i++) scene.begin({ puts: [{ key: 'a', value: `${i}` }] });
      for (let i = 0; i < steps; i++) scene.machine.clock.runNext();
      scene.close();
      scene.open('clean');
      expect(scene.content).toEqual({ a: '8' });
    }
  });

  it('may be cut off at any moment by a loss of power', () => {
    for (let seed = 1; seed <= 2; seed++) {
      let replacements = 0;
      for (let events = 0; replacements === 0; events++) {
        const scene = new Scene({ seed, compactAfter: 3 });
        const keys = ['a', 'b', 'c', 'd'];
        for (let i = 0; i < 12; i++) scene.put(keys[i % 4] ?? '', String(i));
        for (let ran = 0; ran < events; ran++) scene.machine.clock.runNext();
        ({ replacements } = scene.log);
        scene.crash('power');
        expect(scene.content, `SEED ${seed}, ${events} events`).toEqual({ a: '8', b: '9', c: '10', d: '11' });
      }
    }
  });

  it.each([
    ['a new segment', { operation: 'open', path: /metadata-0\/0+[1-9]\d*\.log$/ }],
    ['the compacted one', { operation: 'write', path: /\.cleaned$/ }],
  ] as const)('goes on later if %s cannot be written', (_, fault) => {
    const scene = new Scene({ compactAfter: 5 });
    scene.machine.disk.failNext(fault);
    for (let i = 0; i < 12; i++) scene.put('a', `${i}`);
    scene.machine.settle();
    expect(scene.machine.logger.lines.map(({ message }) => message)).toEqual([
      expect.stringMatching(/^(metadata cannot be compacted|a compaction failed)$/),
    ]);
    expect(scene.log.replacements).toBe(0);
    for (let i = 12; i < 60; i++) scene.put('a', `${i}`);
    scene.machine.settle();
    expect(scene.log.replacements).toBeGreaterThan(0);
    scene.crash('power');
    expect(scene.content).toEqual({ a: '59' });
  });
});

describe('EmbeddedStore, whatever happens', () => {
  it('keeps every commit that it confirmed, whole, and none of the later ones without the earlier', () => {
    let replacements = 0;
    withSeeds(200, (random) => {
      const scene = new Scene({ seed: random.uint32(), compactAfter: pick(random, [3, 10, 1000]) });
      /** What the store holds after each commit that was begun, in order; the first was there at the start. */
      let states: Record<string, string>[] = [{}];
      let confirmed = 0;
      for (let life = 0; life < 5; life++) {
        if (chance(random, 1, 2)) scene.machine.disk.crashIn(1 + random.below(120));
        try {
          for (let i = random.below(30); i > 0; i--) {
            const keys = ['a', 'b', 'c', 'd'].filter(() => chance(random, 1, 2));
            const puts = keys
              .filter((_, index) => index % 2 === 0)
              .map((key) => ({ key, value: `${life} ${i}` }));
            const deletes = keys.filter((_, index) => index % 2 === 1);
            const state = { ...states.at(-1) };
            for (const { key, value } of puts) state[key] = value;
            for (const key of deletes) delete state[key];
            const place = states.push(state) - 1;
            scene.store.commit({ compare: [], puts, deletes }, (result) => {
              if (result.type === 'committed') confirmed = Math.max(confirmed, place);
            });
            scene.machine.clock.advance(random.below(20));
          }
          if (chance(random, 1, 4)) scene.close();
        } catch (error) {
          if (!(error instanceof SimulatedCrash)) throw error;
        }
        replacements += scene.log.replacements;
        scene.crash(pick(random, ['process', 'power']));
        const found = JSON.stringify(Object.entries(scene.content));
        const sorted = (state: Record<string, string>) =>
          JSON.stringify(Object.entries(state).sort(([a], [b]) => (a < b ? -1 : 1)));
        const survived = states.findIndex((state, index) => index >= confirmed && sorted(state) === found);
        if (survived < 0)
          throw new Error(`${found} is none of ${states.slice(confirmed).map(sorted).join(' or ')}`);
        const state = states[survived];
        states = [state ?? {}];
        confirmed = 0;
      }
    });
    if (process.env['SEED'] === undefined) expect(replacements).toBeGreaterThan(0);
  });
});
