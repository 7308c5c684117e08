/** What a job calls its secrets: `token` becomes TOKEN, the long form says another variable. */
import type { JobSpec } from '@gantry/contract';

export interface SecretUse {
  readonly name: string;
  readonly env: string;
}

export function secretUses(spec: Pick<JobSpec, 'secrets'>): readonly SecretUse[] {
  return spec.secrets.map((use) =>
    typeof use === 'string' ? { name: use, env: use.toUpperCase().replaceAll('-', '_') } : use,
  );
}
