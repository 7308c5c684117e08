/** An ONNX model with whatever lies beside it, as one file in memory. */
import { readFile, realpath } from 'node:fs/promises';
import { dirname, join, sep } from 'node:path';
import { FormatError } from '@gantry/formats';
import { externalPlaces, inlineExternalData } from '@gantry/formats/onnx';
import { formatBytes } from '@gantry/kit';
import { fileBytes } from './file-bytes.ts';
import { WorkError } from './work-error.ts';

/** Protobuf ends at 2 GiB; smaller weights are written beside the larger ones first. */
const mostBytes = 3 * 2 ** 29;

interface OnnxSource {
  readonly file: Uint8Array;
  /** Of all its files. */
  readonly bytes: number;
}

export async function readOnnx(place: string): Promise<OnnxSource> {
  const file = await readFile(place);
  const places = externalPlaces(file);
  if (places.length === 0) return { file, bytes: file.byteLength };
  const folder = await realpath(dirname(place));
  const files = new Map<string, ReturnType<typeof fileBytes>>();
  for (const { location } of places) {
    if (files.has(location)) continue;
    const found = await realpath(join(folder, location)).catch(() => undefined);
    // A link may lead out where the name does not.
    if (found === undefined || !found.startsWith(`${folder}${sep}`))
      throw new WorkError(
        'data_missing',
        `${place} keeps weights in ${location}, which does not lie beside it`,
      );
    files.set(location, fileBytes(found));
  }
  const sizeOf = ({ location, offset, bytes }: (typeof places)[number]): number =>
    bytes ?? Math.max(0, (files.get(location)?.byteLength ?? 0) - offset);
  const total = places.reduce((sum, each) => sum + sizeOf(each), file.byteLength);
  if (total > mostBytes)
    throw new WorkError(
      'not_possible',
      `${place} and its weights are ${formatBytes(total)}; at most ${formatBytes(mostBytes)} are made smaller at once`,
      'start from the GGUF or the safetensors: they are read tensor by tensor',
    );
  const inlined = inlineExternalData(file, (each) => {
    const source = files.get(each.location);
    const length = sizeOf(each);
    if (source === undefined || each.offset + length > source.byteLength)
      throw new FormatError(
        'format_truncated',
        `${each.location} ends before byte ${each.offset + length}.`,
        'Copy or download the file again.',
      );
    return source.read(each.offset, length);
  });
  return { file: inlined, bytes: total };
}
