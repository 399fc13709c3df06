"""Writes truth.jsonl: what Hugging Face's tokenizers library (Rust) makes of random text with many configurations.

    pip install tokenizers==0.23.2
    python make.py ../../../../fixtures/goldens/tokenizers > truth.jsonl

Each line is one configuration: a golden tokenizer (`base`), what is changed in its file, and cases.
"""

import json
import random
import sys
from pathlib import Path

import tokenizers

FOLDER = Path(sys.argv[1])
CASES = 9

SCRAPS = [
    list("abc the ing"),
    list(" \t\n\r\u0085\u00a0\u2003\u3000\ufeff\u200b\u200d\u2028"),
    ["'s", "'LL", "'Ve", "'\u017f", "can't", "'"],
    list("0123456789\u00bd\u00b2\u2167\u0663"),
    list("\u0301\u0323\u0316\u0327\u0308\u0344aeouAO"),
    list("\u1112\u1161\u11ab\u1100\uac00\u212b\u2126\u1e9b\u0958\u0f43\ufb1d\U0001d15e"),
    list("\u72b6\u6001\u7a7a\u95f4"),
    list("\U0001f469\u200d\U0001f467\U0001f3fd\ufe0f"),
    list("\u2581\u0120<>|_.-"),
    ["<|endoftext|>", "<s>", "<0x41>", "<m>", " <m> ", "<mask>", "ab", "  ", "    ", "\u00e9"],
]

ADDED = [
    ("<m>", {"lstrip": True}),
    ("<mask>", {"rstrip": True, "special": True}),
    ("ab", {"single_word": True}),
    ("  ", {"normalized": True}),
    ("\u00e9", {"normalized": True}),
    ("the", {"lstrip": True, "rstrip": True, "normalized": True}),
]

LLAMA3 = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}"
    r"| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)


def byte_level(prefix, trim, regex=True):
    return {"type": "ByteLevel", "add_prefix_space": prefix, "trim_offsets": trim, "use_regex": regex}


def split(pattern, behavior):
    return {"type": "Split", "pattern": pattern, "behavior": behavior, "invert": False}


def sequence(key, *members):
    return {"type": "Sequence", key: list(members)}


def replace(pattern, content):
    return {"type": "Replace", "pattern": pattern, "content": content}


def strip(char, start, stop):
    return {"type": "Strip", "content": char, "start": start, "stop": stop}


def special(name):
    return {"SpecialToken": {"id": name, "type_id": 0}}


def configurations():
    text = {"Sequence": {"id": "A", "type_id": 0}}
    template = {
        "type": "TemplateProcessing",
        "single": [special("<|endoftext|>"), text, special("<|padding|>")],
        "pair": [text, {"Sequence": {"id": "B", "type_id": 1}}],
        "special_tokens": {
            name: {"id": name, "ids": [i], "tokens": [name]} for i, name in enumerate(["<|endoftext|>", "<|padding|>"])
        },
    }
    plain = {"bytelevel": {}, "sentencepiece_bpe": {}}
    for base, patch in plain.items():
        yield f"{base} with added tokens", base, patch, {}, ADDED
    yield "NFC", "bytelevel", {"normalizer": {"type": "NFC"}, "post_processor": byte_level(False, True)}, {}, ADDED
    prefixed = {"pre_tokenizer": byte_level(True, True), "post_processor": byte_level(True, True)}
    yield "prefix space", "bytelevel", prefixed, {}, ADDED
    yield "prefix space, trimmed", "bytelevel", {**prefixed, "post_processor": byte_level(False, True)}, {}, []
    yield "no regex", "bytelevel", {"pre_tokenizer": byte_level(False, True, False)}, {}, []
    llama3 = {
        "pre_tokenizer": sequence("pretokenizers", split({"Regex": LLAMA3}, "Isolated"), byte_level(False, True, False)),
        "post_processor": sequence("processors", byte_level(True, True), template),
    }
    yield "as Llama 3", "bytelevel", llama3, {"ignore_merges": True}, []
    for behavior in ["Removed", "Isolated", "MergedWithPrevious", "MergedWithNext", "Contiguous"]:
        splits = [split({"String": " "}, behavior), split({"Regex": r"[a-c\d]+|[^\s\p{L}]"}, behavior)]
        yield behavior, "bytelevel", {"pre_tokenizer": sequence("pretokenizers", *splits, byte_level(False, True))}, {}, []
    for scheme in ["always", "first", "never"]:
        for cut in [True, False]:
            metaspace = {"type": "Metaspace", "replacement": "\u2581", "prepend_scheme": scheme, "split": cut}
            patch = {"normalizer": None, "pre_tokenizer": metaspace, "decoder": metaspace}
            yield f"Metaspace {scheme} {cut}", "sentencepiece_bpe", patch, {}, ADDED
    yield "unknown, fused", "sentencepiece_bpe", {}, {"byte_fallback": False}, []
    yield "unknown, no decoder", "sentencepiece_bpe", {"decoder": None}, {"byte_fallback": False, "fuse_unk": False}, []
    many = {
        "normalizer": sequence(
            "normalizers",
            {"type": "NFC"},
            {"type": "Prepend", "prepend": "\u2581x"},
            replace({"String": "the"}, "xyzt"),
            replace({"Regex": r"\s+"}, "\u2581"),
        ),
        "decoder": sequence(
            "decoders",
            replace({"String": "\u2581"}, " "),
            {"type": "ByteFallback"},
            strip(" ", 1, 0),
            {"type": "Fuse"},
            strip("x", 2, 0),
        ),
    }
    yield "many steps", "sentencepiece_bpe", many, {"ignore_merges": True}, []


def random_text():
    picks = [random.choice(SCRAPS) for _ in range(random.randint(1, 4))]
    return "".join(random.choice(pick) for pick in picks for _ in range(random.randint(1, 5)))


def with_added(file, added):
    vocabulary = file["model"]["vocab"]
    free = len(vocabulary)
    tokens = []
    for content, flags in added:
        token = {"id": vocabulary.get(content, free), "content": content}
        free += content not in vocabulary
        for flag in ["single_word", "lstrip", "rstrip", "normalized", "special"]:
            token[flag] = flags.get(flag, False)
        tokens.append(token)
    return tokens


def main():
    random.seed(20)
    print(json.dumps({"made_by": "make.py", "tokenizers": tokenizers.__version__}))
    for name, base, patch, model, added in configurations():
        file = json.loads((FOLDER / f"{base}.json").read_text())
        tokens = with_added(file, added)
        file.update(patch)
        file["model"].update(model)
        file["added_tokens"] += tokens
        tokenizer = tokenizers.Tokenizer.from_str(json.dumps(file))
        cases = []
        for _ in range(CASES):
            text = random_text()
            encoding = tokenizer.encode(text)
            cases.append(
                {
                    "text": text,
                    "ids": encoding.ids,
                    "tokens": encoding.tokens,
                    "offsets": encoding.offsets,
                    "mask": encoding.special_tokens_mask,
                    "decoded": tokenizer.decode(encoding.ids, skip_special_tokens=False),
                    "decoded_skip": tokenizer.decode(encoding.ids),
                }
            )
        line = {"name": name, "base": base, "patch": patch, "model": model, "added": tokens, "cases": cases}
        print(json.dumps(line, ensure_ascii=True, separators=(",", ":")))


main()
