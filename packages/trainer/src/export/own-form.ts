/** A model that no other program has a name for: our own names, and a config that says every word of it. */
import type { ExportForm, FormRequest } from './export-form.ts';

export function ownForm({ weights, config }: FormRequest): ExportForm {
  return {
    safetensors: [...weights].map(([name, { shape, data }]) => ({ name, shape, data: () => data })),
    configJson: { model_type: 'gantry-transformer', ...config },
  };
}
