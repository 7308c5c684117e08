export { createAbortableQueue, type AbortableQueue } from './abortable-queue.ts';
export { formatBytes, parseByteSize } from './byte-sizes.ts';
export { createManualClock, systemClock, type Clock, type ManualClock } from './clock.ts';
export { createDeferred, type Deferred } from './deferred.ts';
export { formatDuration, parseDuration } from './durations.ts';
export { createId } from './ids.ts';
export { writeMetrics, type Labels, type MetricFamily } from './metrics.ts';
export { nearest } from './nearest.ts';
export { createRandom, type Random } from './random.ts';
