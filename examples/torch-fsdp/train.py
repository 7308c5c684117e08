"""
FSDP2: every rank holds its share of parameters, gradients and optimiser state; layers are gathered as they are needed.
Checkpoints are torch.distributed.checkpoint folders that load on another number of ranks.
"""
import argparse
import os

import torch
import torch.distributed as dist
import torch.distributed.checkpoint as dcp
from torch import nn
from torch.distributed.checkpoint.state_dict import get_state_dict, set_state_dict
from torch.distributed.device_mesh import init_device_mesh
from torch.distributed.fsdp import fully_shard

arguments = argparse.ArgumentParser()
arguments.add_argument("--output", default="checkpoints")
arguments.add_argument("--resume", default="")
arguments.add_argument("--steps", type=int, default=60)
options = arguments.parse_args()

has_gpu = torch.cuda.is_available()
dist.init_process_group("nccl" if has_gpu else "gloo")
rank, world = dist.get_rank(), dist.get_world_size()
if has_gpu:
    torch.cuda.set_device(int(os.environ["LOCAL_RANK"]))
device = "cuda" if has_gpu else "cpu"
mesh = init_device_mesh(device, (world,))


class Block(nn.Module):
    def __init__(self, width):
        super().__init__()
        self.attention = nn.MultiheadAttention(width, 4, batch_first=True)
        self.mlp = nn.Sequential(nn.Linear(width, 4 * width), nn.GELU(), nn.Linear(4 * width, width))
        self.norms = nn.ModuleList([nn.LayerNorm(width), nn.LayerNorm(width)])

    def forward(self, x, mask):
        h = self.norms[0](x)
        x = x + self.attention(h, h, h, attn_mask=mask, need_weights=False)[0]
        return x + self.mlp(self.norms[1](x))


class Decoder(nn.Module):
    def __init__(self, vocabulary=32, width=64, layers=2, length=32):
        super().__init__()
        self.tokens, self.places = nn.Embedding(vocabulary, width), nn.Embedding(length, width)
        self.blocks = nn.ModuleList(Block(width) for _ in range(layers))
        self.head = nn.Linear(width, vocabulary)

    def forward(self, tokens):
        x = self.tokens(tokens) + self.places(torch.arange(tokens.shape[1], device=tokens.device))
        mask = nn.Transformer.generate_square_subsequent_mask(tokens.shape[1], device=tokens.device)
        for block in self.blocks:
            x = block(x, mask)
        return self.head(x)


torch.manual_seed(0)
model = Decoder().to(device)
whole = sum(p.numel() for p in model.parameters())
for block in model.blocks:
    fully_shard(block, mesh=mesh)
fully_shard(model, mesh=mesh)
held = sum(p.to_local().numel() for p in model.parameters())
optimiser = torch.optim.AdamW(model.parameters(), lr=3e-3)
print(f"rank {rank} holds {held} of {whole} parameters", flush=True)
assert held <= whole / world * 1.1

first_step = 0
if options.resume:
    weights, moments = get_state_dict(model, optimiser)
    state = {"model": weights, "optimiser": moments, "step": 0}
    dcp.load(state, checkpoint_id=options.resume)
    set_state_dict(model, optimiser, model_state_dict=state["model"], optim_state_dict=state["optimiser"])
    first_step = state["step"]
    print(f"goes on from step {first_step}", flush=True)

generator = torch.Generator().manual_seed(rank)
for step in range(first_step + 1, options.steps + 1):
    starts = torch.randint(0, 32, (16, 1), generator=generator)
    tokens = ((starts + 5 * torch.arange(33)) % 32).to(device)  # each token is the last one plus five
    loss = nn.functional.cross_entropy(model(tokens[:, :-1]).flatten(0, 1), tokens[:, 1:].flatten())
    optimiser.zero_grad()
    loss.backward()
    optimiser.step()
    if step % 20 == 0:
        if rank == 0:
            print(f"step={step}/{options.steps} loss={loss.item():.4f}", flush=True)
        weights, moments = get_state_dict(model, optimiser)
        dcp.save({"model": weights, "optimiser": moments, "step": step}, checkpoint_id=f"{options.output}/step-{step}")
assert loss.item() < 1.0
dist.destroy_process_group()
