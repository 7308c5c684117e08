/**
 * How deep JSON nests, told from its bytes before anything is parsed. `JSON.parse` takes a million brackets; whatever
 * walks the value afterwards (a schema, `JSON.stringify`, a recursive function) runs out of stack and takes the
 * process with it. What comes from outside is therefore measured first.
 */

/** Bodies of any dialect nest less: a JSON schema in a tool in a request comes to a few dozen. */
export const maxJsonDepth = 128;

const quote = 0x22;
const backslash = 0x5c;

/** Of what is no JSON it says something too; parsing refuses that anyway. */
export function isDeeperThan(json: Uint8Array, depth: number): boolean {
  if (json.length <= depth) return false;
  let open = 0;
  for (let at = 0; at < json.length; at += 1) {
    const byte = json[at];
    if (byte === 0x5b || byte === 0x7b) {
      open += 1;
      if (open > depth) return true;
    } else if (byte === 0x5d || byte === 0x7d) open -= 1;
    else if (byte === quote) {
      at = endOfString(json, at);
      if (at < 0) return false;
    }
  }
  return false;
}

/** Where the string that begins at `start` ends; negative where it does not. Long texts are searched natively. */
function endOfString(json: Uint8Array, start: number): number {
  let at = json.indexOf(quote, start + 1);
  while (at > 0) {
    let escapes = 0;
    while (json[at - 1 - escapes] === backslash) escapes += 1;
    if (escapes % 2 === 0) return at;
    at = json.indexOf(quote, at + 1);
  }
  return -1;
}
