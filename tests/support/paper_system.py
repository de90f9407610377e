"""A run with the settings of the paper's systems, for its tables."""

import json

import numpy as np
import pandas as pd
from fake_run import write_run

PAPERS = {"lr": 1e-4, "batch_size": 32, "dropout": 0.2, "attention_dropout": 0.2, "number_of_epochs": 80, "heads": 8}


def write_paper_system(folder, name, settings, seed=1234, **protocol):
    """One run with answers of its own, right about half of the time."""
    run = write_run(folder / name / "loso", seed=seed, **protocol)
    for path in run.glob("seed_*/*/results.json"):
        results = json.loads(path.read_text())
        kept = {} if "kernel" in settings else PAPERS
        results.update(system=name, settings={**kept, **settings})
        path.write_text(json.dumps(results))
        table = pd.read_csv(path.with_name("predictions.csv"))
        random = np.random.default_rng([*map(ord, name + path.parent.name), seed])
        classes = np.array(table.columns[5:].str.removeprefix("p_"))
        values = random.random((len(table), len(classes))) + 0.6 * (table["true"].to_numpy()[:, None] == classes)
        table.iloc[:, 5:] = values / values.sum(axis=1, keepdims=True)
        table["predicted"] = classes[values.argmax(axis=1)]
        table.to_csv(path.with_name("predictions.csv"), index=False)
    return run
