/** What `gantry plan --emit` prints is read by DeepSpeed, Accelerate and the Trainer as it was meant. */
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import {
  type LayoutWish,
  type TrainingTask,
  currentSoftware,
  launchWriters,
  namedModels,
  parseDeviceList,
  searchLayouts,
} from '../../../packages/training/src/planner/index.ts';
import { type Check, askPeer } from '../check.ts';

const wishes: readonly LayoutWish[] = [
  { tensor: 1, pipeline: 1, zero: 0 },
  { tensor: 1, pipeline: 1, zero: 1 },
  { tensor: 1, pipeline: 1, zero: 2 },
  { tensor: 1, pipeline: 1, zero: 3, offload: 'none' },
  { tensor: 1, pipeline: 1, zero: 3, offload: 'none', recompute: 'full' },
  { tensor: 1, pipeline: 1, zero: 2, offload: 'optimizer' },
  { tensor: 2, pipeline: 1, zero: 3, offload: 'none' },
];

export const plannerLaunch: Check = async (world) => {
  const { count, device } = parseDeviceList('8xH100-80GB');
  const model = namedModels.find(({ name }) => name === 'gpt2-xl');
  if (model === undefined) throw new Error('gpt2-xl is not known any more');
  const task: TrainingTask = {
    model: { ...model, heads: 24, kvHeads: 24, width: 1_536 },
    sequenceLength: 1_024,
    batch: 64,
    device,
    devices: count,
    software: currentSoftware,
  };
  const texts = { deepspeed: [] as string[], accelerate: [] as string[], fsdp: [] as string[] };
  for (const wish of wishes) {
    const [best] = searchLayouts(task, wish).fitting;
    if (best === undefined) throw new Error(`nothing fits with ${JSON.stringify(wish)}`);
    for (const launcher of ['deepspeed', 'accelerate', 'fsdp'] as const) {
      const file = launchWriters[launcher](task, best.layout);
      if ('text' in file) texts[launcher].push(file.text);
    }
  }
  // Tensor parallelism is left to Accelerate: DeepSpeed counts data ranks by an object of the script's.
  texts.deepspeed = texts.deepspeed.filter((text) => !text.includes('tensor_parallel'));
  const files = join(world.dir, 'files.json');
  await writeFile(files, JSON.stringify({ ...texts, devices: count, batch: task.batch }));
  return askPeer(world, 'planner_launch.py', { FILES: files, OUT: world.dir, DS_ACCELERATOR: 'cpu' });
};
