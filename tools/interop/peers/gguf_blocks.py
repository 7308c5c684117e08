"""ggml's Python beside our block formats."""
import importlib.metadata
import os

import numpy
from gguf import GGMLQuantizationType, quants

folder = os.environ["DIR"]
values = numpy.fromfile(f"{folder}/values.f32", numpy.float32).reshape(-1, 256)
for name in ("F16", "BF16", "Q8_0", "Q4_0", "Q2_K", "Q3_K", "Q4_K", "Q5_K", "Q6_K"):
    kind = getattr(GGMLQuantizationType, name)
    packed = numpy.fromfile(f"{folder}/{name}", numpy.uint8)
    mine = numpy.fromfile(f"{folder}/{name}.f32", numpy.float32)
    if name in ("F16", "BF16", "Q8_0", "Q4_0"):
        theirs = quants.quantize(values, kind).view(numpy.uint8).flatten()
        different = int((packed != theirs).sum())
        assert different == 0, f"{different} of {theirs.size} bytes of {name} differ"
    shaped = packed.reshape(values.shape[0], -1)
    shaped = shaped.view(numpy.float16) if name == "F16" else shaped
    restored = quants.dequantize(shaped, kind).flatten()
    off = float(numpy.abs(restored - mine).max() / numpy.abs(restored).max())
    assert off <= 1e-7, f"{name}: {off}"
print(
    f"gguf {importlib.metadata.version('gguf')}: the same bytes of F16, BF16, Q8_0 and Q4_0, "
    f"the same values of Q2_K, Q3_K, Q4_K, Q5_K and Q6_K"
)
