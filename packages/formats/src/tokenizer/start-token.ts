/** The token that a tokenizer puts before every text: `post_processor` of a `tokenizer.json`. */
import { FormatError } from '../format-error.ts';
import { isRecord } from './json-record.ts';

/** `idOf` answers -1 for what is no token. Undefined where nothing is put before; anything else that is added is refused. */
export function readStartToken(processor: unknown, idOf: (token: string) => number): number | undefined {
  if (processor === undefined || processor === null) return undefined;
  const { type, processors, single } = isRecord(processor) ? processor : {};
  if (type === 'ByteLevel') return undefined;
  if (type === 'Sequence' && Array.isArray(processors) && processors.length <= 4)
    return processors.map((each) => readStartToken(each, idOf)).find((id) => id !== undefined);
  if (type === 'TemplateProcessing' && Array.isArray(single)) {
    const parts = single.map((part: unknown) => (isRecord(part) ? Object.entries(part)[0] : undefined));
    const [first, second] = parts;
    if (first?.[0] === 'Sequence' && parts.length === 1) return undefined;
    if (first?.[0] === 'SpecialToken' && second?.[0] === 'Sequence' && parts.length === 2) {
      const name = isRecord(first[1]) ? first[1]['id'] : undefined;
      const id = typeof name === 'string' ? idOf(name) : -1;
      if (id >= 0) return id;
    }
  }
  throw new FormatError(
    'format_unsupported',
    `tokenizer.json adds tokens to a text in a way that is not known here: ${JSON.stringify(type)}.`,
    'One token before the text is.',
  );
}

export function writeStartToken({ id, content }: { readonly id: number; readonly content: string }): object {
  const [start, text] = [
    { SpecialToken: { id: content, type_id: 0 } },
    { Sequence: { id: 'A', type_id: 0 } },
  ];
  return {
    type: 'TemplateProcessing',
    single: [start, text],
    pair: [start, text, { Sequence: { id: 'B', type_id: 1 } }],
    special_tokens: { [content]: { id: content, ids: [id], tokens: [content] } },
  };
}
