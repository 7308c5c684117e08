/**
 * Whom to turn away when an endpoint has more work than it can hold: the less urgent first, while there is still
 * room for the others. Refusing early costs the client a second; a queue without end costs everybody a minute.
 */
export interface ShedInput {
  /** Requests in progress or waiting. */
  readonly inFlight: number;
  /** Requests that its ready replicas compute at once. */
  readonly capacity: number;
  /** 0 is usual; below gives way. */
  readonly priority: number;
}

const usualRounds = 8;
const lowRounds = 2;

/** `undefined` to take it, else how long to stay away: about the time until there is room again. */
export function shedFor({ inFlight, capacity, priority }: ShedInput): number | undefined {
  // Nothing is ready: who waits for the first replica is bounded elsewhere.
  if (capacity <= 0) return undefined;
  const room = capacity * (priority < 0 ? lowRounds : usualRounds);
  return inFlight < room ? undefined : Math.min(30_000, 1_000 * Math.ceil(inFlight / room));
}
