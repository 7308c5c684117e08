/** The little XML that S3 speaks: elements with text, no attributes that matter, no nesting we need to follow. */
const entities: Readonly<Record<string, string>> = { lt: '<', gt: '>', amp: '&', quot: '"', apos: "'" };

const decode = (text: string): string =>
  text.replace(/&(?:#(\d{1,7})|#x([0-9a-fA-F]{1,6})|([a-z]{2,4}));/g, (whole, decimal, hex, name) => {
    if (name !== undefined) return entities[name as string] ?? whole;
    const point = decimal === undefined ? Number.parseInt(hex as string, 16) : Number(decimal);
    return point <= 0x10_ffff ? String.fromCodePoint(point) : whole;
  });

/** The text of the first such element; undefined when there is none. */
export function readElement(xml: string, name: string): string | undefined {
  const [inner] = innersOf(xml, name);
  return inner === undefined ? undefined : decode(inner);
}

/** What stands inside of every such element, as it is. They must not hold one of their own name. */
export function* innersOf(xml: string, name: string): Iterable<string> {
  const end = `</${name}>`;
  const begin = new RegExp(`<${name}(?:\\s[^>]{0,500})?>`, 'g');
  for (let open = begin.exec(xml); open !== null; open = begin.exec(xml)) {
    const close = xml.indexOf(end, begin.lastIndex);
    if (close === -1) return;
    yield xml.slice(begin.lastIndex, close);
    begin.lastIndex = close + end.length;
  }
}

export const escapeXml = (text: string): string =>
  text.replace(/[<>&"]/g, (char) => `&#${char.charCodeAt(0)};`);
