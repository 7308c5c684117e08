import { readFileSync } from 'node:fs';
import { removeContainer } from '../containers/run-tool.ts';
import { cgroupOf } from './cgroup.ts';
import {
  type ShimRecord,
  type SpecRecord,
  type WorkerFiles,
  isOfWorker,
  readJson,
  startTimeOf,
} from './worker-files.ts';

/** Ends what a dead shim left: by its group's mark, as ids are used again, and by its control group. */
export function killWorker(workerId: string, files: WorkerFiles, shim: ShimRecord | undefined): void {
  const written = Number(readText(files.pid));
  const leader = shim?.childPid ?? (Number.isInteger(written) && written > 1 ? written : undefined);
  const isSame =
    shim === undefined
      ? leader !== undefined && isOfWorker(leader, workerId)
      : startTimeOf(shim.childPid) === shim.childStart;
  if (leader !== undefined && isSame) {
    try {
      process.kill(-leader, 'SIGKILL');
    } catch {
      // gone already
    }
  }
  const spec = readJson<SpecRecord>(files.spec);
  if (spec?.container !== undefined) void removeContainer(spec.container.tool, workerId);
  const parents = spec?.isolation?.cgroup;
  if (parents === undefined) return;
  const group = cgroupOf(parents, files.dir);
  const bury = (triesLeft: number): void => {
    group.killAll();
    if (!group.remove() && triesLeft > 0) setTimeout(bury, 20, triesLeft - 1);
  };
  bury(200);
}

function readText(file: string): string {
  try {
    return readFileSync(file, 'utf8');
  } catch {
    return '';
  }
}
