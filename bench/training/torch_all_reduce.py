"""Peer of all-reduce.ts: one gloo rank; a JSON line of ms on each line read."""
import json
import os
import sys
import time

import torch
import torch.distributed as dist

rank, size, port, elements = map(int, sys.argv[1:5])
torch.set_num_threads(1)
os.environ.update(MASTER_ADDR="127.0.0.1", MASTER_PORT=str(port), GLOO_SOCKET_IFNAME="lo")
dist.init_process_group("gloo", rank=rank, world_size=size)
values = torch.empty(elements)
print(json.dumps({"torch": torch.__version__}), flush=True)
for _ in sys.stdin:
    values.fill_(rank + 1)
    dist.barrier()
    started = time.perf_counter()
    dist.all_reduce(values)
    ms = (time.perf_counter() - started) * 1000
    assert bool((values == size * (size + 1) / 2).all())
    print(json.dumps({"ms": ms}), flush=True)
# Tearing gloo down while peers still speak makes it abort.
dist.barrier()
os._exit(0)
