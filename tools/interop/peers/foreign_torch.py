"""Writes small models as TorchScript, an exported program, a Python file and a JAX function, and what each answers."""
import json
import os
import warnings

import jax
import numpy
import torch

warnings.filterwarnings("ignore")
folder = os.environ["DIR"]
torch.manual_seed(3)
numpy.random.seed(3)


def net():
    torch.manual_seed(7)

    class Net(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.conv = torch.nn.Conv1d(3, 8, 3, padding=1)
            self.norm = torch.nn.BatchNorm1d(8)
            self.head = torch.nn.Linear(80, 4)

        def forward(self, x):
            return torch.softmax(self.head(torch.relu(self.norm(self.conv(x))).flatten(1)), -1)

    return Net().eval()


model = net()
x = torch.randn(4, 3, 10)
with torch.no_grad():
    y = model(x)
dim = torch.export.Dim("batch")
torch.jit.save(torch.jit.trace(model, x), f"{folder}/script.pt")
torch.export.save(torch.export.export(model, (x,), dynamic_shapes=({0: dim},)), f"{folder}/program.pt2")
torch.save(model.state_dict(), f"{folder}/weights.bin")
with open(f"{folder}/made.py", "w") as out:
    out.write(
        "import os, torch\n"
        "class Net(torch.nn.Module):\n"
        "    def __init__(self):\n"
        "        super().__init__()\n"
        "        self.conv = torch.nn.Conv1d(3, 8, 3, padding=1)\n"
        "        self.norm = torch.nn.BatchNorm1d(8)\n"
        "        self.head = torch.nn.Linear(80, 4)\n"
        "    def forward(self, x):\n"
        "        return torch.softmax(self.head(torch.relu(self.norm(self.conv(x))).flatten(1)), -1)\n"
        "def model():\n"
        "    made = Net()\n"
        f"    made.load_state_dict(torch.load({folder + '/weights.bin'!r}))\n"
        "    return made\n"
    )
weights = numpy.random.randn(8, 5).astype(numpy.float32)
numpy.save(f"{folder}/weights.npy", weights)
with open(f"{folder}/function.py", "w") as out:
    out.write(
        "import jax, jax.numpy as jnp, numpy\n"
        "def model():\n"
        f"    weights = jnp.asarray(numpy.load({folder + '/weights.npy'!r}))\n"
        "    return lambda x: jax.nn.softmax(jnp.tanh(x) @ weights)\n"
    )
given = numpy.random.randn(4, 8).astype(numpy.float32)
answered = jax.nn.softmax(jax.numpy.tanh(given) @ weights)
declared = [{"name": "x", "shape": ["batch", 3, 10], "datatype": "FP32"}]
common = {"shape": [4, 3, 10], "x": x.flatten().tolist(), "y": y.flatten().tolist()}
models = [
    {"path": f"{folder}/{name}", "inputs": declared, **common} for name in ("script.pt", "program.pt2", "made.py")
] + [
    {
        "path": f"{folder}/function.py",
        "inputs": [{"name": "x", "shape": ["batch", 8], "datatype": "FP32"}],
        "shape": [4, 8],
        "x": given.flatten().tolist(),
        "y": numpy.asarray(answered).flatten().tolist(),
    }
]
json.dump(models, open(f"{folder}/foreign_torch.py.json", "w"))
print(f"torch {torch.__version__} and jax {jax.__version__}")
