/** An exported model in our own runtime: weights back in the flat buffer, tokenizer, logits. */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { parseConfigJson, parseSafetensors } from '../../packages/formats/src/index.ts';
import { createModelExecutor } from '../../packages/trainer/src/executor/index.ts';
import {
  fromLlama,
  parameterLayout,
  type ParameterLayout,
  type TransformerConfig,
} from '../../packages/training/src/model/index.ts';

export interface OurModel {
  readonly config: TransformerConfig;
  readonly layout: ParameterLayout;
  readonly parameters: Float32Array;
}

export async function openOurModel(dir: string): Promise<OurModel> {
  const config = fromLlama(parseConfigJson(JSON.parse(await readFile(join(dir, 'config.json'), 'utf8'))));
  const layout = parameterLayout(config);
  const parameters = new Float32Array(layout.length);
  const file = await readFile(join(dir, 'model.safetensors'));
  for (const { name, offset, bytes, dtype } of parseSafetensors(file).tensors) {
    if (dtype !== 'F32') throw new Error(`${name} is ${dtype}; this reads F32`);
    const data = new Float32Array(Uint8Array.from(file.subarray(offset, offset + bytes)).buffer);
    const place = layout.find(name);
    if (!place.isTurned) parameters.set(data, place.offset);
    else {
      const [rows = 0, columns = 0] = place.shape;
      for (let row = 0; row < rows; row += 1)
        for (let column = 0; column < columns; column += 1)
          parameters[place.offset + row * columns + column] = data[column * rows + row] ?? 0;
    }
  }
  return { config, layout, parameters };
}

/** The logits behind each token, computed by the training graph; attention is causal, so padding changes nothing. */
export async function ourLogits(
  { config, parameters }: OurModel,
  tokens: readonly number[],
): Promise<number[][]> {
  const time = Math.ceil(tokens.length / 16) * 16;
  await using executor = await createModelExecutor({
    config,
    sequences: 1,
    time,
    kind: 'logits',
    parameters,
  });
  for (const [index, token] of tokens.entries()) executor.tokens[index] = BigInt(token);
  await executor.run();
  const { vocabularySize } = config;
  return tokens.map((_, at) => [...executor.logits.subarray(at * vocabularySize, (at + 1) * vocabularySize)]);
}
