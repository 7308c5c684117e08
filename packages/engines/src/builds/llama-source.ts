/**
 * llama.cpp's source as node-llama-cpp carries it, a git bundle, with the addon's own beside it: what this machine's
 * build is made from, and the server that the benches compare with.
 */
import { cp, mkdir, readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { packageRoot } from './installation.ts';
import { InstallError } from './install-error.ts';
import { runTool, type RunTool } from './run-tool.ts';

/** Laid out in `folder` as the package's own build expects it, llama.cpp in `llama.cpp`. Answers its release. */
export async function unpackLlamaSource(folder: string, run: RunTool = runTool): Promise<string> {
  const from = join(packageRoot('node-llama-cpp'), 'llama');
  const llama = join(folder, 'llama.cpp');
  await mkdir(folder, { recursive: true });
  for (const name of ['CMakeLists.txt', 'addon', 'cmake', 'profiles', 'patches'])
    await cp(join(from, name), join(folder, name), { recursive: true });
  await must(
    'The source could not be unpacked',
    run('git', ['clone', '--quiet', join(from, 'gitRelease.bundle'), llama], { cwd: folder }),
  );
  for (const name of (await readdir(join(folder, 'patches'))).sort())
    await must(
      `The package's patch ${name} does not fit`,
      run('git', ['apply', join(folder, 'patches', name)], { cwd: llama }),
    );
  const told = await readFile(join(from, 'binariesGithubRelease.json'), 'utf8');
  return (JSON.parse(told) as { readonly release: string }).release;
}

/** Throws the sentence with what the tool said when it did not end well. */
export async function must(sentence: string, ended: ReturnType<RunTool>): Promise<void> {
  const { code, complaint } = await ended;
  if (code === 0) return;
  throw new InstallError(
    `${sentence}: ${complaint === '' ? `exit code ${code}` : complaint}`,
    'The binary that the package ships is used as before.',
  );
}
