import { accelerateConfig } from './accelerate-config.ts';
import { deepspeedConfig } from './deepspeed-config.ts';
import { fsdpConfig } from './fsdp-config.ts';
import { gantryJob } from './gantry-job.ts';
import type { LaunchWriter } from './launch-file.ts';
import { megatronFlags } from './megatron-flags.ts';

export const launchWriters = {
  gantry: gantryJob,
  deepspeed: deepspeedConfig,
  fsdp: fsdpConfig,
  megatron: megatronFlags,
  accelerate: accelerateConfig,
} as const satisfies Readonly<Record<string, LaunchWriter>>;

export type Launcher = keyof typeof launchWriters;
