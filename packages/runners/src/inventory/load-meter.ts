/** How busy this machine is at the moment, as parts of the whole. Read when asked, from Linux's own counters. */
import { readFileSync, readdirSync, statfsSync } from 'node:fs';
import { availableParallelism, loadavg } from 'node:os';
import { join } from 'node:path';

interface MachineLoad {
  /** Of its processors, by the load average of the last minute; 1 = as many wait or run as there are. */
  readonly load: number;
  /** Of the file system of the data directory, for those who are not root. */
  readonly diskFree: number;
  /** Of the busiest network link since the last look; missing where no link says how fast it is. */
  readonly networkFree?: number;
}

interface LoadMeter {
  read(nowMs: number): MachineLoad;
}

interface LoadPlaces {
  readonly dataDir: string;
  /** As Linux lays them out: `net/dev` below the one, `<interface>/speed` (Mbit/s) below the other. */
  readonly procDir?: string;
  readonly linksDir?: string;
}

/** Shorter looks say more about the moment than about the machine: the last answer is given again. */
const LEAST_MS = 1_000;

interface Counted {
  readonly atMs: number;
  readonly bytes: ReadonlyMap<string, { readonly received: number; readonly sent: number }>;
}

export function createLoadMeter({
  dataDir,
  procDir = '/proc',
  linksDir = '/sys/class/net',
}: LoadPlaces): LoadMeter {
  const bytesPerSecond = linkSpeeds(linksDir);
  let before: Counted | undefined;
  let last: MachineLoad | undefined;
  return {
    read: (nowMs) => {
      if (last !== undefined && before !== undefined && nowMs - before.atMs < LEAST_MS) return last;
      const now: Counted = { atMs: nowMs, bytes: readCounters(procDir) };
      const busy = before === undefined ? undefined : busiest(before, now, bytesPerSecond);
      const disk = statfsSync(dataDir);
      before = now;
      last = {
        load: Math.min(1, (loadavg()[0] ?? 0) / availableParallelism()),
        diskFree: disk.blocks === 0 ? 0 : disk.bavail / disk.blocks,
        ...(busy === undefined ? {} : { networkFree: 1 - busy }),
      };
      return last;
    },
  };
}

/** Bytes a second and direction; links that do not know theirs (virtual ones, cables pulled) are left out. */
function linkSpeeds(linksDir: string): ReadonlyMap<string, number> {
  const speeds = new Map<string, number>();
  try {
    for (const name of readdirSync(linksDir)) {
      const megabits = Number(readText(join(linksDir, name, 'speed')));
      if (name !== 'lo' && megabits > 0) speeds.set(name, (megabits * 1e6) / 8);
    }
  } catch {
    // not Linux: nothing is known of its links
  }
  return speeds;
}

function readCounters(procDir: string): Counted['bytes'] {
  const counted = new Map<string, { received: number; sent: number }>();
  for (const line of readText(join(procDir, 'net', 'dev')).split('\n')) {
    const [, name, numbers = ''] = /^\s*([^:\s]+):\s*(.*)$/.exec(line) ?? [];
    if (name === undefined) continue;
    // Eight counters of what came in, then those of what went out; the first of each is bytes.
    const columns = numbers.split(/\s+/).map(Number);
    counted.set(name, { received: columns[0] ?? 0, sent: columns[8] ?? 0 });
  }
  return counted;
}

function busiest(before: Counted, now: Counted, speeds: ReadonlyMap<string, number>): number | undefined {
  const seconds = (now.atMs - before.atMs) / 1000;
  const parts = [...speeds].flatMap(([name, perSecond]) => {
    const [from, to] = [before.bytes.get(name), now.bytes.get(name)];
    if (from === undefined || to === undefined || seconds <= 0) return [];
    const moved = Math.max(to.received - from.received, to.sent - from.sent);
    return [Math.min(1, Math.max(0, moved / seconds / perSecond))];
  });
  return parts.length === 0 ? undefined : Math.max(...parts);
}

function readText(file: string): string {
  try {
    return readFileSync(file, 'utf8');
  } catch {
    return '';
  }
}
