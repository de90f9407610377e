"""Write the YAML of every system of the paper's Tables 3 and 6, and of the classical baselines.

> python scripts/write_systems.py

A system's file is the recipe's bigru_mha.yaml with its title and the values that define it replaced, and nothing else.
A classical baseline has the same head (where, protocol), and functionals and a support vector machine after it.
"""

import re
from pathlib import Path

from ser_plugins.files import write_text

ROOT = Path(__file__).resolve().parents[1]
CORPORA = {"EmoDB": "EmoDB", "IEMOCAP": "IEMOCAP", "CHSIMS": "CH-SIMS", "MOSI": "MOSI"}
NO_CNN = {"front_end": "none"}
ONE_WAY = {"bidirectional": False, "heads": 0}
# file name -> title, and the values that differ from bigru_mha.yaml
SYSTEMS = {
    "cnn": ("CNN", {"recurrence": "none", "heads": 0}),
    "lstm": ("LSTM", {**NO_CNN, "recurrence": "lstm", **ONE_WAY}),
    "rnn": ("RNN", {**NO_CNN, "recurrence": "rnn", **ONE_WAY}),
    "cnn_lstm": ("CNN + LSTM", {"recurrence": "lstm", **ONE_WAY}),
    "bigru": ("Bi-GRU", {"heads": 0}),
    "self_attention": ("Self-attention", {**NO_CNN, "recurrence": "none", "heads": 1}),
    "bigru_self_attention": ("Bi-GRU + self-attention", {"heads": 1}),
    "mha": ("Multi-head attention", {**NO_CNN, "recurrence": "none"}),
    **{f"bigru_mha_{heads}": (f"Bi-GRU + {heads}-head attention", {"heads": heads}) for heads in (4, 8, 16, 32)},
}
# file name -> title, functionals, and values of the support vector machine, all fixed before any was tried
BASELINES = {
    "mfcc_svm": ("MFCC statistics + SVM", "MFCCStatistics", {}, {"kernel": "rbf", "C": 1.0}),
    "egemaps_svm": (
        "openSMILE eGeMAPS + SVM",
        "OpenSmileFunctionals",
        {"feature_set": "eGeMAPSv02"},
        {"kernel": "rbf", "C": 1.0},
    ),
    "compare_svm": (
        "openSMILE ComParE 2016 + SVM",
        "OpenSmileFunctionals",
        {"feature_set": "ComParE_2016"},
        {"kernel": "linear", "C": 0.001},
    ),
}
BASELINE = """# Features
sample_rate: 16000 # Hz
normalisation: train # train: of the training set; speaker: of each speaker, test speaker included (transductive)

# Model{n_classes}
kernel: {kernel}
C: {C}

compute_functionals: !new:ser_plugins.functionals.{functionals}
    sample_rate: !ref <sample_rate>{options}

estimator: !new:sklearn.svm.{estimator}
    kernel: !ref <kernel>
    C: !ref <C>
"""


def write(recipe: str) -> None:
    """Write the systems of one recipe; the number of heads that bigru_mha.yaml has already gets no second file."""
    folder = ROOT / "recipes" / recipe / "hparams"
    main = (folder / "bigru_mha.yaml").read_text(encoding="utf-8")
    usual_heads = re.search(r"^heads: (\d+)", main, re.MULTILINE)[1]
    for name, (title, values) in SYSTEMS.items():
        if name == f"bigru_mha_{usual_heads}":
            continue
        text = main[main.index("\nseed:") :]
        for key, value in {"system": name, **values}.items():
            text, replaced = re.subn(rf"^{key}: \S+", f"{key}: {value}", text, count=1, flags=re.MULTILINE)
            if not replaced:
                raise SystemExit(f"got: no key {key} in {folder}; expected: one; remedy: put it back")
        head = f"# {title} on {CORPORA[recipe]}, one of the systems of the paper's Tables 3 and 6.\n"
        source = "# Written from bigru_mha.yaml by scripts/write_systems.py: change it there.\n"
        write_text(folder / f"{name}.yaml", head + source + text)

    head = main[main.index("\nseed:") : main.index("# Features")]
    n_classes = re.search(r"^n_classes: .*", main, re.MULTILINE)
    for name, (title, functionals, options, values) in BASELINES.items():
        text = head.replace("system: bigru_mha\n", f"system: {name}\n") + BASELINE.format(
            functionals=functionals,
            options="".join(f"\n    {key}: {value}" for key, value in options.items()),
            n_classes=f"\n{n_classes[0]}" if n_classes else "",
            # Ties of the votes are broken by the decision values, so that these alone say what is predicted.
            estimator="SVC\n    break_ties: True" if n_classes else "SVR",
            **values,
        )
        title = (
            f"# {title} on {CORPORA[recipe]}: a baseline that is no network. Needs openSMILE's package (extra bench).\n"
        )
        if functionals == "MFCCStatistics":
            title = title.replace(" Needs openSMILE's package (extra bench).", "")
        write_text(folder / f"{name}.yaml", title + "# Written by scripts/write_systems.py: change it there.\n" + text)


if __name__ == "__main__":
    for each in CORPORA:
        write(each)
