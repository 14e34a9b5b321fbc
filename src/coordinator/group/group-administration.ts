// ListGroups, DescribeGroups, DeleteGroups. What is told is in the log, as far as it is kept there.
import type { Group } from './group.js';
import { type Answer, NO_BYTES } from './group-member.js';
import type {
  DeleteGroupCommand,
  DescribeGroupCommand,
  GroupDescription,
  GroupListing,
  ListGroupsCommand,
} from './group-messages.js';
import type { GroupStore } from './group-store.js';

export class GroupAdministration {
  readonly #store: GroupStore;

  constructor(store: GroupStore) {
    this.#store = store;
  }

  list({ states, types }: ListGroupsCommand, answer: Answer): void {
    const wanted = lowerCase(states);
    const isTypeWanted = types.length === 0 || lowerCase(types).has('classic');
    const groups: GroupListing[] = [];
    for (const { id, protocolType, state } of isTypeWanted ? this.#store.groups.values() : []) {
      if (wanted.size > 0 && !wanted.has(state.toLowerCase())) continue;
      groups.push({ groupId: id, protocolType: protocolType ?? '', state, groupType: 'classic' });
    }
    this.#store.answerAfterAppends(answer, { type: 'listed', error: 'NONE', groups });
  }

  describe({ groupId }: DescribeGroupCommand, answer: Answer): void {
    const group = this.#store.groups.get(groupId);
    this.#store.answerAfterAppends(answer, group === undefined ? nothing(groupId) : description(group));
  }

  delete({ groupId }: DeleteGroupCommand, answer: Answer): void {
    const group = this.#store.groups.get(groupId);
    if (group === undefined || group.state !== 'Empty') {
      answer({ type: 'deleted', error: group === undefined ? 'GROUP_ID_NOT_FOUND' : 'NON_EMPTY_GROUP' });
      return;
    }
    this.#store.noteTombstones(this.#store.removeGroup(group));
    this.#store.answerAfterAppends(answer, { type: 'deleted', error: 'NONE' });
  }
}

const lowerCase = (words: readonly string[]): ReadonlySet<string> =>
  new Set(words.map((word) => word.toLowerCase()));

function nothing(groupId: string): GroupDescription {
  return {
    type: 'described',
    error: 'GROUP_ID_NOT_FOUND',
    groupId,
    state: 'Dead',
    protocolType: '',
    protocol: '',
    members: [],
  };
}

function description(group: Group): GroupDescription {
  const isStable = group.state === 'Stable';
  return {
    type: 'described',
    error: 'NONE',
    groupId: group.id,
    state: group.state,
    protocolType: group.protocolType ?? '',
    protocol: isStable ? (group.protocol ?? '') : '',
    members: [...group.members.values()].map((member) => ({
      memberId: member.memberId,
      instanceId: member.instanceId,
      clientId: member.profile.clientId,
      clientHost: member.profile.clientHost,
      metadata: isStable ? member.metadata(group.protocol) : NO_BYTES,
      assignment: member.assignment,
    })),
  };
}
