// After `npm install`: takes out of package-lock.json the optional packages that the registry in use could not
// give (platform bindings), which npm writes as entries without a version and `npm ci` then refuses.
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

const file = join(import.meta.dirname, '..', 'package-lock.json');
const lock = JSON.parse(readFileSync(file, 'utf8'));
const missing = new Set(
  Object.entries(lock.packages)
    .filter(([path, entry]) => path.includes('node_modules/') && entry.version === undefined && entry.link !== true)
    .map(([path]) => path),
);
for (const path of missing) delete lock.packages[path];
const names = new Set([...missing].map((path) => path.slice(path.lastIndexOf('node_modules/') + 'node_modules/'.length)));
for (const entry of Object.values(lock.packages)) {
  for (const name of names) delete entry.optionalDependencies?.[name];
  if (entry.optionalDependencies !== undefined && Object.keys(entry.optionalDependencies).length === 0) delete entry.optionalDependencies;
}
writeFileSync(file, `${JSON.stringify(lock, null, 2)}\n`);
console.log(`took out ${missing.size} entries`);
