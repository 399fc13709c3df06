#!/usr/bin/env bash
# From the two texts to the checkpoint. Needs Node, and Python with torch, safetensors, tokenizers, transformers and matplotlib;
# some fifteen minutes on one H200. Run in models/storyteller:
#
#     bash train/recipe.sh CORPORA WORK
#
# Sums of floats in another order make another model of the same quality, not the same bits.
set -euo pipefail
corpora=$1
work=$2
mkdir -p "$work"
tokenizer=$work/tokenizer.json
train() { python3 train/train.py --corpora "$corpora" --tokenizer "$tokenizer" "$@"; }

npx tsx --conditions=@mamba2/source train/tokenizer.ts "$corpora" "$tokenizer" --vocab 1024

# Eight teachers, each with its own seed: three wide, one wider and shallower, four of the student's own size.
for k in 1 2 3 4 5 6 7 8; do
  case $k in
    [123]) size=(--d-model 512 --layers 10 --steps 1568 --muon-lr 0.004 --drop-embed 0.15 --drop-inner 0.25 --drop-block 0.25) ;;
    4) size=(--d-model 768 --layers 6 --steps 1568 --muon-lr 0.0035 --drop-embed 0.15 --drop-inner 0.3 --drop-block 0.3) ;;
    *) size=(--d-model 256 --layers 10 --steps 1411 --muon-lr 0.005 --drop-embed 0.1 --drop-inner 0.15 --drop-block 0.15) ;;
  esac
  share=$([ $((k % 2)) = 1 ] && echo 0.35 || echo 0.45)
  train --out "$work/teacher-$k" --seed $((10 + k)) --shakespeare "$share" --decay 1.2 --evaluations 4 "${size[@]}"
done

# The student learns the teachers' averaged distributions, on the text and on text that they write. Teacher 4 validated worst
# and is left out.
train --out "$work/student" --seed 1 --teachers "$work"/teacher-[1235678] --synthetic 0.8 --shakespeare 0.4 \
  --steps 19394 --muon-lr 0.006 --decay 0.3 --drop-embed 0 --drop-inner 0 --drop-block 0

# Then it learns, from itself with the context it would usually have, to begin where a reader begins.
train --out "$work/storyteller" --seed 5 --init "$work/student" --teachers "$work/student" --synthetic 0 --openings 0.7 \
  --walk 2 --shakespeare 0.35 --steps 157 --lr 0.0003 --muon-lr 0.001 --decay 0.1 --warmup 0.1 \
  --drop-embed 0 --drop-inner 0 --drop-block 0 --evaluations 1

python3 train/export.py --run "$work/storyteller" --tokenizer "$tokenizer" --out checkpoint
python3 train/evaluate.py --checkpoint checkpoint --corpora "$corpora"
python3 train/golden.py --checkpoint checkpoint --out ../../fixtures/storyteller/golden.safetensors
python3 train/samples.py --checkpoint checkpoint --out "$work/samples.json"

mkdir -p train/logs
for run in "$work"/teacher-? "$work/student" "$work/storyteller"; do cp "$run/log.jsonl" "train/logs/$(basename "$run").jsonl"; done
python3 train/plot.py --logs train/logs --out loss.svg
