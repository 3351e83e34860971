"""The wrapper and the fetcher of vendor/: what they refuse, and that they say which file or version is wrong."""
import os
import pathlib
import shutil
import subprocess
import sys

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]


def run(*command, **environment):
    return subprocess.run([str(part) for part in command], env=dict(os.environ, **environment), text=True,
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=120)


@pytest.fixture(scope="module")
def sources(tmp_path_factory):
    """The verified sources, as the build itself just fetched them."""
    folder = tmp_path_factory.mktemp("sources")
    answer = run(sys.executable, ROOT / "vendor" / "fetch.py", "--out", folder)
    assert answer.returncode == 0, answer.stderr
    return folder


def fetch_from(folder, out):
    return run(sys.executable, ROOT / "vendor" / "fetch.py", "--out", out, STAMPMETER_VENDOR_DIR=str(folder))


def test_local_folder_replaces_the_network(sources, tmp_path):
    answer = fetch_from(sources, tmp_path / "out")
    assert answer.returncode == 0, answer.stderr
    assert (tmp_path / "out" / "lmdb" / "mdb.c").read_bytes() == (sources / "lmdb" / "mdb.c").read_bytes()


def test_changed_file_stops_the_build_and_is_named(sources, tmp_path):
    copy = shutil.copytree(sources, tmp_path / "copy")
    with open(copy / "lmdb" / "mdb.c", "ab") as file:
        file.write(b"\n")
    answer = fetch_from(copy, tmp_path / "out")
    assert answer.returncode == 3
    assert "lmdb/mdb.c" in answer.stderr and "wrong sha256" in answer.stderr
    assert not (tmp_path / "out").exists()


def test_missing_file_stops_the_build_and_is_named(sources, tmp_path):
    copy = shutil.copytree(sources, tmp_path / "copy")
    (copy / "llhttp" / "src" / "api.c").unlink()
    answer = fetch_from(copy, tmp_path / "out")
    assert answer.returncode == 3
    assert "llhttp/src/api.c is missing" in answer.stderr


def test_spoilt_cache_is_not_used(sources, tmp_path):
    cache = tmp_path / "stampmeter" / "vendor"
    # Filled as a first clone would fill it, but from the local folder: no network in a test.
    script = ("import sys; sys.path.insert(0, sys.argv[1]); import fetch, json\n"
              "library = [l for l in json.load(open(fetch.MANIFEST))['libraries'] if l['name'] == 'yyjson'][0]\n"
              "pinned = fetch.read_sums()['yyjson']\n"
              "fetch.fetch_library = lambda *_: (fetch.read_folder(sys.argv[2] + '/yyjson', pinned), library['channels'][0])\n"
              "for spoil in (False, True):\n"
              "    contents = fetch.provide(library, pinned, None)\n"
              "    fetch.check(library, pinned, contents, 'the result')\n"
              "    if not spoil:\n"
              "        import glob\n"
              "        open(glob.glob(sys.argv[3] + '/yyjson-*/yyjson.c')[0], 'a').write('x')\n")
    answer = run(sys.executable, "-c", script, ROOT / "vendor", sources, cache,
                 XDG_CACHE_HOME=str(tmp_path), STAMPMETER_VENDOR_DIR="")
    assert answer.returncode == 0, answer.stderr


def test_another_zig_is_refused(tmp_path):
    fake = tmp_path / "zig"
    fake.write_text("#!/bin/sh\necho 0.15.2\n")
    fake.chmod(0o755)
    answer = run(ROOT / "vendor" / "zig", "version", ZIG=str(fake))
    assert answer.returncode == 3
    assert "0.15.2" in answer.stderr and "0.16.0" in answer.stderr
    assert len(answer.stderr.splitlines()) == 1


def test_wrapper_passes_arguments_and_exit_code_on(tmp_path):
    fake = tmp_path / "zig"
    fake.write_text('#!/bin/sh\n[ "$1" = version ] && { echo 0.16.0; exit; }\nprintf "%s|" "$PWD" "$@"\nexit 7\n')
    fake.chmod(0o755)
    answer = run(ROOT / "vendor" / "zig", "build", "a b", "-Dx", ZIG=str(fake))
    assert answer.returncode == 7
    assert answer.stdout == "%s|build|a b|-Dx|" % ROOT
