"""Facts about the program that is shipped: static, small; and figures that are printed, not judged, because a busy
machine would judge wrongly: how fast it starts and how little it needs when idle.
"""
import os
import re
import shutil
import subprocess
import time

import pytest

import harness

SIZE_MAX = 2_000_000


def tool(*command):
    if shutil.which(command[0]) is None:
        pytest.skip("no %s on this machine" % command[0])
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False)
    assert done.returncode == 0, done.stdout.decode(errors="replace")
    return done.stdout.decode(errors="replace")


def test_it_is_static():
    headers = tool("readelf", "--wide", "--program-headers", "--dynamic", harness.BINARY)
    assert "INTERP" not in headers and "NEEDED" not in headers, headers
    assert re.search(r"GNU_STACK\s.*\bRW\s", headers), "the stack must not be executable\n" + headers


def test_it_is_below_2_mb_when_stripped(tmp_path, figure):
    stripped = tmp_path / "stampmeter"
    tool("strip", "-o", str(stripped), harness.BINARY)
    size = os.path.getsize(stripped)
    figure("size, stripped", "%d bytes (below %d)" % (size, SIZE_MAX))
    assert size < SIZE_MAX


def test_it_needs_no_environment():
    done = subprocess.run([harness.BINARY, "version"], env={}, cwd="/", stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                          check=False)
    assert done.returncode == 0 and done.stdout and not done.stderr


def memory_of(pid):
    with open("/proc/%d/status" % pid, encoding="ascii") as file:
        return int(re.search(r"^VmRSS:\s+(\d+) kB$", file.read(), re.MULTILINE).group(1))


def test_start_and_idle_memory(initialised, tmp_path, figure):
    server = harness.Server(tmp_path / "serve", data_dir=initialised[0])
    starts = []
    for _ in range(5):
        begin = time.monotonic()
        server.start()
        starts.append(time.monotonic() - begin)
        memory = memory_of(server.process.pid)
        server.stop()
    figure("start until ready, best of 5", "%.3f s (wanted below 0.2)" % min(starts))
    figure("idle memory", "%.1f MiB (wanted below 30)" % (memory / 1024))
    assert memory > 0
