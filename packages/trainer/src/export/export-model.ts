/**
 * One set of weights in the forms others open: Hugging Face safetensors with config and tokenizer, and a
 * GGUF for llama.cpp. Each file is written aside, fsynced and renamed; the digests let a registry adopt it.
 */
import { createHash } from 'node:crypto';
import { mkdir, open, rename, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { encodeValues, type CodecType } from '@gantry/conversion';
import { layoutGguf, layoutSafetensors, type GgufValue } from '@gantry/formats';
import { blockValues, type BlockFormat } from '@gantry/training/autodiff';
import { tensorTypeOf } from '../memory/round-rows.ts';
import { chooseForm } from './choose-form.ts';
import type { FormRequest, FormTensor } from './export-form.ts';

export interface ExportModelOptions extends Omit<FormRequest, 'name'> {
  readonly outDir: string;
  /** Shown by engines. */
  readonly name?: string;
  /** The GGUF's matrices are rounded to these blocks, as training has seen them. */
  readonly blocks?: BlockFormat;
  /** Of the safetensors, and of the GGUF's matrices unless they are rounded to blocks; `fp32` unless given. */
  readonly precision?: ExportPrecision;
}

export type ExportPrecision = keyof typeof tensorTypes;

/** As both file formats name them; config.json has torch's name. */
const tensorTypes = { fp32: 'F32', bf16: 'BF16', fp16: 'F16' } as const;
const torchTypes = { fp32: 'float32', bf16: 'bfloat16', fp16: 'float16' } as const;

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

export interface ExportedModel {
  readonly files: readonly ExportedFile[];
  /** Of the weights. */
  readonly formats: readonly ('safetensors' | 'gguf')[];
}

export async function exportModel(options: ExportModelOptions): Promise<ExportedModel> {
  const { config, outDir, blocks, precision = 'fp32' } = options;
  const form = chooseForm({ ...options, name: options.name ?? 'gantry' });
  await mkdir(outDir, { recursive: true });
  const type = tensorTypes[precision];
  const plain = form.safetensors.map((tensor) => ({ ...tensor, type }));
  const header = layoutSafetensors(
    plain.map(({ name, shape }) => ({ name, dtype: type, shape })),
    { format: 'pt' },
  );
  const files = [await writeTensors(outDir, 'model.safetensors', header, plain)];
  if (form.gguf !== undefined) {
    const { metadata, tensors } = form.gguf;
    const typed = tensors.map((tensor) => ({ ...tensor, type: ggufTypeOf(tensor, blocks, type) }));
    const layout = layoutGguf(withFileType(metadata, blocks, precision), typed);
    files.push(await writeTensors(outDir, 'model.gguf', layout, typed));
  }
  files.push(
    await writeJson(outDir, 'tokenizer.json', options.tokenizer.toJson()),
    await writeJson(outDir, 'tokenizer_config.json', tokenizerConfig(options)),
    await writeJson(outDir, 'generation_config.json', {
      bos_token_id: config.bosId,
      eos_token_id: config.eosId,
      pad_token_id: config.eosId,
    }),
    await writeJson(outDir, 'config.json', {
      ...form.configJson,
      ...(precision === 'fp32' ? {} : { torch_dtype: torchTypes[precision] }),
    }),
  );
  return { files, formats: form.gguf === undefined ? ['safetensors'] : ['safetensors', 'gguf'] };
}

function writeTensors(
  outDir: string,
  path: string,
  layout: {
    readonly header: Uint8Array;
    readonly fileBytes: number;
    readonly tensors: readonly { readonly offset: number }[];
  },
  tensors: readonly (FormTensor & { readonly type: CodecType })[],
): Promise<ExportedFile> {
  return writePieces(outDir, path, layout.header, layout.fileBytes, function* pieces() {
    for (const [index, { data, type }] of tensors.entries()) {
      const bytes = type === 'F32' ? bytesOf(data()) : encodeValues(type, data());
      yield { offset: layout.tensors[index]?.offset ?? 0, data: bytes };
    }
  });
}

/** Of matrices, in blocks where their rows fill whole ones; what is added as it is (norms, biases, places) stays 32-bit. */
function ggufTypeOf(
  { name, shape }: FormTensor,
  blocks: BlockFormat | undefined,
  plain: CodecType,
): CodecType {
  if (shape.length < 2 || name === 'position_embd.weight') return 'F32';
  if (blocks === undefined) return plain;
  return (shape.at(-1) as number) % blockValues === 0 ? tensorTypeOf[blocks] : 'F32';
}

/** llama.cpp's `llama_ftype` of a file mostly of this type. */
const fileTypes = { q8_0: 7, q4_0: 2, fp32: 0, fp16: 1, bf16: 32 } as const satisfies Record<
  BlockFormat | ExportPrecision,
  number
>;

function withFileType(
  metadata: ReadonlyMap<string, GgufValue>,
  blocks: BlockFormat | undefined,
  precision: ExportPrecision,
): ReadonlyMap<string, GgufValue> {
  if (blocks === undefined && precision === 'fp32') return metadata;
  return new Map<string, GgufValue>([
    ...metadata,
    ['general.file_type', { type: 'u32', value: fileTypes[blocks ?? precision] }],
    ...(blocks === undefined
      ? []
      : [['general.quantization_version', { type: 'u32', value: 2 }] as [string, GgufValue]]),
  ]);
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
