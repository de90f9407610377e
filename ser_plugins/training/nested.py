"""What a recipe's ``nested.py`` does: choose a configuration for every test speaker without that speaker, then seal.

1. Every configuration of a list is trained under inner validation (``loso-pairs``, or what the list says).
2. For every outer speaker one is chosen, by :mod:`ser_plugins.evaluation.compare.selection`.
3. It is trained on all other speakers and tested on that one, once; the predictions are sealed.
4. The folds are put together as one run, ``<results_folder>/<name>/loso``, for ``ser report --unseal``.

All trainings are ordinary jobs, below ``<results_folder>/<name>/configurations``; a second call resumes.
"""

import argparse
import os
from dataclasses import replace
from pathlib import Path

from ser_plugins.errors import SerError
from ser_plugins.evaluation.compare.ablation import side_by_side
from ser_plugins.evaluation.compare.selection import (
    RULE,
    choose_configurations,
    inner_scores,
    selection_markdown,
    selection_table,
)
from ser_plugins.evaluation.runs.ensemble import record_of_members
from ser_plugins.evaluation.runs.fold_record import ChosenConfiguration, FoldRecord
from ser_plugins.evaluation.runs.folds import fold_results, read_fold_record
from ser_plugins.evaluation.runs.fusion import fuse
from ser_plugins.evaluation.runs.lockbox import read_unseen, seal
from ser_plugins.evaluation.runs.run_protocol import RunProtocol
from ser_plugins.files import read_json, write_json, write_text
from ser_plugins.plain import console
from ser_plugins.training.configurations import parts_of, read_configurations
from ser_plugins.training.endings import one_line_endings
from ser_plugins.training.experiment import Experiment
from ser_plugins.training.recipe import Plan, add_run_options, find_yaml, parse_options, plan_system, report, run_plans
from ser_plugins.training.reproduce import once, overrides_by_file
from ser_plugins.training.settings import fingerprint, sha256

OUTER = "loso"


def nested(arguments, *, prepare, script) -> None:
    """Run a nested selection from its command line.

    Arguments
    ---------
    arguments : list of str
        ``experiments.yaml [--seeds 1,2] [--inner-seeds 1] [--fold PAIRS] [--jobs N] [--launcher L] [--key value]``.
        ``--inner-seeds`` are those of the inner validation, where it has fewer than the final trainings. With
        ``--fold``, pairs of the inner validation or ``all``, nothing is tested. A key that only some of the YAMLs have
        is given to those. The list says ``name`` and ``configurations``: name -> ``yaml`` and the keys that it changes
        there, or name -> ``fuse``, the weights of others on the list; and it may say ``inner``, which inner validation.
    prepare : callable
        The recipe's prepare function.
    script : str
        The recipe's ``nested.py``; files are looked for here and beside it.

    Raises
    ------
    SystemExit
        130 for Ctrl-C, and 2 for anything wrong with the input and for trainings that failed; each after one line on
        the error stream.
    """
    with one_line_endings():
        _nested(list(arguments), once(prepare), Path(script).resolve())


def _nested(arguments, prepare, script):
    options, rest = _parser(script).parse_known_args(arguments)
    if not rest or rest[0].startswith("-"):
        raise SerError(
            got=" ".join(rest) or "no list", expected="a list of configurations first", remedy=f"python {script} --help"
        )
    if "RANK" in os.environ:
        raise SerError(
            got="torchrun, which spreads one training",
            expected="one process that runs many",
            remedy="use --jobs, or --launcher ray",
        )
    name, configurations, protocol = read_configurations(find_yaml(rest[0], script))
    planner = _Planner(name, configurations, rest[1:], options, prepare, script)
    inner_seeds = options.inner_seeds or options.seeds
    inner = {key: planner.plan(key, protocol, inner_seeds, planner.inner_fold) for key in planner.yaml_files}
    settings = planner.settings(inner)
    if planner.inner_fold is None:
        _refuse_opened(planner.folder, settings)
    run_plans(list(inner.values()), options, planner.run_options)
    selection, task, predictions = _select(configurations, inner, settings["seeds"])
    console().print(selection_table(selection, task))
    if planner.inner_fold is not None:
        _write_selection(planner.folder / "inner", selection, task, predictions)
        console().print(
            "Inner validation only, as --fold asks for: nothing was tested. What each entry is worth against the "
            f"first: ser ablation {planner.folder / 'inner.json'}"
        )
        return
    run = _test(planner, selection["chosen"], settings)
    _write_selection(planner.folder / "selection", selection, task, predictions)
    report(run)


class _Planner:
    """Turns entries of a list into ordinary jobs below ``<results_folder>/<name>/configurations``."""

    def __init__(self, name, configurations, arguments, options, prepare, script):
        self.name = name
        self.configurations = configurations
        self.options = options
        self.prepare = prepare
        self.script = script
        self.yaml_files = {
            key: find_yaml(entry["yaml"], script) for key, entry in configurations.items() if "yaml" in entry
        }
        yaml_file = next(iter(self.yaml_files.values()))
        self.run_options, overrides = parse_options(list(dict.fromkeys(self.yaml_files.values())), arguments)
        if "system" in overrides:
            raise SerError(
                got=f"--system {overrides['system']}",
                expected=f"no name: the runs of a list are called {name}, and its entries by their own keys",
                remedy="change name in the list",
            )
        self.inner_fold = overrides.pop("fold", None)
        self.overrides = overrides_by_file(list(self.yaml_files.values()), overrides)
        self.folder = Path(Experiment.of(yaml_file, self.overrides[yaml_file]).values()["results_folder"]) / name

    def plan(self, key, protocol, seeds, fold) -> Plan:
        yaml_file = self.yaml_files[key]
        changes = {option: value for option, value in self.configurations[key].items() if option != "yaml"}
        where = {"system": key, "results_folder": str(self.folder / "configurations"), "protocol": protocol}
        if fold is not None:
            where["fold"] = fold
        experiment = Experiment.of(yaml_file, {**self.overrides[yaml_file], **changes, **where})
        if experiment.values()["normalisation"] == "speaker":
            raise SerError(
                got=f"{key}: transductive, its normalisation sees the test speaker",
                expected="configurations that do not",
                remedy="report it as a row of its own, by train.py",
            )
        options = argparse.Namespace(seeds=seeds, sealed=protocol == OUTER, quiet=self.options.quiet)
        return plan_system(experiment, self.run_options, options, prepare=self.prepare, script=self.script)

    def settings(self, plans) -> dict:
        """What defines the whole choice, before any of it is trained."""
        seeds = [sorted({_place(job)[0] for job in plan.jobs}) for plan in plans.values()]
        if any(plan_seeds != seeds[0] for plan_seeds in seeds):
            raise SerError(got="other seeds in some YAMLs", expected="the same for all", remedy="give --seeds")
        outer_seeds = {"outer_seeds": self.options.seeds} if self.options.inner_seeds else {}
        inner = {
            key: fingerprint(plan.experiment.values(), plan.protocol, self.run_options) for key, plan in plans.items()
        }
        return {
            "rule": RULE,
            "seeds": seeds[0],
            **outer_seeds,
            "configurations": self.configurations,
            "inner_settings_sha256": {key: sha256(settings) for key, settings in inner.items()},
        }


def _write_selection(path, selection, task, predictions):
    write_text(path.with_suffix(".csv"), predictions.to_csv(index=False, float_format="%.8g"))
    write_json(path.with_suffix(".json"), selection)
    write_text(path.with_suffix(".md"), selection_markdown(selection, task) + "\n")


def _test(planner, chosen, settings) -> Plan:
    """Train what was chosen for every speaker, sealed; the run that it makes together."""
    needed = {
        key: [fold for fold, name in chosen.items() if key in parts_of(name, planner.configurations)]
        for key in planner.yaml_files
    }
    seeds = planner.options.seeds
    outer = {key: planner.plan(key, OUTER, seeds, ",".join(folds)) for key, folds in needed.items() if folds}
    run_plans(list(outer.values()), planner.options, planner.run_options)
    run = Plan(planner.name, planner.folder / OUTER, next(iter(outer.values())).protocol)
    _assemble(run, chosen, planner.configurations, outer, settings)
    return run


def _parser(script):
    parser = argparse.ArgumentParser(
        prog=f"{script.parent.name}/{script.name}",
        usage="%(prog)s LIST.yaml [--KEY VALUE ...] [--seeds 1,2] [--fold PAIRS] [--jobs N] ...",
        description="Choose a configuration for every test speaker by inner validation on the others, train it, and "
        "seal the predictions. With --fold (pairs such as spk03-spk08, or all) only the inner validation is run, and "
        "nothing tested: for comparing configurations. Finished trainings are kept, begun ones resumed.",
        allow_abbrev=False,
    )
    parser.add_argument("--inner-seeds", help="seeds of the inner validation; default: those of --seeds")
    add_run_options(parser)
    parser.set_defaults(sealed=True)
    return parser


def _refuse_opened(folder, settings):
    """Tests that were opened stay what they were; and a list takes no other run's folder."""
    finished = {path: FoldRecord.from_json(read_json(path), path) for path in _records_in(folder / OUTER)}
    if finished and all(record.chosen and record.settings == settings for record in finished.values()):
        return
    parts = [path for run in sorted(folder.glob(f"configurations/*/{OUTER}")) for path in _records_in(run)]
    for path, record in {**finished, **{path: FoldRecord.from_json(read_json(path), path) for path in parts}}.items():
        if record.was_sealed or not record.sealed:
            opened_at = record.was_sealed.opened_at if record.was_sealed else "no time known: it was never sealed"
            raise SerError(
                got=f"{path.parent}: opened at {opened_at}",
                expected="a folder of this very list and its seeds, which stay as they were when a test was opened",
                remedy="give the list another `name`",
            )


def _records_in(run_folder) -> list[Path]:
    return sorted(run_folder.glob("seed_*/*/results.json"))


def _select(configurations, plans, seeds) -> tuple:
    """What selection.json says, the task, and the predictions of all configurations side by side."""
    folds = {key: {_place(job): fold_results(job.folder) for job in plan.jobs} for key, plan in plans.items()}
    places = list(next(iter(folds.values())))
    records = {key: folds[key][places[0]].record for key in folds}
    record = next(iter(records.values()))
    target, task = next(iter(record.tasks.items()))
    tables = {}
    for key in configurations:
        weights = parts_of(key, configurations)
        tables[key] = [
            _together({part: folds[part][place].predictions[target] for part in weights}, weights, task)
            for place in places
        ]
    scores = {key: inner_scores(table, task) for key, table in tables.items()}
    protocol = record.protocol.to_json()
    selection = {
        "rule": RULE,
        "score": task.select,
        "task": {key: protocol[key] for key in ("task", "target", "classes", "scale")},
        "seeds": [int(seed.removeprefix("seed_")) for seed in seeds],
        "chosen": choose_configurations(scores, task),
        "inner": scores,
        **_pretrained(configurations, {key: record.protocol for key, record in records.items()}),
    }
    return selection, task, side_by_side(tables)


def _pretrained(configurations, protocols: dict[str, RunProtocol]) -> dict:
    """The pretrained models of each configuration that has any, and the corpus that they may have heard."""
    models = {
        key: sorted({model for part in parts_of(key, configurations) for model in protocols[part].pretrained})
        for key in configurations
    }
    models = {key: names for key, names in models.items() if names}
    return {"corpus": next(iter(protocols.values())).corpus, "pretrained": models} if models else {}


def _together(tables, weights, task):
    return fuse(tables, weights, task) if len(tables) > 1 else next(iter(tables.values()))


def _place(job) -> tuple:
    return job.folder.parent.name, job.folder.name  # seed and fold


def _assemble(run, chosen, configurations, outer, settings):
    """Put the chosen configurations' sealed folds together as one run."""
    folders = {key: {_place(job): job.folder for job in plan.jobs} for key, plan in outer.items()}
    records = [read_fold_record(job.folder) for plan in outer.values() for job in plan.jobs]
    models = tuple(sorted({model for record in records for model in record.protocol.pretrained}))
    for seed, fold in sorted({_place(job) for plan in outer.values() for job in plan.jobs}):
        name = chosen[fold]
        configuration = ChosenConfiguration(name=name, weights=parts_of(name, configurations))
        parts = {key: folders[key][seed, fold] for key in configuration.weights}
        _assemble_fold(run.system, run.run_folder / seed / fold, parts, configuration, settings, models)


def _assemble_fold(system, folder, parts, configuration, settings, models):
    if (folder / "results.json").is_file():
        record = read_fold_record(folder)
        if record.settings == settings and record.chosen == configuration:
            return
    folds = {key: read_unseen(part) for key, part in parts.items()}
    records = [fold.record for fold in folds.values()]
    template = records[0]
    target, task = next(iter(template.tasks.items()))
    tables = {key: fold.predictions[target] for key, fold in folds.items()}
    table = _together(tables, configuration.weights, task).drop(columns="unit")
    protocol = replace(template.protocol, selection="nested", normalisation="as chosen", pretrained=models)
    record = replace(
        record_of_members(records, target),
        system=system,
        protocol=protocol,
        device=", ".join(sorted({record.device for record in records})),
        chosen=configuration,
        settings=settings,
        settings_sha256=sha256(settings),
        sealed=seal(folder, {"predictions.csv": table.to_csv(index=False, float_format="%.8g")}),
    )
    record.write(folder)
