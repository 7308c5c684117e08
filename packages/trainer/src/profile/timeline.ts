/**
 * Where a rank's time goes: sums by kind, always, and single spans while they are recorded, as Chrome's trace-event
 * format has them (chrome://tracing and ui.perfetto.dev open the file; one file a rank, all on one clock).
 */
export const timeKinds = ['compute', 'communicate', 'load', 'update', 'checkpoint'] as const;
export type TimeKind = (typeof timeKinds)[number];

interface Span {
  readonly kind: TimeKind;
  readonly name: string;
  readonly startMs: number;
  readonly endMs: number;
}

/** A recording beyond this is cut: about 20 MB of JSON. */
const spanLimit = 200_000;

export class Timeline {
  readonly #sumsMs: Record<TimeKind, number> = {
    compute: 0,
    communicate: 0,
    load: 0,
    update: 0,
    checkpoint: 0,
  };
  #spans: Span[] | undefined;
  #recordedFromMs = 0;
  #recordedMs: number | undefined;

  /** Runs it and books the time; what it books inside as communication is not counted twice. */
  async during<Result>(kind: TimeKind, name: string, run: () => Promise<Result>): Promise<Result> {
    const startMs = performance.now();
    const communicatedMs = this.#sumsMs.communicate;
    try {
      return await run();
    } finally {
      const endMs = performance.now();
      const insideMs = kind === 'communicate' ? 0 : this.#sumsMs.communicate - communicatedMs;
      this.#sumsMs[kind] += endMs - startMs - insideMs;
      if (this.#spans !== undefined && this.#spans.length < spanLimit)
        this.#spans.push({ kind, name, startMs, endMs });
    }
  }

  /** Milliseconds since the rank began. */
  get sumsMs(): Readonly<Record<TimeKind, number>> {
    return this.#sumsMs;
  }

  record(): void {
    this.#spans = [];
    this.#recordedFromMs = performance.now();
  }

  /** From the recording's start to its end; undefined before. */
  get recordedMs(): number | undefined {
    return this.#recordedMs;
  }

  /** Ends the recording. */
  toChromeTrace(rank: number): string {
    const spans = this.#spans ?? [];
    this.#spans = undefined;
    this.#recordedMs = performance.now() - this.#recordedFromMs;
    const micros = (ms: number): number => Math.round((performance.timeOrigin + ms) * 1000);
    return JSON.stringify({
      displayTimeUnit: 'ms',
      traceEvents: [
        { ph: 'M', name: 'process_name', pid: rank, tid: 0, args: { name: `rank ${rank}` } },
        ...spans.map(({ kind, name, startMs, endMs }) => ({
          ph: 'X',
          cat: kind,
          name,
          pid: rank,
          tid: 0,
          ts: micros(startMs),
          dur: Math.round((endMs - startMs) * 1000),
        })),
      ],
    });
  }
}
