/** Whose model it is, by the words it is made of. */
import type { ExportForm, FormRequest } from './export-form.ts';
import { gpt2Form } from './gpt2-form.ts';
import { llamaForm } from './llama-form.ts';
import { mixtralForm } from './mixtral-form.ts';
import { ownForm } from './own-form.ts';

export function chooseForm(request: FormRequest): ExportForm {
  const { norm, positions, activation, hasBiases, isCausal, heads, kvHeads, experts } = request.config;
  const words = [norm, positions, activation, hasBiases ? 'biases' : 'plain', isCausal ? 'causal' : 'both'];
  if (words.join(' ') === 'rms rotary swiglu plain causal')
    return experts === undefined ? llamaForm(request) : mixtralForm(request, experts);
  if (experts !== undefined) return ownForm(request);
  if (words.join(' ') === 'layer learned gelu biases causal' && heads === kvHeads) return gpt2Form(request);
  return ownForm(request);
}
