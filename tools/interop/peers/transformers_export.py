"""transformers opens our export: same token ids, same logits as our own forward, same greedy tokens as llama.cpp."""
import json
import os

import safetensors
import safetensors.torch
import torch
import transformers

folder = os.environ["MODEL"]
ours = json.load(open(os.environ["OURS"]))
tensors = safetensors.torch.load_file(os.path.join(folder, "model.safetensors"))
assert tensors and all(torch.isfinite(t).all() for t in tensors.values())
tokenizer = transformers.AutoTokenizer.from_pretrained(folder)
model = transformers.AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32, attn_implementation="eager").eval()
worst = 0.0
for case in ours:
    ids = tokenizer(case["prompt"], add_special_tokens=False)["input_ids"]
    assert ids == case["tokens"], (case["prompt"], ids, case["tokens"])
    assert tokenizer.decode(ids) == case["prompt"]
    with torch.no_grad():
        logits = model(torch.tensor([ids])).logits[0]
        worst = max(worst, (logits - torch.tensor(case["logits"])).abs().max().item())
        greedy = list(ids)
        while len(greedy) < len(ids) + len(case["greedy"]):
            greedy.append(int(model(torch.tensor([greedy])).logits[0, -1].argmax()))
    assert greedy[len(ids):] == case["greedy"], (case["prompt"], greedy[len(ids):], case["greedy"])
assert worst <= 1e-4, f"logits differ by {worst}"
tokens = sum(len(case["greedy"]) for case in ours)
print(f"transformers {transformers.__version__}, safetensors {safetensors.__version__}: {len(tensors)} tensors; "
      f"logits within {worst:.1e} of ours; {tokens} greedy tokens as llama.cpp over our GGUF")
