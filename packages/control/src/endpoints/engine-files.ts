/** Which engine serves a model version, and with which of its files. Pure. */
import type { ModelVersionRecord } from '../models/model-record.ts';

export interface EngineFiles {
  readonly engine: 'llm' | 'tensor';
  /** Path of the file that the engine opens. */
  readonly main: string;
  /** All that it needs beside each other: an ONNX model may keep its weights in files of their own. */
  readonly files: ModelVersionRecord['files'];
}

/** Undefined when no engine here reads any of its files. GGUF first: a language model may come in both. */
export function engineFiles({ files }: Pick<ModelVersionRecord, 'files'>): EngineFiles | undefined {
  const gguf = files.find(({ path }) => path.endsWith('.gguf'));
  if (gguf !== undefined) return { engine: 'llm', main: gguf.path, files: [gguf] };
  const onnx = files.find(({ path }) => path.endsWith('.onnx'));
  return onnx && { engine: 'tensor', main: onnx.path, files };
}
