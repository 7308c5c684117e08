/** A machine in words. */
import type { Node } from '@gantry/contract';
import { formatBytes } from '@gantry/kit';
import { taintText } from '../node-marks.ts';
import { coloured, table } from '../output.ts';

export function describeNode(node: Node): string {
  const facts: Readonly<Record<string, string>> = {
    state: coloured(node.state),
    cpus: `${node.used['cpu'] ?? 0} of ${node.cpuMilli / 1000} used`,
    memory: `${formatBytes(node.used['memory'] ?? 0)} of ${formatBytes(node.memoryBytes)} used`,
    storage: `${formatBytes(node.storageBytes)} free when it joined`,
    labels: Object.entries(node.labels)
      .map(([key, value]) => `${key}=${value}`)
      .join(' '),
    taints: node.taints.map(taintText).join(' '),
    ...Object.fromEntries(Object.entries(node.facts).map(([key, value]) => [key, factText(value)])),
  };
  const width = Math.max(...Object.keys(facts).map((key) => key.length)) + 2;
  const lines = [
    `  ${node.name}`,
    ...Object.entries(facts)
      .filter(([, value]) => value !== '')
      .map(([key, value]) => `  ${key.padEnd(width)}${value}`),
  ];
  lines.push('', node.devices.length > 0 ? accelerators(node.devices) : processors(node.sockets));
  return lines.join('\n');
}

const accelerators = (devices: Node['devices']): string =>
  table(
    ['device', 'model', 'memory', 'used', 'busy', '°C', 'island', 'health'],
    devices.map((device) => [
      device.id,
      device.profile === undefined ? device.model : `${device.model} ${device.profile}`,
      formatBytes(device.memoryBytes),
      device.memoryUsedBytes === undefined ? '–' : formatBytes(device.memoryUsedBytes),
      device.utilisationPercent === undefined ? '–' : `${device.utilisationPercent} %`,
      device.temperatureC === undefined ? '–' : String(device.temperatureC),
      device.island ?? '–',
      device.healthy
        ? coloured('ready')
        : `${coloured('quarantined')} ${device.healthProblems?.join(', ') ?? ''}`,
    ]),
  );

const processors = (sockets: Node['sockets']): string =>
  table(
    ['device', 'model', 'cores', 'memory', 'NUMA'],
    sockets.map((socket) => [
      socket.id,
      socket.model,
      String(socket.cores),
      formatBytes(socket.memoryBytes),
      String(socket.numaNode),
    ]),
  );

function factText(value: unknown): string {
  if (typeof value === 'string') return value;
  if (!Array.isArray(value)) return JSON.stringify(value);
  return value
    .map((each) => (isInterface(each) ? `${each.name} ${each.addresses.join(' ')}` : factText(each)))
    .join(', ');
}

const isInterface = (value: unknown): value is { name: string; addresses: readonly string[] } =>
  typeof value === 'object' && value !== null && 'name' in value && 'addresses' in value;
