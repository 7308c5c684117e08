import { FormatError } from '@gantry/formats';

/** `config.json`, parsed and known to be an object. */
export type Json = Readonly<Record<string, unknown>>;

/** A whole number above zero. */
export function countOf(json: Json, name: string, most = 2 ** 31 - 1): number {
  const value = json[name];
  if (typeof value === 'number' && Number.isInteger(value) && value > 0 && value <= most) return value;
  throw new FormatError('format_invalid', `config.json: ${name} is ${JSON.stringify(value)}.`);
}
