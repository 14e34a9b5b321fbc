import { describe, expect, it } from 'vitest';
import {
  consumerProtocolAssignment,
  consumerProtocolSubscription,
  decodeAssignment,
  decodeSubscription,
} from '../../../src/protocol/kafka/consumer-protocol.js';
import { encodePrefixed } from '../../../src/protocol/kafka/prefixed.js';

const protocolError = expect.objectContaining({ code: 'ODR_PROTOCOL' });
const subscription = {
  topics: ['a', 'b'],
  ownedPartitions: [{ topic: 'a', partitions: [1] }],
  generationId: 4,
  rackId: 'r',
};

describe('decodeSubscription', () => {
  it.each([
    [0, { ownedPartitions: [], generationId: -1, rackId: null }],
    [1, { generationId: -1, rackId: null }],
    [2, { rackId: null }],
    [3, {}],
  ])('reads v%i', (version, without) => {
    const blob = Buffer.from(encodePrefixed(consumerProtocolSubscription, version, subscription));
    expect(decodeSubscription(blob)).toEqual({ userData: null, ...subscription, ...without });
  });

  it('reads what it knows of a later version', () => {
    const known = Buffer.from(encodePrefixed(consumerProtocolSubscription, 3, subscription, 9));
    expect(decodeSubscription(Buffer.concat([known, Buffer.from('more')]))).toMatchObject(subscription);
  });

  it.each(['', '00', 'ffff00000000', '0000', '00007fffffff', '000000000001ffff'])('refuses %j', (text) => {
    expect(() => decodeSubscription(Buffer.from(text, 'hex'))).toThrow(protocolError);
  });
});

describe('decodeAssignment', () => {
  it('reads partitions and what the assignor added', () => {
    const assignment = {
      assignedPartitions: [{ topic: 'a', partitions: [0, 2] }],
      userData: Buffer.from('x'),
    };
    const blob = Buffer.from(encodePrefixed(consumerProtocolAssignment, 1, assignment));
    expect(decodeAssignment(blob)).toEqual(assignment);
  });

  it('refuses an empty blob', () => {
    expect(() => decodeAssignment(Buffer.alloc(0))).toThrow(protocolError);
  });
});
