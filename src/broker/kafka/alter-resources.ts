// What AlterConfigs and IncrementalAlterConfigs have in common: which resources there are, and how each is answered. Topics can
// be changed; the broker's settings cannot while it runs, and other resources have none here.
import { ERRORS, type ErrorName } from '../../base/errors.js';
import type { ConfigChange } from '../../config/config-changes.js';
import { topicNameProblem } from '../../config/topic-name.js';
import type { Router } from '../router.js';
import { atATime } from './at-a-time.js';
import { DETAIL_CHARACTERS_MAX, RESOURCES_MAX } from './limits.js';

const TOPIC = 2;
const BROKER = 4;
/** How many the supervisor is asked to change at a time. */
const ALTERED_AT_A_TIME = 100;

interface Refusal {
  readonly error: ErrorName;
  readonly detail: string;
}

export interface AskedResource {
  readonly resourceType: number;
  readonly resourceName: string;
  /** What is wrong with the changes in themselves, or the changes. */
  readonly changes: readonly ConfigChange[] | Refusal;
}

export interface AlteredResource {
  readonly errorCode: number;
  readonly errorMessage: string | null;
  readonly resourceType: number;
  readonly resourceName: string;
}

export interface AlterOptions {
  /** What the changes do not name is set no longer. */
  readonly replaces: boolean;
  readonly validateOnly: boolean;
}

const refuse = (error: ErrorName, detail: string): Refusal => ({ error, detail });

/** Changes as asked for, each with its operation; the first thing that is wrong with them instead, if anything is. */
export function changesOf(
  configs: readonly { readonly name: string; readonly value: string | null }[],
  operationOf: (index: number) => ConfigChange['operation'] | undefined,
): readonly ConfigChange[] | Refusal {
  const changes: ConfigChange[] = [];
  for (const [index, { name, value }] of configs.entries()) {
    const operation = operationOf(index);
    if (operation === undefined)
      return refuse('INVALID_REQUEST', `The operation on ${name} is none of 0 to 3.`);
    if (operation !== 'delete' && value === null)
      return refuse('INVALID_REQUEST', `${name} cannot be set to null.`);
    changes.push({ name, operation, value: value ?? '' });
  }
  if (new Set(changes.map(({ name }) => name)).size < changes.length)
    return refuse('INVALID_REQUEST', 'The same config is named twice.');
  return changes;
}

/** Changes resources, each by itself; `done` gets the answers in their order. May call at once. */
export function alterResources(
  router: Router,
  resources: readonly AskedResource[],
  options: AlterOptions,
  done: (responses: readonly AlteredResource[]) => void,
): void {
  const times = new Map<string, number>();
  const keyOf = ({ resourceType, resourceName }: AskedResource) => `${resourceType}/${resourceName}`;
  for (const resource of resources) times.set(keyOf(resource), (times.get(keyOf(resource)) ?? 0) + 1);
  const responses: AlteredResource[] = new Array(resources.length);
  const alter = (resource: AskedResource, index: number, ended: () => void) => {
    const { resourceType, resourceName, changes } = resource;
    const end = (refusal: Refusal | null) => {
      responses[index] = {
        errorCode: refusal ? ERRORS[refusal.error].code : 0,
        errorMessage: refusal ? refusal.detail.slice(0, DETAIL_CHARACTERS_MAX) : null,
        ...{ resourceType, resourceName },
      };
      ended();
    };
    if (index >= RESOURCES_MAX) {
      end(refuse('POLICY_VIOLATION', `At most ${RESOURCES_MAX} resources at a time.`));
    } else if ((times.get(keyOf(resource)) ?? 0) > 1) {
      end(refuse('INVALID_REQUEST', 'Each resource may be named once.'));
    } else if ('error' in changes) end(changes);
    else if (resourceType === TOPIC) alterTopic(router, resourceName, changes, options, end);
    else if (resourceType === BROKER) end(brokerProblem(router, resourceName, changes));
    else end(refuse('INVALID_REQUEST', `Resources of type ${resourceType} have no settings here.`));
  };
  atATime(resources, ALTERED_AT_A_TIME, alter, () => done(responses));
}

function alterTopic(
  router: Router,
  name: string,
  changes: readonly ConfigChange[],
  { replaces, validateOnly }: AlterOptions,
  end: (refusal: Refusal | null) => void,
): void {
  const problem = topicNameProblem(name);
  if (name === '') end(refuse('INVALID_REQUEST', 'There are no settings of all topics; name one.'));
  else if (problem !== null) end(refuse('INVALID_TOPIC_EXCEPTION', problem));
  else {
    router.ask({ type: 'alter-topic', name, changes, replaces, validateOnly }, (reply) =>
      end(reply.type === 'failed' ? reply : null),
    );
  }
}

/** Nothing of a broker can be changed while it runs; nothing at all is a change that works. */
function brokerProblem({ options }: Router, name: string, changes: readonly ConfigChange[]): Refusal | null {
  if (name !== '' && name !== String(options.brokerId))
    return refuse('INVALID_REQUEST', `This is broker ${options.brokerId}.`);
  if (changes.length === 0) return null;
  const names = changes.map((change) => change.name).join(', ');
  return refuse(
    'INVALID_REQUEST',
    `The settings of a broker cannot be changed while it runs: ${names}. Give them to the broker when it starts.`,
  );
}
