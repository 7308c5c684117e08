"""
Where many scripts begin: one process, nn.DataParallel over whatever devices it sees (all GPUs of the job, or the CPU).
See docs/torch.md for the way from here to several processes.
"""
import torch
from torch import nn

torch.manual_seed(0)
points = torch.randn(2048, 2)
labels = (points[:, 0] * points[:, 1] > 0).long()  # XOR of signs: no straight line separates it

device = "cuda" if torch.cuda.is_available() else "cpu"
model = nn.DataParallel(nn.Sequential(nn.Linear(2, 64), nn.ReLU(), nn.Linear(64, 2))).to(device)
optimiser = torch.optim.AdamW(model.parameters(), lr=1e-2)
points, labels = points.to(device), labels.to(device)

for step in range(1, 201):
    batch = torch.randint(0, len(points), (256,), device=device)
    loss = nn.functional.cross_entropy(model(points[batch]), labels[batch])
    optimiser.zero_grad()
    loss.backward()
    optimiser.step()
    if step % 20 == 0:
        print(f"step={step}/200 loss={loss.item():.4f}", flush=True)

accuracy = (model(points).argmax(-1) == labels).float().mean().item()
torch.save(model.module.state_dict(), "model.pt")
print(f"accuracy={accuracy:.3f}")
assert accuracy > 0.9
