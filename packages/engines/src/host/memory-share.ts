/** How much of its memory limit this process holds; weights mapped from a file do not count, they can be dropped. */
import { readFile } from 'node:fs/promises';

/** Above 1 beyond the limit; undefined where there is none. */
export async function memoryShare(limitBytes: number | undefined): Promise<number | undefined> {
  if (limitBytes === undefined) return undefined;
  const status = await readFile('/proc/self/status', 'utf8').catch(() => '');
  const anonymousKib = /^RssAnon:\s+(\d+) kB$/m.exec(status)?.[1];
  const bytes = anonymousKib === undefined ? process.memoryUsage.rss() : Number(anonymousKib) * 1_024;
  return bytes / limitBytes;
}
