/** A worker that installs the builds of a device, as JSON on stdout: which parts, and what became of each. */
import { buildDevices, buildsFolder, partsFor, type BuildDevice } from './gpu-builds.ts';
import { installBuilds, InstallError } from './install-builds.ts';

export interface InstallAnswer {
  readonly folder: string;
  readonly steps: readonly { readonly engine: string; readonly package: string; readonly state: string }[];
  readonly error?: { readonly message: string; readonly hint: string };
}

export async function runEngineInstall(env: Readonly<Record<string, string | undefined>>): Promise<number> {
  const device = env['GANTRY_DEVICE'] as BuildDevice;
  const folder = buildDevices.includes(device) ? buildsFolder(device) : '';
  const steps: InstallAnswer['steps'][number][] = [];
  const tell = (error?: InstallAnswer['error']): void => {
    const answer: InstallAnswer = { folder, steps, ...(error === undefined ? {} : { error }) };
    process.stdout.write(`${JSON.stringify(answer)}\n`);
  };
  try {
    const parts = folder === '' ? [] : partsFor(device);
    if (parts.length === 0)
      throw new InstallError(
        `There are no builds for ${device} on ${process.platform}-${process.arch}.`,
        `There are builds for ${buildDevices.join(' and ')} on linux-x64.`,
      );
    await installBuilds(folder, parts, {
      isDryRun: env['GANTRY_DRY_RUN'] === '1',
      onStep: ({ part, state }) => steps.push({ engine: part.engine, package: part.package, state }),
    });
    tell();
    return 0;
  } catch (error) {
    if (!(error instanceof InstallError)) throw error;
    tell({ message: error.message, hint: error.hint });
    return 1;
  }
}
