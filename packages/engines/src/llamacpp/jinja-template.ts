/** A chat template in Jinja, rendered by llama.cpp's own interpreter, without a model. */
import { EngineError } from '../engine-error.ts';
import type { ChatMessage } from '../llm-engine.ts';
import type { ChatRenderer } from './native.ts';
import { openAddon, prebuiltFolder } from './prebuilt-binary.ts';

export interface SpecialTexts {
  readonly bos: string;
  readonly eos: string;
}

type MakeRenderer = (template: string) => ChatRenderer;

/** The prompt of these messages; a template that refuses them is the request's fault. */
export function renderTemplate(
  make: MakeRenderer,
  template: string,
  special: SpecialTexts,
  messages: readonly ChatMessage[],
  tools: readonly unknown[] | undefined,
): string {
  try {
    return make(template).render({
      messages,
      ...(tools === undefined ? {} : { tools }),
      add_generation_prompt: true,
      bos_token: special.bos,
      eos_token: special.eos,
    });
  } catch (cause) {
    throw new EngineError('invalid_value', "The model's chat template refuses these messages.", {
      param: 'messages',
      cause,
    });
  }
}

/** Without a model; undefined where the addon cannot be opened by itself. */
export function standaloneRenderer(): MakeRenderer | undefined {
  const folder = prebuiltFolder();
  if (folder === undefined) return undefined;
  const { AddonJinjaRenderer: Renderer } = openAddon(folder) as {
    readonly AddonJinjaRenderer: new (template: string) => ChatRenderer;
  };
  return (template) => new Renderer(template);
}
