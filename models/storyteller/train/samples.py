"""Samples text from a checkpoint, for the model card.

    python samples.py --checkpoint DIR --out samples.json [--count 3] [--temperature 0.8] [--top-p 0.95]
"""

import argparse
import json
from pathlib import Path

import torch
from safetensors.torch import load_file
from tokenizers import Tokenizer

import model
from data import END
from device import pick_device
from export import from_transformers, shape_of

PROMPTS = ["Once upon a time", "The little mermaid", "ROMEO:", "<|endoftext|>"]


def nucleus(p: torch.Tensor, top_p: float) -> torch.Tensor:
    """Keeps of each row (b, vocab) the likeliest tokens that reach `top_p` together."""
    ordered, order = p.sort(-1, descending=True)
    before = ordered.cumsum(-1) - ordered
    return torch.zeros_like(p).scatter(1, order, ordered.masked_fill(before >= top_p, 0.0))


@torch.no_grad()
def sample(params: model.Params, shape: model.Shape, prompt: list[int], args: argparse.Namespace) -> list[list[int]]:
    """`args.count` continuations, each up to <|endoftext|> or `args.tokens` tokens."""
    weights = params["embed"]
    torch.manual_seed(args.seed)
    state = model.new_state(shape, args.count, weights.device, weights.dtype)
    for token in prompt:
        ids = torch.full((args.count, 1), token, device=weights.device)
        logits, state = model.forward(params, ids, state, shape)
    taken = []
    for _ in range(args.tokens):
        p = torch.softmax(logits[:, 0] / args.temperature, dim=-1)
        ids = torch.multinomial(nucleus(p, args.top_p), 1)
        taken.append(ids)
        logits, state = model.forward(params, ids, state, shape)
    rows = torch.cat(taken, dim=1).tolist()
    return [row[: row.index(END)] if END in row else row for row in rows]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--checkpoint", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--count", type=int, default=3)
    parser.add_argument("--tokens", type=int, default=160)
    parser.add_argument("--temperature", type=float, default=0.8)
    parser.add_argument("--top-p", type=float, default=0.95)
    parser.add_argument("--seed", type=int, default=1)
    args = parser.parse_args()
    device = pick_device()
    tokenizer = Tokenizer.from_file(str(args.checkpoint / "tokenizer.json"))
    shape = shape_of(json.loads((args.checkpoint / "config.json").read_text()))
    tensors = load_file(args.checkpoint / "model.safetensors", device=str(device))
    params = from_transformers(tensors, shape.layers, torch.float32)
    samples = []
    for prompt in PROMPTS:
        rows = sample(params, shape, tokenizer.encode(prompt).ids, args)
        samples.append({"prompt": prompt, "texts": [tokenizer.decode(row) for row in rows]})
    settings = {"temperature": args.temperature, "top_p": args.top_p, "seed": args.seed, "tokens": args.tokens}
    args.out.write_text(json.dumps({**settings, "samples": samples}, indent=2) + "\n")
    for s in samples:
        print(f"=== {s['prompt']}\n" + "\n---\n".join(s["prompt"] + text for text in s["texts"]))


if __name__ == "__main__":
    main()
