import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { encodeOnnxModel } from '@gantry/formats/onnx';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { inspectModelFile } from './inspect-model.ts';

let dir: string;
beforeAll(() => {
  dir = mkdtempSync(join(tmpdir(), 'gantry-inspect-'));
});
afterAll(() => rmSync(dir, { recursive: true, force: true }));
const inspect = (name: string, bytes: Uint8Array | string): Promise<void> => {
  writeFileSync(join(dir, name), bytes);
  return inspectModelFile(join(dir, name));
};
const safetensors = (header: string, dataBytes = 0): Uint8Array => {
  const text = Buffer.from(header);
  const length = Buffer.alloc(8);
  length.writeBigUInt64LE(BigInt(text.length));
  return Buffer.concat([length, text, Buffer.alloc(dataBytes)]);
};
const onnx = encodeOnnxModel({
  name: 'none',
  opsets: { '': 17 },
  nodes: [],
  initializers: [],
  inputs: [],
  outputs: [],
});

describe('a model file', () => {
  it('that is what its name says passes, whatever else lies beside it', async () => {
    const header = '{"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}}';
    await inspect('good.safetensors', safetensors(header, 8));
    await inspect('good.onnx', onnx);
    await inspect('readme.md', 'words');
  });

  it.each([
    ['junk.gguf', 'garbage'],
    ['no-version.gguf', 'GGUFGGUF'],
    ['empty.gguf', ''],
    ['junk.safetensors', 'junk'],
    ['cut.safetensors', safetensors('{"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}}', 4)],
    ['huge.safetensors', new Uint8Array([255, 255, 255, 255, 255, 255, 255, 127, 123])],
    ['junk.onnx', 'zz'],
    ['empty.onnx', ''],
  ])('that is not (%s) is refused with what is wrong', async (name, bytes) => {
    await expect(inspect(name, bytes)).rejects.toMatchObject({
      code: 'data_invalid',
      message: expect.stringContaining(name),
      hint: expect.any(String),
    });
  });
});
