/** The kernel's own messages, as `/dev/kmsg` gives them: `priority,sequence,microseconds,flags;text`. */
import { closeSync, constants, openSync, readSync } from 'node:fs';
import { uptime } from 'node:os';

export interface KernelMessage {
  readonly at: Date;
  readonly text: string;
}

/** The kernel's buffer is a few hundred KiB; what is longer is no kernel log. */
const limitBytes = 16 * 1024 ** 2;

/** Undefined where this process may not read it (a container, a user without the right). */
export function readKernelLog(path = '/dev/kmsg'): readonly KernelMessage[] | undefined {
  let file: number;
  try {
    file = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK);
  } catch {
    return undefined;
  }
  try {
    return parseKernelLog(readAll(file), Date.now() - uptime() * 1000);
  } finally {
    closeSync(file);
  }
}

/** Each read gives one message; EAGAIN comes after the last, EPIPE where older ones were overwritten meanwhile. */
function readAll(file: number): string {
  const buffer = Buffer.alloc(16 * 1024);
  const parts: string[] = [];
  for (let total = 0; total < limitBytes;) {
    try {
      const bytes = readSync(file, buffer);
      if (bytes === 0) break;
      parts.push(buffer.toString('utf8', 0, bytes));
      total += bytes;
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EPIPE') break;
    }
  }
  return parts.join('');
}

const message = /^(\d+),\d+,(\d+),[^;]*;(.*)$/;

/** Only what the kernel wrote: any process that may write the log could claim the rest. */
export function parseKernelLog(log: string, bootedAtMs: number): readonly KernelMessage[] {
  return log.split('\n').flatMap((line) => {
    const [, priority, microseconds, text = ''] = message.exec(line) ?? [];
    // The facility stands above the three bits of the level; the kernel's own is 0.
    if (priority === undefined || Number(priority) >> 3 !== 0) return [];
    return [{ at: new Date(bootedAtMs + Number(microseconds) / 1000), text: unescape(text) }];
  });
}

/** Control characters inside a message come as `\x0a`. */
const unescape = (text: string): string =>
  text.replaceAll(/\\x([0-9a-f]{2})/g, (_all, hex: string) => String.fromCharCode(Number.parseInt(hex, 16)));
