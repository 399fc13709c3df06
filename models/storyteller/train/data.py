"""The two corpora as token ids, their 90/10 split, and the order in which training walks through them."""

import json
import re
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from tokenizers import Tokenizer

CORPORA = {"shakespeare": "tinyshakespeare.txt", "fairy": "fairy-tales.txt"}
END = 0  # <|endoftext|>
# A heading of the fairy tales: a line of capitals in a paragraph of its own. Headings that follow one another are one.
HEADING = re.compile(rb"(?:(?<=\n\n)|\A)(?:[A-Z0-9 ,'\"!?;:.()-]+\n\n+)+")

# What stands in front of an opening inside a document; encoding the pieces apart gives the tokens of the whole, because the
# pre-tokenizer splits there too.
OPENING = {
    "fairy": re.compile(HEADING.pattern + rb"|(?<=[\n\"'])(?=Once upon a time)"),
    "shakespeare": re.compile(rb"\n(?=\n)\n(?=[A-Z])"),
}


@dataclass(frozen=True)
class Corpus:
    """`train` has <|endoftext|> in front of the text and of every tale; `valid` is the encoding of the text and nothing else.
    `openings` are places in `train` where a reader may want to begin: a tale at its heading, at its first sentence or at
    "Once upon a time", a play at a speaker's name."""

    name: str
    train: np.ndarray
    openings: np.ndarray
    valid: np.ndarray
    valid_bytes: int


def split_bytes(text: bytes) -> tuple[bytes, bytes]:
    """The first 90% of the bytes, which tokenizer and model learn from, and the last 10%."""
    cut = len(text) * 9 // 10
    return text[:cut], text[cut:]


def vocabulary_size(tokenizer_file: Path) -> int:
    return max(json.loads(tokenizer_file.read_text())["model"]["vocab"].values()) + 1


def load_corpora(folder: Path, tokenizer_file: Path) -> list[Corpus]:
    tokenizer = Tokenizer.from_file(str(tokenizer_file))

    def encode(text: bytes) -> list[int]:
        return tokenizer.encode(text.decode()).ids

    corpora = []
    for name, file in CORPORA.items():
        train, valid = split_bytes((folder / file).read_bytes())
        ids, openings = [], []
        for document in split_tales(train) if name == "fairy" else [train]:
            cuts = sorted({0, len(document), *(m.end() for m in OPENING[name].finditer(document))})
            openings.append(len(ids))
            ids.append(END)
            for a, b in zip(cuts, cuts[1:]):
                openings.append(len(ids))
                ids.extend(encode(document[a:b]))
        corpora.append(Corpus(name, np.array(ids), np.array(openings), np.array(encode(valid)), len(valid)))
    return corpora


def split_tales(text: bytes) -> list[bytes]:
    cuts = sorted({0, len(text), *(m.start() for m in HEADING.finditer(text))})
    return [text[a:b] for a, b in zip(cuts, cuts[1:])]


@dataclass(frozen=True)
class Walks:
    """For every step and stream: where its segment starts, whether it goes on from the stream's last one (else its state
    is zero), and whether its first input is replaced by <|endoftext|>. All (steps, streams)."""

    position: np.ndarray
    carry: np.ndarray
    fresh: np.ndarray


def plan_walks(
    regions: list[tuple[int, int]],
    weights: list[float],
    steps: int,
    streams: int,
    segment: int,
    mean: float,
    seed: int,
    openings: list[np.ndarray] | None = None,
    opening_share: float = 0.0,
) -> Walks:
    """Streams walk through regions [low, high) of the token array, segment by segment with their state carried along, for
    `mean` segments on average; then each jumps to a random place of a region drawn by weight, or, with the chance
    `opening_share`, to one of the region's openings. Half of the walks that start elsewhere start on <|endoftext|>."""
    rng = np.random.default_rng(seed)
    position = np.zeros((steps, streams), np.int64)
    carry = np.zeros((steps, streams), bool)
    chances = np.cumsum(np.asarray(weights, float) / np.sum(weights))
    fresh = np.zeros((steps, streams), bool)
    for s in range(streams):
        k = 0
        while k < steps:
            r = min(int(np.searchsorted(chances, rng.random(), "right")), len(regions) - 1)
            low, high = regions[r]
            start = int(rng.integers(low, high - segment))
            if opening_share > 0 and openings is not None and rng.random() < opening_share:
                start = int(rng.choice(openings[r][openings[r] < high - segment]))
            else:
                fresh[k, s] = rng.random() < 0.5
            length = min(int(rng.geometric(1 / mean)), (high - 1 - start) // segment, steps - k)
            position[k : k + length, s] = start + segment * np.arange(length)
            carry[k + 1 : k + length, s] = True
            k += length
    return Walks(position, carry, fresh)
