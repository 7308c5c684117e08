/** One measured figure beside its peer. `npm run bench` prints these as a table and as JSON lines. */
export interface BenchLine {
  readonly bench: string;
  readonly case: string;
  readonly ours: number;
  /** The peer's figure from the same run; absent where the bar is absolute. */
  readonly peer: number | undefined;
  readonly peerName: string | undefined;
  /** Decides what the printed ratio divides: above 1 is ahead. */
  readonly better: 'less' | 'more';
  /** What is required, in words: "<= 120", ">= 8x peer". */
  readonly bar: string;
  readonly pass: boolean;
  readonly unit: string;
  /** The single measurements behind `ours`, for their spread. */
  readonly rounds: readonly number[];
}
