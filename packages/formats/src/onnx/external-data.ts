/**
 * Weights that lie in files beside an ONNX model (onnx/docs/ExternalData.md). Where they lie is what the model claims:
 * a name that leads out of its folder is refused before anything is opened.
 */
import { FormatError } from '../format-error.ts';
import { createProtobufWriter } from './protobuf-writer.ts';
import { readIntegers, readProtobuf, readTexts, type ProtobufField } from './protobuf-reader.ts';

export interface ExternalPlace {
  /** Relative to the model's folder, and inside it. */
  readonly location: string;
  readonly offset: number;
  /** Undefined: to the end of the file. */
  readonly bytes: number | undefined;
}

const graph = { field: 7, initializer: 5 } as const;
/** onnx.TensorProto */
const tensor = { name: 8, raw: 9, external: 13, location: 14 } as const;

/** Where the weights lie that are not in the file itself. */
export const externalPlaces = (file: Uint8Array): readonly ExternalPlace[] =>
  readProtobuf(file)
    .filter(({ field, wire }) => field === graph.field && wire === 2)
    .flatMap(({ bytes }) => readProtobuf(bytes))
    .filter(({ field }) => field === graph.initializer)
    .flatMap(({ bytes }) => placeOf(readProtobuf(bytes)) ?? []);

/** The same model as one file; `read` gives the bytes of a place. */
export function inlineExternalData(
  file: Uint8Array,
  read: (place: ExternalPlace) => Uint8Array,
): Uint8Array<ArrayBuffer> {
  const writer = createProtobufWriter();
  for (const outer of readProtobuf(file)) {
    if (outer.field !== graph.field || outer.wire !== 2) {
      writer.raw(outer.raw);
      continue;
    }
    writer.message(graph.field, (content) => {
      for (const one of readProtobuf(outer.bytes)) {
        const fields = one.field === graph.initializer ? readProtobuf(one.bytes) : [];
        const place = placeOf(fields);
        if (place === undefined) {
          content.raw(one.raw);
          continue;
        }
        content.message(graph.initializer, (message) => {
          for (const { field, raw } of fields)
            if (field !== tensor.external && field !== tensor.location) message.raw(raw);
          message.bytes(tensor.raw, read(place));
        });
      }
    });
  }
  return writer.finish();
}

function placeOf(fields: readonly ProtobufField[]): ExternalPlace | undefined {
  if (readIntegers(fields, tensor.location)[0] !== 1) return undefined;
  const entries = new Map(
    fields
      .filter(({ field, wire }) => field === tensor.external && wire === 2)
      .map(({ bytes }) => {
        const pair = readProtobuf(bytes);
        return [readTexts(pair, 1)[0] ?? '', readTexts(pair, 2)[0] ?? ''] as const;
      }),
  );
  const location = entries.get('location') ?? '';
  const name = readTexts(fields, tensor.name)[0] ?? 'A tensor';
  const parts = location.split(/[/\\]/);
  if (
    location === '' ||
    parts.some((part) => part === '' || part === '..' || part === '.' || part.includes(':'))
  )
    throw new FormatError(
      'format_invalid',
      `${name} claims to lie in ${JSON.stringify(location.slice(0, 80))}, which is no file of the model's folder.`,
    );
  const count = (key: string): number | undefined => {
    const text = entries.get(key);
    const value = text === undefined ? undefined : Number(text);
    if (value === undefined || (Number.isSafeInteger(value) && value >= 0)) return value;
    throw new FormatError('format_invalid', `${name} has the ${key} ${JSON.stringify(text?.slice(0, 40))}.`);
  };
  return { location, offset: count('offset') ?? 0, bytes: count('length') };
}
