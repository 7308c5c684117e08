"""The peer of step.ts: the same decoder in torch, eager with SDPA. Prints one JSON line of ms a step on each line read."""
import json
import sys
import time

import torch
import torch.nn.functional as F

depth, batch, length, vocabulary, width, heads, hidden = map(int, sys.argv[1:8])
torch.set_num_threads(1)
torch.manual_seed(1)
head_width = width // heads


def weight(*shape):
    return torch.nn.Parameter(torch.randn(*shape) * 0.02)


embedding = weight(vocabulary, width)
layers = [
    {
        "n1": torch.nn.Parameter(torch.ones(width)), "q": weight(width, width), "k": weight(width, width),
        "v": weight(width, width), "o": weight(width, width), "n2": torch.nn.Parameter(torch.ones(width)),
        "gate": weight(hidden, width), "up": weight(hidden, width), "down": weight(width, hidden),
    }
    for _ in range(depth)
]
final = torch.nn.Parameter(torch.ones(width))
parameters = [embedding, final] + [p for layer in layers for p in layer.values()]
optimiser = torch.optim.AdamW(parameters, lr=1e-4, betas=(0.9, 0.95), weight_decay=0.1)
angles = torch.arange(length)[:, None] / 10000 ** (torch.arange(0, head_width, 2) / head_width)[None, :]
cosines, sines = torch.cos(angles).repeat(1, 2), torch.sin(angles).repeat(1, 2)


def rotate(x):
    half = head_width // 2
    return x * cosines + torch.cat((-x[..., half:], x[..., :half]), -1) * sines


def split(x):
    return x.view(batch, length, heads, head_width).transpose(1, 2)


tokens = torch.arange(batch * length).view(batch, length) * 7 % vocabulary
targets = torch.arange(batch * length) * 5 % vocabulary


def step():
    optimiser.zero_grad()
    x = embedding[tokens]
    for layer in layers:
        h = F.rms_norm(x, (width,), layer["n1"], 1e-5)
        q, k, v = (split(F.linear(h, layer[name])) for name in "qkv")
        mixed = F.scaled_dot_product_attention(rotate(q), rotate(k), v, is_causal=True)
        x = x + F.linear(mixed.transpose(1, 2).reshape(batch, length, width), layer["o"])
        h = F.rms_norm(x, (width,), layer["n2"], 1e-5)
        x = x + F.linear(F.silu(F.linear(h, layer["gate"])) * F.linear(h, layer["up"]), layer["down"])
    logits = F.linear(F.rms_norm(x, (width,), final, 1e-5), embedding)
    loss = F.cross_entropy(logits.view(-1, vocabulary), targets)
    loss.backward()
    optimiser.step()
    return loss.item()


step()
print(json.dumps({"torch": torch.__version__}), flush=True)
for _ in sys.stdin:
    started = time.perf_counter()
    loss = step()
    print(json.dumps({"ms": (time.perf_counter() - started) * 1000, "loss": loss}), flush=True)
