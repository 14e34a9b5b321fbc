import { describe, expect, it } from 'vitest';
import { SimulatedClock } from '../../src/base/simulated-clock.js';
import { MeasuredReadPace } from '../../src/broker/read-pace.js';

const MIB = 2 ** 20;

class Scene {
  readonly clock = new SimulatedClock();
  diskReads = 0;
  readonly pace = new MeasuredReadPace(this.clock, () => this.diskReads);

  /** A read on the thread that takes so long, and comes from a disk that is counted or not. */
  here(ms: number, isCounted: boolean, bytes = MIB): void {
    this.pace.here(bytes, () => {
      if (isCounted) this.diskReads++;
      this.clock.advance(ms);
    });
  }

  /** A read of a helper thread. */
  elsewhere(ms: number): void {
    const ended = this.pace.elsewhere();
    this.clock.advance(ms);
    ended();
  }
}

describe('MeasuredReadPace', () => {
  it('lets a helper thread read first, then this one for a second, and so on', () => {
    const scene = new Scene();
    expect(scene.pace.mayBlock).toBe(false);
    scene.elsewhere(1);
    expect(scene.pace.mayBlock).toBe(true);
    scene.clock.advance(999);
    expect(scene.pace.mayBlock).toBe(true);
    scene.clock.advance(1);
    expect(scene.pace.mayBlock).toBe(false);
    scene.elsewhere(1);
    expect(scene.pace.mayBlock).toBe(true);
  });

  it('leaves it to helpers as long as they are slow', () => {
    const scene = new Scene();
    for (let i = 0; i < 10; i++) {
      scene.elsewhere(2);
      expect(scene.pace.mayBlock).toBe(false);
    }
  });

  it('minds no read that takes what the page cache takes', () => {
    const scene = new Scene();
    scene.elsewhere(1);
    for (let i = 0; i < 1000; i++) scene.here(0.6, true);
    expect(scene.pace.mayBlock).toBe(true);
  });

  it('keeps the thread off disks for a hundred times as long as it waited for them', () => {
    const scene = new Scene();
    scene.elsewhere(1);
    scene.here(10, true);
    expect(scene.pace.mayBlock).toBe(true);
    scene.here(10, true);
    expect(scene.pace.mayBlock).toBe(false);
    scene.elsewhere(1);
    scene.clock.advance(1700);
    scene.elsewhere(1);
    expect(scene.pace.mayBlock).toBe(false);
    scene.clock.advance(300);
    scene.elsewhere(1);
    expect(scene.pace.mayBlock).toBe(true);
  });

  it('minds many small waits as one long one', () => {
    const scene = new Scene();
    scene.elsewhere(1);
    for (let i = 0; i < 12; i++) scene.here(1, true, 400);
    expect(scene.pace.mayBlock).toBe(false);
  });

  it('minds a wait that no disk explains less: the thread may have waited for a processor', () => {
    const scene = new Scene();
    scene.elsewhere(1);
    for (let i = 0; i < 10; i++) scene.here(8, false);
    expect(scene.pace.mayBlock).toBe(true);
    for (let i = 0; i < 10; i++) scene.here(8, false);
    expect(scene.pace.mayBlock).toBe(false);
  });

  it('minds a read that failed late', () => {
    const scene = new Scene();
    scene.elsewhere(1);
    const fail = () =>
      scene.pace.here(MIB, () => {
        scene.diskReads++;
        scene.clock.advance(30);
        throw new Error('EIO');
      });
    expect(fail).toThrow('EIO');
    expect(scene.pace.mayBlock).toBe(false);
  });

  it.each([1, 3, 40])('waits for disks about a hundredth of the time, when each read takes %i ms', (ms) => {
    const scene = new Scene();
    const startMs = scene.clock.monotonicMs();
    let waitedMs = 0;
    for (let i = 0; i < 50_000; i++) {
      if (scene.pace.mayBlock) {
        scene.here(ms, true, 4096);
        waitedMs += ms;
      } else scene.elsewhere(1);
    }
    expect(waitedMs).toBeGreaterThan(0);
    expect(waitedMs).toBeLessThanOrEqual((1.3 * (scene.clock.monotonicMs() - startMs)) / 100 + 50);
  });
});
