"""
Peer of token-loader.ts: torch's DataLoader with persistent workers over the same shard, memory-mapped, shuffled and
collated to int64. Arguments: file, tokens, length, batch, workers. A JSON line of ms for `batches` batches on each line read.
"""
import json
import sys
import time

import numpy
import torch
from torch.utils.data import DataLoader, Dataset

path, (tokens, length, batch, workers, batches) = sys.argv[1], map(int, sys.argv[2:7])


class Sequences(Dataset):
    def __init__(self):
        self.values = numpy.memmap(path, dtype=numpy.uint16, mode="r", shape=(tokens,))

    def __len__(self):
        return (tokens - 1) // length

    def __getitem__(self, index):
        values = torch.from_numpy(self.values[index * length:(index + 1) * length + 1].astype(numpy.int64))
        return values[:-1], values[1:]


def endless():
    loader = DataLoader(Sequences(), batch_size=batch, shuffle=True, drop_last=True, num_workers=workers,
                        prefetch_factor=2 if workers else None, persistent_workers=workers > 0)
    while True:
        yield from loader


source = endless()
next(source)
print(json.dumps({"torch": torch.__version__}), flush=True)
for _ in sys.stdin:
    started = time.perf_counter()
    for _ in range(batches):
        rows, targets = next(source)
    assert bool((targets[:, :-1] == rows[:, 1:]).all())
    print(json.dumps({"ms": (time.perf_counter() - started) * 1000}), flush=True)
