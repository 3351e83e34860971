"""The console in a real browser: tests/browser/*.test.mjs, run by Node's test runner one after the other against a demo of
their own, each of their tests a test here.
"""
import os
import re
import subprocess

import pytest

import harness

FILES = [os.path.join(harness.ROOT, "tests", "browser", name) for name in ("console.test.mjs", "proof.test.mjs", "billing.test.mjs")]
TIMEOUT_S = 540
TEST = re.compile(r"""^(\s*)(?:await\s+)?(?:\w+\.)?(?:test|it)\(\s*(["'`])(.+?)\2""", re.MULTILINE)


def names():
    """What the files call their tests, read without running them."""
    found = []
    for path in FILES:
        with open(path, encoding="utf-8") as file:
            found += [name for _, _, name in TEST.findall(file.read()) if "${" not in name]
    return found


def results_of(tap):
    """{name: (passed, skipped)} and the text of failures, from Node's TAP"""
    results, notes = {}, {}
    name = None
    for line in tap.splitlines():
        found = re.match(r"\s*(not )?ok \d+ - (.*?)(?: # (SKIP)\b.*)?$", line)
        if found:
            name = found.group(2).replace("\\#", "#")
            results[name] = (not found.group(1), found.group(3) is not None)
            notes[name] = []
        elif name is not None:
            notes[name].append(line)
    return results, {name: "\n".join(lines) for name, lines in notes.items()}


@pytest.fixture(scope="module")
def outcome(tmp_path_factory):
    """(results, notes, whole output, exit code)"""
    with harness.Stamp(tmp_path_factory.mktemp("console"), empty=False) as server:
        environment = dict(os.environ, STAMPMETER_READY_FILE=server.ready_file, NODE_EXTRA_CA_CERTS=server.ca_file)
        done = subprocess.run(["node", "--test", "--test-reporter=tap", "--test-concurrency=1", *FILES],
                              env=environment, cwd=harness.ROOT, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                              timeout=TIMEOUT_S, check=False)
    output = done.stdout.decode(errors="replace")
    return (*results_of(output), output, done.returncode)


@pytest.mark.parametrize("name", names())
def test_console(outcome, name):
    results, notes, output, _ = outcome
    if name not in results:
        pytest.fail("this test did not run:\n%s" % output[-5000:])
    passed, skipped = results[name]
    if skipped:
        pytest.skip("skipped by the browser suite")
    assert passed, notes[name][:8000]


def test_the_whole_browser_suite_passed(outcome):
    """For tests whose names are only known when they run, and for a suite that ends early."""
    results, _, output, code = outcome
    assert code == 0 and results, output[-8000:]
