/** A Llama: Hugging Face's names, and a GGUF whose rotary rows lie as llama.cpp turns them. */
import { llamaGgufMetadata, llamaTensors, toConfigJson, toInterleavedRotary } from '@gantry/formats';
import { weightOf, type ExportForm, type FormRequest, type FormTensor } from './export-form.ts';

export function llamaForm(request: FormRequest): ExportForm {
  const { config, tokenizer, name } = request;
  const { safetensors, gguf } = llamaPlaces(request, () => true);
  const metadata = llamaGgufMetadata(config, tokenizer.vocabulary, { name });
  return { safetensors, configJson: toConfigJson(config), gguf: { metadata, tensors: gguf } };
}

/** Those of a Llama's tensors whose names are wanted, as both have them. */
export function llamaPlaces(
  { weights, config }: FormRequest,
  isWanted: (name: string) => boolean,
): { safetensors: FormTensor[]; gguf: FormTensor[] } {
  const tensors = llamaTensors(config)
    .filter(({ huggingFaceName }) => isWanted(huggingFaceName))
    .map((tensor) => ({ ...tensor, data: weightOf(weights, tensor.huggingFaceName, tensor.shape).data }));
  return {
    safetensors: tensors.map(({ huggingFaceName, shape, data }) => ({
      name: huggingFaceName,
      shape,
      data: () => data,
    })),
    gguf: tensors.map(({ ggufName, shape, rotaryHeads, data }) => ({
      name: ggufName,
      shape,
      data: () => (rotaryHeads === undefined ? data : toInterleavedRotary(data, rotaryHeads, shape[0] ?? 0)),
    })),
  };
}
