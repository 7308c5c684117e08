/** The page at `/` until the console exists: one self-contained file that asks for a key and shows what is going on. */
import { readFile } from 'node:fs/promises';

export function createPage(): Promise<string> {
  return readFile(new URL('./page.html', import.meta.url), 'utf8');
}
