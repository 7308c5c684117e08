import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { jobSpecSchema } from '@gantry/contract';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { parse } from 'yaml';
import { createProgram } from '../program.ts';

let printed = '';
let dir = '';

beforeEach(async () => {
  printed = '';
  dir = await mkdtemp(join(tmpdir(), 'gantry-plan-'));
  vi.spyOn(process.stdout, 'write').mockImplementation((text) => {
    printed += String(text);
    return true;
  });
  vi.spyOn(process.stderr, 'write').mockReturnValue(true);
});
afterEach(async () => {
  vi.restoreAllMocks();
  await rm(dir, { recursive: true, force: true });
});

const usual = ['--model', 'llama-3-8b', '--devices', '16xA100-80GB', '--sequence', '4096', '--batch', '64'];

async function plan(...args: readonly string[]): Promise<string> {
  await createProgram().parseAsync(['plan', ...args], { from: 'user' });
  return printed;
}

describe('gantry plan', () => {
  test('lists layouts with step time, memory by part, the limit and why the best wins', async () => {
    const page = await plan(...usual);
    expect(page).toContain('8.03 B parameters on 16 × A100-80GB');
    expect(page).toMatch(/DP16 · TP1 · PP1 · ZeRO\d .*s .*% .*GiB/);
    expect(page).toMatch(/parameters [\d.]+ GiB · gradients [\d.]+ GiB · optimiser/);
    expect(page).toMatch(/takes [\d.]+ % longer/);
  });

  test('--json has every layout and every launch configuration', async () => {
    const json = JSON.parse(await plan(...usual, '--top', '3', '--json')) as {
      layouts: readonly { seconds: { total: number } }[];
      launch: Readonly<Record<string, unknown>>;
    };
    expect(json.layouts).toHaveLength(3);
    expect(json.layouts[0]?.seconds.total).toBeGreaterThan(0);
    expect(Object.keys(json.launch)).toEqual(['gantry', 'deepspeed', 'fsdp', 'megatron', 'accelerate']);
  });

  test('--emit gantry prints a job file that the contract takes', async () => {
    const held = ['--tensor', '2', '--pipeline', '2', '--virtual-stages', '1', '--offload', 'none'];
    const spec = jobSpecSchema.parse(
      parse(await plan(...usual, '--model', 'mistral-7b', ...held, '--emit', 'gantry')),
    );
    expect(spec.parallel).toMatchObject({ data: 4, tensor: 2, pipeline: 2 });
    expect(spec.train?.batchTokens).toBe(64 * 4_096);
  });

  test('--emit deepspeed prints its configuration alone', async () => {
    const config = JSON.parse(
      await plan(...usual, '--zero', '3', '--tensor', '1', '--pipeline', '1', '--emit', 'deepspeed'),
    ) as Record<string, unknown>;
    expect(config).toMatchObject({ train_batch_size: 64, zero_optimization: { stage: 3 } });
  });

  test('a model of one’s own: config.json, or the folder it lies in', async () => {
    const config = {
      num_hidden_layers: 8,
      hidden_size: 512,
      num_attention_heads: 8,
      intermediate_size: 1_376,
      vocab_size: 32_000,
    };
    await writeFile(join(dir, 'config.json'), JSON.stringify(config));
    const page = await plan('--model', dir, ...usual.slice(2));
    expect(page).toContain(`${basename(dir)}: 0.06 B parameters`);
  });

  test.each([
    [['--model', 'llama-9'], /no known model "llama-9"/, /llama-3-8b/],
    [['--devices', '16xTPU'], /no profile of a device "TPU"/, /H100-80GB/],
    [['--batch', '0'], /--batch 0 cannot be/, /whole number/],
    [['--tensor', '3'], /do not divide among 3 ranks/, /2 and 4/],
    [
      ['--model', 'gpt3-175b', '--devices', '4xA100-80GB'],
      /Nothing fits: .* GiB too much/,
      /A100-80GB would fit/,
    ],
    [['--pipeline', '2', '--emit', 'fsdp'], /fsdp cannot run the best layout.*ask for/, /^$/],
  ])('%j is refused with a reason', async (args, message, hint) => {
    const error: unknown = await plan(...usual, ...args).catch((caught: unknown) => caught);
    expect(error).toMatchObject({ message: expect.stringMatching(message) as unknown });
    expect((error as { hint?: string }).hint ?? '').toMatch(hint);
  });

  test('a file that is no configuration', async () => {
    await writeFile(join(dir, 'broken.json'), '{');
    await expect(plan('--model', join(dir, 'broken.json'), ...usual.slice(2))).rejects.toThrow(/is not JSON/);
    await expect(plan('--model', join(dir), ...usual.slice(2))).rejects.toThrow(/no model configuration/);
  });
});
