/**
 * A plan as Triton's model repository wants it: `NAME/1/model.plan` and a `config.pbtxt` beside it. Where every tensor's
 * first size is each run's own, that is the batch, which Triton then joins requests along. Pure.
 */
import type { OnnxSignature, OnnxValue } from '@gantry/formats/onnx';

/** TensorProto.DataType → model_config.proto's. */
const dataTypes: Readonly<Record<number, string>> = {
  1: 'TYPE_FP32',
  2: 'TYPE_UINT8',
  3: 'TYPE_INT8',
  6: 'TYPE_INT32',
  7: 'TYPE_INT64',
  9: 'TYPE_BOOL',
  10: 'TYPE_FP16',
  16: 'TYPE_BF16',
};

/** `maxBatch`: the largest first size that the plan was built for. */
export function toTritonConfig(name: string, { inputs, outputs }: OnnxSignature, maxBatch: number): string {
  const isBatched = [...inputs, ...outputs].every(({ shape }) => typeof shape[0] === 'string');
  const tensor = ({ name: own, elementType, shape }: OnnxValue): string => {
    const sizes = (isBatched ? shape.slice(1) : shape).map((size) => (typeof size === 'number' ? size : -1));
    // A scalar for each row is written as one with a single value.
    const dims = sizes.length === 0 ? '[ 1 ]\n    reshape: { shape: [ ] }' : `[ ${sizes.join(', ')} ]`;
    return `  {\n    name: ${JSON.stringify(own)}\n    data_type: ${dataTypes[elementType] ?? 'TYPE_INVALID'}\n    dims: ${dims}\n  }`;
  };
  return [
    `name: ${JSON.stringify(name)}`,
    'platform: "tensorrt_plan"',
    `max_batch_size: ${isBatched ? maxBatch : 0}`,
    `input [\n${inputs.map(tensor).join(',\n')}\n]`,
    `output [\n${outputs.map(tensor).join(',\n')}\n]`,
    ...(isBatched ? ['dynamic_batching { }'] : []),
    '',
  ].join('\n');
}
