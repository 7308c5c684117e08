"""Whether ONNX Runtime loads a large model with its weights beside it, and answers as llama.cpp does."""
import json
import os

import numpy
import onnxruntime

folder = os.environ["DIR"]
with open(f"{folder}/top.json") as file:
    found = json.load(file)
options = onnxruntime.SessionOptions()
# Weights that are packed anew are held twice; as they are they stay mapped.
options.add_session_config_entry("session.disable_prepacking", "1")
options.intra_op_num_threads = 1
session = onnxruntime.InferenceSession(f"{folder}/model.onnx", options, providers=["CPUExecutionProvider"])
past = {
    each.name: numpy.zeros([1, each.shape[1], 0, each.shape[3]], numpy.float32)
    for each in session.get_inputs()
    if each.name.startswith("past_key_values")
}
tokens = numpy.array([found["prompt"]], numpy.int64)
logits = session.run(["logits"], {"input_ids": tokens, "attention_mask": numpy.ones_like(tokens), **past})[0][0, -1]
logits = logits.astype(numpy.float64)
wanted = logits - logits.max() - numpy.log(numpy.exp(logits - logits.max()).sum())
worst = max(abs(wanted[each["token"]] - each["logprob"]) for each in found["top"])
assert int(wanted.argmax()) == found["top"][0]["token"], "another token"
assert worst <= 0.05, f"log probabilities differ by {worst}"
print(f"ONNX Runtime {onnxruntime.__version__} answers as llama.cpp does, log probabilities within {worst:.1e}")
