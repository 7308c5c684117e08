"""
torch.optim in float64 beside ours: $OUT/cases.json names parameters (values and shapes), settings by optimiser and the
steps; gradients.bin has float32 gradients, a step after the other. Where each optimiser leads is answers.json.
"""
import json
import os

import numpy
import torch

out = os.environ["OUT"]
case = json.load(open(os.path.join(out, "cases.json")))
gradients = numpy.fromfile(os.path.join(out, "gradients.bin"), dtype=numpy.float32).astype(numpy.float64)
gradients = torch.from_numpy(gradients).view(case["steps"], -1)

kinds = {
    "adamw": lambda p, s: torch.optim.AdamW(p, lr=s["rate"], betas=(0.9, 0.95), eps=1e-8, weight_decay=0),
    "sgd": lambda p, s: torch.optim.SGD(p, lr=s["rate"], momentum=s["momentum"]),
    "adafactor": lambda p, s: torch.optim.Adafactor(p, lr=s["rate"], eps=(1e-30, 1e-3), weight_decay=0),
}
answers = {}
for name, settings in case["optimizers"].items():
    parameters = [
        torch.tensor(one["data"], dtype=torch.float64).view(one["shape"]) for one in case["parameters"]
    ]
    optimizer = kinds[name](parameters, settings)
    for step in range(case["steps"]):
        at = 0
        for parameter in parameters:
            parameter.grad = gradients[step, at : at + parameter.numel()].view(parameter.shape)
            at += parameter.numel()
        optimizer.step()
    answers[name] = [parameter.flatten().tolist() for parameter in parameters]
json.dump(answers, open(os.path.join(out, "answers.json"), "w"))
print(f"torch {torch.__version__}")
