import { describe, expect, it } from 'vitest';
import { toTopicId } from '../../src/base/ids.js';
import {
  CoordinatorClient,
  type CoordinatorMessage,
  type CoordinatorReplies,
  CoordinatorServer,
} from '../../src/broker/coordinator-channel.js';
import type { GroupCommand, GroupReply } from '../../src/coordinator/group/group-messages.js';

const TOPIC_ID = toTopicId('o_EPBDsTQkm1Ua--nqUtaQ');
const heartbeat = (groupId: string): GroupCommand => ({
  type: 'heartbeat',
  groupId,
  generation: 1,
  memberId: 'm',
  instanceId: null,
});
const join = (metadata: Uint8Array): GroupCommand => ({
  type: 'join',
  groupId: 'g',
  clientId: 'c',
  clientHost: '127.0.0.1',
  memberId: '',
  instanceId: null,
  sessionTimeoutMs: 1,
  rebalanceTimeoutMs: 1,
  protocolType: 'consumer',
  protocols: [{ name: 'range', metadata }],
  requireKnownMemberId: true,
  canSkipAssignment: false,
  reason: null,
});
const ALIVE: GroupReply = { type: 'heartbeat', error: 'NONE' };
const NOT_AVAILABLE: GroupReply = { type: 'refused', error: 'COORDINATOR_NOT_AVAILABLE' };

/** Both ends, with a coordinator of the test's own between them. Messages are cloned, as between threads. */
class Scene {
  readonly client: CoordinatorClient;
  readonly messages: CoordinatorMessage[] = [];
  readonly answers: CoordinatorReplies[] = [];
  readonly handled: { readonly command: GroupCommand; readonly reply: (reply: GroupReply) => void }[] = [];
  drains = 0;
  readonly #turns: (() => void)[] = [];
  readonly #ends: (() => void)[] = [];
  readonly #server: CoordinatorServer;

  constructor(bounds: { commandsMax?: number; bytesMax?: number; takenBytesMax?: number } = {}) {
    this.client = new CoordinatorClient({
      ...bounds,
      send: (message) => this.messages.push(structuredClone(message)),
      later: (run) => this.#turns.push(run),
    });
    this.#server = new CoordinatorServer({
      handle: (command, reply) => this.handled.push({ command, reply }),
      drain: () => this.drains++,
      send: (replies) => this.answers.push(structuredClone(replies)),
      endOfTurn: (run) => this.#ends.push(run),
    });
  }

  ask(command: GroupCommand): GroupReply[] {
    const replies: GroupReply[] = [];
    this.client.ask(command, (reply) => replies.push(reply));
    return replies;
  }

  /** A turn of the router's thread. */
  turn(): void {
    for (const run of this.#turns.splice(0)) run();
  }

  /** A turn of the coordinator's thread, in which it takes all messages. */
  serve(): void {
    for (const message of this.messages.splice(0)) this.#server.receive(message);
    this.endTurn();
  }

  endTurn(): void {
    for (const run of this.#ends.splice(0)) run();
  }

  /** The router's thread takes all answers. */
  deliver(): void {
    for (const replies of this.answers.splice(0)) this.client.receive(replies);
  }
}

describe('The channel to the coordinator', () => {
  it('sends all commands of a turn in one message, and all replies of a turn in one', () => {
    const scene = new Scene();
    const asked = ['a', 'b', 'c'].map((groupId) => scene.ask(heartbeat(groupId)));
    expect(scene.messages).toEqual([]);
    scene.turn();
    expect(scene.messages).toHaveLength(1);
    scene.serve();
    expect(scene.handled.map(({ command }) => command)).toEqual(['a', 'b', 'c'].map(heartbeat));
    scene.deliver();
    for (const { reply } of scene.handled) reply(ALIVE);
    expect(scene.answers).toEqual([]);
    scene.endTurn();
    expect(scene.answers).toHaveLength(1);
    scene.deliver();
    expect(asked).toEqual([[ALIVE], [ALIVE], [ALIVE]]);
    expect(scene.client.unanswered).toBe(0);
  });

  it('gives each reply to its command, whatever their order', () => {
    const scene = new Scene();
    const asked = ['a', 'b'].map((groupId) => scene.ask(heartbeat(groupId)));
    scene.turn();
    scene.serve();
    scene.handled[1]?.reply({ type: 'heartbeat', error: 'UNKNOWN_MEMBER_ID' });
    scene.endTurn();
    scene.deliver();
    expect(asked).toEqual([[], [{ type: 'heartbeat', error: 'UNKNOWN_MEMBER_ID' }]]);
    scene.handled[0]?.reply(ALIVE);
    scene.endTurn();
    scene.deliver();
    expect(asked[0]).toEqual([ALIVE]);
  });

  it('refuses commands beyond its bound at once, until others are answered', () => {
    const scene = new Scene({ commandsMax: 2 });
    const asked = ['a', 'b', 'c'].map((groupId) => scene.ask(heartbeat(groupId)));
    scene.turn();
    expect(asked).toEqual([[], [], [NOT_AVAILABLE]]);
    scene.serve();
    expect(scene.handled).toHaveLength(2);
    scene.handled[0]?.reply(ALIVE);
    scene.endTurn();
    scene.deliver();
    scene.ask(heartbeat('d'));
    scene.turn();
    scene.serve();
    expect(scene.handled).toHaveLength(3);
  });

  it('keeps room for heartbeats and commits, however many wait for other members', () => {
    const scene = new Scene({ commandsMax: 8 });
    const joins = Array.from({ length: 8 }, () => scene.ask(join(new Uint8Array(0))));
    scene.turn();
    expect(joins.filter((replies) => replies.length === 0)).toHaveLength(6);
    const beats = [scene.ask(heartbeat('a')), scene.ask(heartbeat('b')), scene.ask(heartbeat('c'))];
    scene.turn();
    expect(beats).toEqual([[], [], [NOT_AVAILABLE]]);

    const heavy = new Scene({ takenBytesMax: 40_000 });
    const asked = (command: GroupCommand) => {
      const replies = heavy.ask(command);
      heavy.turn();
      heavy.serve();
      heavy.deliver();
      return replies;
    };
    const heavyJoins = Array.from({ length: 4 }, () => asked(join(new Uint8Array(9_000))));
    expect(heavyJoins).toEqual([[], [], [], [NOT_AVAILABLE]]);
    expect(asked(heartbeat('a'))).toEqual([]);
  });

  it('counts texts that a client made long', () => {
    const scene = new Scene({ bytesMax: 10_000 });
    const long = scene.ask(heartbeat('g'.repeat(5_000)));
    const short = scene.ask(heartbeat('g'));
    scene.turn();
    expect([long, short]).toEqual([[NOT_AVAILABLE], []]);
  });

  it('counts the bytes of commands that are not taken, and of those that are not answered', () => {
    const scene = new Scene({ bytesMax: 10_000, takenBytesMax: 27_000 });
    const first = scene.ask(join(new Uint8Array(6000)));
    const second = scene.ask(join(new Uint8Array(6000)));
    const metadata = 'x'.repeat(5000);
    const third = scene.ask({
      type: 'commit-offsets',
      groupId: 'g',
      generation: -1,
      memberId: '',
      instanceId: null,
      retentionMs: null,
      topics: [
        {
          name: 't',
          topicId: TOPIC_ID,
          partitions: [{ partition: 0, offset: 1, leaderEpoch: -1, metadata }],
        },
      ],
    });
    scene.turn();
    expect([first, second, third]).toEqual([[], [NOT_AVAILABLE], [NOT_AVAILABLE]]);
    scene.serve();
    scene.deliver();
    // Who waits for others leaves room for more, up to a bound of its own.
    const more = [1, 2, 3].map(() => {
      const replies = scene.ask(join(new Uint8Array(6000)));
      scene.turn();
      scene.serve();
      scene.deliver();
      return replies;
    });
    expect(more).toEqual([[], [], [NOT_AVAILABLE]]);
    scene.handled[0]?.reply({ type: 'refused', error: 'NOT_COORDINATOR' });
    scene.endTurn();
    scene.deliver();
    scene.ask(join(new Uint8Array(6000)));
    scene.turn();
    scene.serve();
    expect(scene.handled).toHaveLength(4);
  });

  it('takes no views, because what lies behind them would be sent too, or be overwritten', () => {
    const scene = new Scene();
    const receiveBuffer = Buffer.alloc(64);
    expect(() => scene.ask(join(receiveBuffer.subarray(8, 16)))).toThrow('copies');
    expect(() => scene.ask(join(new Uint8Array(new SharedArrayBuffer(8))))).toThrow('copies');
    scene.ask(join(new Uint8Array(receiveBuffer.subarray(8, 16))));
    scene.turn();
    expect(scene.messages).toHaveLength(1);
  });

  it('sends bytes of replies without what lies around them', () => {
    const scene = new Scene();
    const asked = scene.ask(heartbeat('g'));
    scene.turn();
    scene.serve();
    const large = Buffer.alloc(1000, 7);
    const view = large.subarray(10, 20);
    const member = { memberId: 'm', instanceId: null, clientId: 'c', clientHost: 'h' };
    scene.handled[0]?.reply({
      type: 'described',
      error: 'NONE',
      groupId: 'g',
      state: 'Stable',
      protocolType: 'consumer',
      protocol: 'range',
      members: [{ ...member, metadata: view, assignment: view }],
    });
    scene.endTurn();
    scene.deliver();
    const [reply] = asked;
    const [described] = reply?.type === 'described' ? reply.members : [];
    expect(described?.metadata).toEqual(new Uint8Array(10).fill(7));
    expect(described?.metadata.buffer.byteLength).toBe(10);
    expect(described?.assignment.buffer.byteLength).toBe(10);
  });

  it('drains behind the commands that were given before, and refuses those that come after', () => {
    const scene = new Scene();
    const before = scene.ask(heartbeat('a'));
    scene.client.drain();
    scene.client.drain();
    const after = scene.ask(heartbeat('b'));
    scene.turn();
    scene.serve();
    expect(scene.drains).toBe(1);
    expect(scene.handled).toHaveLength(1);
    expect(after).toEqual([NOT_AVAILABLE]);
    scene.handled[0]?.reply(ALIVE);
    scene.endTurn();
    scene.deliver();
    expect(before).toEqual([ALIVE]);
  });
});
