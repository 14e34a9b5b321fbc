import { MessageChannel, type MessagePort } from 'node:worker_threads';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { ActorReference, exposeActor } from '../../src/actor/remote.js';
import { systemClock } from '../../src/base/clock.js';
import { SimulatedClock } from '../../src/base/simulated-clock.js';

let near: MessagePort;
let far: MessagePort;

beforeEach(() => {
  const { port1, port2 } = new MessageChannel();
  near = port1;
  far = port2;
});

afterEach(() => {
  near.close();
  far.close();
});

interface Answer {
  readonly reply: string | null;
  readonly failure: string;
}

const ask = (
  reference: ActorReference<string, string>,
  command: string,
  deadlineMs = 10_000,
): Promise<Answer> =>
  new Promise((resolve) =>
    reference.ask(command, deadlineMs, (reply, failure) => resolve({ reply, failure })),
  );

describe('ActorReference', () => {
  it('gets one reply for each command, in whatever order they are given', async () => {
    const kept: (() => void)[] = [];
    exposeActor<string, string>(far, (command, reply) => {
      if (command === 'kept') kept.push(() => reply('late'));
      else {
        reply(`${command}!`);
        for (const answer of kept.splice(0)) answer();
      }
    });
    const reference = new ActorReference<string, string>(near, systemClock);
    const answers = await Promise.all([ask(reference, 'kept'), ask(reference, 'a'), ask(reference, 'b')]);
    expect(answers.map(({ reply }) => reply)).toEqual(['late', 'a!', 'b!']);
  });

  it('delivers commands and replies in a later turn', async () => {
    let received = 0;
    exposeActor<string, string>(far, (_command, reply) => {
      received++;
      reply('done');
    });
    const reference = new ActorReference<string, string>(near, systemClock);
    let replied = false;
    const answer = ask(reference, 'x').then(() => {
      replied = true;
    });
    expect([received, replied]).toEqual([0, false]);
    await answer;
    expect(received).toBe(1);
  });

  it('fails an ask at its deadline, and drops the reply that comes later', async () => {
    let answer: () => void = () => {};
    const arrived = new Promise<void>((resolve) => {
      exposeActor<string, string>(far, (command, reply) => {
        if (command === 'next') reply('next');
        else answer = () => reply('too late');
        resolve();
      });
    });
    const clock = new SimulatedClock();
    const reference = new ActorReference<string, string>(near, clock);
    const answers: Answer[] = [];
    reference.ask('x', 500, (reply, failure) => answers.push({ reply, failure }));
    await arrived;
    clock.advance(499);
    expect(answers).toEqual([]);
    clock.advance(1);
    expect(answers).toEqual([{ reply: null, failure: 'no reply within 500 ms' }]);
    answer();
    expect(await ask(reference, 'next')).toEqual({ reply: 'next', failure: '' });
    expect(answers.length).toBe(1);
    expect(clock.pending).toBe(0);
  });

  it('passes on what the other side throws', async () => {
    exposeActor<string, string>(far, () => {
      throw new Error('no such command');
    });
    expect(await ask(new ActorReference<string, string>(near, systemClock), 'x')).toEqual({
      reply: null,
      failure: 'no such command',
    });
  });

  it('fails what is unanswered when it is closed, and all later asks in a later turn', () => {
    exposeActor<string, string>(far, () => {});
    const clock = new SimulatedClock();
    const reference = new ActorReference<string, string>(near, clock);
    const failures: string[] = [];
    reference.ask('a', 500, (_reply, failure) => failures.push(`a ${failure}`));
    reference.ask('b', 500, (_reply, failure) => failures.push(`b ${failure}`));
    reference.close('the worker has died');
    reference.close('again');
    expect(failures).toEqual(['a the worker has died', 'b the worker has died']);
    reference.ask('c', 500, (_reply, failure) => failures.push(`c ${failure}`));
    reference.tell('d');
    expect(failures.length).toBe(2);
    clock.advance(10_000);
    expect(failures.slice(2)).toEqual(['c the worker has died']);
  });

  it('may be closed by a reply', () => {
    const clock = new SimulatedClock();
    const reference = new ActorReference<string, string>(near, clock);
    const failures: string[] = [];
    for (const command of ['a', 'b', 'c']) {
      reference.ask(command, 500, (_reply, failure) => {
        failures.push(`${command} ${failure}`);
        reference.close('over');
      });
    }
    clock.advance(500);
    expect(failures).toEqual(['a no reply within 500 ms', 'b over', 'c over']);
    expect(clock.pending).toBe(0);
  });

  it('shares a port with an actor of the other side', async () => {
    const asked: string[] = [];
    const serve = (port: MessagePort, name: string) =>
      exposeActor<string, string>(port, (command, reply) => {
        asked.push(`${name} got ${command}`);
        reply(`${command} from ${name}`);
      });
    serve(near, 'near');
    serve(far, 'far');
    const toFar = new ActorReference<string, string>(near, systemClock);
    const toNear = new ActorReference<string, string>(far, systemClock);
    const answers = await Promise.all([ask(toFar, '1'), ask(toNear, '2'), ask(toFar, '3'), ask(toNear, '4')]);
    expect(answers.map(({ reply }) => reply)).toEqual([
      '1 from far',
      '2 from near',
      '3 from far',
      '4 from near',
    ]);
    expect(asked.sort()).toEqual(['far got 1', 'far got 3', 'near got 2', 'near got 4']);
  });

  it('tells without a reply, and hands over what is transferred', async () => {
    const { port1, port2 } = new MessageChannel();
    const got = new Promise<{ port: MessagePort }>((resolve) => {
      exposeActor<{ port: MessagePort }, void>(far, (command, reply) => {
        resolve(command);
        reply();
      });
    });
    new ActorReference<{ port: MessagePort }, void>(near, systemClock).tell({ port: port1 }, [port1]);
    const { port } = await got;
    const heard = new Promise((resolve) => {
      port2.once('message', resolve);
    });
    port.postMessage('hello');
    expect(await heard).toBe('hello');
    port.close();
  });
});
