// The clients that are members of groups, and what each of them can do.
import { go, java, python } from './clients.js';
import { Member, type MemberPlan } from './groups-member.js';
import { here, type Tool } from './tool.js';

export type Assignor = MemberPlan['assignor'];

export interface GroupClient {
  readonly name: string;
  readonly toolchain: () => Promise<Tool>;
  /** What follows the toolchain's command. */
  readonly args: readonly string[];
  readonly assignors: readonly Assignor[];
  /** Whether its members may be static (KIP-345). */
  readonly canBeStatic: boolean;
}

const node = async (): Promise<Tool> => ({ command: [process.execPath] });
const both: readonly Assignor[] = ['range', 'cooperative'];

export const KAFKAJS: GroupClient = {
  name: 'kafkajs',
  toolchain: node,
  args: [here('kafkajs-member.mjs')],
  // It calls its own, which is like range, RoundRobinAssigner.
  assignors: ['range'],
  canBeStatic: false,
};

export const LIBRDKAFKA: GroupClient = {
  name: 'librdkafka',
  toolchain: python,
  args: [here('python/confluent_member.py')],
  assignors: both,
  canBeStatic: true,
};

export const JAVA: GroupClient = {
  name: 'java',
  toolchain: java,
  args: ['-XX:TieredStopAtLevel=1', '-XX:+UseSerialGC', 'Member'],
  assignors: both,
  canBeStatic: true,
};

export const FRANZ: GroupClient = {
  name: 'franz-go',
  toolchain: go,
  args: ['franz-go'],
  assignors: both,
  canBeStatic: true,
};

export const AIOKAFKA: GroupClient = {
  name: 'aiokafka',
  toolchain: python,
  args: [here('python/aio_member.py')],
  assignors: ['range'],
  canBeStatic: true,
};

export const SARAMA: GroupClient = {
  name: 'sarama',
  toolchain: go,
  args: ['sarama'],
  assignors: both,
  canBeStatic: true,
};

export const GROUP_CLIENTS: readonly GroupClient[] = [KAFKAJS, LIBRDKAFKA, JAVA, FRANZ, AIOKAFKA, SARAMA];

/** Starts a member. Throws if its toolchain is missing: ask {@link missingOf} before. */
export async function startMember(client: GroupClient, plan: MemberPlan): Promise<Member> {
  const tool = await client.toolchain();
  if ('missing' in tool) throw new Error(`${client.name}: ${tool.missing}`);
  return new Member([...tool.command, ...client.args], plan);
}

/** Why some of the clients cannot run here; null if all can. */
export async function missingOf(clients: readonly GroupClient[]): Promise<string | null> {
  for (const { name, toolchain } of clients) {
    const tool = await toolchain();
    if ('missing' in tool) return `${name}: ${tool.missing}`;
  }
  return null;
}
