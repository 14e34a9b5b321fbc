// A router and a client of its Kafka door, with a coordinator that says what the test tells it to: for what the door makes of
// requests and replies, in each version.
import { expect } from 'vitest';
import { type TopicId, toBrokerId, toLeaderEpoch } from '../../../src/base/ids.js';
import { silentLogger } from '../../../src/base/log.js';
import { seededRandom } from '../../../src/base/random.js';
import { SimulatedClock } from '../../../src/base/simulated-clock.js';
import { FetchSessions } from '../../../src/broker/kafka/fetch-sessions.js';
import { KafkaDoor } from '../../../src/broker/kafka/kafka-door.js';
import { ReadBuffer } from '../../../src/broker/read-buffer.js';
import { Router } from '../../../src/broker/router.js';
import { parseBrokerConfig } from '../../../src/config/broker-config.js';
import type { GroupCommand, GroupReply } from '../../../src/coordinator/group/group-messages.js';
import { SimulatedDisk } from '../../../src/io/simulated-disk.js';
import { SimulatedJobs } from '../../../src/io/simulated-jobs.js';
import { WriteBuffer } from '../../../src/partition/write-buffer.js';
import type { Api } from '../../../src/protocol/kafka/api.js';
import { decodeResponse, encodeRequest } from '../../../src/protocol/kafka/headers.js';
import type { DecodedFields, EncodableFields, Fields } from '../../../src/protocol/kafka/schema.js';
import { jobFunctions } from '../../../workers/job-functions.js';
import { READ_LATER } from '../read-paces.js';
import { TestTransport } from '../test-transport.js';

/** A command that waits for the test's reply. */
export interface Asked {
  readonly command: GroupCommand;
  readonly reply: (reply: GroupReply) => void;
}

export interface GroupScene {
  readonly router: Router;
  /** Commands that nobody has replied to, the oldest first. */
  readonly asked: Asked[];
  connect(): GroupClient;
  /** Lets answers leave. */
  turn(): void;
}

export class GroupClient {
  readonly transport = new TestTransport();
  readonly #scene: GroupScene;
  #correlationId = 0;

  constructor(scene: GroupScene) {
    this.#scene = scene;
  }

  /** Sends a request; returns its correlation id. */
  tell<Request extends Fields>(
    api: Api<Request>,
    version: number,
    request: EncodableFields<Request>,
    clientId: string | null = 'a-client',
  ): number {
    const correlationId = ++this.#correlationId;
    this.transport.send(Buffer.concat(encodeRequest(api, version, { correlationId, clientId }, request)));
    this.#scene.turn();
    return correlationId;
  }

  /** The next answer, which must be to this request. */
  answer<Response extends Fields>(
    api: Api<Fields, Response>,
    version: number,
    correlationId: number,
  ): DecodedFields<Response> {
    this.#scene.turn();
    const frame = this.transport.read.shift();
    if (!frame) throw new Error('no answer');
    expect(frame.readInt32BE(4)).toBe(correlationId);
    // Answers that leave in one turn are one piece.
    const end = 4 + frame.readInt32BE(0);
    if (end < frame.length) this.transport.read.unshift(frame.subarray(end));
    return decodeResponse(api, version, frame.subarray(4, end)).response;
  }

  /** Sends a request, has the coordinator reply to each of its commands, and returns the answer with those commands. */
  ask<Request extends Fields, Response extends Fields>(
    api: Api<Request, Response>,
    version: number,
    request: EncodableFields<Request>,
    replyTo: (command: GroupCommand) => GroupReply,
  ): { readonly response: DecodedFields<Response>; readonly commands: readonly GroupCommand[] } {
    const correlationId = this.tell(api, version, request);
    const commands: GroupCommand[] = [];
    for (let next = this.#scene.asked.shift(); next; next = this.#scene.asked.shift()) {
      commands.push(next.command);
      next.reply(replyTo(next.command));
      this.#scene.turn();
    }
    return { response: this.answer(api, version, correlationId), commands };
  }
}

/** The topics have these ids and numbers of partitions. */
export function groupScene(
  topics: Readonly<Record<string, { readonly topicId: TopicId; readonly partitions: number }>> = {},
): GroupScene {
  const clock = new SimulatedClock();
  const random = seededRandom(1);
  const disk = new SimulatedDisk({ random, scheduler: clock });
  const parsed = parseBrokerConfig([]);
  if ('failures' in parsed) throw new Error('the defaults are valid');
  const asked: Asked[] = [];
  const broker = toBrokerId(1);
  const router = new Router({
    brokerId: broker,
    clusterId: 'a-cluster',
    config: parsed.config,
    advertise: null,
    writeBuffer: new WriteBuffer({ extentBytes: 4096, extents: 2, largeBytes: 0 }),
    readBuffer: new ReadBuffer(64 * 1024),
    readPace: () => READ_LATER,
    supervisor: { ask: () => expect.unreachable() },
    coordinator: { ask: (command, reply) => asked.push({ command, reply }) },
    clock,
    disk,
    jobs: new SimulatedJobs({ random, scheduler: clock, disk, functions: jobFunctions }),
    logger: silentLogger,
    defer: (run) => clock.schedule(0, run),
    later: (run) => clock.schedule(0, run),
  });
  const partition = {
    leader: broker,
    leaderEpoch: toLeaderEpoch(0),
    replicas: [broker],
    inSyncReplicas: [broker],
  };
  const updated = Object.entries(topics).map(([name, { topicId, partitions }]) => ({
    ...{ name, topicId, internal: false, overrides: {} },
    partitions: Array.from({ length: partitions }, () => partition),
  }));
  router.receive({ type: 'topics', updated, deleted: [] });
  const sessions = new FetchSessions(clock, random);
  const scene: GroupScene = {
    router,
    asked,
    turn: () => clock.advance(0),
    connect() {
      const client = new GroupClient(scene);
      const { transport } = client;
      transport.handler = router.accept(
        transport,
        (connection) => new KafkaDoor(connection, router, sessions),
      );
      return client;
    },
  };
  return scene;
}

export const refused: GroupReply = { type: 'refused', error: 'COORDINATOR_LOAD_IN_PROGRESS' };
export const LOADING = 14;
