import { describe, expect, it } from 'vitest';
import { toOffset, toPartitionIndex, toTopicId } from '../../src/base/ids.js';
import { DataDirectoryState } from '../../src/broker/data-directory-state.js';
import { type OffsetCheckpointName, readOffsetCheckpoint } from '../../src/log/checkpoint-file.js';
import { LogMachine } from '../log/log-fixture.js';

const TOPIC_ID = toTopicId('o_EPBDsTQkm1Ua--nqUtaQ');
const PARTITION = toPartitionIndex(0);

const checkpoint = (recoveryPoint: number, logStartOffset = 0) => ({
  topic: 'orders',
  partition: PARTITION,
  recoveryPoint: toOffset(recoveryPoint),
  logStartOffset: toOffset(logStartOffset),
  firstDirtyOffset: toOffset(0),
});

class Scene {
  readonly machine: LogMachine;
  readonly state: DataDirectoryState;

  constructor(seed: number, machine = new LogMachine(seed)) {
    this.machine = machine;
    const { disk, clock, logger } = this.machine;
    this.state = new DataDirectoryState({
      path: '/data',
      directoryId: 'NLF2vDDVTZKzvQ2rHXkxBw',
      disk,
      clock,
      logger,
      checkpointIntervalMs: 60_000,
      foreign: [],
    });
  }

  /** What the file holds after a loss of power. */
  kept(name: OffsetCheckpointName): number[] {
    this.machine.losePower();
    return readOffsetCheckpoint(this.machine.disk, '/data', name).map(({ offset }) => offset);
  }

  waitFor(start: (done: () => void) => void): void {
    this.machine.wait((done) => start(() => done(null)));
  }
}

describe('DataDirectoryState', () => {
  it('lets a log that was cut take records when the checkpoint has its lower recovery point', () => {
    for (let seed = 1; seed <= 10; seed++) {
      const scene = new Scene(seed);
      scene.state.checkpoint(checkpoint(10));
      scene.machine.settle();
      scene.waitFor((done) => scene.state.opened(checkpoint(4), done));
      expect(scene.kept('recovery-point-offset-checkpoint'), `SEED ${seed}`).toEqual([4]);
    }
  });

  it('does not hold up a log that lost nothing', () => {
    const { machine, state } = new Scene(1);
    state.checkpoint(checkpoint(10));
    machine.settle();
    let isOpen = false;
    state.opened(checkpoint(10), () => {
      isOpen = true;
    });
    expect(isOpen).toBe(true);
  });

  it('has written down where a log begins when that is said to be done', () => {
    for (let seed = 1; seed <= 10; seed++) {
      const scene = new Scene(seed);
      scene.waitFor((done) => scene.state.startMoved(checkpoint(10, 7), done));
      expect(scene.kept('log-start-offset-checkpoint'), `SEED ${seed}`).toEqual([7]);
    }
  });

  it("keeps how far logs are compacted in Kafka's file, and says nothing of those that never were", () => {
    const scene = new Scene(1);
    const path = '/data/cleaner-offset-checkpoint';
    scene.waitFor((done) => scene.state.startMoved(checkpoint(10, 0), done));
    expect(scene.machine.disk.readFile(path)?.toString()).toBe('0\n0\n');
    const compacted = { ...checkpoint(10), firstDirtyOffset: toOffset(6) };
    scene.waitFor((done) => scene.state.startMoved(compacted, done));
    expect(scene.machine.disk.readFile(path)?.toString()).toBe('0\n1\norders 0 6\n');
    // A log that was cut below it takes no records before that is written down.
    const cut = { ...checkpoint(10), firstDirtyOffset: toOffset(3) };
    scene.waitFor((done) => scene.state.opened(cut, done));
    expect(scene.kept('cleaner-offset-checkpoint')).toEqual([3]);
    expect(new Scene(1, scene.machine).state.firstDirtyOffset('orders', PARTITION)).toBe(3);
  });

  it('has forgotten a deleted topic, for good, before another one of its name can be made', () => {
    for (let seed = 1; seed <= 10; seed++) {
      const scene = new Scene(seed);
      scene.waitFor((done) => scene.state.startMoved(checkpoint(10, 7), done));
      expect(scene.machine.wait((done) => scene.state.removeTopic('orders', TOPIC_ID, 1, done))).toBeNull();
      expect(scene.state.logStartOffset('orders', PARTITION)).toBe(0);
      expect(scene.kept('log-start-offset-checkpoint'), `SEED ${seed}`).toEqual([]);
    }
  });
});
