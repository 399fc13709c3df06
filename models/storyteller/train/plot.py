"""Draws the loss curves of the runs that made the storyteller.

    python plot.py --logs logs --out ../loss.svg
"""

import argparse
import json
from pathlib import Path

import matplotlib

matplotlib.use("svg")
import matplotlib.pyplot as plt  # noqa: E402

COLOURS = {"shakespeare": "#8c2d62", "fairy": "#1f7a5c"}
NAMES = {"shakespeare": "Shakespeare", "fairy": "fairy tales"}
TARGET = 2.12  # nanoGPT's character model: 1.4697 nats per character


def read(file: Path) -> list[dict]:
    return [json.loads(line) for line in file.read_text().splitlines()]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--logs", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    args = parser.parse_args()
    teachers = [read(file) for file in sorted(args.logs.glob("teacher-*.jsonl"))]
    student, final = read(args.logs / "student.jsonl"), read(args.logs / "storyteller.jsonl")

    matplotlib.rcParams.update({"svg.hashsalt": "storyteller", "font.size": 9, "axes.spines.top": False, "axes.spines.right": False})
    figure, (losses, bits) = plt.subplots(1, 2, figsize=(9, 3.6), constrained_layout=True)

    for k, lines in enumerate(teachers):
        label = "teachers, against the text (with dropout)" if k == 0 else None
        losses.plot([x["epoch"] for x in lines], [x["loss"] for x in lines], color="#b8b8b8", lw=0.9, label=label)
    losses.plot([x["epoch"] for x in student], [x["loss"] for x in student], color="#2b4c8c", label="student, against its teachers")
    losses.set(xscale="log", xlim=(0.4, 400), xlabel="epochs (tokens seen / 1.28 million)", ylabel="training loss, nats per token", ylim=(2, 5))
    losses.legend(frameon=False)

    for k, lines in enumerate(teachers):
        for corpus, colour in COLOURS.items():
            points = [(x["epoch"], x["bits_per_byte"][corpus]) for x in lines if "bits_per_byte" in x]
            label = "a teacher" if k == 0 and corpus == "shakespeare" else None
            bits.plot(*zip(*points), color=colour, lw=0.7, alpha=0.35, label=label)
    end = student[-1]["epoch"]
    for corpus, colour in COLOURS.items():
        points = [(x["epoch"], x["bits_per_byte"][corpus]) for x in student if "bits_per_byte" in x]
        bits.plot(*zip(*points), color=colour, marker="o", ms=3, label=f"student, {NAMES[corpus]}")
        bits.plot(end + final[-1]["epoch"], final[-1]["bits_per_byte"][corpus], color=colour, marker="*", ms=9)
    bits.axhline(TARGET, color="#888888", lw=0.8, ls=":")
    bits.text(0.98, TARGET + 0.008, "nanoGPT's 10.7M character model, Shakespeare", ha="right", transform=bits.get_yaxis_transform(), fontsize=7)
    bits.set(xscale="log", xlabel="epochs (★ the storyteller)", ylabel="validation bits per byte")
    bits.legend(frameon=False, fontsize=8)
    figure.savefig(args.out, metadata={"Date": None})


if __name__ == "__main__":
    main()
