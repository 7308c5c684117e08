/**
 * Looks into the files of a model before they are kept: one that is not what its name says is refused with what is
 * wrong, not found out by an engine later. What is only newer than our readers passes.
 */
import { open } from 'node:fs/promises';
import { extname } from 'node:path';
import { GantryError } from '@gantry/contract';
import { FormatError, parseGguf, parseSafetensors } from '@gantry/formats';
import { readProtobuf } from '@gantry/formats/onnx';

/** Enough for the header of almost every file; more is read where it is not. */
const firstBytes = 1024 ** 2;
const mostBytes = 256 * 1024 ** 2;
const onnxGraphField = 7;

type Check = (head: Uint8Array, fileBytes: number) => unknown;

const checks: Readonly<Record<string, Check>> = {
  '.gguf': parseGguf,
  '.safetensors': parseSafetensors,
  '.onnx': (head, fileBytes) => {
    // One protobuf message without an index: it is read whole or not at all.
    if (fileBytes > mostBytes) return;
    if (head.length < fileBytes) throw new FormatError('format_truncated', 'more is needed');
    if (!readProtobuf(head).some(({ field }) => field === onnxGraphField))
      throw new FormatError('format_invalid', 'There is no graph in it.');
  },
};

export async function inspectModelFile(path: string): Promise<void> {
  const check = checks[extname(path)];
  if (check === undefined) return;
  await using file = await open(path, 'r');
  const { size } = await file.stat();
  for (let length = Math.min(firstBytes, size); ; length = Math.min(length * 4, size)) {
    const head = new Uint8Array(length);
    const { bytesRead } = await file.read(head, 0, length, 0);
    try {
      check(head.subarray(0, bytesRead), size);
      return;
    } catch (error) {
      if (error instanceof FormatError && error.code === 'format_unsupported') return;
      if (length < size && length < mostBytes) continue;
      throw refusal(path, error);
    }
  }
}

function refusal(path: string, error: unknown): GantryError {
  const what = error instanceof Error ? error.message : String(error);
  return new GantryError('data_invalid', `${path} is no ${extname(path).slice(1)} file: ${what}`, {
    hint: (error instanceof FormatError ? error.hint : undefined) ?? 'copy or download it again',
    cause: error,
  });
}
