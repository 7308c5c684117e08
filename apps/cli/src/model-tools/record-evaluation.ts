/** An evaluation kept with the version that the endpoint serves, so that its model's gate can rest on it. */
import type { GateVerdict } from '@gantry/contract';
import type { Client } from '@gantry/sdk';
import type { Evaluation } from './evaluate-endpoint.ts';

export interface RecordedEvaluation {
  readonly version: string;
  readonly gate: GateVerdict;
}

export async function recordEvaluation(
  client: Client,
  { endpoint, against, comparison, metrics, data, perplexity }: Evaluation,
): Promise<RecordedEvaluation> {
  const versionOf = async (name: string) => (await client.call('endpoints.get', { params: { name } })).model;
  const version = await versionOf(endpoint);
  const [name = '', number = ''] = version.split('@');
  const { gate } = await client.call('models.evaluate', {
    params: { name, number },
    body: {
      ...(against === undefined || comparison === undefined
        ? {}
        : {
            against: await versionOf(against),
            comparison: {
              ...comparison,
              sourcePerplexity: finite(comparison.sourcePerplexity),
              candidatePerplexity: finite(comparison.candidatePerplexity),
            },
          }),
      metrics: { ...metrics, ...(perplexity === undefined ? {} : { perplexity: finite(perplexity) }) },
      data,
    },
  });
  return { version, gate };
}

/** JSON has no infinity. */
const finite = (value: number): number => Math.min(value, Number.MAX_VALUE);
