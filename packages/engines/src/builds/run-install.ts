/**
 * A worker that installs the builds of a device, or compiles one for this machine, as JSON on stdout: which parts, and
 * what became of each. What takes minutes says on stderr how far it is.
 */
import { compileNative } from './compile-native.ts';
import { buildDevices, buildsFolder, partsFor, type BuildDevice } from './gpu-builds.ts';
import { installBuilds } from './install-builds.ts';
import { InstallError } from './install-error.ts';
import { nativeFolder, wantedStamp } from './native-build.ts';

export interface InstallAnswer {
  readonly folder: string;
  readonly steps: readonly { readonly engine: string; readonly package: string; readonly state: string }[];
  readonly error?: { readonly message: string; readonly hint: string };
}

export async function runEngineInstall(env: Readonly<Record<string, string | undefined>>): Promise<number> {
  const wanted = env['GANTRY_DEVICE'] ?? '';
  const isDryRun = env['GANTRY_DRY_RUN'] === '1';
  const folder = wanted === 'native' ? nativeFolder() : isDevice(wanted) ? buildsFolder(wanted) : '';
  const steps: InstallAnswer['steps'][number][] = [];
  const tell = (error?: InstallAnswer['error']): void => {
    const answer: InstallAnswer = { folder, steps, ...(error === undefined ? {} : { error }) };
    process.stdout.write(`${JSON.stringify(answer)}\n`);
  };
  try {
    if (wanted === 'native') {
      if (process.platform !== 'linux')
        throw new InstallError(
          `llama.cpp is compiled on Linux only, not on ${process.platform}.`,
          'The binary that the package ships is used.',
        );
      const state = await compileNative(folder, {
        isDryRun,
        onProgress: (line) => process.stderr.write(`${line}\n`),
      });
      steps.push({ engine: 'llama.cpp', package: wantedStamp().package, state });
    } else {
      const parts = isDevice(wanted) ? partsFor(wanted) : [];
      if (parts.length === 0)
        throw new InstallError(
          `There are no builds for ${wanted} on ${process.platform}-${process.arch}.`,
          `There are builds for ${buildDevices.join(' and ')} on linux-x64.`,
        );
      await installBuilds(folder, parts, {
        isDryRun,
        onStep: ({ part, state }) => steps.push({ engine: part.engine, package: part.package, state }),
      });
    }
    tell();
    return 0;
  } catch (error) {
    if (!(error instanceof InstallError)) throw error;
    tell({ message: error.message, hint: error.hint });
    return 1;
  }
}

const isDevice = (name: string): name is BuildDevice => buildDevices.some((device) => device === name);
