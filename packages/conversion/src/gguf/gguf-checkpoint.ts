/** A GGUF → the tensors of a checkpoint under their Hugging Face names, in full precision, and what `config.json` says of them. */
import {
  FormatError,
  layoutSafetensors,
  settingsOfGguf,
  toTokenizerJson,
  toTokenizerSettings,
  vocabularyOfGguf,
  type FilePieces,
  type GgufHeader,
  type GgufTensorPlace,
} from '@gantry/formats';
import type { Json } from '../decoder/config-count.ts';
import { transposed } from '../decoder/transposed.ts';
import { type FileBytes, opened, rowsOf, type WeightSource } from '../decoder/weight-source.ts';
import { decodeValues, encodeValues, hasCodec } from '../quantise/blocks.ts';
import { configOfGguf } from './gguf-config.ts';
import { ggufDecoderOf } from './gguf-decoder.ts';
import { fromRotary, type GgufPlace, headRowsOf } from './gguf-place.ts';
import { readGgufHeader } from './late-gguf.ts';
import { rowsOfStrip, stripsOf } from './strips.ts';

export interface GgufCheckpoint {
  /** `config.json` */
  readonly config: Json;
  readonly source: WeightSource;
  /** Absent where the file's is none that `tokenizer.json` is written for here. */
  readonly tokenizer: Record<string, unknown> | undefined;
  /** `tokenizer_config.json`: its chat template, and what that begins and ends with. */
  readonly tokenizerSettings: Record<string, unknown>;
  /** The weights as one file, made when it is written. */
  readonly safetensors: FilePieces;
}

export function ggufToCheckpoint(given: FileBytes | Uint8Array): GgufCheckpoint {
  const file = opened(given);
  const header = readGgufHeader(file);
  const config = configOfGguf(header);
  const places = placesIn(header, config);
  const source = ggufSource(file, header, places);
  const vocabulary = vocabularyOfGguf(header);
  return {
    config,
    source,
    tokenizer: vocabulary && toTokenizerJson(vocabulary),
    tokenizerSettings: toTokenizerSettings(settingsOfGguf(header)),
    safetensors: safetensorsOf(places, source),
  };
}

/** Everything that the metadata says must be there; what has no place would be lost, and is refused. */
function placesIn({ tensors }: GgufHeader, config: Json): readonly GgufPlace[] {
  const names = new Set(tensors.map(({ name }) => name));
  // The names of the checkpoint are ours to choose, but for a head that is there or not.
  const has = (name: string): boolean =>
    name === 'lm_head.weight' ? names.has('output.weight') : name.startsWith('transformer.');
  const places = ggufDecoderOf(config, { has }).places.filter(
    ({ ggufName, isOptional }) => isOptional !== true || names.has(ggufName),
  );
  for (const { ggufName } of places) names.delete(ggufName);
  const [left] = names;
  if (left === undefined) return places;
  throw new FormatError(
    'format_unsupported',
    `The GGUF has a tensor ${left.slice(0, 80)}, which is not read here.`,
    'Without it the model would answer otherwise.',
  );
}

interface Part {
  readonly place: GgufPlace;
  readonly tensor: GgufTensorPlace;
  /** Row of the GGUF's tensor at which it begins. */
  readonly firstRow: number;
  readonly shape: readonly number[];
}

function ggufSource(file: FileBytes, { tensors }: GgufHeader, places: readonly GgufPlace[]): WeightSource {
  const byName = new Map(tensors.map((tensor) => [tensor.name, tensor]));
  const parts = new Map<string, Part>();
  for (const place of places) {
    const tensor = byName.get(place.ggufName);
    if (tensor === undefined || tensor.shape.join() !== place.shape.join())
      throw new FormatError(
        'format_invalid',
        `${place.ggufName} is ${tensor?.shape.join('x') ?? 'missing'}; its metadata wants ${place.shape.join('x')}.`,
      );
    let firstRow = 0;
    for (const { name, shape } of place.parts) {
      parts.set(name, { place, tensor, firstRow, shape });
      firstRow += rowsOf(shape);
    }
  }
  const partOf = (name: string, shape: readonly number[]): Part => {
    const part = parts.get(name);
    if (part === undefined || part.shape.join() !== shape.join())
      throw new FormatError(
        'format_invalid',
        `${name} is ${part?.shape.join('x') ?? 'missing'} in the GGUF.`,
      );
    return part;
  };
  const rowsAt = ({ tensor, firstRow }: Part, from: number, count: number): Float32Array => {
    const { type, name, shape, offset, bytes } = tensor;
    if (!hasCodec(type))
      throw new FormatError(
        'format_unsupported',
        `${name} is ${type}.`,
        'Convert from a less quantised file.',
      );
    const rowBytes = bytes / rowsOf(shape);
    return decodeValues(type, file.read(offset + (firstRow + from) * rowBytes, count * rowBytes));
  };
  const whole = (part: Part): Float32Array => {
    const { place, tensor, shape } = part;
    const values = rowsAt(part, 0, place.order?.kind === 'turned' ? rowsOf(tensor.shape) : rowsOf(shape));
    const [rows = 1, columns = 1] = tensor.shape;
    if (place.order?.kind === 'turned') return transposed(values, rows, columns);
    return place.order === undefined ? values : fromRotary(values, shape, place.order.heads);
  };
  return {
    names: parts.keys(),
    has: (name) => parts.has(name),
    check: (name, shape) => void partOf(name, shape),
    read: (name, shape) => whole(partOf(name, shape)),
    *strips(name, shape, step = 1) {
      const part = partOf(name, shape);
      const { order } = part.place;
      if (order?.kind === 'turned') {
        yield whole(part);
        return;
      }
      const least = order === undefined || shape.length === 1 ? step : headRowsOf(shape, order.heads);
      for (const { from, count } of stripsOf(rowsOf(shape), rowsOfStrip(shape, least))) {
        const values = rowsAt(part, from, count);
        yield order === undefined ? values : fromRotary(values, shape, order.heads);
      }
    },
  };
}

function safetensorsOf(places: readonly GgufPlace[], source: WeightSource): FilePieces {
  const tensors = places.flatMap(({ parts }) => parts);
  const layout = layoutSafetensors(
    tensors.map(({ name, shape }) => ({ name, shape, dtype: 'F32' })),
    { format: 'pt' },
  );
  return {
    bytes: layout.fileBytes,
    *pieces() {
      yield { offset: 0, bytes: layout.header };
      for (const { name, shape, offset } of layout.tensors) {
        let at = offset;
        for (const strip of source.strips(name, shape)) {
          const bytes = encodeValues('F32', strip);
          yield { offset: at, bytes };
          at += bytes.byteLength;
        }
      }
    },
  };
}
