#!/usr/bin/env python3
"""Turns web/ and config/ into the C table that src/net/assets.h declares, so that the program is one file.

    embed.py --out assets.c --vendor DIR
    embed.py --page NAME.html            prints that page of web/docs as it is served

    web/PATH                 becomes /PATH; a folder's index.html answers for the folder: /, /docs/
    web/docs/NAME.html       has a comment, a title and a text, which web/docs/page.template puts into a page; a new
                             page is such a file and a line of the template's navigation
    config/NAME.csv|.json    becomes config/NAME, for the program itself: no request path lacks the leading slash
    VENDORED below           become /vendor/NAME

The bytes are written as C string literals: every compiler reads them quickly and none needs an include path.
The output depends on the inputs alone, so that two builds of one commit give the same binary.
"""
import argparse
import gzip
import hashlib
import os
import re
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
DOCS = os.path.join(HERE, "docs")

# The console's libraries: (file of vendor/manifest.json, name below /vendor/).
VENDORED = (
    ("htm/dist/htm.module.js", "htm.module.js"),
    ("preact/dist/preact.module.js", "preact.module.js"),
    ("preact/hooks/dist/hooks.module.js", "hooks.module.js"),
    ("uplot/dist/uPlot.iife.min.js", "uPlot.iife.min.js"),
    ("uplot/dist/uPlot.min.css", "uPlot.min.css"),
)

MIME = {
    ".css": "text/css; charset=utf-8",
    ".csv": "text/csv; charset=utf-8",
    ".html": "text/html; charset=utf-8",
    ".ico": "image/x-icon",
    ".js": "text/javascript; charset=utf-8",
    ".json": "application/json",
    ".mjs": "text/javascript; charset=utf-8",
    ".png": "image/png",
    ".svg": "image/svg+xml",
    ".txt": "text/plain; charset=utf-8",
    ".webmanifest": "application/manifest+json",
    ".woff2": "font/woff2",
}

# Tools and notes of web/ that are not served.
NOT_SERVED = {".py", ".md", ".template"}


def read(path):
    with open(path, "rb") as file:
        return file.read()


def files_below(folder):
    for parent, folders, names in os.walk(folder):
        folders[:] = sorted(name for name in folders if not name.startswith((".", "__")) and name != "node_modules")
        for name in sorted(names):
            if not name.startswith("."):
                yield os.path.relpath(os.path.join(parent, name), folder).replace(os.sep, "/")


def module(data):
    """A vendored module as a page without a bundler can load it, under a policy that forbids an import map."""
    data = re.sub(rb'(from\s*|import\s*)"preact"', rb'\1"./preact.module.js"', data)
    # The map is not served; without the comment developer tools do not ask for it.
    return re.sub(rb"\n?//# sourceMappingURL=\S+\s*$", b"\n", data)


def docs_page(name):
    """A page of the documentation: its comment, title and text in the template, itself marked in the navigation."""
    template = read(os.path.join(DOCS, "page.template")).decode()
    source = read(os.path.join(DOCS, name)).decode()
    parts = re.fullmatch(r"(<!-- .*? -->)\n(<title>.*?</title>)\n(.*)", source, re.DOTALL)
    if parts is None:
        raise SystemExit("web/docs/%s: does not begin with a comment and a title, a line each" % name)
    link = '<li><a href="/docs/%s"' % (name if name != "index.html" else "")
    if template.count(link) != 1:
        raise SystemExit("web/docs/%s: is not in the navigation of web/docs/page.template" % name)
    page = template.replace(link, link + ' aria-current="page"')
    for field, value in zip(("{about}", "{title}", "{text}"), parts.groups()):
        page = page.replace(field, value, 1)
    return page.encode()


def collect(vendor):
    """{path: bytes}"""
    found = {}
    for name in files_below(HERE):
        if os.path.splitext(name)[1] in NOT_SERVED:
            continue
        path = "/" + name
        if os.path.basename(name) == "index.html":
            path = path[:-len("index.html")]
        folder, file = os.path.split(name)
        found[path] = docs_page(file) if folder == "docs" and file.endswith(".html") else read(os.path.join(HERE, name))
    config = os.path.join(os.path.dirname(HERE), "config")
    for name in files_below(config):
        if name.endswith((".csv", ".json")):
            found["config/" + name] = read(os.path.join(config, name))
    for source, name in VENDORED:
        data = read(os.path.join(vendor, source))
        found["/vendor/" + name] = module(data) if name.endswith(".js") else data
    return found


def mime_of(path):
    suffix = ".html" if path.endswith("/") else os.path.splitext(path)[1]
    if suffix not in MIME:
        raise SystemExit("web/embed.py: no media type for %s; add %s to MIME" % (path, suffix or "its suffix"))
    return MIME[suffix]


ESCAPES = {byte: "\\%03o" % byte for byte in range(256)}
ESCAPES.update({byte: chr(byte) for byte in range(32, 127) if chr(byte) not in '"\\?'})
ESCAPES.update({ord("\n"): "\\n", ord('"'): '\\"', ord("\\"): "\\\\"})


def literal(data):
    """A C string literal; '?' is escaped because of trigraphs, lines are short enough for any tool to show."""
    text = [ESCAPES[byte] for byte in data]
    lines = ["".join(text[at:at + 100]) for at in range(0, len(text), 100)] or [""]
    return "\n    ".join('"%s"' % line for line in lines)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out")
    parser.add_argument("--vendor")
    parser.add_argument("--page")
    arguments = parser.parse_args()
    if arguments.page:
        sys.stdout.buffer.write(docs_page(arguments.page))
        return
    if not arguments.out or not arguments.vendor:
        parser.error("--out and --vendor are needed")
    data_of = collect(arguments.vendor)
    parts = ["/* Generated by web/embed.py. */\n#include \"net/assets.h\"\n"]
    rows = []
    for number, path in enumerate(sorted(data_of)):
        data = data_of[path]
        packed = gzip.compress(data, 9, mtime=0)
        pays = not path.startswith("config/") and len(packed) < len(data) * 9 // 10
        # One form only: every browser takes gzip, and the others wait the microseconds that unpacking takes.
        parts.append("static const char data_%d[] =\n    %s;\n" % (number, literal(packed if pays else data)))
        pointer = "(const unsigned char *)data_%d" % number
        rows.append('    {"%s", "%s", %s, %d, %s, %d, "%s"},\n' % (
            path, mime_of(path) if path.startswith("/") else "", "NULL" if pays else pointer, len(data),
            pointer if pays else "NULL", len(packed) if pays else 0, hashlib.sha256(data).hexdigest()[:32]))
    parts.append("const struct asset assets[] = {\n%s};\n" % "".join(rows))
    parts.append("const size_t assets_count = sizeof assets / sizeof assets[0];\n")
    with open(arguments.out, "w", encoding="ascii") as file:
        file.write("\n".join(parts))


if __name__ == "__main__":
    main()
