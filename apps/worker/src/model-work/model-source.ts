/** A model's files as they lie there: which formats it comes in, and where each is. */
import { readdir, stat } from 'node:fs/promises';
import { extname, join } from 'node:path';
import { type ModelFormat, modelFormats } from '@gantry/contract';
import { WorkError } from './work-error.ts';

export interface ModelSource {
  readonly path: string;
  /** Of a GGUF or ONNX model the file, of a Hugging Face one the folder. */
  readonly places: Readonly<Partial<Record<ModelFormat, string>>>;
}

export async function findModel(path: string): Promise<ModelSource> {
  const found = await stat(path).catch(() => undefined);
  if (found === undefined) throw new WorkError('data_missing', `there is nothing at ${path}`);
  if (found.isFile()) {
    const format = formatOf(path);
    if (format === undefined) throw noModel(path);
    return { path, places: { [format]: format === 'safetensors' ? join(path, '..') : path } };
  }
  const files = (await readdir(path)).sort();
  const places: Partial<Record<ModelFormat, string>> = {};
  for (const file of files) {
    const format = formatOf(file);
    if (format !== undefined) places[format] ??= format === 'safetensors' ? path : join(path, file);
  }
  if (Object.keys(places).length === 0) throw noModel(path);
  return { path, places };
}

const formatOf = (path: string): ModelFormat | undefined =>
  modelFormats.find((format) => extname(path) === `.${format}`);

const noModel = (path: string): WorkError =>
  new WorkError(
    'data_invalid',
    `${path} holds no safetensors, GGUF or ONNX file`,
    'PyTorch files run code when they are read: gantry model convert model.pt --format onnx reads them in a sandbox',
  );
