import { describe, expect, it } from 'vitest';
import type { Piece } from '../../../src/base/piece.js';
import {
  decodeRequestHeader,
  decodeResponse,
  encodeRequest,
  encodeResponse,
} from '../../../src/protocol/kafka/headers.js';
import { fetch } from '../../../src/protocol/kafka/messages/01-fetch.js';
import { metadata } from '../../../src/protocol/kafka/messages/03-metadata.js';
import { heartbeat } from '../../../src/protocol/kafka/messages/12-heartbeat.js';
import { apiVersions } from '../../../src/protocol/kafka/messages/18-api-versions.js';
import { bytesOf } from '../../base/bytes-of.js';

const protocolError = expect.objectContaining({ code: 'ODR_PROTOCOL' });
const hex = (pieces: readonly Piece[]) => bytesOf(pieces).toString('hex');

function header(text: string) {
  const bytes = Buffer.from(text.replaceAll(' ', ''), 'hex');
  return decodeRequestHeader(bytes, 0, bytes.length);
}

describe('decodeRequestHeader', () => {
  it('reads v1 before inflexible versions', () => {
    expect(header('0003 0005 00000007 0002 6869 00000000')).toEqual({
      apiKey: 3,
      apiVersion: 5,
      correlationId: 7,
      clientId: 'hi',
      bodyStart: 12,
    });
  });

  it('reads v2 before flexible versions, the client id still with a classic length', () => {
    expect(header('0003 0009 00000007 ffff 00 00')).toMatchObject({ clientId: null, bodyStart: 11 });
    expect(header('0003 0009 00000007 0000 01 05 01 ff 00')).toMatchObject({ clientId: '', bodyStart: 14 });
  });

  it('reads headers of versions and APIs that are not served', () => {
    expect(header('0012 0063 00000007 0001 61 00')).toMatchObject({
      apiKey: 18,
      apiVersion: 99,
      bodyStart: 12,
    });
    expect(header('03e7 0009 00000007 0001 61')).toMatchObject({ apiKey: 999, apiVersion: 9, bodyStart: 11 });
    expect(header('ffff ffff 00000007 0001 61')).toMatchObject({ apiKey: -1, apiVersion: -1 });
  });

  it.each([
    '',
    '0003',
    '0003 0005 000000',
    '0003 0005 00000007 0002 68',
    '0003 0005 00000007 fffe',
    '0003 0009 00000007 ffff',
  ])('refuses %j', (text) => {
    expect(() => header(text)).toThrow(protocolError);
  });

  it('does not read beyond the end that it was given', () => {
    const bytes = Buffer.from('00030005000000070002686900000000', 'hex');
    expect(() => decodeRequestHeader(bytes, 0, 3)).toThrow(protocolError);
    expect(() => decodeRequestHeader(bytes, 0, 11)).toThrow(protocolError);
  });
});

describe('encodeResponse', () => {
  it('puts length and header before the body', () => {
    expect(hex(encodeResponse(heartbeat, 0, 7, { errorCode: 27 }))).toBe(
      '00000006 00000007 001b'.replaceAll(' ', ''),
    );
    expect(hex(encodeResponse(heartbeat, 4, 7, { errorCode: 27 }))).toBe(
      '0000000c 00000007 00 00000000 001b 00'.replaceAll(' ', ''),
    );
  });

  it('gives responses to ApiVersions the old header in every version', () => {
    expect(hex(encodeResponse(apiVersions, 3, 7, { errorCode: 0, apiKeys: [] }))).toBe(
      '0000000c 00000007 0000 01 00000000 00'.replaceAll(' ', ''),
    );
  });

  it('counts the records into the length, without copying them', () => {
    const records = [Buffer.alloc(100, 1), Buffer.alloc(50, 2)];
    const partition = {
      partitionIndex: 0,
      errorCode: 0,
      highWatermark: 5,
      abortedTransactions: null,
      records,
    };
    const pieces = encodeResponse(fetch, 12, 7, { responses: [{ topic: 't', partitions: [partition] }] });
    expect(pieces).toHaveLength(4);
    expect(pieces.slice(1, 3)).toEqual(records);
    expect(pieces[1]).toBe(records[0]);
    const whole = bytesOf(pieces);
    expect(whole.readInt32BE(0)).toBe(whole.length - 4);
    const { correlationId, response } = decodeResponse(fetch, 12, whole, 4);
    expect(correlationId).toBe(7);
    expect(response.responses[0]?.partitions[0]?.records).toMatchObject({ length: 150 });
  });
});

describe('encodeRequest', () => {
  it('writes a header that decodes to the same', () => {
    for (const version of [5, 9]) {
      const frame = Buffer.concat(
        encodeRequest(metadata, version, { correlationId: -5, clientId: 'client' }, { topics: null }),
      );
      expect(frame.readInt32BE(0)).toBe(frame.length - 4);
      const decoded = decodeRequestHeader(frame, 4, frame.length);
      expect(decoded).toMatchObject({
        apiKey: 3,
        apiVersion: version,
        correlationId: -5,
        clientId: 'client',
      });
      expect(metadata.request.decode(version, frame, decoded.bodyStart).topics).toBeNull();
    }
  });

  it('is what librdkafka sends for all topics, but for three surplus bytes, which are ignored', () => {
    const surplus = Buffer.from('00000000010000', 'hex');
    const { value, end } = metadata.request.decodePrefix(13, surplus, 0, surplus.length);
    expect(value).toMatchObject({ topics: null, allowAutoTopicCreation: false });
    expect(surplus.length - end).toBe(3);
  });
});
