"""The benchmarks run and say what they should; no timing is asserted here, only the shape of a cost."""

import doctest
import json
import os
import re
import subprocess
import sys

import forked
import pytest
from conftest import ROOT

from ser_plugins.errors import MissingPathError, SerError
from ser_plugins.inference import BUNDLED, EmotionClassifier
from ser_plugins.machine import cores, peak_memory

BENCHMARKS = ROOT / "benchmarks"
sys.path.insert(0, str(BENCHMARKS))  # as `python benchmarks/render.py` has it

import harness  # noqa: E402
import render  # noqa: E402

SCRIPTS = (
    "features",
    "inference",
    "bundled",
    "training",
    "whisper",
    "scale",
    "gpu",
    "long_audio",
    "attention",
    "service",
    "stream",
    "service_abuse",
)


def run(script, output, *options):
    """Run a benchmark as users do; returns its JSON, without NaN, and what it printed."""
    words = [str(BENCHMARKS / f"{script}.py"), "--quick", "--output", str(output), *options]
    printed = _run_forked(words, output) if script == "gpu" else _run_anew(words)

    def refuse(constant):
        raise AssertionError(f"{constant} in {script}.json")

    text = (output / f"{script}.json").read_text(encoding="utf-8")
    assert str(output.parent) not in text, "a path of this machine"
    return json.loads(text, parse_constant=refuse), printed


def _run_forked(words, output):
    output.parent.mkdir(parents=True, exist_ok=True)
    forked.run(output.parent / "printed", *words)
    return (output.parent / "printed").read_text(encoding="utf-8")


def _run_anew(words):
    """The others tie themselves to one core before they import anything."""
    here = {**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")])}
    command = [sys.executable, *words]
    process = subprocess.run(command, capture_output=True, text=True, check=False, env=here, cwd=ROOT)
    assert process.returncode == 0, process.stdout + process.stderr[-3000:]
    return process.stdout


def check(content, script):
    assert set(render.NEEDED) <= set(content)
    assert content["benchmark"] == script
    assert content["targets"]
    for line in content["targets"]:
        assert line["measured"] is not None or line["note"], "not measured, and no reason"


def rows(content, key):
    return next(table["rows"] for table in content["tables"] if table["key"] == key)


# Small files, as benchmarks write them.


@pytest.fixture
def results(tmp_path):
    folder = tmp_path / "results"
    for name, changes in {
        "inference": {
            "targets": [
                harness.target("latency", 30, 12.0, "ms"),
                harness.target("load", 3, 3.6, "s"),
                harness.target("on a GPU", 1, None, "min", "No GPU on this machine."),
            ],
            "tables": [
                harness.table(
                    "latency",
                    "Latency",
                    [
                        {"system": "ours", "latency / ms": harness.spread([12, 11, 13, 12, 14])},
                        {"system": "theirs | others", "latency / ms": harness.spread([40, 44]), "more": 1309903},
                    ],
                    "A note.",
                ),
            ],
        },
        "another": {"targets": [], "tables": [harness.table("none", "Nothing", [], "Not measured.")], "quick": True},
    }.items():
        content = {
            "title": name.title(), "date": "2026-01-02T03:04:05+00:00", "command": f"python benchmarks/{name}.py",
            "quick": False, "corpus": None, "seconds": 1.5, "versions": {"python": "3.12", "librosa": "not installed"},
            "machine": {"cpu": "a CPU", "cores": 2, "memory_GB": 8, "gpu": None, "load_average": [0.1, 0.2, 0.3]},
            **changes,
        }  # fmt: skip
        folder.mkdir(exist_ok=True)
        (folder / f"{name}.json").write_text(json.dumps(content))
    return folder


def test_the_page_says_what_the_files_say(results, tmp_path):
    page = render.render(results, tmp_path / "page").read_text(encoding="utf-8")
    lines = page.splitlines()
    assert "| latency | 30 ms | 12 ms | 0.4 | yes |  |" in lines
    assert "| load | 3 s | 3.6 s | 1.2 | **no** |  |" in lines
    assert "| on a GPU | 1 min | not measured |  |  | No GPU on this machine. |" in lines
    assert "| ours | 12 (12 – 13) |  |" in lines
    assert "| theirs \\| others | 42 (40 – 44) | 1,309,903 |" in lines
    assert page.index("## Inference") < page.index("## Another")
    assert page.count("figures are not to be cited") == 1
    assert "a CPU, 2 cores, 8 GB, no GPU" in page
    assert "librosa not installed" in page


def test_the_page_is_the_same_from_the_same_files(results, tmp_path):
    for name in ("one", "two"):
        render.render(results, tmp_path / name)
    files = sorted(path.relative_to(tmp_path / "one") for path in (tmp_path / "one").rglob("*.*"))
    assert [str(path) for path in files] == ["README.md", "figures/latency.png"]
    assert all((tmp_path / "one" / path).read_bytes() == (tmp_path / "two" / path).read_bytes() for path in files)


def test_the_renderer_complains_in_words(results, tmp_path):
    with pytest.raises(MissingPathError, match="remedy: run them first: make bench"):
        render.render(tmp_path / "nothing", tmp_path)
    (results / "inference.json").write_text('{"title": "half"}')
    with pytest.raises(SerError, match=r"inference\.json without date, command"):
        render.render(results, tmp_path)


@pytest.mark.skipif(not list(harness.RESULTS.glob("*.json")), reason="nothing published yet")
def test_the_published_page_is_rendered_from_the_published_files(tmp_path):
    assert render.render(harness.RESULTS, tmp_path).read_text() == (BENCHMARKS / "README.md").read_text()


@pytest.mark.parametrize("module", [harness, render], ids=lambda module: module.__name__)
def test_examples_in_the_docstrings(module):
    outcome = doctest.testmod(module)
    assert (outcome.failed, outcome.attempted > 0) == (0, True)


def test_ratios_are_those_of_the_same_round():
    ratios = harness.compared({"ours": [1.0, 10.0, 1.0], "theirs": [2.0, 20.0, 2.0]}, "ours")
    assert ratios["theirs"] == {"median": 2.0, "low": 2.0, "high": 2.0, "n": 3}


def test_a_fresh_process_does_not_inherit_the_peak_of_its_parent():
    ballast = bytearray(400 * 2**20)
    assert peak_memory() > 400
    code = "from ser_plugins.machine import peak_memory; print(peak_memory())"
    assert float(harness.run([sys.executable, "-c", code])) < 300
    del ballast


def test_failures_of_children_are_told():
    with pytest.raises(SerError, match="ended with 3: the last words"):
        harness.run([sys.executable, "-c", "print('the last words'); raise SystemExit(3)"])


def test_wrong_folders_are_told(tmp_path):
    options = harness.parser("").parse_args(["--data_folder", str(tmp_path)])
    with pytest.raises(MissingPathError, match="expected: EmoDB's folder"):
        harness.recordings(options, tmp_path)


# The scripts themselves.


def test_without_a_gpu_its_benchmark_says_so(tmp_path):
    content, printed = run("gpu", tmp_path / "results")
    check(content, "gpu")
    if content["machine"]["gpu"] is None:
        assert content["skipped"] == "no GPU"
        assert "no GPU on this machine" in printed


def test_a_section_of_a_gpu_is_rehearsed_on_a_cpu_and_those_of_an_earlier_call_are_kept(tmp_path):
    import gpu

    content, _ = run("gpu", tmp_path / "results", "--device", "cpu", "--only", "step")
    assert all(row["time / ms"]["median"] > 0 for row in rows(content, "gpu_step"))
    report = harness.Report(
        "gpu", "", harness.parser("").parse_args(["--quick", "--output", str(tmp_path / "results")])
    )
    gpu.keep_earlier(report)
    assert not report.tables, "another corpus"
    report.content["corpus"] = content["corpus"]
    gpu.keep_earlier(report)
    gpu.add(report, harness.table("another", "", []))
    assert [table["key"] for table in report.tables] == ["gpu_step", "another"]


def test_a_multi_process_service_that_does_not_end_is_killed(tmp_path, monkeypatch, capsys):
    import gpu

    deaf = tmp_path / "nvidia-cuda-mps-control"
    deaf.write_text("#!/bin/sh\nexec sleep 600\n")
    deaf.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=os.pathsep)
    with subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"]) as service:
        (tmp_path / "nvidia-cuda-mps-control.pid").write_text(f"{service.pid}\n")
        gpu.end_service(tmp_path, seconds=0.1)
        assert service.wait(60) != 0
    assert "was killed" in capsys.readouterr().out
    gpu.end_service(tmp_path, seconds=0.1)  # what is gone is no error


def test_predictions_of_two_devices_are_compared_by_seed():
    import gpu
    import pandas as pd

    def found(*predicted):
        right = [float(label == "a") for label in predicted]
        wrong = [1 - value for value in right]
        return pd.DataFrame({"true": list("aabb"), "predicted": list(predicted), "p_a": right, "p_b": wrong})

    on_gpu, on_cpu = {1: found(*"aabb"), 2: found(*"aaba")}, {1: found(*"abbb")}
    compared, scores = gpu.agreement("H", on_gpu, on_cpu, "title")
    shares = {row["trained"]: row["same label / %"]["median"] for row in compared["rows"]}
    assert shares == {
        "on the H, with two seeds": 75,
        "on the H, and on a CPU, with two seeds": 50,
        "on the H, and on a CPU, with the same seed": 75,
    }
    assert compared["rows"][2]["mean difference of a probability"]["median"] == 0.25
    assert [(row["trained"], row["WA"], row["UAR"]) for row in scores["rows"]] == [
        ("on the H, seed 1", 1, 1), ("on the H, seed 2", 0.75, 0.75), ("on a CPU, seed 1", 0.75, 0.75),
    ]  # fmt: skip


@pytest.mark.slow
def test_all_sections_of_a_gpu_run_on_a_cpu(tiny_whisper, tmp_path):
    options = ("--device", "cpu", "--jobs", "2", "--seeds", "2", "--encoder", str(tiny_whisper))
    content, _ = run("gpu", tmp_path / "results", *options)
    check(content, "gpu")
    assert [row["system"] for row in rows(content, "gpu")] == ["bigru_mha", "bigru_mha_xu2024"]
    variants = {row["variant"]: row for row in rows(content, "gpu_variants")}
    assert {row["epochs"] for row in variants.values()} == {2}
    whole, *others = (variants[name]["last training loss"] for name in ("as it is", "once more", "killed and resumed"))
    assert others == pytest.approx([whole] * 2)
    assert [row["pairs"] for row in rows(content, "gpu_agreement")] == [1, 1, 1]
    finetuning = [(row["encoder"], row["epochs"]) for row in rows(content, "gpu_finetuning")]
    assert finetuning == [("trained", 1), ("frozen", 1)] * 2
    same = rows(content, "gpu_agreement")[2]  # the "GPU" is a CPU here, so the same seed is the same model
    assert same["same label / %"]["median"] == 100


def test_features(toy_emodb, tmp_path):
    content, _ = run("features", tmp_path / "results", "--data_folder", str(toy_emodb))
    check(content, "features")
    same = [row["largest difference from ours"] for row in rows(content, "features_single")[:2]]
    assert max(same) < 1e-3
    assert content["corpus"].startswith("EmoDB (synthetic)")


def test_attention_without_weights_takes_memory_linear_in_time():
    import long_audio

    few, many = forked.call(long_audio.attention, [1000, 4000], False)
    _, full = forked.call(long_audio.attention, [1000, 4000], True)
    assert many["added"] < 2 * 4 * max(few["added"], 8)  # linear: 4 times; quadratic: 16 times
    assert full["added"] > 4 * many["added"]  # 8 heads x 4000 x 4000 floats are 488 MiB


@pytest.mark.slow
def test_inference(tmp_path):
    content, _ = run("inference", tmp_path / "results")
    check(content, "inference")
    ours, faithful, ecapa, wav2vec2 = rows(content, "size")
    assert ours["parameters / 1e6"] < faithful["parameters / 1e6"] < ecapa["parameters / 1e6"]
    assert ours["GMAC"] == pytest.approx(0.157, rel=0.05)
    assert faithful["GMAC"] == pytest.approx(1.75, rel=0.05)
    assert wav2vec2["parameters / 1e6"] == pytest.approx(94.4, rel=0.01)


@pytest.mark.slow
def test_bundled(tmp_path):
    content, _ = run("bundled", tmp_path / "results")
    check(content, "bundled")
    assert [row["model"] for row in rows(content, "bundled_size")] == list(BUNDLED)


@pytest.mark.slow
def test_whisper(toy_emodb, toy_csv, tiny_whisper, tmp_path):
    options = ("--data_folder", str(toy_emodb), "--encoder", str(tiny_whisper), "--csv", str(toy_csv))
    content, _ = run("whisper", tmp_path / "results", *options)
    check(content, "whisper")
    assert [(row["recordings"], row["folds"]) for row in rows(content, "whisper")] == [(40, 3), (18, 3)]
    (usual,) = rows(content, "whisper_usual")
    assert usual["forward passes"] == 15 * 2 * 40 + 40


@pytest.mark.slow
def test_training(toy_emodb, tmp_path):
    content, _ = run("training", tmp_path / "results", "--data_folder", str(toy_emodb))
    check(content, "training")
    systems = rows(content, "training")
    assert len({row["parameters"] for row in systems}) == 1, "stock is another model"
    assert content["corpus"].startswith("EmoDB (synthetic)")


@pytest.mark.slow
def test_attention(tmp_path):
    content, _ = run("attention", tmp_path / "results")
    check(content, "attention")
    assert {row["system"] for row in rows(content, "attention_forward")} >= {"full", "LSH, 2 rounds"}
    render.render(tmp_path / "results", tmp_path)
    assert (tmp_path / "figures" / "attention_dropout.png").stat().st_size > 100


@pytest.mark.slow
def test_long_recordings_take_bounded_memory(tmp_path):
    content, _ = run("long_audio", tmp_path / "results")
    check(content, "long_audio")
    found = {row["length"]: row["windows: peak memory / MiB"] for row in rows(content, "long_audio")}
    if found["1 min"] is None:
        pytest.skip("no classify_windows")
    assert found["1 min"] < 1.3 * found["10 s"]


@pytest.mark.slow
def test_the_service_loses_and_mixes_up_nothing(tmp_path):
    content, _ = run("service", tmp_path / "results")
    check(content, "service")
    alone, together = rows(content, "service")
    assert (alone["clients at once"], together["clients at once"]) == (1, 64)
    assert 0 < together["p50 / ms"] <= together["p95 / ms"] <= together["p99 / ms"]


@pytest.mark.slow
def test_streams_answer_with_every_model(tmp_path):
    content, _ = run("stream", tmp_path / "results")
    check(content, "stream")
    assert all(row["latency / ms"]["median"] <= row["95th percentile / ms"] for row in rows(content, "stream"))


@pytest.mark.slow
def test_the_service_refuses_abusers_and_answers_others(tmp_path):
    content, _ = run("service_abuse", tmp_path / "results")
    check(content, "service_abuse")
    for row in rows(content, "service_abuse"):
        assert row["others: requests"] > row["others: refused"] == 0


def test_a_model_of_random_weights_loads(tmp_path):
    import models

    model = EmotionClassifier.from_hparams(models.write_model(tmp_path), device="cpu")
    assert len(model.labels) == models.CLASSES


def test_a_reply_of_another_request_ends_the_load_test():
    import service

    def reply(*values):
        return {"duration": 1.0, "probabilities": dict(enumerate(values))}

    service.check(200, reply(0.25, 0.75), (1.0, [0.25, 0.75]))
    service.check(422, {"remedy": "convert it"}, None)
    silent = {"duration": 1.0, "probabilities": None}
    wrong = ((200, silent, (1.0, [0.25, 0.75])),
             (200, reply(0.75, 0.25), (1.0, [0.25, 0.75])), (200, reply(0.25, 0.75), (2.0, [0.25, 0.75])),
             (200, reply(0.25, 0.75), None), (429, {"remedy": "later"}, (1.0, [0.25, 0.75])))  # fmt: skip
    for status, content, answer in wrong:
        with pytest.raises(SerError, match="mend the service"):
            service.check(status, content, answer)


def test_a_preparation_writes_what_runs_however_many_speakers_there_are(tmp_path):
    content, _ = run("scale", tmp_path / "results")
    check(content, "scale")
    costs = rows(content, "scale_prepare")
    assert [row["speakers"] for row in costs] == [4, 4, 8, 8]
    assert len({row["files"] for row in costs}) == 1, "files grow with the folds"
    assert [row["cores"] for row in rows(content, "scale_cores")] == sorted({1, cores()})
    (training,) = rows(content, "scale_train")
    assert training["features / GiB"] == pytest.approx(0.05 * 3600 / 3 * 301 * 400 * 4 / 2**30, rel=0.01)


def test_every_script_is_run_here_and_by_make():
    _, bench = (ROOT / "Makefile").read_text(encoding="utf-8").split("\nbench:")
    names = re.split(r"\W+", bench.partition("render.py")[0])
    assert set(SCRIPTS) <= set(names)
