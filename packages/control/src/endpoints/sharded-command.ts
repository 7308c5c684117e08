/**
 * The command line of one rank of vLLM or SGLang. Ranks find each other without Ray: vLLM's own multiprocessing
 * executor (`--nnodes`, `--node-rank`, `--master-addr`; ranks after the first are `--headless`), SGLang's
 * `--dist-init-addr`. Only the first rank answers requests, and is told to count the tokens that it reused. Pure.
 */
import type { ShardedEngine } from '@gantry/contract';

export interface ShardedRank {
  readonly rank: number;
  /** Where the first rank waits for the others. */
  readonly meeting: { readonly address: string; readonly port: number };
  /** Free on the rank's machine. */
  readonly port: number;
  readonly modelPath: string;
  readonly modelName: string;
  /** Requests that the replica computes at once. */
  readonly slots: number;
  /** Absent: the model's. */
  readonly contextTokens?: number;
}

type Flags = Readonly<Record<string, string | number | boolean>>;
type CommandLine = (
  engine: ShardedEngine,
  rank: ShardedRank,
) => { readonly words: readonly string[]; readonly flags: Flags };

const vllm: CommandLine = (
  { program = ['vllm'], tensor, pipeline, ranks },
  { rank, meeting, port, modelPath, modelName, slots, contextTokens },
) => ({
  words: [...program, 'serve', modelPath],
  flags: {
    'served-model-name': modelName,
    'tensor-parallel-size': tensor,
    'pipeline-parallel-size': pipeline,
    ...(ranks > 1 && {
      'distributed-executor-backend': 'mp',
      nnodes: ranks,
      'node-rank': rank,
      'master-addr': meeting.address,
      'master-port': meeting.port,
    }),
    'max-num-seqs': slots,
    ...(contextTokens !== undefined && { 'max-model-len': contextTokens }),
    ...(rank === 0 ? { host: '127.0.0.1', port, 'enable-prompt-tokens-details': true } : { headless: true }),
  },
});

const sglang: CommandLine = (
  { program = ['python3', '-m', 'sglang.launch_server'], tensor, pipeline, ranks, device },
  { rank, meeting, port, modelPath, modelName, slots, contextTokens },
) => ({
  words: program,
  flags: {
    'model-path': modelPath,
    'served-model-name': modelName,
    'tp-size': tensor,
    'pp-size': pipeline,
    ...(ranks > 1 && {
      nnodes: ranks,
      'node-rank': rank,
      'dist-init-addr': `${meeting.address}:${meeting.port}`,
    }),
    'max-running-requests': slots,
    ...(contextTokens !== undefined && { 'context-length': contextTokens }),
    'enable-cache-report': true,
    // Every rank opens a port of its own; that of the first is the one that is asked.
    host: '127.0.0.1',
    port,
    ...(device === 'cpu' && { device }),
  },
});

const commandLines: Readonly<Record<ShardedEngine['kind'], CommandLine>> = { vllm, sglang };

export function shardedCommand(engine: ShardedEngine, rank: ShardedRank): readonly string[] {
  const { words, flags } = commandLines[engine.kind](engine, rank);
  const written = Object.entries(flags).flatMap(([name, value]) =>
    value === true ? [`--${name}`] : [`--${name}`, String(value)],
  );
  return [...words, ...written, ...engine.arguments];
}
