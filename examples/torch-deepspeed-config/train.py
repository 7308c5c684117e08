"""DeepSpeed from its own configuration file (ds_config.json): ZeRO 2 over the ranks of the job, micro-batches accumulated."""
import argparse
import json

import deepspeed
import torch
from torch import nn

arguments = argparse.ArgumentParser()
arguments.add_argument("--config", default="ds_config.json")
arguments.add_argument("--output", default="checkpoints")
arguments.add_argument("--resume", default="")
arguments.add_argument("--steps", type=int, default=100)
options = arguments.parse_args()

torch.manual_seed(0)
model = nn.Sequential(nn.Linear(2, 64), nn.ReLU(), nn.Linear(64, 2))
deepspeed.init_distributed("nccl" if torch.cuda.is_available() else "gloo")
engine, optimiser, _, _ = deepspeed.initialize(
    model=model, optimizer=torch.optim.AdamW(model.parameters(), lr=1e-2), config=json.load(open(options.config)))
if options.resume:
    engine.load_checkpoint(options.resume)
    print(f"goes on from step {engine.global_steps}", flush=True)

generator = torch.Generator().manual_seed(engine.global_rank)
while engine.global_steps < options.steps:
    points = torch.randn(engine.train_micro_batch_size_per_gpu(), 2, generator=generator).to(engine.device)
    labels = (points[:, 0] * points[:, 1] > 0).long()
    loss = nn.functional.cross_entropy(engine(points), labels)
    engine.backward(loss)
    engine.step()
    if engine.is_gradient_accumulation_boundary() and engine.global_steps % 25 == 0 and engine.global_rank == 0:
        print(f"step={engine.global_steps}/{options.steps} loss={loss.item():.4f}", flush=True)
engine.save_checkpoint(options.output)
if engine.global_rank == 0:
    print(f"ZeRO {engine.zero_optimization_stage()} over {engine.world_size} ranks")
assert loss.item() < 0.6
