// AlterConfigs: what is not named goes back to its default (KIP-133).
import { alterConfigs } from '../../protocol/kafka/messages/33-alter-configs.js';
import { alterResources, changesOf } from './alter-resources.js';
import { serveAtOnce } from './context.js';

export const serveAlterConfigs = serveAtOnce(alterConfigs, ({ router, body }, answer) => {
  const resources = body.resources.map(({ resourceType, resourceName, configs }) => ({
    ...{ resourceType, resourceName },
    changes: changesOf(configs, () => 'set'),
  }));
  const options = { replaces: true, validateOnly: body.validateOnly };
  alterResources(router, resources, options, (responses) => answer.reply({ responses }));
});
