"""A script for an elastic torchrun: a step is one sum over all ranks, saved by the first; it says how many took part."""

import os
import time

import torch
import torch.distributed as dist

steps = 120
folder = os.path.join(os.environ["GANTRY_RUN_DIR"], "checkpoints")
path = os.path.join(folder, "step.pt")


def main():
    dist.init_process_group("gloo")
    rank, world = dist.get_rank(), dist.get_world_size()
    os.makedirs(folder, exist_ok=True)
    done = torch.load(path)["step"] if os.path.exists(path) else 0
    print(f"world={world} rank={rank} from={done} restarts={os.environ['TORCHELASTIC_RESTART_COUNT']}", flush=True)
    for step in range(done + 1, steps + 1):
        ones = torch.ones(1)
        dist.all_reduce(ones)
        assert ones.item() == world
        if rank == 0:
            torch.save({"step": step}, path + ".part")
            os.replace(path + ".part", path)
            print(f"step={step}/{steps} loss={1 / step:.4f} world={world}", flush=True)
        time.sleep(0.25)
    dist.destroy_process_group()


main()
