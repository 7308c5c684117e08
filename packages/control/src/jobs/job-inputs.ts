/** What a job takes along: its working directory, its secrets, its volumes. Checked before it is accepted. */
import type { ErrorProblem, JobSpec } from '@gantry/contract';
import type { Row, Tx } from '@gantry/ports';
import type { Deps } from '../deps.ts';
import { secretUses } from '../secrets/secret-use.ts';
import type { AttemptRecord, JobSpecRecord } from './job-record.ts';
import { isPlatformVariable } from './platform-variables.ts';
import { s3VolumeDir } from './s3-volumes.ts';
import { volumeMounts } from './volume-mounts.ts';

/** Where the command runs: the unpacked upload of this attempt, the directory that was named, or the run's own. */
export function workDirOf(
  deps: Deps,
  row: Pick<Row, 'id' | 'spec'>,
  attempt: Pick<AttemptRecord, 'id'>,
): string {
  const { job } = row.spec as JobSpecRecord;
  const runDir = deps.places.runDir(row.id);
  return job.upload === undefined ? (job.workdir ?? runDir) : `${runDir}/attempts/${attempt.id}/work`;
}

/** What the work is made of, as far as it can be named. */
export async function codeOf(deps: Deps, tx: Tx, spec: JobSpec): Promise<string | undefined> {
  if (spec.upload !== undefined) {
    const upload = await tx.get('upload', spec.upload);
    return upload === undefined ? undefined : (upload.spec as UploadSpecRecord).digest;
  }
  const commit = spec.workdir === undefined ? undefined : await deps.jobFiles.commitOf(spec.workdir);
  return commit === undefined ? undefined : `git:${commit}`;
}

export interface UploadSpecRecord {
  readonly digest: string;
  readonly bytes: number;
  readonly files: number;
}

export async function inputProblems(
  deps: Deps,
  tx: Tx,
  tenantId: string,
  job: { readonly id: string; readonly spec: JobSpec },
): Promise<readonly ErrorProblem[]> {
  const { spec } = job;
  const problems: ErrorProblem[] = [];
  const variables = new Set(Object.keys(spec.env));
  for (const [index, { name, env }] of secretUses(spec).entries()) {
    const path = `secrets.${index}`;
    if ((await tx.byName('secret', tenantId, name)) === undefined)
      problems.push({ path, message: `there is no secret "${name}"`, hint: `gantry secret set ${name}` });
    if (isPlatformVariable(env))
      problems.push({ path, message: `the platform sets ${env} itself`, hint: 'name another: {name, env}' });
    if (variables.has(env))
      problems.push({ path, message: `${env} is set twice`, hint: 'name another: {name, env}' });
    variables.add(env);
  }
  if (spec.upload !== undefined) {
    const upload = await tx.get('upload', spec.upload);
    if (upload?.tenantId !== tenantId)
      problems.push({
        path: 'upload',
        message: `there is no upload "${spec.upload}"`,
        hint: 'uploads are kept for some days; gantry job run --upload DIR makes a new one',
      });
    if (spec.workdir !== undefined)
      problems.push({ path: 'workdir', message: 'an upload is the working directory; leave workdir out' });
  }
  if (spec.imageSecret !== undefined && (await tx.byName('secret', tenantId, spec.imageSecret)) === undefined)
    problems.push({
      path: 'imageSecret',
      message: `there is no secret "${spec.imageSecret}"`,
      hint: `echo USER:PASSWORD | gantry secret set ${spec.imageSecret}`,
    });
  if (spec.network === 'own' && !deps.runner.facts.ownNetwork)
    problems.push({
      path: 'network',
      message: 'no worker of this machine can have a network of its own',
      hint: 'gantry doctor says why; or leave it out',
    });
  // Of an image it is a folder that only the image knows.
  if (spec.upload === undefined && spec.workdir !== undefined && spec.image === undefined)
    problems.push(...(await workdirProblems(deps, spec.workdir)));
  for (const [index, { secret }] of spec.volumes.entries())
    if (secret !== undefined && (await tx.byName('secret', tenantId, secret)) === undefined)
      problems.push({
        path: `volumes.${index}.secret`,
        message: `there is no secret "${secret}"`,
        hint: `gantry secret set ${secret} < ~/.aws/credentials`,
      });
  problems.push(...(await mirrorProblems(deps, tx, tenantId, spec)));
  const record = { id: job.id, spec: { job: spec } as JobSpecRecord };
  const { problems: inVolumes } = await volumeMounts(
    deps,
    tenantId,
    spec,
    workDirOf(deps, record, { id: 'att' }),
    (index) => s3VolumeDir(deps, job.id, 'att', index),
  );
  return [...problems, ...inVolumes];
}

async function mirrorProblems(
  deps: Deps,
  tx: Tx,
  tenantId: string,
  { checkpoint: { to, secret } }: JobSpec,
): Promise<readonly ErrorProblem[]> {
  if (to === undefined) return [];
  const problem = deps.checkpointMirror.problemWith(to);
  if (problem !== undefined) return [{ path: 'checkpoint.to', ...problem }];
  if (secret === undefined || (await tx.byName('secret', tenantId, secret)) !== undefined) return [];
  return [
    {
      path: 'checkpoint.secret',
      message: `there is no secret "${secret}"`,
      hint: `gantry secret set ${secret} < ~/.aws/credentials`,
    },
  ];
}

/** A path of the submitter's machine means nothing here unless it is there too. */
async function workdirProblems(deps: Deps, workdir: string): Promise<readonly ErrorProblem[]> {
  if (!workdir.startsWith('/'))
    return [{ path: 'workdir', message: `"${workdir}" is no absolute path`, hint: 'name it from the root' }];
  if (await deps.jobFiles.exists(workdir)) return [];
  return [
    {
      path: 'workdir',
      message: `there is no "${workdir}" on the machine of this server`,
      hint: 'from another machine take the folder along: gantry job run --upload .',
    },
  ];
}
