import type { WorkerExit } from '@gantry/ports';

const mostChars = 300;
/** Where things lie on the server's machine is no business of who serves a model; the name of the file is. */
const folders = /(?:\/[^\s/:'"]+)+\/(?=[^\s/:'"]+)/g;

/** How an engine ended, with its last word where it failed by itself: that is why. */
export function engineEnd({ exitClass, message, stderrTail }: WorkerExit): string {
  const lastWord = stderrTail.findLast((line) => line.trim() !== '')?.trim();
  if (exitClass !== 'user_error' || lastWord === undefined) return message;
  const told = lastWord.replace(folders, '');
  return `${message}: ${told.length > mostChars ? `${told.slice(0, mostChars)}…` : told}`;
}
