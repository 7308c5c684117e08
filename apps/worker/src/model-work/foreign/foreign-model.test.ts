/**
 * Models whose reading runs code: the walls around it, and what comes through them. The interpreters here are small
 * scripts; real PyTorch, TensorFlow and JAX read real files in `npm run test:interop foreign-models`.
 */
import { existsSync } from 'node:fs';
import { chmod, mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { encodeOnnxModel } from '@gantry/formats/onnx';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { convertForeign, isForeign } from './foreign-model.ts';
import { canSandbox, runSandboxed } from './sandbox.ts';

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'gantry-foreign-'));
  await writeFile(join(folder, 'model.pt'), 'a pickle, which nobody here opens');
});
afterAll(() => rm(folder, { recursive: true, force: true }));

const probe = await mkdtemp(join(tmpdir(), 'gantry-probe-'));
const isPossible = canSandbox(probe);
await rm(probe, { recursive: true, force: true });

const toolPath = '/usr/sbin:/usr/bin:/sbin:/bin';

/** A Python of which only the answer matters. `$4` is the wish. */
async function interpreter(script: string): Promise<string> {
  const path = join(folder, `python-${Math.random().toString(36).slice(2)}`);
  await writeFile(path, `#!/bin/sh\n${script}\n`);
  await chmod(path, 0o755);
  return path;
}

const convert = (script: string) =>
  interpreter(script).then((path) =>
    convertForeign({
      path: join(folder, 'model.pt'),
      python: { interpreter: path, opset: 18, inputs: [] },
    }),
  );

it('tells by its name, or by what a folder holds, that a model runs code when it is read', async () => {
  await mkdir(join(folder, 'saved'));
  await writeFile(join(folder, 'saved', 'saved_model.pb'), '');
  expect(await isForeign(join(folder, 'model.pt'))).toBe(true);
  expect(await isForeign(join(folder, 'saved'))).toBe(true);
  expect(await isForeign(folder)).toBe(false);
});

describe.skipIf(!isPossible)('behind the walls', () => {
  it('a program writes nowhere but into its folder, and its processes end with it', async () => {
    const scratch = await mkdtemp(join(folder, 'scratch-'));
    const outside = join(folder, 'outside');
    const script = `exec 2>/dev/null; touch "${outside}"; touch /etc/gantry-was-here; umount -a; mount -o remount,rw /; touch "${outside}"
      (sleep 60; touch "${outside}") & touch inside; echo done >&3`;
    const { answer } = await runSandboxed(scratch, ['/bin/sh', '-c', script], { PATH: toolPath });
    expect(answer).toBe('done\n');
    expect([
      existsSync(join(scratch, 'inside')),
      existsSync(outside),
      existsSync('/etc/gantry-was-here'),
    ]).toEqual([true, false, false]);
  });

  it('a program reaches no network, not even this machine', async () => {
    const server = createServer((socket) => socket.end('hello'));
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const { port } = server.address() as { port: number };
    const call = `fetch('http://127.0.0.1:${port}').then(() => 'in', (e) => e.cause?.code ?? 'out').then((a) => require('fs').writeSync(3, a))`;
    const { answer } = await runSandboxed(folder, [process.execPath, '-e', call], {
      PATH: toolPath,
    });
    server.close();
    expect(answer).not.toBe('in');
    expect(answer).not.toBe('');
  });

  it('a model that was made there is taken, once our own reader finds a graph in it', async () => {
    const onnx = encodeOnnxModel({
      name: 'none',
      opsets: { '': 17 },
      nodes: [],
      initializers: [],
      inputs: [],
      outputs: [],
    });
    await writeFile(join(folder, 'made.onnx'), onnx);
    const made = await convert(
      `cp "${folder}/made.onnx" model.onnx; echo '{"tool":"torch","versions":{"torch":"2.9"}}' >&3`,
    );
    expect(made.steps).toEqual(['export torch to onnx']);
    expect(made.versions).toEqual({ torch: '2.9' });
    expect(made.files[0]?.bytes).toEqual(await readFile(join(folder, 'made.onnx')));
    await expect(convert(`echo junk > model.onnx; echo '{"tool":"torch"}' >&3`)).rejects.toThrow();
  });

  it('what is missing or wrong comes back as a sentence with what to do', async () => {
    await expect(convert(`echo '{"missing":"torch"}' >&3`)).rejects.toMatchObject({
      code: 'not_possible',
      message: expect.stringContaining('has no module torch'),
      hint: expect.stringContaining('pip install torch onnx onnxscript'),
    });
    await expect(convert(`echo '{"problem":"it is empty","hint":"fill it"}' >&3`)).rejects.toMatchObject({
      code: 'data_invalid',
      message: 'it is empty',
      hint: 'fill it',
    });
    await expect(convert(`echo '[half an ans' >&3; exit 3`)).rejects.toThrow('ended with 3');
    await expect(convert('kill -9 $$')).rejects.toThrow('left no model');
    const python = { interpreter: join(folder, 'no-such-python'), opset: 18, inputs: [] };
    await expect(convertForeign({ path: join(folder, 'model.pt'), python })).rejects.toMatchObject({
      hint: expect.stringContaining('interpreter'),
    });
  });
});
