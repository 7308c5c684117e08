/**
 * Checkpoints of transformers' decoder families become GGUF and come back. transformers says what is right: of what
 * llama.cpp answers with our GGUF, and of the safetensors that came back. With GANTRY_LLAMA_CPP (a checkout)
 * llama.cpp's own converter writes its GGUF of the same checkpoints, and the tensors are compared.
 */
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { checkpointToGguf, ggufPieces, ggufToCheckpoint } from '../../../packages/conversion/src/index.ts';
import { createLlamaEngine } from '../../../packages/engines/src/llamacpp/llama-engine.ts';
import { likeliestTokens } from '../../../packages/engines/src/testing/ask-engine.ts';
import { byteCharacters, toTokenizerJson, wholeFile } from '../../../packages/formats/src/index.ts';
import { type Check, askPeer } from '../check.ts';
import { furtherEnvironment } from '../python-environment.ts';

const families = ['llama', 'mistral', 'qwen2', 'mixtral', 'gpt2'] as const;
const tokens = ['<|endoftext|>', ...byteCharacters.slice(33, 128)];
const tokenizer = toTokenizerJson({
  tokens,
  merges: [],
  addedTokens: [{ id: 0, content: '<|endoftext|>', special: true }],
});

export const ggufFamilies: Check = async (world) => {
  const python = await furtherEnvironment(world.python, { file: 'requirements-exporters.txt', over: true });
  const ask = (script: string, env: Readonly<Record<string, string>>): Promise<string> =>
    askPeer({ ...world, python }, script, { DIR: world.dir, ...env });
  await ask('decoder_families.py', { STEP: 'make' });
  for (const family of families) {
    const folder = join(world.dir, family);
    await writeFile(join(folder, 'tokenizer.json'), JSON.stringify(tokenizer));
    const config: unknown = JSON.parse(await readFile(join(folder, 'config.json'), 'utf8'));
    const safetensors = [await readFile(join(folder, 'model.safetensors'))];
    const file = wholeFile(ggufPieces(checkpointToGguf({ safetensors, config, tokenizer, name: family })));
    const modelPath = join(world.dir, `${family}.gguf`);
    await writeFile(modelPath, file);
    const back = ggufToCheckpoint(file);
    const again = join(world.dir, `${family}-back`);
    await mkdir(again);
    await writeFile(join(again, 'config.json'), JSON.stringify(back.config));
    await writeFile(join(again, 'model.safetensors'), wholeFile(back.safetensors));
    await writeFile(join(world.dir, `${family}.answers`), JSON.stringify(await answers(modelPath)));
  }
  return ask('gguf_families.py', { FAMILIES: families.join(' ') });
};

const prompt = [5, 17, 80, 3, 3, 41];

/** Twelve tokens after the prompt, each with what it weighed. */
async function answers(modelPath: string) {
  await using engine = await createLlamaEngine({ modelPath, slots: 1, threads: 1 });
  return { prompt, steps: await likeliestTokens(engine, prompt, 12) };
}
