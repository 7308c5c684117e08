/**
 * The Python that the peers live in: made once from requirements.txt in the user's cache folder, used by every
 * later run with the same requirements. PyPI's torch for Linux carries its CUDA libraries and does not load
 * without them, so this takes some 5 GB; GANTRY_INTEROP_PYTHON names a ready Python instead.
 */
import { execFile, spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { mkdir, readFile, rename, rm, stat, writeFile } from 'node:fs/promises';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';

const requirements = join(import.meta.dirname, 'requirements.txt');
/** These come as source and ask torch, installed by then, how to build themselves. */
const sourceRequirements = join(import.meta.dirname, 'requirements-source.txt');

/** The path of a Python with everything in requirements.txt. */
export async function pythonEnvironment(say: (line: string) => void): Promise<string> {
  const given = process.env['GANTRY_INTEROP_PYTHON'];
  if (given !== undefined) return given;
  return environment([requirements, sourceRequirements], async (dir, python) => {
    say(`making ${dir} (once; about 5 GB from PyPI) …`);
    await command('python3', ['-m', 'venv', dir]);
    await command(python, [...install, '-r', requirements]);
    await command(python, [...install, '--no-build-isolation', '-r', sourceRequirements]);
  });
}

/** A smaller environment beside it, of a file in this folder; with `over` it sees all that the other has too. */
export function furtherEnvironment(
  base: string,
  { file, over = false }: { readonly file: string; readonly over?: boolean },
): Promise<string> {
  const wanted = join(import.meta.dirname, file);
  return environment(over ? [requirements, wanted] : [wanted], async (dir, python) => {
    await command(base, ['-m', 'venv', dir]);
    if (over) {
      const below = await outputOf(base, ['-c', sitePackages]);
      await writeFile(join(await outputOf(python, ['-c', sitePackages]), 'below.pth'), below);
    }
    await command(python, [...install, '-r', wanted]);
  });
}

const install = ['-m', 'pip', 'install', '-q', '--no-compile'];
const sitePackages = 'import sysconfig; print(sysconfig.get_path("purelib"))';

/** Cached by what it is made of; answers the path of its Python. */
async function environment(
  files: readonly string[],
  make: (dir: string, python: string) => Promise<void>,
): Promise<string> {
  const hash = createHash('sha256');
  for (const file of files) hash.update(await readFile(file));
  const cache = join(process.env['XDG_CACHE_HOME'] ?? join(homedir(), '.cache'), 'gantry', 'interop');
  const dir = join(cache, hash.digest('hex').slice(0, 12));
  const python = join(dir, 'bin', 'python');
  const isWhole = join(dir, 'whole');
  if (await exists(isWhole)) return python;
  await rm(dir, { recursive: true, force: true });
  await mkdir(cache, { recursive: true });
  await make(dir, python);
  // Written last and under its own name: an environment that was cut short is made again.
  await mkdir(`${isWhole}.part`);
  await rename(`${isWhole}.part`, isWhole);
  return python;
}

async function outputOf(program: string, args: readonly string[]): Promise<string> {
  const { stdout } = await promisify(execFile)(program, args);
  return stdout.trim();
}

async function command(program: string, args: readonly string[]): Promise<void> {
  const child = spawn(program, args, { stdio: ['ignore', 'ignore', 'inherit'] });
  const [code] = (await once(child, 'exit')) as [number | null];
  if (code !== 0)
    throw new Error(
      `${program} ${args.join(' ')} ended with ${code}; Python 3.10 with venv and PyPI are needed`,
    );
}

const exists = (path: string): Promise<boolean> =>
  stat(path).then(
    () => true,
    () => false,
  );
