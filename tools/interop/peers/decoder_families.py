"""Small random models of transformers' decoder families; then whether our ONNX of each decodes as the model does."""
import os
import sys

import numpy
import onnxruntime
import torch
import transformers

folder, step = os.environ["DIR"], os.environ["STEP"]
common = dict(vocab_size=96, hidden_size=64, intermediate_size=96, num_hidden_layers=2, num_attention_heads=4,
              num_key_value_heads=2, max_position_embeddings=128)
families = {
    "llama": transformers.LlamaConfig(**common, attention_bias=True),
    "mistral": transformers.MistralConfig(**common, sliding_window=None, head_dim=16),
    "qwen2": transformers.Qwen2Config(**common),
    "mixtral": transformers.MixtralConfig(**common, num_local_experts=4, num_experts_per_tok=2, sliding_window=None),
    "gpt2": transformers.GPT2Config(vocab_size=96, n_embd=64, n_layer=2, n_head=4, n_positions=128),
}
if step == "make":
    for name, config in families.items():
        torch.manual_seed(3)
        model = transformers.AutoModelForCausalLM.from_config(config, attn_implementation="eager")
        with torch.no_grad():
            for parameter in model.parameters():
                parameter.add_(torch.randn_like(parameter) * 0.1)
        model.save_pretrained(f"{folder}/{name}")
    sys.exit()
said = []
for name in families:
    model = transformers.AutoModelForCausalLM.from_pretrained(
        f"{folder}/{name}", dtype=torch.float32, attn_implementation="eager"
    ).eval()
    session = onnxruntime.InferenceSession(f"{folder}/{name}.onnx", providers=["CPUExecutionProvider"])
    names = [each.name for each in session.get_outputs()]
    past = {
        each.name: numpy.zeros([1, each.shape[1], 0, each.shape[3]], numpy.float32)
        for each in session.get_inputs()
        if each.name.startswith("past_key_values")
    }
    tokens = [5, 17, 80, 3, 3, 41]
    new, worst = list(tokens), 0.0
    for _ in range(12):
        feed = {"input_ids": numpy.array([new], numpy.int64), "attention_mask": numpy.ones([1, len(tokens)], numpy.int64)}
        given = session.run(None, {**feed, **past})
        past = {key.replace("present", "past_key_values"): value for key, value in zip(names[1:], given[1:])}
        with torch.no_grad():
            wanted = model(torch.tensor([tokens])).logits[0, -len(new):].numpy()
        worst = max(worst, float(numpy.abs(wanted - given[0][0]).max()))
        new = [int(given[0][0, -1].argmax())]
        tokens += new
    assert worst <= 1e-3 * max(1.0, float(numpy.abs(wanted).max())), f"{name}: logits differ by {worst}"
    said.append(f"{name} {worst:.1e}")
print(f"ONNX of transformers {transformers.__version__}'s models decodes as they do, logits within {', '.join(said)}")
