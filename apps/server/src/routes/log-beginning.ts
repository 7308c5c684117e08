import type { LogQuery } from '@gantry/ports';

/** What a log route was asked, as the runner takes it. */
export const toLogBeginning = (query: {
  readonly sinceBytes: number;
  readonly since?: string | undefined;
  readonly tailLines?: number | undefined;
}): Pick<LogQuery, 'sinceBytes' | 'sinceMs' | 'lastLines'> => ({
  sinceBytes: query.sinceBytes,
  ...(query.since === undefined ? {} : { sinceMs: Date.parse(query.since) }),
  ...(query.tailLines === undefined ? {} : { lastLines: query.tailLines }),
});
