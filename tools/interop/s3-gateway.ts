/** A real S3 server: versitygw over a folder, built once by Go into the user's cache. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, stat } from 'node:fs/promises';
import { createServer } from 'node:net';
import { homedir } from 'node:os';
import { join } from 'node:path';

const version = 'v1.8.0';

export interface S3Gateway extends AsyncDisposable {
  /** What a client's environment holds to reach it. */
  readonly env: Readonly<Record<string, string>>;
  readonly bucket: string;
}

export async function startS3Gateway(dir: string, say: (line: string) => void): Promise<S3Gateway> {
  const program = await built(say);
  const bucket = 'gantry-interop';
  await mkdir(join(dir, 'data', bucket), { recursive: true });
  await mkdir(join(dir, 'meta'), { recursive: true });
  const endpoint = `http://127.0.0.1:${await freePort()}`;
  const [access, secret] = ['gantry-interop', 'not/a+secret'];
  const child = spawn(
    program,
    [
      '--access',
      access,
      '--secret',
      secret,
      '--port',
      endpoint.slice('http://'.length),
      '--quiet',
      'posix',
    ].concat(['--sidecar', join(dir, 'meta'), join(dir, 'data')]),
    { stdio: 'ignore' },
  );
  await answering(endpoint, child);
  return {
    env: {
      GANTRY_S3_ENDPOINT: endpoint,
      GANTRY_S3_ACCESS_KEY_ID: access,
      GANTRY_S3_SECRET_ACCESS_KEY: secret,
    },
    bucket,
    [Symbol.asyncDispose]: async () => {
      const gone = once(child, 'exit');
      if (child.exitCode === null && child.kill()) await gone;
    },
  };
}

async function built(say: (line: string) => void): Promise<string> {
  const cache = process.env['XDG_CACHE_HOME'] ?? join(homedir(), '.cache');
  const bin = join(cache, 'gantry', 'interop', `versitygw-${version}`);
  const program = join(bin, 'versitygw');
  const isThere = await stat(program).then(
    () => true,
    () => false,
  );
  if (isThere) return program;
  say(`building ${program} (once; some minutes) …`);
  const child = spawn('go', ['install', `github.com/versity/versitygw/cmd/versitygw@${version}`], {
    env: { ...process.env, GOBIN: bin },
    stdio: ['ignore', 'ignore', 'inherit'],
  });
  const [code] = (await once(child, 'exit')) as [number | null];
  if (code !== 0) throw new Error(`go install ended with ${code}; Go 1.25 and its module proxy are needed`);
  return program;
}

async function answering(url: string, child: ChildProcess): Promise<void> {
  for (let attempt = 0; attempt < 300; attempt += 1) {
    const isUp = await fetch(url).then(
      () => true,
      () => false,
    );
    if (isUp) return;
    if (child.exitCode !== null) break;
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
  throw new Error(`versitygw does not answer (exit code ${child.exitCode})`);
}

const freePort = (): Promise<number> =>
  new Promise((resolve, reject) => {
    const server = createServer().on('error', reject);
    server.listen(0, '127.0.0.1', () => {
      const address = server.address();
      server.close(() => resolve(typeof address === 'object' && address !== null ? address.port : 0));
    });
  });
