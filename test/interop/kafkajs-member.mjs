// kafkajs as a member of a group: node kafkajs-member.mjs member PLAN. What it prints, README.md says. It has no hook that
// is called before partitions go; with automatic commits, which are what its users have, it commits before it joins again.
import { Kafka, logLevel } from 'kafkajs';

const [role, text] = process.argv.slice(2);
if (role !== 'member' || text === undefined) {
  process.stderr.write('usage: kafkajs-member.mjs member PLAN\n');
  process.exit(2);
}
const plan = JSON.parse(text);
const kafka = new Kafka({
  brokers: [plan.bootstrap],
  clientId: plan.clientId,
  logLevel: logLevel.NOTHING,
  retry: { initialRetryTime: 100, maxRetryTime: 1000, retries: 30 },
});
const consumer = kafka.consumer({
  groupId: plan.group,
  sessionTimeout: plan.sessionTimeoutMs,
  heartbeatInterval: plan.heartbeatIntervalMs,
  maxWaitTimeInMs: 100,
  rebalanceTimeout: 20_000,
  // After fewer it leaves the group and begins anew.
  retry: { initialRetryTime: 100, maxRetryTime: 1000, retries: 30 },
});

const say = (...words) => process.stdout.write(`${words.join(' ')}\n`);
const numbers = (partitions) => partitions.join() || '-';
/** What the group gave to this member. */
let owned = [];

function revoke() {
  if (owned.length > 0) say('revoked', numbers(owned));
  owned = [];
}

consumer.on(consumer.events.REBALANCING, revoke);
consumer.on(consumer.events.GROUP_JOIN, ({ payload }) => {
  // A member that the group does not know any more joins again without further notice.
  revoke();
  owned = payload.memberAssignment[plan.topic] ?? [];
  say('assigned', numbers(owned));
});
consumer.on(consumer.events.COMMIT_OFFSETS, ({ payload }) => {
  const ends = payload.topics.flatMap(({ partitions }) =>
    partitions.map(({ partition, offset }) => `${partition}:${offset}`),
  );
  say('committed', ends.join());
});
consumer.on(consumer.events.CRASH, ({ payload }) => {
  say(payload.restart ? 'commit-failed' : 'problem', payload.error.message.replaceAll('\n', ' '));
});

await consumer.connect();
await consumer.subscribe({ topic: plan.topic, fromBeginning: true });
await consumer.run({
  // Without an interval it commits after each record.
  ...(plan.commitIntervalMs > 0 ? { autoCommitInterval: plan.commitIntervalMs } : { autoCommitThreshold: 1 }),
  eachMessage: async ({ partition, message }) => {
    say('record', partition, message.offset, message.key, message.value);
  },
});

// Standard input ends when the member is to leave.
process.stdin.resume().on('end', async () => {
  await consumer.disconnect();
  revoke();
  say('left');
  // A connection that it made while the broker was away may be left, and would keep the process.
  process.exit();
});
