import { describe, expect, it } from 'vitest';
import { engineFiles } from './engine-files.ts';

const version = (...paths: string[]) => ({
  files: paths.map((path) => ({ path, bytes: 1, digest: path })),
});
const trained = ['config.json', 'tokenizer.json', 'model.safetensors', 'model.gguf'];

describe('engineFiles', () => {
  it.each([
    ['a GGUF before anything else', trained, undefined, { engine: 'llm', main: 'model.gguf' }],
    [
      'an ONNX model with all beside it',
      ['m.onnx', 'm.onnx.data'],
      undefined,
      { engine: 'tensor', main: 'm.onnx' },
    ],
    [
      'an ensemble before its models',
      ['a.onnx', 'ensemble.json'],
      undefined,
      { engine: 'tensor', main: 'ensemble.json' },
    ],
    [
      'safetensors where there is nothing else',
      trained.slice(0, 3),
      undefined,
      { decoder: 'paged', main: 'model.safetensors' },
    ],
    [
      'safetensors where they are asked for',
      trained,
      'paged',
      { decoder: 'paged', main: 'model.safetensors' },
    ],
  ] as const)('takes %s', (_name, paths, decoder, expected) => {
    expect(engineFiles(version(...paths), decoder)).toMatchObject(expected);
  });

  it('leaves the GGUF out of what the paged decoder needs beside each other', () => {
    expect(engineFiles(version(...trained), 'paged')?.files.map(({ path }) => path)).toEqual(
      trained.slice(0, 3),
    );
  });

  it.each([
    ['weights without their tokenizer', ['config.json', 'model.safetensors'], undefined],
    ['no GGUF for llama.cpp', trained.slice(0, 3), 'llama.cpp'],
    ['an adapter folder deeper down', ['a/model.safetensors', 'config.json', 'tokenizer.json'], undefined],
  ] as const)('knows nothing to do with %s', (_name, paths, decoder) => {
    expect(engineFiles(version(...paths), decoder)).toBeUndefined();
  });
});
