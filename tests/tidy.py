#!/usr/bin/env python3
"""Rules of the source tree that no compiler checks: who may include whom, what may not be called, sizes, left-overs.

    tidy.py           one finding a line; exit code 1 when there is any
    tidy.py --tap     the same as test cases, together with the self-test, for tests/run.py

Each rule is a function from a tree to findings, with an example that it must object to: a rule that has stopped
noticing anything fails the self-test. The tables at the top are meant to be edited when the design changes.
"""
import fnmatch
import os
import re
import subprocess
import sys

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))

# Layer -> layers whose headers its files may include, besides its own. From the bottom up; build.zig links the same way.
LAYERS = {
    "base": [],
    "store": ["base"],
    "net": ["base"],
    "identity": ["base", "store"],
    "usage": ["base", "store"],
    "registration": ["base", "store"],
    "commerce": ["base", "store", "usage", "registration"],
    "forward": ["base", "store", "usage", "registration"],
    "export": ["base", "store", "usage", "commerce"],
    "api": ["base", "store", "net", "identity", "usage", "registration", "commerce", "forward", "export"],
    "cli": ["base", "store", "net", "identity", "usage", "registration", "commerce", "forward", "export", "api"],
}

# Header (or folder of headers) of a third party -> the files that may include it. Everything else sees our own types.
THIRD_PARTY = {
    "uv.h": ["src/net/loop_uv.h", "src/net/loop.c"],
    "lmdb.h": ["src/store/kv.c"],
    "mbedtls/": ["src/net/tls*.c", "src/net/tls_internal.h", "src/base/crypto.c", "src/base/signature.c",
                 "tests/unit/net/test_tls_gcm.c"],
    "psa/": ["src/net/tls*.c", "src/net/tls_internal.h", "src/base/crypto.c"],
    "sodium/": ["src/net/tls.c", "src/net/tls_gcm.c", "tests/unit/net/test_tls_gcm.c"],
    "llhttp.h": ["src/net/http1*.c"],
    "yyjson.h": ["src/base/json*.c", "src/base/json_internal.h"],
    "libdeflate.h": ["src/base/gzip.c"],
}

# Function -> what to use instead.
BANNED = {
    "alloca": "an arena",
    "asctime": "base/instant.h",
    "assert": "REQUIRE of base/check.h",
    "atof": "base/decimal.h",
    "atoi": "the checked parsers of base/text.h",
    "atol": "the checked parsers of base/text.h",
    "atoll": "the checked parsers of base/text.h",
    "ctime": "base/instant.h",
    "gets": "base/files.h",
    "gmtime": "base/instant.h",
    "gmtime_r": "base/instant.h",
    "localtime": "base/instant.h",
    "localtime_r": "base/instant.h",
    "mktime": "base/instant.h",
    "perror": "base/log.h",
    "rand": "base/crypto.h",
    "random": "base/crypto.h",
    "setlocale": "nothing: output must not depend on the user's locale",
    "sprintf": "snprintf or base/buffer.h",
    "srand": "base/crypto.h",
    "strcat": "base/buffer.h",
    "strcpy": "memcpy with a checked length",
    "strncat": "base/buffer.h",
    "strncpy": "memcpy with a checked length",
    "strtod": "base/decimal.h",
    "strtof": "base/decimal.h",
    "strtok": "the cutting functions of base/text.h",
    "system": "posix_spawn with an argument list",
    "tmpnam": "mkstemp",
    "vsprintf": "vsnprintf or base/buffer.h",
}
# Harmless in a test, where they end or seed nothing but the test.
BANNED_IN_SRC_ONLY = {"assert", "perror", "rand", "random", "srand", "strtod", "system"}

FILE_LINES_MAX = 800
FUNCTION_LINES_MAX = 70
COLUMNS_MAX = 120

COMMENT_STARTS = {
    ".c": ("/*", "//"), ".h": ("/*", "//"), ".zig": ("//",), ".py": ("#!", '"""', "#"), ".sh": ("#",),
    ".js": ("/*", "//"), ".mjs": ("/*", "//", "#!"), ".css": ("/*",),
}
TEXT_SUFFIXES = set(COMMENT_STARTS) | {".html", ".md", ".json", ".csv", ".txt", ".yml", ".service", ""}

# Written in pieces so that this file does not object to itself.
LEFT_OVERS = re.compile(r"\b(" + "|".join(("TO" "DO", "FIX" "ME", "X" "XX")) + r")\b")
REGISTRY = re.compile(
    r"//(?:registry|deb|security|snapshot|files|proxy|repo\d*|index|mirrors?|static)\.[\w.-]+\.\w+"
    r"|\b(?:[\w-]+\.)*(?:pypi|npmjs|pythonhosted|crates|maven|golang|debian)\.(?:org|com|io)\b", re.IGNORECASE)
MACHINE_PATH = re.compile(r"(?<![\w.~$}/-])/(?:work|root|Users/\w+|home/(?!stampmeter\b)\w+)/\w")


# ---- The tree ----


class Tree:
    """The files of the repository by path; the self-test makes small ones of its own."""

    def __init__(self, files):
        self.files = files

    @staticmethod
    def of_repository():
        command = ["git", "-C", ROOT, "ls-files", "--cached", "--others", "--exclude-standard", "-z"]
        names = subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout.decode().split("\0")
        files = {}
        for name in names:
            path = os.path.join(ROOT, name)
            if name and os.path.splitext(name)[1] in TEXT_SUFFIXES and os.path.isfile(path) and not os.path.islink(path):
                with open(path, encoding="utf-8", errors="replace") as file:
                    files[name] = file.read()
        return Tree(files)

    def matching(self, *suffixes, below=("src/", "tests/")):
        for path, text in sorted(self.files.items()):
            if path.endswith(suffixes) and path.startswith(below):
                yield path, text


def without_comments(text):
    """C source with comments and the insides of literals blanked out, every line where it was."""
    def blank(match):
        token = match.group(0)
        if token.startswith("/"):
            return re.sub(r"[^\n]", " ", token)
        return token[0] + re.sub(r"[^\n]", " ", token[1:-1]) + token[-1]
    return re.sub(r'/\*.*?\*/|//[^\n]*|"(?:\\.|[^"\\\n])*"|\'(?:\\.|[^\'\\\n])*\'', blank, text, flags=re.DOTALL)


def lines_of(text):
    return enumerate(text.split("\n"), 1)


def includes_of(text):
    """(line, bracket, header)"""
    for number, line in lines_of(text):
        match = re.match(r'\s*#\s*include\s*([<"])([^">]+)[">]', line)
        if match:
            yield number, match.group(1), match.group(2)


def layer_of(path):
    parts = path.split("/")
    return parts[1] if parts[0] == "src" and len(parts) > 2 else None


# ---- Rules ----


def rule_layers(tree):
    """includes point downwards"""
    for path, text in tree.matching(".c", ".h", below="src/"):
        layer = layer_of(path)
        if layer not in LAYERS:
            yield path, 1, "is in no layer of tests/tidy.py"
            continue
        for number, bracket, header in includes_of(text):
            target = header.split("/")[0]
            if bracket == "<" or target == "generated":
                continue
            if "/" not in header or target not in LAYERS:
                yield path, number, 'include "%s" by its folder, as in "base/text.h"' % header
            elif target != layer and target not in LAYERS[layer]:
                yield path, number, "%s may not include %s" % (layer, header)


def rule_third_party(tree):
    """third-party headers are included by few files"""
    for path, text in tree.matching(".c", ".h", below="src/"):
        for number, _, header in includes_of(text):
            for name, allowed in THIRD_PARTY.items():
                hit = header.startswith(name) if name.endswith("/") else header == name
                if hit and not any(fnmatch.fnmatchcase(path, pattern) for pattern in allowed):
                    yield path, number, "only %s may include %s" % (", ".join(allowed), header)


def rule_linking(tree):
    """build.zig links no layer that may not be included"""
    text = tree.files.get("build.zig", "")
    for match in re.finditer(r'\.name = "(\w+)",\s*\.sources.*?\.needs = &\.\{(.*?)\}', text, re.DOTALL):
        layer, needs = match.group(1), re.findall(r'"(\w+)"', match.group(2))
        for name in needs:
            if name not in LAYERS.get(layer, []):
                yield "build.zig", text.count("\n", 0, match.start()) + 1, "%s may not need %s" % (layer, name)


def rule_own_header_first(tree):
    """a source file includes its own header first, which proves that the header stands alone"""
    for path, text in tree.matching(".c", below="src/"):
        own = path[:-2] + ".h"
        headers = [header for _, _, header in includes_of(text)]
        if own in tree.files and headers and headers[0] != own[len("src/"):]:
            yield path, 1, "does not include %s first" % own[len("src/"):]


def rule_banned(tree):
    """no banned function is called"""
    pattern = re.compile(r"(?<![\w.>])(%s)\s*\(" % "|".join(BANNED))
    for path, text in tree.matching(".c", ".h"):
        for number, line in lines_of(without_comments(text)):
            for match in pattern.finditer(line):
                name = match.group(1)
                if path.startswith("src/") or name not in BANNED_IN_SRC_ONLY:
                    yield path, number, "%s is banned; use %s" % (name, BANNED[name])


def rule_left_overs(tree):
    """nothing is left for later in a comment"""
    for path, text in sorted(tree.files.items()):
        for number, line in lines_of(text):
            if LEFT_OVERS.search(line):
                yield path, number, "%s: do it or file an issue" % LEFT_OVERS.search(line).group(1)


def rule_file_size(tree):
    """no source file is too long"""
    for path, text in tree.matching(".c", ".h", ".py", ".js", ".mjs", ".css", below=("src/", "tests/", "web/", "vendor/")):
        count = text.count("\n")
        if count > FILE_LINES_MAX:
            yield path, FILE_LINES_MAX, "has %d lines, at most %d" % (count, FILE_LINES_MAX)


def rule_function_size(tree):
    """no function is too long"""
    for path, text in tree.matching(".c", ".h"):
        depth, start, before = 0, 0, ""
        for number, line in lines_of(re.sub(r"^\s*#.*?(?<!\\)$", "", without_comments(text), flags=re.MULTILINE)):
            for character in line:
                if character == "{":
                    if depth == 0:
                        # A body follows a parameter list; anything else at this depth is a type or a table.
                        start = number if before.rstrip().endswith(")") else 0
                    depth += 1
                elif character == "}":
                    depth -= 1
                    if depth == 0:
                        if start and number - start > FUNCTION_LINES_MAX:
                            yield path, start, "function of %d lines, at most %d" % (number - start, FUNCTION_LINES_MAX)
                        before = ""
                elif depth == 0:
                    before += character


def rule_blanks(tree):
    """no tabs, no trailing blanks, no long lines, one newline at the end"""
    for path, text in sorted(tree.files.items()):
        suffix = os.path.splitext(path)[1]
        if suffix not in COMMENT_STARTS:
            continue
        if text and not text.endswith("\n") or text.endswith("\n\n"):
            yield path, text.count("\n") + 1, "does not end with exactly one newline"
        for number, line in lines_of(text):
            if "\t" in line:
                yield path, number, "tab"
            if line != line.rstrip():
                yield path, number, "trailing blank"
            # A literal is not broken up to fit: nobody would find its text again.
            if suffix in (".c", ".h") and len(re.sub(r'"(?:\\.|[^"\\])*"', '""', line)) > COLUMNS_MAX:
                yield path, number, "%d columns, at most %d" % (len(line), COLUMNS_MAX)


def rule_dead_files(tree):
    """every source file is built and every header is included"""
    build = tree.files.get("build.zig", "")
    included = {header for _, text in tree.matching(".c", ".h") for _, _, header in includes_of(text)}
    for path, _ in tree.matching(".c"):
        named = re.match(r"tests/(?:fuzz/fuzz|bench/bench)_(\w+)\.c$", path)
        if '"%s"' % (named.group(1) if named else path) not in build:
            yield path, 1, "is in no list of build.zig"
    for path, _ in tree.matching(".h"):
        parts = path.split("/")
        names = {"/".join(parts[at:]) for at in range(1, 2 if parts[0] == "src" else len(parts))}
        # Passed to Mbed TLS by a macro, never by a line that includes it.
        if not names & included and path != "src/net/mbedtls_config.h":
            yield path, 1, "is included by nobody"


def rule_headers(tree):
    """every header has #pragma once"""
    for path, text in tree.matching(".h"):
        if not re.search(r"^#pragma once$", text, re.MULTILINE):
            yield path, 1, "#pragma once is missing"


def rule_opening(tree):
    """every file opens with what it is for"""
    for path, text in sorted(tree.files.items()):
        starts = COMMENT_STARTS.get(os.path.splitext(path)[1])
        # An empty __init__.py says nothing and needs to say nothing.
        if starts and text.strip() and not text.startswith(starts):
            yield path, 1, "opens without a comment on its purpose"


def rule_places(tree):
    """no registry's host name and no path of one machine"""
    for path, text in sorted(tree.files.items()):
        for number, line in lines_of(text):
            for pattern, what in ((REGISTRY, "a package registry's host name"), (MACHINE_PATH, "a path of one machine")):
                match = pattern.search(line)
                if match:
                    yield path, number, "%s: %s" % (what, match.group(0))


# Rule -> a tree that it must object to.
EXAMPLES = {
    rule_layers: {"src/base/a.c": '/* */\n#include "net/http.h"\n'},
    rule_third_party: {"src/api/a.c": "/* */\n#include <uv.h>\n"},
    rule_linking: {"build.zig": '.{ .name = "base", .sources = &a, .needs = &.{"cli"} }'},
    rule_own_header_first: {"src/base/a.c": '/* */\n#include <stdio.h>\n#include "base/a.h"\n', "src/base/a.h": ""},
    rule_banned: {"src/base/a.c": "void f(void) { strcpy(a, b); }\n"},
    rule_left_overs: {"README.md": "TO" "DO: everything\n"},
    rule_file_size: {"src/base/a.c": "\n" * (FILE_LINES_MAX + 1)},
    rule_function_size: {"src/base/a.c": "static int f(int x)\n{\n" + "    x();\n" * (FUNCTION_LINES_MAX + 1) + "}\n"},
    rule_blanks: {"src/base/a.c": "/* */ \n"},
    rule_dead_files: {"src/base/a.c": "/* */\n", "build.zig": ""},
    rule_headers: {"src/base/a.h": "/* */\n"},
    rule_opening: {"src/base/a.c": "int x;\n"},
    rule_places: {"README.md": "see https://" + "registry.example.org/x\n"},
}
# What looks like a violation and is none.
INNOCENT = {
    "src/base/a.c": '/* Says strcpy(a, b) in a comment. */\n#include "base/a.h"\n\nstatic const char text[] = "gets(x)";\n',
    "src/base/a.h": "/* A header. */\n#pragma once\n",
    "build.zig": '//! Lists.\n"src/base/a.c",\n.{ .name = "store", .sources = &s, .needs = &.{"base"} },\n',
    "README.md": "See https://libuv.org and the folder /var/lib/stampmeter.\n",
}


def self_test():
    """{name: output or nothing}"""
    verdicts = {}
    for rule, files in EXAMPLES.items():
        found = list(rule(Tree(files)))
        verdicts["%s notices a violation" % rule.__name__] = [] if found else ["nothing found in %r" % files]
        innocent = ["%s:%d: %s" % finding for finding in rule(Tree(INNOCENT))]
        verdicts["%s accuses nobody wrongly" % rule.__name__] = innocent
    return verdicts


def main():
    tree = Tree.of_repository()
    if not any(path.startswith("src/") for path in tree.files):
        sys.exit("tests/tidy.py: no source files found below %s" % ROOT)
    verdicts = {rule.__doc__ or rule.__name__: ["%s:%d: %s" % finding for finding in rule(tree)] for rule in EXAMPLES}
    if "--tap" not in sys.argv[1:]:
        findings = sorted({finding for found in verdicts.values() for finding in found})
        print("".join(finding + "\n" for finding in findings), end="")
        return 1 if findings else 0
    verdicts.update(self_test())
    print("1..%d" % len(verdicts))
    for number, (name, found) in enumerate(verdicts.items(), 1):
        print("%s %d - %s" % ("not ok" if found else "ok", number, name))
        print("".join("  %s\n" % line for line in found), end="")
    return 1 if any(verdicts.values()) else 0


if __name__ == "__main__":
    sys.exit(main())
