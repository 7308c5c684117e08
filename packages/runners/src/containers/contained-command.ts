/**
 * A worker's command in a container: image, create, start, and after its end what the tool knows of it. The container
 * is removed before the end is written down, so what an exit file says is over is over.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { appendFileSync, existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import type { Beginning, CommandEnd } from '../local/running-command.ts';
import { unwrapExit } from '../local/sandbox-command.ts';
import {
  type ContainerRecord,
  type SpecRecord,
  type WorkerSecrets,
  hasGpuPeers,
  workerMark,
  type WorkerFiles,
} from '../local/worker-files.ts';
import { type ContainerDoor, openContainerDoor } from './container-door.ts';
import { createArguments, envFileText, startArguments, visibleInside } from './container-arguments.ts';
import { homeOf } from './container-home.ts';
import { type MemoryWatch, watchMemory } from './container-memory.ts';
import { containerMounts } from './container-mounts.ts';
import type { ContainerTool } from './container-tool.ts';
import { memoryFolder } from './memory-folder.ts';
import { obtainImage } from './obtain-image.ts';
import { type ToolAnswer, lastWords, removeContainer, runTool } from './run-tool.ts';

export interface ContainedInput {
  readonly spec: SpecRecord;
  readonly container: ContainerRecord;
  readonly secrets: WorkerSecrets;
  readonly files: WorkerFiles;
  /** Descriptors of its logs. */
  readonly stdout: number;
  readonly stderr: number;
  /** Gives up what has not begun yet. */
  readonly signal: AbortSignal;
}

/** A kill above this part of the limit is taken for the limit’s. */
const nearlyAll = 0.8;

const notBegun = (cause: CommandEnd['cause'], message: string): Beginning => ({
  notBegun: { code: null, signal: null, ...(cause === undefined ? {} : { cause }), message },
});

export async function beginContainer(input: ContainedInput): Promise<Beginning> {
  const { spec, container, secrets, files, signal } = input;
  const { tool, image } = container;
  const name = spec.workerId;
  const { imageCredentials: credentials } = secrets;
  const wanted = credentials === undefined ? image : { ...image, credentials };
  const obtained = await obtainImage(tool, wanted, signal);
  if (signal.aborted) return notBegun(undefined, 'was stopped before its image was there');
  if ('cause' in obtained) return notBegun(obtained.cause, obtained.message);
  tellImage(files.report, image.reference, obtained);

  const created = await create(input, obtained.id);
  if ('problem' in created) return notBegun('not_started', created.problem);
  if (created.code !== 0) return notBegun('not_started', `no container could be made: ${lastWords(created)}`);
  if (signal.aborted) {
    await removeContainer(tool, name);
    return notBegun(undefined, 'was stopped before it began');
  }

  const client = spawn(tool.path, startArguments(tool, name), {
    // podman's conmon leaves a file `oom` where it stands when memory runs out.
    cwd: input.files.dir,
    stdio: ['ignore', input.stdout, input.stderr],
    detached: true,
  });
  const clientEnd = endOf(client);
  const over = new AbortController();
  let memory: MemoryWatch | undefined;
  let door: ContainerDoor | undefined;
  let doorTrouble: string | undefined;
  let isAsked = false;
  const ended = clientEnd.then(async (code): Promise<CommandEnd> => {
    using _watched = memory;
    const isNearLimit = !isAsked && (memory?.peakBytes() ?? 0) >= nearlyAll * spec.limits.memoryBytes;
    const end = await judge(tool, name, code, isNearLimit);
    over.abort();
    // What it answered last is still on its way through.
    await door?.close();
    await removeContainer(tool, name);
    return doorTrouble === undefined
      ? end
      : { code: null, signal: null, message: `its door could not be opened: ${doorTrouble}` };
  });
  const pid = await firstProcess(tool, name, clientEnd);
  if (pid !== undefined && tool.hasLimits) memory = watchMemory(pid);
  const wantedDoor = spec.network?.door;
  if (pid !== undefined && wantedDoor !== undefined)
    try {
      door = await openContainerDoor(pid, wantedDoor);
    } catch (error) {
      if (!over.signal.aborted) doorTrouble = error instanceof Error ? error.message : String(error);
      await runTool(tool.path, ['kill', '--signal', 'KILL', name]);
    }
  return {
    pid: pid ?? client.pid,
    signal: (wanted) => {
      isAsked = true;
      // A container that is just coming up takes no signals yet.
      const send = async (): Promise<void> => {
        while (!over.signal.aborted) {
          const { code } = await runTool(tool.path, ['kill', '--signal', wanted.slice(3), name]);
          if (code === 0) return;
          await pause(200);
        }
      };
      void send();
    },
    ended,
    bury: () => true,
  };
}

/** Its platform variables, the user's and the secrets, in a file that lies in memory and goes at once. */
async function create(
  { spec, container: { tool, image, shown }, files, secrets }: ContainedInput,
  imageId: string,
): Promise<ToolAnswer | { readonly problem: string }> {
  const gpus = (spec.env['CUDA_VISIBLE_DEVICES'] ?? '').split(',').filter(Boolean);
  const lines = envFileText({
    ...spec.env,
    ...visibleInside(gpus),
    ...secrets.env,
    [workerMark]: spec.workerId,
  });
  if ('unfit' in lines)
    return {
      problem: `the variable ${lines.unfit} has more than one line, which no container tool passes on`,
    };
  const hidden = spec.view?.roots.map(({ path }) => path) ?? [];
  const volumes = containerMounts(spec.mounts ?? [], hidden);
  if ('refused' in volumes) return { problem: `there is no ${volumes.refused} on this machine` };
  const dir = mkdtempSync(join(memoryFolder() ?? tmpdir(), 'gantry-env-'));
  const envFile = join(dir, 'env');
  try {
    writeFileSync(envFile, lines.text, { mode: 0o600 });
    return await runTool(
      tool.path,
      createArguments(tool, {
        name: spec.workerId,
        home: homeOf(dirname(files.dir)),
        imageId,
        ...(image.publish === undefined ? {} : { publish: image.publish }),
        isAlone: spec.network !== undefined,
        command: spec.command,
        cwd: spec.cwd,
        envFile,
        shown: [files.own, ...shown].filter(existsSync),
        ...volumes,
        limits: spec.limits,
        gpus,
        hasGpuPeers: hasGpuPeers(spec),
        user: { uid: process.getuid?.() ?? 0, gid: process.getgid?.() ?? 0 },
      }),
    );
  } finally {
    rmSync(dir, { recursive: true, force: true });
  }
}

const endOf = (client: ChildProcess): Promise<number | null> =>
  new Promise((resolve) => {
    client.on('error', () => resolve(null));
    client.on('exit', (code) => resolve(code));
  });

/** Undefined for one that was over before anybody looked. */
async function firstProcess(
  tool: ContainerTool,
  name: string,
  clientEnd: Promise<unknown>,
): Promise<number | undefined> {
  const over = new AbortController();
  void clientEnd.then(() => over.abort());
  while (!over.signal.aborted) {
    const { Pid: pid = 0 } = (await stateOf(tool, name)) ?? {};
    if (pid > 0) return pid;
    await pause(50);
  }
  return undefined;
}

/** The tool's record goes before the client's exit code: a client may end without its container. */
async function judge(
  tool: ContainerTool,
  name: string,
  clientCode: number | null,
  isNearLimit: boolean,
): Promise<CommandEnd> {
  const state = await stateOf(tool, name);
  if (state === undefined || state.Running === true || state.ExitCode === undefined)
    return { code: null, signal: 'SIGKILL', message: 'its container was taken away' };
  const hasNeverRun = (state.StartedAt ?? '').startsWith('0001') && clientCode !== 0;
  if (hasNeverRun) {
    const trouble = state.Error || `the tool ended with ${clientCode}`;
    const message = `the container could not be started: ${trouble}`;
    return { code: null, signal: null, cause: 'not_started', message };
  }
  const end = unwrapExit(state.ExitCode, null, true);
  const isKilledForMemory =
    (state.OOMKilled === true && state.ExitCode !== 0) || (end.signal === 'SIGKILL' && isNearLimit);
  return isKilledForMemory ? { ...end, cause: 'out_of_memory' } : end;
}

/** What all three tools say of a container, in Docker's words. */
interface ContainerState {
  readonly Running?: boolean;
  readonly OOMKilled?: boolean;
  readonly ExitCode?: number;
  readonly Pid?: number;
  /** Year 1 for one that never ran. */
  readonly StartedAt?: string;
  readonly Error?: string;
}

async function stateOf({ path }: ContainerTool, name: string): Promise<ContainerState | undefined> {
  const { stdout } = await runTool(path, ['inspect', '--format', '{{json .State}}', name]);
  try {
    return JSON.parse(stdout) as ContainerState;
  } catch {
    return undefined;
  }
}

/** Which image it is exactly belongs to the attempt, not only to this machine's log. */
function tellImage(
  reportFile: string,
  reference: string,
  { id, digest }: { readonly id: string; readonly digest: string | undefined },
): void {
  const values = { image: reference, imageId: id, ...(digest === undefined ? {} : { imageDigest: digest }) };
  appendFileSync(reportFile, `${JSON.stringify({ type: 'facts', at: new Date().toISOString(), values })}\n`);
}
