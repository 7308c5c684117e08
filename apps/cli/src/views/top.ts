/** The page of `gantry top`: what works, on which machine, how far it is, and what waits behind it. */
import type { Endpoint, Job, Node } from '@gantry/contract';
import { formatBytes, formatDuration } from '@gantry/kit';
import { ago, bar, coloured, table } from '../output.ts';
import { readyOf } from './endpoint.ts';

export interface Top {
  readonly nodes: readonly Node[];
  readonly jobs: readonly Job[];
  readonly waiting: readonly Job[];
  readonly endpoints: readonly Endpoint[];
}

const barWidth = 12;

export function topText({ nodes, jobs, waiting, endpoints }: Top): string {
  const parts = [
    table(
      ['node', 'state', 'cpus', '', 'memory', '', 'devices'],
      nodes.map((node) => [
        node.name,
        coloured(node.state),
        bar((node.used['cpu'] ?? 0) / (node.cpuMilli / 1000), barWidth),
        `${node.used['cpu'] ?? 0} / ${node.cpuMilli / 1000}`,
        bar((node.used['memory'] ?? 0) / node.memoryBytes, barWidth),
        `${formatBytes(node.used['memory'] ?? 0)} / ${formatBytes(node.memoryBytes)}`,
        node.devices.length === 0 ? '–' : `${node.used['devices'] ?? 0} / ${node.devices.length}`,
      ]),
    ),
  ];
  if (jobs.length > 0)
    parts.push(
      table(
        ['job', 'queue', 'ranks', 'step', '', 'loss', 'tok/s', 'left'],
        jobs.map(({ name, queue, progress, attempts }) => [
          name,
          queue,
          String(attempts.at(-1)?.placement.length ?? 0),
          progress?.step === undefined ? '' : `${progress.step}/${progress.totalSteps ?? '?'}`,
          progress?.step === undefined || progress.totalSteps === undefined
            ? ''
            : bar(progress.step / progress.totalSteps, barWidth),
          typeof progress?.loss === 'number' ? progress.loss.toFixed(3) : '',
          progress?.tokensPerSecond === undefined
            ? ''
            : Math.round(progress.tokensPerSecond).toLocaleString('en-US'),
          progress?.etaSeconds === undefined ? '' : formatDuration(progress.etaSeconds * 1000),
        ]),
      ),
    );
  if (endpoints.length > 0)
    parts.push(
      table(
        ['endpoint', 'state', 'model', 'ready'],
        endpoints.map((each) => [each.name, coloured(each.state), each.model, readyOf(each)]),
      ),
    );
  if (waiting.length > 0)
    parts.push(
      table(
        ['waits', 'queue', 'since', 'because'],
        waiting.map((job) => [
          job.name,
          job.queue,
          ago(job.createdAt),
          job.waiting?.reasons[0]?.message ?? '',
        ]),
      ),
    );
  if (jobs.length + waiting.length + endpoints.length === 0) parts.push('  nothing runs and nothing waits');
  return parts.join('\n\n');
}
