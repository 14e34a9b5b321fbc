// IncrementalAlterConfigs: what is not named stays as it is (KIP-339).
import type { ConfigChange } from '../../config/config-changes.js';
import { incrementalAlterConfigs } from '../../protocol/kafka/messages/44-incremental-alter-configs.js';
import { alterResources, changesOf } from './alter-resources.js';
import { serveAtOnce } from './context.js';

const OPERATIONS: readonly ConfigChange['operation'][] = ['set', 'delete', 'append', 'subtract'];

export const serveIncrementalAlterConfigs = serveAtOnce(
  incrementalAlterConfigs,
  ({ router, body }, answer) => {
    const resources = body.resources.map(({ resourceType, resourceName, configs }) => ({
      ...{ resourceType, resourceName },
      changes: changesOf(configs, (index) => OPERATIONS[configs[index]?.configOperation ?? -1]),
    }));
    const options = { replaces: false, validateOnly: body.validateOnly };
    alterResources(router, resources, options, (responses) => answer.reply({ responses }));
  },
);
