import { brokerError, type Failure, OdradekError } from '../base/errors.js';
import { REQUEST_PARTITIONS_MAX } from '../protocol/native/messages.js';
import type { Cluster } from './cluster.js';
import type { Connection } from './connection.js';
import { retry } from './retry.js';

/** What a leader says of one of its partitions. */
interface LeaderAnswer {
  readonly partition: number;
  readonly error: Failure | null;
}

/** Partitions of a topic, by index, and what each is asked. */
type Asked<Question> = ReadonlyMap<number, Question>;

/** Sends one request for some partitions of one leader. */
type Ask<Question, Answer> = (
  connection: Connection,
  questions: readonly (readonly [partition: number, question: Question])[],
) => Promise<readonly Answer[]>;

/**
 * What the leaders of these partitions answer, by partition, asked in requests of as many as one may name. Leaders that moved are
 * looked for again within the cluster's request timeout; who has answered is not asked again.
 *
 * @throws OdradekError the last error, if a partition had no answer until then or refused
 */
export async function askLeaders<Question, Answer extends LeaderAnswer>(
  cluster: Cluster,
  topic: string,
  asked: Asked<Question>,
  ask: Ask<Question, Answer>,
  signal = cluster.signal,
): Promise<Map<number, Answer>> {
  const answers = new Map<number, Answer>();
  return await retry(cluster, { timeoutMs: cluster.options.requestTimeoutMs, signal }, async (failures) => {
    if (failures > 0) await cluster.refreshTopic(topic);
    const missing = new Map([...asked].filter(([partition]) => !answers.has(partition)));
    const error = await askOnce(cluster, topic, missing, ask, answers);
    if (error) throw error;
    return answers;
  });
}

/** Adds what it can to `answers`; returns an error if something is missing. */
async function askOnce<Question, Answer extends LeaderAnswer>(
  cluster: Cluster,
  topic: string,
  asked: Asked<Question>,
  ask: Ask<Question, Answer>,
  answers: Map<number, Answer>,
): Promise<OdradekError | null> {
  const { leaders } = await cluster.topic(topic);
  const byLeader = new Map<number, [number, Question][]>();
  for (const entry of asked) {
    const leader = leaders[entry[0]] ?? -1;
    byLeader.set(leader, [...(byLeader.get(leader) ?? []), entry]);
  }
  let failure: OdradekError | null = null;
  for (const [leader, questions] of byLeader) {
    if (leader === -1) return brokerError('LEADER_NOT_AVAILABLE');
    for (let start = 0; start < questions.length; start += REQUEST_PARTITIONS_MAX) {
      const connection = await cluster.connection(leader);
      for (const answer of await ask(connection, questions.slice(start, start + REQUEST_PARTITIONS_MAX))) {
        if (answer.error) failure = brokerError(answer.error.error, answer.error.detail);
        else answers.set(answer.partition, answer);
      }
    }
  }
  if (failure || [...asked.keys()].every((partition) => answers.has(partition))) return failure;
  return new OdradekError('ODR_PROTOCOL', `The broker did not answer for all partitions of ${topic}.`);
}
