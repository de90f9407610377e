"""A trained fold becomes a folder that loads anywhere: in plain SpeechBrain and in :mod:`ser_plugins.inference`.

The weights are those that were tested, the YAML keeps the constructors and drops the rest (seed, paths, training), and
the card says what was measured. The folder is built beside its target, loaded once, and only then renamed.
"""

import os
import shutil
import tempfile
from contextlib import suppress
from importlib.metadata import version
from pathlib import Path
from typing import NamedTuple

import torch
import yaml

from ser_plugins.classifier import MultiTaskHead
from ser_plugins.errors import MissingPathError, SerError
from ser_plugins.evaluation.report import aggregate, fold_results, read_run
from ser_plugins.evaluation.tasks import tasks_of
from ser_plugins.files import read_json, sha256_of, write_json, write_text
from ser_plugins.inference import open_model
from ser_plugins.serving.card import model_card
from ser_plugins.serving.constructors import (
    LABEL_ENCODER,
    MODULES,
    PRETRAINER,
    WITH_WEIGHTS,
    compose,
    construct,
    constructor,
    pairs,
    scalar,
    tag_of,
)
from ser_plugins.serving.loading import CARD_FILE, LABEL_FILE, YAML_FILE, read_weights

FORMAT = "ser_plugins model"


def export_model(source, folder, overwrite=False) -> dict:
    """Write a relocatable model folder.

    Arguments
    ---------
    source : str or Path
        A finished fold, ``results/<corpus>/<system>/<protocol>/seed_<n>/<fold>``, or the run folder above it. Of a run,
        the fold with most training utterances is taken (ties: first by name; first seed), never the best score.
    folder : str or Path
        Where to; does not exist or is empty.
    overwrite : bool
        Whether an earlier export in ``folder`` may be replaced; anything else never is.

    Returns
    -------
    dict
        The content of ``model.json``.

    Raises
    ------
    MissingPathError, SerError
        Nothing finished in ``source``; modules that are not ours; or a ``folder`` that is not free.

    Example
    -------
    >>> export_model("results/nothing", "models/new")
    Traceback (most recent call last):
    ser_plugins.errors.MissingPathError: got: no folder results/nothing; expected: a fold or run folder; remedy: check \
the path
    """
    folder = Path(folder).absolute()
    _refuse_occupied(folder, overwrite)
    chosen = _choose(Path(source))
    facts = _facts(chosen)
    folder.parent.mkdir(parents=True, exist_ok=True)
    temporary = Path(tempfile.mkdtemp(dir=folder.parent, prefix=f".{folder.name}."))
    try:
        built = temporary / "new"
        built.mkdir()
        _write(built, chosen, facts)
        _put_in_place(built, folder, aside=temporary / "old")
    finally:
        shutil.rmtree(temporary)
    return facts


def _put_in_place(built: Path, folder: Path, aside: Path) -> None:
    """Rename ``built`` to ``folder``; what was there is set aside, and put back when that fails."""
    if folder.exists():
        os.replace(folder, aside)
    try:
        os.replace(built, folder)
    except OSError:
        if aside.exists():
            os.replace(aside, folder)
        raise


class _Chosen(NamedTuple):
    folder: Path
    results: dict
    summary: dict  # the aggregate of the whole protocol; of this fold alone where others are missing
    whole: bool
    reason: str


def _choose(source: Path) -> _Chosen:
    if not source.is_dir():
        raise MissingPathError(got=f"no folder {source}", expected="a fold or run folder", remedy="check the path")
    if any(source.glob("seed_*")):
        runs = read_run(source)
        seed = runs[0].results["seed"]
        most = min(
            (run.results for run in runs if run.results["seed"] == seed),
            key=lambda results: (-results["counts"]["train"], results["fold"]),
        )
        reason = (
            "of the first seed, the fold with the most training utterances, ties by name; scores were not looked at"
        )
        return _Chosen(source / f"seed_{seed}" / most["fold"], most, aggregate(runs), True, reason)
    if not (source / "results.json").is_file():
        raise SerError(
            got=f"{source} has no results.json",
            expected="a finished fold (results.json inside) or a run folder (seed_<n>/ inside)",
            remedy="train it to the end first",
        )
    fold, real, reason = fold_results(source), source.resolve(), "named by whoever exported it"
    results = fold.results
    if real.name == results["fold"] and real.parent.name == f"seed_{results['seed']}":
        # With folds missing or mixed the card has this fold's numbers only, and says so.
        with suppress(SerError):
            return _Chosen(source, results, aggregate(read_run(real.parent.parent)), True, reason)
    return _Chosen(source, results, aggregate([fold]), False, reason)


def _facts(chosen: _Chosen) -> dict:
    """Everything the card says, but for what only the built model knows."""
    results, summary = chosen.results, chosen.summary
    protocol = results["protocol"]
    headline = tasks_of(protocol)[protocol["target"]].scores
    return {
        "format": FORMAT,
        "schema": 1,
        "system": results["system"],
        **{key: protocol[key] for key in ("task", "target", "classes", "scale")},
        "corpus": protocol["corpus"],
        "corpus_sha256": protocol["corpus_sha256"],
        "synthetic": "synthetic" in protocol["corpus"],
        "leaking": protocol["leaks"],
        "transductive": protocol["transductive"],
        **{key: protocol[key] for key in ("partial", "statements", "unit_field")},
        "protocol_line": summary["protocol_line"],
        "protocol_hash": summary["protocol_hash"] if chosen.whole else None,  # it stands for a whole protocol
        "whole_protocol": chosen.whole,
        "tested_utterances": summary["utterances"],
        "metrics": {name: summary["metrics"][name] for name in headline},
        "per_class": summary["metrics"].get("per_class"),
        **{key: summary[key] for key in ("intervals", "intervals_made_by", "baselines")},
        "this_model": {
            "fold": results["fold"],
            "seed": results["seed"],
            "unit": protocol["unit"],
            "chosen": chosen.reason,
            "train_utterances": results["counts"]["train"],
            "test_utterances": len(results["units"]),
            "epoch": results["selected_epoch"],
            "metrics": {name: results["metrics"][name] for name in headline},
        },
        "audit": results["audit"],
        "parameters": results["parameters"],
        "settings_sha256": results["settings_sha256"],
        "versions": results["versions"],
        "exported_with": {name: version(name) for name in ("ser_plugins", "torch", "speechbrain")},
    }


def _write(folder: Path, chosen: _Chosen, facts: dict) -> None:
    """Fill ``folder``; ``facts`` gets what the built model says of itself, and the hashes of the files."""
    checkpoint = chosen.folder / chosen.results["checkpoint"]
    for name in WITH_WEIGHTS:
        weights = checkpoint / f"{name}.ckpt"
        if not weights.is_file():
            raise MissingPathError(
                got=f"no file {weights}", expected="the tested checkpoint", remedy="train the fold again"
            )
        state = read_weights(weights.read_bytes(), weights)
        torch.save(_own_head(state, facts["target"]) if name == "classifier" else state, folder / weights.name)
    write_text(folder / YAML_FILE, _inference_yaml(chosen.folder / YAML_FILE, facts))
    lines = [f"{label!r} => {index}\n" for index, label in enumerate(facts["classes"] or [facts["target"]])]
    write_text(folder / LABEL_FILE, "".join(lines) + "================\n'starting_index' => 0\n")
    model = open_model(folder, device="cpu")  # before anything is promised
    facts["sample_rate"] = model.sample_rate
    facts["min_samples"] = model.min_samples
    facts["min_seconds"] = model.min_samples / model.sample_rate
    write_text(folder / "README.md", model_card(facts))
    facts["files"] = {path.name: sha256_of(path) for path in sorted(folder.iterdir())}
    write_json(folder / CARD_FILE, facts)
    open_model(folder, device="cpu")


def _own_head(state: dict, target: str) -> dict:
    """Of the weights of a multi-task head, those of the corpus' own target: the model that is exported has that one."""
    prefix = f"heads.{target}."
    return {name.removeprefix(prefix): value for name, value in state.items() if name.startswith(prefix)} or state


def _inference_yaml(path: Path, facts: dict) -> str:
    """The constructors of a fold's resolved YAML, arguments literal, and what plain SpeechBrain needs beside them."""
    if not path.is_file():
        raise MissingPathError(got=f"no file {path}", expected="the fold's YAML", remedy="train the fold again")
    nodes, built = compose(path.read_bytes(), path), {}
    if str(nodes["classifier"].tag) == tag_of(MultiTaskHead):
        nodes["classifier"] = pairs(pairs(nodes["classifier"], path)["heads"], path)[facts["target"]]
    lines = ["# Written by `ser export`. Constructors only; the weights lie beside this file.", ""]
    for name in MODULES:
        kind, argument_nodes = constructor(nodes, name, path)
        arguments = {}
        for key, node in argument_nodes.items():
            # SpeechBrain has resolved `!ref <embedding_model.output_size>` to `!apply:getattr [*module, output_size]`.
            owner = _owner(node, nodes)
            arguments[key] = scalar(node, path) if owner is None else getattr(built[owner], node.value[1].value)
        built[name] = construct(kind, name, arguments, path)
        lines.append(f"{name}: {tag_of(kind)}")
        lines += (
            ["    " + line for line in yaml.safe_dump(arguments, sort_keys=False).splitlines()] if arguments else []
        )
        lines.append("")
    lines += ["modules:", *(f"    {name}: !ref <{name}>" for name in MODULES), ""]
    lines += [f"scale: {facts['scale']}", ""] if facts["scale"] else []
    lines += [f"label_encoder: !new:{LABEL_ENCODER}", ""]
    # No paths: SpeechBrain then looks for <name>.ckpt where this file came from, so the folder may be moved.
    lines += [f"pretrainer: !new:{PRETRAINER}", "    loadables:"]
    lines += [f"        {name}: !ref <{name}>" for name in (*WITH_WEIGHTS, "label_encoder")]
    return "\n".join(lines) + "\n"


def _owner(node, nodes):
    """The module whose attribute an argument is, if it is one."""
    if str(node.tag) != "!apply:getattr":
        return None
    return next((name for name in MODULES if nodes.get(name) is node.value[0]), None)


def _refuse_occupied(folder: Path, overwrite: bool) -> None:
    if not folder.exists() and not folder.is_symlink():
        return
    if folder.is_dir() and not folder.is_symlink():
        present = {path.name for path in folder.iterdir()}
        if not present:
            return
        if CARD_FILE in present:
            card = read_json(folder / CARD_FILE)
            ours = isinstance(card, dict) and card.get("format") == FORMAT and present <= {*card["files"], CARD_FILE}
            if ours and overwrite:
                return
            if ours:
                raise SerError(
                    got=f"{folder} holds an exported model",
                    expected="an empty or new folder",
                    remedy="choose another, or allow it to be replaced: --overwrite",
                )
    raise SerError(
        got=f"{folder} is not empty" if folder.is_dir() else f"{folder} is not a folder",
        expected="an empty or new folder, or with --overwrite an export and nothing beside it",
        remedy="choose another folder",
    )
