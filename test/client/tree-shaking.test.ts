// What bundlers may leave out: a program that takes a little of the library does not get all of it.
import { fileURLToPath } from 'node:url';
import { rolldown } from 'rolldown';
import { describe, expect, it } from 'vitest';

const library = fileURLToPath(new URL('../../dist/src/client/index.js', import.meta.url));

async function bundle(program: string): Promise<string> {
  const build = await rolldown({
    input: 'program',
    platform: 'node',
    external: [/^node:/, /^protobufjs/, /^@/, 'snappy', 'lz4-napi'],
    plugins: [
      {
        name: 'program',
        resolveId: (id) => (id === 'program' ? id : id === 'odradek' ? library : null),
        load: (id) => (id === 'program' ? program : null),
      },
    ],
  });
  const { output } = await build.generate({});
  return output[0].code;
}

describe('A bundle', () => {
  it('of a format alone has no sockets and no protocol', async () => {
    const code = await bundle("import { json } from 'odradek'; console.log(json().encode([1]));");
    expect(code).toContain('JSON.stringify');
    expect(code).not.toMatch(/node:net|protobufjs|class Client/);
    expect(code.length).toBeLessThan(5000);
  });

  it('of nothing is empty: the library does nothing when it is loaded', async () => {
    expect((await bundle("import 'odradek';")).trim()).toBe('export {};');
  });
});
