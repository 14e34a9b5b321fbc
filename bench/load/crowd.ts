// Many connections to Kafka's door with which nothing happens, beside which others are measured.

import { fetch } from '../../src/protocol/kafka/messages/01-fetch.js';
import { apiVersions } from '../../src/protocol/kafka/messages/18-api-versions.js';
import type { CrowdJob, LoadResult } from '../job.js';
import { expectNone } from './group-members.js';
import { KafkaConnection, requestFrame } from './kafka-connection.js';
import { measured } from './measured.js';

const API_VERSIONS_VERSION = 3;
const FETCH_VERSION = 12;
/** Longer than any turn. */
const PARKED_MS = 900_000;
const FETCH_BYTES = 1024 * 1024;
const OPENED_AT_A_TIME = 50;

export interface CrowdPorts {
  /** All are connected, and their fetches sent. */
  readonly ready: () => void;
  /** When to end. */
  readonly until: Promise<void>;
}

/**
 * Opens the connections, has each ask what a client asks first, and keeps them. With a topic each has a fetch of its partition 0
 * that waits for a record. Fails if a connection ends, or an answer comes that should not.
 */
export function crowd(job: CrowdJob, { ready, until }: CrowdPorts): Promise<LoadResult> {
  return measured(async () => {
    const connections: KafkaConnection[] = [];
    for (let left = job.connections; left > 0; left -= OPENED_AT_A_TIME) {
      const some = Array.from({ length: Math.min(left, OPENED_AT_A_TIME) }, () => openOne(job.port));
      connections.push(...(await Promise.all(some)));
    }
    const broken = new Promise<never>((_, reject) => {
      for (const connection of connections)
        connection.listen(() => reject(new Error('An answer came that should not.')), reject);
    });
    if (job.parkedAt !== null) {
      const frame = parkedFetch(job.parkedAt);
      for (const connection of connections) connection.send(frame);
    }
    ready();
    await Promise.race([until, broken]);
    for (const connection of connections) connection.close();
    return { bytes: 0, records: 0 };
  });
}

async function openOne(port: number): Promise<KafkaConnection> {
  const connection = await KafkaConnection.open(port);
  const { errorCode } = await connection.ask(apiVersions, API_VERSIONS_VERSION, {
    clientSoftwareName: 'odradek-bench',
    clientSoftwareVersion: '1',
  });
  expectNone('ApiVersions', errorCode);
  return connection;
}

const parkedFetch = (topic: string): Buffer =>
  requestFrame(fetch, FETCH_VERSION, {
    maxWaitMs: PARKED_MS,
    minBytes: 1,
    topics: [{ topic, partitions: [{ partition: 0, fetchOffset: 0, partitionMaxBytes: FETCH_BYTES }] }],
  });
