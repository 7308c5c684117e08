"""
The peer of step.ts and data-parallel.ts: the same decoder in torch, eager with SDPA. Prints one JSON line of ms a step
on each line read. Sizes, then threads; with rank, ranks and port it is one process of DistributedDataParallel on gloo.
"""
import json
import os
import resource
import sys
import time

import torch
import torch.distributed as dist
import torch.nn.functional as F

# As the last argument: the model goes through torch.compile, or its products are in bf16 by autocast.
mode = sys.argv.pop() if sys.argv[-1] in ("compile", "bf16") else "eager"
depth, batch, length, vocabulary, width, heads, hidden = map(int, sys.argv[1:8])
threads, rank, ranks, port = (list(map(int, sys.argv[8:12])) + [1, 0, 1, 0][len(sys.argv) - 8:])[:4]
torch.set_num_threads(threads)
torch.manual_seed(1)
head_width = width // heads


def weight(*shape):
    return torch.nn.Parameter(torch.randn(*shape) * 0.02)


angles = torch.arange(length)[:, None] / 10000 ** (torch.arange(0, head_width, 2) / head_width)[None, :]
cosines, sines = torch.cos(angles).repeat(1, 2), torch.sin(angles).repeat(1, 2)


def rotate(x):
    half = head_width // 2
    return x * cosines + torch.cat((-x[..., half:], x[..., :half]), -1) * sines


def split(x):
    return x.view(batch, length, heads, head_width).transpose(1, 2)


class Decoder(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.embedding = weight(vocabulary, width)
        self.layers = torch.nn.ModuleList(
            torch.nn.ParameterDict({
                "n1": torch.nn.Parameter(torch.ones(width)), "q": weight(width, width), "k": weight(width, width),
                "v": weight(width, width), "o": weight(width, width), "n2": torch.nn.Parameter(torch.ones(width)),
                "gate": weight(hidden, width), "up": weight(hidden, width), "down": weight(width, hidden),
            })
            for _ in range(depth)
        )
        self.final = torch.nn.Parameter(torch.ones(width))

    def forward(self, tokens, targets):
        x = self.embedding[tokens]
        for layer in self.layers:
            h = F.rms_norm(x, (width,), layer["n1"], 1e-5)
            q, k, v = (split(F.linear(h, layer[name])) for name in "qkv")
            mixed = F.scaled_dot_product_attention(rotate(q), rotate(k), v, is_causal=True)
            x = x + F.linear(mixed.transpose(1, 2).reshape(batch, length, width), layer["o"])
            h = F.rms_norm(x, (width,), layer["n2"], 1e-5)
            x = x + F.linear(F.silu(F.linear(h, layer["gate"])) * F.linear(h, layer["up"]), layer["down"])
        logits = F.linear(F.rms_norm(x, (width,), self.final, 1e-5), self.embedding)
        return F.cross_entropy(logits.view(-1, vocabulary), targets)


model = Decoder()
optimiser = torch.optim.AdamW(model.parameters(), lr=1e-4, betas=(0.9, 0.95), weight_decay=0.1)
if ranks > 1:
    os.environ.update(MASTER_ADDR="127.0.0.1", MASTER_PORT=str(port), GLOO_SOCKET_IFNAME="lo")
    dist.init_process_group("gloo", rank=rank, world_size=ranks)
    model = torch.nn.parallel.DistributedDataParallel(model, gradient_as_bucket_view=True)
run = torch.compile(model) if mode == "compile" else model
tokens = torch.arange(batch * length).view(batch, length) * 7 % vocabulary
targets = torch.arange(batch * length) * 5 % vocabulary


def step():
    optimiser.zero_grad()
    with torch.autocast("cpu", torch.bfloat16, enabled=mode == "bf16"):
        loss = run(tokens, targets)
    loss.backward()
    optimiser.step()
    return loss.item()


step()
print(json.dumps({"torch": torch.__version__}), flush=True)
for _ in sys.stdin:
    if ranks > 1:
        dist.barrier()
    started = time.perf_counter()
    loss = step()
    ms = (time.perf_counter() - started) * 1000
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    print(json.dumps({"ms": ms, "loss": loss, "peakBytes": peak}), flush=True)
if ranks > 1:
    # Tearing gloo down while peers still speak makes it abort.
    dist.barrier()
    os._exit(0)
