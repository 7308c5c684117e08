/**
 * The process in which chat templates are rendered, by llama.cpp's own interpreter. A template comes with a model, from
 * anywhere, and the interpreter knows no limits: it may loop for ever, fill the memory or overflow the stack. Here that
 * costs nothing but this process.
 */
import { writeFileSync } from 'node:fs';
import { openAddon, prebuiltFolder } from '../llamacpp/prebuilt-binary.ts';

type MakeRenderer = (template: string) => {
  render(values: Readonly<Record<string, unknown>>): string;
};

export interface RenderOrder {
  readonly template: string;
  /** What the template may name. */
  readonly values: Readonly<Record<string, unknown>>;
}

export type RenderAnswer =
  | { readonly kind: 'ready' }
  | { readonly kind: 'text'; readonly text: string }
  /** The template says no, or is none. */
  | { readonly kind: 'refused'; readonly message: string }
  | { readonly kind: 'too-long' }
  | { readonly kind: 'no-memory' };

/** Longer than any prompt: reading one of these as tokens takes an engine about a second. */
const mostCharacters = 16 * 2 ** 20;

function answer(make: MakeRenderer): (order: RenderOrder) => RenderAnswer {
  let last: { readonly template: string; readonly renderer: ReturnType<MakeRenderer> } | undefined;
  return ({ template, values }) => {
    try {
      if (last?.template !== template) last = { template, renderer: make(template) };
      const text = last.renderer.render(values);
      return text.length > mostCharacters ? { kind: 'too-long' } : { kind: 'text', text };
    } catch (error) {
      const message = error instanceof Error ? error.message : String(error);
      return /bad_alloc|length_error/.test(message) ? { kind: 'no-memory' } : { kind: 'refused', message };
    }
  };
}

/** Where only the package knows which build is right, it is asked; that takes it 300 ms. */
async function openInterpreter(): Promise<MakeRenderer> {
  const folder = prebuiltFolder();
  const bindings =
    folder === undefined ? (await import('../llamacpp/start-llama.ts')).startLlama({}) : openAddon(folder);
  const { AddonJinjaRenderer } = bindingsOf(await bindings);
  return (template) => new AddonJinjaRenderer(template);
}

interface Bindings {
  readonly AddonJinjaRenderer: new (template: string) => ReturnType<MakeRenderer>;
}

/** The addon's own, or those of the package's object, where they are not public. */
const bindingsOf = (opened: unknown): Bindings =>
  (opened as { readonly _bindings?: Bindings })._bindings ?? (opened as Bindings);

async function main(): Promise<void> {
  try {
    // Where memory runs out all the same, the kernel is to end this process and not the engine.
    writeFileSync('/proc/self/oom_score_adj', '1000');
  } catch {}
  const render = answer(await openInterpreter());
  const send = (message: RenderAnswer): void => void process.send?.(message);
  process.on('message', (order: RenderOrder) => send(render(order)));
  send({ kind: 'ready' });
}

await main();
