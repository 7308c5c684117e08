/** A load run on one endpoint, from its options to its report. */
import { readFile, writeFile } from 'node:fs/promises';
import { CliError } from '../cli-error.ts';
import { loadPage } from '../load/load-page.ts';
import { toLoadReport, type LoadReport } from '../load/load-report.ts';
import { parseTrace } from '../load/parse-trace.ts';
import { promptOf, syntheticLoad } from '../load/planned-request.ts';
import { runLoad, type SentAnswer } from '../load/run-load.ts';
import { takesNoText } from '../stream-completion.ts';
import { timedStream, type StreamTarget } from '../load/timed-stream.ts';

export interface BenchOptions {
  readonly requests: number;
  readonly clients?: number;
  readonly rate?: number;
  readonly trace?: string;
  readonly speed: number;
  readonly lengths: number;
  readonly promptTokens: number;
  readonly answerTokens: number;
  readonly ttftMs: number;
  readonly itlMs: number;
  readonly seed: number;
  /** A page with pictures goes there. */
  readonly html?: string;
}

export interface BenchRun {
  /** Ends it early: the report is of what was answered until then. */
  readonly signal?: AbortSignal;
  /** After each answer, with how many there will be. */
  readonly onAnswer?: (answers: readonly SentAnswer[], all: number) => void;
}

export async function benchEndpoint(
  target: StreamTarget,
  options: BenchOptions,
  { signal, onAnswer }: BenchRun = {},
): Promise<LoadReport> {
  const { trace, rate, requests, speed, lengths } = options;
  const planned =
    trace === undefined
      ? syntheticLoad({ ...options, rate })
      : parseTrace(await readTrace(trace), { speed, lengths, limit: requests });
  const isOpen = trace !== undefined || rate !== undefined;
  let hasAnswered = false;
  const run = await runLoad(
    planned,
    async (request, stop) => {
      const answer = await timedStream(target, promptOf(request), request.answerTokens, now, stop);
      // What fails like this before anything was answered would fail for every request.
      if (answer.refusal !== undefined && !hasAnswered) throw asRefused(target.model, answer.refusal);
      hasAnswered ||= answer.failure === undefined;
      return answer;
    },
    {
      clients: isOpen ? undefined : (options.clients ?? 4),
      signal,
      onAnswer: (answers) => onAnswer?.(answers, planned.length),
    },
  );
  const report = toLoadReport(run, options);
  if (options.html !== undefined)
    await writeFile(options.html, loadPage(`Load on ${target.model}`, run, report, options));
  return report;
}

const now = (): number => performance.now();

const asRefused = (model: string, refusal: CliError): CliError =>
  takesNoText(refusal)
    ? new CliError('bad_request', `${model} takes tensors; bench times answers of language models`, {
        hint: `of its own requests: gantry endpoint stats ${model}`,
      })
    : refusal;

async function readTrace(path: string): Promise<string> {
  try {
    return await readFile(path, 'utf8');
  } catch {
    throw new CliError('not_found', `the trace ${path} cannot be read`);
  }
}
