import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { FormatError } from '../format-error.ts';
import { readTar } from './read-tar.ts';
import { type TarFile, writeTar } from './write-tar.ts';

const limits = { files: 100, bytes: 10_000_000 };
const file = (path: string, body: Uint8Array, isExecutable = false): TarFile => ({
  path,
  bytes: body.length,
  isExecutable,
  async *open() {
    yield body;
  },
});
const pack = async (files: readonly TarFile[]): Promise<Buffer> =>
  Buffer.concat(await Array.fromAsync(writeTar(files)));
/** In chunks of an awkward size, as networks give them. */
async function* chunks(bytes: Uint8Array, size = 700): AsyncIterable<Uint8Array> {
  for (let at = 0; at < bytes.length; at += size) yield bytes.subarray(at, at + size);
}
async function unpack(bytes: Uint8Array, given = limits): Promise<[string, string, boolean][]> {
  const found: [string, string, boolean][] = [];
  for await (const { path, body, isExecutable } of readTar(chunks(bytes), given))
    found.push([path, Buffer.concat(await Array.fromAsync(body)).toString('latin1'), isExecutable]);
  return found;
}
const textOf = (text: string): Uint8Array => Buffer.from(text);

describe('tar', () => {
  it('gives back what was packed, whatever the sizes and names', async () => {
    const part = fc.stringMatching(/^[a-zä0-9_-]{1,60}$/);
    const paths = fc.array(part, { minLength: 1, maxLength: 8 }).map((parts) => parts.join('/'));
    const files = fc.uniqueArray(fc.tuple(paths, fc.uint8Array({ maxLength: 2_000 }), fc.boolean()), {
      selector: ([path]) => path,
      maxLength: 8,
    });
    await fc.assert(
      fc.asyncProperty(files, async (all) => {
        const packed = await pack(all.map(([path, body, isExecutable]) => file(path, body, isExecutable)));
        expect(await unpack(packed)).toEqual(
          all.map(([path, body, isExecutable]) => [path, Buffer.from(body).toString('latin1'), isExecutable]),
        );
      }),
      { seed: 3, numRuns: 60 },
    );
  });

  it('is what the tar of this machine reads and writes', async () => {
    const dir = mkdtempSync(join(tmpdir(), 'gantry-tar-'));
    try {
      const long = `${'a'.repeat(90)}/${'b'.repeat(90)}.txt`;
      writeFileSync(
        join(dir, 'ours.tar'),
        await pack([file(long, textOf('deep')), file('x.sh', textOf('hi'), true)]),
      );
      execFileSync('tar', ['xf', 'ours.tar'], { cwd: dir });
      expect(readFileSync(join(dir, long), 'utf8')).toBe('deep');
      execFileSync('tar', ['--format=pax', '-cf', 'theirs.tar', long, 'x.sh'], { cwd: dir });
      expect(await unpack(readFileSync(join(dir, 'theirs.tar')))).toEqual([
        [long, 'deep', false],
        ['x.sh', 'hi', true],
      ]);
    } finally {
      rmSync(dir, { recursive: true, force: true });
    }
  });

  it.each(['../evil', 'a/../../evil', '/etc/passwd', 'a//b', 'a\\..\\b', '..', 'a/./b'])(
    'refuses the path %j',
    async (path) => {
      await expect(unpack(await pack([file(path, textOf('x'))]))).rejects.toMatchObject({
        code: 'format_invalid',
      });
    },
  );

  it.each(['1', '2', '3', '4', '6', 'L'])('refuses entries of type %j: links and devices', async (type) => {
    const packed = await pack([file('link', textOf(''))]);
    packed.write(type, 156, 'latin1');
    const sum = packed
      .subarray(0, 512)
      .reduce((all, byte, at) => all + (at >= 148 && at < 156 ? 32 : byte), 0);
    packed.write(sum.toString(8).padStart(6, '0'), 148, 'latin1');
    await expect(unpack(packed)).rejects.toMatchObject({ code: 'format_unsupported' });
  });

  it('stops at its limits', async () => {
    const packed = await pack([file('a', new Uint8Array(600)), file('b', new Uint8Array(600))]);
    await expect(unpack(packed, { files: 1, bytes: 10_000 })).rejects.toMatchObject({ code: 'format_limit' });
    await expect(unpack(packed, { files: 10, bytes: 1_000 })).rejects.toMatchObject({ code: 'format_limit' });
  });

  it('says of any damage that it is damage', async () => {
    const packed = await pack([file('a', textOf('hello')), file('b'.repeat(150), textOf('world'))]);
    await fc.assert(
      fc.asyncProperty(
        fc.nat(packed.length - 1),
        fc.nat(255),
        fc.nat(packed.length),
        async (at, byte, end) => {
          const damaged = Buffer.from(packed);
          damaged[at] = byte;
          await unpack(damaged.subarray(0, end)).catch((error: unknown) => {
            expect(error).toBeInstanceOf(FormatError);
          });
        },
      ),
      { seed: 5, numRuns: 300 },
    );
  });

  it('does not pack a file that changed its size', async () => {
    const grown: TarFile = { ...file('a', textOf('longer')), bytes: 3 };
    await expect(pack([grown])).rejects.toThrow('changed while it was packed');
  });
});
