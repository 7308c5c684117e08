import { GantryError } from '@gantry/contract';
import type { Row, WorkerSpec } from '@gantry/ports';
import type { NodeSpecRecord } from '../nodes/node-record.ts';
import { cudaNames } from '../nodes/visible-devices.ts';
import type { Deps } from '../deps.ts';
import { openSecrets } from '../secrets/secrets.ts';
import { gatewayAccess } from './attempt-key.ts';
import { restoreCheckpoint } from './checkpoint-mirror.ts';
import { type UploadSpecRecord, workDirOf } from './job-inputs.ts';
import { fetchS3Volumes, s3VolumeDir } from './s3-volumes.ts';
import { volumeMounts } from './volume-mounts.ts';
import type { AttemptRecord, JobSpecRecord } from './job-record.ts';
import { modelInputs } from './model-inputs.ts';
import { groupOfRank, rankGroups } from './rank-groups.ts';
import { networkFacts } from './network-facts.ts';
import { type RankPlace, workerEnvironment } from './worker-environment.ts';
import { workerIdOf } from './worker-id.ts';
import { workerImage } from './worker-image.ts';

/** Says so before what may take long, and gives it up when it is told to. */
export interface Preparation {
  readonly signal: AbortSignal;
  tell(note: string | undefined): void;
}

/** Starts every rank of an attempt. The runner refuses a worker it has started before, so this may be repeated. */
export async function startAttempt(
  deps: Deps,
  row: Row,
  attempt: AttemptRecord,
  preparation: Preparation,
): Promise<void> {
  const ground = await layGround(deps, row, attempt);
  const { places } = ground;
  // What runs already has its inputs; a secret deleted meanwhile is no reason to end it.
  const begun = await deps.runner.list(places.map(({ rank }) => workerIdOf(attempt.id, rank)));
  const isAdopted = begun.length === places.length;
  if (!isAdopted) await restoreCheckpoint(deps, row, attempt, preparation);
  const resumeFrom = await deps.places.newestCheckpoint(row.id);
  const inputs = isAdopted ? {} : await prepareInputs(deps, row, attempt, ground.cwd, preparation);
  for (const place of places)
    await deps.runner.start({ ...workerOf(deps, row, attempt, { ...ground, place, resumeFrom }), ...inputs });
}

/** A rank that was lost, in its place again, while the others of the attempt go on. */
export async function startRankAgain(
  deps: Deps,
  row: Row,
  attempt: AttemptRecord,
  rank: number,
  comesBack: number,
  preparation: Preparation,
): Promise<void> {
  const ground = await layGround(deps, row, attempt);
  const place = ground.places.find((each) => each.rank === rank);
  if (place === undefined) return;
  const workerId = workerIdOf(attempt.id, rank);
  const resumeFrom = await deps.places.newestCheckpoint(row.id);
  const inputs = await prepareInputs(deps, row, attempt, ground.cwd, preparation);
  // Its end is known; the same rank is the same worker.
  await deps.runner.acknowledge(workerId, 'end');
  await deps.runner.remove(workerId);
  const worker = workerOf(deps, row, attempt, { ...ground, place, resumeFrom, comesBack });
  await deps.runner.start({ ...worker, ...inputs });
}

/** What all ranks of an attempt have in common. */
interface Ground {
  readonly places: readonly RankPlace[];
  readonly folders: Readonly<Record<string, string>>;
  readonly specFile: string;
  readonly cwd: string;
}

async function layGround(deps: Deps, row: Row, attempt: AttemptRecord): Promise<Ground> {
  const { job } = row.spec as JobSpecRecord;
  const { folders, asked } = await modelInputs(deps, row);
  const { specFile } = await deps.places.prepareAttempt({
    jobId: row.id,
    attemptId: attempt.id,
    spec: { ...job, name: row.name, models: folders, asked },
  });
  return { folders, specFile, places: await rankPlaces(deps, attempt), cwd: workDirOf(deps, row, attempt) };
}

function workerOf(
  deps: Deps,
  row: Row,
  attempt: AttemptRecord,
  {
    place,
    places,
    folders,
    specFile,
    cwd,
    resumeFrom,
    comesBack = 0,
  }: Ground & {
    readonly place: RankPlace;
    readonly resumeFrom: string | undefined;
    readonly comesBack?: number;
  },
): WorkerSpec {
  const { job } = row.spec as JobSpecRecord;
  const groups = rankGroups(job);
  const workerId = workerIdOf(attempt.id, place.rank);
  const workerDir = deps.places.workerDir(workerId);
  const group = groupOfRank(groups, place.rank);
  const { resources } = group;
  const cpuMilli = Math.round(resources.cpu * 1_000);
  const env = workerEnvironment({
    place,
    places,
    masterPort: attempt.masterPort,
    framework: job.framework,
    command: group.command,
    ...(job.groups === undefined ? {} : { groups }),
    job: { name: row.name, attemptId: attempt.id, epoch: attempt.epoch },
    files: {
      workerDir,
      runDir: deps.places.runDir(row.id),
      reportFile: `${workerDir}/report.jsonl`,
      specFile,
      rendezvousDir: deps.places.rendezvousDir(attempt.id),
      rendezvousToken: deps.vault.tokenFor(`rendezvous ${attempt.id}`),
      resumeFrom,
    },
    user: job.env,
    cpuMilli,
    gpuShare: Number.isInteger(resources.gpu) ? undefined : resources.gpu,
    minRanks: job.minReplicas,
    comesBack,
  });
  return {
    workerId,
    attemptId: attempt.id,
    jobId: row.id,
    rank: place.rank,
    command: commandOf(deps, job, group.command),
    cwd,
    env,
    ...(job.network === 'own' ? { network: {} } : {}),
    needs: [
      deps.places.runDir(row.id),
      deps.places.rendezvousDir(attempt.id),
      ...Object.values(folders),
      ...(gatewayAccess(deps, row, attempt)?.needs ?? []),
    ],
    limits: { cpuMilli, memoryBytes: resources.memory, pids: 4096 },
    logLimitBytes: 256 * 1024 ** 2,
    timeLimitMs: job.timeLimit,
  };
}

async function prepareInputs(
  deps: Deps,
  row: Row,
  attempt: AttemptRecord,
  cwd: string,
  preparation: Preparation,
): Promise<Pick<WorkerSpec, 'secretEnv' | 'mounts' | 'image'>> {
  const { job } = row.spec as JobSpecRecord;
  const secretEnv = {
    ...(await openSecrets(deps, row.tenantId, job)),
    ...gatewayAccess(deps, row, attempt)?.secretEnv,
  };
  if (job.upload !== undefined) await unpackUpload(deps, job.upload, cwd);
  const { mounts, problems } = await volumeMounts(deps, row.tenantId, job, cwd, (index) =>
    s3VolumeDir(deps, row.id, attempt.id, index),
  );
  const [problem] = problems;
  if (problem === undefined) {
    await fetchS3Volumes(deps, row, attempt, preparation);
    const image = await workerImage(deps, row.tenantId, job);
    return { secretEnv, mounts, ...(image === undefined ? {} : { image }) };
  }
  const { hint } = problem;
  throw new GantryError('data_missing', problem.message, hint === undefined ? {} : { hint });
}

async function unpackUpload(deps: Deps, uploadId: string, dir: string): Promise<void> {
  const upload = await deps.store.read({ platform: true }, (tx) => tx.get('upload', uploadId));
  if (upload === undefined)
    throw new GantryError('data_missing', `the upload "${uploadId}" is gone`, {
      hint: 'submit the job again with --upload',
    });
  await deps.jobFiles.unpack((upload.spec as UploadSpecRecord).digest, dir);
}

function commandOf(
  deps: Deps,
  job: JobSpecRecord['job'],
  command: JobSpecRecord['job']['command'] = [],
): readonly string[] {
  for (const work of ['train', 'convert', 'evaluate'] as const)
    if (job[work] !== undefined) return deps.workerCommand(work);
  return typeof command === 'string' ? ['/bin/sh', '-c', command] : command;
}

async function rankPlaces(deps: Deps, attempt: AttemptRecord): Promise<readonly RankPlace[]> {
  const nodeIds = [...new Set(attempt.placement.map(({ node }) => node))];
  const nodes = await deps.store.read({ platform: true }, async (tx) => {
    const rows: (Row | undefined)[] = [];
    for (const id of nodeIds) rows.push(await tx.get('node', id));
    return rows;
  });
  const specs = new Map(
    nodes.map((node, index) => [nodeIds[index], node?.spec as NodeSpecRecord | undefined]),
  );
  const seen = new Map<string, number>();
  return [...attempt.placement]
    .sort((one, other) => one.rank - other.rank)
    .map(({ rank, node, devices }) => {
      const localRank = seen.get(node) ?? 0;
      seen.set(node, localRank + 1);
      const known = specs.get(node)?.devices ?? [];
      return {
        rank,
        nodeIndex: nodeIds.indexOf(node),
        localRank,
        localWorldSize: attempt.placement.filter((place) => place.node === node).length,
        gpuIndices: cudaNames(devices, known),
        address: specs.get(node)?.address ?? '127.0.0.1',
        network: nodeIds.length === 1 ? undefined : networkFacts(specs.get(node)),
      };
    });
}
