"""Runs on disk: stacked float32 parameters and the settings that made them."""

import json
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file

import model


def save_run(folder: Path, params: model.Params, settings: dict) -> None:
    save_file({k: p.detach().cpu().contiguous() for k, p in params.items()}, folder / "params.safetensors")
    (folder / "settings.json").write_text(json.dumps(settings, indent=2, default=str) + "\n")


def load_run(folder: Path, device: torch.device) -> tuple[model.Params, model.Shape]:
    settings = json.loads((folder / "settings.json").read_text())
    params = load_file(folder / "params.safetensors", device=str(device))
    return params, model.Shape(params["embed"].shape[0], settings["d_model"], settings["layers"], settings["state"])
