// What stands before every request and every response.
//
//   frame               int32 length | header | body
//   request header v1   int16 api key | int16 version | int32 correlation id | nullable string client id
//                  v2   the same, then a tag buffer; the client id stays as it was
//   response header v0  int32 correlation id
//                   v1  the same, then a tag buffer
//
// Flexible versions of a request have header v2, their responses v1; but a response to ApiVersions always has v0, so that a
// client can read it before it knows anything. Source: KIP-482, KIP-511.
import { OdradekError } from '../../base/errors.js';
import type { Piece } from '../../base/piece.js';
import type { Api } from './api.js';
import { findApi } from './apis.js';
import { encoding } from './encoding.js';
import { Message } from './message.js';
import { apiVersions } from './messages/18-api-versions.js';
import type { DecodedFields, EncodableFields, Fields } from './schema.js';
import { int16, int32, string } from './schema.js';

/** Bytes of the length of a frame, which it does not count. */
export const FRAME_LENGTH_BYTES = 4;

const requestHeader = new Message(
  { name: 'RequestHeader', versions: '1-2', flexible: '2+' },
  {
    requestApiKey: int16('Key of the API.'),
    requestApiVersion: int16('Version of the request.'),
    correlationId: int32('Comes back in the response.'),
    clientId: string('Name that the client gave itself, or null.', { nullable: true, inflexible: true }),
  },
);

const responseHeader = new Message(
  { name: 'ResponseHeader', versions: '0-1', flexible: '1+' },
  { correlationId: int32('That of the request.') },
);

/** The tables, for tests. */
export const HEADERS = [requestHeader, responseHeader] as const;

export interface RequestHeader {
  readonly apiKey: number;
  readonly apiVersion: number;
  readonly correlationId: number;
  readonly clientId: string | null;
  /** Where the body begins in the buffer that was decoded. */
  readonly bodyStart: number;
}

function responseHeaderVersion(api: Api, version: number): number {
  return api.key !== apiVersions.key && api.response.isFlexible(version) ? 1 : 0;
}

/**
 * The header of the request in [start, end), the frame's length being left out. It is decoded whether the version is served
 * or not. Of an API that is not in apis.ts it is read as v1.
 *
 * @throws OdradekError ODR_PROTOCOL if the bytes are no header
 */
export function decodeRequestHeader(bytes: Buffer, start: number, end: number): RequestHeader {
  if (end - start < 4)
    throw new OdradekError('ODR_PROTOCOL', `A request of ${end - start} bytes has no header.`);
  const flexible = findApi(bytes.readInt16BE(start))?.request.isFlexible(bytes.readInt16BE(start + 2));
  const { value, end: bodyStart } = requestHeader.decodePrefix(flexible ? 2 : 1, bytes, start, end);
  const { requestApiKey, requestApiVersion, correlationId, clientId } = value;
  return { apiKey: requestApiKey, apiVersion: requestApiVersion, correlationId, clientId, bodyStart };
}

/**
 * A whole response with its length, as pieces to be sent one after the other; the records among them are not copied.
 *
 * @throws as Message.encode
 */
export function encodeResponse<Response extends Fields>(
  api: Api<Fields, Response>,
  version: number,
  correlationId: number,
  response: EncodableFields<Response>,
): Piece[] {
  encoding.begin();
  const headerVersion = responseHeaderVersion(api, version);
  const body = responseHeader.write(headerVersion, { correlationId }, FRAME_LENGTH_BYTES);
  const end = api.response.write(version, response, body);
  encoding.frame(end);
  return encoding.take(end);
}

/** A whole request with its length, as pieces; for clients and tests. */
export function encodeRequest<Request extends Fields>(
  api: Api<Request>,
  version: number,
  header: { readonly correlationId: number; readonly clientId: string | null },
  request: EncodableFields<Request>,
): Uint8Array[] {
  encoding.begin();
  const fields = { requestApiKey: api.key, requestApiVersion: version, ...header };
  const body = requestHeader.write(api.request.isFlexible(version) ? 2 : 1, fields, FRAME_LENGTH_BYTES);
  const end = api.request.write(version, request, body);
  encoding.frame(end);
  return encoding.takeBytes(end);
}

/** The response in [start, end), the frame's length being left out; for clients and tests. */
export function decodeResponse<Response extends Fields>(
  api: Api<Fields, Response>,
  version: number,
  bytes: Buffer,
  start = 0,
  end = bytes.length,
): { correlationId: number; response: DecodedFields<Response>; end: number } {
  const header = responseHeader.decodePrefix(responseHeaderVersion(api, version), bytes, start, end);
  const body = api.response.decodePrefix(version, bytes, header.end, end);
  return { correlationId: header.value.correlationId, response: body.value, end: body.end };
}
