/** The CLI finds the operator's key in a file only its user can read. A lost file gets a new key, never the old one. */
import { chmod, mkdir, readFile, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { type Deps, authenticateKey, reissueOperatorKey } from '@gantry/control';

/** `secret`: of a key that was made just now; without one, the key in the file stays while the database knows it. */
export async function keepOperatorKey(
  deps: Deps,
  dataDir: string,
  secret: string | undefined,
): Promise<void> {
  const file = join(dataDir, 'keys', 'operator.key');
  const known = await readFile(file, 'utf8').catch(() => undefined);
  const isKnown =
    secret === undefined &&
    known !== undefined &&
    (await deps.store.read({ platform: true }, (tx) =>
      authenticateKey(tx, known.trim(), deps.clock.nowMs()),
    )) !== undefined;
  if (isKnown) return;
  const text = secret ?? (await reissueOperatorKey(deps));
  await mkdir(dirname(file), { recursive: true, mode: 0o700 });
  await writeFile(file, `${text}\n`, { mode: 0o600 });
  await chmod(file, 0o600);
}
