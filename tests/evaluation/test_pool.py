"""Several systems pooled: the formula by hand, seed by seed, and what does not belong together is refused."""

import json

import numpy as np
import pandas as pd
import pytest
from fake_run import write_run
from typer.testing import CliRunner

from ser_plugins.cli import app
from ser_plugins.errors import SerError
from ser_plugins.evaluation.report.summary import write_report
from ser_plugins.evaluation.runs.folds import read_run
from ser_plugins.evaluation.runs.pool import pool_systems


def write_system(folder, name, seeds, **changes):
    run = folder / "EmoDB" / name / "loso"
    for seed in seeds:
        write_run(run, seed=seed)
    for path in run.rglob("results.json"):
        results = json.loads(path.read_text())
        results |= {"system": name}
        results["settings"] |= changes
        path.write_text(json.dumps(results))
    return run


@pytest.fixture
def runs(tmp_path):
    """One in which nothing is drawn, and one of two seeds."""
    return [write_system(tmp_path, "svm", [1]), write_system(tmp_path, "network", [1, 2])]


def test_a_pool_is_the_geometric_mean_seed_by_seed(runs):
    result = CliRunner().invoke(app, ["ensemble", *map(str, runs), "--system", "both"])
    assert result.exit_code == 0, result.output
    pooled = read_run(runs[0].parents[1] / "both" / "loso")
    assert [(run.record.seed, run.record.fold) for run in pooled] == [
        (seed, fold) for seed in (1, 2) for fold in ("spk03", "spk08", "spk09")
    ]
    for run in pooled:
        fold, seed = run.record.fold, run.record.seed
        paths = [runs[0] / "seed_1" / fold, runs[1] / f"seed_{seed}" / fold]
        one, other = (pd.read_csv(path / "predictions.csv").filter(like="p_").to_numpy() for path in paths)
        expected = np.sqrt(one * other) / np.sqrt(one * other).sum(axis=1, keepdims=True)
        found = run.predictions["emotion"]
        np.testing.assert_allclose(found.filter(like="p_").to_numpy(), expected, atol=1e-6)
        assert run.record.metrics["WA"] == pytest.approx((found["true"] == found["predicted"]).mean())
        assert set(run.record.settings["pool"]) == {"svm", "network"}
        assert "both: svm and network, equal weights" in run.record.protocol.statements


def test_a_pool_says_what_any_of_its_members_heard_before(runs):
    for path in runs[1].rglob("results.json"):
        results = json.loads(path.read_text())
        results["protocol"]["pretrained"] = ["openai/whisper-base"]
        path.write_text(json.dumps(results))
    summary = write_report(pool_systems(runs))
    assert summary.protocol.pretrained == ("openai/whisper-base",)


def test_what_does_not_belong_together_is_refused(runs, tmp_path):
    for folders, message in (
        (runs[:1], "1 run folder"),
        ([runs[0], runs[0]], "svm more than once"),
        ([runs[0], write_system(tmp_path / "other", "third", [1], split="another")], "other tests"),
        ([runs[1], write_system(tmp_path, "fourth", [3, 4])], "other seeds"),
    ):
        with pytest.raises(SerError, match=message):
            pool_systems(folders)
    with pytest.raises(SerError, match=r"--system \.\./up"):
        pool_systems(runs, "../up")
    assert not list(tmp_path.rglob("pool"))
