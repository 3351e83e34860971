"""The commands of the documentation of registration, customers and partners do what it says: they are run as they stand
there, one page after the other, with the demo in the place of both sides."""
import datetime
import html
import os
import re
import subprocess

import pytest

import harness

# A time for the dates of the pages: the month that they speak of has begun.
START = datetime.datetime(2026, 3, 5, 10, tzinfo=datetime.timezone.utc)
BLOCK = re.compile(r'<pre tabindex="0"><code>(.*?)</code></pre>', re.DOTALL)
DEMO_ADVENTURE_WORKS = "b2f55b85-8abf-5c7f-8ab9-bd22a96b1049"


def commands(page):
    with open(os.path.join(harness.ROOT, "web", "docs", page), encoding="utf-8") as file:
        blocks = [html.unescape(block) for block in BLOCK.findall(file.read())]
    # Pieces of a configuration are no commands, and stopped servers are test_registration_cli.py's.
    blocks = [block for block in blocks if not block.startswith('"') and "--data-dir" not in block]
    assert len(blocks) >= 3, page
    return blocks


@pytest.fixture(scope="module")
def stamp(tmp_path_factory):
    with harness.Stamp(tmp_path_factory.mktemp("docs"), start=START) as server:
        yield server


@pytest.fixture(scope="module")
def run(stamp, tmp_path_factory):
    """Runs commands in a folder with the files that the pages speak of."""
    folder = tmp_path_factory.mktemp("files")
    for name, role in (("commerce.token", "commerce"), ("operator.token", "operator")):
        (folder / name).write_text(stamp.ready[role]["token"], encoding="ascii")
    with open(stamp.ca_file, encoding="ascii") as file:
        for name in ("ca.pem", "certificate.pem"):
            (folder / name).write_text(file.read(), encoding="ascii")
            file.seek(0)
    environment = dict(os.environ, PATH=os.path.dirname(harness.BINARY) + os.pathsep + os.environ["PATH"])

    def run_blocks(blocks):
        # A GET that is refused has to end it, too.
        script = "set -e; curl() { command curl -sS --fail-with-body \"$@\"; }\n" + "\n".join(blocks)
        script = re.sub(r"https://(?:stamp|commerce)\.example:8443", stamp.url, script)
        done = subprocess.run(["bash", "-c", script], cwd=folder, env=environment, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, timeout=120, check=False)
        assert done.returncode == 0, done.stdout.decode(errors="replace")
        return done.stdout.decode()

    run_blocks.folder = folder
    return run_blocks


def test_the_commands_of_registration_register_and_activate(stamp, run):
    blocks = commands("registration.html")
    output = run([block for block in blocks if "-X DELETE" not in block])
    assert '"etag":' in output and "Registered" in output
    assert (run.folder / "registration-token.txt").exists() and (run.folder / "activation-key.txt").exists()
    assert stamp.operator.request("GET", "/v1/registration").expect(200).json["state"] == "Registered"


def test_the_commands_of_customers_map_a_tenant_and_tell_who_paid(stamp, run):
    output = run(commands("customers.html"))
    assert '"kind":"customer"' in output
    assert '"lines":2,"changed":0,"unchanged":2,"rejected":0' in output.replace(" ", "")
    assert DEMO_ADVENTURE_WORKS in (run.folder / "customers-now.csv").read_text(encoding="utf-8")


def test_the_commands_of_partners_enter_and_approve(stamp, run):
    output = run(commands("partners.html"))
    assert "Lucerne Resale" in output and '"state":"Approved"' in output


def test_the_commands_of_removal_end_the_activation_and_the_registration(stamp, run):
    blocks = commands("registration.html")
    removal = [block for block in blocks if "-X DELETE" in block]
    assert len(removal) == 1
    address = next(line for block in blocks for line in block.splitlines() if line.startswith("REGISTRATION="))
    run([address, *removal])
    assert stamp.operator.request("GET", "/v1/registration").expect(200).json["state"] == "Not registered"
    rows = stamp.client(stamp.ready["commerce"]["token"]).request("GET", "/v1/commerce/registrations").expect(200).json["value"]
    assert stamp.ready["commerce"]["registration"] not in [row["name"] for row in rows]
