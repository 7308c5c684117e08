"""Reads the planner's launch configurations with the programs that they are for."""
import json
import os

import torch
from torch.testing._internal.distributed.fake_pg import FakeStore

files = json.load(open(os.environ["FILES"]))
world = files["devices"]
torch.distributed.init_process_group("fake", rank=0, world_size=world, store=FakeStore())

import accelerate  # noqa: E402
import deepspeed  # noqa: E402
import transformers  # noqa: E402
from accelerate.commands.config.config_args import load_config_from_file  # noqa: E402
from deepspeed.runtime.config import DeepSpeedConfig  # noqa: E402

deepspeed.init_distributed("gloo", auto_mpi_discovery=False)
for text in files["deepspeed"]:
    given = json.loads(text)
    config = DeepSpeedConfig(given)
    stage = given["zero_optimization"]["stage"]
    assert config.zero_optimization_stage == stage, config.zero_optimization_stage
    assert config.train_batch_size == files["batch"], config.train_batch_size
    offloads = config.zero_config.offload_optimizer is not None
    assert offloads == ("offload_optimizer" in given["zero_optimization"])

kinds = []
for index, text in enumerate(files["accelerate"]):
    path = f"{os.environ['OUT']}/accelerate-{index}.yaml"
    open(path, "w").write(text)
    config = load_config_from_file(path)
    assert config.num_processes == world, config.num_processes
    kinds.append(str(getattr(config.distributed_type, "value", config.distributed_type)))
assert {"MULTI_GPU", "DEEPSPEED", "FSDP"} <= set(kinds), kinds

for text in files["fsdp"]:
    given = json.loads(text)
    given.pop("bf16")  # wants a device that has it
    arguments = transformers.TrainingArguments(output_dir=os.environ["OUT"], use_cpu=True, **given)
    assert arguments.fsdp, arguments.fsdp
    plugin = arguments.fsdp_plugin_args
    assert str(plugin["fsdp_version"]) == "2", plugin
    wanted = given["fsdp_config"]["reshard_after_forward"]
    assert str(plugin["reshard_after_forward"]).lower() == str(wanted).lower(), plugin

print(f"deepspeed {deepspeed.__version__}: {len(files['deepspeed'])}, accelerate {accelerate.__version__}: "
      f"{len(kinds)} ({', '.join(kinds)}), transformers {transformers.__version__} FSDP: {len(files['fsdp'])} configurations read")
