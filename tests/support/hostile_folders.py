"""Folders that look like models and are none: each kind is a name and what it does to a copy of a good one.

> python tests/hostile_folders.py

loads every one in a process of its own and prints the most memory and time that a refusal took (Linux and macOS).
"""

import io
import json
import os
import pickle
import shutil
import struct
import sys
import tempfile
import time
from pathlib import Path

import torch
from fake_run import resealed, write_fold, write_run, write_whisper, write_whisper_fold

from ser_plugins.errors import SerError
from ser_plugins.export.folder import export_ensemble, export_model
from ser_plugins.inference.bounds import ARGUMENTS
from ser_plugins.inference.card_kinds import KINDS
from ser_plugins.inference.card_scores import CardParts
from ser_plugins.inference.loading import NEEDED, load_model
from ser_plugins.whisper import WhisperEncoder

# Lines that do something in one reader of YAML or another; RUN is a call that leaves a trace.
RUN = "!!python/object/apply:os.mkdir [was-run]"
LINES = [
    "evil: !!python/object/apply:os.mkdir [was-run]", "evil: (!!python/object/apply:os.mkdir [was-run])",
    "? !!python/object/apply:os.mkdir [was-run]\n: 1", "{evil: !!python/object/apply:os.mkdir [was-run]}",
    "evil: [(!!python/object/apply:os.mkdir [was-run])]", "scale: (!!python/object/apply:os.mkdir [was-run])",
    "evil: !apply:os.mkdir [was-run]", "evil: !applyref:os.mkdir [was-run]", "evil: !name:os.system",
    "evil: !module:os", "evil: !include:/etc/hostname", "evil: !include:hyperparams.yaml",
    "evil: !new:subprocess.Popen [[mkdir, was-run]]", "evil: !!python/name:os.system", "evil: !!python/module:os",
    "evil: !!python/object/new:os.system [x]", "evil: !<tag:yaml.org,2002:python/object/apply:os.mkdir> [was-run]",
    "evil: !tuple (1, 2)", "evil: (1, 2)", "evil: !ref <classifier.output>", "evil: !ref <classifier>/../x",
    "evil: !ref 9 ** 9 ** 9", "evil: !ref <modules[x]>", "evil: !copy <classifier>", "evil: &a [*a]",
    "evil: &a 1\nmore: *a", "<<: {evil: 1}", "evil: !PLACEHOLDER", "%YAML 1.1", "%TAG ! tag:yaml.org,2002:python/",
    "---", "--- {}", "...", "...\n---\nevil: 1", "evil: |\n  x", "evil: >\n x", "evil: !!binary aGk=",
    "evil: !!set {a}", "evil: 2026-01-01", "evil: 0o17", "evil: 1:30", "evil: .inf", "evil: .nan", "evil: 'x'",
    'evil: "\\x41"', "evil: yes", "evil: ~", "evil:", "- evil", "evil", "\tevil: 1", "evil: 1 # comment", "#",
    "evil: \u2028x: 1", "\ufeffevil: 1", "evil\u200b: 1", "modules: {}", "__evil: 1", "output_folder: /",
    "savedir: /", "audio_normalizer: !new:os.system", "device: cuda", "jit: true", "compile: true", "overrides: x",
    "\x00", "\x1b[2J", "label_encoder: !new:speechbrain.dataio.encoder.CategoricalEncoder",
    "pretrainer: !new:ser_plugins.checkpoints.Pretrainer", "    paths: {classifier: /etc/passwd}",
    "    conditions: {}", "        evil: !ref <classifier>", "x: " + "[" * 3000,
]  # fmt: skip
VALUES = [
    "-7", "1.0e+400", "1e9", "1000000000000", "99999999999999999999999", ".nan", ".inf", "0x10", "0o10", "1_000",
    "+1", "08", "\u0663", "(1)", "(!!python/object/apply:os.mkdir [was-run])",
    "!!python/object/apply:os.mkdir [was-run]", "[1]", "{}", "~", "''", "'8'", "!ref <x>", "1:30", "!!int 8", "*a",
    "&a 8", "8 # x", "",
]  # fmt: skip
ODD = [
    [], {}, "", "text", -1, 1.5, 2**70, 10**400, [[]], [None], {"a": {"b": "c"}}, "\ud800", 64 * "0", {"a": [1]},
]  # fmt: skip
# Of the odd values those that a key may have.
ALLOWED = {
    **dict.fromkeys(
        ("system", "corpus", "target", "protocol_line", "corpus_sha256", "unit_field", "audit", "precision"),
        ("", "text", 64 * "0"),
    ),
    **dict.fromkeys(("settings_sha256", "protocol_hash"), ("", "text", 64 * "0")),
    **dict.fromkeys(("metrics", "intervals", "about_corpus", "versions", "exported_with"), ({},)),
    **dict.fromkeys(("intervals_made_by", "per_class"), ({},)),
    **dict.fromkeys(("statements", "pretrained", "baselines", "corpora", "by_corpus"), ([],)),
    "temperature": (1.5, 2**70),
}


def kinds() -> dict:
    """What is done to a copy of a good model, by name."""
    return {**_lines(), **_arguments(), **_cards(), **_files()}


def _lines() -> dict:
    acts = {}
    for place, where in (("top", lambda old, line: f"{line}\n{old}"), ("end", lambda old, line: f"{old}{line}\n")):
        for line in LINES:
            acts[f"yaml, {place}: {line!a:.60}"] = _text("hyperparams.yaml", lambda old, w=where, x=line: w(old, x))
    return acts


def _arguments() -> dict:
    acts = {}
    for kind, arguments in ARGUMENTS.items():
        for number, argument in enumerate(arguments if kind is not WhisperEncoder else ()):
            for value in VALUES[number % 3 :: 3]:  # every third: all arguments of a kind are read in the same way
                acts[f"{kind.__name__}.{argument}: {value!a}"] = _argument(kind.__name__, argument, value)
    return acts


def _cards() -> dict:
    return {
        f"model.json, {key}: {str(value)[:30]!a}": _card(key, value)
        for key in (*KINDS, *CardParts.__dataclass_fields__)
        for value in ODD
        if value not in ALLOWED.get(key, ())
    }


def _files() -> dict:
    acts = {}
    for name in (*NEEDED, "model.json"):
        for kind, act in PLACES.items():
            acts[f"{name}, {kind}"] = lambda folder, x=act, y=name: x(folder / y)
    for name, content in weights().items():
        acts[f"weights: {name}"] = lambda folder, x=content: _weights(folder, x)
    return acts


# Arguments of a pretrained encoder that are each within their bounds or beyond, and too much or no model together.
ENCODERS = {
    "states": ["99", "1-49", "0-48", "3-1", "1,1", "1-", "-1", "1--2", "01", "1.0", "one", "1;2", "1,2,3,4,5,6,7,8"],
    "mix": ["none", "1", "Stack"],
    "pool": ["0", "129", "100000000"],
    "merge": ["0", "3"],
    "level": ["yes", "1"],
    "width": ["3", "5", "2048", "1000000000"],
    "heads": ["0", "3", "33", "16384"],
    "hidden_size": ["0", "8193", "99999999"],
    "bands": ["0", "40", "129", "4000000"],
    "last": ["0", "1", "49", "100000"],
}


def encoders() -> dict:
    """What is done to a copy of a model with a pretrained encoder inside, by name."""
    found = {}
    for argument in ARGUMENTS[WhisperEncoder]:
        for value in [*ENCODERS[argument], *VALUES]:
            found[f"encoder, {argument}: {value!a}"] = _argument("WhisperEncoder", argument, value)
    for argument, value in (("states", "0"), ("states", "3"), ("states", "50"), ("states_size", "8193")):
        found[f"encoder, {argument} of the head: {value}"] = _argument("UtteranceEncoder", argument, value)
    file = "compute_features.safetensors"
    for kind, act in PLACES.items():
        found[f"encoder, {file}, {kind}"] = lambda folder, x=act: x(folder / file)
    for name, content in weights().items():
        if name == "not finite":  # the file ends in integers
            content = _not_finite_at_first
        found[f"encoder, weights: {name}"] = lambda folder, x=content: _weights(folder, x, file)
    for name, content in {
        "8 bits without a scale": lambda content: content.replace(b".scale", b".scala"),
        "8 bits everywhere": lambda content: content.replace(b'"F32"', b'"I8"'),
        "8 bits as 16": lambda content: content.replace(b'"I8"', b'"F16"'),
    }.items():
        found[f"encoder, weights: {name}"] = lambda folder, x=content: _weights(folder, x, file)
    found["encoder, its weights not listed"] = _unlisted(file)
    return found


def _text(name, changed):
    def act(folder):
        path = folder / name
        path.write_bytes(changed(path.read_text(encoding="utf-8")).encode("utf-8", "surrogatepass"))
        resealed(folder)

    return act


def _argument(kind, argument, value):
    """Give the argument this value, in the place of the one it had or as a first one."""

    def changed(text):
        lines = text.split("\n")
        start = next((n for n, line in enumerate(lines) if line.endswith(f".{kind}")), None)
        if start is None:  # a model has one kind of head only
            start = next(n for n, line in enumerate(lines) if line.startswith("classifier:"))
        end = lines.index("", start)
        own = [line for line in lines[start + 1 : end] if not line.startswith(f"    {argument}:")]
        return "\n".join([*lines[: start + 1], f"    {argument}: {value}", *own, *lines[end:]])

    return _text("hyperparams.yaml", changed)


def _card(key, value):
    def act(folder):
        path = folder / "model.json"
        card = json.loads(path.read_text(encoding="utf-8"))
        path.write_text(json.dumps({**card, key: value}), encoding="utf-8")

    return act


def _not_finite_at_first(content):
    start = 8 + struct.unpack("<Q", content[:8])[0]
    return content[:start] + struct.pack("<f", float("nan")) + content[start + 4 :]


def _unlisted(name):
    def act(folder):
        path = folder / "model.json"
        card = json.loads(path.read_text(encoding="utf-8"))
        del card["files"][name]
        path.write_text(json.dumps(card), encoding="utf-8")

    return act


def _weights(folder, content, name="embedding_model.safetensors"):
    path = folder / name
    path.write_bytes(content(path.read_bytes()) if callable(content) else content)
    resealed(folder)


def _away(path):
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def _replaced(make):
    def act(path):
        _away(path)
        make(path)

    return act


def _sparse(path):
    os.truncate(path, 2**30)


def _outside(path):
    target = path.parent.parent / f"outside-{path.name}"
    shutil.copy(path, target)
    _away(path)
    path.symlink_to(target)


# What may lie where a file should.
PLACES = {
    "missing": _away,
    "empty": lambda path: path.write_bytes(b""),
    "a folder": _replaced(Path.mkdir),
    "a gibibyte of nothing": _sparse,
    "noise": lambda path: path.write_bytes(bytes(range(256)) * 64),
}
if os.name == "posix":
    PLACES |= {
        "a link to itself": _replaced(lambda path: path.symlink_to(path)),
        "a link to nowhere": _replaced(lambda path: path.symlink_to("nowhere")),
        "a link outside": _outside,
        "a link to zeros without end": _replaced(lambda path: path.symlink_to("/dev/zero")),
        "a pipe": _replaced(os.mkfifo),
    }


class _Runs:
    def __reduce__(self):
        return os.mkdir, ("was-run",)


def header(length=None, data=8, **tensors) -> bytes:
    """A file of weights with this header."""
    text = json.dumps(tensors).encode()
    return struct.pack("<Q", len(text) if length is None else length) + text + bytes(data)


def weights() -> dict:
    """What may lie in a file of weights: bytes, or what is made of the right ones."""
    stream = io.BytesIO()
    torch.save({"weight": _Runs()}, stream)
    one = {"dtype": "F32", "shape": [2], "data_offsets": [0, 8]}
    return {
        "a pickle": pickle.dumps(_Runs()),
        "a torch archive": stream.getvalue(),
        "cut": lambda content: content[:-100],
        "cut in the header": lambda content: content[:50],
        "longer": lambda content: content + bytes(8),
        "a header of 2^63 bytes": header(length=2**63, bias=one),
        "a header of 2^40 bytes": header(length=2**40),
        "a list as header": struct.pack("<Q", 2) + b"[]",
        "nesting": struct.pack("<Q", 50_000) + b'{"a":' * 10_000,
        "no tensors": header(),
        "2^40 values": header(bias={**one, "shape": [2**40]}),
        "2^124 values": header(bias={**one, "shape": [2**62, 2**62]}),
        "a shape below 0": header(bias={**one, "shape": [-2]}),
        "a shape of text": header(bias={**one, "shape": ["2"]}),
        "no shape": header(bias={"dtype": "F32"}),
        "offsets backwards": header(bias={**one, "data_offsets": [8, 0]}),
        "objects": header(bias={**one, "dtype": "object"}),
        "another name": header(evil=one),
        "not finite": lambda content: content[:-4] + struct.pack("<f", float("nan")),
        "another type": lambda content: content.replace(b'"F32"', b'"I32"'),
        "other names": lambda content: content.replace(b"weight", b"height"),
    }


def ensembles() -> dict:
    """What an ensemble's ``model.json`` may list as members, from the right ones."""
    return {
        "none": lambda members: {},
        "a list": lambda members: list(members),
        "itself": lambda members: {".": next(iter(members.values()))},
        "above": lambda members: {"..": next(iter(members.values()))},
        "absolute": lambda members: {"/etc": next(iter(members.values()))},
        "a zero byte": lambda members: {"a\0b": next(iter(members.values()))},
        "missing": lambda members: {**members, "gone": 64 * "0"},
        "another hash": lambda members: dict.fromkeys(members, 64 * "0"),
        "a number": lambda members: dict.fromkeys(members, 7),
        "one twice": lambda members: {**members, "again": next(iter(members.values()))},
        "a hundred thousand": lambda members: {f"m{number}": f"{number:064x}" for number in range(3_000)},
    }


def damaged_ensemble(folder: Path, change) -> None:
    """Change the list of members of an ensemble."""
    path = folder / "model.json"
    card = json.loads(path.read_text(encoding="utf-8"))
    path.write_text(json.dumps({**card, "members": change(card["members"])}), encoding="utf-8")


def good_models(folder: Path) -> tuple[Path, Path, Path]:
    """A model, an ensemble, and a model with a pretrained encoder in 8 bits."""
    export_model(write_fold(folder / "run", "spk03"), folder / "model")
    export_ensemble(write_run(folder / "runs"), folder / "ensemble")
    fold, _ = write_whisper_fold(folder / "loso", write_whisper(folder / "whisper"))
    export_model(fold, folder / "encoder", int8=True)
    return folder / "model", folder / "ensemble", folder / "encoder"


def hostile(models: tuple, folder: Path):
    """Yield the name of a kind and a folder of that kind; the one before is gone then."""
    model, ensemble, encoder = models
    acts = [(name, model, act) for name, act in kinds().items()]
    acts += [(name, encoder, act) for name, act in encoders().items()]
    acts += [
        (f"ensemble: {name}", ensemble, lambda copy, x=change: damaged_ensemble(copy, x))
        for name, change in ensembles().items()
    ]
    for name, source, act in acts:
        copy = shutil.copytree(source, folder / "copy")
        act(copy)
        yield name, copy
        shutil.rmtree(copy)


def _loaded_alone(path) -> dict:
    """Load in a process of its own: what was said, seconds, and the most memory of that process in MiB."""
    import resource

    reading, writing = os.pipe()
    child = os.fork()
    if not child:
        start = time.perf_counter()
        try:
            load_model(path)
            said = None
        except SerError as error:
            said = str(error)
        unit = 2**10 if sys.platform == "linux" else 2**20
        most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / unit
        os.write(writing, json.dumps({"said": said, "s": time.perf_counter() - start, "MiB": most}).encode())
        os._exit(0)
    os.waitpid(child, 0)
    row = json.loads(os.read(reading, 2**16))
    os.close(reading)
    os.close(writing)
    return row


def main() -> None:
    """Measure every kind in a process of its own."""
    with tempfile.TemporaryDirectory() as temporary:
        models = good_models(Path(temporary))
        good = _loaded_alone(models[0])
        rows = {name: _loaded_alone(path) for name, path in hostile(models, Path(temporary))}
    taken = [name for name, row in rows.items() if row["said"] is None]
    print(f"{len(rows)} folders; {len(rows) - len(taken)} refused, loaded: {', '.join(taken) or 'none'}")
    for key, unit in (("s", "s"), ("MiB", "MiB of the whole process")):
        worst = max(rows, key=lambda name: rows[name][key])
        print(f"at most {rows[worst][key]:.2f} {unit} ({worst}); a good model: {good[key]:.2f}")


if __name__ == "__main__":
    main()
