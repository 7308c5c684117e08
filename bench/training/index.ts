import type { BenchLine } from '../bench-line.ts';
import { allReduce } from './all-reduce.ts';
import { checkpointSave } from './checkpoint.ts';
import { peakMemory } from './peak-memory.ts';
import { pipelineBubble } from './pipeline-bubble.ts';
import { plannerOwnMemory } from './planner-own-memory.ts';
import { plannerOwnStep } from './planner-own-step.ts';
import { plannerErrors } from './planner.ts';
import { dataParallel } from './data-parallel.ts';
import { gptStep, llamaStep } from './step.ts';
import { tokenLoader } from './token-loader.ts';

/** The bars of issue 5; the peer is torch from PyPI in a throw-away venv, named by GANTRY_BENCH_PYTHON. */
export const cases: Readonly<Record<string, () => Promise<BenchLine[]>>> = {
  'llama-step': llamaStep,
  'gpt-step': gptStep,
  checkpoint: checkpointSave,
  'all-reduce': allReduce,
  'data-parallel': dataParallel,
  'token-loader': tokenLoader,
  'peak-memory': peakMemory,
  'pipeline-bubble': pipelineBubble,
  planner: plannerErrors,
  'planner-own-step': plannerOwnStep,
  'planner-own-memory': plannerOwnMemory,
};
