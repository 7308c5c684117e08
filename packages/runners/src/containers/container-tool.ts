/**
 * The program of this machine that runs containers. Their command lines are one family; where they differ stands in
 * a table, and a tool counts only when it answers: a docker without its daemon runs nothing.
 */
import { findProgram } from '../local/find-program.ts';
import { runTool } from './run-tool.ts';

export const containerTools = ['podman', 'docker', 'nerdctl'] as const;
export type ContainerToolKind = (typeof containerTools)[number];

export interface ContainerTool {
  readonly kind: ContainerToolKind;
  readonly path: string;
  readonly version: string;
  /** False where the machine lets it set no limits: a user's own containers beside control groups of version 1. */
  readonly hasLimits: boolean;
  /**
   * It can give a container a first process that passes signals on; without one a program that handles no SIGTERM
   * lives through its grace, since the kernel spares the first process of a PID namespace.
   */
  readonly hasInit: boolean;
}

/** Prints one line: the version, and `true` where it runs without root on control groups of version 1. */
const questions: Readonly<Record<ContainerToolKind, string>> = {
  podman: '{{.Version.Version}} {{and .Host.Security.Rootless (eq .Host.CgroupsVersion "v1")}}',
  docker: '{{.ServerVersion}} false',
  nerdctl: '{{.ServerVersion}} false',
};
/** The program that becomes the first process, and where packages put it beside the PATH; Docker brings its own. */
const inits: Readonly<Record<ContainerToolKind, string | undefined>> = {
  podman: 'catatonit',
  docker: undefined,
  nerdctl: 'tini',
};
const initPlaces = '/usr/libexec/podman:/usr/lib/podman:/usr/bin:/usr/sbin';
const answersWithinMs = 10_000;

export interface ToolSearch {
  readonly searchPath: string;
  /** One of the tools by name or path, or `none`; left out: the first that answers. */
  readonly wanted?: string | undefined;
}

/** Undefined where nothing here runs containers. */
export async function findContainerTool({
  searchPath,
  wanted,
}: ToolSearch): Promise<ContainerTool | undefined> {
  if (wanted === 'none') return undefined;
  for (const kind of wanted === undefined ? containerTools : [kindOf(wanted)]) {
    const { path } = findProgram(wanted ?? kind, searchPath, '/');
    if (path === undefined) continue;
    const { code, stdout } = await runTool(path, ['info', '--format', questions[kind]], {
      timeoutMs: answersWithinMs,
    });
    const [version = '', isUnlimited] = stdout.trim().split(' ');
    if (code !== 0 || version === '') continue;
    const init = inits[kind];
    const hasInit =
      init === undefined || findProgram(init, `${searchPath}:${initPlaces}`, '/').path !== undefined;
    return { kind, path, version, hasLimits: isUnlimited !== 'true', hasInit };
  }
  return undefined;
}

/** By how its file is called; what is called otherwise speaks podman's words. */
function kindOf(wanted: string): ContainerToolKind {
  const name = wanted.split('/').at(-1) ?? '';
  return containerTools.find((kind) => name.startsWith(kind)) ?? 'podman';
}
