"""
Accelerate: the loop stays the plain single-device one; prepare() makes it run on one process or many, and accumulate()
exchanges gradients only when a whole batch is in.
"""
import argparse

import torch
from accelerate import Accelerator
from accelerate.utils import set_seed
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

arguments = argparse.ArgumentParser()
arguments.add_argument("--output", default="checkpoints")
arguments.add_argument("--resume", default="")
arguments.add_argument("--epochs", type=int, default=5)
options = arguments.parse_args()

accelerator = Accelerator(gradient_accumulation_steps=2)
set_seed(0)
points = torch.randn(4096, 2)
loader = DataLoader(TensorDataset(points, (points[:, 0] * points[:, 1] > 0).long()), batch_size=64, shuffle=True)
model = nn.Sequential(nn.Linear(2, 64), nn.ReLU(), nn.Linear(64, 2))
optimiser = torch.optim.AdamW(model.parameters(), lr=1e-2)
model, optimiser, loader = accelerator.prepare(model, optimiser, loader)
if options.resume:
    accelerator.load_state(options.resume)
    accelerator.print(f"goes on from {options.resume}")

first_epoch = int(options.resume.rsplit("-", 1)[1]) // len(loader) if options.resume else 0
step = first_epoch * len(loader)
for epoch in range(first_epoch, options.epochs):
    for points, labels in loader:
        with accelerator.accumulate(model):
            loss = nn.functional.cross_entropy(model(points), labels)
            accelerator.backward(loss)
            optimiser.step()
            optimiser.zero_grad()
        step += 1
    mean = accelerator.reduce(loss.detach(), reduction="mean").item()
    accelerator.print(f"epoch={epoch + 1}/{options.epochs} step={step} loss={mean:.4f}", flush=True)
    accelerator.save_state(f"{options.output}/checkpoint-{step}")
assert mean < 0.35, mean
accelerator.print(f"{accelerator.num_processes} processes ({accelerator.distributed_type.value})")
accelerator.end_training()
