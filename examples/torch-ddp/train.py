"""
DistributedDataParallel, as the PyTorch tutorial writes it: one process a device, gradients averaged while the backward
runs. Knows nothing of Gantry; goes on from --checkpoint when the file is there.
"""
import argparse
import os

import torch
import torch.distributed as dist
from torch import nn
from torch.nn.parallel import DistributedDataParallel
from torch.utils.data import DataLoader, DistributedSampler, TensorDataset

arguments = argparse.ArgumentParser()
arguments.add_argument("--checkpoint", default="checkpoint.pt")
arguments.add_argument("--epochs", type=int, default=6)
options = arguments.parse_args()

has_gpu = torch.cuda.is_available()
dist.init_process_group("nccl" if has_gpu else "gloo")
rank, world, local = dist.get_rank(), dist.get_world_size(), int(os.environ["LOCAL_RANK"])
device = torch.device("cuda", local) if has_gpu else torch.device("cpu")

torch.manual_seed(0)
points = torch.randn(4096, 2)
data = TensorDataset(points, (points[:, 0] * points[:, 1] > 0).long())
sampler = DistributedSampler(data, shuffle=True, seed=0)
loader = DataLoader(data, batch_size=128 // world, sampler=sampler)

model = DistributedDataParallel(nn.Sequential(nn.Linear(2, 64), nn.ReLU(), nn.Linear(64, 2)).to(device))
optimiser = torch.optim.AdamW(model.parameters(), lr=1e-2)
first_epoch = 0
if os.path.exists(options.checkpoint):
    saved = torch.load(options.checkpoint, map_location=device)
    model.module.load_state_dict(saved["model"])
    optimiser.load_state_dict(saved["optimiser"])
    first_epoch = saved["epoch"] + 1
    if rank == 0:
        print(f"goes on from epoch {first_epoch}", flush=True)

for epoch in range(first_epoch, options.epochs):
    sampler.set_epoch(epoch)
    for points, labels in loader:
        loss = nn.functional.cross_entropy(model(points.to(device)), labels.to(device))
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    mean = loss.detach() / world
    dist.all_reduce(mean)
    if rank == 0:
        print(f"epoch={epoch + 1}/{options.epochs} step={(epoch + 1) * len(loader)} loss={mean.item():.4f}", flush=True)
        os.makedirs(os.path.dirname(os.path.abspath(options.checkpoint)), exist_ok=True)
        state = {"model": model.module.state_dict(), "optimiser": optimiser.state_dict(), "epoch": epoch}
        torch.save(state, options.checkpoint + ".part")
        os.replace(options.checkpoint + ".part", options.checkpoint)

# Every rank holds the same weights, or DDP did not do its work.
total = sum(p.detach().double().sum() for p in model.parameters())
totals = [torch.zeros_like(total) for _ in range(world)]
dist.all_gather(totals, total)
assert all(torch.equal(total, other) for other in totals)
assert mean.item() < 0.3
if rank == 0:
    print(f"{world} ranks agree; loss={mean.item():.4f}")
dist.destroy_process_group()
