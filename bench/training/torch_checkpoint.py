"""Peer of checkpoint.ts: torch.save and fsync of parameters and both Adam moments, then torch.load; JSON of ms on each line read."""
import json
import os
import sys
import time

import torch

directory, length = sys.argv[1], int(sys.argv[2])
state = {name: torch.randn(length) for name in ("parameters", "first", "second")}
print(json.dumps({"torch": torch.__version__}), flush=True)
for index, _ in enumerate(sys.stdin):
    path = os.path.join(directory, f"torch-{index % 2}.pt")
    started = time.perf_counter()
    with open(path, "wb") as file:
        torch.save(state, file)
        file.flush()
        os.fsync(file.fileno())
    saved = (time.perf_counter() - started) * 1000
    # The file is in the page cache, as ours is when it is read.
    started = time.perf_counter()
    loaded = torch.load(path, weights_only=True)
    for name, values in state.items():
        values.copy_(loaded[name])
    print(json.dumps({"ms": saved, "loadMs": (time.perf_counter() - started) * 1000}), flush=True)
