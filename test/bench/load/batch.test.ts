import { describe, expect, it } from 'vitest';
import { buildBatch, buildRecord, produceFrame } from '../../../bench/load/batch.js';
import { pacedRequest } from '../../../bench/load/paced.js';
import { UNANSWERED_MAX } from '../../../bench/load/pacer-data.js';
import { requestOf } from '../../../bench/load/requests.js';
import { REQUEST_HEADER_BYTES_MAX, splitFrame } from '../../../src/protocol/native/frame.js';
import { decodeRequestHeader } from '../../../src/protocol/native/request-header.js';
import { readRecordCount } from '../../../src/record/batch-header.js';

describe('buildBatch', () => {
  it('fills the size as far as whole records do', () => {
    const { bytes, records } = buildBatch(16 * 1024, 1024);
    expect(bytes.length).toBeLessThanOrEqual(16 * 1024);
    expect(bytes.length + 1024 + 16).toBeGreaterThan(16 * 1024);
    expect(records).toBe(15);
    expect(readRecordCount(bytes, 0)).toBe(records);
  });

  it('has one record at least', () => {
    expect(buildBatch(100, 1024).records).toBe(1);
    expect(buildRecord(100).records).toBe(1);
  });
});

describe('produceFrame', () => {
  it('is a whole request for one partition', () => {
    const { bytes } = buildRecord(10);
    const frame = produceFrame({ correlationId: 7, topic: 't', partition: 3 }, bytes);
    const { header, payload } = splitFrame(frame, REQUEST_HEADER_BYTES_MAX);
    expect(payload.equals(bytes)).toBe(true);
    expect(decodeRequestHeader(header)).toEqual({
      correlationId: 7,
      timeoutMs: 0,
      body: {
        type: 'produce',
        acks: 'all',
        partitions: [{ topic: 't', partition: 3, recordsBytes: bytes.length }],
      },
    });
  });
});

describe('requests for a pump', () => {
  it('are all of one size', () => {
    const requests = {
      type: 'requests',
      topic: 't',
      partitions: 6,
      recordBytes: 100,
      connections: 32,
      requests: 1,
      pump: true,
    } as const;
    const paced = {
      type: 'paced',
      topic: 't',
      recordBytes: 1024,
      requestsPerSecond: 1,
      seconds: 1,
      pump: true,
    } as const;
    expect(new Set(Array.from({ length: 32 }, (_, index) => requestOf(requests, index).length)).size).toBe(1);
    expect(
      new Set(Array.from({ length: UNANSWERED_MAX }, (_, slot) => pacedRequest(paced, slot).length)).size,
    ).toBe(1);
  });
});
