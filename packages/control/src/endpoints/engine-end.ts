import type { WorkerExit } from '@gantry/ports';

const mostChars = 300;
/** Where things lie on the server's machine is no business of who serves a model; the name of the file is. */
const folders = /(?:\/[^\s/:'"]+)+\/(?=[^\s/:'"]+)/;
const urlsAndFolders = new RegExp(`(?<url>https?:\\/\\/\\S+)|${folders.source}`, 'g');

/**
 * Whose doing an end was. Ranks of a gang end within milliseconds of each other and are told of in any order: one that
 * something took away is the cause, one that ended by itself may have lost it, one that was asked to end never is.
 */
export type Cause = 'taken' | 'itself' | 'asked';

export interface EngineEnd {
  readonly cause: Cause;
  readonly message: string;
}

/** EX_TEMPFAIL, by which a rank says that it lost another one. */
const lostPeerCode = 75;

const causes: Readonly<Record<WorkerExit['exitClass'], Cause>> = {
  out_of_memory: 'taken',
  time_limit: 'taken',
  infrastructure: 'taken',
  user_error: 'itself',
  done: 'asked',
  preempted: 'asked',
  suspended: 'asked',
  resized: 'asked',
  cancelled: 'asked',
};

/** What our engines say of themselves while all is well begins with its time: no reason of an end. */
const journal = /^\d{4}-\d\d-\d\dT[\d:.]+Z /;
/** What Python's programs say behind the reason: where pydantic's pages are, and what vLLM logs while it gives up. */
const afterwards = /^\s*For further information visit |^\(\w+ pid=\d+\) (?:INFO|WARNING) |^INFO: /;
const isReason = (line: string): boolean =>
  line.trim() !== '' && !journal.test(line) && !afterwards.test(line);

/** How an engine ended, with its last word where it failed by itself: that is why. */
export function engineEnd({ exitClass, code, message, stderrTail }: WorkerExit): EngineEnd {
  const cause = code === lostPeerCode ? 'itself' : causes[exitClass];
  const lastWord = stderrTail.findLast(isReason)?.trim();
  if (cause !== 'itself' || lastWord === undefined) return { cause, message };
  const told = lastWord.replaceAll(urlsAndFolders, '$<url>');
  const shown = told.length > mostChars ? `${told.slice(0, mostChars)}…` : told;
  return { cause, message: `${message}: ${shown}` };
}
