// One table of error codes for both doors. Codes and names are Kafka's (org.apache.kafka.common.protocol.Errors), so that
// a code means the same on either wire. On request paths errors are values of this table, not exceptions.

interface ErrorRow {
  readonly code: number;
  readonly retriable: boolean;
  readonly message: string;
}

const row = (code: number, retriable: boolean, message: string): ErrorRow => ({ code, retriable, message });

export const ERRORS = {
  UNKNOWN_SERVER_ERROR: row(-1, false, 'The broker met an unexpected failure; its log says more.'),
  NONE: row(0, false, ''),
  OFFSET_OUT_OF_RANGE: row(1, false, 'The offset lies outside the range that the partition holds.'),
  CORRUPT_MESSAGE: row(2, true, 'The record batch fails its checksum or its structure is invalid.'),
  UNKNOWN_TOPIC_OR_PARTITION: row(3, true, 'This broker knows no such topic or partition.'),
  LEADER_NOT_AVAILABLE: row(5, true, 'The partition has no leader at the moment.'),
  NOT_LEADER_OR_FOLLOWER: row(
    6,
    true,
    'The partition is not served here at the moment; ask for metadata again.',
  ),
  REQUEST_TIMED_OUT: row(7, true, 'The request was not answered in time; it may have taken effect.'),
  MESSAGE_TOO_LARGE: row(10, false, 'The record batch is larger than max.message.bytes allows.'),
  OFFSET_METADATA_TOO_LARGE: row(12, false, 'The text beside a committed offset is too long.'),
  NETWORK_EXCEPTION: row(13, true, 'The connection was lost before the answer came.'),
  COORDINATOR_LOAD_IN_PROGRESS: row(14, true, 'The coordinator is still reading its log.'),
  COORDINATOR_NOT_AVAILABLE: row(15, true, 'The coordinator is not available at the moment.'),
  NOT_COORDINATOR: row(16, true, 'This broker does not coordinate that group.'),
  INVALID_TOPIC_EXCEPTION: row(17, false, 'The topic name is not valid.'),
  RECORD_LIST_TOO_LARGE: row(18, false, 'The batch is larger than a segment may be.'),
  INVALID_REQUIRED_ACKS: row(21, false, 'acks must be none, leader or all.'),
  ILLEGAL_GENERATION: row(22, false, 'The generation is not the current one of the group.'),
  INCONSISTENT_GROUP_PROTOCOL: row(
    23,
    false,
    'The group is of another type, or shares no protocol with the member.',
  ),
  INVALID_GROUP_ID: row(24, false, 'The group id is empty or not valid.'),
  UNKNOWN_MEMBER_ID: row(25, false, 'The group has no such member.'),
  INVALID_SESSION_TIMEOUT: row(26, false, 'The session timeout is outside what the broker allows.'),
  REBALANCE_IN_PROGRESS: row(27, false, 'The group rebalances: join it again.'),
  INVALID_COMMIT_OFFSET_SIZE: row(28, false, 'The commit is too large for the log.'),
  INVALID_TIMESTAMP: row(32, false, "A record's timestamp is outside what the topic accepts."),
  UNSUPPORTED_VERSION: row(35, false, 'This version of the request is not supported.'),
  TOPIC_ALREADY_EXISTS: row(36, false, 'A topic of this name exists already.'),
  INVALID_PARTITIONS: row(37, false, 'The number of partitions is not valid.'),
  INVALID_REPLICATION_FACTOR: row(
    38,
    false,
    'The replication factor is below 1 or above the number of brokers.',
  ),
  INVALID_REPLICA_ASSIGNMENT: row(
    39,
    false,
    'The assignment of replicas names brokers that cannot hold them.',
  ),
  INVALID_CONFIG: row(40, false, 'A config is unknown or its value is not valid.'),
  INVALID_REQUEST: row(42, false, 'The request is malformed, or makes no sense.'),
  UNSUPPORTED_FOR_MESSAGE_FORMAT: row(43, false, 'The record batch format does not support this request.'),
  POLICY_VIOLATION: row(44, false, 'The request breaks a limit of this broker.'),
  OUT_OF_ORDER_SEQUENCE_NUMBER: row(45, false, 'The sequence number is not the one that follows.'),
  DUPLICATE_SEQUENCE_NUMBER: row(46, false, 'The batch was appended before.'),
  INVALID_PRODUCER_EPOCH: row(47, false, 'A newer instance of this producer has taken over.'),
  KAFKA_STORAGE_ERROR: row(
    56,
    true,
    'The disk of the partition is full or failing; the log of the broker says which. A full one is written to again by itself.',
  ),
  TRANSACTIONAL_ID_AUTHORIZATION_FAILED: row(53, false, 'Transactions are not served.'),
  UNKNOWN_PRODUCER_ID: row(59, false, 'The broker has no state for this producer id.'),
  NON_EMPTY_GROUP: row(68, false, 'The group has members.'),
  GROUP_ID_NOT_FOUND: row(69, false, 'There is no such group.'),
  FETCH_SESSION_ID_NOT_FOUND: row(70, true, 'The broker has no such fetch session.'),
  INVALID_FETCH_SESSION_EPOCH: row(71, true, 'The request is not the next one of its fetch session.'),
  FENCED_LEADER_EPOCH: row(74, true, 'The leader epoch of the request is older than the current one.'),
  UNKNOWN_LEADER_EPOCH: row(75, true, 'The leader epoch of the request is newer than the one known here.'),
  UNSUPPORTED_COMPRESSION_TYPE: row(76, false, 'The compression type is not supported.'),
  MEMBER_ID_REQUIRED: row(79, false, 'Join again with the member id of this answer.'),
  GROUP_MAX_SIZE_REACHED: row(81, false, 'The group has as many members as it may have.'),
  FENCED_INSTANCE_ID: row(82, false, 'Another member has taken the place of this static member.'),
  GROUP_SUBSCRIBED_TO_TOPIC: row(86, false, 'Members of the group read this topic.'),
  INVALID_RECORD: row(87, false, 'The record batch breaks a rule of the format or of the topic.'),
  UNSTABLE_OFFSET_COMMIT: row(88, true, 'Offsets of a transaction that has not ended are in the way.'),
  THROTTLING_QUOTA_EXCEEDED: row(89, true, 'The broker is at its limit; try again later.'),
  UNKNOWN_TOPIC_ID: row(100, true, 'This broker knows no topic with this id.'),
  FETCH_SESSION_TOPIC_ID_ERROR: row(
    106,
    true,
    'A fetch session names its topics by id or by name, not by both.',
  ),
} as const;

export type ErrorName = keyof typeof ERRORS;

const names = new Map<number, ErrorName>(
  Object.entries(ERRORS).map(([name, { code }]) => [code, name as ErrorName]),
);

/** The name of a code, or UNKNOWN_SERVER_ERROR for a code that is not in the table. */
export function errorName(code: number): ErrorName {
  return names.get(code) ?? 'UNKNOWN_SERVER_ERROR';
}

/** An error as a value on a request path. `detail` replaces the table's message. */
export interface Failure {
  readonly error: ErrorName;
  readonly detail?: string | undefined;
}

/** Codes of {@link OdradekError}: `ODR_` and what went wrong on this side, or `ODR_BROKER` for an answer of the broker. */
export type OdradekErrorCode =
  | 'ODR_BROKER'
  | 'ODR_CONNECTION'
  | 'ODR_TIMEOUT'
  | 'ODR_CLOSED'
  | 'ODR_PROTOCOL'
  | 'ODR_CORRUPT'
  | 'ODR_CONFIG'
  | 'ODR_USAGE'
  | 'ODR_START'
  | 'ODR_COMPRESSION'
  | 'ODR_FORMAT';

/** What the library throws. `errorName` is the broker's own error if `code` is `ODR_BROKER`. */
export class OdradekError extends Error {
  override readonly name = 'OdradekError';
  readonly code: OdradekErrorCode;
  /** Whether the same call may succeed later. */
  readonly retriable: boolean;
  readonly errorName: ErrorName | undefined;

  constructor(
    code: OdradekErrorCode,
    message: string,
    options: { retriable?: boolean; errorName?: ErrorName; cause?: unknown } = {},
  ) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.code = code;
    this.retriable = options.retriable ?? false;
    this.errorName = options.errorName;
  }
}

/** The error for an answer of the broker. */
export function brokerError(error: ErrorName, detail?: string): OdradekError {
  const { message, retriable } = ERRORS[error];
  return new OdradekError('ODR_BROKER', `${error}: ${detail || message}`, { errorName: error, retriable });
}
