/** What DeepSpeed's own configuration asks of a run, in the terms of this runtime. Undefined: it says nothing of it. */
export interface DeepSpeedSettings {
  batchSequences?: number;
  microSequences?: number;
  microBatches?: number;
  clipNorm?: number;
  precision?: 'fp16' | 'bf16';
  tensor?: number;
  zero?: number;
  learningRate?: number;
  weightDecay?: number;
  warmupSteps?: number;
  offloadMoments?: boolean;
  offloadParameters?: boolean;
  offloadDirectory?: string;
  offloadBuffers?: number;
  /** Elements that an update has in memory at one time. */
  updateElements?: number;
  /** Of parameters gathered under ZeRO 3: so many may be in memory … */
  liveElements?: number;
  /** … and those stay that are needed again before so many others. */
  reuseElements?: number;
  /** Elements that are summed, and gathered, at one time. */
  reduceElements?: number;
  gatherElements?: number;
  /** Layers of so many elements are gathered early. */
  prefetchElements?: number;
  /** Parameters of at most so many elements stay whole. */
  persistentElements?: number;
  /** Gradients are summed while earlier layers are still computed. */
  overlap?: boolean;
  /** The export's weights have 16 bits. */
  exportsHalf?: boolean;
}

/** A key that cannot be obeyed. */
export interface DeepSpeedProblem {
  readonly key: string;
  readonly message: string;
}

export interface DeepSpeedReading {
  readonly settings: DeepSpeedSettings;
  /** Keys that are kept to in another way, each with a sentence. */
  readonly notes: readonly string[];
  readonly problems: readonly DeepSpeedProblem[];
}
