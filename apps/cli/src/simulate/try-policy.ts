/** `gantry policy set --try`: the last days as they were set and as they would have been; nothing is changed. */
import type { Client } from '@gantry/sdk';
import type { Command } from 'commander';
import { isJson, print } from '../output.ts';
import type { PolicyBody } from '../policy-file.ts';
import { experimentOn } from './from-server.ts';
import { tell } from './simulate.ts';

export interface Trial {
  readonly client: Client;
  readonly url: string;
  readonly tried: PolicyBody;
  readonly last: string;
  readonly html?: string;
  readonly command: Command;
}

export async function tryPolicy({ client, url, tried, last, html, command }: Trial): Promise<void> {
  const experiment = await experimentOn(client, {
    url,
    last,
    tried,
    triedName: 'as tried',
    whatIf: { arrivalRate: 1 },
  });
  tell(experiment, html === undefined ? {} : { html }, command);
  if (!isJson(command)) print('  nothing was changed; without --try it holds from the next cycle on');
}
