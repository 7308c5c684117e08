/** Container tools to test against: the double everywhere, and the machine's own where one answers. */
import { execFileSync } from 'node:child_process';
import {
  chmodSync,
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type ContainerTool, findContainerTool } from '../container-tool.ts';

export interface TestedTool extends AsyncDisposable {
  readonly tool: ContainerTool;
  /** Holds a shell with `sleep`, `env`, `cat` and the like. */
  readonly image: string;
  /** Of the double; undefined for a real tool. */
  readonly home: string | undefined;
}

export async function makeDouble(): Promise<TestedTool> {
  const home = mkdtempSync(join(tmpdir(), 'gantry-double-'));
  const path = join(home, 'podman');
  const script = join(import.meta.dirname, 'double.ts');
  writeFileSync(
    path,
    `#!/bin/sh\nGANTRY_DOUBLE_HOME=${home} exec "${process.execPath}" --disable-warning=ExperimentalWarning "${script}" "$@"\n`,
  );
  chmodSync(path, 0o755);
  const image = 'registry.test/shell:1';
  writeFileSync(join(home, 'images'), `${image}\n`);
  const tool = await findContainerTool({ searchPath: '', wanted: path });
  if (tool === undefined) throw new Error('the double does not answer');
  return {
    tool,
    image,
    home,
    [Symbol.asyncDispose]: async () => rmSync(home, { recursive: true, force: true, maxRetries: 3 }),
  };
}

const busybox = '/bin/busybox';
const applets = [
  'sh',
  'cat',
  'echo',
  'sleep',
  'env',
  'id',
  'ls',
  'test',
  'touch',
  'dd',
  'head',
  'tail',
  'pwd',
];

/** An image of nothing but this machine's busybox. Undefined where nothing runs one, or there is no busybox. */
export async function makeReal(): Promise<TestedTool | undefined> {
  const tool = await findContainerTool({ searchPath: process.env['PATH'] ?? '' });
  if (tool === undefined || !existsSync(busybox)) return undefined;
  const dir = mkdtempSync(join(tmpdir(), 'gantry-image-'));
  const image = `localhost/gantry-test-${process.pid}:1`;
  try {
    const root = join(dir, 'root');
    for (const folder of ['bin', 'tmp', 'etc', 'proc', 'sys', 'dev'])
      mkdirSync(join(root, folder), { recursive: true });
    cpSync(busybox, join(root, 'bin/busybox'));
    for (const applet of applets) symlinkSync('busybox', join(root, 'bin', applet));
    writeFileSync(join(root, 'etc/passwd'), 'root:x:0:0:root:/:/bin/sh\n');
    execFileSync('tar', ['-C', root, '-cf', join(dir, 'image.tar'), '.']);
    execFileSync(tool.path, ['import', join(dir, 'image.tar'), image], { stdio: 'ignore' });
    // A tool may answer and yet not be let run anything: inside another container, say.
    execFileSync(tool.path, ['run', '--rm', '--network=host', image, '/bin/sh', '-c', 'exit 0'], {
      stdio: 'ignore',
      timeout: 60_000,
    });
    return {
      tool,
      image,
      home: undefined,
      [Symbol.asyncDispose]: async () => {
        execFileSync(tool.path, ['rmi', '--force', image], { stdio: 'ignore' });
      },
    };
  } catch {
    return undefined;
  } finally {
    rmSync(dir, { recursive: true, force: true });
  }
}
