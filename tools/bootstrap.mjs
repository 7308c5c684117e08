// The first file that runs on a fresh machine, on whatever Node (>= 20.19) that machine has.
// Plain JavaScript without dependencies: installs what package-lock.json names when it is not
// there yet, then hands over to the pinned Node that came with it.
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = join(dirname(fileURLToPath(import.meta.url)), '..');
const stampFile = join(root, 'node_modules', '.gantry-install');
const lockDir = join(root, '.gantry', 'install.lock');
const [command = 'help', ...args] = process.argv.slice(2);

const [major = 0, minor = 0] = process.versions.node.split('.').map(Number);
if (major < 20 || (major === 20 && minor < 19)) {
  fail(
    `Gantry needs Node 20.19 or newer to install; this is ${process.version}`,
    'install a newer Node, then run the same command again',
  );
}

/** What the installed tree was made from: another lock file, platform or Node line means installing again. */
function wantedStamp() {
  const hash = createHash('sha256');
  for (const file of ['package-lock.json', 'package.json', '.npmrc'])
    hash.update(readFileSync(join(root, file)));
  return `${hash.digest('hex')} ${process.platform}-${process.arch}`;
}

function isInstalled() {
  return existsSync(stampFile) && readFileSync(stampFile, 'utf8') === wantedStamp();
}

/** One installer at a time; a lock whose owner died is taken over. */
function withInstallLock(action) {
  mkdirSync(dirname(lockDir), { recursive: true });
  const deadline = Date.now() + 10 * 60_000;
  for (;;) {
    try {
      mkdirSync(lockDir);
      break;
    } catch (error) {
      if (error.code !== 'EEXIST') throw error;
      const owner = Number(readdirSync(lockDir)[0] ?? 0);
      const isAlive = owner > 0 ? alive(owner) : Date.now() - statSync(lockDir).mtimeMs < 5_000;
      if (!isAlive) rmSync(lockDir, { recursive: true, force: true });
      else if (Date.now() > deadline)
        fail('another install has been running for ten minutes', `stop it, or remove ${lockDir}`);
      else Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 200);
    }
  }
  writeFileSync(join(lockDir, String(process.pid)), '');
  try {
    action();
  } finally {
    rmSync(lockDir, { recursive: true, force: true });
  }
}

function alive(pid) {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return error.code === 'EPERM';
  }
}

function install() {
  const startedAt = Date.now();
  process.stderr.write('  installing (npm ci) …\n');
  // Install scripts stay off: every binary Gantry needs is inside a registry package (decision 0001).
  const result = spawnSync('npm', ['ci', '--ignore-scripts', '--no-audit', '--no-fund', '--loglevel=error'], {
    cwd: root,
    stdio: ['ignore', 'ignore', 'inherit'],
    shell: process.platform === 'win32',
  });
  if (result.status !== 0)
    fail('npm ci failed', 'read the lines above; a registry must be reachable for the first install');
  writeFileSync(stampFile, wantedStamp());
  process.env.GANTRY_INSTALL_MS = String(Date.now() - startedAt);
}

/** The pinned Node where a binary for this platform came with the install, else this one if it is new enough. */
function pinnedNode() {
  const pinned = join(root, 'node_modules', '.bin', process.platform === 'win32' ? 'node.cmd' : 'node');
  if (existsSync(pinned)) return pinned;
  if (major >= 24) return process.execPath;
  return fail(
    `no pinned Node for ${process.platform}-${process.arch} and this one is ${process.version}`,
    'install Node 24 or newer',
  );
}

function fail(message, hint) {
  process.stderr.write(`  ${message}\n  ${hint}\n`);
  process.exit(69);
}

if (!isInstalled()) withInstallLock(() => isInstalled() || install());

const node = pinnedNode();
const bin = join(root, 'node_modules', '.bin');
const env = {
  ...process.env,
  PATH: `${bin}${process.platform === 'win32' ? ';' : ':'}${process.env.PATH ?? ''}`,
};
const script = (file, ...rest) => [node, [join(root, file), ...rest]];

/** command → the program that does it */
const commands = {
  quickstart: () => script('apps/cli/src/main.ts', 'quickstart', ...args),
  cli: () => script('apps/cli/src/main.ts', ...args),
  test: () => script('tools/test.ts', ...args),
  check: () => script('tools/check.ts', ...args),
  bench: () => script('bench/main.ts', ...args),
  soak: () => script('tools/soak.ts', ...args),
  pack: () => script('tools/pack.ts', ...args),
  interop: () => script('tools/interop.ts', ...args),
  format: () => [join(bin, 'oxfmt'), ['.', ...args]],
};

const chosen = commands[command];
if (!chosen) fail(`unknown command "${command}"`, `one of: ${Object.keys(commands).join(', ')}`);
const [program, programArgs] = chosen();
// The CLI is run where the user stands; everything else at the root of the checkout.
const result = spawnSync(program, programArgs, {
  cwd: command === 'cli' || command === 'quickstart' ? process.cwd() : root,
  stdio: 'inherit',
  env,
});
if (result.error)
  fail(`could not start ${program}: ${result.error.message}`, 'run "npm ci" by hand and try again');
process.exit(result.status ?? 1);
