"""
A Hugging Face Trainer script as one would write it for a laptop: a tiny causal language model over the bytes of a text.
The same file trains on one process or on many; only the job file says how many.
"""
import sys
from dataclasses import dataclass

import torch
from transformers import HfArgumentParser, LlamaConfig, LlamaForCausalLM, Trainer, TrainingArguments


@dataclass
class DataArguments:
    text: str = __file__  # trains on itself when nothing else is named
    length: int = 64


class Bytes(torch.utils.data.Dataset):
    def __init__(self, path, length):
        data = torch.tensor(list(open(path, "rb").read()))
        self.rows = data[: len(data) // length * length].view(-1, length)

    def __len__(self):
        return len(self.rows) * 8

    def __getitem__(self, index):
        row = self.rows[index % len(self.rows)]
        return {"input_ids": row, "labels": row}


data_arguments, training = HfArgumentParser((DataArguments, TrainingArguments)).parse_args_into_dataclasses()
config = LlamaConfig(vocab_size=256, hidden_size=64, intermediate_size=176, num_hidden_layers=2, num_attention_heads=4,
                     max_position_embeddings=data_arguments.length, bos_token_id=0, eos_token_id=0)
torch.manual_seed(training.seed)
trainer = Trainer(model=LlamaForCausalLM(config), args=training,
                  train_dataset=Bytes(data_arguments.text, data_arguments.length))
result = trainer.train(resume_from_checkpoint=training.resume_from_checkpoint or None)
trainer.save_model()
if trainer.is_world_process_zero():
    print(f"ranks={training.world_size} steps={result.global_step} loss={result.training_loss:.4f}")
sys.exit(0 if trainer.state.log_history[-2]["loss"] < trainer.state.log_history[0]["loss"] else 1)
