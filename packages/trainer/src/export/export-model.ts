/**
 * One set of weights in the forms others open: Hugging Face safetensors with config and tokenizer, and a
 * GGUF for llama.cpp. Each file is written aside, fsynced and renamed; the digests let a registry adopt it.
 */
import { createHash } from 'node:crypto';
import { mkdir, open, rename, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import {
  layoutGguf,
  layoutSafetensors,
  llamaGgufMetadata,
  llamaTensors,
  toConfigJson,
  toInterleavedRotary,
  type LlamaConfig,
} from '@gantry/formats';
import type { Tokenizer } from '@gantry/training/tokenizer';

/** Hugging Face name → row-major weights; projections are [out, in]. A tied head is left out. */
export type ModelWeights = ReadonlyMap<
  string,
  { readonly shape: readonly number[]; readonly data: Float32Array }
>;

export interface ExportModelOptions {
  readonly weights: ModelWeights;
  readonly config: LlamaConfig;
  readonly tokenizer: Tokenizer;
  readonly outDir: string;
  /** Shown by engines. */
  readonly name?: string;
}

export interface ExportedFile {
  readonly path: string;
  readonly bytes: number;
  /** sha256, hexadecimal. */
  readonly digest: string;
}

interface Piece {
  readonly offset: number;
  readonly data: Uint8Array;
}

export async function exportModel(
  options: ExportModelOptions,
): Promise<{ readonly files: readonly ExportedFile[] }> {
  const { config, outDir } = options;
  const tensors = llamaTensors(config).map((tensor) => {
    const weight = options.weights.get(tensor.huggingFaceName);
    if (weight === undefined) throw new Error(`the model has no ${tensor.huggingFaceName}`);
    if (
      weight.shape.join() !== tensor.shape.join() ||
      weight.data.length !== tensor.shape.reduce((a, b) => a * b, 1)
    ) {
      throw new Error(
        `${tensor.huggingFaceName} is ${weight.shape.join('x')}, its place ${tensor.shape.join('x')}`,
      );
    }
    return { ...tensor, data: weight.data };
  });
  await mkdir(outDir, { recursive: true });

  const safetensors = layoutSafetensors(
    tensors.map(({ huggingFaceName, shape }) => ({ name: huggingFaceName, dtype: 'F32', shape })),
    { format: 'pt' },
  );
  const gguf = layoutGguf(
    llamaGgufMetadata(config, options.tokenizer.vocabulary, { name: options.name ?? 'gantry' }),
    tensors.map(({ ggufName, shape }) => ({ name: ggufName, shape, type: 'F32' })),
  );
  const files = [
    await writePieces(
      outDir,
      'model.safetensors',
      safetensors.header,
      safetensors.fileBytes,
      function* pieces() {
        for (const [index, { data }] of tensors.entries()) {
          yield { offset: safetensors.tensors[index]?.offset ?? 0, data: bytesOf(data) };
        }
      },
    ),
    await writePieces(outDir, 'model.gguf', gguf.header, gguf.fileBytes, function* pieces() {
      for (const [index, { data, rotaryHeads, shape }] of tensors.entries()) {
        const rows = rotaryHeads === undefined ? data : toInterleavedRotary(data, rotaryHeads, shape[0] ?? 0);
        yield { offset: gguf.tensors[index]?.offset ?? 0, data: bytesOf(rows) };
      }
    }),
    await writeJson(outDir, 'tokenizer.json', options.tokenizer.toJson()),
    await writeJson(outDir, 'tokenizer_config.json', tokenizerConfig(options)),
    await writeJson(outDir, 'generation_config.json', {
      bos_token_id: config.bosId,
      eos_token_id: config.eosId,
      pad_token_id: config.eosId,
    }),
    await writeJson(outDir, 'config.json', toConfigJson(config)),
  ];
  return { files };
}

function tokenizerConfig({ tokenizer, config }: ExportModelOptions): Record<string, unknown> {
  const eos = tokenizer.vocabulary.tokens[tokenizer.eosId];
  return {
    tokenizer_class: 'PreTrainedTokenizerFast',
    bos_token: eos,
    eos_token: eos,
    pad_token: eos,
    model_max_length: config.contextLength,
    clean_up_tokenization_spaces: false,
    add_prefix_space: false,
  };
}

function bytesOf(data: Float32Array): Uint8Array {
  return new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
}

async function writePieces(
  outDir: string,
  path: string,
  header: Uint8Array,
  fileBytes: number,
  pieces: () => Iterable<Piece>,
): Promise<ExportedFile> {
  const aside = join(outDir, `.${path}.${process.pid}.part`);
  const hash = createHash('sha256');
  {
    await using file = await open(aside, 'w');
    let end = 0;
    const write = async (data: Uint8Array): Promise<void> => {
      for (let at = 0; at < data.byteLength;) at += (await file.write(data, at)).bytesWritten;
      hash.update(data);
      end += data.byteLength;
    };
    await write(header);
    for (const { offset, data } of pieces()) {
      if (offset > end) await write(new Uint8Array(offset - end));
      await write(data);
    }
    if (fileBytes > end) await write(new Uint8Array(fileBytes - end));
    await file.sync();
  }
  await rename(aside, join(outDir, path));
  return { path, bytes: fileBytes, digest: hash.digest('hex') };
}

async function writeJson(outDir: string, path: string, value: unknown): Promise<ExportedFile> {
  const bytes = Buffer.from(`${JSON.stringify(value, undefined, 2)}\n`);
  const aside = join(outDir, `.${path}.${process.pid}.part`);
  await writeFile(aside, bytes, { flush: true });
  await rename(aside, join(outDir, path));
  return { path, bytes: bytes.byteLength, digest: createHash('sha256').update(bytes).digest('hex') };
}
