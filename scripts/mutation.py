"""How strong are the tests? Change the code in one small way at a time, and see whether a test notices.

> python scripts/mutation.py --sample 200
> python scripts/mutation.py ser_plugins/lengths.py ser_plugins/augment.py

A first pass runs the tests once and notes which lines each of them runs. Then every change (a mutant) is tried in a
process of its own: first by the tests that run its line, then by all tests of their files. Everything is kept in
``mutation/``: a call that was interrupted goes on where it was, a new list of survivors is in ``mutation/report.md``.
After a change of the code or of the tests, begin anew: ``--fresh``.
"""

import argparse
import ast
import copy
import hashlib
import importlib
import importlib.machinery
import multiprocessing
import os
import random
import shutil
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from ser_plugins.files import read_json, write_json, write_text  # noqa: E402

TARGETS = (
    "ser_plugins/evaluation",
    "ser_plugins/corpora/audit.py",
    "ser_plugins/corpora/auditing",
    "ser_plugins/lengths.py",
    "ser_plugins/augment.py",
)
TESTS = (
    *("metrics", "statistics", "significance", "calibration", "regression", "comparison", "report", "report_sentiment"),
    *("leaks", "suite", "plain", "nested", "corpora_audit", "modules", "augment", "evaluation_laws"),
)
HEAVY = (
    "numpy",
    "pandas",
    "scipy.stats",
    "sklearn.svm",
    "matplotlib.figure",
    "torch",
    "speechbrain",
    "pytest",
)
COMPARISONS = {
    ast.Lt: ast.LtE, ast.LtE: ast.Lt, ast.Gt: ast.GtE, ast.GtE: ast.Gt, ast.Eq: ast.NotEq, ast.NotEq: ast.Eq,
    ast.In: ast.NotIn, ast.NotIn: ast.In, ast.Is: ast.IsNot, ast.IsNot: ast.Is,
}  # fmt: skip
OPERATIONS = {
    ast.Add: ast.Sub, ast.Sub: ast.Add, ast.Mult: ast.Div, ast.Div: ast.Mult, ast.FloorDiv: ast.Div, ast.Mod: ast.Mult,
    ast.Pow: ast.Mult, ast.BitAnd: ast.BitOr, ast.BitOr: ast.BitAnd, ast.And: ast.Or, ast.Or: ast.And,
}  # fmt: skip
NAMES = {"min": "max", "max": "min", "any": "all", "all": "any"}


def mutations(node) -> list:
    """Return the nodes that may stand in the place of a node."""
    found = []
    if isinstance(node, ast.Compare) and type(node.ops[0]) in COMPARISONS:
        found.append(ast.Compare(node.left, [COMPARISONS[type(node.ops[0])](), *node.ops[1:]], node.comparators))
    elif (isinstance(node, (ast.BinOp, ast.AugAssign)) and type(node.op) in OPERATIONS) or isinstance(node, ast.BoolOp):
        found.append(_with(node, op=OPERATIONS[type(node.op)]()))
    elif isinstance(node, ast.UnaryOp) and isinstance(node.op, (ast.Not, ast.USub)):
        found.append(node.operand)
    elif isinstance(node, ast.Constant) and isinstance(node.value, bool):
        found.append(ast.Constant(not node.value))
    elif isinstance(node, ast.Constant) and isinstance(node.value, (int, float)):
        found.append(ast.Constant(node.value + 1))
    elif isinstance(node, ast.Return) and node.value is not None and ast.unparse(node.value) != "None":
        found.append(ast.Return(ast.Constant(None)))
    elif isinstance(node, ast.IfExp):
        found.append(ast.IfExp(node.test, node.orelse, node.body))
    elif isinstance(node, ast.Name) and node.id in NAMES and isinstance(node.ctx, ast.Load):
        found.append(ast.Name(NAMES[node.id], ast.Load()))
    elif isinstance(node, (ast.Raise, ast.Continue, ast.Break)) or (
        isinstance(node, ast.Expr) and not isinstance(node.value, (ast.Constant, ast.Yield, ast.YieldFrom))
    ):
        found.append(ast.Pass())
    return found


def _with(node, **fields):
    changed = copy.copy(node)
    for name, value in fields.items():
        setattr(changed, name, value)
    return changed


def mutants_of(path: Path) -> list[dict]:
    """Return every mutant of a file: its line, what became what, and the number of its node."""
    tree, found = ast.parse(path.read_text(encoding="utf-8")), []
    types = {
        id(part)
        for node in ast.walk(tree)
        for hint in (getattr(node, "annotation", None), getattr(node, "returns", None))
        if hint is not None
        for part in ast.walk(hint)
    }
    places, name = dict(_places(tree)), path.relative_to(ROOT).as_posix()
    for number, node in enumerate(ast.walk(tree)):
        for changed in mutations(node) if id(node) not in types else ():
            before, after = (ast.unparse(ast.fix_missing_locations(part)) for part in (copy.deepcopy(node), changed))
            about = {"file": name, "line": node.lineno, "node": number, "before": before, "after": after}
            found.append({**about, **places[id(node)]})
    return found


def _places(node, statement=(0, 0), called=False):
    """Yield the first and last line of every node's statement, and whether it runs only when a function is called."""
    if isinstance(node, ast.stmt):
        body = getattr(node, "body", None)
        statement = node.lineno, body[0].lineno - 1 if body else node.end_lineno
    yield id(node), {"statement": statement, "called": called}
    inside = node.body if isinstance(node, (ast.FunctionDef, ast.Lambda)) else []
    for part in ast.iter_child_nodes(node):
        yield from _places(part, statement, called or part is inside or (isinstance(inside, list) and part in inside))


def mutated(mutant: dict):
    """Return the code of a mutant's file."""
    path = ROOT / mutant["file"]
    tree = ast.parse(path.read_text(encoding="utf-8"))
    target = list(ast.walk(tree))[mutant["node"]]
    (changed,) = mutations(target)

    class Change(ast.NodeTransformer):
        def visit(self, node):
            return ast.copy_location(changed, node) if node is target else super().generic_visit(node)

    return compile(ast.fix_missing_locations(Change().visit(tree)), str(path), "exec")


def run_tests(tests, mutant, connection, files=()) -> None:
    """In a process of its own: run tests, on a mutant or (with ``files``) noting which lines each runs."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 1)
    os.dup2(nowhere, 2)
    import pytest

    if mutant:
        code, path = mutated(mutant), str(ROOT / mutant["file"])
        loader = importlib.machinery.SourceFileLoader
        usual = loader.get_code
        loader.get_code = lambda self, name: code if self.path == path else usual(self, name)
    notes = _Notes({str(ROOT / file) for file in files})
    os.chdir(ROOT)
    plugins = [notes] if files else []
    outcome = pytest.main(["-x", "-q", "--assert=plain", "-p", "no:cacheprovider", *tests], plugins=plugins)
    connection.send((int(outcome), {test: sorted(lines) for test, lines in notes.lines.items()}))


class _Notes:
    """A plugin of pytest that notes the lines each test runs in some files."""

    def __init__(self, files):
        self.files, self.lines, self.current = files, {}, set()

    def pytest_collection(self):
        sys.settrace(self._call)

    def pytest_runtest_protocol(self, item):
        self.current = self.lines.setdefault(item.nodeid, set())
        sys.settrace(self._call)

    def pytest_sessionfinish(self):
        sys.settrace(None)

    def _call(self, frame, event, argument):
        return self._line if frame.f_code.co_filename in self.files else None

    def _line(self, frame, event, argument):
        self.current.add((Path(frame.f_code.co_filename).relative_to(ROOT).as_posix(), frame.f_lineno))
        return self._line


def in_a_process(tests, mutant=None, files=(), seconds=None):
    """Return pytest's outcome and the lines noted; None after ``seconds``."""
    methods = multiprocessing.get_all_start_methods()
    context = multiprocessing.get_context("fork" if "fork" in methods else "spawn")
    ours, theirs = context.Pipe(duplex=False)
    process = context.Process(target=run_tests, args=(tests, mutant, theirs, files))
    process.start()
    theirs.close()
    try:
        return ours.recv() if ours.poll(seconds) else (None, {})
    except EOFError:  # the process died
        return -1, {}
    finally:
        process.kill()
        process.join()


def judge(mutant, lines, seconds) -> str:
    """Return ``killed``, ``timeout`` or ``survived``; what no test runs has survived."""
    (first, last), file = mutant["statement"], mutant["file"]
    near = [
        test
        for test, where in lines.items()
        if any(path == file and first <= line <= max(first, last) for path, line in where)
    ]
    # What is run when a module is imported concerns every test.
    everything = list(dict.fromkeys(test.split("::")[0] for test in (near if mutant["called"] else lines)))
    for tests in (near, everything):
        if tests:
            outcome, _ = in_a_process(tests, mutant, seconds=seconds)
            if outcome != 0:
                return "timeout" if outcome is None else "killed"
    return "survived"


def report(mutants, done, seconds) -> str:
    """Return the share killed, file by file, and the survivors, in markdown."""
    rows, survivors = [], []
    for file in dict.fromkeys(mutant["file"] for mutant in mutants):
        tried = [mutant for mutant in mutants if mutant["file"] == file and key(mutant) in done]
        alive = [mutant for mutant in tried if done[key(mutant)] == "survived"]
        survivors += alive
        total = sum(mutant["file"] == file for mutant in mutants)
        rows.append(f"| {file} | {total} | {len(tried)} | {len(tried) - len(alive)} |")
    tried = sum(key(mutant) in done for mutant in mutants)
    share = 100 * (tried - len(survivors)) / max(tried, 1)
    return "\n".join([
        f"{len(mutants)} mutants, {tried} tried, {tried - len(survivors)} killed ({share:.1f} %), {seconds:.0f} s.",
        "", "| file | mutants | tried | killed |", "| --- | --: | --: | --: |", *rows, "", "Survivors:", "",
        *(f"- {m['file']}:{m['line']}: `{m['before'][:80]}` -> `{m['after'][:80]}`" for m in survivors),
    ]) + "\n"  # fmt: skip


def key(mutant) -> str:
    """Return the name of a mutant in the record."""
    return f"{mutant['file']}:{mutant['line']}:{mutant['node']}"


def main():
    """Try the mutants."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("targets", nargs="*", default=TARGETS, help="files or folders of the package")
    parser.add_argument("--sample", type=int, help="so many mutants, drawn at random; otherwise all")
    parser.add_argument("--seed", type=int, default=0, help="of the sample")
    parser.add_argument("--tests", nargs="*", default=TESTS, help="tests/<room>/test_<name>.py to judge by")
    parser.add_argument("--timeout", type=float, default=300, help="seconds for one mutant")
    parser.add_argument("--folder", type=Path, default=ROOT / "mutation", help="where the record is kept")
    parser.add_argument("--fresh", action="store_true", help="begin anew")
    own = parser.parse_args()
    if own.fresh:
        shutil.rmtree(own.folder, ignore_errors=True)
    paths = [ROOT / name for name in own.targets]
    files = [file for path in paths for file in (sorted(path.rglob("*.py")) if path.is_dir() else [path])]
    mutants = [mutant for file in files for mutant in mutants_of(file)]
    chosen = list(mutants)
    random.Random(own.seed).shuffle(chosen)
    chosen = chosen[: own.sample]
    for name in HEAVY:  # once, and not in every process; nothing of ours, which is what is changed
        importlib.import_module(name)
    for name in [name for name in sys.modules if name.split(".")[0] == "ser_plugins"]:
        del sys.modules[name]
    names = [file.relative_to(ROOT).as_posix() for file in files]
    tests = [
        test.relative_to(ROOT).as_posix() for name in own.tests for test in ROOT.glob(f"tests/*/test_{name}.py")
    ] + names
    lines_file = own.folder / f"lines-{hashlib.sha256(' '.join(tests).encode()).hexdigest()[:8]}.json"
    if not lines_file.is_file():
        outcome, lines = in_a_process(tests, files=names)
        if outcome != 0:
            sys.exit("error: the tests fail without any mutant")
        write_json(lines_file, lines)
    lines, begun = read_json(lines_file), time.monotonic()
    record = own.folder / "record.json"
    done = read_json(record) if record.is_file() else {}
    for place, mutant in enumerate(chosen, 1):
        if key(mutant) not in done:
            done[key(mutant)] = judge(mutant, lines, own.timeout)
            write_json(record, done)
        said = done[key(mutant)]
        print(
            f"{place}/{len(chosen)} {said}: {key(mutant)} {mutant['before'][:60]} -> {mutant['after'][:60]}", flush=True
        )
    text = report(mutants, done, time.monotonic() - begun)
    write_text(own.folder / "report.md", text)
    print(text)


if __name__ == "__main__":
    main()
