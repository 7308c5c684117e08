import { hostname } from 'node:os';
import type { Node, NodeUpdate } from '@gantry/contract';
import { formatBytes } from '@gantry/kit';
import type { Client } from '@gantry/sdk';
import type { Command } from 'commander';
import { example, group } from '../command-group.ts';
import { connect } from '../connection.ts';
import { coloured, showOne } from '../output.ts';
import { changedTaints, readLabels } from '../node-marks.ts';
import { view, viewList, watchable } from '../view.ts';
import { describeNode } from '../views/node.ts';

const actions = {
  cordon: 'Place nothing new on a machine',
  drain: 'Move everything off a machine',
  quarantine: 'Take a sick machine out',
  return: 'Use a machine again',
} as const;

export function nodeCommands(program: Command): void {
  const node = example(group(program, 'node', 'Machines'), 'gantry node list');

  example(
    watchable(node.command('list').description('Machines and what is used')),
    'gantry node list',
  ).action(async (_options: unknown, command: Command) => {
    const { client } = connect(command);
    await viewList(command, {
      load: async () => (await client.call('nodes.list', { query: { limit: 500 } })).items,
      heads: ['node', 'state', 'devices', 'cpus used', 'memory used'],
      row: nodeRow,
      empty: 'no machines',
    });
  });

  example(
    watchable(node.command('show <name>').description('One machine with its devices and facts')),
    'gantry node show this-machine',
  ).action(async (name: string, _options: unknown, command: Command) => {
    const { client } = connect(command);
    await view(command, {
      load: async () => client.call('nodes.get', { params: { name: await nodeName(client, name) } }),
      text: describeNode,
    });
  });

  example(
    node
      .command('label <name> <labels...>')
      .description('Give a machine labels that pools and jobs choose it by; KEY- takes one off'),
    'gantry node label this-machine pool=fast',
    'gantry node label this-machine pool-',
  ).action(async (name: string, words: string[], _options: unknown, command: Command) => {
    await change(command, name, () => ({ labels: readLabels(words) }));
  });

  example(
    node
      .command('taint <name> <taints...>')
      .description(
        'Keep work away that does not tolerate it; NoExecute moves away what runs; KEY- takes it off',
      ),
    'gantry node taint this-machine team=nlp:NoSchedule',
    'gantry node taint this-machine team-',
  ).action(async (name: string, words: string[], _options: unknown, command: Command) => {
    await change(command, name, ({ taints }) => ({ taints: changedTaints(taints, words) }));
  });

  for (const [action, description] of Object.entries(actions)) {
    example(
      node.command(`${action} <name>`).description(description),
      `gantry node ${action} this-machine`,
    ).action(async (name: string, _options: unknown, command: Command) => {
      const { client } = connect(command);
      const params = { name: await nodeName(client, name), action };
      const found = await client.call('nodes.act', { params });
      showOne(command, found, () => `  ${found.name} is ${coloured(found.state)}`);
    });
  }
}

async function change(command: Command, name: string, to: (node: Node) => NodeUpdate): Promise<void> {
  const { client } = connect(command);
  const before = await client.call('nodes.get', { params: { name: await nodeName(client, name) } });
  const after = await client.call(
    'nodes.update',
    { params: { name: before.name }, body: to(before) },
    { ifMatch: before.version },
  );
  showOne(command, after, () => describeNode(after));
}

/** `this-machine` is the only one there is, or the one that is called like the machine of whoever asks. */
async function nodeName(client: Client, name: string): Promise<string> {
  if (name !== 'this-machine') return name;
  const { items } = await client.call('nodes.list', { query: { limit: 500 } });
  return (items.length === 1 ? items[0]?.name : undefined) ?? hostname();
}

function nodeRow(node: Node): readonly string[] {
  return [
    node.name,
    coloured(node.state),
    node.devices.length === 0 ? 'CPUs only' : `${node.devices.length} × ${node.devices[0]?.model}`,
    `${node.used['cpu'] ?? 0} / ${node.cpuMilli / 1000}`,
    `${formatBytes(node.used['memory'] ?? 0)} / ${formatBytes(node.memoryBytes)}`,
  ];
}
