/** How many keys the outermost object of a valid JSON text has, duplicates counted: `JSON.parse` drops them. */
export function countKeys(json: string): number {
  let depth = 0;
  let count = 0;
  for (let at = 0; at < json.length; at += 1) {
    const character = json.charAt(at);
    if (character === '{' || character === '[') depth += 1;
    else if (character === '}' || character === ']') depth -= 1;
    else if (character === ':' && depth === 1) count += 1;
    else if (character === '"') {
      for (at += 1; at < json.length && json.charAt(at) !== '"'; at += 1)
        if (json.charAt(at) === '\\') at += 1;
    }
  }
  return count;
}
