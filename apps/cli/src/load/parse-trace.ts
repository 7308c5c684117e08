/**
 * Published traces as load: Mooncake's JSON lines (FAST'25: timestamp, input_length, output_length, hash_ids) and
 * Azure's CSV (TIMESTAMP, ContextTokens, GeneratedTokens; Splitwise and DynamoLLM releases).
 */
import { CliError } from '../cli-error.ts';
import type { PlannedRequest } from './planned-request.ts';

export interface TraceScale {
  /** 2 replays twice as fast. */
  readonly speed: number;
  /** Lengths times this, so that a small model can hold them. */
  readonly lengths: number;
  readonly limit: number;
}

export function parseTrace(text: string, scale: TraceScale): PlannedRequest[] {
  const lines = text.split('\n').filter((line) => line.trim() !== '');
  const isMooncake = lines[0]?.trimStart().startsWith('{') === true;
  const rows = isMooncake
    ? lines.slice(0, scale.limit).map(mooncakeRow)
    : lines.slice(1, scale.limit + 1).map(azureRow);
  const first = rows[0]?.atMs ?? 0;
  const scaled = (tokens: number): number => Math.max(1, Math.round(tokens * scale.lengths));
  return rows.map((row) => ({
    atMs: (row.atMs - first) / scale.speed,
    promptTokens: scaled(row.promptTokens),
    answerTokens: scaled(row.answerTokens),
    blocks: row.blocks,
  }));
}

function mooncakeRow(line: string, index: number): PlannedRequest {
  try {
    const { timestamp, input_length, output_length, hash_ids } = JSON.parse(line) as Record<string, unknown>;
    return {
      atMs: numberOf(timestamp),
      promptTokens: numberOf(input_length),
      answerTokens: numberOf(output_length),
      blocks: Array.isArray(hash_ids) ? hash_ids.map(numberOf) : [index],
    };
  } catch {
    throw broken(index + 1, 'a JSON object with timestamp, input_length and output_length');
  }
}

function azureRow(line: string, index: number): PlannedRequest {
  const [time = '', context, generated] = line.split(',');
  const atMs = Date.parse(`${time.slice(0, 23).replace(' ', 'T')}Z`);
  const [promptTokens, answerTokens] = [Number(context), Number(generated)];
  if (![atMs, promptTokens, answerTokens].every(Number.isFinite))
    throw broken(index + 2, 'TIMESTAMP,ContextTokens,GeneratedTokens');
  return { atMs, promptTokens, answerTokens, blocks: [index] };
}

function numberOf(value: unknown): number {
  if (typeof value !== 'number' || !Number.isFinite(value)) throw new TypeError('no number');
  return value;
}

const broken = (line: number, wanted: string): CliError =>
  new CliError('bad_trace', `line ${line} of the trace is not ${wanted}`, {
    hint: 'a Mooncake .jsonl or an Azure LLM inference .csv',
  });
