import { describe, expect, it } from 'vitest';
import { Client } from '../../src/client/client.js';
import { withSignal } from '../../src/client/with-signal.js';
import { ScriptedBroker } from './scripted-broker.js';

class Asker {
  readonly #answer = 42;
  readonly child = { ask: () => Promise.resolve('child') };
  name = 'asker';

  ask(): Promise<number> {
    return Promise.resolve(this.#answer);
  }

  tell(): number {
    return this.#answer;
  }
}

describe('withSignal', () => {
  it('changes nothing until the signal is aborted', async () => {
    const asker = withSignal(new Asker(), new AbortController().signal);
    expect([await asker.ask(), asker.tell(), asker.name, await asker.child.ask()]).toEqual([
      42,
      42,
      'asker',
      'child',
    ]);
  });

  it('refuses calls after that', async () => {
    const reason = new Error('enough');
    const asker = withSignal(new Asker(), AbortSignal.abort(reason));
    await expect(asker.ask()).rejects.toBe(reason);
    await expect(asker.child.ask()).rejects.toBe(reason);
  });
});

describe('Client.admin', () => {
  it('ends the waiting of its calls by a signal', async () => {
    // Answers hello, and nothing that is asked later.
    await using broker = await ScriptedBroker.start({ metadata: () => {} });
    await using client = new Client({ brokers: [broker.address] });
    const controller = new AbortController();
    const listed = client.admin({ signal: controller.signal }).listTopics();
    await broker.received('metadata');
    const reason = new Error('enough');
    controller.abort(reason);
    await expect(listed).rejects.toBe(reason);
  });
});
