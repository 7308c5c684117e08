/**
 * A job's volumes → what its workers mount. The machine decides what is possible; what is not is refused when the job
 * is submitted, and once more when it starts, since folders come and go.
 */
import type { ErrorProblem, JobSpec, Volume } from '@gantry/contract';
import type { WorkerMount } from '@gantry/ports';
import type { Deps } from '../deps.ts';

type Source = { readonly path: string } | { readonly problem: string; readonly hint: string };

async function sourceOf(deps: Deps, tenantId: string, volume: Volume, s3Dir: string): Promise<Source> {
  if (volume.name !== undefined) return { path: await deps.jobFiles.namedVolume(tenantId, volume.name) };
  if (volume.s3 !== undefined) {
    const problem = deps.s3Volumes.problemWith(volume.s3);
    return problem === undefined ? { path: s3Dir } : { problem: problem.message, hint: problem.hint ?? '' };
  }
  if (volume.nfs !== undefined) {
    const path = await deps.jobFiles.nfsMountPoint(volume.nfs);
    return path === undefined
      ? {
          problem: `"${volume.nfs}" is not mounted on this machine`,
          hint: `as root: mount -t nfs ${volume.nfs} /mnt/…; Gantry finds it there`,
        }
      : { path };
  }
  const path = volume.hostPath ?? '';
  if (!path.startsWith('/'))
    return { problem: `"${path}" is no absolute path`, hint: 'name it from the root: /data/corpus' };
  return (await deps.jobFiles.exists(path))
    ? { path }
    : { problem: `there is no "${path}" on this machine`, hint: 'make it, or correct the path' };
}

/** `s3DirOf`: where the volume of this number is fetched to. */
export async function volumeMounts(
  deps: Deps,
  tenantId: string,
  spec: Pick<JobSpec, 'volumes' | 'image'>,
  workDir: string,
  s3DirOf: (index: number) => string,
): Promise<{ readonly mounts: readonly WorkerMount[]; readonly problems: readonly ErrorProblem[] }> {
  const mounts: WorkerMount[] = [];
  const problems: ErrorProblem[] = [];
  // In a container every place can be mounted at.
  const isContained = spec.image !== undefined;
  for (const [index, volume] of spec.volumes.entries()) {
    const at = `volumes.${index}`;
    if (!isContained && !deps.runner.facts.mounts) {
      problems.push({
        path: at,
        message: 'this server may not give a job a file system of its own',
        hint: 'see gantry doctor; or leave it out: local jobs see the files of this machine at their own paths',
      });
      continue;
    }
    const source = await sourceOf(deps, tenantId, volume, s3DirOf(index));
    const target = mountTarget(volume, workDir);
    if ('problem' in source) problems.push({ path: at, message: source.problem, hint: source.hint });
    else if (mounts.some((mount) => mount.target === target))
      problems.push({ path: `${at}.mount`, message: `two volumes at ${volume.mount}` });
    else if (!isContained && !(await deps.jobFiles.canMountAt(target, workDir)))
      problems.push({
        path: `${at}.mount`,
        message: `there is no ${target} on this machine to mount at`,
        hint: 'use a path relative to the working directory, one directly below /, or make that folder once',
      });
    else mounts.push({ source: source.path, target, readOnly: volume.readOnly });
  }
  return { mounts, problems };
}

/** Where its workers see it. */
export const mountTarget = ({ mount: path }: Pick<Volume, 'mount'>, workDir: string): string =>
  (path.startsWith('/') ? path : `${workDir}/${path}`).replaceAll(/\/(\.?\/)+/g, '/').replace(/\/\.?$/, '');
