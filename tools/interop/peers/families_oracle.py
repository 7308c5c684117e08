"""
Gradients of our exported models as torch computes them in float64. $OUT/cases.json names transformers (a folder each,
opened by transformers; their gradients are saved as a model again, under the names of the file), our own mixtures (a
folder each with a config of our words, built here out of torch's operators; gradients likewise) and classifiers (their
parameters as numbers; gradients as numbers in classifiers.json).
"""
import json
import os

import torch
import torch.nn.functional as F
import transformers
from safetensors.torch import load_file, save_file
from transformers.models.t5.modeling_t5 import T5Attention

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



def own_loss(config, weights, tokens, targets):
    """What an own config.json says, of torch's operators; relative positions as T5 buckets them."""
    width, heads, length = config["width"], config["heads"], tokens.shape[1]
    place = torch.arange(length)
    distance = place[None, :] - place[:, None]

    def norm(x, name):
        if config["norm"] == "rms":
            return F.rms_norm(x, (width,), weights[f"{name}.weight"].view(-1), config["normEpsilon"])
        return F.layer_norm(
            x, (width,), weights[f"{name}.weight"].view(-1), weights[f"{name}.bias"].view(-1), config["normEpsilon"])

    def linear(x, name):
        bias = weights.get(f"{name}.bias")
        return F.linear(x, weights[f"{name}.weight"], None if bias is None else bias.view(-1))

    def scores_bias(layer):
        bias = torch.zeros(heads, length, length, dtype=torch.float64)
        if config["positions"] == "alibi":
            slopes = torch.tensor([2 ** (-8 * (head + 1) / heads) for head in range(heads)], dtype=torch.float64)
            bias = bias - slopes[:, None, None] * distance.abs()
        if config["positions"] == "relative":
            bucket = T5Attention._relative_position_bucket(
                distance, bidirectional=not config["isCausal"], num_buckets=32, max_distance=128)
            bias = bias + weights[f"model.layers.{layer}.self_attn.relative_bias.weight"][bucket].permute(2, 0, 1)
        return bias.masked_fill(distance > 0, float("-inf")) if config["isCausal"] else bias

    x = weights["model.embed_tokens.weight"][tokens]
    if config["positions"] == "learned":
        x = x + weights["model.embed_positions.weight"][:length]
    if config["positions"] == "sinusoidal":
        angle = place[:, None] / 10_000 ** (torch.arange(0, width, 2, dtype=torch.float64) / width)
        x = x + torch.stack((angle.sin(), angle.cos()), -1).flatten(1)
    for layer in range(config["layers"]):
        part = f"model.layers.{layer}"
        h = norm(x, f"{part}.input_layernorm")
        q, k, v = (
            linear(h, f"{part}.self_attn.{name}_proj").unflatten(-1, (-1, config["headWidth"])).transpose(1, 2)
            for name in "qkv")
        mixed = F.scaled_dot_product_attention(q, k, v, attn_mask=scores_bias(layer), enable_gqa=True)
        x = x + linear(mixed.transpose(1, 2).flatten(2), f"{part}.self_attn.o_proj")
        h = norm(x, f"{part}.post_attention_layernorm")
        up = linear(h, f"{part}.mlp.up_proj")
        gated = config["activation"] == "swiglu"
        active = F.silu(linear(h, f"{part}.mlp.gate_proj")) * up if gated else F.gelu(up, approximate="tanh")
        x = x + linear(active, f"{part}.mlp.down_proj")
    head = weights["model.embed_tokens.weight" if config["tiedEmbeddings"] else "lm_head.weight"]
    logits = F.linear(norm(x, "model.norm"), head)
    return F.cross_entropy(logits.flatten(0, 1), targets)


for case in cases["own"]:
    folder = os.path.join(out, case["name"])
    weights = {
        name: value.double().requires_grad_()
        for name, value in load_file(os.path.join(folder, "model.safetensors")).items()
    }
    tokens = torch.tensor(case["tokens"]).view(case["sequences"], -1)
    config = json.load(open(os.path.join(folder, "config.json")))
    own_loss(config, weights, tokens, torch.tensor(case["targets"])).backward()
    os.makedirs(os.path.join(folder, "gradients"))
    gradients = {name: value.grad.float().contiguous() for name, value in weights.items()}
    save_file(gradients, os.path.join(folder, "gradients", "model.safetensors"))

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
