/** The Llama step of step.ts in a process of its own; says after each step how much it has ever had resident. */
import { readFileSync } from 'node:fs';
import { createInterface } from 'node:readline';
import { ourStep } from './step.ts';

const step = await ourStep(process.argv[2] === 'portable' ? 'portable' : 'blocked');
console.log(JSON.stringify({ pid: process.pid }));
for await (const _ of createInterface(process.stdin)) {
  const ms = await step();
  const peak = /VmHWM:\s+(\d+)/.exec(readFileSync('/proc/self/status', 'utf8'))?.[1];
  console.log(JSON.stringify({ ms, peakBytes: Number(peak) * 1024 }));
}
