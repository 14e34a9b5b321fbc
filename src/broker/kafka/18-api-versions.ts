// ApiVersions: lists what is served. Version 3 and later name the client's software, which must look like a name (KIP-511).
import { ERRORS } from '../../base/errors.js';
import { apiVersions } from '../../protocol/kafka/messages/18-api-versions.js';
import { serveAtOnce } from './context.js';

const SOFTWARE = /^[a-zA-Z0-9](?:[a-zA-Z0-9\-.]*[a-zA-Z0-9])?$/;

const range = ({ key, advertised }: { key: number; advertised: { first: number; last: number } }) => ({
  apiKey: key,
  minVersion: advertised.first,
  maxVersion: advertised.last,
});

/** The answer to a version that is not served: the client tries again with what it finds here. */
export const unsupportedApiVersions = {
  errorCode: ERRORS.UNSUPPORTED_VERSION.code,
  apiKeys: [range(apiVersions)],
};

export const serveApiVersions = serveAtOnce(
  apiVersions,
  ({ version, body, router, connection, clientId, served }, answer) => {
    const { clientSoftwareName: name, clientSoftwareVersion: software } = body;
    if (version >= 3 && !(SOFTWARE.test(name) && SOFTWARE.test(software))) {
      answer.reply({ errorCode: ERRORS.INVALID_REQUEST.code, apiKeys: [] });
      return;
    }
    router.options.logger.debug('client connected', {
      client: connection.remoteAddress,
      software: version >= 3 ? `${name}/${software}`.slice(0, 100) : undefined,
      clientId: clientId?.slice(0, 100),
    });
    answer.reply({ errorCode: 0, apiKeys: served.map(({ api }) => range(api)) });
  },
);
