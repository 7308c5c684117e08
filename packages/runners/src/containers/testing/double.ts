/**
 * Speaks the words of podman that Gantry uses, over plain processes of this machine. What it knows lies in its home:
 * `images` a line for each, `pulls` what it was asked to pull with which credentials, `containers/NAME` how each was
 * made. Images called unknown, far and large behave so.
 */
import { spawn } from 'node:child_process';
import {
  appendFileSync,
  existsSync,
  mkdirSync,
  readFileSync,
  readdirSync,
  readlinkSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';

interface Made {
  readonly words: readonly string[];
  readonly command: readonly string[];
  readonly env: Readonly<Record<string, string>>;
  readonly cwd: string;
}

const home = process.env['GANTRY_DOUBLE_HOME'] ?? '';
const [verb = '', ...words] = process.argv.slice(2);
const last = words.at(-1) ?? '';
const containers = join(home, 'containers');
const at = (name: string, file: string): string => join(containers, name, file);
const read = (file: string): string => (existsSync(file) ? readFileSync(file, 'utf8') : '');
const refuse = (message: string): never => {
  process.stderr.write(`Error: ${message}\n`);
  process.exit(125);
};
const isKnown = (reference: string): boolean => read(join(home, 'images')).split('\n').includes(reference);

function setState(name: string, state: object): void {
  const file = at(name, 'state');
  writeFileSync(`${file}.new`, JSON.stringify({ OOMKilled: false, Error: '', ...state }));
  renameSync(`${file}.new`, file);
}
const stateOf = (name: string): { Pid: number; Running: boolean } =>
  existsSync(at(name, 'state'))
    ? (JSON.parse(read(at(name, 'state'))) as { Pid: number; Running: boolean })
    : refuse(`no container with name ${name}`);

function killGroup(name: string, signal: string): void {
  const { Pid: pid, Running: isRunning } = stateOf(name);
  if (!isRunning) refuse(`${name} is not running`);
  process.kill(-pid, `SIG${signal}`);
}

/** Into a network of its own, as whoever runs the tests. */
const alone = [
  'unshare',
  ...(process.getuid?.() === 0 ? [] : ['--user', '--map-root-user']),
  '--net',
  '--',
  '/bin/sh',
  '-c',
  'ip link set lo up; exec "$@"',
  'alone',
];
const networkOf = (pid: number): string => {
  try {
    return readlinkSync(`/proc/${pid}/ns/net`);
  } catch {
    return 'gone';
  }
};

const verbs: Readonly<Record<string, () => void>> = {
  info: () => console.log('4.9.0 false'),
  image: () => {
    if (!isKnown(last)) refuse(`${last}: image not known`);
    console.log(`5f0e ["${last.split(':')[0]}@sha256:${'7'.repeat(64)}"]`);
  },
  pull: () => {
    const auth = read(process.env['REGISTRY_AUTH_FILE'] ?? '');
    appendFileSync(join(home, 'pulls'), `${JSON.stringify({ words, auth })}\n`);
    if (last.includes('unknown')) refuse(`reading manifest of ${last}: manifest unknown`);
    if (last.includes('far')) refuse('pinging container registry: dial tcp: i/o timeout');
    if (last.includes('large')) setInterval(() => undefined, 1_000);
    else appendFileSync(join(home, 'images'), `${last}\n`);
  },
  create: () => {
    const firstWord = words.findIndex((word) => !word.startsWith('--'));
    const option = (name: string): string =>
      words.find((word) => word.startsWith(`--${name}=`))?.slice(name.length + 3) ?? '';
    const name = option('name');
    mkdirSync(join(containers, name), { recursive: true });
    const lines = read(option('env-file')).split('\n').filter(Boolean);
    const made: Made = {
      words,
      command: words.slice(firstWord + 1),
      env: Object.fromEntries(
        lines.map((line) => [line.slice(0, line.indexOf('=')), line.slice(line.indexOf('=') + 1)]),
      ),
      cwd: option('workdir'),
    };
    writeFileSync(at(name, 'made.json'), JSON.stringify(made));
    setState(name, { Running: false, ExitCode: 0, Pid: 0, StartedAt: '0001-01-01T00:00:00Z' });
  },
  start: () => {
    const { words: asked, command, env, cwd } = JSON.parse(read(at(last, 'made.json'))) as Made;
    const isAlone = asked.includes('--network=none');
    const [program = '', ...args] = [...(isAlone ? alone : []), ...command];
    const options = {
      cwd,
      env: { PATH: '/usr/bin:/bin', ...env },
      stdio: 'inherit',
      detached: true,
    } as const;
    const child = spawn(program, args, options);
    const StartedAt = '2026-01-01T00:00:00Z';
    child.on('error', () => {
      const Error = `executable file \`${program}\` not found in $PATH`;
      setState(last, { Running: false, ExitCode: 127, Pid: 0, StartedAt: '0001-01-01T00:00:00Z', Error });
      process.exit(127);
    });
    child.on('exit', (code, signal) => {
      const ExitCode = code ?? (signal === 'SIGKILL' ? 137 : 143);
      if (existsSync(at(last, 'state'))) setState(last, { Running: false, ExitCode, Pid: 0, StartedAt });
      process.exit(ExitCode);
    });
    const { pid } = child;
    if (pid === undefined) return;
    const tell = (): void => {
      // It is running once it is in its network.
      if (isAlone && networkOf(pid) === networkOf(process.pid)) setTimeout(tell, 5);
      else setState(last, { Running: true, ExitCode: 0, Pid: pid, StartedAt });
    };
    tell();
  },
  kill: () => killGroup(last, words[1] ?? 'KILL'),
  inspect: () => console.log(JSON.stringify(stateOf(last))),
  rm: () => {
    if (!existsSync(at(last, 'state'))) return;
    const { Pid: pid, Running: isRunning } = stateOf(last);
    // Out of the way first: who waits for its end would else write that down into a folder that is being emptied.
    const gone = join(home, `gone-${process.pid}`);
    renameSync(join(containers, last), gone);
    try {
      if (isRunning) process.kill(-pid, 'SIGKILL');
    } catch {
      // it ended by itself
    }
    rmSync(gone, { recursive: true });
  },
  ps: () => console.log(existsSync(containers) ? readdirSync(containers).join('\n') : ''),
};

const act = verbs[verb];
if (act === undefined) refuse(`unknown command ${verb}`);
else act();
