"""Runs the clients in clients/ that are programs of their own: each reads a question as JSON and prints its answer."""
import json
import os
import shutil
import subprocess

import pytest

from harness import HERE

CLIENTS = os.path.join(HERE, "clients")
CLIENT_TIMEOUT_S = 120
GO_BUILD_TIMEOUT_S = 900


def ask(command, question, parse_float=float, **environment):
    done = subprocess.run(command, input=json.dumps(question).encode(), env=dict(os.environ, **environment),
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=CLIENT_TIMEOUT_S, check=False)
    assert done.returncode == 0, done.stderr.decode(errors="replace")[-3000:]
    return json.loads(done.stdout, parse_float=parse_float)


def ask_node(script, question, ca_file):
    # NODE_EXTRA_CA_CERTS is how a user of these clients makes them trust a private authority.
    return ask(["node", os.path.join(CLIENTS, script)], question, NODE_EXTRA_CA_CERTS=ca_file)


def ask_go(package, question, ca_file, folder, **options):
    """Builds the package of clients/go in the folder first."""
    if shutil.which("go") is None:
        pytest.skip("no go on this machine")
    program = os.path.join(folder, "client")
    built = subprocess.run(["go", "build", "-o", program, package], cwd=os.path.join(CLIENTS, "go"),
                           env=dict(os.environ, GOFLAGS="-mod=readonly"), stdout=subprocess.PIPE,
                           stderr=subprocess.STDOUT, timeout=GO_BUILD_TIMEOUT_S, check=False)
    assert built.returncode == 0, built.stdout.decode(errors="replace")[-3000:]
    return ask([program, ca_file], question, **options)
