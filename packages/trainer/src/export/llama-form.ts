/** A Llama: Hugging Face's names, and a GGUF whose rotary rows lie as llama.cpp turns them. */
import { llamaGgufMetadata, llamaTensors, toConfigJson, toInterleavedRotary } from '@gantry/formats';
import { weightOf, type ExportForm, type FormRequest } from './export-form.ts';

export function llamaForm({ weights, config, tokenizer, name }: FormRequest): ExportForm {
  const tensors = llamaTensors(config).map((tensor) => ({
    ...tensor,
    data: weightOf(weights, tensor.huggingFaceName, tensor.shape).data,
  }));
  return {
    safetensors: tensors.map(({ huggingFaceName, shape, data }) => ({
      name: huggingFaceName,
      shape,
      data: () => data,
    })),
    configJson: toConfigJson(config),
    gguf: {
      metadata: llamaGgufMetadata(config, tokenizer.vocabulary, { name }),
      tensors: tensors.map(({ ggufName, shape, rotaryHeads, data }) => ({
        name: ggufName,
        shape,
        data: () =>
          rotaryHeads === undefined ? data : toInterleavedRotary(data, rotaryHeads, shape[0] ?? 0),
      })),
    },
  };
}
