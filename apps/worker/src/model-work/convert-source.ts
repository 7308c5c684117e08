/** Which steps lead from a model's files to the wanted ones, and each step. */
import { readdir, readFile } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { type ConvertSpec, type ModelFormat, modelFormats, weightTypes } from '@gantry/contract';
import {
  type Checkpoint,
  checkpointToGguf,
  checkpointToOnnx,
  type CleanUp,
  ggufPieces,
  ggufToCheckpoint,
  onnxWeightTypes,
  openGguf,
  quantiseGguf,
  quantisedTypes,
  quantiseOnnx,
  quantiseOnnxStatic,
  type QuantisedOnnx,
  type QuantisedType,
} from '@gantry/conversion';
import { calibrateFile } from '@gantry/engines/calibration';
import { parseTokenizerSettings } from '@gantry/formats';
import { formatBytes } from '@gantry/kit';
import { fileBytes } from './file-bytes.ts';
import type { ModelSource } from './model-source.ts';
import { readOnnx } from './read-onnx.ts';
import { WorkError } from './work-error.ts';
import type { MadeFile } from './write-files.ts';

/** The target with nothing left open. */
export interface Wish {
  readonly format: ModelFormat;
  readonly type: string;
  readonly calibrate: ConvertSpec['calibrate'];
  /** Of an ONNX model: what lies beside it is named after it. */
  readonly mainName: string;
}

export interface Converted {
  /** A model's main file first. */
  readonly files: readonly MadeFile[];
  /** What a language model's text needs, beside its main file in a folder. */
  readonly beside?: readonly MadeFile[];
  /** What was done, in order. */
  readonly steps: readonly string[];
  readonly bytesBefore: number;
  /** What was made simpler on the way. */
  readonly cleanUps?: readonly CleanUp[];
  /** What smaller weights cost, complete once the files are written: root of the mean squared error, relative to the weights' own root mean square. */
  readonly tensors: readonly { readonly name: string; readonly relativeError: number }[];
}

/** Without a format the source keeps its own, the first that takes the type. */
export function wishOf(
  { format, type, calibrate }: ConvertSpec,
  { path, places }: ModelSource,
  mainName = 'model.onnx',
): Wish {
  const given = modelFormats.filter((each) => places[each] !== undefined);
  const takes = (each: ModelFormat): boolean =>
    type === undefined || (weightTypes[each] as readonly string[]).includes(type);
  const chosen = format === 'tensorrt-plan' ? undefined : (format ?? given.find(takes));
  if (chosen === undefined)
    throw new WorkError(
      'not_possible',
      `${path} holds ${given.join(' and ')}, which takes no ${type}`,
      `${given.map((each) => `${each} takes ${weightTypes[each].join(', ')}`).join('; ')}; or name another format`,
    );
  return { format: chosen, type: type ?? (chosen === 'gguf' ? 'F16' : 'F32'), calibrate, mainName };
}

export async function convertSource(source: ModelSource, wish: Wish): Promise<Converted> {
  const ways: Readonly<Record<ModelFormat, Partial<Record<ModelFormat, Way>>>> = {
    gguf: { gguf: smallerGguf, safetensors: toGguf },
    safetensors: { gguf: toSafetensors },
    onnx: { onnx: smallerOnnx, safetensors: toOnnx, gguf: ggufToOnnx },
  };
  for (const [from, way] of Object.entries(ways[wish.format])) {
    const place = source.places[from as ModelFormat];
    if (place !== undefined) return way(place, wish);
  }
  const given = Object.keys(source.places).join(' and ');
  throw new WorkError(
    'not_possible',
    `${source.path} holds ${given}: no way leads from there to ${wish.format} ${wish.type}`,
    'safetensors and GGUF become each other, and ONNX; each format takes its own smaller weights',
  );
}

type Way = (place: string, wish: Wish) => Promise<Converted>;

const smallerGguf: Way = async (place, { type }) => {
  const source = fileBytes(place);
  const { file, tensors } = quantiseGguf(openGguf(source), ggufType(type));
  return {
    files: [{ name: 'model.gguf', ...file }],
    steps: [`quantize ${type}`],
    bytesBefore: source.byteLength,
    tensors,
  };
};

const toGguf: Way = async (folder, { type }) => {
  const model = await readHuggingFace(folder);
  const bytesBefore = model.safetensors.reduce((sum, { byteLength }) => sum + byteLength, 0);
  const direct = (['F32', 'F16', 'BF16'] as const).find((each) => each === type);
  const gguf = checkpointToGguf(model, direct ?? 'F32');
  if (direct !== undefined)
    return {
      files: [{ name: 'model.gguf', ...ggufPieces(gguf) }],
      steps: [`convert gguf ${type}`],
      bytesBefore,
      tensors: [],
    };
  const { file, tensors } = quantiseGguf(gguf, ggufType(type));
  return {
    files: [{ name: 'model.gguf', ...file }],
    steps: ['convert gguf F32', `quantize ${type}`],
    bytesBefore,
    tensors,
  };
};

const toSafetensors: Way = async (place) => {
  const source = fileBytes(place);
  const { safetensors, ...texts } = ggufToCheckpoint(source);
  return {
    files: [{ name: 'model.safetensors', ...safetensors }, ...textFiles(texts)],
    steps: ['convert safetensors F32'],
    bytesBefore: source.byteLength,
    tensors: [],
  };
};

/** With its keys and values; a type of smaller weights comes after. */
const toOnnx: Way = async (folder, wish) => {
  const model = await readHuggingFace(folder);
  const bytesBefore = model.safetensors.reduce((sum, { byteLength }) => sum + byteLength, 0);
  return { ...(await onnxOf(model, wish, folder)), bytesBefore, beside: textFiles(model) };
};

const ggufToOnnx: Way = async (place, wish) => {
  const file = fileBytes(place);
  const { source, ...texts } = ggufToCheckpoint(file);
  const made = await onnxOf({ source, config: texts.config }, wish, place);
  return { ...made, bytesBefore: file.byteLength, beside: textFiles(texts) };
};

async function onnxOf(model: Checkpoint, wish: Wish, from: string): Promise<Omit<Converted, 'bytesBefore'>> {
  const steps = ['convert onnx F32 with keys and values'];
  const { file: content, data } = checkpointToOnnx(model, `${wish.mainName}.data`);
  const main = { name: wish.mainName, bytes: content };
  if (wish.type === 'F32') return { files: data === undefined ? [main] : [main, data], steps, tensors: [] };
  if (data !== undefined)
    throw new WorkError(
      'not_possible',
      `${from} is ${formatBytes(data.bytes)} in float32, more than one ONNX file holds`,
      'leave the type out, or take a smaller GGUF: --format gguf --type Q8_0',
    );
  const { file, layers, cleanUps } = await smaller(from, content, wish);
  return {
    files: [{ name: wish.mainName, bytes: file }],
    steps: [...steps, `quantize ${wish.type}`],
    tensors: layers,
    cleanUps,
  };
}

const textFiles = (model: {
  readonly config: unknown;
  readonly tokenizer: unknown;
  readonly tokenizerSettings: unknown;
}): MadeFile[] =>
  Object.entries({
    'config.json': model.config,
    'tokenizer.json': model.tokenizer,
    'tokenizer_config.json': model.tokenizerSettings,
  }).flatMap(([name, json]) =>
    json === undefined ? [] : [{ name, bytes: `${JSON.stringify(json, null, 2)}\n` }],
  );

/** Those of a model that is an ONNX file already. */
async function textFilesBeside(place: string): Promise<MadeFile[]> {
  const there = await readdir(dirname(place));
  const wanted = ['config.json', 'tokenizer.json', 'tokenizer_config.json', 'chat_template.jinja'].filter(
    (name) => there.includes(name),
  );
  return Promise.all(
    wanted.map(async (name) => ({ name, bytes: await readFile(join(dirname(place), name)) })),
  );
}

const smallerOnnx: Way = async (place, wish) => {
  const { file: whole, bytes: bytesBefore } = await readOnnx(place);
  const { file, layers, cleanUps } = await smaller(place, whole, wish);
  if (layers.length === 0)
    throw new WorkError(
      'not_possible',
      'no layer of this model gains from smaller numbers',
      'only MatMul, Gemm, Conv and LSTM with weights of 4,096 values or more are made smaller',
    );
  return {
    files: [{ name: wish.mainName, bytes: file }],
    beside: await textFilesBeside(place),
    steps: [`quantize ${wish.type}`],
    bytesBefore,
    tensors: layers,
    cleanUps,
  };
};

async function smaller(place: string, bytes: Uint8Array, { type, calibrate }: Wish): Promise<QuantisedOnnx> {
  const plain = onnxWeightTypes.find((each) => each === type);
  if (plain !== undefined) return quantiseOnnx(bytes, plain);
  const activations = ({ 'int8-static': 'uint8', 'int16-activations': 'uint16' } as const)[type];
  if (activations === undefined)
    throw new WorkError('not_possible', `${place} is an ONNX file of ${type} already`);
  if (calibrate === undefined)
    throw new WorkError('data_missing', `${type} needs samples`, 'calibrate: {data: rows.jsonl}');
  const ranges = await calibrateFile({
    modelPath: place,
    dataPath: calibrate.data,
    method: calibrate.method,
  });
  return quantiseOnnxStatic(bytes, ranges, activations);
}

function ggufType(type: string): QuantisedType {
  const found = quantisedTypes.find((each) => each === type);
  if (found === undefined)
    throw new WorkError('not_possible', `a GGUF is not made into one of ${type}`, 'start from safetensors');
  return found;
}

async function readHuggingFace(folder: string) {
  const files = await readdir(folder);
  const json = async (name: string): Promise<unknown> => {
    if (files.includes(name)) return JSON.parse(await readFile(join(folder, name), 'utf8'));
    throw new WorkError(
      'data_missing',
      `${folder} has no ${name}`,
      'a Hugging Face folder has config.json, tokenizer.json and *.safetensors',
    );
  };
  const shards = files.filter((each) => each.endsWith('.safetensors')).sort();
  const tokenizerSettings = files.includes('tokenizer_config.json')
    ? await json('tokenizer_config.json')
    : undefined;
  const chat = files.includes('chat_template.jinja')
    ? await readFile(join(folder, 'chat_template.jinja'), 'utf8')
    : parseTokenizerSettings(tokenizerSettings).chatTemplate;
  return {
    safetensors: shards.map((shard) => fileBytes(join(folder, shard))),
    config: await json('config.json'),
    tokenizer: await json('tokenizer.json'),
    tokenizerSettings,
    name: basename(folder),
    ...(chat === undefined ? {} : { chatTemplate: chat }),
  };
}
