// ApiVersions: what the broker speaks.
//
// v3 flexible, names of client software (KIP-511), features (KIP-584); v4 features that begin at version 0 too (KIP-1022).
// The answer always has a response header of v0. A request of a later version is answered in v0 with UNSUPPORTED_VERSION and
// the entry of this API alone.
import { Api } from '../api.js';
import type { Decoded, Encodable } from '../message.js';
import { array, boolean, int16, int32, int64, string } from '../schema.js';
import { errorCode } from './common.js';

export const apiVersions = new Api({
  key: 18,
  name: 'ApiVersions',
  versions: '0-4',
  flexible: '3+',
  request: {
    clientSoftwareName: string('Name of the client software.', { versions: '3+' }),
    clientSoftwareVersion: string('Version of the client software.', { versions: '3+' }),
  },
  response: {
    errorCode,
    apiKeys: array('The APIs.', {
      apiKey: int16('Key of the API.'),
      minVersion: int16('Lowest version.'),
      maxVersion: int16('Highest version.'),
    }),
    throttleTimeMs: int32('How long the client is held back.', { versions: '1+', default: 0 }),
    supportedFeatures: array(
      'Features that this broker can do.',
      {
        name: string('Name of the feature.'),
        minVersion: int16('Lowest version.'),
        maxVersion: int16('Highest version.'),
      },
      { versions: '3+', tag: 0 },
    ),
    finalizedFeaturesEpoch: int64('Rises with each change of the features in use; -1 if unknown.', {
      versions: '3+',
      tag: 1,
      default: -1,
    }),
    finalizedFeatures: array(
      'Features in use in the cluster.',
      {
        name: string('Name of the feature.'),
        maxVersionLevel: int16('Highest version in use.'),
        minVersionLevel: int16('Lowest version in use.'),
      },
      { versions: '3+', tag: 2 },
    ),
    zkMigrationReady: boolean('Always false: there is no ZooKeeper to migrate from.', {
      versions: '3+',
      tag: 3,
      default: false,
    }),
  },
});

export type ApiVersionsRequest = Decoded<typeof apiVersions.request>;
export type ApiVersionsResponse = Encodable<typeof apiVersions.response>;
