"""What a recipe's ``nested.py`` does: choose a configuration for every test speaker without that speaker, then seal.

1. Every configuration of a list is trained under inner validation (``loso-pairs``).
2. For every outer speaker one is chosen, by :mod:`ser_plugins.evaluation.selection`.
3. It is trained on all other speakers and tested on that one, once; the predictions are sealed.
4. The folds are put together as one run, ``<results_folder>/<name>/loso``, for ``ser report --unseal``.

All trainings are ordinary jobs, below ``<results_folder>/<name>/configurations``; a second call resumes.
"""

import argparse
import re
import sys
from pathlib import Path

import speechbrain as sb
import yaml
from rich.console import Console
from rich.markdown import Markdown

from ser_plugins.corpora.protocols import INNER
from ser_plugins.errors import SerError
from ser_plugins.evaluation.folds import fold_results, tasks_in
from ser_plugins.evaluation.fusion import fuse
from ser_plugins.evaluation.report import terminal_table, write_report
from ser_plugins.evaluation.sealing import predictions_of, seal
from ser_plugins.evaluation.selection import RULE, choose_configurations, inner_scores, selection_markdown
from ser_plugins.files import read_json, write_json, write_text
from ser_plugins.training.recipe import Plan, add_run_options, find_yaml, parse_options, plan_system, run_plans
from ser_plugins.training.reproduce import once, overrides_by_file
from ser_plugins.training.settings import resolve, sha256

OUTER = "loso"
_NAME = re.compile(r"[\w.+-]+")


def nested(arguments, *, prepare, script) -> None:
    """Run a nested selection from its command line.

    Arguments
    ---------
    arguments : list of str
        ``experiments.yaml [--seeds 1,2] [--folds PAIRS] [--jobs N] [--launcher L] [--key value ...]``. With
        ``--folds``, pairs of the inner validation or ``all``, nothing is tested. A key that only some of the YAMLs have
        is given to those. The list says ``name`` and ``configurations``: name -> ``yaml`` and the keys that it changes
        there, or name -> ``fuse``, the weights of others on the list.
    prepare : callable
        The recipe's prepare function.
    script : str
        The recipe's ``nested.py``; files are looked for here and beside it.

    Raises
    ------
    SystemExit
        2, after one line on the error stream, for anything wrong with the input, and for trainings that failed.
    """
    try:
        _nested(list(arguments), once(prepare), Path(script).resolve())
    except SerError as error:
        print(f"error: {error}", file=sys.stderr)
        raise SystemExit(2) from None


def _nested(arguments, prepare, script):
    own, rest = _parser(script).parse_known_args(arguments)
    if not rest or rest[0].startswith("-"):
        raise SerError(
            got=" ".join(rest) or "no list", expected="a list of configurations first", remedy=f"python {script} --help"
        )
    name, configurations = read_configurations(find_yaml(rest[0], script))
    trained = {key: of for key, of in configurations.items() if "yaml" in of}
    yaml_files = {key: find_yaml(of["yaml"], script) for key, of in trained.items()}
    first = next(iter(yaml_files.values()))
    run_options, overrides = parse_options(first, rest[1:])
    sb.utils.distributed.ddp_init_group(run_options)
    by_file = overrides_by_file(list(yaml_files.values()), overrides)
    folder = Path(resolve(first, by_file[first])["results_folder"]) / name

    def plan(key, protocol, folds=None) -> Plan:
        its = {option: value for option, value in trained[key].items() if option != "yaml"}
        where = {"system": key, "results_folder": str(folder / "configurations"), "protocol": protocol}
        options = argparse.Namespace(folds=folds, seeds=own.seeds, sealed=protocol == OUTER)
        values = {**by_file[yaml_files[key]], **its, **where}
        if resolve(yaml_files[key], values)["normalisation"] == "speaker":
            raise SerError(
                got=f"{key}: transductive, its normalisation sees the test speaker",
                expected="configurations that do not",
                remedy="report it as a row of its own, by train.py",
            )
        return plan_system(yaml_files[key], values, run_options, options, prepare=prepare, script=script)

    inner = {key: plan(key, INNER, own.folds) for key in trained}
    run_plans(list(inner.values()), own, run_options)
    selection, task = _select(configurations, inner)
    write_json(folder / "selection.json", selection)
    write_text(folder / "selection.md", selection_markdown(selection, task) + "\n")
    Console().print(Markdown(selection_markdown(selection, task)))
    if own.folds:
        Console().print("Inner validation only, as --folds asks for: nothing was tested.")
        return

    needed = {key: [k for k, of in selection["chosen"].items() if key in _parts(of, configurations)] for key in trained}
    outer = {key: plan(key, OUTER, ",".join(folds)) for key, folds in needed.items() if folds}
    run_plans(list(outer.values()), own, run_options)
    settings = {"rule": RULE, "configurations": configurations, "inner_settings_sha256": selection["settings_sha256"]}
    run = Plan(name, folder / OUTER, next(iter(outer.values())).protocol, [])
    _assemble(run, selection["chosen"], configurations, outer, settings)
    if run.why_no_report:
        Console().print(f"{name}: {run.why_no_report}", highlight=False)
    else:
        Console().print(terminal_table(write_report(run.run_folder)))


def _parser(script):
    parser = argparse.ArgumentParser(
        prog=f"{script.parent.name}/{script.name}",
        usage="%(prog)s LIST.yaml [--KEY VALUE ...] [--seeds 1,2] [--folds PAIRS] [--jobs N] ...",
        description="Choose a configuration for every test speaker by inner validation on the others, train it, and "
        "seal the predictions. With --folds (pairs such as spk03-spk08, or all) only the inner validation is run, and "
        "nothing tested: for comparing configurations. Finished trainings are kept, begun ones resumed.",
        allow_abbrev=False,
    )
    add_run_options(parser)
    parser.set_defaults(sealed=True)
    return parser


def read_configurations(path) -> tuple[str, dict]:
    """Name and configurations of a list, checked.

    Raises
    ------
    SerError
        When the file is no such list, or fuses what it does not train.
    """
    try:
        content = yaml.safe_load(Path(path).read_text(encoding="utf-8"))
        name, configurations = content["name"], content["configurations"]
        trained = [key for key, of in configurations.items() if "yaml" in of]
        fused = {key: of["fuse"] for key, of in configurations.items() if set(of) == {"fuse"}}
        unknown = [part for weights in fused.values() for part in weights if part not in trained]
        names = [str(key) for key in (name, *configurations)]
    except (yaml.YAMLError, UnicodeDecodeError, KeyError, TypeError, AttributeError) as error:
        raise SerError(
            got=f"{path}: {type(error).__name__} {error}",
            expected="`name`, and `configurations`: each with `yaml` and keys to change, or with `fuse`",
            remedy="see recipes/EmoDB/experiments.yaml",
        ) from None
    odd = [key for key in configurations if key not in trained and key not in fused]
    odd += [key for key in names if not _NAME.fullmatch(key)] + unknown
    if odd or not trained or not all(fused.values()):
        raise SerError(
            got=f"{path}: {', '.join(map(str, odd)) or 'nothing to train, or to fuse'}",
            expected="names of letters, digits and . + - _, each with `yaml`, or with `fuse` of some that have it",
            remedy="correct the list",
        )
    return str(name), configurations


def _parts(key, configurations) -> dict:
    """What a configuration is made of, with weights."""
    return configurations[key].get("fuse") or {key: 1}


def _select(configurations, plans) -> tuple:
    """What selection.json says, and the task."""
    found = {key: {_place(job): fold_results(job.folder) for job in plan.jobs} for key, plan in plans.items()}
    results = {key: next(iter(of.values())).results for key, of in found.items()}
    target, task = next(iter(tasks_in(next(iter(results.values()))).items()))
    scores = {}
    for key in configurations:
        weights = _parts(key, configurations)
        tables = [
            _together({part: found[part][place].predictions[target] for part in weights}, weights, task)
            for place in next(iter(found.values()))
        ]
        scores[key] = inner_scores(tables, task)
    return {
        "rule": RULE,
        "score": task.select,
        "seeds": sorted({of.results["seed"] for of in next(iter(found.values())).values()}),
        "chosen": choose_configurations(scores, task),
        "inner": scores,
        "settings_sha256": {key: of["settings_sha256"] for key, of in results.items()},
    }, task


def _together(tables, weights, task):
    return fuse(tables, weights, task) if len(tables) > 1 else next(iter(tables.values()))


def _place(job) -> tuple:
    return job.folder.parent.name, job.folder.name  # seed and fold


def _assemble(run, chosen, configurations, outer, settings):
    """Put the chosen configurations' sealed folds together as one run."""
    folders = {key: {_place(job): job.folder for job in plan.jobs} for key, plan in outer.items()}
    for seed, fold in sorted({place for of in folders.values() for place in of}):
        choice = {"name": chosen[fold], "weights": _parts(chosen[fold], configurations)}
        parts = {key: folders[key][seed, fold] for key in choice["weights"]}
        _assemble_fold(run.system, run.run_folder / seed / fold, parts, choice, settings)


def _assemble_fold(system, folder, parts, choice, settings):
    if (folder / "results.json").is_file():
        there = read_json(folder / "results.json")
        if there["settings"] == settings and there["chosen"] == choice:
            return
        if "was_sealed" in there:
            raise SerError(
                got=f"{folder}: opened at {there['was_sealed']['opened_at']}, and the list or its scores changed since",
                expected="a list that stays as it was when its tests were opened",
                remedy="give the new list another `name`",
            )
    results = {key: read_json(part / "results.json") for key, part in parts.items()}
    (target, task), *_ = tasks_in(first := next(iter(results.values()))).items()
    tables = {key: predictions_of(part, results[key])[target] for key, part in parts.items()}
    text = _together(tables, choice["weights"], task).drop(columns="unit").to_csv(index=False, float_format="%.8g")
    write_json(
        folder / "results.json",
        {
            **first,
            "system": system,
            "protocol": {**first["protocol"], "selection": "nested", "normalisation": "as chosen"},
            "training": {target: first["training"][target]},
            "auxiliary": {},
            "history": [],
            "epochs": 0,
            "selected_epoch": None,
            "checkpoint": None,
            "parameters": sum(of["parameters"] for of in results.values()),
            "wall_time_s": sum(of["wall_time_s"] for of in results.values()),
            "device": ", ".join(sorted({of["device"] for of in results.values()})),
            "chosen": choice,
            "settings": settings,
            "settings_sha256": sha256(settings),
            "sealed": seal(folder, {"predictions.csv": text}),
        },
    )
