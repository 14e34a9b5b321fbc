import { describe, expect, it } from 'vitest';
import type { Clock } from '../../../src/base/clock.js';
import { SimulatedClock } from '../../../src/base/simulated-clock.js';
import { Alarm } from '../../../src/coordinator/group/alarm.js';

function scene() {
  const clock = new SimulatedClock();
  let armed = 0;
  const counting: Clock = {
    wallMs: () => clock.wallMs(),
    monotonicMs: () => clock.monotonicMs(),
    after: (delayMs, fire) => {
      armed++;
      return clock.after(delayMs, fire);
    },
    cancel: (timer) => clock.cancel(timer),
  };
  const rungMs: number[] = [];
  const alarm = new Alarm(counting, () => rungMs.push(clock.monotonicMs()));
  return { clock, alarm, rungMs, armed: () => armed };
}

describe('Alarm', () => {
  it('rings once, when it was set for', () => {
    const { clock, alarm, rungMs } = scene();
    alarm.set(100);
    clock.advance(99);
    expect(rungMs).toEqual([]);
    clock.advance(1_000);
    expect(rungMs).toEqual([100]);
  });

  it('can be put off any number of times for the price of one timer', () => {
    const { clock, alarm, rungMs, armed } = scene();
    for (let index = 0; index < 100; index++) {
      alarm.set(1_000);
      clock.advance(5);
    }
    expect(armed()).toBe(1);
    clock.advance(2_000);
    expect(rungMs).toEqual([99 * 5 + 1_000]);
    expect(armed()).toBe(2);
  });

  it('rings sooner when it is set so', () => {
    const { clock, alarm, rungMs } = scene();
    alarm.set(1_000);
    alarm.set(10);
    clock.advance(5_000);
    expect(rungMs).toEqual([10]);
  });

  it('does not ring when cleared, but again when set after that', () => {
    const { clock, alarm, rungMs } = scene();
    alarm.set(10);
    alarm.clear();
    clock.advance(100);
    expect(clock.pending).toBe(0);
    alarm.set(10);
    clock.advance(100);
    expect(rungMs).toEqual([110]);
  });
});
