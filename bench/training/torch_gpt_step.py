"""The peer of gpt-step in step.ts: the same GPT in torch, eager with SDPA. Prints one JSON line of ms a step on each line read."""
import json
import sys
import time

import torch
import torch.nn.functional as F
from torch import nn

# As the last argument: the model goes through torch.compile.
is_compiled = sys.argv[-1] == "compile"
if is_compiled:
    sys.argv.pop()
depth, batch, length, vocabulary, width, heads, hidden = map(int, sys.argv[1:8])
torch.set_num_threads(1)
torch.manual_seed(1)


class Layer(nn.Module):
    def __init__(self):
        super().__init__()
        self.n1, self.n2 = nn.LayerNorm(width), nn.LayerNorm(width)
        self.qkv, self.out = nn.Linear(width, 3 * width), nn.Linear(width, width)
        self.up, self.down = nn.Linear(width, hidden), nn.Linear(hidden, width)

    def forward(self, x):
        q, k, v = (
            part.view(batch, length, heads, width // heads).transpose(1, 2)
            for part in self.qkv(self.n1(x)).split(width, -1)
        )
        mixed = F.scaled_dot_product_attention(q, k, v, is_causal=True)
        x = x + self.out(mixed.transpose(1, 2).reshape(batch, length, width))
        return x + self.down(F.gelu(self.up(self.n2(x)), approximate="tanh"))


class Gpt(nn.Module):
    def __init__(self):
        super().__init__()
        self.tokens, self.places = nn.Embedding(vocabulary, width), nn.Embedding(length, width)
        self.layers = nn.ModuleList(Layer() for _ in range(depth))
        self.final = nn.LayerNorm(width)

    def forward(self, tokens, targets):
        x = self.tokens(tokens) + self.places.weight
        for layer in self.layers:
            x = layer(x)
        logits = F.linear(self.final(x), self.tokens.weight)
        return F.cross_entropy(logits.view(-1, vocabulary), targets)


model = Gpt()
run = torch.compile(model) if is_compiled else model
optimiser = torch.optim.AdamW(model.parameters(), lr=1e-4, betas=(0.9, 0.95), weight_decay=0.1)
tokens = torch.arange(batch * length).view(batch, length) * 7 % vocabulary
targets = torch.arange(batch * length) * 5 % vocabulary


def step():
    optimiser.zero_grad()
    loss = run(tokens, targets)
    loss.backward()
    optimiser.step()
    return loss.item()


step()
print(json.dumps({"torch": torch.__version__}), flush=True)
for _ in sys.stdin:
    started = time.perf_counter()
    loss = step()
    print(json.dumps({"ms": (time.perf_counter() - started) * 1000, "loss": loss}), flush=True)
