import { describe, expect, expectTypeOf, it } from 'vitest';
import type { TopicId } from '../../../src/base/ids.js';
import { type Decoded, type Encodable, Message } from '../../../src/protocol/kafka/message.js';
import {
  array,
  boolean,
  bytes,
  type Fields,
  int32,
  list,
  type RecordsInput,
  type RecordsSlice,
  records,
  string,
  struct,
  topicId,
} from '../../../src/protocol/kafka/schema.js';

const sample = new Message(
  { name: 'Sample', versions: '0-3', flexible: '2+' },
  {
    id: int32('Id.'),
    name: string('Name.', { nullable: '1+' }),
    flag: boolean('Flag.', { default: true }),
    topic: topicId('Topic.', { versions: '2+' }),
    blob: bytes('Blob.'),
    batches: records('Batches.', { nullable: true }),
    numbers: list(int32('Numbers.')),
    items: array('Items.', { value: string('Value.', { default: '' }) }, { versions: '1+', default: [] }),
    place: struct('Place.', { x: int32('X.') }, { versions: '3+', tag: 0 }),
  },
);

describe('types of a message', () => {
  it('have every field when decoded', () => {
    expectTypeOf<Decoded<typeof sample>>().toEqualTypeOf<{
      readonly id: number;
      readonly name: string | null;
      readonly flag: boolean;
      readonly topic: TopicId;
      readonly blob: Buffer;
      readonly batches: RecordsSlice | null;
      readonly numbers: readonly number[];
      readonly items: readonly { readonly value: string }[];
      readonly place: { readonly x: number };
    }>();
  });

  it('may lack fields with a default, and those of some versions, when encoded', () => {
    expectTypeOf<Encodable<typeof sample>>().toEqualTypeOf<{
      readonly id: number;
      readonly name: string | null;
      readonly blob: Uint8Array;
      readonly batches: RecordsInput | null;
      readonly numbers: readonly number[];
      readonly flag?: boolean | undefined;
      readonly topic?: TopicId | undefined;
      readonly items?: readonly { readonly value?: string | undefined }[] | undefined;
      readonly place?: { readonly x: number } | undefined;
    }>();
  });

  it('let what was decoded be encoded again', () => {
    expectTypeOf<Decoded<typeof sample>>().toExtend<Encodable<typeof sample>>();
  });
});

describe('tables', () => {
  it('have names that can stand in a program', () => {
    const tables: Fields[] = [
      { 'a b': int32('Number.') },
      { __proto: int32('Number.') },
      { items: array('Items.', { 'a;b': int32('Number.') }) },
      { '': int32('Number.') },
    ];
    for (const table of tables) {
      const message = new Message({ name: 'M', versions: '0', flexible: null }, table);
      expect(() => message.decode(0, Buffer.alloc(99))).toThrow('not the name of a field');
    }
  });

  it('have no two fields with the same tag', () => {
    const message = new Message(
      { name: 'M', versions: '0', flexible: '0+' },
      { a: int32('A.', { tag: 1 }), b: int32('B.', { tag: 1 }) },
    );
    expect(() => message.layout(0)).toThrow('a tag is used once');
  });

  it('have tagged fields in flexible versions only', () => {
    const message = new Message({ name: 'M', versions: '0', flexible: null }, { a: int32('A.', { tag: 1 }) });
    expect(() => message.layout(0)).toThrow('flexible versions only');
  });

  it('have no tagged records, which could not be sent uncopied', () => {
    const message = new Message(
      { name: 'M', versions: '0', flexible: '0+' },
      { a: struct('A.', { inner: records('B.') }, { tag: 1 }) },
    );
    expect(() => message.layout(0)).toThrow('records are not tagged');
  });
});
