"""What this machine has, asked in ways that every system knows: Linux, macOS, Windows, a container."""

import ctypes
import math
import os
import platform
import sys
from pathlib import Path

CPU_QUOTA = Path("/sys/fs/cgroup/cpu.max")  # of a container on Linux; no such file elsewhere
CPU_FACTS = Path("/proc/cpuinfo")  # on Linux; no such file elsewhere
PROCESS_FACTS = Path("/proc/self/status")  # on Linux; no such file elsewhere


def cores() -> int:
    """Return the number of cores that this process may use, at least 1.

    The fewest of: the cores of the machine, those this process is tied to (Linux: ``taskset``), and those a container
    is granted (Linux, cgroup version 2), rounded up.

    Example
    -------
    >>> 1 <= cores() <= os.cpu_count()
    True
    """
    limits = [os.cpu_count() or 1]
    if hasattr(os, "sched_getaffinity"):
        limits.append(len(os.sched_getaffinity(0)))
    quota = _quota()
    if quota is not None:
        limits.append(max(1, math.ceil(quota)))
    return min(limits)


def _quota():
    """Return the cores' worth of time that a container is granted, or None: ``cpu.max`` is ``quota period`` in µs."""
    try:
        quota, period = CPU_QUOTA.read_text(encoding="ascii").split()
        return int(quota) / int(period)
    except (OSError, ValueError, ZeroDivisionError):  # no container, no limit ("max"), another layout
        return None


def processor() -> str:
    """Return the processor's name, or its architecture where the system does not tell the name.

    Example
    -------
    >>> isinstance(processor(), str)
    True
    """
    try:
        lines = CPU_FACTS.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        lines = []
    names = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name") and ":" in line]
    return names[0] if names else platform.processor() or platform.machine()


def tie_to_one_core() -> bool:
    """Tie this process and its children to one core; False where the system cannot (macOS, Windows)."""
    if not hasattr(os, "sched_setaffinity"):
        return False
    os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
    return True


def peak_memory() -> float | None:
    """Return the peak resident memory of this process so far, in MiB, or None where the system does not tell (Windows).

    Linux hands ``ru_maxrss`` of a large parent down to the child that it starts, so /proc is asked where there is one.
    """
    try:
        lines = PROCESS_FACTS.read_text(encoding="utf-8", errors="replace").splitlines()
        return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM")) / 1024
    except (OSError, StopIteration):
        pass
    try:
        import resource
    except ModuleNotFoundError:
        return None
    unit = 2**20 if sys.platform == "darwin" else 2**10  # bytes there, KiB elsewhere
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / unit


def resident_memory(process: int) -> float | None:
    """Return the resident memory of another process in MiB, or None where the system does not tell (all but Linux)."""
    try:
        lines = Path(f"/proc/{process}/status").read_text(encoding="utf-8", errors="replace").splitlines()
        return next(int(line.split()[1]) for line in lines if line.startswith("VmRSS")) / 1024
    except (OSError, StopIteration):
        return None


def memory_size() -> int | None:
    """Return the size of the machine's memory in bytes, or None where the system does not tell (Windows)."""
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, ValueError, OSError):
        return None


def open_files() -> int | None:
    """Return how many files and sockets this process may have open, or None where there is no such limit (Windows)."""
    try:
        import resource
    except ModuleNotFoundError:
        return None
    most, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return None if most == resource.RLIM_INFINITY else most


def return_memory() -> bool:
    """Hand memory that was freed back to the system; False where the C library cannot be told to (all but glibc's)."""
    try:
        return bool(ctypes.CDLL(None).malloc_trim(0))
    except (AttributeError, OSError, TypeError):
        return False


def load_average() -> list | None:
    """Return the processes at work in the last 1, 5 and 15 minutes, or None where nobody counts them (Windows)."""
    try:
        return list(os.getloadavg())
    except (AttributeError, OSError):
        return None
