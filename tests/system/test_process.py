"""The program as a process: what init leaves, exit codes with their one line, draining, reloading, ready files."""
import json
import os
import re
import signal
import socket
import ssl
import stat
import subprocess

import pytest

import harness
from harness import guid, record, run, until


def serve(tmp_path, initialised, *arguments, options=None):
    return harness.Server(tmp_path / "serve", *arguments, data_dir=initialised[0], options=options)


def operator_token(data_dir):
    with open(data_dir / "operator.token", encoding="ascii") as file:
        return file.read().strip()


def mode_of(path):
    return stat.S_IMODE(os.stat(path).st_mode)


# ---- init ----


def test_init_prints_the_password_once(initialised, tmp_path):
    data_dir, result = initialised
    words = [word for word in re.split(r"\s+", result.out) if re.fullmatch(r"[\w-]{16,}", word)]
    with serve(tmp_path, initialised) as server, server.client() as client:
        def signs_in(word):
            answer = client.request("POST", "/v1/session", body={"username": "operator", "password": word})
            return answer.status < 300
        signed_in = [word for word in words if signs_in(word)]
    assert len(signed_in) == 1, "no word of this signs in: %r" % result
    for name in os.listdir(data_dir):
        path = os.path.join(data_dir, name)
        if os.path.isfile(path):
            with open(path, "rb") as file:
                assert signed_in[0].encode() not in file.read(), "%s holds the password" % name
    assert signed_in[0] not in server.log()


def test_init_writes_an_operator_token_for_the_owner_only(initialised, tmp_path):
    data_dir, result = initialised
    assert mode_of(data_dir / "operator.token") == 0o600
    token = operator_token(data_dir)
    assert token not in result.out + result.err
    with serve(tmp_path, initialised) as server, server.client(token) as client:
        client.get("/v1/status").expect(200)


def test_nothing_in_the_data_directory_is_for_others(initialised):
    data_dir, _ = initialised
    for folder, folders, files in os.walk(data_dir):
        for name in folders + files:
            path = os.path.join(folder, name)
            if not path.endswith(".pem") or "key" in name:
                assert mode_of(path) & 0o077 == 0, path


def test_a_second_init_changes_nothing(initialised):
    data_dir, _ = initialised
    token = operator_token(data_dir)
    assert run("init", "--data-dir", data_dir).expect(3).one_line()
    assert operator_token(data_dir) == token


# ---- What keeps it from running: exit 3 and one line ----


def test_a_data_directory_in_use(fresh):
    for command in (("serve", "--listen", "127.0.0.1:0"), ("demo", "--listen", "127.0.0.1:0"), ("init",),
                    ("token", "list"), ("import", os.path.join(harness.ROOT, "tests", "data", "recorded-hour.json"),
                                        "--format", "arm", "--history")):
        line = run(*command, "--data-dir", fresh.data_dir).expect(3).one_line()
        assert fresh.data_dir in line or "data directory" in line, line
    fresh.operator.get("/healthz").expect(200)


def test_a_store_of_a_newer_schema(initialised):
    data_dir, _ = initialised
    path, = [os.path.join(folder, "data.mdb") for folder, _, files in os.walk(data_dir) if "data.mdb" in files]
    with open(path, "r+b") as file:
        content = file.read()
        # An entry of LMDB is its key and then its value: the name, and the version as four bytes.
        newer, count = re.subn(rb"schema\0\0\0.", b"schema\0\0\0\xff", content, flags=re.DOTALL)
        assert count > 0
        file.seek(0)
        file.write(newer)
    line = run("serve", "--data-dir", data_dir, "--listen", "127.0.0.1:0").expect(3).one_line()
    assert "newer" in line, line


def test_a_store_that_is_none(tmp_path):
    os.makedirs(tmp_path / "data")
    (tmp_path / "data" / "data.mdb").write_bytes(b"this is no database" * 1000)
    for folder, _, _ in os.walk(tmp_path / "data"):
        assert run("serve", "--data-dir", folder, "--listen", "127.0.0.1:0").expect(3).one_line()


def test_a_port_that_is_taken(initialised):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        address = "127.0.0.1:%d" % taken.getsockname()[1]
        assert address in run("serve", "--data-dir", initialised[0], "--listen", address).expect(3).one_line()


@pytest.mark.parametrize("address", ["203.0.113.7:0", "nowhere.invalid:0", "127.0.0.1", "127.0.0.1:99999"])
def test_an_address_that_cannot_be_listened_on(initialised, address):
    assert run("serve", "--data-dir", initialised[0], "--listen", address).expect(3).one_line()


def test_a_configuration_that_is_missing_or_wrong(initialised, tmp_path):
    missing = run("serve", "--config", tmp_path / "none.json").expect(3).one_line()
    assert "none.json" in missing
    wrong = tmp_path / "wrong.json"
    wrong.write_text('{"net": {"listne": "127.0.0.1:0"}}')
    line = run("serve", "--config", wrong, "--data-dir", initialised[0]).expect(3).one_line()
    assert "listne" in line and "listen" in line


def test_wrong_environment(initialised):
    line = run("serve", "--data-dir", initialised[0], options={"net.listne": "x"}).expect(3).one_line()
    assert "LISTNE" in line.upper()


def test_a_data_directory_that_cannot_be_made(tmp_path):
    (tmp_path / "file").write_text("")
    assert run("init", "--data-dir", tmp_path / "file" / "data").expect(3).one_line()


# ---- Wrong usage: exit 2 ----


@pytest.mark.parametrize("arguments", [
    ["--nonsense"], ["frobnicate"], ["serve", "--prot", "1"], ["serve", "extra"], ["serve", "--listen"], ["import"],
    ["demo", "--speed", "fast"], ["demo", "--start", "yesterday"], ["token"], ["token", "frobnicate"],
    ["import", "a", "--format", "xml"], ["init", "--data-dir", "a", "--data-dir"], ["version", "--loud"], []])
def test_wrong_usage(arguments, tmp_path):
    result = run(*arguments, cwd=tmp_path).expect(2)
    assert result.err.strip() and not result.out, result
    assert os.listdir(tmp_path) == []


def test_a_mistyped_name_is_told_its_nearest():
    assert "serve" in run("sreve").expect(2).err
    assert "--data-dir" in run("serve", "--data-dri", "x").expect(2).err


@pytest.mark.parametrize("command", ["", "serve", "demo", "init", "import", "token", "token create", "user",
                                     "check-config", "gen-config", "bench", "version"])
def test_help(command):
    result = run(*command.split(), "--help").expect(0)
    assert len(result.out) > 80 and not result.err
    # Readable on a terminal.
    assert max(map(len, result.out.splitlines())) <= 120


# ---- Configuration ----


def test_the_sample_is_a_good_configuration(tmp_path):
    sample = run("gen-config").expect(0).out
    path = tmp_path / "stampmeter.json"
    path.write_text(sample)
    run("check-config", path).expect(0)
    with open(os.path.join(harness.ROOT, "config", "stampmeter.json"), encoding="utf-8") as file:
        assert file.read() == sample, "config/stampmeter.json is stale: stampmeter gen-config > config/stampmeter.json"


def test_check_config_prints_the_effective_values(tmp_path):
    path = tmp_path / "own.json"
    path.write_text('// ours\n{"net": {"listen": "127.0.0.1:9443"}, "usage": {"age_max": "10d"}}')
    result = run("check-config", path, options={"usage.age_max": "20d"}).expect(0)
    assert "127.0.0.1:9443" in result.out and "20d" in result.out and "10d" not in result.out
    json.loads(run("check-config", path, "--json").expect(0).out)


@pytest.mark.parametrize("text, words", [
    ('{"net": {"listne": "x"}}', ["listne", "listen"]), ('{"nett": {"listen": "127.0.0.1:1"}}', ["nett", "net"]),
    ('{"net": {"idle_timeout": "soon"}}', ["idle_timeout", "soon"]),
    ('{"net": {"connections_max": 0}}', ["connections_max"]),
    ('{"tls": {"key_file": "a.pem"}}', ["certificate_file"]), ("{", []), ("[]", [])])
def test_check_config_names_what_is_wrong(tmp_path, text, words):
    path = tmp_path / "own.json"
    path.write_text(text)
    result = run("check-config", path).expect(1)
    for word in words:
        assert word in result.out + result.err, result


# ---- Ready files ----


def test_the_ready_file_of_serve_says_where_and_nothing_secret(initialised, tmp_path):
    with serve(tmp_path, initialised) as server:
        assert set(server.ready) == {"url", "caFile", "pid", "version"}
        assert re.fullmatch(r"https://127\.0\.0\.1:\d+", server.url)
        assert os.path.isabs(server.ca_file)
        assert server.ready["version"] in run("version").expect(0).out


def test_the_ready_file_of_the_demo_is_for_the_owner_only(fresh):
    assert mode_of(fresh.ready_file) == 0o600
    ready = fresh.ready
    assert {"url", "caFile", "pid", "version", "operator", "tenants", "producers", "commerce"} <= set(ready)
    assert set(ready["operator"]) == {"subscriptionId", "token", "username", "password"}
    for tenant in ready["tenants"]:
        assert set(tenant) >= {"subscriptionId", "tenantId", "state", "mapped", "token", "username", "password"}
    assert {"Microsoft.Compute", "*"} <= {producer["source"] for producer in ready["producers"]}
    assert {"subscriptionId", "resourceGroup", "registration", "partnerId", "token"} <= set(ready["commerce"])
    assert {True, False} <= {tenant["mapped"] for tenant in ready["tenants"]}


def test_the_demo_goes_on_where_it_stood(fresh):
    own = guid()
    fresh.anybody.accept(record(own, fresh.now - harness.HOUR))
    fresh.advance("PT3H30M")
    then, before = fresh.now, fresh.ready
    fresh.stop()
    fresh.start()
    assert fresh.advance("PT0S") >= then and fresh.now - then < harness.HOUR
    assert fresh.ready["operator"] == before["operator"] and fresh.ready["tenants"] == before["tenants"]
    assert fresh.total(own) == (1, 1)


# ---- version ----


def test_version_verbose_lists_libraries_with_their_hashes():
    assert re.fullmatch(r"stampmeter \d+\.\d+\.\d+\S*\n", run("version").expect(0).out)
    out = run("version", "--verbose").expect(0).out
    for library in ("libuv", "lmdb", "mbedtls", "llhttp", "yyjson", "libdeflate"):
        lines = [line for line in out.splitlines() if library in line.lower().replace(" ", "")]
        assert any(re.search(r"\b\d+\.\d+", line) and re.search(r"\b[0-9a-f]{64}\b", line) for line in lines), library


# ---- Signals ----


def test_sigterm_finishes_the_request_in_flight(initialised, tmp_path):
    body = json.dumps([]).encode()
    with serve(tmp_path, initialised) as server:
        with server.tls_socket() as connection:
            connection.sendall(b"POST /v1/usage?history=true HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer %s\r\n"
                               b"Expect: 100-continue\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n" %
                               (operator_token(initialised[0]).encode(), len(body)))
            # The server has read the headers, so from here on the request is in flight.
            assert connection.recv(100).startswith(b"HTTP/1.1 100 ")
            server.process.send_signal(signal.SIGTERM)
            until(lambda: refused(server), "no new connections while draining")
            connection.sendall(body)
            answer = b""
            while part := connection.recv(65536):
                answer += part
        assert answer.startswith(b"HTTP/1.1 200 ") and b"connection: close" in answer.lower(), answer
        assert server.wait() == 0


def refused(server):
    try:
        server.plain_socket().close()
    except ConnectionError:
        return True
    return False


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_it_ends_with_idle_connections_open(initialised, tmp_path, number):
    with serve(tmp_path, initialised) as server, server.client() as client:
        client.get("/healthz").expect(200)
        server.process.send_signal(number)
        assert server.wait() == 0


def make_certificate(folder, name):
    """(certificate, key) that a private authority might have made, as paths"""
    certificate, key = folder / (name + ".pem"), folder / (name + ".key")
    made = subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "9",
         "-subj", "/CN=" + name, "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1", "-keyout", str(key), "-out",
         str(certificate)], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False)
    assert made.returncode == 0, made.stdout.decode(errors="replace")
    return certificate, key


def shown_certificate(server):
    return ssl.get_server_certificate(server.address, timeout=harness.WAIT_S)


def same_certificate(pem, path):
    return ssl.PEM_cert_to_DER_cert(pem) == ssl.PEM_cert_to_DER_cert(path.read_text())


def test_sighup_reloads_the_certificate_and_rejects_bad_files_as_a_whole(initialised, tmp_path):
    first, second = make_certificate(tmp_path, "first"), make_certificate(tmp_path, "second")
    certificate, key = tmp_path / "certificate.pem", tmp_path / "key.pem"
    config = tmp_path / "own.json"
    config.write_text(json.dumps({"tls": {"certificate_file": str(certificate), "key_file": str(key)}}))

    def install(certificate_text, key_text):
        certificate.write_text(certificate_text)
        key.write_text(key_text)
        key.chmod(0o600)
    install(first[0].read_text(), first[1].read_text())

    with serve(tmp_path, initialised, "--config", str(config)) as server, server.client() as steady:
        assert same_certificate(shown_certificate(server), first[0])
        steady.get("/healthz").expect(200)

        install(second[0].read_text(), second[1].read_text())
        server.process.send_signal(signal.SIGHUP)
        until(lambda: same_certificate(shown_certificate(server), second[0]), "the second certificate")
        steady.get("/healthz").expect(200)

        for what, texts in {"no certificate": ("rubbish", second[1].read_text()),
                            "a key that does not fit": (second[0].read_text(), first[1].read_text())}.items():
            install(*texts)
            complain(server, what)
            assert same_certificate(shown_certificate(server), second[0])
        install(second[0].read_text(), second[1].read_text())
        good = config.read_text()
        config.write_text('{"log": {"level": "debug"}, "net": {"listne": 1}}')
        complain(server, "an unknown key")
        assert "level=debug" not in server.log()
        config.write_text(good)
        steady.get("/healthz").expect(200)


def complain(server, what):
    """SIGHUP, then wait for the line that says why nothing was changed."""
    def complaints():
        return len(re.findall(r"level=(?:error|warning|warn)\b", server.log()))
    before = complaints()
    server.process.send_signal(signal.SIGHUP)
    until(lambda: complaints() > before, "a complaint about " + what)
