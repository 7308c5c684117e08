/** One finding of `gantry doctor`. `warn`: it works, weaker than it could; `bad`: the platform will not run. */
export interface Check {
  readonly name: string;
  readonly state: 'ok' | 'warn' | 'bad';
  readonly text: string;
  readonly hint?: string;
}

export const ok = (name: string, text: string): Check => ({ name, state: 'ok', text });

export const warn = (name: string, text: string, hint: string): Check => ({
  name,
  state: 'warn',
  text,
  hint,
});

export const bad = (name: string, text: string, hint: string): Check => ({ name, state: 'bad', text, hint });
