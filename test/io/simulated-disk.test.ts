import { describe, expect, it } from 'vitest';
import { type Random, seededRandom } from '../../src/base/random.js';
import { SimulatedClock } from '../../src/base/simulated-clock.js';
import type { DiskDone, DiskError, DiskFile } from '../../src/io/disk.js';
import { SimulatedCrash, SimulatedDisk } from '../../src/io/simulated-disk.js';
import { describeDiskContract } from './disk-contract.js';

const firstSeed = Number(process.env['SEED'] ?? Date.now() % 2 ** 31);
const seeds = (count: number) =>
  process.env['SEED'] === undefined ? Array.from({ length: count }, (_, i) => firstSeed + i) : [firstSeed];

class Machine {
  readonly clock: SimulatedClock;
  readonly disk: SimulatedDisk;

  constructor(seed: number, options: { capacityBytes?: number } = {}) {
    const random = seededRandom(seed);
    this.clock = new SimulatedClock({ random });
    this.disk = new SimulatedDisk({ random, scheduler: this.clock, ...options });
  }

  finish(start: (done: DiskDone) => void): DiskError | null {
    let result: DiskError | null | undefined;
    start((error) => {
      expect(result).toBe(undefined);
      result = error;
    });
    this.clock.runUntil(() => result !== undefined);
    if (result === undefined) throw new Error('never completed');
    return result;
  }

  make(path: string, content: string): DiskFile {
    const file = this.disk.open(path, 'write');
    this.disk.write(file, 0, [Buffer.from(content)]);
    return file;
  }

  /** Makes the file and its name survive everything. */
  makeDurable(path: string, content: string): DiskFile {
    const file = this.make(path, content);
    expect(this.finish((done) => this.disk.sync(file, done))).toBe(null);
    const folder = path.slice(0, path.lastIndexOf('/'));
    expect(this.finish((done) => this.disk.syncDirectory(folder, done))).toBe(null);
    return file;
  }
}

/** What came out over many seeds, to show that a fate is possible, and that no other is. */
function fates(count: number, run: (machine: Machine) => string): Set<string> {
  return new Set(seeds(count).map((seed) => run(new Machine(seed))));
}

describe('SimulatedDisk', () => {
  describeDiskContract(() => {
    const machine = new Machine(firstSeed);
    machine.disk.makeDirectory('/data');
    return {
      disk: machine.disk,
      root: '/data',
      finish: async (start) => machine.finish(start),
      dispose: () => {},
    };
  });

  it('does the same for the same seed', () => {
    const run = (seed: number) => {
      const machine = new Machine(seed);
      const { disk } = machine;
      const file = machine.make('/a', 'x'.repeat(5000));
      const order: string[] = [];
      for (let i = 0; i < 10; i++)
        disk.sync(file, () => order.push(`${i} at ${machine.clock.monotonicMs()}`));
      machine.clock.advance(100);
      disk.write(file, 100, [Buffer.alloc(8000, 1)]);
      disk.losePower();
      const left = disk.files().map((path) => disk.contents(path).toString('hex'));
      return JSON.stringify([order, left]);
    };
    expect(run(7)).toBe(run(7));
    expect(run(7)).not.toBe(run(8));
  });

  it('keeps all that was written when the process dies, and none of its handles and callbacks', () => {
    const machine = new Machine(firstSeed);
    const { disk } = machine;
    const file = machine.make('/a', 'written');
    let called = false;
    disk.sync(file, () => {
      called = true;
    });
    disk.crashProcess();
    machine.clock.advance(1000);
    expect(called).toBe(false);
    expect(() => disk.size(file)).toThrow('used after close');
    expect(disk.contents('/a').toString()).toBe('written');
  });

  it('frees a removed file when the process that held it dies', () => {
    const machine = new Machine(firstSeed, { capacityBytes: 10 });
    const { disk } = machine;
    const file = machine.make('/a', '0123456789');
    machine.finish((done) => disk.remove('/a', done));
    expect(() => machine.make('/b', 'x')).toThrow(expect.objectContaining({ code: 'ENOSPC' }));
    expect(disk.size(file)).toBe(10);
    disk.crashProcess();
    machine.make('/b', '0123456789');
  });

  it('stops inside any chosen call, after some part of it', () => {
    const seen = fates(200, (machine) => {
      const { disk } = machine;
      disk.crashIn(2);
      const file = disk.open('/a', 'write');
      expect(() => disk.write(file, 0, [Buffer.from('ab'), Buffer.from('c')])).toThrow(SimulatedCrash);
      expect(disk.crashed).toBe(true);
      expect(() => disk.readFile('/a')).toThrow(SimulatedCrash);
      disk.crashProcess();
      return disk.readFile('/a')?.toString() ?? 'no file';
    });
    expect([...seen].sort()).toEqual(['', 'a', 'ab', 'abc']);
  });

  it('stops inside each call of a longer run, and a restart finds each stage', () => {
    const seen = new Set<string>();
    for (const seed of seeds(300)) {
      const machine = new Machine(seed);
      const { disk } = machine;
      disk.crashIn(1 + (seed % 6));
      try {
        disk.makeDirectory('/x/y');
        const file = disk.open('/x/y/a', 'write');
        disk.write(file, 0, [Buffer.from('zz')]);
        disk.truncate(file, 1);
        machine.finish((done) => disk.rename('/x/y/a', '/x/b', done));
        machine.finish((done) => disk.remove('/x', done));
      } catch (error) {
        expect(error).toBeInstanceOf(SimulatedCrash);
      }
      expect(disk.crashed, `SEED=${seed}`).toBe(true);
      disk.crashProcess();
      seen.add(
        [
          disk.list('/'),
          disk.list('/x'),
          ...disk.files().map((path) => `${path}=${disk.contents(path)}`),
        ].join('|'),
      );
    }
    const stages = ['|', 'x|', 'x|y', 'x|y|/x/y/a=', 'x|y|/x/y/a=z', 'x|y|/x/y/a=zz', 'x|b,y|/x/b=z'];
    if (process.env['SEED'] === undefined) for (const stage of stages) expect(seen).toContain(stage);
    for (const stage of seen) expect([...stages, 'x|b|/x/b=z']).toContain(stage);
  });

  it('loses, keeps, tears and spoils what was not synced when the power goes', () => {
    const old = 'o'.repeat(2048);
    const fate = (content: string) => {
      const sectors = content.match(/.{1,512}/gs) ?? [];
      return sectors.map((sector) =>
        /^o+$/.test(sector) ? 'o' : /^n+$/.test(sector) ? 'n' : /^\0+$/.test(sector) ? '0' : '?',
      );
    };
    const overwritten = fates(200, (machine) => {
      const file = machine.makeDurable('/a', old);
      machine.disk.write(file, 0, [Buffer.from('n'.repeat(1024))]);
      machine.disk.losePower();
      return fate(machine.disk.contents('/a').toString('latin1')).join('');
    });
    // Sector by sector old or new; sectors that were synced and not touched stay; nothing is ever garbage.
    expect([...overwritten].sort()).toEqual(['nnoo', 'nooo', 'onoo', 'oooo']);

    const appended = fates(500, (machine) => {
      const file = machine.makeDurable('/a', 'o'.repeat(1024));
      machine.disk.write(file, 1024, [Buffer.from('n'.repeat(1024))]);
      machine.disk.losePower();
      return fate(machine.disk.contents('/a').toString('latin1')).join('');
    });
    for (const content of appended) expect(content).toMatch(/^oo[n0?]{0,2}$/);
    for (const content of ['oo', 'oon', 'oonn', 'oo0', 'oo?', 'oon0', 'oo0n', 'oon?'])
      expect(appended).toContain(content);
  });

  it('keeps the synced part of a half-written sector', () => {
    const seen = fates(300, (machine) => {
      const file = machine.makeDurable('/a', 'o'.repeat(100));
      machine.disk.write(file, 100, [Buffer.from('n'.repeat(100))]);
      machine.disk.losePower();
      const content = machine.disk.contents('/a').toString('latin1');
      expect(content.slice(0, 100)).toBe('o'.repeat(100));
      return /^o+$/.test(content)
        ? 'lost'
        : /^o+n{100}$/.test(content)
          ? 'kept'
          : /^o+n+$/.test(content)
            ? 'torn'
            : 'zeroed';
    });
    expect(seen).toContain('lost');
    expect(seen).toContain('kept');
    expect(seen).toContain('torn');
  });

  it('may or may not keep a cut that was not synced', () => {
    const seen = fates(200, (machine) => {
      const file = machine.makeDurable('/a', 'o'.repeat(2000));
      machine.disk.truncate(file, 700);
      machine.disk.losePower();
      const content = machine.disk.contents('/a');
      expect(content.toString('latin1', 0, 700)).toBe('o'.repeat(700));
      return `${content.length}`;
    });
    expect(seen).toContain('2000');
    expect(seen).toContain('700');
  });

  it('keeps or loses each name that was not synced', () => {
    const seen = fates(300, (machine) => {
      machine.make('/a', '');
      machine.make('/b', '');
      machine.finish((done) => machine.disk.remove('/b', done));
      machine.disk.makeDirectory('/c');
      machine.disk.losePower();
      return machine.disk.list('/').join('');
    });
    expect([...seen].sort()).toEqual(['', 'a', 'ab', 'abc', 'ac', 'b', 'bc', 'c']);
  });

  it('renames as a whole: the old file or the new one, never none and never both', () => {
    const seen = fates(200, (machine) => {
      machine.makeDurable('/current', 'old');
      machine.makeDurable('/new', 'new');
      machine.finish((done) => machine.disk.rename('/new', '/current', done));
      machine.disk.losePower();
      return machine.disk
        .files()
        .map((path) => `${path}=${machine.disk.contents(path)}`)
        .join(' ');
    });
    expect([...seen].sort()).toEqual(['/current=new', '/current=old /new=new']);
  });

  it('never loses a file that moved into a folder whose own name was not synced', () => {
    const seen = fates(200, (machine) => {
      machine.makeDurable('/a', 'content');
      machine.disk.makeDirectory('/folder/deeper');
      machine.finish((done) => machine.disk.rename('/a', '/folder/deeper/a', done));
      if (machine.clock.wallMs() % 2 === 0) {
        machine.finish((done) => machine.disk.syncDirectory('/folder/deeper', done));
      }
      machine.disk.losePower();
      return machine.disk.files().join();
    });
    expect([...seen].sort()).toEqual(['/a', '/folder/deeper/a']);
  });

  it('strikes the calls that a fault matches, as often as told', () => {
    const machine = new Machine(firstSeed);
    const { disk } = machine;
    disk.failNext({ operation: 'open', path: /log$/, code: 'EMFILE', times: 2 });
    disk.open('/index', 'write');
    for (let i = 0; i < 2; i++) {
      expect(() => disk.open('/log', 'write')).toThrow(
        expect.objectContaining({ code: 'EMFILE', path: '/log' }),
      );
    }
    const file = disk.open('/log', 'write');
    disk.failNext({ operation: 'sync' });
    expect(machine.finish((done) => disk.sync(file, done))?.code).toBe('EIO');
    expect(machine.finish((done) => disk.sync(file, done))).toBe(null);
    disk.failNext({ operation: 'readLater' });
    expect(
      machine.finish((done) => disk.readLater(file, 0, Buffer.alloc(1), (error) => done(error)))?.code,
    ).toBe('EIO');
    disk.failSometimes('write', 1);
    expect(() => disk.write(file, 0, [Buffer.from('x')])).toThrow(expect.objectContaining({ code: 'EIO' }));
    disk.stopFailing();
    disk.write(file, 0, [Buffer.from('x')]);
  });

  it('may have written a prefix when a write fails', () => {
    const seen = fates(100, (machine) => {
      const file = machine.disk.open('/a', 'write');
      machine.disk.failNext({ operation: 'write' });
      expect(() => machine.disk.write(file, 0, [Buffer.from('abc')])).toThrow('simulated EIO');
      return machine.disk.contents('/a').toString();
    });
    expect([...seen].sort()).toEqual(['', 'a', 'ab', 'abc']);
  });

  it('runs full, with a prefix written, and has room again after a removal or a cut', () => {
    const machine = new Machine(firstSeed, { capacityBytes: 100 });
    const { disk } = machine;
    const a = machine.make('/a', 'a'.repeat(60));
    const b = disk.open('/b', 'write');
    expect(() => disk.write(b, 0, [Buffer.alloc(41)])).toThrow(expect.objectContaining({ code: 'ENOSPC' }));
    disk.close(b);
    expect(disk.contents('/b').length).toBeLessThanOrEqual(40);
    disk.truncate(a, 50);
    machine.finish((done) => disk.remove('/b', done));
    const c = machine.make('/c', 'c'.repeat(40));
    expect(() => disk.truncate(c, 60)).toThrow(expect.objectContaining({ code: 'ENOSPC' }));
    expect(() => disk.write(c, 2 ** 40, [Buffer.from('x')])).toThrow(
      expect.objectContaining({ code: 'ENOSPC' }),
    );
    disk.capacityBytes = 120;
    disk.truncate(c, 60);
  });

  it('does nothing in a call for which there is no descriptor: it works when there is one', () => {
    for (const seed of seeds(50)) {
      const machine = new Machine(seed);
      const { disk } = machine;
      const file = disk.open('/a', 'write');
      disk.write(file, 0, [Buffer.alloc(5000, 1)]);
      disk.failNext({ operation: 'write', code: 'EMFILE' });
      expect(() => disk.write(file, 100, [Buffer.alloc(5000, 2)])).toThrow('EMFILE');
      expect(disk.contents('/a').equals(Buffer.alloc(5000, 1)), `SEED=${seed}`).toBe(true);
      disk.failNext({ operation: 'sync', code: 'EMFILE' });
      expect(machine.finish((done) => disk.sync(file, done))).toMatchObject({ lacksDescriptors: true });
      expect(machine.finish((done) => disk.sync(file, done))).toBeNull();
      expect(machine.finish((done) => disk.syncDirectory('/', done))).toBeNull();
      disk.losePower();
      expect(disk.contents('/a').equals(Buffer.alloc(5000, 1)), `SEED=${seed}`).toBe(true);
    }
  });

  it('gives up dirty pages when a sync fails: a later sync does not bring them back', () => {
    const seen = fates(100, (machine) => {
      const { disk } = machine;
      const file = machine.makeDurable('/a', 'o'.repeat(512));
      disk.write(file, 0, [Buffer.from('n'.repeat(512))]);
      disk.failNext({ operation: 'sync' });
      machine.finish((done) => disk.sync(file, done));
      expect(disk.contents('/a').toString()).toBe('n'.repeat(512));
      expect(machine.finish((done) => disk.sync(file, done))).toBe(null);
      disk.losePower();
      return disk.contents('/a').toString('latin1', 0, 1);
    });
    expect([...seen].sort()).toEqual(['n', 'o']);
  });

  it('completes asynchronous calls in any order', () => {
    const seen = fates(50, (machine) => {
      const order: string[] = [];
      machine.disk.remove('/a', () => order.push('a'));
      machine.disk.remove('/b', () => order.push('b'));
      machine.clock.advance(100);
      return order.join('');
    });
    expect([...seen].sort()).toEqual(['ab', 'ba']);
  });

  it('inverts bytes on demand', () => {
    const machine = new Machine(firstSeed);
    machine.makeDurable('/a', 'abc');
    machine.disk.corrupt('/a', 1);
    expect([...machine.disk.contents('/a')]).toEqual([97, 98 ^ 0xff, 99]);
    machine.disk.losePower();
    expect([...machine.disk.contents('/a')]).toEqual([97, 98 ^ 0xff, 99]);
  });

  it('tells what surely survives', () => {
    const machine = new Machine(firstSeed);
    const file = machine.makeDurable('/a', 'synced');
    machine.make('/b', '');
    expect(machine.disk.durableContents('/a')?.toString()).toBe('synced');
    expect(machine.disk.durableContents('/b')).toBe(null);
    machine.disk.close(file);
  });

  it('never touches what was promised, whatever came before', () => {
    for (const seed of seeds(400)) new PromiseKeeper(seed).run();
  });
});

/** What the contract promises about one file: its bytes (null: touched since), and thereby its size at the least. */
type PromisedBytes = (number | null)[];

/**
 * Calls the disk at random, books what the contract promises, cuts the power and checks that all of it is there. Knows
 * nothing of how the disk works.
 */
class PromiseKeeper {
  readonly #seed: number;
  readonly #random: Random;
  readonly #machine: Machine;
  readonly #paths = ['/a', '/b', '/c/d', '/c/e'];
  /** By identity of the file, for it may be renamed: the id is its creation's number. */
  #promisedBytes = new Map<number, PromisedBytes>();
  /** Names as they are now, and those that were synced and not touched since. */
  #names = new Map<string, number>();
  #promisedNames = new Map<string, number>();
  #handles = new Map<number, DiskFile>();
  #nextId = 0;
  /** Calls of sync under way see what is touched meanwhile. */
  #syncing = new Set<{ id: number; snapshot: PromisedBytes }>();
  #syncingNames = new Set<Map<string, number>>();

  constructor(seed: number) {
    this.#seed = seed;
    this.#random = seededRandom(seed ^ 0x5bd1e995);
    this.#machine = new Machine(seed);
  }

  run(): void {
    const { disk, finish } = { disk: this.#machine.disk, finish: this.#machine.finish.bind(this.#machine) };
    disk.makeDirectory('/c');
    finish((done) => disk.syncDirectory('/', done));
    for (let life = 0; life < 3; life++) {
      for (let step = this.#random.below(40); step > 0; step--) this.#step();
      disk.losePower();
      this.#check();
    }
  }

  #step(): void {
    const { disk, clock } = this.#machine;
    const path = this.#paths[this.#random.below(this.#paths.length)] ?? '/a';
    const id = this.#names.get(path);
    const file = id === undefined ? undefined : this.#handles.get(id);
    if (id === undefined || file === undefined) {
      this.#open(path);
      return;
    }
    switch (this.#random.below(8)) {
      case 0:
      case 1:
      case 2: {
        // biome-ignore format: one row
        const position = this.#random.below(disk.size(file) + 600);
        const bytes = this.#random.bytes(this.#random.below(1500));
        this.#touch(id, Math.min(position, disk.size(file)), position + bytes.length);
        disk.write(file, position, [bytes]);
        break;
      }
      case 3: {
        const size = this.#random.below(disk.size(file) + 600);
        this.#touch(id, Math.min(size, disk.size(file)), Number.POSITIVE_INFINITY);
        disk.truncate(file, size);
        break;
      }
      case 4: {
        const call = { id, snapshot: [...disk.contents(path)] };
        this.#syncing.add(call);
        disk.sync(file, () => {
          this.#syncing.delete(call);
          this.#promisedBytes.set(id, call.snapshot);
        });
        break;
      }
      case 5: {
        const folder = path.startsWith('/c/') ? '/c' : '/';
        const inFolder = (name: string) => name.startsWith('/c/') === path.startsWith('/c/');
        const snapshot = new Map([...this.#names].filter(([name]) => inFolder(name)));
        this.#syncingNames.add(snapshot);
        disk.syncDirectory(folder, () => {
          this.#syncingNames.delete(snapshot);
          for (const [name, named] of snapshot) this.#promisedNames.set(name, named);
        });
        break;
      }
      case 6: {
        const to = this.#paths[this.#random.below(this.#paths.length)] ?? '/a';
        if (to === path) break;
        this.#touchName(path);
        this.#touchName(to);
        this.#machine.finish((done) => disk.rename(path, to, done));
        this.#names.delete(path);
        this.#names.set(to, id);
        // It may have been under way in a sync's snapshot: the name is touched after it, too.
        this.#touchName(path);
        this.#touchName(to);
        break;
      }
      default:
        if (this.#random.below(4) === 0) {
          this.#touchName(path);
          this.#machine.finish((done) => disk.remove(path, done));
          this.#names.delete(path);
          this.#touchName(path);
        } else clock.advance(this.#random.below(20));
    }
  }

  #open(path: string): void {
    const id = this.#names.get(path) ?? this.#nextId++;
    if (!this.#names.has(path)) this.#touchName(path);
    this.#handles.set(id, this.#machine.disk.open(path, 'write'));
    this.#names.set(path, id);
  }

  #touch(id: number, start: number, end: number): void {
    const promises = [
      this.#promisedBytes.get(id),
      ...[...this.#syncing].filter((call) => call.id === id).map((call) => call.snapshot),
    ];
    for (const promised of promises) {
      if (promised === undefined) continue;
      if (end === Number.POSITIVE_INFINITY) promised.splice(start);
      else promised.fill(null, start, Math.min(end, promised.length));
    }
  }

  #touchName(path: string): void {
    this.#promisedNames.delete(path);
    for (const snapshot of this.#syncingNames) snapshot.delete(path);
  }

  #check(): void {
    const { disk } = this.#machine;
    for (const [path, id] of this.#promisedNames) {
      const content = disk.readFile(path);
      expect(content, `SEED=${this.#seed}: ${path} is gone`).not.toBe(null);
      const promised = this.#promisedBytes.get(id) ?? [];
      const broken = promised.findIndex((byte, at) =>
        byte === null ? at >= (content?.length ?? 0) : content?.[at] !== byte,
      );
      expect(broken, `SEED=${this.#seed}: ${path} at ${broken}`).toBe(-1);
    }
    // The next life begins with what is there, all of which is durable.
    this.#handles.clear();
    this.#syncing.clear();
    this.#syncingNames.clear();
    this.#names.clear();
    this.#promisedBytes.clear();
    for (const path of disk.files()) {
      this.#names.set(path, this.#nextId);
      this.#promisedBytes.set(this.#nextId++, [...disk.contents(path)]);
    }
    this.#promisedNames = new Map(this.#names);
  }
}
