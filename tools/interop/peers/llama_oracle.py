"""
The decoder as transformers and torch compute it: a random model in Hugging Face's form, its logits and gradients in
float64, and fifty AdamW steps on one batch. Writes model/, oracle.safetensors and oracle.json into $OUT.
"""
import json
import os

import safetensors.torch
import torch
import transformers

out = os.environ["OUT"]
sequences, length, steps = 2, 32, 50
torch.manual_seed(1)
config = transformers.LlamaConfig(
    vocab_size=96, hidden_size=64, intermediate_size=176, num_hidden_layers=3, num_attention_heads=4,
    num_key_value_heads=2, max_position_embeddings=length, rms_norm_eps=1e-5, tie_word_embeddings=True,
    initializer_range=0.08, bos_token_id=0, eos_token_id=0, rope_theta=10000.0, attn_implementation="eager",
)
model = transformers.LlamaForCausalLM(config).float()
model.save_pretrained(os.path.join(out, "model"))
tokens = torch.randint(0, 96, (sequences, length))
targets = torch.randint(0, 96, (sequences, length))


def loss_of(model):
    logits = model(tokens).logits
    return logits, torch.nn.functional.cross_entropy(logits.view(-1, 96), targets.view(-1))


def train(model):
    decays = [p for p in model.parameters() if p.dim() > 1]
    keeps = [p for p in model.parameters() if p.dim() == 1]
    optimiser = torch.optim.AdamW([{"params": decays}, {"params": keeps, "weight_decay": 0.0}],
                                  lr=1e-3, betas=(0.9, 0.95), eps=1e-8, weight_decay=0.1)
    losses = []
    for _ in range(steps):
        optimiser.zero_grad()
        _, loss = loss_of(model)
        loss.backward()
        optimiser.step()
        losses.append(loss.item())
    return losses, optimiser


saved = {}
double = transformers.LlamaForCausalLM.from_pretrained(os.path.join(out, "model"), dtype=torch.float64,
                                                       attn_implementation="eager")
logits, loss = loss_of(double)
loss.backward()
for name, parameter in double.named_parameters():
    saved[f"gradient.{name}"] = parameter.grad.float().contiguous()
losses64, optimiser = train(double)
for name, parameter in double.named_parameters():
    state = optimiser.state[parameter]
    saved[f"parameter.{name}"] = parameter.detach().float().contiguous()
    saved[f"first.{name}"] = state["exp_avg"].float().contiguous()
    saved[f"second.{name}"] = state["exp_avg_sq"].float().contiguous()
safetensors.torch.save_file(saved, os.path.join(out, "oracle.safetensors"))
losses32, _ = train(model)
json.dump({
    "sequences": sequences, "length": length, "tokens": tokens.flatten().tolist(), "targets": targets.flatten().tolist(),
    "logits": logits[0].float().tolist(), "losses": losses64, "losses32": losses32,
    "peer": f"torch {torch.__version__}, transformers {transformers.__version__}",
}, open(os.path.join(out, "oracle.json"), "w"))
