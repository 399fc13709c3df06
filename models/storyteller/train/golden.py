"""Compares a checkpoint in transformers with model.py, and writes transformers' logits for others to compare with.

    python golden.py --checkpoint DIR --out golden.safetensors

Both compute in float64 from the weights as stored. The file holds `input_ids` (2, l), `logits` (2, l, vocab) as float32, and
`greedy` (1, prompt + 24): a prompt's ids and the 24 that follow, each the argmax of a full forward pass.
"""

import argparse
import json
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file
from transformers import AutoModelForCausalLM, AutoTokenizer

import model
from data import END
from export import from_transformers, shape_of

TEXTS = [
    "Once upon a time there was a little girl who lived with her grandmother at the edge of a dark forest.",
    "ROMEO:\nBut, soft! what light through yonder window breaks?\nIt is the east, and Juliet is the sun.",
]
PROMPT = "Once upon a time"
GREEDY = 24


@torch.no_grad()
def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--checkpoint", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    args = parser.parse_args()
    tokenizer = AutoTokenizer.from_pretrained(args.checkpoint)
    theirs = AutoModelForCausalLM.from_pretrained(args.checkpoint, dtype=torch.float64).eval()

    encoded = [tokenizer(text)["input_ids"] for text in TEXTS]
    length = min(len(ids) for ids in encoded)
    input_ids = torch.tensor([ids[:length] for ids in encoded])
    logits = theirs(input_ids).logits
    greedy = torch.tensor([tokenizer(PROMPT)["input_ids"]])
    for _ in range(GREEDY):
        following = theirs(greedy).logits[:, -1].argmax(-1, keepdim=True)
        greedy = torch.cat([greedy, following], dim=1)

    shape = shape_of(json.loads((args.checkpoint / "config.json").read_text()))
    params = from_transformers(load_file(args.checkpoint / "model.safetensors"), shape.layers, torch.float64)
    ours = []
    for row in input_ids:
        state = model.new_state(shape, 1, torch.device("cpu"), torch.float64)
        steps = []
        for token in row:
            out, state = model.forward(params, token[None, None], state, shape)
            steps.append(out[0, 0])
        ours.append(torch.stack(steps))
    ours = torch.stack(ours)
    chunked, _ = model.forward(
        params, input_ids[:, : shape.chunk], model.new_state(shape, 2, torch.device("cpu"), torch.float64), shape
    )
    result = {
        "recurrent_relative_l2": float((ours - logits).norm() / logits.norm()),
        "chunked_relative_l2": float((chunked - logits[:, : shape.chunk]).norm() / logits[:, : shape.chunk].norm()),
        "greedy": tokenizer.decode(greedy[0]),
        "end_token": tokenizer.decode([END]),
    }
    print(json.dumps(result))
    # transformers computes norms and decays in float32 whatever the model's type, so agreement ends near 1e-7.
    assert max(result["recurrent_relative_l2"], result["chunked_relative_l2"]) < 1e-5, "the two implementations disagree"
    args.out.parent.mkdir(parents=True, exist_ok=True)
    save_file({"input_ids": input_ids.int(), "logits": logits.float(), "greedy": greedy.int()}, args.out)


if __name__ == "__main__":
    main()
