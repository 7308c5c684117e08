import { GantryError } from '@gantry/contract';
import { maxJsonDepth } from '@gantry/kit';

/**
 * Text that a database can hold: no NUL, no half of a surrogate pair, wherever in the value it stands; and no deeper
 * value than what walks it afterwards can bear.
 */
export function checkText(value: unknown, part: 'path' | 'query' | 'body', path = '', depth = 0): void {
  if (typeof value === 'string') {
    if (value.isWellFormed() && !value.includes('\0')) return;
    const where = path === '' ? `the ${part}` : `${path} in the ${part}`;
    throw new GantryError('bad_request', `${where} is no text: it holds a NUL or half a character`, {
      hint: 'send UTF-8; bytes that are no text belong into an upload',
      problems: [{ path, message: 'is no text' }],
    });
  }
  if (value === null || typeof value !== 'object' || Symbol.asyncIterator in value) return;
  if (depth === maxJsonDepth)
    throw new GantryError('bad_request', `the ${part} nests more than ${maxJsonDepth} deep`, {
      hint: 'nothing that this API takes is nested like that',
    });
  for (const [key, each] of Object.entries(value)) {
    checkText(key, part, path);
    checkText(each, part, path === '' ? key : `${path}.${key}`, depth + 1);
  }
}
