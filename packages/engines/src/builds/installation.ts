/** Where this installation's packages lie, and of which version each is. */
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join, sep } from 'node:path';

const require = createRequire(import.meta.url);
const modulesOf = (path: string): string =>
  path.slice(0, path.lastIndexOf(`${sep}node_modules${sep}`) + `${sep}node_modules`.length);

/** The `node_modules` that holds the engines. */
export const installationModules = (): string => modulesOf(require.resolve('node-llama-cpp'));

/** A package's folder, found as node-llama-cpp or, where given, as `from` would find it. */
export function packageRoot(name: string, from = 'node-llama-cpp'): string {
  const asker = createRequire(join(modulesOf(require.resolve('node-llama-cpp')), from, 'package.json'));
  return join(modulesOf(asker.resolve(name)), name);
}

export function versionOf(name: string): string {
  const folder = join(modulesOf(require.resolve(name)), name);
  return (JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8')) as { readonly version: string })
    .version;
}
