import type { ErrorName } from '../base/errors.js';
import type { CoordinatorRuntime } from './coordinator-runtime.js';
import type { GroupCommand, GroupListing, GroupReply, ListGroupsCommand } from './group/group-messages.js';

type Answer = (reply: GroupReply) => void;

/** A list that begins in a later turn, and who waits for it. */
interface WaitingList {
  readonly command: ListGroupsCommand;
  readonly answers: Answer[];
}

/**
 * The coordinator of all groups: commands that name a group go to its shard, a list comes from all shards. With many groups a list
 * takes a while, so whoever asks for the same one before it begins shares it, and there is one in a turn.
 */
export class GroupService {
  readonly #runtime: CoordinatorRuntime<GroupCommand, GroupReply>;
  readonly #later: (run: () => void) => void;
  /** By what is asked for, the oldest first. */
  readonly #lists = new Map<string, WaitingList>();

  /** `later` runs a function in a later turn, after what waits already. */
  constructor(runtime: CoordinatorRuntime<GroupCommand, GroupReply>, later: (run: () => void) => void) {
    this.#runtime = runtime;
    this.#later = later;
  }

  /** Runs a command; `reply` is called once, maybe at once. */
  handle(command: GroupCommand, reply: Answer): void {
    if (command.type === 'list') this.#list(command, reply);
    else this.#runtime.handle(command.groupId, command, reply);
  }

  #list(command: ListGroupsCommand, reply: Answer): void {
    const key = JSON.stringify([command.states, command.types]);
    const waiting = this.#lists.get(key);
    if (waiting !== undefined) {
      waiting.answers.push(reply);
      return;
    }
    this.#lists.set(key, { command, answers: [reply] });
    if (this.#lists.size === 1) this.#later(() => this.#beginList());
  }

  #beginList(): void {
    for (const [key, { command, answers }] of this.#lists) {
      this.#lists.delete(key);
      if (this.#lists.size > 0) this.#later(() => this.#beginList());
      this.#runtime.handleAll(command, (replies) => {
        const list = merge(replies);
        for (const answer of answers) answer(list);
      });
      return;
    }
  }
}

/** One list of all; its error is the first that a shard gave, and what others know is in it all the same. */
function merge(replies: readonly GroupReply[]): GroupReply {
  let error: ErrorName = 'NONE';
  const groups: GroupListing[] = [];
  for (const reply of replies) {
    if (reply.type === 'listed') for (const group of reply.groups) groups.push(group);
    if ((reply.type === 'listed' || reply.type === 'refused') && error === 'NONE') error = reply.error;
  }
  return { type: 'listed', error, groups };
}
