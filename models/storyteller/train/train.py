"""Trains one Mamba-2 language model on the two corpora, from their text or from the averaged predictions of teachers.

    python train.py --corpora DIR --tokenizer tokenizer.json --out DIR [--teachers DIR ...] [--init DIR]

Writes settings.json, log.jsonl (a line for every percent of the run) and params.safetensors under --out. The schedule runs over --steps,
or over --seconds if that ends first.
"""

import argparse
import json
import math
import time
from dataclasses import MISSING, asdict, dataclass, field, fields
from pathlib import Path

import numpy as np
import torch

import model
from data import END, Corpus, load_corpora, plan_walks, vocabulary_size
from device import captured, compiled, pick_device
from distill import Targets, soft_targets
from optimizer import Optimizer
from storage import load_run, save_run


LOG_LINES = 100


@dataclass(frozen=True)
class Settings:
    corpora: str
    tokenizer: str
    out: str
    teachers: list[str] = field(default_factory=list)
    d_model: int = 256
    layers: int = 10
    state: int = 64
    steps: int = 4000
    seconds: float = math.inf
    streams: int = 32
    segment: int = 512
    walk: float = 8.0
    shakespeare: float = 0.35  # share of the tokens drawn from Shakespeare; the rest of the real text is fairy tales
    synthetic: float = 0.5  # share of the tokens drawn from text that the teachers wrote
    synthetic_streams: int = 2048
    synthetic_length: int = 3072
    init: str = ""  # a run to start from
    openings: float = 0.0  # share of the walks through real text that start where a reader would
    hard: float = 0.0  # weight of the text's own next token beside the teachers' distribution
    muon: int = 1
    lr: float = 2e-3
    muon_lr: float = 4e-3
    decay: float = 0.3
    warmup: float = 0.03
    drop_token: float = 0.0
    drop_embed: float = 0.1
    drop_inner: float = 0.1
    drop_block: float = 0.1
    evaluations: int = 10
    seed: int = 1

    def shape(self) -> model.Shape:
        return model.Shape(vocabulary_size(Path(self.tokenizer)), self.d_model, self.layers, self.state)

    def dropout(self) -> model.Dropout:
        return model.Dropout(self.drop_token, self.drop_embed, self.drop_inner, self.drop_block)


def parse_settings() -> Settings:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for f in fields(Settings):
        flag = "--" + f.name.replace("_", "-")
        if f.name == "teachers":
            parser.add_argument(flag, nargs="*", default=[])
        else:
            parser.add_argument(flag, type=f.type, required=f.default is MISSING, default=f.default)
    return Settings(**vars(parser.parse_args()))


class Trainer:
    """One optimisation step as a function of device tensors alone: the plan of all steps lies on the device."""

    def __init__(self, settings: Settings, corpora: list[Corpus], targets: Targets | None, device: torch.device):
        self.settings, self.shape, self.drop, self.targets = settings, settings.shape(), settings.dropout(), targets
        self.device, self.dtype = device, torch.bfloat16 if device.type == "cuda" else torch.float32
        self.block, self.loss = compiled(model.block, device), compiled(cross_entropy, device)
        if settings.init:
            params, _ = load_run(Path(settings.init), device)
        else:
            params = model.init_params(self.shape, settings.seed)
        self.params = {k: p.to(device).requires_grad_() for k, p in params.items()}
        self.optimizer = Optimizer(self.params, muon=bool(settings.muon), decay=settings.decay)

        real = np.concatenate([c.train for c in corpora])
        ends = np.cumsum([0, *(len(c.train) for c in corpora)])
        regions = [(int(a), int(b)) for a, b in zip(ends, ends[1:])]
        openings = [low + c.openings for (low, _), c in zip(regions, corpora)]
        share = {"shakespeare": settings.shakespeare, "fairy": 1 - settings.shakespeare}
        weights = [share[c.name] for c in corpora]
        self.epoch_tokens = len(real)
        if targets is None:
            self.tokens = torch.from_numpy(real).to(device)
        else:
            self.tokens = targets.tokens
            extra = targets.regions
            weights = [w * (1 - settings.synthetic) for w in weights] if extra else weights
            openings = openings + [np.array([low]) for low, _ in extra]
            regions, weights = regions + extra, weights + [settings.synthetic / max(len(extra), 1)] * len(extra)
        plan = plan_walks(
            regions,
            weights,
            settings.steps,
            settings.streams,
            settings.segment,
            settings.walk,
            settings.seed,
            openings,
            settings.openings,
        )
        self.position = torch.from_numpy(plan.position).to(device)
        self.carry = torch.from_numpy(plan.carry).to(device)
        self.fresh = torch.from_numpy(plan.fresh).to(device)
        self.index = torch.zeros(1, dtype=torch.long, device=device)
        self.lr, self.muon_lr = torch.zeros((), device=device), torch.zeros((), device=device)
        self.losses = torch.zeros(settings.steps, device=device)
        self.state = model.new_state(self.shape, settings.streams, device, torch.float32)
        self.run = captured(self.step, device)

    def step(self) -> None:
        s = self.settings
        start = self.position.index_select(0, self.index)[0]
        carry = self.carry.index_select(0, self.index)[0].to(torch.float32)
        fresh = self.fresh.index_select(0, self.index)[0]
        where = start[:, None] + torch.arange(s.segment + 1, device=self.device)
        ids = self.tokens[where]
        inputs = torch.cat([ids[:, :1].masked_fill(fresh[:, None], END), ids[:, 1:-1]], dim=1)
        state = [(conv * carry[:, None, None], h * carry[:, None, None, None]) for conv, h in self.state]
        logits, left = model.forward(
            self.params, inputs, state, self.shape, drop=self.drop, matmul_dtype=self.dtype, run_block=self.block
        )
        soft = None if self.targets is None else self.targets.probabilities[where[:, :-1]]
        loss = self.loss(logits, ids[:, 1:], soft, s.hard)
        grads = torch.autograd.grad(loss, list(self.params.values()))
        self.optimizer.step(dict(zip(self.params, grads)), self.lr, self.muon_lr)
        for kept, new in zip(self.state, left):
            kept[0].copy_(new[0].detach())
            kept[1].copy_(new[1].detach())
        self.losses.index_copy_(0, self.index, loss.detach()[None])
        self.index += 1

    def set_rate(self, progress: float) -> None:
        """Linear warm-up, then linear decay to zero."""
        s = self.settings
        factor = min(progress / s.warmup, (1 - progress) / (1 - s.warmup)) if s.warmup > 0 else 1 - progress
        self.lr.fill_(s.lr * factor)
        self.muon_lr.fill_(s.muon_lr * factor)


def cross_entropy(logits, ids, soft, hard: float):
    log_p = torch.log_softmax(logits.to(torch.float32), dim=-1)
    taken = -log_p.gather(-1, ids[..., None]).mean()
    if soft is None:
        return taken
    expected = -(soft.to(torch.float32) * log_p).sum(-1).mean()
    return hard * taken + (1 - hard) * expected


@torch.no_grad()
def bits_per_byte(params: model.Params, shape: model.Shape, corpora: list[Corpus], device: torch.device, dtype=None):
    result = {}
    for c in corpora:
        log_p = model.score(params, torch.from_numpy(c.valid).to(device), shape, start=END, matmul_dtype=dtype)
        result[c.name] = round(float(-log_p.double().sum() / math.log(2) / c.valid_bytes), 5)
    return result


def train(settings: Settings, corpora: list[Corpus], targets: Targets | None, device: torch.device) -> None:
    out = Path(settings.out)
    out.mkdir(parents=True, exist_ok=True)
    torch.manual_seed(settings.seed)
    began = time.monotonic()
    trainer = Trainer(settings, corpora, targets, device)
    count = sum(p.numel() for p in trainer.params.values())
    per_step = settings.streams * settings.segment
    print(f"{count} parameters, {trainer.epoch_tokens} tokens in an epoch, {per_step} in a step", flush=True)

    with (out / "log.jsonl").open("w") as log:
        step, seen, progress, lines, evaluated = 0, 0, 0.0, 0, 0
        while progress < 1:
            trainer.set_rate(progress)
            trainer.run()
            step += 1
            if step % 20 == 0 and device.type == "cuda":
                torch.cuda.synchronize()
            progress = min(1.0, max(step / settings.steps, (time.monotonic() - began) / settings.seconds))
            if math.floor(progress * LOG_LINES) == lines:
                continue
            lines = math.floor(progress * LOG_LINES)
            line = {
                "step": step,
                "epoch": round(step * per_step / trainer.epoch_tokens, 3),
                "loss": round(float(trainer.losses[seen:step].mean()), 5),
                "seconds": round(time.monotonic() - began, 1),
            }
            seen = step
            if math.floor(progress * settings.evaluations) > evaluated:
                evaluated = math.floor(progress * settings.evaluations)
                line["bits_per_byte"] = bits_per_byte(trainer.params, trainer.shape, corpora, device, trainer.dtype)
                save_run(out, trainer.params, asdict(settings))
            log.write(json.dumps(line) + "\n")
            log.flush()
            print(json.dumps(line), flush=True)


def main() -> None:
    settings = parse_settings()
    device = pick_device()
    corpora = load_corpora(Path(settings.corpora), Path(settings.tokenizer))
    torch.manual_seed(settings.seed)
    targets = soft_targets(settings, corpora, device) if settings.teachers else None
    train(settings, corpora, targets, device)


if __name__ == "__main__":
    main()
