import { expect, it } from 'vitest';
import { FormatError } from '../format-error.ts';
import { externalPlaces, inlineExternalData } from './external-data.ts';
import { readOnnxGraph } from './onnx-graph.ts';
import { encodeOnnxModel } from './onnx-model.ts';

const beside = (location: string): Uint8Array =>
  encodeOnnxModel({
    name: 'beside',
    opsets: { '': 17 },
    nodes: [],
    initializers: [
      { name: 'w', shape: [2], data: { type: 'float32', location, offset: 4, bytes: 8 } },
      { name: 'here', shape: [1], data: Float32Array.of(7) },
    ],
    inputs: [],
    outputs: [],
  });

it('weights beside a model are found, and come into it', () => {
  const file = beside('weights/model.data');
  expect(externalPlaces(file)).toEqual([{ location: 'weights/model.data', offset: 4, bytes: 8 }]);
  const inlined = inlineExternalData(file, () => new Uint8Array(Float32Array.of(3, 4).buffer));
  expect(externalPlaces(inlined)).toEqual([]);
  expect(readOnnxGraph(inlined).tensors.map(({ values }) => [...(values ?? [])])).toEqual([[3, 4], [7]]);
});

it.each(['../secret', '/etc/passwd', 'a/../../b', '..\\b', 'C:\\b', './a', ''])(
  'a name that leads out of the folder is refused: %s',
  (location) => {
    const opened = (): Uint8Array => expect.fail('it was opened');
    expect(() => inlineExternalData(beside(location), opened)).toThrow(FormatError);
  },
);
