import type { ErrorName } from '../base/errors.js';
import type { CoordinatorRuntime } from './coordinator-runtime.js';
import type { GroupCommand, GroupListing, GroupReply } from './group/group-messages.js';

/** The coordinator of all groups: commands that name a group go to its shard, a list comes from all shards. */
export class GroupService {
  readonly #runtime: CoordinatorRuntime<GroupCommand, GroupReply>;

  constructor(runtime: CoordinatorRuntime<GroupCommand, GroupReply>) {
    this.#runtime = runtime;
  }

  /** Runs a command; `reply` is called once, maybe at once. */
  handle(command: GroupCommand, reply: (reply: GroupReply) => void): void {
    if (command.type === 'list') this.#runtime.handleAll(command, (replies) => reply(merge(replies)));
    else this.#runtime.handle(command.groupId, command, reply);
  }
}

/** One list of all; its error is the first that a shard gave, and what others know is in it all the same. */
function merge(replies: readonly GroupReply[]): GroupReply {
  let error: ErrorName = 'NONE';
  const groups: GroupListing[] = [];
  for (const reply of replies) {
    if (reply.type === 'listed') groups.push(...reply.groups);
    if ((reply.type === 'listed' || reply.type === 'refused') && error === 'NONE') error = reply.error;
  }
  return { type: 'listed', error, groups };
}
