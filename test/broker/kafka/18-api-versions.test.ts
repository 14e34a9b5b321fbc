import { startBroker, type TestBroker } from 'odradek/testing';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { SERVED } from '../../../src/broker/kafka/served.js';
import { decodeResponse, encodeRequest } from '../../../src/protocol/kafka/headers.js';
import { apiVersions } from '../../../src/protocol/kafka/messages/18-api-versions.js';
import { KafkaConnection } from './kafka-connection.js';
import { versionsOf } from './kafka-scene.js';

const software = { clientSoftwareName: 'a-test', clientSoftwareVersion: '1.0' };

/** The request with another version in its header. */
function inVersion(version: number, as: number): Buffer {
  const header = { correlationId: 35, clientId: 'test' };
  const frame = Buffer.concat(encodeRequest(apiVersions, as, header, software));
  frame.writeInt16BE(version, 6);
  return frame;
}

describe('ApiVersions', () => {
  let broker: TestBroker;
  let connection: KafkaConnection;

  beforeAll(async () => {
    broker = await startBroker({ workers: 1 });
    connection = await KafkaConnection.open(broker.kafka);
  });

  afterAll(async () => {
    await connection.close();
    await broker.close();
  });

  it('lists what is served, in every version', async () => {
    expect(versionsOf(apiVersions)).toEqual([0, 1, 2, 3, 4]);
    const ranges = new Map([
      [0, [0, 13]], // Served from 3 on; old clients conclude from 0 that they may compress.
      [1, [4, 18]],
      [2, [1, 11]],
      [3, [0, 13]],
      [18, [0, 4]],
      [19, [2, 7]],
      [20, [1, 6]],
      [21, [0, 2]],
      [23, [2, 4]],
      [32, [1, 4]],
      [33, [0, 2]],
      [37, [0, 3]],
      [44, [0, 1]],
      [60, [0, 2]],
      [75, [0, 0]],
    ]);
    for (const version of versionsOf(apiVersions)) {
      const answer = await connection.ask(apiVersions, version, software);
      expect(answer, `v${version}`).toMatchObject({
        errorCode: 0,
        throttleTimeMs: 0,
        finalizedFeaturesEpoch: -1,
      });
      const listed = new Map(
        answer.apiKeys.map(({ apiKey, minVersion, maxVersion }) => [apiKey, [minVersion, maxVersion]]),
      );
      expect(listed.size).toBe(SERVED.length);
      for (const [key, range] of ranges) expect(listed.get(key), `API ${key}`).toEqual(range);
      expect([...listed.keys()]).toEqual([...listed.keys()].sort((a, b) => a - b));
    }
  });

  it('answers versions that are not served in version 0, with its own versions only', async () => {
    for (const version of [5, 99, 32_767]) {
      connection.raw([inVersion(version, 4)]);
      const answer = await connection.expect(35);
      expect(answer.toString('hex'), `v${version}`).toBe('00000023' + '0023' + '00000001' + '001200000004');
      expect(decodeResponse(apiVersions, 0, answer).response).toMatchObject({ errorCode: 35 });
    }
    for (const version of [-1, -32_768]) {
      connection.raw([inVersion(version, 2)]);
      expect((await connection.expect(35)).readInt16BE(4), `v${version}`).toBe(35);
    }
    expect(await connection.ask(apiVersions, 4, software)).toMatchObject({ errorCode: 0 });
  });

  it('refuses names of software that look like none', async () => {
    for (const bad of ['', '-', 'a b', '.a', 'a.', 'ü', 'x\ny', `${'a'.repeat(30_000)}!`]) {
      for (const version of [3, 4]) {
        const named = { ...software, clientSoftwareName: bad };
        const versioned = { ...software, clientSoftwareVersion: bad };
        for (const request of [named, versioned]) {
          const answer = await connection.ask(apiVersions, version, request);
          expect(answer, JSON.stringify(bad)).toMatchObject({ errorCode: 42, apiKeys: [] });
        }
      }
    }
    for (const good of ['a', 'A-b.c', 'apache-kafka-java', '2.16.0', 'a'.repeat(30_000)]) {
      const answer = await connection.ask(apiVersions, 3, { ...software, clientSoftwareName: good });
      expect(answer.errorCode, good.slice(0, 20)).toBe(0);
    }
  });
});
