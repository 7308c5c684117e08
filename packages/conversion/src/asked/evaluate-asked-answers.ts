/**
 * How often a served language model gives the answer that a task wants: for servers that report no log probabilities,
 * and for what matters in the end. Each line is `{"prompt": …, "answer": …}` or, for a chat, `{"messages": […],
 * "answer": …}`; right is an answer that begins with the wanted one and does not go on with the same word.
 */
import { type AskedModel, answersInOrder, EvaluationError, refusalOf } from './asked-model.ts';
import { type DataLine, readLines } from './read-lines.ts';

export interface AskedAnswers {
  readonly candidate: AskedModel;
  readonly text: string;
  readonly onProgress?: ((done: number, all: number) => void) | undefined;
}

export interface AnswersMeasured {
  readonly rows: number;
  /** Share of right answers. */
  readonly accuracy: number;
}

interface Task {
  readonly line: number;
  readonly question: { readonly prompt: unknown } | { readonly messages: unknown };
  readonly answer: string;
}

/** Whether lines are tasks; else they are tensors. */
export function areTasks(text: string): boolean {
  const [first] = readLines(text.slice(0, Math.max(0, text.indexOf('\n')) || text.length));
  return first !== undefined && ('prompt' in first.value || 'messages' in first.value);
}

export async function evaluateAskedAnswers({
  candidate,
  text,
  onProgress,
}: AskedAnswers): Promise<AnswersMeasured> {
  const tasks = readLines(text).map(readTask);
  let [rows, right] = [0, 0];
  for await (const [{ answer }, said] of answersInOrder(tasks, (task) => answerOf(candidate, task))) {
    rows += 1;
    if (isRight(said, answer)) right += 1;
    onProgress?.(rows, tasks.length);
  }
  return { rows, accuracy: right / rows };
}

function readTask({ line, value }: DataLine): Task {
  const { prompt, messages, answer } = value;
  if (typeof answer === 'string' && answer.trim() !== '') {
    if (typeof prompt === 'string') return { line, question: { prompt }, answer };
    if (Array.isArray(messages)) return { line, question: { messages }, answer };
  }
  throw new EvaluationError(
    'data_invalid',
    `line ${line} is no task`,
    'a line is {"prompt": "2 + 2 =", "answer": "4"}, or {"messages": […], "answer": …} for a chat',
  );
}

async function answerOf(asked: AskedModel, { line, question, answer }: Task): Promise<string> {
  const isChat = 'messages' in question;
  const said = await asked.ask(isChat ? '/v1/chat/completions' : '/v1/completions', {
    model: asked.model,
    ...question,
    // No tokenizer gives more tokens than bytes; a blank and a word's end stand beside it.
    max_tokens: 4 * answer.length + 8,
    temperature: 0,
  });
  const { choices } = (said.body ?? {}) as {
    readonly choices?: readonly {
      readonly text?: string;
      readonly message?: { readonly content?: string };
    }[];
  };
  const [choice] = choices ?? [];
  const text = isChat ? choice?.message?.content : choice?.text;
  if (choice === undefined || (text !== undefined && typeof text !== 'string'))
    throw new EvaluationError(
      'endpoint_failed',
      `${asked.name} gave no answer to line ${line}: ${refusalOf(said)}`,
    );
  return text ?? '';
}

function isRight(said: string, wanted: string): boolean {
  const [text, answer] = [said.trim(), wanted.trim()];
  const after = text.slice(answer.length, answer.length + 1);
  return text.startsWith(answer) && (!/[\p{L}\p{N}]/u.test(after) || !/[\p{L}\p{N}]$/u.test(answer));
}
