import { Message } from './message.js';
import type { Fields } from './schema.js';
import type { VersionRangeText } from './version-range.js';

export interface ApiOptions<
  Key extends number,
  Name extends string,
  Request extends Fields,
  Response extends Fields,
> {
  readonly key: Key;
  /** Kafka's name, without "Request" and "Response". */
  readonly name: Name;
  /** Versions that are served. */
  readonly versions: VersionRangeText;
  readonly flexible: VersionRangeText | null;
  /** The lowest version that ApiVersions lists, where it is not the lowest that is served. */
  readonly advertisedFirst?: number;
  readonly request: Request;
  readonly response: Response;
}

/** One of Kafka's APIs: its key and the tables of its request and its response. */
export class Api<
  Request extends Fields = Fields,
  Response extends Fields = Fields,
  Key extends number = number,
  Name extends string = string,
> {
  readonly key: Key;
  readonly name: Name;
  readonly request: Message<Request>;
  readonly response: Message<Response>;
  /** What ApiVersions lists. */
  readonly advertised: { readonly first: number; readonly last: number };

  constructor({
    key,
    name,
    versions,
    flexible,
    advertisedFirst,
    request,
    response,
  }: ApiOptions<Key, Name, Request, Response>) {
    this.key = key;
    this.name = name;
    this.request = new Message({ name: `${name}Request`, versions, flexible }, request);
    this.response = new Message({ name: `${name}Response`, versions, flexible }, response);
    const { first, last } = this.request.versions;
    this.advertised = { first: advertisedFirst ?? first, last };
  }

  serves(version: number): boolean {
    return version >= this.request.versions.first && version <= this.request.versions.last;
  }
}
