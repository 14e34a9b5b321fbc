// One side of the stress tests in stress.test.ts: a real thread that runs what `npm run build` wrote.
import { parentPort, workerData } from 'node:worker_threads';
import { RING_SLEEPING_INDEX, RingConsumer, RingProducer } from '../../dist/src/actor/descriptor-ring.js';
import { SharedDoorbell } from '../../dist/src/actor/doorbell.js';
import { ViewReader, ViewWriter } from '../../dist/src/actor/view.js';

const { role, ring, back, views, messages, started } = workerData;
const bell = (words) => new SharedDoorbell(words, RING_SLEEPING_INDEX);
// Waiting on a bell does not keep a thread alive.
const alive = setInterval(() => {}, 1000);

function end(result) {
  clearInterval(alive);
  parentPort.postMessage(result);
}

/** Numbers go out on one ring and must come back on the other, in order. */
function sendAll() {
  const out = new RingProducer(ring, bell(ring.words));
  const answers = new RingConsumer(back, bell(back.words));
  let sent = 0;
  let received = 0;
  let wakes = 0;
  const send = () => {
    // Groups of all sizes, so that both sides fall asleep often.
    for (
      let group = 1 + (sent % 7);
      group > 0 && sent < messages && sent - received < ring.capacity;
      group--
    ) {
      const at = out.claim();
      if (at < 0) break;
      out.words[at] = sent;
      out.words[at + 15] = ~sent;
      sent++;
    }
    out.publish();
  };
  const work = () => {
    wakes++;
    const count = answers.available;
    for (let i = 0; i < count; i++) {
      const at = answers.peek(i);
      if (answers.words[at] !== received || answers.words[at + 15] !== ~received) {
        end({ error: `expected ${received}, got ${answers.words[at]}` });
        return;
      }
      received++;
    }
    answers.release(count);
    send();
    if (received < messages) answers.sleep(work);
    else end({ received, wakes });
  };
  answers.sleep(work);
  send();
}

function echoAll() {
  const incoming = new RingConsumer(ring, bell(ring.words));
  const out = new RingProducer(back, bell(back.words));
  let echoed = 0;
  const work = () => {
    const count = incoming.available;
    for (let i = 0; i < count; i++) {
      const from = incoming.peek(i);
      const to = out.claim();
      if (to < 0) {
        end({ error: 'more answers than questions' });
        return;
      }
      out.words[to] = incoming.words[from];
      out.words[to + 15] = incoming.words[from + 15];
    }
    incoming.release(count);
    out.publish();
    echoed += count;
    if (echoed < messages) incoming.sleep(work);
    else end({ echoed });
  };
  incoming.sleep(work);
}

const published = (n) => ({
  leaderEpoch: n,
  logStartOffset: n,
  lastStableOffset: n * 4096,
  highWatermark: n * 4096,
  logEndOffset: n * 4096 + 1,
  segmentBaseOffset: n * 4096,
  segmentBytes: n,
});

/** Publishes as fast as it can; says by the bell of a ring that a reader who waits is to look again. */
function publishAll() {
  const writer = new ViewWriter(views, 0);
  const out = new RingProducer(ring, bell(ring.words));
  let told = 0;
  for (let n = 1; n <= messages; n++) {
    // Bursts, so that the reader catches up and has to wait now and then.
    if (n % 50 === 0) for (let pause = 0; pause < 500; pause++) Atomics.load(started, 0);
    if (!writer.publish(1, published(n))) continue;
    // The reader takes each before it wishes again, so there is always room.
    if (out.claim() < 0) break;
    out.publish();
    told++;
  }
  end({ told });
}

/** Reads until the last publication, and waits for the next one whenever there is nothing new. */
function readAll() {
  const reader = new ViewReader(views, 0, 1);
  const news = new RingConsumer(ring, bell(ring.words));
  let last = 0;
  let reads = 0;
  let waits = 0;
  const look = () => {
    for (;;) {
      const state = reader.read();
      reads++;
      const n = state?.leaderEpoch ?? 0;
      const expected = published(n);
      const mixed = state !== null && Object.keys(expected).some((name) => state[name] !== expected[name]);
      if (mixed || n < last) {
        end({ error: `after ${last}: ${JSON.stringify(state)}` });
        return;
      }
      if (n === messages) {
        end({ reads, waits });
        return;
      }
      if (n === last) break;
      last = n;
    }
    reader.want();
    const now = reader.read();
    if ((now?.leaderEpoch ?? 0) !== last) {
      setImmediate(work);
      return;
    }
    waits++;
    news.sleep(work);
  };
  const work = () => {
    news.release(news.available);
    look();
  };
  look();
}

// Both begin when both are there.
Atomics.add(started, 0, 1);
Atomics.notify(started, 0);
Atomics.wait(started, 0, 1);
({ sendAll, echoAll, publishAll, readAll })[role]();
