/**
 * Our engines beside llama-server on the same weights: streams over HTTP, a prompt and an answer of 64 tokens each, no
 * prompt like another. Tokens of the answers by processor time of the server's process, prompts included.
 */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { openGguf, quantiseGguf } from '@gantry/conversion';
import { wholeFile } from '@gantry/formats';
import { cycle, writePermutationFolder, writePermutationModel } from '@gantry/engines/testing';
import { createRandom } from '@gantry/kit';
import type { BenchLine } from '../bench-line.ts';
import { startNode } from './child-node.ts';
import { cpuMicros } from './cpu-time.ts';
import { median } from './gateway-cost.ts';
import { startLlamaServer } from './llama-server.ts';
import { servingLine } from './serving-line.ts';

const streams = 16;
const promptTokens = 64;
const answerTokens = 64;
const contextTokens = 256;
const rounds = 7;
/** Until then the one is still being compiled by V8, as a server is in its first second only. */
const warmUps = 2;
const random = createRandom(7);

interface Server {
  readonly pid: number;
  readonly port: number;
}

export async function llmPeer(): Promise<BenchLine[]> {
  const folder = mkdtempSync(join(tmpdir(), 'glp-'));
  try {
    const size = { layers: 8, width: 512 };
    const whole = join(folder, 'whole.gguf');
    const eight = join(folder, 'eight.gguf');
    await writePermutationModel(whole, size);
    await writePermutationFolder(join(folder, 'hf'), size);
    writeFileSync(eight, wholeFile(quantiseGguf(openGguf(readFileSync(whole)), 'Q8_0').file));
    return [
      await beside('16 streams, Q8_0', eight, eight),
      await beside('16 streams, F32', whole, whole),
      await beside('paged decoder, 16 streams, F32', join(folder, 'hf/model.safetensors'), whole),
    ];
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

async function beside(name: string, ourPath: string, peerPath: string): Promise<BenchLine> {
  const script = join(import.meta.dirname, 'llm-process.ts');
  const isPaged = dirname(ourPath) !== dirname(peerPath);
  const args = [script, ourPath, String(streams), String(contextTokens), ...(isPaged ? ['paged'] : [])];
  await using child = await startNode(args);
  const ours = { pid: child.pid, port: Number(child.hello['port']) };
  await using theirs = await startLlamaServer(peerPath, { slots: streams, contextTokens, threads: 1 });
  const mine: number[] = [];
  const their: number[] = [];
  for (let round = 0; round < warmUps + rounds; round++) {
    const [one, other] = [await tokensPerCpuSecond(ours), theirs && (await tokensPerCpuSecond(theirs))];
    if (round < warmUps) continue;
    mine.push(one);
    if (other !== undefined) their.push(other);
  }
  const peer = their.length === 0 ? undefined : median(their);
  const peerName = peer === undefined ? 'llama-server, not built here' : 'llama-server';
  const passes = peer !== undefined && median(mine) >= 0.95 * peer;
  const bar = '>= 0.95x peer';
  return servingLine(`LLM engine: ${name}`, median(mine), peer, peerName, bar, passes, 'tok/cpu-s', mine);
}

async function tokensPerCpuSecond(server: Server): Promise<number> {
  const beforeMicros = cpuMicros(server.pid);
  const counts = await Promise.all(Array.from({ length: streams }, () => stream(server)));
  const micros = cpuMicros(server.pid) - beforeMicros;
  return counts.reduce((sum, count) => sum + count, 0) / (micros / 1e6);
}

/** Frames with text that came; a token is a frame in both. */
async function stream({ port }: Server): Promise<number> {
  const prompt = Array.from({ length: promptTokens }, () => cycle[random.below(cycle.length)]).join('');
  const body = { prompt, stream: true, max_tokens: answerTokens, temperature: 0, ignore_eos: true };
  const response = await fetch(`http://127.0.0.1:${port}/v1/completions`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ ...body, stream_options: { include_usage: true } }),
  });
  const text = await response.text();
  const counted = /"completion_tokens":\s*(\d+)/.exec(text)?.[1];
  if (!response.ok || Number(counted) !== answerTokens)
    throw new Error(`a stream failed: ${text.slice(0, 300)}`);
  return Number(counted);
}
