/**
 * Watches a job to its end, as one redrawn line on a terminal and as a line every few seconds elsewhere. `onState`
 * hears of every new state, and of every new reason to wait.
 */
import type { Job, JobSpec } from '@gantry/contract';
import { isTerminal } from '@gantry/contract';
import type { Client } from '@gantry/sdk';
import pc from 'picocolors';
import { bar } from './output.ts';

const everyMs = 5_000;
const barWidth = 24;

export async function followJob(client: Client, name: string, onState?: (job: Job) => void): Promise<Job> {
  const isLive = process.stdout.isTTY === true;
  let last: Job | undefined;
  let lastSaid = '';
  let lastLineMs = 0;
  for (let tries = 0; ; tries += 1) {
    try {
      for await (const { event, data } of client.watch('jobs.watch', { params: { name } })) {
        if (event !== 'job') continue;
        last = data as Job;
        const said = `${last.state} ${last.waiting?.reasons[0]?.code ?? ''}`;
        if (said !== lastSaid) {
          if (isLive) process.stdout.write('\r\u001b[2K');
          onState?.(last);
          lastSaid = said;
        }
        const line = progressLine(last);
        if (line === undefined) continue;
        if (isLive) process.stdout.write(`\r\u001b[2K${line}`);
        else if (Date.now() - lastLineMs >= everyMs) {
          lastLineMs = Date.now();
          process.stdout.write(`${line}\n`);
        }
      }
    } catch (error) {
      if (tries > 20) throw error;
    }
    if (last !== undefined && isTerminal(last.state)) break;
    // The server went away meanwhile: the job goes on without it, so do we.
    await new Promise((resolve) => setTimeout(resolve, 500));
  }
  if (isLive) process.stdout.write('\r\u001b[2K');
  return last;
}

function progressLine(job: Job): string | undefined {
  const { progress } = job;
  if (job.state !== 'running' || progress?.step === undefined) return undefined;
  const { step, totalSteps, loss, firstLoss, tokensPerSecond, etaSeconds, sample } = progress;
  const parts = [
    totalSteps === undefined ? `step ${step}` : `${bar(step / totalSteps, barWidth)}  ${step}/${totalSteps}`,
    typeof loss === 'number'
      ? `loss ${typeof firstLoss === 'number' ? `${firstLoss.toFixed(2)} → ` : ''}${loss.toFixed(2)}`
      : '',
    tokensPerSecond === undefined ? '' : `${Math.round(tokensPerSecond).toLocaleString('en-US')} tok/s`,
    etaSeconds === undefined
      ? ''
      : `${Math.floor(etaSeconds / 60)}:${String(Math.floor(etaSeconds % 60)).padStart(2, '0')} left`,
    sample === undefined || process.stdout.isTTY !== true
      ? ''
      : pc.dim(JSON.stringify(sample.text.slice(0, 40))),
  ];
  const width = process.stdout.isTTY === true ? (process.stdout.columns ?? 100) : 200;
  const doing = (job.spec as Partial<JobSpec>).evaluate === undefined ? 'training' : 'evaluating';
  return `  ▸ ${doing}  ${parts.filter((part) => part !== '').join('   ')}`.slice(0, width + 10);
}
