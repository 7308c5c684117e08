/** A few steps of our own runtime on this machine, each rank a process: what they take of time and memory. */
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { OwnRun } from '@gantry/training/planner';
import { CliError } from '../cli-error.ts';
import { runWorker } from '../run-worker.ts';

export interface ProbedRank {
  readonly rank: number;
  readonly dialect: OwnRun['dialect'];
  /** Before it had a model, and at most. */
  readonly baseBytes: number;
  readonly peakBytes: number;
  /** Medians. */
  readonly seconds: {
    readonly compute: number;
    readonly exchange: number;
    readonly update: number;
    /** A sum of sixteen numbers over the data-parallel ranks. */
    readonly smallSum: number;
  };
  /** The same by what the processor did. */
  readonly processorSeconds: { readonly compute: number; readonly update: number };
}

/** By rank. */
export async function runProbe(
  { config, sequences, time, layout }: Omit<OwnRun, 'dialect'>,
  steps: number,
): Promise<ProbedRank[]> {
  const folder = await mkdtemp(join(tmpdir(), 'gantry-probe-'));
  try {
    const { layers, width, heads, kvHeads, hidden, vocabularySize } = config;
    const { data, tensor, pipeline, chunks, expert, zero, recompute, schedule, microBatches, optimizer } =
      layout;
    const spec = {
      train: {
        recipe: 'language-model',
        data: ['none'],
        depth: layers,
        width,
        heads,
        kvHeads,
        hidden,
        vocabularySize,
        steps,
        optimizer,
        model: {
          norm: config.norm,
          positions: config.positions,
          activation: config.activation,
          biases: config.hasBiases,
        },
        sequenceLength: time,
        batchTokens: sequences * time * microBatches * data,
      },
      parallel: {
        data,
        tensor,
        pipeline,
        zero,
        recompute,
        schedule,
        microBatches,
        ...(chunks === undefined ? {} : { virtualStages: chunks }),
        ...(expert === undefined ? {} : { expert }),
      },
    };
    const specFile = join(folder, 'spec.json');
    await writeFile(specFile, JSON.stringify(spec));
    const ranks = data * tensor * pipeline;
    const answers = await Promise.all(
      Array.from({ length: ranks }, (_, rank) =>
        runWorker('probe', {
          RANK: String(rank),
          WORLD_SIZE: String(ranks),
          GANTRY_RUN_DIR: folder,
          GANTRY_SPEC_FILE: specFile,
          GANTRY_RENDEZVOUS: folder,
        }),
      ),
    );
    return answers.map(({ code, said, complaint }) => {
      if (code !== 0)
        throw new CliError('probe_failed', `The probe ended with ${code}: ${complaint}`, {
          hint: 'It needs the memory of a small training; see whether the machine has it to spare.',
        });
      return JSON.parse(said) as ProbedRank;
    });
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}
