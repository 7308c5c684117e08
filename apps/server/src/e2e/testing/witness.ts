/**
 * Jobs that keep a diary of their own, outside the platform's sight: every rank appends to its file, so the
 * order of the lines is the order of what happened. From the diary: was a rank started twice in one attempt,
 * did two attempts overlap, did the last one come to its end exactly once?
 */
import { readFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';

export interface Witness {
  readonly rank: number;
  readonly lines: readonly { readonly word: string; readonly attempt: string }[];
}

const say = (dir: string, word: string): string =>
  `echo "${word} $GANTRY_ATTEMPT" >> ${dir}/$GANTRY_JOB.$RANK`;

/** Lives until the gate is opened. */
export const gatedCommand = (dir: string, gate: string): string =>
  `${say(dir, 'start')}; while [ ! -e ${gate} ]; do ${say(dir, 'beat')}; sleep 0.05; done; ${say(dir, 'end')}`;

/** Fails by its own fault until it has done so once. */
export const failingOnceCommand = (dir: string): string =>
  `${say(dir, 'start')}; if ! grep -q fail ${dir}/$GANTRY_JOB.$RANK; then ${say(dir, 'fail')}; exit 3; fi; ` +
  say(dir, 'end');

export const shortCommand = (dir: string): string => `${say(dir, 'start')}; sleep 0.1; ${say(dir, 'end')}`;

export function witnessesOf(dir: string, job: string): readonly Witness[] {
  return readdirSync(dir)
    .filter((file) => file.startsWith(`${job}.`))
    .map((file) => ({
      rank: Number(file.slice(job.length + 1)),
      lines: readFileSync(join(dir, file), 'utf8')
        .split('\n')
        .filter((line) => line.includes(' '))
        .map((line) => {
          const [word = '', attempt = ''] = line.split(' ');
          return { word, attempt };
        }),
    }));
}

/** Empty when every rank did what was promised of it. */
export function contradictions(
  witnesses: readonly Witness[],
  job: { readonly ranks: number; readonly attempts: readonly string[] },
): readonly string[] {
  const wrong: string[] = [];
  if (witnesses.length !== job.ranks) wrong.push(`${witnesses.length} of ${job.ranks} ranks were ever seen`);
  for (const { rank, lines } of witnesses) {
    const count = (word: string, attempt: string): number =>
      lines.filter((line) => line.word === word && line.attempt === attempt).length;
    let newest = -1;
    for (const { word, attempt } of lines) {
      const index = job.attempts.indexOf(attempt);
      if (index === -1)
        wrong.push(`rank ${rank} ran in attempt ${attempt}, which the platform does not know`);
      if (index < newest)
        wrong.push(`rank ${rank} said "${word}" in attempt ${attempt} after a newer one began`);
      newest = Math.max(newest, index);
    }
    for (const attempt of job.attempts)
      if (count('start', attempt) > 1)
        wrong.push(`rank ${rank} was started ${count('start', attempt)} times in attempt ${attempt}`);
    const last = job.attempts.at(-1) ?? '';
    if (count('end', last) !== 1)
      wrong.push(`rank ${rank} came to its end ${count('end', last)} times in the last attempt`);
  }
  return [...new Set(wrong)];
}
