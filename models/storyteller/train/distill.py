"""What a student learns from: the averaged next-token distributions of its teachers, on the training text and on text that
the teachers write together.

A small corpus shows a model each context once; the teachers' distributions say what else could have followed, and their
own text holds as many new contexts as one cares to sample. The validation text plays no part in either.
"""

import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

import model
from data import Corpus
from device import captured, compiled
from storage import load_run

LEAD = 1024  # tokens of context in front of every row of real text
PROMPT = 128  # real tokens that each synthetic stream goes on from


@dataclass(frozen=True)
class Targets:
    """`probabilities[i]` is the teachers' distribution of what follows `tokens[i]`; real text first, then one region
    [low, high) for each synthetic stream, which no walk may cross."""

    tokens: torch.Tensor
    probabilities: torch.Tensor
    regions: list[tuple[int, int]]


class Ensemble:
    """Teachers whose distributions are averaged. Each has its own shape; all share a vocabulary."""

    def __init__(self, folders: list[str], device: torch.device):
        self.members = [load_run(Path(folder), device) for folder in folders]
        self.device = device
        self.dtype = torch.bfloat16 if device.type == "cuda" else torch.float32
        self.vocab = self.members[0][1].vocab

    def new_state(self, batch: int):
        return [model.new_state(shape, batch, self.device, torch.float32) for _, shape in self.members]

    def predict(self, ids: torch.Tensor, states, block=model.block):
        """The mean distribution (b, l, vocab) after each of ids (b, l), and the teachers' states."""
        mean, after = 0, []
        for (params, shape), state in zip(self.members, states):
            logits, left = model.forward(params, ids, state, shape, matmul_dtype=self.dtype, run_block=block)
            mean = mean + torch.softmax(logits.to(torch.float32), dim=-1) / len(self.members)
            after.append(left)
        return mean, after


@torch.no_grad()
def soft_targets(settings, corpora: list[Corpus], device: torch.device) -> Targets:
    began = time.monotonic()
    ensemble = Ensemble(settings.teachers, device)
    streams = settings.synthetic_streams if settings.synthetic > 0 else 0
    real = sum(len(c.train) for c in corpora)
    total = real + streams * settings.synthetic_length
    tokens = torch.zeros(total, dtype=torch.long, device=device)
    probabilities = torch.zeros(total, ensemble.vocab, dtype=torch.float16, device=device)
    at = 0
    for corpus in corpora:
        ids = torch.from_numpy(corpus.train).to(device)
        tokens[at : at + len(ids)] = ids
        label_text(ensemble, ids, probabilities[at : at + len(ids)])
        at += len(ids)
    print(f"labelled {real} tokens of text in {time.monotonic() - began:.1f} s", flush=True)
    if streams:
        prompts = draw_prompts(corpora, settings.shakespeare, streams, settings.seed).to(device)
        size = (streams, settings.synthetic_length)
        write_text(ensemble, prompts, tokens[at:].view(*size), probabilities[at:].view(*size, -1))
    print(f"{total} tokens with targets after {time.monotonic() - began:.1f} s", flush=True)
    low = real + settings.synthetic_length * np.arange(streams)
    return Targets(tokens, probabilities, [(int(a), int(a) + settings.synthetic_length) for a in low])


def label_text(ensemble: Ensemble, ids: torch.Tensor, out: torch.Tensor, rows=64, segment=512) -> None:
    """The text is cut into rows that run side by side, each with LEAD tokens in front (the first row's come from the end)."""
    count = len(ids)
    length = -(-count // (rows * segment)) * segment
    starts = torch.arange(rows, device=ids.device)[:, None] * length
    states = ensemble.new_state(rows)
    for offset in range(-LEAD, length, segment):
        where = (starts + torch.arange(offset, offset + segment, device=ids.device)) % count
        mean, states = ensemble.predict(ids[where], states)
        if offset >= 0:
            inside = (starts + torch.arange(offset, offset + segment, device=ids.device)) < count
            out[where[inside]] = mean[inside].to(out.dtype)


def draw_prompts(corpora: list[Corpus], shakespeare: float, streams: int, seed: int) -> torch.Tensor:
    """PROMPT + 1 consecutive training tokens for each stream."""
    rng = np.random.default_rng(seed)
    rows = []
    for k in range(streams):
        wanted = "shakespeare" if (k + 0.5) / streams < shakespeare else "fairy"
        text = next(c.train for c in corpora if c.name == wanted)
        start = int(rng.integers(0, len(text) - PROMPT - 1))
        rows.append(text[start : start + PROMPT + 1])
    return torch.from_numpy(np.stack(rows))


def write_text(ensemble: Ensemble, prompts: torch.Tensor, tokens: torch.Tensor, probabilities: torch.Tensor) -> None:
    """Samples from the mean distribution, all streams at once, recording each token and the distribution after it."""
    states = ensemble.new_state(len(prompts))
    for part in torch.split(prompts[:, :-1], 64, dim=1):
        _, states = ensemble.predict(part, states)
    advance = compiled(block_in_place, prompts.device)
    current = prompts[:, -1].clone()
    index = torch.zeros(1, dtype=torch.long, device=prompts.device)

    def run_block(u, conv, h, *rest):
        return advance(u, conv, h, *rest), conv, h

    def step() -> None:
        mean, _ = ensemble.predict(current[:, None], states, run_block)
        tokens.index_copy_(1, index, current[:, None])
        probabilities.index_copy_(1, index, mean.to(probabilities.dtype))
        noise = torch.empty_like(mean[:, 0]).exponential_()
        current.copy_((mean[:, 0] / noise).argmax(-1))
        index.add_(1)

    run = captured(step, prompts.device)
    for _ in range(tokens.shape[1]):
        run()


def block_in_place(u, conv, h, *rest):
    """A block whose states replace those it was given: at one token a step, moving the states is most of the work."""
    u, conv_after, h_after = model.block(u, conv, h, *rest)
    conv.copy_(conv_after)
    h.copy_(h_after)
    return u
