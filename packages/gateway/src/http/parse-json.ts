/** JSON from outside, of clients and of servers alike: what nests too deep is refused before anything walks it. */
import { isDeeperThan, maxJsonDepth } from '@gantry/kit';

export class NestedTooDeep extends SyntaxError {
  constructor() {
    super(`Lists and objects nest more than ${maxJsonDepth} deep.`);
  }
}

/** Throws `SyntaxError`. */
export function parseJson(bytes: Buffer): unknown {
  if (isDeeperThan(bytes, maxJsonDepth)) throw new NestedTooDeep();
  return JSON.parse(bytes.toString('utf8'));
}
