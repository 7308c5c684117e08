import { mkdirSync, mkdtempSync, rmSync, symlinkSync, utimesSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { newestCheckpoint } from './newest-checkpoint.ts';

let run: string;
beforeEach(() => {
  run = mkdtempSync(join(tmpdir(), 'gantry-run-'));
});
afterEach(() => rmSync(run, { recursive: true }));

function write(...paths: string[]): void {
  for (const path of paths) {
    mkdirSync(dirname(join(run, path)), { recursive: true });
    writeFileSync(join(run, path), 'x');
  }
}
const newest = async (): Promise<string | undefined> =>
  (await newestCheckpoint(run))?.path.slice(run.length + 1);

describe('the newest whole checkpoint, as each framework leaves it', () => {
  test('ours: by step, not by letters', async () => {
    write('checkpoints/step-00000009/manifest.json', 'checkpoints/step-00000100/manifest.json');
    expect(await newest()).toBe('checkpoints/step-00000100');
  });

  test('Hugging Face: the one that was killed while it was written is passed over', async () => {
    write('checkpoints/checkpoint-20/trainer_state.json', 'checkpoints/checkpoint-100/trainer_state.json');
    write('checkpoints/checkpoint-120/model.safetensors');
    expect(await newest()).toBe('checkpoints/checkpoint-100');
  });

  test('Accelerate: random states are written last', async () => {
    write('out/checkpoint-5/random_states_0.pkl', 'out/checkpoint-6/model.safetensors');
    expect(await newest()).toBe('out/checkpoint-5');
  });

  test('torch.distributed.checkpoint: whole when its metadata is there', async () => {
    write('checkpoints/step-20/.metadata', 'checkpoints/step-20/__0_0.distcp');
    write('checkpoints/step-40/__0_0.distcp');
    expect(await newest()).toBe('checkpoints/step-20');
  });

  test('DeepSpeed: the folder, as load_checkpoint takes it, once `latest` names a tag that is there', async () => {
    write('ds/global_step10/mp_rank_00_model_states.pt');
    expect(await newest()).toBeUndefined();
    writeFileSync(join(run, 'ds/latest'), 'global_step10\n');
    expect(await newestCheckpoint(run)).toMatchObject({
      path: join(run, 'ds'),
      format: 'deepspeed',
      step: 10,
    });
  });

  test('Lightning: the last step, and last.ckpt when it is newer', async () => {
    const folder = 'lightning_logs/version_0/checkpoints';
    write(`${folder}/epoch=1-step=200.ckpt`, `${folder}/epoch=0-step=100.ckpt`);
    utimesSync(join(run, folder, 'epoch=0-step=100.ckpt'), 2_000, 2_000);
    utimesSync(join(run, folder, 'epoch=1-step=200.ckpt'), 1_000, 1_000);
    expect(await newest()).toBe(`${folder}/epoch=1-step=200.ckpt`);
    write(`${folder}/last.ckpt`);
    expect(await newest()).toBe(`${folder}/last.ckpt`);
  });
});

describe('a folder with anything in it', () => {
  test('nothing there, nothing found', async () => {
    expect(await newest()).toBeUndefined();
    expect(await newestCheckpoint(join(run, 'missing'))).toBeUndefined();
  });

  test('what the platform itself wrote, and what lies behind a link, is no checkpoint', async () => {
    write('export/checkpoint-9/trainer_state.json', 'attempts/a/checkpoint-9/trainer_state.json');
    const outside = mkdtempSync(join(tmpdir(), 'gantry-outside-'));
    mkdirSync(join(outside, 'checkpoint-9'));
    writeFileSync(join(outside, 'checkpoint-9', 'trainer_state.json'), '{}');
    symlinkSync(outside, join(run, 'checkpoints'));
    expect(await newest()).toBeUndefined();
    rmSync(outside, { recursive: true });
  });
});
