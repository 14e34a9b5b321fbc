// Control calls between threads, by comlink over a MessagePort. This is the edge where promises end: towards the actors there
// are commands with one reply each, and tells. A call costs 20-30 us, so nothing of the data plane goes this way.

import type { MessagePort, Transferable } from 'node:worker_threads';
import { expose, releaseProxy, transfer, wrap } from 'comlink';
import nodeEndpoint from 'comlink/dist/esm/node-adapter.mjs';
import type { Clock } from '../base/clock.js';

/** What one side of a port offers to the other. */
export interface RemoteActor<Command, Reply> {
  receive(command: Command): Promise<Reply>;
}

/** Offers an actor on a port: each command gets one reply. */
export function exposeActor<Command, Reply>(
  port: MessagePort,
  receive: (command: Command, reply: (reply: Reply) => void) => void,
): void {
  const actor: RemoteActor<Command, Reply> = {
    receive: (command) => new Promise((resolve) => receive(command, resolve)),
  };
  expose(actor, nodeEndpoint(port));
}

/** The other side of {@link exposeActor}. */
export class ActorReference<Command, Reply> {
  readonly #remote;
  readonly #clock: Clock;
  readonly #unanswered = new Set<(failure: string) => void>();
  #closed: string | null = null;

  constructor(port: MessagePort, clock: Clock) {
    this.#remote = wrap<RemoteActor<Command, Reply>>(nodeEndpoint(port));
    this.#clock = clock;
  }

  /** Calls `reply` once, in a later turn: with the reply, or with null and the reason if there will be none in time. */
  ask(command: Command, deadlineMs: number, reply: (reply: Reply | null, failure: string) => void): void {
    if (this.#closed !== null) {
      const reason = this.#closed;
      this.#clock.after(0, () => reply(null, reason));
      return;
    }
    const end = (result: Reply | null, failure: string) => {
      if (!this.#unanswered.delete(fail)) return;
      this.#clock.cancel(timer);
      reply(result, failure);
    };
    const fail = (failure: string) => end(null, failure);
    this.#unanswered.add(fail);
    const timer = this.#clock.after(deadlineMs, () => fail(`no reply within ${deadlineMs} ms`));
    // comlink's types know that structured cloning keeps plain data as it is only for concrete types.
    const call = this.#remote.receive as unknown as (command: Command) => Promise<Reply>;
    call(command).then(
      (result) => end(result, ''),
      (error: unknown) => fail(error instanceof Error ? error.message : String(error)),
    );
  }

  /** A command whose reply nobody needs. */
  tell(command: Command, transferred: Transferable[] = []): void {
    if (this.#closed !== null) return;
    const call = this.#remote.receive as unknown as (command: Command) => Promise<Reply>;
    const message = transferred.length > 0 ? transfer(command as object, transferred as never[]) : command;
    call(message as Command).catch(() => {}); // The other side has died: its end is noticed elsewhere.
  }

  /** The other side is gone: what is unanswered fails now. */
  close(reason: string): void {
    if (this.#closed !== null) return;
    this.#closed = reason;
    for (const fail of [...this.#unanswered]) fail(reason);
    this.#remote[releaseProxy]();
  }
}
