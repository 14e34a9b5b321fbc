import { describe, expect, it } from 'vitest';
import { SimulatedClock } from '../../../src/base/simulated-clock.js';
import { Recent } from '../../../src/broker/http/recent.js';

interface Question {
  readonly answer: (value: number) => void;
  readonly fail: (error: Error) => void;
}

function scene() {
  const clock = new SimulatedClock();
  const questions: Question[] = [];
  const recent = new Recent<number>(
    clock,
    () => new Promise((answer, fail) => questions.push({ answer, fail })),
  );
  return { clock, questions, recent };
}

describe('Recent', () => {
  it('asks once for all who ask meanwhile, however long it takes', async () => {
    const { clock, questions, recent } = scene();
    const first = recent.value();
    clock.advance(5000);
    const second = recent.value();
    expect(questions).toHaveLength(1);
    questions[0]?.answer(1);
    expect(await Promise.all([first, second])).toEqual([1, 1]);
  });

  it('gives the same answer for a second, then asks again', async () => {
    const { clock, questions, recent } = scene();
    const first = recent.value();
    questions[0]?.answer(1);
    await first;
    clock.advance(999);
    expect(await recent.value()).toBe(1);
    clock.advance(1);
    const second = recent.value();
    expect(questions).toHaveLength(2);
    questions[1]?.answer(2);
    expect(await second).toBe(2);
  });

  it('keeps no failure', async () => {
    const { questions, recent } = scene();
    const first = recent.value();
    questions[0]?.fail(new Error('no'));
    await expect(first).rejects.toThrow('no');
    const second = recent.value();
    questions[1]?.answer(2);
    expect(await second).toBe(2);
  });
});
