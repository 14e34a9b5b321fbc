import { describe, expect, it } from 'vitest';
import { SimulatedClock } from '../../src/base/simulated-clock.js';
import { MeasuredReadPace } from '../../src/broker/read-pace.js';

class Scene {
  readonly clock = new SimulatedClock();
  diskReads = 0;
  readonly pace = new MeasuredReadPace(this.clock, () => this.diskReads);

  /** A read that takes so long, and comes from the disk or from the page cache. */
  read(ms: number, from: 'disk' | 'cache'): void {
    this.pace.timed(() => {
      if (from === 'disk') this.diskReads++;
      this.clock.advance(ms);
    });
  }
}

describe('MeasuredReadPace', () => {
  it('lets the thread read as long as reads take no time', () => {
    const scene = new Scene();
    expect(scene.pace.mayBlock).toBe(true);
    for (let i = 0; i < 1000; i++) scene.read(1, 'cache');
    expect(scene.pace.mayBlock).toBe(true);
  });

  it('keeps the thread off disks for a hundred times as long as it waited for one', () => {
    const scene = new Scene();
    scene.read(8, 'disk');
    expect(scene.pace.mayBlock).toBe(false);
    scene.clock.advance(799);
    expect(scene.pace.mayBlock).toBe(false);
    scene.clock.advance(1);
    expect(scene.pace.mayBlock).toBe(true);
  });

  it('minds no read that waited for a processor', () => {
    const scene = new Scene();
    scene.read(8, 'disk');
    scene.clock.advance(1000);
    scene.read(8, 'cache');
    expect(scene.pace.mayBlock).toBe(true);
  });

  it('minds a very slow read even if no disk is known to have been read', () => {
    const scene = new Scene();
    scene.read(25, 'cache');
    expect(scene.pace.mayBlock).toBe(false);
  });

  it('minds a read that failed late', () => {
    const scene = new Scene();
    const fail = () =>
      scene.pace.timed(() => {
        scene.clock.advance(30);
        throw new Error('EIO');
      });
    expect(fail).toThrow('EIO');
    expect(scene.pace.mayBlock).toBe(false);
  });

  it('waits for disks no more than a hundredth of the time, whatever they do', () => {
    const scene = new Scene();
    const startMs = scene.clock.monotonicMs();
    let waitedMs = 0;
    for (let i = 0; i < 20_000; i++) {
      if (scene.pace.mayBlock) {
        const ms = 2 + (i % 40);
        scene.read(ms, 'disk');
        waitedMs += ms;
      } else scene.clock.advance(1);
    }
    expect(waitedMs).toBeGreaterThan(0);
    expect(waitedMs).toBeLessThanOrEqual((scene.clock.monotonicMs() - startMs) / 100 + 42);
  });
});
