"""Writes a run as a checkpoint that transformers loads (`Mamba2ForCausalLM`), in half precision.

    python export.py --run DIR --tokenizer tokenizer.json --out checkpoint [--dtype float16|bfloat16]
"""

import argparse
import json
import shutil
from pathlib import Path

import torch
from safetensors.torch import save_file

import model
from data import END
from storage import load_run

MIXER = {
    "in_proj": "mixer.in_proj.weight",
    "conv_weight": "mixer.conv1d.weight",
    "conv_bias": "mixer.conv1d.bias",
    "dt_bias": "mixer.dt_bias",
    "A_log": "mixer.A_log",
    "D": "mixer.D",
    "gated_norm": "mixer.norm.weight",
    "out_proj": "mixer.out_proj.weight",
    "norm": "norm.weight",
}
# Finite, so that config.json is JSON; softplus of any activation met in practice lies far below it.
DT_LIMIT = [0.0, 1000.0]


def to_transformers(params: model.Params, layers: int, dtype: torch.dtype) -> model.Params:
    tensors = {"backbone.embeddings.weight": params["embed"], "backbone.norm_f.weight": params["norm_f"]}
    for name, theirs in MIXER.items():
        for k in range(layers):
            tensor = params[name][k]
            tensors[f"backbone.layers.{k}.{theirs}"] = tensor[:, None] if name == "conv_weight" else tensor
    return {name: t.to(dtype).contiguous() for name, t in tensors.items()}


def from_transformers(tensors: model.Params, layers: int, dtype: torch.dtype) -> model.Params:
    params = {"embed": tensors["backbone.embeddings.weight"], "norm_f": tensors["backbone.norm_f.weight"]}
    for name, theirs in MIXER.items():
        stacked = torch.stack([tensors[f"backbone.layers.{k}.{theirs}"] for k in range(layers)])
        params[name] = stacked[:, :, 0] if name == "conv_weight" else stacked
    return {name: t.to(dtype) for name, t in params.items()}


def shape_of(config: dict) -> model.Shape:
    return model.Shape(
        vocab=config["vocab_size"],
        d_model=config["hidden_size"],
        layers=config["num_hidden_layers"],
        state=config["state_size"],
        head_dim=config["head_dim"],
        expand=config["expand"],
        conv=config["conv_kernel"],
        chunk=config["chunk_size"],
    )


def config_of(shape: model.Shape, dtype: str) -> dict:
    return {
        "architectures": ["Mamba2ForCausalLM"],
        "model_type": "mamba2",
        "dtype": dtype,
        "vocab_size": shape.vocab,
        "hidden_size": shape.d_model,
        "num_hidden_layers": shape.layers,
        "state_size": shape.state,
        "expand": shape.expand,
        "num_heads": shape.heads,
        "head_dim": shape.head_dim,
        "n_groups": 1,
        "conv_kernel": shape.conv,
        "chunk_size": shape.chunk,
        "hidden_act": "silu",
        "layer_norm_epsilon": model.EPSILON,
        "use_bias": False,
        "use_conv_bias": True,
        "rms_norm": True,
        "residual_in_fp32": True,
        "rescale_prenorm_residual": False,
        "initializer_range": 0.02,
        "time_step_limit": DT_LIMIT,
        "time_step_min": 0.001,
        "time_step_max": 0.1,
        "time_step_floor": 0.0001,
        "tie_word_embeddings": True,
        "use_cache": True,
        "bos_token_id": END,
        "eos_token_id": END,
        "pad_token_id": END,
    }


def write_json(file: Path, value: dict) -> None:
    file.write_text(json.dumps(value, indent=2) + "\n")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--run", type=Path, required=True)
    parser.add_argument("--tokenizer", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--dtype", choices=["float16", "bfloat16"], default="float16")
    args = parser.parse_args()
    params, shape = load_run(args.run, torch.device("cpu"))
    args.out.mkdir(parents=True, exist_ok=True)
    tensors = to_transformers(params, shape.layers, getattr(torch, args.dtype))
    assert all(torch.isfinite(t).all() for t in tensors.values()), "a weight does not fit the storage type"
    save_file(tensors, args.out / "model.safetensors", metadata={"format": "pt"})
    write_json(args.out / "config.json", config_of(shape, args.dtype))
    write_json(
        args.out / "generation_config.json",
        {"bos_token_id": END, "eos_token_id": END, "pad_token_id": END, "do_sample": True, "temperature": 0.8, "top_p": 0.95},
    )
    shutil.copyfile(args.tokenizer, args.out / "tokenizer.json")
    special = {"bos_token": "<|endoftext|>", "eos_token": "<|endoftext|>", "unk_token": "<|endoftext|>"}
    write_json(args.out / "special_tokens_map.json", special)
    write_json(
        args.out / "tokenizer_config.json",
        {
            "tokenizer_class": "PreTrainedTokenizerFast",
            "clean_up_tokenization_spaces": False,
            "model_max_length": 1_000_000_000,
            **special,
        },
    )


if __name__ == "__main__":
    main()
