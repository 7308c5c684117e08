/** What the server writes for a replica: which model, under which name, with how much room. */
export interface EngineSpec {
  readonly modelPath: string;
  readonly modelName: string;
  readonly contextTokens?: number;
  readonly slots?: number;
  readonly threads?: number;
}

/** Undefined when the text is no such spec. */
export function parseEngineSpec(text: string): EngineSpec | undefined {
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch {
    return undefined;
  }
  if (typeof json !== 'object' || json === null) return undefined;
  const spec = json as Record<string, unknown>;
  const { modelPath, modelName } = spec;
  if (typeof modelPath !== 'string' || typeof modelName !== 'string') return undefined;
  const counts = ['contextTokens', 'slots', 'threads'].flatMap((name) => {
    const value = spec[name];
    return typeof value === 'number' && Number.isInteger(value) && value > 0 ? [[name, value]] : [];
  });
  return { modelPath, modelName, ...(Object.fromEntries(counts) as Partial<EngineSpec>) };
}
