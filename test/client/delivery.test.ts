import { describe, expect, it } from 'vitest';
import { brokerError, OdradekError } from '../../src/base/errors.js';
import { BatchDelivery, BatchError } from '../../src/client/delivery.js';

const result = (offset: number) => ({ topic: 't', partition: 0, offset, timestampMs: 1 });

describe('BatchDelivery', () => {
  it('gives the results in the order of the messages', () => {
    const settled: unknown[] = [];
    const delivery = new BatchDelivery(2, (error, results) => settled.push(error, results));
    delivery.delivered(1, result(5));
    expect(settled).toEqual([]);
    delivery.delivered(0, result(9));
    expect(settled).toEqual([null, [result(9), result(5)]]);
  });

  it('tells what became of each message if one was not delivered', () => {
    const settled: unknown[] = [];
    const delivery = new BatchDelivery(3, (error) => settled.push(error));
    const refused = brokerError('MESSAGE_TOO_LARGE');
    delivery.delivered(2, result(7));
    delivery.failed(0, refused);
    delivery.failed(1, new OdradekError('ODR_USAGE', 'second'));
    const [error] = settled;
    if (!(error instanceof BatchError)) throw new Error('no BatchError');
    expect(error).toMatchObject({ code: 'ODR_BROKER', errorName: 'MESSAGE_TOO_LARGE', cause: refused });
    expect(error.message).toContain('2 of 3 messages were not delivered.');
    expect(error.results).toEqual([refused, expect.objectContaining({ code: 'ODR_USAGE' }), result(7)]);
  });

  it('is told of each message once', () => {
    const delivery = new BatchDelivery(2, () => {});
    delivery.delivered(0, result(1));
    expect(() => delivery.delivered(0, result(1))).toThrow('twice');
  });
});
