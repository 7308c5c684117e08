/** What the findings mean. Pure: the same machine gives the same verdict. */
import { formatBytes } from '@gantry/kit';
import { type Check, bad, ok, warn } from './check.ts';
import type { Machine } from './machine.ts';

const fewOpenFiles = 1024;
const littleDisk = 5e9;
const noDisk = 5e8;

export function judge(machine: Machine): readonly Check[] {
  return [
    nodeCheck(machine),
    ok(
      'machine',
      `${machine.platform}, ${machine.cpus} CPUs, ${formatBytes(machine.memoryBytes)} memory, as ${machine.user}`,
    ),
    ...openFilesChecks(machine),
    serverCheck(machine),
    portCheck(machine),
    dataCheck(machine),
    ...diskChecks(machine),
    databaseCheck(machine),
    ...probeChecks(machine),
    pythonCheck(machine),
    ...programChecks(machine),
  ];
}

function nodeCheck({ node, runsSource }: Machine): Check {
  const [major = 0, minor = 0] = node.slice(1).split('.').map(Number);
  if (runsSource)
    return major >= 24
      ? ok('node', node)
      : bad('node', `${node}; a checkout needs 24`, 'npm install brings its own: ./gantry uses it');
  return major > 20 || (major === 20 && minor >= 19)
    ? ok('node', node)
    : bad('node', node, 'gantry needs Node 20.19 or newer');
}

function openFilesChecks({ openFiles }: Machine): readonly Check[] {
  if (openFiles === undefined || openFiles >= fewOpenFiles) return [];
  return [warn('open files', `at most ${openFiles}`, 'raise it: ulimit -n 65536')];
}

function serverCheck({ server, status }: Machine): Check {
  if (server === undefined) return ok('server', 'none runs here; start one: gantry up --detach');
  if (status === undefined)
    return warn(
      'server',
      `pid ${server.pid} at ${server.url} does not answer`,
      'its log is in the data directory: logs/server.log',
    );
  return ok('server', `${server.url}, gantry ${status.version}, pid ${server.pid}`);
}

function portCheck({ port, isPortFree, server }: Machine): Check {
  if (isPortFree) return ok('port', `${port} is free`);
  if (server !== undefined && new URL(server.url).port === String(port))
    return ok('port', `${port} is held by the server above`);
  return warn('port', `${port} is taken by another program`, `choose another: gantry up --port ${port + 1}`);
}

const dataCheck = ({ dataDir, isWritable }: Machine): Check =>
  isWritable
    ? ok('data', dataDir)
    : bad('data', `${dataDir} cannot be written`, 'choose another: gantry --data-dir DIR up');

function diskChecks({ probe }: Machine): readonly Check[] {
  if (probe === undefined) return [];
  const text = `${formatBytes(probe.disk.freeBytes)} free at ${probe.disk.path}`;
  const hint = 'checkpoints and models need room; choose another disk with --data-dir';
  if (probe.disk.freeBytes < noDisk) return [bad('disk', text, hint)];
  return [probe.disk.freeBytes < littleDisk ? warn('disk', text, hint) : ok('disk', text)];
}

function databaseCheck({ status, probe, platform }: Machine): Check {
  if (status !== undefined) return ok('database', status.database);
  if (probe?.hasPostgres === true) return ok('database', 'postgres (embedded), started with the server');
  return bad(
    'database',
    `no embedded Postgres for ${platform}`,
    'give one of your own: gantry up --database-url URL',
  );
}

const limitWords = {
  'cgroup-v2': 'kept by the kernel (cgroup v2)',
  'cgroup-v1': 'kept by the kernel (cgroup v1)',
} as const;

function probeChecks({ probe, probeError }: Machine): readonly Check[] {
  if (probe === undefined)
    return [
      bad('limits', `could not be tried: ${probeError ?? 'no answer'}`, 'is the install whole? npm install'),
    ];
  const { isolation } = probe;
  return [
    isolation.limits === 'watchdog'
      ? warn(
          'limits',
          'memory of workers is watched and enforced by their shim; CPU is not',
          'run as root, or as a service (gantry service install), for control groups',
        )
      : ok('limits', `memory, CPU and process counts of workers ${limitWords[isolation.limits]}`),
    isolation.pidNamespace
      ? ok('processes', 'each worker in a PID namespace: nothing escapes')
      : warn(
          'processes',
          'no PID namespace: workers are ended by process group',
          'allow user namespaces: sysctl kernel.unprivileged_userns_clone=1',
        ),
    isolation.mounts
      ? ok('files', 'jobs see their volumes and none of the files of the server (mount namespaces)')
      : warn(
          'files',
          'no mount namespace: every job can read the files of the server, and volumes are refused',
          'run as root, or where users may make namespaces',
        ),
    isolation.ownNetwork
      ? ok('network', 'servers and jobs can have a network of their own (network namespaces)')
      : warn(
          'network',
          'no network namespace: what a server of somebody listens at, every job on this machine reaches',
          'run as root, or where users may make namespaces; `ip` (iproute2) must be installed',
        ),
    gpuCheck(probe),
  ];
}

function gpuCheck({ devices, facts }: NonNullable<Machine['probe']>): Check {
  if (devices.length === 0) return ok('GPU', 'none found; the devices are the CPUs');
  const models = Map.groupBy(devices, ({ model }) => model);
  const driver = typeof facts['driverVersion'] === 'string' ? `, driver ${facts['driverVersion']}` : '';
  const text = `${[...models].map(([model, of]) => `${of.length} × ${model}`).join(', ')}${driver}`;
  const sick = devices.filter(({ healthy }) => !healthy).length;
  return sick === 0 ? ok('GPU', text) : warn('GPU', `${text}; ${sick} sick`, 'gantry node show this-machine');
}

function pythonCheck({ python }: Machine): Check {
  if (python === undefined) return ok('python', 'none found; only jobs of your own that use it need one');
  const torch = python.torch ?? undefined;
  return ok(
    'python',
    `${python.version}, ${torch === undefined ? 'without torch' : `torch ${torch}`} (${python.path})`,
  );
}

function programChecks({ programs }: Machine): readonly Check[] {
  const uses: Readonly<Record<string, string>> = {
    tar: 'gantry backup and restore need it',
    git: 'models then do not say which code made them',
  };
  return Object.entries(programs).flatMap(([name, isThere]) =>
    isThere ? [] : [warn(name, 'is not installed', uses[name] ?? '')],
  );
}
