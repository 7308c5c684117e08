/** A Hugging Face checkpoint of a decoder → ONNX with keys and values. */
import { FormatError } from '@gantry/formats';
import { type OnnxFiles, type OnnxModel, splitOnnxModel } from '@gantry/formats/onnx';
import type { Json } from './config-count.ts';
import type { DecoderForm } from './decoder-form.ts';
import { decoderOnnx } from './decoder-onnx.ts';
import { gpt2Form } from './gpt2-family.ts';
import { llamaFamilies, llamaFamilyForm, type LlamaFamily } from './llama-family.ts';
import { type FileBytes, safetensorsSource, type WeightSource } from './weight-source.ts';

export type Checkpoint = {
  /** `config.json`, parsed. */
  readonly config: unknown;
} & (
  | {
      /** One file, or the shards of one model. */
      readonly safetensors: readonly (FileBytes | Uint8Array)[];
    }
  | {
      /** Tensors under their Hugging Face names, wherever they lie. */
      readonly source: WeightSource;
    }
);

/** One file where the weights fit into it; else they lie in `dataName` beside it. */
export function checkpointToOnnx(
  checkpoint: Checkpoint,
  dataName: string,
  mostInlineBytes?: number,
): OnnxFiles {
  return splitOnnxModel(modelOf(checkpoint), dataName, mostInlineBytes);
}

function modelOf({ config, ...weights }: Checkpoint): OnnxModel {
  if (typeof config !== 'object' || config === null || Array.isArray(config))
    throw new FormatError('format_invalid', 'config.json is not an object.');
  const json = config as Json;
  const source = 'source' in weights ? weights.source : safetensorsSource(weights.safetensors);
  return decoderOnnx(formOf(json, source));
}

function formOf(json: Json, source: WeightSource): DecoderForm {
  const family = json['model_type'];
  if (family === 'gpt2') return gpt2Form(json, source);
  if (typeof family === 'string' && Object.hasOwn(llamaFamilies, family))
    return llamaFamilyForm(family as LlamaFamily, json, source);
  throw new FormatError(
    'format_unsupported',
    `config.json describes a ${JSON.stringify(family)} model.`,
    `${[...Object.keys(llamaFamilies), 'gpt2'].join(', ')} become ONNX here; others by a Python: gantry model convert model.py`,
  );
}
