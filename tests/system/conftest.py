"""Servers to test against, and what a failed test's report says about them.

    stamp        one demo with 35 days of history for the whole run; standing still and only read
    empty        one demo without usage per file; tests keep apart by subscriptions of their own
    fresh        the same for one test, which may do to it what it likes
"""
import os
import tempfile

import pytest

import harness
from registered import Registration


def pytest_addoption(parser):
    parser.addoption("--long", action="store_true", help="run the tests marked long, and more rounds of the others")


def pytest_configure(config):
    config.addinivalue_line("markers", "long: takes minutes or fetches much; only with --long or STAMPMETER_LONG=1")
    config.stampmeter_figures = []


def is_long(config):
    return config.getoption("--long") or os.environ.get("STAMPMETER_LONG") == "1"


def pytest_collection_modifyitems(config, items):
    if not is_long(config):
        for item in items:
            if "long" in item.keywords:
                item.add_marker(pytest.mark.skip(reason="long tier: zig build test -- --long"))


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item, call):
    report = (yield).get_result()
    if report.failed and hasattr(report.longrepr, "addsection"):
        for server in harness.running:
            report.longrepr.addsection("server", server.log_tail())


def pytest_terminal_summary(terminalreporter, config):
    for line in config.stampmeter_figures:
        terminalreporter.write_line(line)


@pytest.fixture(scope="session")
def long_tier(request):
    return is_long(request.config)


@pytest.fixture
def figure(request, record_testsuite_property):
    """figure("idle memory", "12.3 MiB"): printed behind the results and kept in the report."""
    def note(name, value):
        record_testsuite_property(name, value)
        request.config.stampmeter_figures.append("%s: %s" % (name, value))
    return note


@pytest.fixture(scope="session", autouse=True)
def binary():
    if not os.access(harness.BINARY, os.X_OK):
        pytest.exit("there is no program at %s; build it with ./vendor/zig build, or set STAMPMETER_BIN" %
                    harness.BINARY, 3)
    return harness.BINARY


@pytest.fixture(scope="session")
def stamp():
    with tempfile.TemporaryDirectory(prefix="stamp-") as folder, harness.Stamp(folder, empty=False) as server:
        yield server


@pytest.fixture(scope="module")
def empty():
    with tempfile.TemporaryDirectory(prefix="empty-") as folder, harness.Stamp(folder) as server:
        yield server


@pytest.fixture
def commerce(empty):
    """A client of the commerce role; a file that needs another server has its own."""
    return empty.client(empty.ready["commerce"]["token"])


@pytest.fixture
def registration(commerce):
    """Of a stamp of its own."""
    return Registration(commerce)


@pytest.fixture
def fresh(tmp_path):
    with harness.Stamp(tmp_path) as server:
        yield server


@pytest.fixture
def initialised(tmp_path):
    """A data directory after `stampmeter init`, and the result of that command."""
    data_dir = tmp_path / "data"
    result = harness.run("init", "--data-dir", data_dir).expect(0)
    return data_dir, result
