/**
 * The one and only start of a worker: its spec is written down beside its logs, then a shim of its own begins that reads
 * it. The shim is in a process group of its own and outlives this server.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { existsSync, writeFileSync } from 'node:fs';
import type { WorkerSpec } from '@gantry/ports';
import type { ContainerTool } from '../containers/container-tool.ts';
import type { Isolation } from './isolation.ts';
import { makeMountPoint } from './make-mount-point.ts';
import { privateView } from './private-view.ts';
import {
  type SpecRecord,
  type WorkerFiles,
  type WorkerSecrets,
  containerRecord,
  writeJson,
} from './worker-files.ts';

/** Folders of which a worker sees only its own and what its spec says that it needs. */
export interface HiddenFolders {
  readonly paths: readonly string[];
  /** An empty folder outside of them, made when missing. */
  readonly heldDir: string;
}

interface Machine {
  readonly nodePath: string;
  readonly shimPath: string;
  readonly isolation: Isolation;
  readonly hidden: HiddenFolders | undefined;
  readonly containers: ContainerTool | undefined;
}

/** Secrets go to the shim through a pipe: the spec on disk only says that there are some. */
export function launchShim(spec: WorkerSpec, files: WorkerFiles, machine: Machine): ChildProcess {
  for (const { source, target } of spec.mounts ?? []) makeMountPoint(spec.cwd, source, target);
  writeFileSync(files.report, '', { mode: 0o600 });
  const { secretEnv = {}, image } = spec;
  const { credentials } = image ?? {};
  const hasSecrets = credentials !== undefined || Object.keys(secretEnv).length > 0;
  const secrets: WorkerSecrets = {
    env: secretEnv,
    ...(credentials === undefined ? {} : { imageCredentials: credentials }),
  };
  writeJson(files.spec, specRecord(spec, files, machine, hasSecrets));
  // A container is given its network by its tool; its shim needs the machine's to fetch the image.
  const isInside = spec.network !== undefined && image === undefined;
  const [program, ...words] = [
    ...(isInside ? (machine.isolation.network?.prefix ?? []) : []),
    machine.nodePath,
    '--max-old-space-size=64',
    '--disable-warning=ExperimentalWarning',
    machine.shimPath,
    files.spec,
  ];
  const shim = spawn(program, words, {
    detached: true,
    stdio: [hasSecrets ? 'pipe' : 'ignore', 'ignore', 'ignore'],
    // A container tool finds its store, its daemon and its proxy by the server's own variables; without the cache
    // Node would strip and compile the shim's files at each start.
    env: image === undefined ? variables(['PATH', 'NODE_COMPILE_CACHE']) : process.env,
  });
  shim.stdin?.on('error', () => undefined);
  shim.stdin?.end(JSON.stringify(secrets));
  shim.unref();
  shim.on('error', () => undefined);
  return shim;
}

function specRecord(
  spec: WorkerSpec,
  files: WorkerFiles,
  { isolation, hidden, containers }: Machine,
  hasSecrets: boolean,
): SpecRecord {
  const { secretEnv: _secretEnv, needs = [], image, ...kept } = spec;
  // A file system is built anew only around volumes.
  const building = spec.mounts === undefined || spec.mounts.length === 0 ? [] : [files.stage];
  const view =
    isolation.mounts &&
    hidden &&
    privateView(hidden.heldDir, hidden.paths.filter(existsSync), [files.own, ...building, ...needs]);
  return {
    ...kept,
    // A container has a home and a PATH of its own.
    env: image === undefined ? { ...variables(machineVariables), ...spec.env } : spec.env,
    isolation,
    ...(view === undefined ? {} : { view }),
    ...(hasSecrets ? { hasSecrets } : {}),
    ...(image === undefined || containers === undefined
      ? {}
      : { container: containerRecord(containers, image, needs) }),
  };
}

const machineVariables = ['PATH', 'HOME', 'LANG', 'TMPDIR', 'USER'];

/** Those of this process's own that are set. */
function variables(names: readonly string[]): Record<string, string> {
  const found: Record<string, string> = {};
  for (const name of names) {
    const value = process.env[name];
    if (value !== undefined) found[name] = value;
  }
  return found;
}
