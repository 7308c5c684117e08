/**
 * Reads a model's header with our own bounded reader before llama.cpp sees the file: a broken file is
 * refused in milliseconds with a sentence, and native code never parses what we would not.
 */
import { open } from 'node:fs/promises';
import { FormatError, parseGguf, type GgufHeader } from '@gantry/formats';
import { EngineError } from '../engine-error.ts';

const firstReadBytes = 1 << 20;
const maximumHeaderBytes = 1 << 28;

export async function checkModelFile(path: string): Promise<GgufHeader> {
  try {
    await using file = await open(path, 'r');
    const { size } = await file.stat();
    for (let length = firstReadBytes; ; length *= 4) {
      const bytes = new Uint8Array(Math.min(length, size));
      const { bytesRead } = await file.read(bytes, 0, bytes.byteLength, 0);
      try {
        return parseGguf(bytes.subarray(0, bytesRead), size);
      } catch (error) {
        const isCut = error instanceof FormatError && error.code !== 'format_unsupported' && length < size;
        if (!isCut || length >= maximumHeaderBytes) throw error;
      }
    }
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : 'It cannot be read.';
    throw new EngineError('model_invalid', `The model ${path} cannot be loaded: ${reason}`, {
      hint: cause instanceof FormatError ? (cause.hint ?? 'Give a GGUF file.') : 'Check the path.',
      cause,
    });
  }
}
