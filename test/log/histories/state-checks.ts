// What the log knows of its producers and its leader epochs, compared with the batches that it holds.
import { toLeaderEpoch, toOffset } from '../../../src/base/ids.js';
import type { Log } from '../../../src/log/log.js';
import { sequenceAfter } from '../../../src/record/producer-identity.js';
import { header } from '../producer-fixture.js';
import { must } from './difference.js';
import type { Model } from './model.js';

/**
 * Each producer's next batch is taken, its newest is recognised when it comes again, and a gap is refused. Its four batches
 * before are recognised or refused, but never taken. A producer all of whose batches are deleted may be forgotten.
 */
export function checkProducers(model: Model, log: Log): void {
  for (const [producerId, { epoch, batches }] of model.producers) {
    const newest = batches.at(-1);
    if (!newest || !model.producerPlace(producerId)?.isCertain) continue;
    const isForgotten = log.producers.get(producerId) === undefined;
    const name = `producer ${producerId}`;
    must(
      !isForgotten || newest.lastOffset < log.logStartOffset,
      () => `${name} is forgotten, though its batch at ${newest.baseOffset} is in the log`,
    );
    if (isForgotten) continue;
    const check = (sequence: number, count: number, producerEpoch = epoch) =>
      log.producers.check(header({ producerId, epoch: producerEpoch, sequence, count }), 0);
    const next = sequenceAfter(newest.lastSequence, 1);
    must(
      check(next, 1) === null,
      () => `${name} cannot go on with ${next}: ${JSON.stringify(check(next, 1))}`,
    );
    const gap = check(sequenceAfter(next, 1), 1);
    must(gap === 'OUT_OF_ORDER_SEQUENCE_NUMBER', () => `a gap of ${name} is answered with ${gap}`);
    if (epoch > 0) {
      const old = check(next, 1, epoch - 1);
      must(old === 'INVALID_PRODUCER_EPOCH', () => `an old epoch of ${name} is answered with ${old}`);
    }
    for (const batch of batches) {
      const count = ((batch.lastSequence - batch.firstSequence + 2 ** 31) % 2 ** 31) + 1;
      const answer = check(batch.firstSequence, count);
      const known = answer !== null && typeof answer === 'object' ? answer.baseOffset : null;
      must(
        known === batch.baseOffset || (batch !== newest && answer === 'OUT_OF_ORDER_SEQUENCE_NUMBER'),
        () =>
          `the batch of ${name} at ${batch.baseOffset}, come again, is answered with ${JSON.stringify(answer)}`,
      );
    }
  }
}

/**
 * Each batch has the epoch that its offset has, and each epoch ends where the next one's first batch begins. Epochs of what was
 * deleted once may be forgotten. What a cut that a crash had interrupted brings back has the epoch that began there meanwhile.
 */
export function checkLeaderEpochs(model: Model, log: Log): void {
  const { leaderEpochs, latestLeaderEpoch, logEndOffset } = log;
  leaderEpochs.forEach(({ epoch, startOffset }, i) => {
    const before = leaderEpochs[i - 1];
    must(
      startOffset <= logEndOffset && (!before || (before.epoch < epoch && before.startOffset < startOffset)),
      () => `leader epochs out of order: ${JSON.stringify(leaderEpochs)}`,
    );
  });
  const expectEnd = (epoch: number, endOffset: number): void => {
    const found = log.endOffsetForEpoch(toLeaderEpoch(epoch));
    must(
      found?.epoch === epoch && found.endOffset === endOffset,
      () => `epoch ${epoch} ends at ${endOffset}, and the log says ${JSON.stringify(found)}`,
    );
  };
  let current = -1;
  for (const { batch, wasGone } of model.batches.slice(model.placeOf(model.startOffsetMax))) {
    if (wasGone) {
      current = -1;
      continue;
    }
    const { leaderEpoch, baseOffset } = batch;
    const offset = Math.max(baseOffset, model.startOffsetMax);
    must(
      log.epochAt(toOffset(offset)) === leaderEpoch,
      () =>
        `the batch at ${baseOffset} has epoch ${leaderEpoch}, and the log says ${log.epochAt(toOffset(offset))}`,
    );
    if (current >= 0 && leaderEpoch > current) expectEnd(current, baseOffset);
    current = leaderEpoch;
  }
  if (current >= 0 && current === latestLeaderEpoch) expectEnd(current, logEndOffset);
  must(
    log.endOffsetForEpoch(toLeaderEpoch(latestLeaderEpoch + 1)) === null,
    () => `the log knows of an epoch above ${latestLeaderEpoch}`,
  );
}
