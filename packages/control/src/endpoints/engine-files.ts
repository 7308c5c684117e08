/** Which engine serves a model version, and with which of its files. Pure. */
import type { ModelVersionRecord } from '../models/model-record.ts';

export interface EngineFiles {
  readonly engine: 'llm' | 'tensor';
  /** What computes a language model; absent: llama.cpp. */
  readonly decoder?: Decoder;
  /** Path of the file that the engine opens. */
  readonly main: string;
  /** All that it needs beside each other: an ONNX model may keep its weights in files of their own. */
  readonly files: ModelVersionRecord['files'];
}

export type Decoder = 'llama.cpp' | 'paged';

type Files = Pick<ModelVersionRecord, 'files'>;

/**
 * Undefined when no engine here reads any of its files, or the one that was asked for does not. GGUF first: what our
 * trainer makes comes in both forms, and llama.cpp does more with it.
 */
export function engineFiles({ files }: Files, decoder?: Decoder): EngineFiles | undefined {
  const gguf = files.find(({ path }) => path.endsWith('.gguf'));
  if (gguf !== undefined && decoder !== 'paged') return { engine: 'llm', main: gguf.path, files: [gguf] };
  const paged = pagedFiles({ files });
  if (decoder !== undefined) return decoder === 'paged' ? paged : undefined;
  const onnx =
    files.find(({ path }) => path === 'ensemble.json') ?? files.find(({ path }) => path.endsWith('.onnx'));
  return onnx === undefined ? paged : { engine: 'tensor', main: onnx.path, files };
}

/** A Llama-architecture model in Hugging Face's layout; that it is one shows when its configuration is read. */
function pagedFiles({ files }: Files): EngineFiles | undefined {
  const inPlace = (name: string): boolean => files.some(({ path }) => path === name);
  const weights = files.find(({ path }) => /^[^/]+\.safetensors$/.test(path));
  if (weights === undefined || !inPlace('config.json') || !inPlace('tokenizer.json')) return undefined;
  return {
    engine: 'llm',
    decoder: 'paged',
    main: weights.path,
    files: files.filter(({ path }) => !path.endsWith('.gguf')),
  };
}
