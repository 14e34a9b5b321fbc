import { array, int8, string } from '../schema.js';
import { errorCode } from './common.js';

/** What AlterConfigs and IncrementalAlterConfigs answer. */
export const alteredResources = array('What became of each resource.', {
  errorCode,
  errorMessage: string('What is wrong, or null.', { nullable: true }),
  resourceType: int8('As in the request.'),
  resourceName: string('As in the request.'),
});
