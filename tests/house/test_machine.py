"""Linux, macOS, Windows: what one of them has alone is asked for in one file, and each answer has a second source."""

import ast
import os
import sys
from pathlib import Path

import pytest
from conftest import ROOT

from ser_plugins import machine

SOURCES = sorted(
    path
    for room in ("ser_plugins", "recipes", "benchmarks", "scripts", "examples")
    for path in (ROOT / room).rglob("*.py")
)
HERE = ROOT / "ser_plugins" / "machine.py"
# Unix alone, or Linux alone; of `os` and `signal` what the documentation marks so and a program might want.
MODULES = {
    "resource",
    "fcntl",
    "pwd",
    "grp",
    "termios",
    "tty",
    "pty",
    "posix",
    "syslog",
    "curses",
    "readline",
    "msvcrt",
}
ATTRIBUTES = {
    "os": "sched_getaffinity sched_setaffinity sched_yield fork forkpty getuid geteuid getgid getlogin setsid killpg "
    "nice sysconf getloadavg mkfifo mknod chown lchown chroot uname statvfs sync posix_fadvise sendfile pread pwrite "
    "wait waitpid getpgid setpgid O_DIRECTORY O_NOFOLLOW O_CLOEXEC startfile memfd_create eventfd pidfd_open getrandom "
    "umask symlink link readlink",
    "signal": "SIGKILL SIGHUP SIGQUIT SIGUSR1 SIGUSR2 SIGCHLD SIGALRM SIGPIPE alarm setitimer pause "
    "sigwait pthread_kill",
    "select": "poll epoll kqueue",
    "time": "tzset clock_gettime",
    "asyncio": "add_signal_handler create_unix_server open_unix_connection",
}
ATTRIBUTES = {(module, name) for module, names in ATTRIBUTES.items() for name in names.split()}


@pytest.fixture(autouse=True)
def _no_container(monkeypatch, tmp_path):
    monkeypatch.setattr(machine, "CPU_QUOTA", tmp_path / "none")


def parts(path):
    return ast.walk(ast.parse(path.read_text(encoding="utf-8")))


def test_there_are_sources():
    assert len(SOURCES) > 100
    assert HERE in SOURCES


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(ROOT)))
def test_calls_of_one_system_are_in_one_file(path):
    for node in parts(path):
        imported = []
        if isinstance(node, ast.Import):
            imported = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            imported = [node.module]
            assert path == HERE or not {(node.module, alias.name) for alias in node.names} & ATTRIBUTES
        assert path == HERE or not MODULES & set(imported), f"line {node.lineno}"
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
            assert path == HERE or (node.value.id, node.attr) not in ATTRIBUTES, f"line {node.lineno}"
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            assert path == HERE or not node.value.startswith(("/proc/", "/dev/", "/sys/")), f"line {node.lineno}"


TEXT = {"read_text", "write_text", "open"}
PROGRAM = {"run", "check_output", "Popen", "check_call"}


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(ROOT)))
def test_text_is_read_and_written_in_an_encoding_that_is_named(path):
    """Windows takes cp1252 where none is named."""
    for node in parts(path):
        if not isinstance(node, ast.Call):
            continue
        name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", None)
        keys = {keyword.arg for keyword in node.keywords}
        if name == "open" and (not isinstance(node.func, ast.Name) or binary(node)):
            continue
        ours = name == "write_text" and isinstance(node.func, ast.Name)  # files.write_text: always UTF-8
        if (name in TEXT and not ours) or (name in PROGRAM and keys & {"text", "universal_newlines"}):
            assert "encoding" in keys, f"line {node.lineno}: {ast.unparse(node)}"


def binary(node):
    modes = [*node.args[1:2], *(keyword.value for keyword in node.keywords if keyword.arg == "mode")]
    return any(isinstance(part, ast.Constant) and "b" in str(part.value) for mode in modes for part in ast.walk(mode))


def test_cores_are_those_of_the_affinity_where_the_system_knows_one(monkeypatch):
    monkeypatch.setattr(os, "cpu_count", lambda: 8)
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {0, 5, 7}, raising=False)
    assert machine.cores() == 3


@pytest.mark.parametrize(("count", "cores"), [(6, 6), (None, 1)])
def test_cores_without_affinity(monkeypatch, count, cores):
    monkeypatch.delattr(os, "sched_getaffinity", raising=False)
    monkeypatch.setattr(os, "cpu_count", lambda: count)
    assert machine.cores() == cores


@pytest.mark.parametrize(
    ("text", "cores"),
    [("200000 100000\n", 2), ("150000 100000", 2), ("50000 100000", 1), ("max 100000", 8), ("odd", 8), ("1 0", 8)],
)
def test_cores_of_a_container(monkeypatch, tmp_path, text, cores):
    monkeypatch.delattr(os, "sched_getaffinity", raising=False)
    monkeypatch.setattr(os, "cpu_count", lambda: 8)
    monkeypatch.setattr(machine, "CPU_QUOTA", tmp_path / "cpu.max")
    (tmp_path / "cpu.max").write_text(text, encoding="ascii")
    assert machine.cores() == cores


def test_processor_is_named_with_and_without_a_file_of_facts(monkeypatch, tmp_path):
    facts = tmp_path / "cpuinfo"
    facts.write_text("processor\t: 0\nmodel name\t: A processor @ 2.0GHz\nmodel name\t: Another\n", encoding="utf-8")
    monkeypatch.setattr(machine, "CPU_FACTS", facts)
    assert machine.processor() == "A processor @ 2.0GHz"
    monkeypatch.setattr(machine, "CPU_FACTS", tmp_path / "none")
    monkeypatch.setattr(machine.platform, "processor", lambda: "")
    monkeypatch.setattr(machine.platform, "machine", lambda: "arm64")
    assert machine.processor() == "arm64"


def test_what_a_system_does_not_tell_is_none(monkeypatch, tmp_path):
    monkeypatch.setattr(machine, "PROCESS_FACTS", tmp_path / "none")
    monkeypatch.setitem(sys.modules, "resource", None)  # as on Windows
    for name in ("sysconf", "getloadavg", "sched_setaffinity"):
        monkeypatch.delattr(os, name, raising=False)
    monkeypatch.setattr(machine.ctypes, "CDLL", lambda _: object())
    assert machine.open_files() is None
    assert machine.return_memory() is False
    assert machine.peak_memory() is None
    assert machine.memory_size() is None
    assert machine.load_average() is None
    assert machine.tie_to_one_core() is False


def test_peak_memory_is_told_by_both_sources(monkeypatch):
    pytest.importorskip("resource")
    if not machine.PROCESS_FACTS.is_file():
        pytest.skip("a system with one source")
    first = machine.peak_memory()
    monkeypatch.setattr(machine, "PROCESS_FACTS", Path("none"))
    assert machine.peak_memory() >= 0.8 * first  # a child's may begin at that of its parent


def test_a_mac_counts_in_bytes(monkeypatch):
    resource = pytest.importorskip("resource")
    monkeypatch.setattr(machine, "PROCESS_FACTS", Path("none"))
    monkeypatch.setattr(resource, "getrusage", lambda _: type("Usage", (), {"ru_maxrss": 3 * 2**20}))
    monkeypatch.setattr(sys, "platform", "darwin")
    assert machine.peak_memory() == 3
    monkeypatch.setattr(sys, "platform", "linux")
    assert machine.peak_memory() == 3 * 2**10


def test_memory_and_load_are_told_where_the_system_knows_them(monkeypatch):
    monkeypatch.setattr(os, "sysconf", {"SC_PAGE_SIZE": 4096, "SC_PHYS_PAGES": 1000}.__getitem__, raising=False)
    monkeypatch.setattr(os, "getloadavg", lambda: (1.0, 2.0, 3.0), raising=False)
    assert machine.memory_size() == 4096000
    assert machine.load_average() == [1.0, 2.0, 3.0]
