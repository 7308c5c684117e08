"""Whether llama.cpp answers with our GGUF as transformers does, and whether what came back from it is the same model."""
import json
import os
import runpy
import sys
import types

import torch
import transformers

folder = os.environ["DIR"]
checkout = os.environ.get("GANTRY_LLAMA_CPP")


def their_tensors(name):
    """Of the GGUF that llama.cpp's converter writes."""
    # Asked for a tokenizer.model, which these have not; the rest of it is not needed.
    sys.modules.setdefault("sentencepiece", types.SimpleNamespace(SentencePieceProcessor=None))
    import gguf
    from conversion.base import TextModel

    # It knows tokenizers by a digest of what they do, and ours is none of those.
    TextModel.get_vocab_base_pre = lambda self, tokenizer: "gpt-2"
    with open(f"{folder}/{name}/config.json") as file:
        config = json.load(file)
    if "n_positions" in config:
        # transformers no longer writes it; their converter wants it.
        with open(f"{folder}/{name}/config.json", "w") as file:
            json.dump({**config, "n_ctx": config["n_positions"]}, file)
    made = f"{folder}/{name}-theirs.gguf"
    sys.argv = ["convert_hf_to_gguf.py", f"{folder}/{name}", "--outfile", made, "--outtype", "f32"]
    runpy.run_path(f"{checkout}/convert_hf_to_gguf.py", run_name="__main__")
    read = lambda path: {each.name: each for each in gguf.GGUFReader(path).tensors}
    return read(made), read(f"{folder}/{name}.gguf")


said = []
for name in os.environ["FAMILIES"].split():
    load = lambda path: transformers.AutoModelForCausalLM.from_pretrained(
        path, dtype=torch.float32, attn_implementation="eager").eval()
    model, back = load(f"{folder}/{name}"), load(f"{folder}/{name}-back")
    with open(f"{folder}/{name}.answers") as file:
        found = json.load(file)
    tokens, worst = list(found["prompt"]), 0.0
    for step in found["steps"]:
        with torch.no_grad():
            logits = model(torch.tensor([tokens])).logits[0, -1]
            again = back(torch.tensor([tokens])).logits[0, -1]
        assert torch.equal(logits, again), f"{name}: what came back answers otherwise"
        wanted = torch.log_softmax(logits, -1)
        assert int(wanted.argmax()) == step["token"], f"{name}: another token"
        for each in step["top"]:
            worst = max(worst, abs(float(wanted[each["token"]]) - each["logprob"]))
        tokens.append(step["token"])
    # llama.cpp keeps keys and values in halves.
    assert worst <= 0.02, f"{name}: log probabilities differ by {worst}"
    line = f"{name} {worst:.1e}"
    if checkout is not None:
        sys.path[:0] = [checkout, f"{checkout}/gguf-py"]
        theirs, ours = their_tensors(name)
        assert set(theirs) == set(ours), f"{name}: {set(theirs) ^ set(ours)}"
        for key, tensor in theirs.items():
            mine = ours[key]
            assert list(mine.shape) == list(tensor.shape) and mine.tensor_type == tensor.tensor_type, f"{name}: {key}"
            assert (mine.data == tensor.data).all(), f"{name}: {key} differs"
        line += f" ({len(ours)} tensors as llama.cpp's converter)"
    said.append(line)
print(f"llama.cpp answers with our GGUF of transformers {transformers.__version__}'s models as they do, "
      f"log probabilities within {', '.join(said)}; safetensors come back the same")
