/** The addon that node-llama-cpp's packages ship, opened as it is: 4 ms, where the package itself takes 300. */
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';

const require = createRequire(import.meta.url);

/** Holds `llama-addon.node`; undefined where only the package knows which build is right. */
export function prebuiltFolder(): string | undefined {
  if (process.platform !== 'linux') return undefined;
  const name = `linux-${process.arch}`;
  try {
    return join(dirname(require.resolve(`@node-llama-cpp/${name}`)), '..', 'bins', name);
  } catch {
    return undefined;
  }
}

export const addonPath = (folder: string): string => join(folder, 'llama-addon.node');

/** Each engine gets an addon of its own: one that is disposed of must not take another's along. */
export function openAddon(folder: string): unknown {
  delete require.cache[addonPath(folder)];
  return require(addonPath(folder)) as unknown;
}
