/**
 * A classifier as one ONNX file for any number of samples: the scaling of the features is inside, so `features` are
 * as they stand in the table (or pixels over 255), and `probabilities` and `logits` come out. `config.json` says what each
 * number of a sample means, and the names of the classes. Trained for eight bits, its large layers multiply integers.
 */
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { quantiseOnnx } from '@gantry/conversion';
import { encodeOnnxModel, type OnnxModel, type OnnxNode, type OnnxTensor } from '@gantry/formats/onnx';
import { classifierGraph, sampleShape, type ClassifierConfig } from '@gantry/training/classifier';
import { writeAside } from '../data/write-aside.ts';
import type { Samples } from './samples.ts';

export async function exportClassifier(
  config: ClassifierConfig,
  samples: Pick<Samples, 'mean' | 'deviation' | 'classes' | 'columns'>,
  parameters: Float32Array,
  outDir: string,
  isInt8: boolean,
): Promise<void> {
  await mkdir(outDir, { recursive: true });
  const floats = encodeOnnxModel(toOnnx(config, samples, parameters));
  await writeAside(join(outDir, 'model.onnx'), isInt8 ? quantiseOnnx(floats, 'int8').file : floats);
  const description = {
    model_type: 'gantry-classifier',
    ...config,
    labels: samples.classes,
    columns: samples.columns,
  };
  await writeAside(join(outDir, 'config.json'), `${JSON.stringify(description, undefined, 2)}\n`);
}

function toOnnx(
  config: ClassifierConfig,
  { mean, deviation }: Pick<Samples, 'mean' | 'deviation'>,
  parameters: Float32Array,
): OnnxModel {
  const graph = classifierGraph(config, 1, 'logits');
  const model = graph.model(false);
  const scaled = 'features/scaled';
  const each = config.input.kind === 'table' ? [mean.length] : [mean.length, 1, 1];
  const constant = (name: string, shape: readonly number[], data: Float32Array): OnnxTensor => ({
    name,
    shape,
    data,
  });
  const nodes = model.nodes.map((node) => ({
    ...node,
    ...standardProduct(node),
    inputs: node.inputs.map((name) => (name === 'features' ? scaled : name)),
    outputs: node.outputs.map((name) => (name === graph.logits ? 'logits' : name)),
  }));
  const plain = { domain: '', attributes: {} };
  return {
    ...model,
    nodes: [
      { ...plain, operator: 'Sub', inputs: ['features', 'features/mean'], outputs: ['features/centred'] },
      { ...plain, operator: 'Div', inputs: ['features/centred', 'features/deviation'], outputs: [scaled] },
      ...nodes,
      {
        operator: 'Softmax',
        domain: '',
        inputs: ['logits'],
        outputs: ['probabilities'],
        attributes: { axis: { int: -1 } },
      },
    ],
    initializers: [
      ...model.initializers,
      constant('features/mean', each, mean),
      constant('features/deviation', each, deviation),
      ...graph.layout.parameters.map(({ name, shape, offset, length }) =>
        constant(name, shape, parameters.slice(offset, offset + length)),
      ),
    ],
    inputs: [{ name: 'features', type: 'float32', shape: ['batch', ...sampleShape(config)] }],
    outputs: ['probabilities', 'logits'].map((name) => ({
      name,
      type: 'float32',
      shape: ['batch', config.classes],
    })),
  };
}

/** Every runtime has the product without ONNX Runtime's additions, and conversions look for it. */
function standardProduct({ operator }: OnnxNode): Partial<OnnxNode> {
  return operator === 'FusedMatMul' ? { operator: 'MatMul', domain: '', attributes: {} } : {};
}
