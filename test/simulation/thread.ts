// A thread of the simulated broker: what it gets instead of the outside world. When it dies, nothing of it runs any more, its
// files are closed, and what it had asked of the disk may still happen.
import type { Clock, Timer } from '../../src/base/clock.js';
import type { Scheduler, SimulatedClock } from '../../src/base/simulated-clock.js';
import { type Disk, DiskError, type DiskFile, type LentFile } from '../../src/io/disk.js';
import type { Jobs } from '../../src/io/jobs.js';
import type { DiskWeather } from './disk-weather.js';

/** Comes out of the disk call that a thread dies in, and of all later ones. */
export class ThreadDeath extends Error {
  override readonly name = 'ThreadDeath';
  readonly thread: Thread;

  constructor(thread: Thread) {
    super(`${thread.name} died inside a disk call`);
    this.thread = thread;
  }
}

export class Thread {
  readonly name: string;
  readonly clock: Clock & Scheduler;
  readonly disk: Disk;
  readonly jobs: Jobs;
  readonly #disk: ThreadDisk;
  #alive = true;

  constructor(
    name: string,
    outside: { clock: SimulatedClock; disk: Disk; jobs: Jobs; weather: DiskWeather },
  ) {
    this.name = name;
    this.clock = new ThreadClock(outside.clock, () => this.#alive);
    this.#disk = new ThreadDisk(outside.disk, outside.weather, this, outside.clock);
    this.disk = this.#disk;
    this.jobs = {
      run: (job, input, done, urgency) =>
        outside.jobs.run(
          job,
          input,
          (error, output) => {
            if (this.#alive) done(error, output);
          },
          urgency,
        ),
    };
  }

  get alive(): boolean {
    return this.#alive;
  }

  /** The thread dies in the `count`-th disk call from now on. */
  dieInDiskCall(count: number): void {
    this.#disk.dieIn(count);
  }

  /** Nothing of the thread runs any more. `closeFiles`: the process lives on. */
  end({ closeFiles }: { closeFiles: boolean }): void {
    this.#alive = false;
    if (closeFiles) this.#disk.closeAll();
  }
}

class ThreadClock implements Clock, Scheduler {
  readonly #clock: SimulatedClock;
  readonly #alive: () => boolean;

  constructor(clock: SimulatedClock, alive: () => boolean) {
    this.#clock = clock;
    this.#alive = alive;
  }

  wallMs(): number {
    return this.#clock.wallMs();
  }

  monotonicMs(): number {
    return this.#clock.monotonicMs();
  }

  after(delayMs: number, fire: () => void): Timer {
    return this.#clock.after(delayMs, () => {
      if (this.#alive()) fire();
    });
  }

  schedule(delayMs: number, run: () => void): Timer {
    return this.after(delayMs, run);
  }

  cancel(timer: Timer): void {
    this.#clock.cancel(timer);
  }
}

class ThreadDisk implements Disk {
  readonly #disk: Disk;
  readonly #weather: DiskWeather;
  readonly #thread: Thread;
  readonly #scheduler: Scheduler;
  readonly #open = new Set<DiskFile>();
  readonly #lent = new Set<LentFile>();
  #callsToLive = Number.POSITIVE_INFINITY;

  constructor(disk: Disk, weather: DiskWeather, thread: Thread, scheduler: Scheduler) {
    this.#disk = disk;
    this.#weather = weather;
    this.#thread = thread;
    this.#scheduler = scheduler;
  }

  dieIn(count: number): void {
    this.#callsToLive = count;
  }

  closeAll(): void {
    for (const file of this.#open) this.#disk.close(file);
    this.#open.clear();
    for (const lent of this.#lent) lent.release();
    this.#lent.clear();
  }

  open(path: string, mode: 'read' | 'write'): DiskFile {
    const file = this.#call(() => this.#disk.open(path, mode));
    this.#open.add(file);
    return file;
  }

  close(file: DiskFile): void {
    if (!this.#thread.alive) throw new ThreadDeath(this.#thread);
    this.#disk.close(file);
    this.#open.delete(file);
  }

  size(file: DiskFile): number {
    return this.#call(() => this.#disk.size(file));
  }

  isCurrent(file: DiskFile): boolean {
    return this.#call(() => this.#disk.isCurrent(file));
  }

  write(file: DiskFile, position: number, pieces: readonly Uint8Array[]): void {
    this.#call(
      () => this.#disk.write(file, position, pieces),
      (part) => {
        const bytes = Buffer.concat(pieces);
        this.#disk.write(file, position, [bytes.subarray(0, Math.floor(bytes.length * part))]);
      },
    );
  }

  read(file: DiskFile, position: number, target: Uint8Array): number {
    return this.#call(() => this.#disk.read(file, position, target));
  }

  lend(file: DiskFile): LentFile | null {
    const lent = this.#call(() => this.#disk.lend(file));
    if (!lent) return null;
    this.#lent.add(lent);
    return {
      descriptor: lent.descriptor,
      read: (position, target) => this.#call(() => lent.read(position, target)),
      readLater: (position, target, done) => {
        let read = 0;
        const completion = this.#completion((error) => done(error, read));
        this.#call(() =>
          lent.readLater(position, target, (error, bytes) => {
            read = bytes;
            completion(error);
          }),
        );
      },
      release: () => {
        if (this.#lent.delete(lent)) lent.release();
      },
    };
  }

  truncate(file: DiskFile, size: number): void {
    this.#call(() => this.#disk.truncate(file, size));
  }

  readFile(path: string): Buffer | null {
    return this.#call(() => this.#disk.readFile(path));
  }

  list(directory: string): string[] {
    return this.#call(() => this.#disk.list(directory));
  }

  makeDirectory(path: string): void {
    this.#call(() => this.#disk.makeDirectory(path));
  }

  sync(file: DiskFile, done: (error: DiskError | null) => void): void {
    this.#call(() => this.#disk.sync(file, this.#completion(done)));
  }

  syncDirectory(path: string, done: (error: DiskError | null) => void): void {
    this.#call(() => this.#disk.syncDirectory(path, this.#completion(done)));
  }

  rename(from: string, to: string, done: (error: DiskError | null) => void): void {
    this.#call(() => this.#disk.rename(from, to, this.#completion(done)));
  }

  remove(path: string, done: (error: DiskError | null) => void): void {
    this.#call(() => this.#disk.remove(path, this.#completion(done)));
  }

  readLater(
    file: DiskFile,
    position: number,
    target: Uint8Array,
    done: (error: DiskError | null, bytes: number) => void,
  ): void {
    let read = 0;
    const completion = this.#completion((error) => done(error, read));
    this.#call(() =>
      this.#disk.readLater(file, position, target, (error, bytes) => {
        read = bytes;
        completion(error);
      }),
    );
  }

  /** Runs the call, unless the thread dies in it: then all of it, `partly`, or nothing has happened. */
  #call<Result>(call: () => Result, partly: (part: number) => void = () => {}): Result {
    if (!this.#thread.alive) throw new ThreadDeath(this.#thread);
    if (--this.#callsToLive <= 0) {
      this.#weather.diesIn(() => call(), partly);
      throw new ThreadDeath(this.#thread);
    }
    try {
      return call();
    } catch (error) {
      if (error instanceof DiskError) this.#weather.struck(error);
      throw error;
    }
  }

  #completion(done: (error: DiskError | null) => void): (error: DiskError | null) => void {
    return (error) => {
      if (error) this.#weather.struck(error);
      const delayMs = this.#weather.delayMs();
      const complete = () => {
        if (this.#thread.alive) done(error);
      };
      if (delayMs > 0) this.#scheduler.schedule(delayMs, complete);
      else complete();
    };
  }
}
