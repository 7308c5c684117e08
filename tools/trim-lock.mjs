// After `npm install`: an optional package that the registry in use could not give (a binding for another
// platform) is named by its parent but has no entry in package-lock.json, and `npm ci` refuses such a lock.
// Takes those names out.
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

const file = join(import.meta.dirname, '..', 'package-lock.json');
const lock = JSON.parse(readFileSync(file, 'utf8'));
const known = new Set(
  Object.keys(lock.packages).map((path) =>
    path.slice(path.lastIndexOf('node_modules/') + 'node_modules/'.length),
  ),
);
let count = 0;
for (const entry of Object.values(lock.packages)) {
  for (const name of Object.keys(entry.optionalDependencies ?? {})) {
    if (known.has(name)) continue;
    delete entry.optionalDependencies[name];
    count += 1;
  }
}
writeFileSync(file, `${JSON.stringify(lock, null, 2)}\n`);
console.log(`took out ${count} names`);
