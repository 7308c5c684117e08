/**
 * A version judged by asking the endpoint that serves it, for what no engine of this process reads. What it was made
 * from is asked at an endpoint too, or served by this process and asked in the same way.
 */
import type { EvaluateSpec } from '@gantry/contract';
import {
  type AccuracyReport,
  areTasks,
  type AskedModel,
  evaluateAskedAnswers,
  evaluateAskedRows,
  evaluateAskedText,
} from '@gantry/conversion';
import { type EvaluatedModel, serveHere } from '@gantry/engines/evaluation';
import { askedAt } from './ask-socket.ts';
import { WorkError } from './work-error.ts';
import type { Environment } from './work-spec.ts';

export interface AskedMeasuring {
  readonly evaluate: EvaluateSpec;
  /** By version: the endpoint that answers for it, and the revision of it that must. */
  readonly asked: Readonly<Record<string, { readonly endpoint: string; readonly pin: string }>>;
  readonly text: string;
  readonly isRows: boolean;
  /** Where the source lies when no endpoint is asked for it. */
  readonly openSource: () => Promise<
    EvaluatedModel | { readonly modelPath: string; readonly decoder: 'tensor' }
  >;
  readonly threads: number;
  readonly env: Environment;
  readonly onProgress: (done: number, all: number) => void;
}

export interface AskedFound {
  /** Undefined of tasks. */
  readonly perplexity: number | undefined;
  readonly metrics: Readonly<Record<string, number>>;
  readonly comparison: AccuracyReport | undefined;
}

export async function measureAsked(wish: AskedMeasuring): Promise<AskedFound> {
  const { evaluate, asked, text, isRows, onProgress } = wish;
  const atEndpoint = (version: string): AskedModel => {
    const { GANTRY_GATEWAY_SOCKET: socketPath, GANTRY_GATEWAY_KEY: key } = wish.env;
    const place = asked[version];
    if (socketPath === undefined || key === undefined || place === undefined)
      throw new WorkError('not_possible', 'this job was given no way to ask endpoints');
    const headers = { authorization: `Bearer ${key}`, 'x-gantry-revision': place.pin };
    return askedAt({ socketPath, headers, name: version, model: place.endpoint });
  };
  const candidate = atEndpoint(evaluate.model);
  if (isRows && areTasks(text)) {
    const { accuracy } = await evaluateAskedAnswers({ candidate, text, onProgress });
    return { perplexity: undefined, metrics: { accuracy }, comparison: undefined };
  }
  await using stack = new AsyncDisposableStack();
  const openSource = async (against: string): Promise<AskedModel> => {
    if (asked[against] !== undefined) return atEndpoint(against);
    const model = await wish.openSource();
    const { socketPath, modelName } = stack.use(
      await serveHere({ model, threads: wish.threads, window: evaluate.window }),
    );
    return askedAt({ socketPath, name: against, model: modelName });
  };
  const source = evaluate.against === undefined ? undefined : await openSource(evaluate.against);
  if (isRows) return await evaluateAskedRows({ candidate, source, text, onProgress });
  const { window, places } = evaluate;
  return {
    ...(await evaluateAskedText({ candidate, source, text, window, places, onProgress })),
    metrics: {},
  };
}
