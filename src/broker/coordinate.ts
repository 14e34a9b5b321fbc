import { assert } from '../base/assert.js';
import type { ErrorName } from '../base/errors.js';
import type { GroupCommand, GroupReply } from '../coordinator/group/group-messages.js';
import type { Router } from './router.js';

/** What each command is answered with, unless it is refused. */
const ANSWERS = {
  join: 'joined',
  sync: 'synced',
  heartbeat: 'heartbeat',
  leave: 'left',
  'commit-offsets': 'offsets-committed',
  'fetch-offsets': 'offsets-fetched',
  list: 'listed',
  describe: 'described',
  delete: 'deleted',
  'delete-offsets': 'offsets-deleted',
} as const satisfies Record<GroupCommand['type'], GroupReply['type']>;

type CommandOf<Type extends GroupCommand['type']> = Extract<GroupCommand, { readonly type: Type }>;
export type AnswerTo<Type extends GroupCommand['type']> = Extract<
  GroupReply,
  { readonly type: (typeof ANSWERS)[Type] }
>;

/** The command could not be run; with an error that clients of groups know how to live with. */
export interface RefusedCommand {
  readonly type: 'refused';
  readonly error: ErrorName;
}

/** What may stand in the way of a command is said as clients expect it of a coordinator: look for it again, or give up. */
const REFUSALS: Readonly<Partial<Record<ErrorName, ErrorName>>> = {
  UNKNOWN_TOPIC_OR_PARTITION: 'COORDINATOR_NOT_AVAILABLE',
  LEADER_NOT_AVAILABLE: 'COORDINATOR_NOT_AVAILABLE',
  REQUEST_TIMED_OUT: 'COORDINATOR_NOT_AVAILABLE',
  THROTTLING_QUOTA_EXCEEDED: 'COORDINATOR_NOT_AVAILABLE',
  KAFKA_STORAGE_ERROR: 'NOT_COORDINATOR',
  NOT_LEADER_OR_FOLLOWER: 'NOT_COORDINATOR',
  MESSAGE_TOO_LARGE: 'UNKNOWN_SERVER_ERROR',
  RECORD_LIST_TOO_LARGE: 'UNKNOWN_SERVER_ERROR',
};

/** Has the coordinator run a command; `done` is called once, in a later turn. */
export function coordinate<Type extends GroupCommand['type']>(
  router: Router,
  command: CommandOf<Type>,
  done: (reply: AnswerTo<Type> | RefusedCommand) => void,
): void {
  const answer = ANSWERS[command.type];
  router.coordinate(command, (reply) => {
    if (reply.type === 'refused') done({ type: 'refused', error: REFUSALS[reply.error] ?? reply.error });
    else {
      assert(isAnswer<Type>(reply, answer), `a ${command.type} is not answered with ${reply.type}`);
      done(reply);
    }
  });
}

function isAnswer<Type extends GroupCommand['type']>(
  reply: GroupReply,
  type: GroupReply['type'],
): reply is AnswerTo<Type> {
  return reply.type === type;
}

/** The bytes in memory of their own: what a request holds lies in a buffer that others use next, or that is sent along whole. */
export function copyOf(bytes: Uint8Array): Uint8Array {
  return new Uint8Array(bytes);
}
