"""Tokens and users by command: in the data directory while the server is stopped, and over HTTPS while it runs."""
import datetime
import json
import socket

import pytest

import harness
from harness import guid, record, run


@pytest.fixture
def remote(fresh, tmp_path):
    """Arguments that reach the fresh server as its operator."""
    token_file = tmp_path / "operator.token"
    token_file.write_text(fresh.ready["operator"]["token"] + "\n")
    return ["--url", fresh.url, "--ca", fresh.ca_file, "--token-file", token_file]


def test_tokens_with_the_server_stopped(initialised, tmp_path):
    data_dir, _ = initialised
    made = run("token", "create", "--role", "producer", "--source", "Microsoft.Compute", "--name", "rp",
               "--data-dir", data_dir)
    token = made.expect(0).out.strip().splitlines()[-1].split()[-1]
    listed = run("token", "list", "--data-dir", data_dir).expect(0).out
    assert "rp" in listed and token not in listed
    now = datetime.datetime.now(datetime.timezone.utc).replace(minute=0, second=0, microsecond=0)
    with harness.Server(tmp_path / "serve", data_dir=data_dir) as server, server.client(token) as client:
        client.accept(record(guid(), now - harness.HOUR))
        assert client.verdict_of(record(guid(), now - harness.HOUR, source="Other"))["code"] == "SourceNotAllowed"


def test_tokens_over_https(fresh, remote):
    own = fresh.tenants[0]["subscriptionId"]
    made = run("token", "create", "--role", "tenant", "--subscription", own, "--json", *remote)
    made = json.loads(made.expect(0).out)
    with fresh.client(made["token"]) as client:
        assert [one["subscriptionId"] for one in client.rows("/v1/subscriptions")] == [own]
        run("token", "revoke", made["id"], *remote).expect(0)
        client.get("/v1/subscriptions").expect(401)


def signs_in(client, name, password):
    answer = client.request("POST", "/v1/session", body={"username": name, "password": password})
    assert answer.status in (200, 201, 401), answer
    return answer.status != 401


def test_users_over_https(fresh, remote, tmp_path):
    own = fresh.tenants[0]["subscriptionId"]
    made = run("user", "add", "eve", "--role", "tenant", "--subscription", own, "--json", *remote)
    password = json.loads(made.expect(0).out)["password"]
    with fresh.client() as browser:
        assert signs_in(browser, "eve", password) and not signs_in(browser, "eve", password + "x")
        assert "eve" in run("user", "list", *remote).expect(0).out
        run("user", "disable", "eve", *remote).expect(0)
        assert not signs_in(browser, "eve", password)
        path = tmp_path / "password"
        path.write_text("correct horse battery\n")
        run("user", "add", "eve", "--role", "operator", "--password-file", path, *remote).expect(1)
        run("user", "add", "eve", "--role", "operator", "--password-file", path, "--replace", *remote).expect(0)
        assert signs_in(browser, "eve", "correct horse battery")


def test_users_with_the_server_stopped(initialised, tmp_path):
    data_dir, _ = initialised
    path = tmp_path / "password"
    path.write_text("correct horse battery\n")
    run("user", "add", "adam", "--role", "operator", "--password-file", path, "--data-dir", data_dir).expect(0)
    with harness.Server(tmp_path / "serve", data_dir=data_dir) as server, server.client() as browser:
        assert signs_in(browser, "adam", "correct horse battery")


def test_what_is_not_there(fresh, remote):
    run("token", "revoke", "0123456789abcdef", *remote).expect(1)
    run("user", "disable", "nobody", *remote).expect(1)


@pytest.mark.parametrize("arguments", [
    ["--role", "tenant"], ["--role", "producer"], ["--role", "king"], [],
    ["--role", "operator", "--expires", "yesterday"]])
def test_tokens_that_make_no_sense(initialised, arguments):
    result = run("token", "create", *arguments, "--data-dir", initialised[0])
    assert result.code in (1, 2, 3) and result.err.strip(), result


def test_a_server_that_is_not_there(tmp_path):
    token_file = tmp_path / "operator.token"
    token_file.write_text("sm_x\n")
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        url = "https://127.0.0.1:%d" % closed.getsockname()[1]
        assert run("token", "list", "--url", url, "--token-file", token_file).expect(3).one_line()


def test_a_server_that_is_not_trusted(fresh, remote):
    without_ca = [argument for argument in remote if argument not in ("--ca", fresh.ca_file)]
    assert run("token", "list", *without_ca).expect(3).one_line()


def test_a_token_that_does_not_do(fresh, remote, tmp_path):
    remote[-1].write_text(fresh.tenants[0]["token"] + "\n")
    assert run("token", "list", *remote).expect(3).one_line()
