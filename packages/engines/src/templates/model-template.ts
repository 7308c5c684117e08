/** How a model writes a conversation as a prompt: the template in Jinja that came with it. */
import type { ChatMessage } from '../llm-engine.ts';
import { TemplateRenderer } from './template-renderer.ts';

export interface TemplateText {
  readonly text: string;
  /** The model's special texts, as a template names them. */
  readonly bos: string;
  readonly eos: string;
}

export class ModelTemplate implements AsyncDisposable {
  readonly #template: TemplateText;
  readonly #renderer = new TemplateRenderer();

  constructor(template: TemplateText) {
    this.#template = template;
    this.#renderer.start();
  }

  get text(): string {
    return this.#template.text;
  }

  /** `tools`: as they came. Rejects as the renderer does. */
  render(messages: readonly ChatMessage[], tools?: readonly unknown[]): Promise<string> {
    const { text, bos, eos } = this.#template;
    return this.#renderer.render({
      template: text,
      values: {
        messages,
        ...(tools === undefined ? {} : { tools }),
        add_generation_prompt: true,
        bos_token: bos,
        eos_token: eos,
      },
    });
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#renderer[Symbol.asyncDispose]();
  }
}
