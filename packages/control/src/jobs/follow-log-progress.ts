/**
 * Follows what a worker prints, for the progress in it (log-progress.ts). A flood of output costs little: of what
 * comes faster than it can matter only the end is read.
 */
import type { LogQuery, Runner } from '@gantry/ports';
import { type SeenProgress, createLogProgress } from './log-progress.ts';

export interface LogFollower {
  /** Resolves when the ended worker's log is read to its end, after two seconds at the latest. */
  finish(): Promise<void>;
}

/** A whole read from disk: more is waiting behind it. */
const floodBytes = 64 * 1_024;
const floodTailCharacters = 4_096;
const finishMs = 2_000;

export function followLogProgress(
  runner: Pick<Runner, 'readLog'>,
  workerId: string,
  onSeen: (seen: SeenProgress) => void,
): LogFollower {
  const stopped = new AbortController();
  const follow = async (stream: LogQuery['stream']): Promise<void> => {
    const decoder = new TextDecoder();
    const parser = createLogProgress();
    const query = { stream, sinceBytes: 0, follow: true, signal: stopped.signal };
    for await (const chunk of runner.readLog(workerId, query)) {
      const text = decoder.decode(chunk, { stream: true });
      const seen = parser.push(chunk.byteLength < floodBytes ? text : endOf(text));
      if (seen !== undefined) onSeen(seen);
    }
  };
  // A log that cannot be read shows no progress; the job has nothing to do with that.
  const done = Promise.allSettled([follow('stdout'), follow('stderr')]);
  return {
    finish: async () => {
      const timer = setTimeout(() => stopped.abort(), finishMs);
      await done;
      clearTimeout(timer);
    },
  };
}

/** Its last whole lines and what follows them. */
function endOf(text: string): string {
  const tail = text.slice(-floodTailCharacters);
  return tail.slice(tail.search(/[\r\n]/) + 1);
}
