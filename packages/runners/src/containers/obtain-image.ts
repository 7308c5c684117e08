/** An image on this machine, pulled where its policy says so, and which one exactly it is. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { WorkerImage } from '@gantry/ports';
import type { ContainerTool } from './container-tool.ts';
import { type ToolAnswer, lastWords, runTool } from './run-tool.ts';
import { memoryFolder } from './memory-folder.ts';

export type ObtainedImage =
  | {
      readonly id: string;
      /** `sha256:…` of its manifest as its registry names it; undefined for one that came from none. */
      readonly digest: string | undefined;
    }
  | {
      readonly cause: 'image_missing' | 'image_unavailable';
      readonly message: string;
    };

export async function obtainImage(
  tool: ContainerTool,
  image: WorkerImage,
  signal: AbortSignal,
): Promise<ObtainedImage> {
  const { reference, pull } = image;
  const known = pull === 'always' ? undefined : await lookAt(tool, reference, signal);
  if (known !== undefined) return known;
  if (pull === 'never')
    return { cause: 'image_missing', message: `the image ${reference} is not on this machine` };
  const answer = await pullImage(tool, image, signal);
  if (answer.code !== 0) {
    const words = masked(lastWords(answer), image.credentials);
    return {
      cause: isPassing(answer) ? 'image_unavailable' : 'image_missing',
      message: `the image ${reference} could not be pulled: ${words === '' ? 'the tool said nothing' : words}`,
    };
  }
  return (
    (await lookAt(tool, reference, signal)) ?? {
      cause: 'image_unavailable',
      message: `the image ${reference} was pulled and is gone again`,
    }
  );
}

async function lookAt(
  { path }: ContainerTool,
  reference: string,
  signal: AbortSignal,
): Promise<ObtainedImage | undefined> {
  const { code, stdout } = await runTool(
    path,
    ['image', 'inspect', '--format', '{{.Id}} {{json .RepoDigests}}', reference],
    { signal },
  );
  const [, id, digests = ''] = /^(\S+) ?(.*)$/.exec(stdout.trim()) ?? [];
  if (code !== 0 || id === undefined) return undefined;
  return { id, digest: /@(sha256:[0-9a-f]{64})/.exec(digests)?.[1] };
}

async function pullImage(
  { path }: ContainerTool,
  { reference, credentials }: WorkerImage,
  signal: AbortSignal,
): Promise<ToolAnswer> {
  const args = ['pull', '--quiet', reference];
  if (credentials === undefined) return runTool(path, args, { signal });
  const dir = mkdtempSync(join(memoryFolder() ?? tmpdir(), 'gantry-registry-'));
  try {
    const file = join(dir, 'config.json');
    const auth = Buffer.from(credentials).toString('base64');
    writeFileSync(file, JSON.stringify({ auths: { [registryOf(reference)]: { auth } } }), { mode: 0o600 });
    return await runTool(path, args, { signal, env: { REGISTRY_AUTH_FILE: file, DOCKER_CONFIG: dir } });
  } finally {
    rmSync(dir, { recursive: true, force: true });
  }
}

/** The first part names a registry when it could be a host (distribution/reference); else it is Docker's own. */
export function registryOf(reference: string): string {
  const [first = '', ...rest] = reference.split('/');
  const isHost = rest.length > 0 && (/[.:]/.test(first) || first === 'localhost');
  return isHost && first !== 'docker.io' ? first : 'https://index.docker.io/v1/';
}

/** Trouble of the way there, not of what was asked for: another try may succeed. */
const isPassing = ({ stderr, code }: ToolAnswer): boolean =>
  code === undefined ||
  /timeout|timed out|connection reset|unexpected EOF|temporary failure|too many requests|\b50[0-4]\b|no space left/i.test(
    stderr,
  );

const masked = (text: string, credentials: string | undefined): string => {
  const password = credentials?.slice(credentials.indexOf(':') + 1) ?? '';
  return password === '' ? text : text.replaceAll(password, '***');
};
