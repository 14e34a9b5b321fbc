// What a person can do about an error: one sentence for each code, and better ones for what a broker says often.
import type { ErrorName, OdradekError, OdradekErrorCode } from '../base/errors.js';

const BY_CODE: Readonly<Record<Exclude<OdradekErrorCode, 'ODR_BROKER'>, string>> = {
  ODR_CONNECTION:
    'Check that a broker runs at that address and that it is the port of the native listener, 9091 by default.',
  ODR_TIMEOUT:
    'Look whether the broker is overloaded or its disk stalls; a longer timeout helps only if it is neither.',
  ODR_CLOSED: 'It was closed or given up here: make a new one if there is more to do.',
  ODR_PROTOCOL:
    'Check that the address is that of a native listener, and that client and broker are of versions that fit.',
  ODR_CORRUPT:
    "The stored bytes are damaged: look into the broker's log, and seek behind the batch to go on.",
  ODR_CONFIG: 'Correct the setting that the message names; docs/configuration.md has them all.',
  ODR_USAGE: 'Correct the call: the message says what is wrong with it.',
  ODR_START: 'Correct what the message names and start again.',
  ODR_COMPRESSION: 'Choose a codec that this machine has: none and gzip are always there.',
  ODR_FORMAT:
    'Send what the format takes; a consumer goes on behind the message after a seek(), as its error says.',
};

const BY_NAME: Partial<Readonly<Record<ErrorName, string>>> = {
  OFFSET_OUT_OF_RANGE: 'Choose with `onOutOfRange` where to go on, or seek to an offset that is still there.',
  UNKNOWN_TOPIC_OR_PARTITION:
    'Create the topic with admin().createTopic(), or correct its name; brokers create topics at their first use only if auto.create.topics.enable is on.',
  MESSAGE_TOO_LARGE:
    "Send smaller messages, lower the producer's batchBytes, or raise the topic's max.message.bytes.",
  RECORD_LIST_TOO_LARGE: "Lower the producer's batchBytes, or raise the topic's segment.bytes.",
  INVALID_TOPIC_EXCEPTION: 'Use up to 249 letters, digits, dots, underscores and hyphens in a topic name.',
  TOPIC_ALREADY_EXISTS: 'Go on if the topic is the one you need: another has created it.',
  INVALID_TIMESTAMP: "Give messages a time that the topic's message.timestamp settings accept, or none.",
  INVALID_RECORD: 'Give every message a key: topics that are compacted need one.',
  INVALID_CONFIG: 'Correct the setting that the message names; docs/configuration.md has them all.',
  INVALID_PRODUCER_EPOCH: 'Make a new producer: another one has taken the identity of this one.',
  KAFKA_STORAGE_ERROR: "Look into the broker's log: its disk is full, read-only or failing.",
  UNSUPPORTED_VERSION: 'Update the older one of client and broker.',
  UNKNOWN_SERVER_ERROR: "Look into the broker's log, and report what you find there.",
};

/**
 * One sentence on what to do about an error, for the person who reads the log.
 *
 * @example
 * if (error instanceof OdradekError) console.error(error.message, adviceFor(error));
 */
export function adviceFor({ code, errorName, retriable }: OdradekError): string {
  if (code !== 'ODR_BROKER') return BY_CODE[code];
  const advice = errorName && BY_NAME[errorName];
  if (advice) return advice;
  return retriable
    ? 'It passes as a rule: try again, and look into the log of the broker if it does not.'
    : 'Correct the request: the same one will be refused again.';
}
