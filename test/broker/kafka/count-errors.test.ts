import { describe, expect, it } from 'vitest';
import { errorCounter } from '../../../src/broker/kafka/count-errors.js';
import { SERVED } from '../../../src/broker/kafka/served.js';
import { RequestCounters } from '../../../src/broker/metrics/counters.js';
import { produce } from '../../../src/protocol/kafka/messages/00-produce.js';
import { fetch } from '../../../src/protocol/kafka/messages/01-fetch.js';

function errorsOf(fields: Parameters<typeof errorCounter>[0], answer: object) {
  const counters = new RequestCounters();
  errorCounter(fields)(answer, counters);
  return Object.fromEntries(counters.errors);
}

describe('errorCounter', () => {
  it('counts the error of each partition, and of the answer itself', () => {
    const partition = (errorCode: number) => ({ index: 0, errorCode });
    const answer = {
      responses: [
        { name: 'a', partitionResponses: [partition(0), partition(3), partition(3)] },
        { name: 'b', partitionResponses: [partition(-1)] },
      ],
    };
    expect(errorsOf(produce.response.fields, answer)).toEqual({ 3: 2, [-1]: 1 });
    expect(errorsOf(fetch.response.fields, { errorCode: 71, responses: [] })).toEqual({ 71: 1 });
  });

  it('takes answers that leave fields out', () => {
    expect(errorsOf(fetch.response.fields, { responses: [{ partitions: [{}] }] })).toEqual({});
  });

  it('finds a code in every API that is served and has one', () => {
    const without = SERVED.filter(({ api }) => {
      const found = JSON.stringify(api.response.fields).includes('"errorCode"');
      return !found;
    }).map(({ api }) => api.name);
    expect(without).toEqual([]);
  });
});
