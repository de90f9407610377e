"""A run folder without models, as reports read it: the records and predictions of its folds, emotions or ratings."""

import json

import numpy as np
import pandas as pd
from run_format import fold_record

from ser_plugins.evaluation.metrics.classification import classification_metrics
from ser_plugins.evaluation.metrics.regression import regression_metrics

CLASSES = ["anger", "boredom", "fear", "neutral"]
FOLDS = ["spk03", "spk08", "spk09"]
SPEAKERS = [f"spk{number:02d}" for number in range(3, 13)]
RATINGS = [-2.4, -1.0, 0.0, 0.4, 1.6, 2.8]


def write_fold(run, fold, seed=1234, n=24, classes=CLASSES, absent="", valid=False, **protocol):
    """Write one fold as training does; the labels depend on the fold, the predictions on the seed too."""
    generator = np.random.default_rng(sum(map(ord, fold)))
    true = generator.choice([name for name in classes if name != absent], n)
    generator = np.random.default_rng([seed, *map(ord, fold)])
    logits = generator.normal(size=(n, len(classes))) + 2 * (true[:, None] == np.array(classes))
    probabilities = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    predicted = np.array(classes)[probabilities.argmax(axis=1)]
    ids = [f"{fold}_{place:03d}" for place in range(n)]
    table = pd.DataFrame({"id": ids, "fold": fold, "seed": seed, "true": true, "predicted": predicted})
    table[[f"p_{name}" for name in classes]] = probabilities
    history = [
        {"epoch": epoch, "lr": 1e-4, "train_loss": 2 / epoch + 0.1 * generator.random()} for epoch in range(1, 9)
    ]
    for row in history if valid else []:
        row |= {"valid_loss": row["train_loss"] + 0.2, "valid_UAR": 0.7 - 0.3 * row["train_loss"] / 2}
    results = fold_record(
        fold,
        seed,
        ids,
        true.tolist(),
        predicted.tolist(),
        classes,
        FOLDS,
        protocol={"corpus": "EmoDB (synthetic)", **protocol},
        system="bigru",
        audit="speakers disjoint, sentences shared",
        history=history,
        epochs=8,
        selected_epoch=8,
        settings={"lr": 1e-4, "heads": 8},
        wall_time_s=60.0 + int(fold[-2:]),
    )
    folder = run / f"seed_{seed}" / fold
    folder.mkdir(parents=True)
    table.to_csv(folder / "predictions.csv", index=False)
    (folder / "results.json").write_text(json.dumps(results))
    return folder


def edit_results(folder, change):
    """Change the record of a fold."""
    path = folder / "results.json"
    results = json.loads(path.read_text())
    change(results)
    path.write_text(json.dumps(results))


def edit_predictions(folder, change):
    """Change the predictions of a fold."""
    path = folder / "predictions.csv"
    change(pd.read_csv(path, dtype=str)).to_csv(path, index=False)


def setting(place, column, value):
    """A change of one cell of predictions.csv."""

    def change(table):
        table.loc[place, column] = value
        return table

    return change


def numbers(fold, seed, n=24, constant=None):
    """Ratings depend on the fold, predictions on the seed too."""
    true = np.random.default_rng([*map(ord, fold)]).choice(RATINGS, n)
    noise = np.random.default_rng([seed, *map(ord, fold)]).normal(0, 1, n)
    return true, np.full(n, constant) if constant is not None else 0.6 * true + noise


def write_numbers(run, fold, seed=1234, units=None, median=0.4, constant=None, scale="mosi", **protocol):
    """One fold of a regression, as training writes it."""
    protocol = {
        "corpus": "MOSI",
        "task": "regression",
        "classes": [],
        "target": "sentiment",
        "scale": scale,
        **protocol,
    }
    folder = write_fold(run, fold, seed=seed, **{**protocol, "classes": ["anger", "fear"]})
    true, predicted = numbers(fold, seed, constant=constant)

    def change(results):
        results["protocol"]["classes"] = []
        results["units"] = {f"{fold}_{place:03d}": units[place % len(units)] if units else fold for place in range(24)}
        results["training"] = {"sentiment": {"median": median, "mean": 0.3, "majority": "positive"}}
        results["metrics"] = regression_metrics(true, predicted, scale) if constant is None else {}
        for row in results["history"]:
            row["valid_MAE"] = row["train_loss"] + 0.1

    edit_results(folder, change)
    table = pd.read_csv(folder / "predictions.csv")[["id", "fold", "seed"]]
    table.assign(true=true, predicted=predicted).to_csv(folder / "predictions.csv", index=False)
    return folder


def write_system(folder, skill=1.0, settings=(), seeds=(1,), speakers=4, n=24, trained_on=48, **protocol):
    """A run whose probabilities lean by ``skill`` to the true class; its labels are those of every other."""
    names = SPEAKERS[:speakers]
    for seed in seeds:
        for fold in names:
            written = write_fold(folder, fold, seed, n, **{"folds": names, "utterances": n * speakers, **protocol})
            generator = np.random.default_rng([seed, *map(ord, fold + folder.parent.name)])

            def answer(table, generator=generator):
                truth = table["true"].to_numpy()[:, None] == np.array(CLASSES)
                logits = generator.normal(size=truth.shape) + skill * truth
                probabilities = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
                table["predicted"] = np.array(CLASSES)[probabilities.argmax(axis=1)]
                table[[f"p_{name}" for name in CLASSES]] = probabilities
                return table

            edit_predictions(written, answer)
            table = pd.read_csv(written / "predictions.csv")
            metrics = classification_metrics(table["true"].tolist(), table["predicted"].tolist(), CLASSES)

            def describe(results, metrics=metrics):
                results.update(system=folder.parent.name, metrics=metrics)
                results["settings"].update(settings)
                results["counts"].update(train=trained_on)

            edit_results(written, describe)
    return folder


def tables_in(run):
    """All predictions of a run."""
    return pd.concat([pd.read_csv(path) for path in sorted(run.glob("seed_*/*/predictions.csv"))])


def rounded(run):
    """A made-up run with predictions as training writes them: eight digits."""
    for path in run.glob("seed_*/*/predictions*.csv"):
        pd.read_csv(path).to_csv(path, index=False, float_format="%.8g")
    return run
