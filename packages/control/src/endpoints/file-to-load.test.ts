import { expect, it } from 'vitest';
import { fileToLoad } from './file-to-load.ts';

it.each<[string, readonly string[], string | undefined]>([
  ['the GGUF that lies beside safetensors', ['config.json', 'model.gguf', 'model.safetensors'], 'model.gguf'],
  ['an ONNX file before its weights', ['weights.bin', 'deep/model.onnx'], 'deep/model.onnx'],
  ["Triton's plan", ['scorer/config.pbtxt', 'scorer/1/model.plan'], 'scorer/1/model.plan'],
  ['the only one', ['model.bin'], 'model.bin'],
  ['none of a folder of safetensors', ['config.json', 'model.safetensors'], undefined],
])('a server of one file loads %s', (_which, paths, file) => {
  expect(fileToLoad(paths)).toBe(file);
});
