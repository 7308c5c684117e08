"""
Gradients of our exported models as torch computes them in float64. $OUT/cases.json names transformers (a folder each,
opened by transformers; their gradients are saved as a model again, under the names of the file) and classifiers (their
parameters as numbers; gradients as numbers in classifiers.json).
"""
import json
import os

import torch
import torch.nn.functional as F
import transformers

out = os.environ["OUT"]
cases = json.load(open(os.path.join(out, "cases.json")))
for case in cases["transformers"]:
    model = transformers.AutoModelForCausalLM.from_pretrained(
        os.path.join(out, case["name"]), dtype=torch.float64, attn_implementation="eager",
        experts_implementation="eager")
    tokens = torch.tensor(case["tokens"]).view(case["sequences"], -1)
    logits = model(tokens).logits
    loss = F.cross_entropy(logits.view(-1, logits.shape[-1]), torch.tensor(case["targets"]))
    loss.backward()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.copy_(parameter.grad)
    model.float().save_pretrained(os.path.join(out, case["name"], "gradients"))

answers = {}
for case in cases["classifiers"]:
    parameters = {
        name: torch.tensor(value["data"], dtype=torch.float64).view(value["shape"]).requires_grad_()
        for name, value in case["parameters"].items()
    }
    part = lambda name: (parameters[f"{name}.weight"], parameters[f"{name}.bias"].view(-1))
    x = torch.tensor(case["features"], dtype=torch.float64).view(case["shape"])
    for stage in range(case["stages"]):
        x = F.avg_pool2d(F.relu(F.conv2d(x, *part(f"features.{stage}"), padding=1)), 2)
    if case["stages"]:
        x = x.mean((2, 3))
    for layer in range(case["hidden"]):
        weight, bias = part(f"hidden.{layer}")
        x = F.relu(x @ weight + bias)
    weight, bias = part("output")
    F.cross_entropy(x @ weight + bias, torch.tensor(case["targets"])).backward()
    answers[case["name"]] = {name: value.grad.flatten().tolist() for name, value in parameters.items()}
json.dump(answers, open(os.path.join(out, "classifiers.json"), "w"))
print(f"torch {torch.__version__}, transformers {transformers.__version__}")
