#!/usr/bin/env python3
"""Runs the tests: `zig build test` builds everything and hands the artifacts over as arguments.

    zig build test                         all groups
    zig build test -- --only unit          one group (may be repeated): tidy, unit, san, sim, fuzz, system
    zig build test -- --long               longer fuzzing and the tests marked long
    zig build test -- --match TEXT         only test files whose name contains TEXT

Groups run one after the other, the executables of a group side by side. Every test case counts: one of cmocka, one
of pytest, one rule of tidy.py, one fuzz target. Failures are shown with their output, then comes a table, and the
last line is exactly "N passed, N failed". The exit code is 1 when anything failed or nothing ran.

What a group needs and the machine lacks is installed with apt by root, and otherwise named in one line. Python and
Node packages go into the cache folder, pinned by tests/requirements.txt and tests/package-lock.json, never the tree.
"""
import argparse
import concurrent.futures
import glob
import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
import time
import xml.etree.ElementTree

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(HERE)
OUTPUT_LINES_MAX = 120
OUTPUT_COLUMNS_MAX = 400

GROUPS = ("tidy", "unit", "san", "sim", "fuzz", "system")
# Bounds on one executable, and on all of a group; CI as a whole has 90 minutes.
EXECUTABLE_TIMEOUT_S = {"tidy": 60, "unit": 180, "san": 400, "sim": 240, "fuzz": 130, "system": 2400}
GROUP_TIMEOUT_S = {"tidy": 60, "unit": 600, "san": 1200, "sim": 240, "fuzz": 600, "system": 2400}
LONG_FACTOR = 20
FUZZ_S = 10

# What the tests call, and Debian's package that has it. clang's runtime is looked for apart: its name has a version.
PROGRAMS = {
    "san": {"clang": "clang", "ar": "binutils", "ld": "binutils", "llvm-symbolizer": "llvm"},
    "system": {"chromium": "chromium", "node": "nodejs", "npm": "npm", "openssl": "openssl", "readelf": "binutils"},
}
PROGRAMS["fuzz"] = PROGRAMS["san"]


class Missing(Exception):
    """Something the machine lacks, as one line with the remedy."""


class Clock:
    """The time that a group has left."""

    def __init__(self, group, is_long):
        factor = LONG_FACTOR if is_long else 1
        self.each_s = EXECUTABLE_TIMEOUT_S[group] * factor
        self.end = time.monotonic() + GROUP_TIMEOUT_S[group] * factor

    def limit_s(self):
        return max(1, min(self.each_s, self.end - time.monotonic()))


class Case:
    def __init__(self, name, verdict, output="", seconds=0.0):
        self.name, self.verdict, self.output, self.seconds = name, verdict, output, seconds


def say(text):
    print(text, flush=True)


def cache(*parts):
    base = os.environ.get("XDG_CACHE_HOME") or os.path.join(os.path.expanduser("~"), ".cache")
    return os.path.join(base, "stampmeter", *parts)


def execute(command, timeout_s, **options):
    """(exit code or None after the time limit, output, seconds)"""
    start = time.monotonic()
    # A group of its own, so that a time limit also ends what the test started.
    process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                               start_new_session=True, **options)
    try:
        output, _ = process.communicate(timeout=timeout_s)
        code = process.returncode
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, 9)
        output, _ = process.communicate()
        code = None
    return code, output.decode(errors="replace"), time.monotonic() - start


# ---- What the machine must have ----


def apt_install(packages):
    if os.geteuid() != 0 or not shutil.which("apt-get"):
        raise Missing("missing packages; as root: apt-get install %s" % " ".join(packages))
    say("installing %s" % " ".join(packages))
    environment = dict(os.environ, DEBIAN_FRONTEND="noninteractive")
    install = ["apt-get", "install", "-y", "-qq", "--no-install-recommends", *packages]
    code, output, _ = execute(install, 900, env=environment)
    if code != 0:
        # A fresh machine has no package lists, and an old one lists files that are gone.
        execute(["apt-get", "update", "-qq"], 300, env=environment)
        code, output, _ = execute(install, 900, env=environment)
    if code != 0:
        lines = [line for line in output.splitlines() if line.startswith("E:")] or ["apt-get exited with %s" % code]
        raise Missing("cannot install %s: %s" % (" ".join(packages), lines[-1]))


def need_programs(group, clang="clang"):
    programs = dict(PROGRAMS.get(group, {}))
    if clang != "clang":
        programs.pop("clang", None)
    # sorted, because two programs may come from one package
    packages = sorted({package for program, package in programs.items() if not shutil.which(program)})
    if packages:
        apt_install(packages)
    if group in ("san", "fuzz"):
        resource = execute([clang, "-print-resource-dir"], 30)[1].strip()
        if not glob.glob(os.path.join(resource, "lib", "*", "libclang_rt.fuzzer*")):
            version = os.path.basename(resource).split(".")[0]
            apt_install(["libclang-rt-%s-dev" % version])


def digest_of(*paths):
    value = hashlib.sha256()
    for path in paths:
        with open(path, "rb") as file:
            value.update(file.read())
    return value.hexdigest()[:16]


def prepared(folder, make):
    """The folder, made under another name and then renamed: an interrupted install is not taken for a whole one."""
    if os.path.isdir(folder):
        return folder
    os.makedirs(os.path.dirname(folder), exist_ok=True)
    work = tempfile.mkdtemp(prefix=os.path.basename(folder) + ".", dir=os.path.dirname(folder))
    try:
        make(work)
        os.rename(work, folder)
    except OSError:
        if not os.path.isdir(folder):
            raise
    finally:
        shutil.rmtree(work, ignore_errors=True)
    return folder


def check_install(what, command, **options):
    code, output, _ = execute(command, 600, **options)
    if code != 0:
        raise Missing("cannot install %s: %s" % (what, (output.strip().splitlines() or ["no output"])[-1][:300]))


def python_packages():
    """A folder for PYTHONPATH. Not a venv: those hold absolute paths, and Debian's python3 cannot make one alone."""
    requirements = os.path.join(HERE, "requirements.txt")

    def make(folder):
        say("installing the Python packages of tests/requirements.txt")
        check_install("Python packages", [
            sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--require-hashes",
            "--only-binary", ":all:", "--target", folder, "--requirement", requirements])
    version = "%d.%d" % sys.version_info[:2]
    return prepared(cache("tests", "python-%s-%s" % (version, digest_of(requirements))), make)


def node_packages():
    """A folder with node_modules; tests/node_modules points there, because ES modules are found in no other way."""
    package, lock = (os.path.join(HERE, name) for name in ("package.json", "package-lock.json"))

    def make(folder):
        say("installing the Node packages of tests/package-lock.json")
        for path in (package, lock):
            shutil.copy(path, folder)
        check_install("Node packages", ["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--silent"], cwd=folder)
    modules = os.path.join(prepared(cache("tests", "node-%s" % digest_of(package, lock)), make), "node_modules")
    link = os.path.join(HERE, "node_modules")
    if not os.path.islink(link) or os.readlink(link) != modules:
        if os.path.islink(link):
            os.remove(link)
        os.symlink(modules, link)
    return modules


# ---- Groups: each gives a list of cases ----


def tap_cases(prefix, code, output, seconds):
    """The cases of one program that reports by the Test Anything Protocol, as cmocka and tidy.py do."""
    # What a failed case printed stands before its line, why it failed stands after it.
    cases, notes, planned, failing = [], [], None, None
    for line in output.splitlines():
        if line.startswith("1.."):
            planned = int(line[3:].split()[0])
        elif line.startswith(("ok ", "not ok ")):
            name = line.split(" - ", 1)[-1].strip()
            verdict = "failed" if line.startswith("not") else "skipped" if "# SKIP" in name else "passed"
            cases.append(Case("%s: %s" % (prefix, name), verdict, "\n".join(notes) if verdict == "failed" else ""))
            notes, failing = [], cases[-1] if verdict == "failed" else None
        elif failing and not line.startswith("# not ok"):
            failing.output += line + "\n"
        else:
            notes.append(line)
    failed = any(case.verdict == "failed" for case in cases)
    if code is None:
        cases.append(Case(prefix, "failed", output + "\nnot finished after %d s" % seconds))
    elif (code != 0 and not failed) or (planned or 0) > len(cases) or not cases:
        cases.append(Case(prefix, "failed", output + "\nended with exit code %s after %d test cases" % (code, len(cases))))
    if cases:
        cases[0].seconds = seconds
    return cases


def side_by_side(jobs):
    """Runs functions that return lists of cases, as many at once as there are processors."""
    with concurrent.futures.ThreadPoolExecutor(max_workers=os.cpu_count() or 2) as pool:
        return [case for cases in pool.map(lambda job: job(), jobs) for case in cases]


def group_tidy(arguments, environment, scratch, clock):
    command = [sys.executable, os.path.join(HERE, "tidy.py"), "--tap"]
    return tap_cases("tidy", *execute(command, clock.limit_s(), env=environment, cwd=ROOT))


def run_executables(entries, match, environment, scratch, clock):
    def job(name, path):
        # A folder of its own, so that what a test leaves behind is neither seen by another nor kept.
        folder = os.path.join(scratch, name.replace("/", "-"))
        os.makedirs(folder)
        own = dict(environment, CMOCKA_MESSAGE_OUTPUT="TAP", TMPDIR=folder)
        return tap_cases(name, *execute([os.path.abspath(path)], clock.limit_s(), env=own, cwd=ROOT))
    entries = [entry for entry in entries if match in entry[0]]
    return side_by_side([lambda entry=entry: job(*entry) for entry in entries])


def group_unit(arguments, environment, scratch, clock):
    return run_executables(arguments.unit, arguments.match, environment, scratch, clock)


def group_sim(arguments, environment, scratch, clock):
    return run_executables(arguments.sim, arguments.match, environment, scratch, clock)


def sanitizer_environment(environment):
    return dict(environment,
                ASAN_OPTIONS="detect_leaks=1:strict_string_checks=1:detect_stack_use_after_return=1",
                UBSAN_OPTIONS="print_stacktrace=1:halt_on_error=1",
                ASAN_SYMBOLIZER_PATH=shutil.which("llvm-symbolizer") or "")


def group_san(arguments, environment, scratch, clock):
    need_programs("san", arguments.clang)
    return run_executables(arguments.san, arguments.match, sanitizer_environment(environment), scratch, clock)


def group_fuzz(arguments, environment, scratch, clock):
    need_programs("fuzz", arguments.clang)
    seconds = FUZZ_S * (LONG_FACTOR if arguments.long else 1)

    def job(name, path):
        grown = os.path.join(scratch, name)
        os.makedirs(grown)
        corpus = os.path.join(HERE, "fuzz", "corpus", name)
        command = [os.path.abspath(path), "-max_total_time=%d" % seconds, "-timeout=10", "-rss_limit_mb=2048",
                   "-print_final_stats=1", "-artifact_prefix=%s/" % grown, grown]
        command += [corpus] if os.path.isdir(corpus) else []
        code, output, taken = execute(command, clock.limit_s(), env=sanitizer_environment(environment), cwd=ROOT)
        # The canary holds a planted bug: if it is not found, none of the others means anything.
        good = (code not in (0, None) and "heap-buffer-overflow" in output) if name == "canary" else code == 0
        return [Case("fuzz %s" % name, "passed" if good else "failed", output, taken)]
    entries = [entry for entry in arguments.fuzz if arguments.match in entry[0]]
    return side_by_side([lambda entry=entry: job(*entry) for entry in entries])


def junit_cases(prefix, path, code, output):
    cases = []
    if os.path.exists(path):
        root = xml.etree.ElementTree.parse(path).getroot()
        for figure in root.iterfind("testsuite/properties/property"):
            say("    %s: %s" % (figure.get("name"), figure.get("value")))
        for element in root.iter("testcase"):
            verdict, text = "passed", ""
            for child in element:
                if child.tag in ("failure", "error"):
                    verdict, text = "failed", "%s\n%s" % (child.get("message", ""), child.text or "")
                elif child.tag == "skipped":
                    verdict, text = "skipped", child.get("message", "")
            name = "%s %s" % (element.get("classname", "").replace("tests.", "", 1), element.get("name"))
            cases.append(Case(name, verdict, text, float(element.get("time") or 0)))
    if code is None:
        cases.append(Case(prefix, "failed", output + "\nnot finished in time"))
    elif code != 0 and not any(case.verdict == "failed" for case in cases):
        cases.append(Case(prefix, "failed", output))
    return cases


def pytest_cases(files, arguments, environment, scratch, clock):
    report = os.path.join(scratch, "python.xml")
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--junitxml", report, "--durations=5",
               *(["-k", arguments.match] if arguments.match else []), *(["--long"] if arguments.long else []),
               *sorted({os.path.dirname(path) for path in files})]
    code, output, _ = execute(command, clock.limit_s(), env=environment, cwd=ROOT)
    # 5: nothing was left after --match.
    return junit_cases("pytest", report, 0 if code == 5 and arguments.match else code, output)


def group_system(arguments, environment, scratch, clock):
    files = sorted(glob.glob(os.path.join(HERE, "*", "test_*.py")))
    if not files:
        return []
    need_programs("system")
    own = dict(environment, PYTHONPATH=python_packages(), PYTHONDONTWRITEBYTECODE="1", NODE_PATH=node_packages(),
               TMPDIR=scratch, STAMPMETER_BIN=os.path.abspath(arguments.bin),
               STAMPMETER_CHROMIUM=shutil.which("chromium") or "")
    if os.path.isdir(os.path.join(ROOT, "..", "shared")):
        own["STAMPMETER_SHARED"] = os.path.abspath(os.path.join(ROOT, "..", "shared"))
    return pytest_cases(files, arguments, own, scratch, clock)


# ---- The report ----


def shortened(text):
    lines = [line[:OUTPUT_COLUMNS_MAX] for line in text.rstrip().splitlines()]
    if len(lines) > OUTPUT_LINES_MAX:
        # The first lines hold the first failure, the last ones the summary of whoever printed them.
        half = OUTPUT_LINES_MAX // 2
        lines = lines[:half] + ["... %d lines left out ..." % (len(lines) - 2 * half)] + lines[-half:]
    return "\n".join("    " + line for line in lines)


def run_group(group, arguments):
    start = time.monotonic()
    say("running %s" % group)
    with tempfile.TemporaryDirectory(prefix="stampmeter-%s-" % group) as scratch:
        try:
            clock = Clock(group, arguments.long)
            environment = dict(os.environ, **({"STAMPMETER_LONG": "1"} if arguments.long else {}))
            cases = globals()["group_" + group](arguments, environment, scratch, clock)
        except Missing as why:
            cases = [Case(group, "failed", str(why))]
    for case in cases:
        if case.verdict == "failed":
            say("FAILED %s\n%s\n" % (case.name, shortened(case.output)))
    return cases, time.monotonic() - start


def report(results):
    passed = failed = 0
    say("%-8s %8s %8s %8s %9s" % ("group", "passed", "failed", "skipped", "seconds"))
    for group, (cases, seconds) in results.items():
        count = {verdict: sum(case.verdict == verdict for case in cases) for verdict in ("passed", "failed", "skipped")}
        passed, failed = passed + count["passed"], failed + count["failed"]
        say("%-8s %8d %8d %8d %9.1f" % (group, count["passed"], count["failed"], count["skipped"], seconds))
    for cases, _ in results.values():
        for case in cases:
            if case.verdict == "skipped":
                say("skipped: %s %s" % (case.name, case.output.splitlines()[0] if case.output else ""))
            elif case.verdict == "failed":
                say("failed: %s" % case.name)
    say("%d passed, %d failed" % (passed, failed))
    return 0 if passed and not failed else 1


def named_path(text):
    name, path = text.split("=", 1)
    return name, path


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", action="append", choices=GROUPS, help="this group only")
    parser.add_argument("--long", action="store_true", help="run for longer")
    parser.add_argument("--match", default="", help="only files whose name contains this")
    for option in ("--group", "--prepare", "--bin"):
        parser.add_argument(option, action="append" if option == "--group" else None, help=argparse.SUPPRESS)
    for option in ("--unit", "--san", "--sim", "--fuzz"):
        parser.add_argument(option, action="append", default=[], type=named_path, help=argparse.SUPPRESS)
    parser.add_argument("--clang", default="clang", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.prepare:
        try:
            need_programs("san", arguments.prepare)
        except Missing as why:
            print("tests/run.py: %s" % why, file=sys.stderr)
            return 3
        return 0
    chosen = arguments.only or arguments.group or GROUPS
    return report({group: run_group(group, arguments) for group in GROUPS if group in chosen})


if __name__ == "__main__":
    sys.exit(main())
