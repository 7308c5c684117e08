"""ONNX Runtime decodes our ONNX with its keys and values; transformers over the safetensors says what is right."""
import os

import numpy
import onnx
import onnxruntime
import torch
import transformers

folder, path = os.environ["MODEL"], os.environ["ONNX"]
onnx.checker.check_model(path, full_check=True)
session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
model = transformers.AutoModelForCausalLM.from_pretrained(
    folder, dtype=torch.float32, attn_implementation="eager"
).eval()
tokenizer = transformers.AutoTokenizer.from_pretrained(folder)
empty = {
    each.name: numpy.zeros([2, each.shape[1], 0, each.shape[3]], numpy.float32)
    for each in session.get_inputs()
    if each.name.startswith("past_key_values")
}
names = [each.name for each in session.get_outputs()]


def step(ids, mask, past):
    given = session.run(None, {"input_ids": ids, "attention_mask": mask, **past})
    present = {name.replace("present", "past_key_values"): value for name, value in zip(names[1:], given[1:])}
    return given[0], present


# Two prompts of different lengths together, the shorter padded on the left.
prompts = [tokenizer(text, add_special_tokens=False)["input_ids"] for text in ("The scheduler places", "gang whole")]
longest = max(map(len, prompts))
ids = numpy.array([[0] * (longest - len(each)) + each for each in prompts], numpy.int64)
mask = numpy.array([[0] * (longest - len(each)) + [1] * len(each) for each in prompts], numpy.int64)
logits, past = step(ids, mask, empty)
worst, count = 0.0, 0
for _ in range(24):
    chosen = logits[:, -1].argmax(-1)
    for row, prompt in enumerate(prompts):
        with torch.no_grad():
            wanted = model(torch.tensor([prompt])).logits[0, -1].numpy()
        worst = max(worst, float(numpy.abs(wanted - logits[row, -1]).max()))
        assert int(wanted.argmax()) == int(chosen[row]), (row, prompt)
        prompt.append(int(chosen[row]))
        count += 1
    mask = numpy.concatenate([mask, numpy.ones([2, 1], numpy.int64)], axis=1)
    logits, past = step(chosen[:, None].astype(numpy.int64), mask, past)
assert worst <= 1e-4, f"logits differ by {worst}"
print(
    f"onnx {onnx.__version__} finds it whole; onnxruntime {onnxruntime.__version__} decodes {count} tokens with its "
    f"keys and values as transformers {transformers.__version__} does, logits within {worst:.1e}"
)
