import { describe, expect, it } from 'vitest';
import { seededRandom } from '../../../src/base/random.js';
import { topicsOf } from '../../../src/coordinator/group/group.js';
import { Scene, CONFIG, subscription, SESSION_MS } from './scene.js';
import { decodeAssignment } from '../../../src/protocol/kafka/consumer-protocol.js';

describe('review', () => {
  it('A retention overflow', () => {
    const scene = new Scene();
    expect(scene.commitError(5, { retentionMs: Number.MAX_SAFE_INTEGER })).toBe('NONE');
    scene.restart();
    expect(scene.offset()).toBe(5);
  });
  it('B static spin', () => {
    const scene = new Scene();
    const joined = scene.stable(3, (i) => ({ instanceId: `i${i}`, rebalanceTimeoutMs: 0, sessionTimeoutMs: 20000 }));
    scene.leave([{ instanceId: 'i0' }]);
    let runs = 0;
    const start = scene.clock.monotonicMs();
    while (scene.clock.monotonicMs() - start < 5000 && scene.clock.runNext() && runs < 10000) runs++;
    console.log('runs', runs, scene.clock.monotonicMs() - start, scene.state);
    expect(runs).toBeLessThan(100);
    void joined;
  });
  it('F empty group, later commit from outside', () => {
    const scene = new Scene({ offsetsRetentionMs: 3_600_000 });
    const [one] = scene.stable(1);
    scene.leave([{ memberId: one!.memberId }]);
    for (let i = 0; i < 10; i++) { scene.clock.advance(1_200_000); expect(scene.commitError(i)).toBe('NONE'); scene.clock.advance(1000); expect(scene.offset()).toBe(i); }
  });
  it('I fuzz', () => {
    const random = seededRandom(7);
    for (let i = 0; i < 200_000; i++) {
      const n = random.below(60);
      const b = Buffer.from(random.bytes(n));
      if (n > 2 && random.below(2)) { b[0] = 0; b[1] = random.below(5); if (n > 6 && random.below(2)) {b[2]=0;b[3]=0;b[4]=0;b[5]=random.below(5);} }
      topicsOf(b);
      try { decodeAssignment(b); } catch (e) { if ((e as {code?:string}).code !== 'ODR_PROTOCOL') throw e; }
    }
  });
  it('H start stall', () => {
    const scene = new Scene();
    for (let g = 0; g < 2000; g++) scene.ask<'commit-offsets'>({ type: 'commit-offsets', groupId: `g${g}`, generation: -1, memberId: '', instanceId: null, retentionMs: null, topics: Array.from({length: 10}, (_, t) => ({ name: `topic${t}`, topicId: scene.topics.get('t')!.topicId, partitions: Array.from({ length: 50 }, (_, p) => ({ partition: p, offset: 1, leaderEpoch: -1, metadata: '' })) })) });
    scene.clock.advance(10);
    console.log('offsets', scene.stats.offsets);
    const t = performance.now();
    (scene.host.shard as any).topicsDeleted(['zz']);
    console.log('topicsDeleted ms', performance.now() - t);
  });
});
