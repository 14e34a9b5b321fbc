// Control messages between two threads, as a MessagePort carries them: cloned, some time under way, in order in each
// direction. The upper side asks and tells, the lower side answers and tells of events.
import { assert } from '../../src/base/assert.js';
import type { Timer } from '../../src/base/clock.js';
import type { Thread } from './thread.js';

/** How long a message is under way. */
export type LinkDelay = () => number;

/** One direction. */
class Wire<Message> {
  readonly #to: Thread;
  readonly #delay: LinkDelay;
  readonly #receive: (message: Message) => void;
  readonly #underWay: Message[] = [];
  #lastDueMs = 0;

  constructor(to: Thread, delay: LinkDelay, receive: (message: Message) => void) {
    this.#to = to;
    this.#delay = delay;
    this.#receive = receive;
  }

  send(message: Message): void {
    const { clock } = this.#to;
    const nowMs = clock.monotonicMs();
    this.#lastDueMs = Math.max(this.#lastDueMs, nowMs + this.#delay());
    this.#underWay.push(structuredClone(message));
    clock.schedule(this.#lastDueMs - nowMs, () => {
      const next = this.#underWay.shift();
      assert(next !== undefined, 'each message is delivered once');
      this.#receive(next);
    });
  }
}

interface Question<Command> {
  /** 0: no answer is wanted. */
  readonly id: number;
  readonly command: Command;
}

type Told<Reply, Event> =
  | { readonly type: 'reply'; readonly id: number; readonly reply: Reply }
  | { readonly type: 'event'; readonly event: Event };

export type Receive<Command, Reply> = (command: Command, reply: (reply: Reply) => void) => void;

interface Waiting<Reply> {
  readonly timer: Timer;
  readonly reply: (reply: Reply | null, failure: string) => void;
}

export class ControlLink<Command, Reply, Event> {
  readonly #upper: Thread;
  readonly #down: Wire<Question<Command>>;
  readonly #up: Wire<Told<Reply, Event>>;
  readonly #waiting = new Map<number, Waiting<Reply>>();
  #receive: Receive<Command, Reply> | null = null;
  /** What came before the lower thread was up. */
  #early: Question<Command>[] = [];
  #lastId = 0;
  #closed: string | null = null;

  constructor(upper: Thread, lower: Thread, delay: LinkDelay, event: (event: Event) => void) {
    this.#upper = upper;
    this.#down = new Wire(lower, delay, (question) => this.#asked(question));
    this.#up = new Wire(upper, delay, (told) => {
      if (this.#closed !== null) return;
      if (told.type === 'event') event(told.event);
      else this.#answer(told.id, told.reply, '');
    });
  }

  /** The lower side is ready. */
  attach(receive: Receive<Command, Reply>): void {
    this.#receive = receive;
    for (const question of this.#early.splice(0)) this.#asked(question);
  }

  /** Calls back once, in a later turn: with null and a reason if there is no reply in time. */
  ask(command: Command, deadlineMs: number, reply: (reply: Reply | null, failure: string) => void): void {
    const { clock } = this.#upper;
    if (this.#closed !== null) {
      const reason = this.#closed;
      clock.after(0, () => reply(null, reason));
      return;
    }
    const id = ++this.#lastId;
    const timer = clock.after(deadlineMs, () => this.#answer(id, null, `no reply within ${deadlineMs} ms`));
    this.#waiting.set(id, { timer, reply });
    this.#down.send({ id, command });
  }

  tell(command: Command): void {
    if (this.#closed === null) this.#down.send({ id: 0, command });
  }

  /** From the lower side. */
  emit(event: Event): void {
    this.#up.send({ type: 'event', event });
  }

  /** The lower side is gone: what is unanswered fails now. */
  close(reason: string): void {
    if (this.#closed !== null) return;
    this.#closed = reason;
    for (const id of [...this.#waiting.keys()]) this.#answer(id, null, reason);
  }

  #asked(question: Question<Command>): void {
    const { id, command } = question;
    if (!this.#receive) {
      this.#early.push(question);
      return;
    }
    this.#receive(command, (reply) => {
      if (id !== 0) this.#up.send({ type: 'reply', id, reply });
    });
  }

  #answer(id: number, reply: Reply | null, failure: string): void {
    const waiting = this.#waiting.get(id);
    if (!waiting) return;
    this.#waiting.delete(id);
    this.#upper.clock.cancel(waiting.timer);
    waiting.reply(reply, failure);
  }
}
