"""Lightning as its guide writes it: a module, a Trainer, checkpoints by its own callback, resumed by ckpt_path."""
import argparse
import os

import lightning as L
import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

arguments = argparse.ArgumentParser()
arguments.add_argument("--output", default="checkpoints")
arguments.add_argument("--resume", default="")
arguments.add_argument("--epochs", type=int, default=4)
options = arguments.parse_args()


class Xor(L.LightningModule):
    def __init__(self):
        super().__init__()
        self.net = nn.Sequential(nn.Linear(2, 64), nn.ReLU(), nn.Linear(64, 2))

    def training_step(self, batch, _index):
        points, labels = batch
        loss = nn.functional.cross_entropy(self.net(points), labels)
        self.log("loss", loss, prog_bar=True)
        return loss

    def on_train_epoch_start(self):
        if self.trainer.is_global_zero:
            print(f"epoch {self.current_epoch} begins at step {self.global_step}", flush=True)

    def configure_optimizers(self):
        return torch.optim.AdamW(self.parameters(), lr=1e-2)


torch.manual_seed(0)
points = torch.randn(2048, 2)
loader = DataLoader(TensorDataset(points, (points[:, 0] * points[:, 1] > 0).long()), batch_size=64, shuffle=True)
trainer = L.Trainer(
    accelerator="cpu", strategy="ddp", devices=1, num_nodes=int(os.environ["GROUP_WORLD_SIZE"]), logger=False,
    max_epochs=options.epochs, callbacks=[L.pytorch.callbacks.ModelCheckpoint(options.output, save_top_k=-1)],
    enable_model_summary=False)
trainer.fit(Xor(), loader, ckpt_path=options.resume or None)
if trainer.is_global_zero:
    print(f"{trainer.world_size} ranks, {trainer.global_step} steps", flush=True)
