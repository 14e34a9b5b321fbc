// ListGroups: all groups, or those in some states (v4, KIP-518) and of some types (v5, KIP-848).
import { ERRORS } from '../../base/errors.js';
import { listGroups } from '../../protocol/kafka/messages/16-list-groups.js';
import { coordinate } from '../coordinate.js';
import { serveAtOnce } from './context.js';
import { refuseTooMany } from './limits.js';

/** States or types that are asked for: there are far fewer. */
const FILTERS_MAX = 1000;

export const serveListGroups = serveAtOnce(listGroups, ({ router, body }, answer) => {
  refuseTooMany(body.statesFilter, FILTERS_MAX, 'states');
  refuseTooMany(body.typesFilter, FILTERS_MAX, 'types');
  coordinate(router, { type: 'list', states: body.statesFilter, types: body.typesFilter }, (listed) => {
    const groups = listed.type === 'listed' ? listed.groups : [];
    answer.reply({
      errorCode: ERRORS[listed.error].code,
      groups: groups.map(({ groupId, protocolType, state, groupType }) => ({
        groupId,
        protocolType,
        groupState: state,
        groupType,
      })),
    });
  });
});
