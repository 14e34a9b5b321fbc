// How commands of groups get from the router to the coordinator on the supervisor's thread, and replies back: all commands of a
// turn in one message, all replies of a turn in one. A message costs a few microseconds plus its structured clone; commands
// are too seldom and too various for a ring of their own.
//
// Bounded on the asking side, by count and bytes: of what the coordinator has not taken yet, and more generously of what it has
// taken and not answered. Commands that wait for other members get three quarters of that, so that there is room for heartbeats
// and commits however many wait. The coordinator answers every command, some only after minutes (a member that waits for the
// others); its process ends with its thread, so there is no other deadline.
import { assert } from '../base/assert.js';
import type { ErrorName } from '../base/errors.js';
import type { GroupCommand, GroupReply } from '../coordinator/group/group-messages.js';
import type { GroupCoordinator } from './messages.js';

/** router → coordinator. */
export type CoordinatorMessage =
  | {
      readonly type: 'commands';
      readonly commands: readonly { readonly id: number; readonly command: GroupCommand }[];
    }
  /** No commands follow: whoever waits is to be answered now. */
  | { readonly type: 'drain' };

/** coordinator → router. */
export interface CoordinatorReplies {
  /** The newest command that the coordinator has taken; they come in the order of their ids. */
  readonly takenUpTo: number;
  readonly replies: readonly { readonly id: number; readonly reply: GroupReply }[];
}

interface Unanswered {
  readonly id: number;
  readonly bytes: number;
  readonly reply: (reply: GroupReply) => void;
}

export interface CoordinatorClientOptions {
  readonly send: (message: CoordinatorMessage) => void;
  /** Runs a function in a later turn, after those that wait: commands that come until then go together. */
  readonly later: (run: () => void) => void;
  /** Commands that may be unanswered. */
  readonly commandsMax?: number;
  /** Bytes that those may have together which are not taken yet. */
  readonly bytesMax?: number;
  /** Bytes that those may have together which are taken. */
  readonly takenBytesMax?: number;
}

const COMMANDS_MAX = 50_000;
const BYTES_MAX = 32 * 1024 * 1024;
/** As much as one shard may hold of its members. */
const TAKEN_BYTES_MAX = 128 * 1024 * 1024;
/** Of each bound, for joins and syncs: they may wait for minutes. */
const PATIENT_SHARE = 0.75;
/** What a command takes beside its long texts and bytes, and each item of its lists. */
const COMMAND_BYTES = 200;
const ITEM_BYTES = 40;

/** The router's end. */
export class CoordinatorClient implements GroupCoordinator {
  readonly #options: CoordinatorClientOptions;
  readonly #unanswered = new Map<number, Unanswered>();
  #unsent: { id: number; command: GroupCommand }[] = [];
  /** Not taken yet, in the order of their ids. */
  #untaken: Unanswered[] = [];
  #untakenBytes = 0;
  #takenBytes = 0;
  #lastId = 0;
  #draining = false;

  constructor(options: CoordinatorClientOptions) {
    this.#options = options;
  }

  /** Commands whose reply has not come. */
  get unanswered(): number {
    return this.#unanswered.size;
  }

  ask(command: GroupCommand, reply: (reply: GroupReply) => void): void {
    const { later } = this.#options;
    const bytes = bytesOf(command);
    const isPatient = command.type === 'join' || command.type === 'sync';
    if (this.#draining || !this.#hasRoomFor(bytes, isPatient ? PATIENT_SHARE : 1)) {
      later(() => reply(refused('COORDINATOR_NOT_AVAILABLE')));
      return;
    }
    const id = ++this.#lastId;
    const asked = { id, bytes, reply };
    this.#unanswered.set(id, asked);
    this.#untaken.push(asked);
    this.#untakenBytes += bytes;
    if (this.#unsent.push({ id, command }) === 1) later(() => this.#flush());
  }

  /** Replies have come. */
  receive({ takenUpTo, replies }: CoordinatorReplies): void {
    this.#taken(takenUpTo);
    for (const { id, reply } of replies) {
      const asked = this.#unanswered.get(id);
      assert(asked !== undefined, 'a command is answered once');
      this.#unanswered.delete(id);
      this.#takenBytes -= asked.bytes;
      asked.reply(reply);
    }
  }

  #taken(upTo: number): void {
    let count = 0;
    for (const { id, bytes } of this.#untaken) {
      if (id > upTo) break;
      this.#untakenBytes -= bytes;
      this.#takenBytes += bytes;
      count++;
    }
    this.#untaken = this.#untaken.slice(count);
  }

  #hasRoomFor(bytes: number, share: number): boolean {
    const {
      commandsMax = COMMANDS_MAX,
      bytesMax = BYTES_MAX,
      takenBytesMax = TAKEN_BYTES_MAX,
    } = this.#options;
    if (this.#unanswered.size >= commandsMax * share) return false;
    if (this.#untakenBytes + bytes > bytesMax * share) return false;
    return this.#takenBytes + bytes <= takenBytesMax * share;
  }

  /** Takes no more commands, and has whoever waits for something else than the log answered. */
  drain(): void {
    if (this.#draining) return;
    this.#draining = true;
    this.#flush();
    this.#options.send({ type: 'drain' });
  }

  #flush(): void {
    const commands = this.#unsent;
    if (commands.length === 0) return;
    this.#unsent = [];
    this.#options.send({ type: 'commands', commands });
  }
}

export interface CoordinatorServerOptions {
  readonly handle: (command: GroupCommand, reply: (reply: GroupReply) => void) => void;
  readonly drain: () => void;
  readonly send: (replies: CoordinatorReplies) => void;
  /** Runs a function at the end of the current turn: replies that are given until then go together. */
  readonly endOfTurn: (run: () => void) => void;
}

/** The coordinator's end. */
export class CoordinatorServer {
  readonly #options: CoordinatorServerOptions;
  #unsent: { id: number; reply: GroupReply }[] = [];
  #takenUpTo = 0;
  #flushing = false;

  constructor(options: CoordinatorServerOptions) {
    this.#options = options;
  }

  receive(message: CoordinatorMessage): void {
    const { handle, drain } = this.#options;
    if (message.type === 'drain') {
      drain();
      return;
    }
    for (const { id, command } of message.commands) {
      this.#takenUpTo = id;
      handle(command, (reply) => this.#reply(id, reply));
    }
    this.#flushLater();
  }

  #reply(id: number, reply: GroupReply): void {
    this.#unsent.push({ id, reply: withOwnBytes(reply) });
    this.#flushLater();
  }

  #flushLater(): void {
    if (this.#flushing) return;
    this.#flushing = true;
    this.#options.endOfTurn(() => this.#flush());
  }

  #flush(): void {
    const replies = this.#unsent;
    this.#flushing = false;
    this.#unsent = [];
    this.#options.send({ takenUpTo: this.#takenUpTo, replies });
  }
}

const refused = (error: ErrorName): GroupReply => ({ type: 'refused', error });

/** Roughly what the command takes in memory. Its bytes must be copies. */
function bytesOf(command: GroupCommand): number {
  return COMMAND_BYTES + idBytes(command) + itemBytes(command);
}

/** Who asks may have made them as long as a request can be. */
function idBytes(command: GroupCommand): number {
  const group = 'groupId' in command ? command.groupId.length : 0;
  const member = 'memberId' in command ? command.memberId.length + (command.instanceId?.length ?? 0) : 0;
  return 2 * (group + member);
}

function itemBytes(command: GroupCommand): number {
  switch (command.type) {
    case 'join':
      return command.protocols.reduce(
        (sum, { name, metadata }) => sum + ITEM_BYTES + 2 * name.length + copied(metadata),
        2 * (command.reason?.length ?? 0),
      );
    case 'sync':
      return command.assignments.reduce(
        (sum, { memberId, assignment }) => sum + ITEM_BYTES + 2 * memberId.length + copied(assignment),
        0,
      );
    case 'leave':
      return command.members.reduce(
        (sum, { memberId, reason }) => sum + ITEM_BYTES + 2 * (memberId.length + (reason?.length ?? 0)),
        0,
      );
    case 'commit-offsets':
      return command.topics.reduce((sum, { partitions }) => sum + offsetBytes(partitions), 0);
    case 'fetch-offsets':
    case 'delete-offsets':
      return (command.topics ?? []).reduce(
        (sum, { name, partitions }) => sum + ITEM_BYTES + 2 * name.length + 8 * partitions.length,
        0,
      );
    default:
      return 0;
  }
}

function offsetBytes(partitions: readonly { readonly metadata: string }[]): number {
  return partitions.reduce((sum, { metadata }) => sum + ITEM_BYTES + 2 * metadata.length, ITEM_BYTES);
}

/** The length of bytes that have memory of their own: of a view all that lies behind it would be cloned, or be overwritten. */
function copied(bytes: Uint8Array): number {
  assert(ownsMemory(bytes), 'bytes for the coordinator are copies, not views');
  return bytes.length;
}

const ownsMemory = ({ buffer, length }: Uint8Array): boolean =>
  buffer instanceof ArrayBuffer && buffer.byteLength === length;

const own = (bytes: Uint8Array): Uint8Array => (ownsMemory(bytes) ? bytes : new Uint8Array(bytes));

/** The reply without views, for what the coordinator holds may be a part of something larger. */
function withOwnBytes(reply: GroupReply): GroupReply {
  switch (reply.type) {
    case 'joined': {
      const members = reply.members.map((member) => ({ ...member, metadata: own(member.metadata) }));
      return { ...reply, members };
    }
    case 'synced':
      return { ...reply, assignment: own(reply.assignment) };
    case 'described': {
      const members = reply.members.map((member) => ({
        ...member,
        metadata: own(member.metadata),
        assignment: own(member.assignment),
      }));
      return { ...reply, members };
    }
    default:
      return reply;
  }
}
