/** A model that is judged by asking whoever serves it, in the dialects that such servers speak. */
export interface AskedModel {
  /** As people know it. */
  readonly name: string;
  /** Posts JSON; answers the JSON that came back, whatever its status. */
  ask(path: string, body: object): Promise<{ readonly status: number; readonly body: unknown }>;
  /** As its server knows it. */
  readonly model: string;
}

/** What the one who evaluates can put right. */
export class EvaluationError extends Error {
  /** `data_invalid`: the held-out data; `endpoint_failed`: no answer; `not_possible`: these two cannot be compared. */
  readonly code: 'data_invalid' | 'endpoint_failed' | 'not_possible';
  readonly hint: string | undefined;

  constructor(code: EvaluationError['code'], message: string, hint?: string) {
    super(message);
    this.name = 'EvaluationError';
    this.code = code;
    this.hint = hint;
  }
}

/** The server's own word for a refusal: OpenAI's `error.message`, or the Open Inference Protocol's `error`. */
export function refusalOf({ status, body }: { readonly status: number; readonly body: unknown }): string {
  const { error } = (body ?? {}) as { readonly error?: string | { readonly message?: unknown } };
  const said = typeof error === 'object' ? error.message : error;
  return typeof said === 'string' ? said : `HTTP ${status}`;
}

/** Questions under way at one time: enough to fill a server's batch, few enough not to crowd its users out. */
const atOnce = 8;

/** The answers in the order of the questions. */
export async function* answersInOrder<Question, Answer>(
  questions: readonly Question[],
  answer: (question: Question, index: number) => Promise<Answer>,
): AsyncGenerator<readonly [Question, Answer]> {
  for (let from = 0; from < questions.length; from += atOnce) {
    const few = questions.slice(from, from + atOnce);
    const answers = await Promise.all(few.map((question, at) => answer(question, from + at)));
    for (const [at, one] of answers.entries()) yield [few[at] as Question, one];
  }
}
