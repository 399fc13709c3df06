"""AdamW and Muon over stacked parameters, without host synchronisation, so that a CUDA graph can hold the step."""

import math

import torch

Params = dict[str, torch.Tensor]

MATRICES = ("in_proj", "out_proj")
DECAYED = (*MATRICES, "embed")
# Muon's orthogonal update has entries of RMS 1/√max(rows, columns); this brings it to the RMS of a typical Adam update.
MUON_RMS = 0.2


def orthogonalise(G: torch.Tensor, steps: int = 5) -> torch.Tensor:
    """The nearest semi-orthogonal matrices to a stack G (layers, rows, columns), by the quintic Newton-Schulz iteration."""
    a, b, c = 3.4445, -4.7750, 2.0315
    X = G.to(torch.bfloat16) if G.is_cuda else G
    tall = X.shape[1] > X.shape[2]
    X = X.transpose(1, 2) if tall else X
    X = X / (X.norm(dim=(1, 2), keepdim=True) + 1e-7)
    for _ in range(steps):
        S = X @ X.transpose(1, 2)
        X = a * X + (b * S + c * S @ S) @ X
    return (X.transpose(1, 2) if tall else X).to(G.dtype)


class Optimizer:
    """Decoupled weight decay on matrices and the embedding only; gradients clipped to a global norm of 1."""

    def __init__(self, params: Params, *, muon: bool, decay: float, betas=(0.9, 0.98), momentum=0.95):
        self.params = params
        self.muon = MATRICES if muon else ()
        self.decay, self.betas, self.momentum = decay, betas, momentum
        device = params["embed"].device
        self.first = {k: torch.zeros_like(p) for k, p in params.items()}
        self.second = {k: torch.zeros_like(p) for k, p in params.items() if k not in self.muon}
        self.count = torch.zeros((), device=device)

    @torch.no_grad()
    def step(self, grads: Params, lr: torch.Tensor, muon_lr: torch.Tensor) -> None:
        norm = torch.stack([g.norm() for g in grads.values()]).norm()
        clip = (1 / (norm + 1e-6)).clamp(max=1.0)
        self.count += 1
        for name, p in self.params.items():
            rate = muon_lr if name in self.muon else lr
            if name in DECAYED:
                p.mul_(1 - rate * self.decay)
            update = self.muon_update(name, grads[name]) if name in self.muon else self.adam_update(name, grads[name] * clip)
            p.sub_(rate * update)

    def adam_update(self, name: str, g: torch.Tensor) -> torch.Tensor:
        b1, b2 = self.betas
        m, v = self.first[name], self.second[name]
        m.mul_(b1).add_(g, alpha=1 - b1)
        v.mul_(b2).addcmul_(g, g, value=1 - b2)
        seen1, seen2 = -torch.expm1(self.count * math.log(b1)), -torch.expm1(self.count * math.log(b2))  # 1 - βᵗ
        return (m / seen1) / ((v / seen2).sqrt() + 1e-8)

    def muon_update(self, name: str, g: torch.Tensor) -> torch.Tensor:
        m = self.first[name]
        m.lerp_(g, 1 - self.momentum)
        nesterov = g.lerp(m, self.momentum)
        return orthogonalise(nesterov) * (MUON_RMS * max(g.shape[1:]) ** 0.5)
