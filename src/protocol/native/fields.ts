// What request-header.ts and response-header.ts share: the border between generated protobuf code and plain objects.
// protobufjs reads 64-bit fields as Long objects where the package `long` is installed and as numbers where it is not;
// that is not changed globally, because a process may use protobufjs for purposes of its own.
import { assert } from '../../base/assert.js';
import { ERRORS, errorName, type Failure, OdradekError } from '../../base/errors.js';
import { PRODUCER_EPOCH_MAX, type ProducerIdentity } from '../../record/producer-identity.js';
import type { odradek } from './generated/odradek.js';

/** A 64-bit field as it comes out of protobufjs. */
type LongField = odradek.PartitionDescription['sizeBytes'] | null | undefined;

export function protocolError(message: string, cause?: unknown): OdradekError {
  return new OdradekError('ODR_PROTOCOL', message, { cause });
}

/** The value of a decoded 64-bit field. */
export function int64(value: LongField, field: string): number {
  const number = typeof value === 'number' ? value : (value?.toNumber() ?? 0);
  if (!Number.isSafeInteger(number)) throw protocolError(`${field} is outside the safe integers: ${value}`);
  return number;
}

/** The value of a decoded partition index, broker id or count, which Kafka bounds to an int32 of at least 0. */
export function index(value: number | null | undefined, field: string): number {
  const number = value ?? 0;
  if (number > 0x7fffffff || number < 0) throw protocolError(`${field} is out of range: ${value}`);
  return number;
}

export function encodeProducer({
  producerId,
  producerEpoch,
}: ProducerIdentity): odradek.ProducerIdentity.$Properties {
  return { producerId: safe(producerId), producerEpoch };
}

export function decodeProducer(producer: odradek.ProducerIdentity.$Properties): ProducerIdentity {
  const producerId = int64(producer.producerId, 'producer_id');
  const producerEpoch = producer.producerEpoch ?? 0;
  if (producerId < 0) throw protocolError(`producer_id is out of range: ${producerId}`);
  if (producerEpoch > PRODUCER_EPOCH_MAX)
    throw protocolError(`producer_epoch is out of range: ${producerEpoch}`);
  return { producerId, producerEpoch };
}

/** A 64-bit value on its way out. */
export function safe(value: number): number {
  assert(Number.isSafeInteger(value), `not a safe integer: ${value}`);
  return value;
}

export function encodeFailure(failure: Failure | null): odradek.Error.$Properties | null {
  if (failure === null) return null;
  const { code, retriable, message } = ERRORS[failure.error];
  assert(code !== 0, 'NONE is not an error');
  return { code, name: failure.error, retriable, message: failure.detail ?? message };
}

export function decodeFailure(error: odradek.Error.$Properties | null | undefined): Failure | null {
  if (!error) return null;
  const code = error.code ?? 0;
  if (code === 0) throw protocolError('An error has the code 0.');
  const name = errorName(code);
  const message = error.message || undefined;
  // An error of a newer broker keeps its name, at least for the reader.
  if (name === 'UNKNOWN_SERVER_ERROR' && code !== -1) {
    return {
      error: name,
      detail: `${error.name || `error ${code}`}: ${message ?? 'unknown to this version'}`,
    };
  }
  return { error: name, detail: message };
}

/** Runs generated code on foreign bytes; whatever it throws means that they are not the message. */
export function decodeForeign<Message>(what: string, decode: () => Message): Message {
  try {
    return decode();
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw protocolError(`The ${what} cannot be decoded: ${reason}`, cause);
  }
}
