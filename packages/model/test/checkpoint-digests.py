"""Prints the digests that checkpoint-goldens.test.ts expects, from Python's own zipfile, pickle and struct.

    python3 checkpoint-digests.py ../../../fixtures/goldens/models

One line a model: its name, its number of tensors, and the SHA-256 over its tensors in the order of their names: the name, a NUL, the
bytes as stored. A head that repeats the embedding is left out.
"""

import collections
import hashlib
import io
import json
import pathlib
import pickle
import struct
import sys
import zipfile


def safetensors(path):
    data = path.read_bytes()
    (length,) = struct.unpack("<Q", data[:8])
    header = json.loads(data[8 : 8 + length])
    header.pop("__metadata__", None)
    return {name: data[8 + length :][slice(*tensor["data_offsets"])] for name, tensor in header.items()}


def torch(path):
    archive = zipfile.ZipFile(path)
    root = next(name for name in archive.namelist() if name.endswith("/data.pkl"))[: -len("data.pkl")]

    class Unpickler(pickle.Unpickler):
        def find_class(self, module, name):
            if name == "OrderedDict":
                return collections.OrderedDict
            return (lambda storage, *view: storage) if name == "_rebuild_tensor_v2" else name

        def persistent_load(self, pid):
            return archive.read(f"{root}data/{pid[2]}")

    return Unpickler(io.BytesIO(archive.read(f"{root}data.pkl"))).load()


for folder in sorted(pathlib.Path(sys.argv[1]).iterdir()):
    tensors = {}
    for path in folder.glob("model*.safetensors"):
        tensors |= safetensors(path)
    for path in folder.glob("pytorch_model.bin"):
        tensors |= torch(path)
    embedding = next(tensors[name] for name in tensors if "embedding" in name)
    if tensors.get("lm_head.weight") == embedding:
        del tensors["lm_head.weight"]
    digest = hashlib.sha256()
    for name in sorted(tensors):
        digest.update(name.encode() + b"\0" + tensors[name])
    print(folder.name, len(tensors), digest.hexdigest())
