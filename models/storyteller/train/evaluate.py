"""Bits per byte of a checkpoint folder on the last 10% of each corpus.

    python evaluate.py --checkpoint DIR --corpora DIR [--dtype float64]

-Σ log₂ p over the text's UTF-8 bytes: one pass from the first token to the last with the state carried along, the first
token scored after <|endoftext|>, the tokens those of the deterministic encoding, the weights as stored.
"""

import argparse
import json
from pathlib import Path

import torch
from safetensors.torch import load_file

from data import load_corpora
from device import pick_device
from export import from_transformers, shape_of
from train import bits_per_byte


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--checkpoint", type=Path, required=True)
    parser.add_argument("--corpora", type=Path, required=True)
    parser.add_argument("--dtype", choices=["float32", "float64"], default="float64")
    args = parser.parse_args()
    device = pick_device()
    dtype = getattr(torch, args.dtype)
    shape = shape_of(json.loads((args.checkpoint / "config.json").read_text()))
    tensors = load_file(args.checkpoint / "model.safetensors", device=str(device))
    params = from_transformers(tensors, shape.layers, dtype)
    corpora = load_corpora(args.corpora, args.checkpoint / "tokenizer.json")
    print(json.dumps({"bits_per_byte": bits_per_byte(params, shape, corpora, device), "dtype": args.dtype}))


if __name__ == "__main__":
    main()
