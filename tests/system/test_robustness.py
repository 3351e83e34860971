"""Bad input of every kind gets its documented answer, or a closed connection, and the server goes on serving."""
import os
import re
import socket
import ssl
import struct

import pytest

import harness
from harness import guid, record

SHORT = {"net.handshake_timeout": "400ms", "net.header_timeout": "400ms", "net.body_timeout": "400ms",
         "net.idle_timeout": "400ms"}


@pytest.fixture(autouse=True)
def still_serving(request):
    """After each test the server answers as if nothing had happened."""
    yield
    name = next((name for name in ("hasty", "empty") if name in request.fixturenames), None)
    if name:
        server = request.getfixturevalue(name)
        assert server.process.poll() is None, server.log_tail()
        with server.client() as client:
            client.get("/healthz").expect(200)


@pytest.fixture(scope="module")
def hasty(tmp_path_factory):
    """A server that waits for nobody."""
    with harness.Stamp(tmp_path_factory.mktemp("hasty"), options=SHORT) as server:
        yield server


def read_all(connection):
    """Everything until the other side closes, however it does that."""
    parts = []
    while True:
        try:
            part = connection.recv(65536)
        except (ConnectionError, ssl.SSLError):
            break
        if not part:
            break
        parts.append(part)
    return b"".join(parts)


def push(connection, data):
    """Sends as much as the other side takes before it closes."""
    try:
        connection.sendall(data)
    except (ConnectionError, ssl.SSLError):
        pass


def split(stream):
    """[(status, headers, body)] of the answers in a stream of bytes, all of which must be whole."""
    answers = []
    while stream:
        head, _, stream = stream.partition(b"\r\n\r\n")
        lines = head.decode().split("\r\n")
        status = int(re.match(r"HTTP/1\.1 (\d{3}) ", lines[0]).group(1))
        headers = {name.lower(): value for name, value in (line.split(": ", 1) for line in lines[1:])}
        if headers.get("transfer-encoding") == "chunked":
            body, left = b"", None
            while left != 0:
                size, _, stream = stream.partition(b"\r\n")
                left = int(size, 16)
                body, stream = body + stream[:left], stream[left + 2:]
        else:
            length = int(headers.get("content-length", 0))
            body, stream = stream[:length], stream[length:]
            assert len(body) == length, "cut short"
        answers.append((status, headers, body))
    return answers


def exchange(server, data, version=None):
    """Sends bytes over TLS on a connection of their own; the answers until the server closes."""
    with server.tls_socket(version) as connection:
        push(connection, data)
        return split(read_all(connection))


def head(method="GET", path="/healthz", close=True, **headers):
    lines = ["%s %s HTTP/1.1" % (method, path)]
    named = {"Host": "x", **({"Connection": "close"} if close else {}), **headers}
    lines += ["%s: %s" % (name.replace("_", "-"), value) for name, value in named.items() if value is not None]
    return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1")


# ---- TLS ----


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3], ids=["1.2", "1.3"])
def test_tls_versions(empty, version):
    with empty.client(tls_version=version) as client:
        for _ in range(3):
            client.get("/healthz").expect(200)
        assert client.connection.sock.version() == version.name.replace("_", ".")


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_older_tls_is_refused(empty):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    context.set_ciphers("ALL:@SECLEVEL=0")
    try:
        context.minimum_version = context.maximum_version = ssl.TLSVersion.TLSv1_1
    except ValueError:
        pytest.skip("this Python's OpenSSL has no TLS 1.1")
    with empty.plain_socket() as connection, pytest.raises((ssl.SSLError, ConnectionError)):
        context.wrap_socket(connection)


def test_the_certificate_names_this_machine(empty):
    for host in ("127.0.0.1", "localhost"):
        context = ssl.create_default_context(cafile=empty.ca_file)
        with empty.plain_socket() as connection, context.wrap_socket(connection, server_hostname=host) as secured:
            names = secured.getpeercert()["subjectAltName"]
    assert ("DNS", "localhost") in names and ("IP Address", "127.0.0.1") in names
    assert any(kind == "IP Address" and value.replace("0", "").endswith(":1") for kind, value in names), names
    assert ("DNS", os.uname().nodename) in names or "." in os.uname().nodename


@pytest.mark.parametrize("data", [
    b"\x00" * 64, b"\xff" * 5000, b"\x16\x03\x01\x00\x05hello", b"\x16\x03\x01\xff\xff" + b"A" * 300,
    b"\x15\x03\x03\x00\x02\x02\x28", bytes(range(256)) * 20, b"SSH-2.0-OpenSSH_9.2\r\n"],
    ids=["zeros", "ones", "short record", "long record", "alert", "all bytes", "ssh"])
def test_broken_tls_closes_that_connection_only(empty, data):
    with empty.client() as bystander:
        bystander.get("/healthz").expect(200)
        with empty.plain_socket() as connection:
            push(connection, data)
            connection.shutdown(1)
            read_all(connection)
        bystander.get("/healthz").expect(200)


def test_broken_bytes_behind_a_good_handshake(empty):
    with empty.tls_socket() as connection:
        os.write(connection.fileno(), b"\x17\x03\x03\x00\x40" + b"not encrypted at all".ljust(64))
        read_all(connection)


def test_plain_http_to_the_tls_port(empty):
    with empty.plain_socket() as connection:
        push(connection, b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n")
        answer = read_all(connection)
    # Whatever is said, nothing is served.
    assert b"200 OK" not in answer


# ---- Limits ----


@pytest.mark.parametrize("request_head, status, code", [
    (head(path="/" + "a" * 8300), 414, "RequestUriTooLong"),
    (head(path="/?" + "q=1&" * 3000), 414, "RequestUriTooLong"),
    (head(**{"X-Long": "a" * 17000}), 431, "RequestHeaderFieldsTooLarge"),
    (head(**{"X-%d" % n: "b" for n in range(70)}), 431, "RequestHeaderFieldsTooLarge"),
    (head("POST", "/v1/usage", Content_Length=16 * 1024 * 1024 + 1), 413, "RequestEntityTooLarge"),
    (head("POST", "/v1/usage", Content_Length=10**18), 413, "RequestEntityTooLarge"),
    (head("POST", "/v1/usage", Transfer_Encoding="chunked") + b"fffffff\r\n", 413, "RequestEntityTooLarge"),
    (head("POST", "/v1/usage", Transfer_Encoding="chunked") + b"1;" + b"e=1;" * 3000 + b"\r\nx\r\n", 413, None),
], ids=["long path", "long query", "long header", "many headers", "announced body", "absurd body", "chunk",
        "chunk extensions"])
def test_oversize_is_refused_with_its_code(empty, request_head, status, code):
    authorized = request_head.replace(b"Host: x", b"Host: x\r\nAuthorization: Bearer " + empty.producer("*").encode())
    answers = exchange(empty, authorized)
    assert len(answers) == 1 and answers[0][0] == status, answers
    if code:
        assert harness.json.loads(answers[0][2])["error"]["code"] == code
    assert answers[0][1]["connection"].lower() == "close"


def test_many_query_parameters_are_bounded(empty):
    answer, = exchange(empty, head(path="/healthz?" + "&".join("a%d=b" % n for n in range(500))))
    assert answer[0] in (200, 400, 414)


# ---- Malformed HTTP ----


BASE = b"GET /healthz HTTP/1.1\r\n"
GOOD_BASE = BASE + b"Host: x\r\n"


@pytest.mark.parametrize("data", [
    b"HELLO\r\n\r\n", b"\r\n\r\n\r\n\r\n\r\n\r\n\r\nGET", b"GET\r\n\r\n", b"GET /healthz\r\n\r\n",
    b"GET /healthz HTTP/1.1\r\n\r\n",
    BASE + b"Host: a\r\nHost: b\r\n\r\n", BASE + b"Host\r\n\r\n", BASE + b"Host : x\r\n\r\n",
    BASE + b" Host: x\r\n\r\n", GOOD_BASE + b"X: a\x00b\r\n\r\n", GOOD_BASE + b"X: a\rb\r\n\r\n",
    GOOD_BASE + b"X: a\r\n folded\r\n\r\n", GOOD_BASE + b"Content-Length: 1\r\nContent-Length: 2\r\n\r\nxx",
    GOOD_BASE + b"Content-Length: -1\r\n\r\n", GOOD_BASE + b"Content-Length: 0x10\r\n\r\n",
    GOOD_BASE + b"Content-Length: 99999999999999999999999\r\n\r\n",
    b"POST /v1/usage HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    b"GET /%zz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", b"GET /a b HTTP/1.1\r\nHost: x\r\n\r\n",
    b"GET healthz HTTP/1.1\r\nHost: x\r\n\r\n",
    b"GET /\x01 HTTP/1.1\r\nHost: x\r\n\r\n", b"GET / HTTP/1.1\nHost: x\n\n", b"GET / HTTP/one\r\nHost: x\r\n\r\n",
    b"OPTIONS rtsp://x/ RTSP/1.0\r\n\r\n", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
], ids=lambda data: repr(data[:40]))
def test_malformed_requests_get_4xx_or_5xx_and_are_not_served(empty, data):
    with empty.tls_socket() as connection:
        push(connection, data + (b"" if data.endswith(b"\n") else b"\r\n\r\n"))
        answers = split(read_all(connection))
    assert answers and 400 <= answers[0][0] <= 505, answers
    assert not any(status == 200 for status, _, _ in answers)
    assert harness.json.loads(answers[0][2])["error"]["code"]


@pytest.mark.parametrize("method, path, statuses", [
    ("BREW", "/healthz", (405, 501)), ("TRACE", "/healthz", (405, 501)), ("CONNECT", "x:443", (400, 405, 501)),
    ("PATCH", "/healthz", (405,))])
def test_other_methods(empty, method, path, statuses):
    answers = exchange(empty, head(method, path))
    assert answers[0][0] in statuses, answers


def test_unknown_codings_and_expectations(empty):
    token = "Bearer " + empty.producer("*")
    coded, = exchange(empty, head("POST", "/v1/usage", Transfer_Encoding="gzip, chunked", Authorization=token))
    assert coded[0] in (400, 501)
    strange, = exchange(empty, head("POST", "/v1/usage", Expect="202-accepted", Content_Length=2, Authorization=token))
    assert strange[0] == 417


def test_http_1_0_is_answered_and_closed(empty):
    answer, = exchange(empty, b"GET /healthz HTTP/1.0\r\n\r\n")
    assert answer[0] == 200 and answer[1].get("connection", "close").lower() == "close"


# ---- What HTTP allows ----


def usage_body(own, stamp, count=1):
    return harness.json.dumps([record(own, stamp.now - 2 * harness.HOUR) for _ in range(count)]).encode()


def usage_head(stamp, **more):
    token = "Bearer " + stamp.producer("*")
    return head("POST", "/v1/usage", Authorization=token, Content_Type="application/json", **more)


@pytest.mark.parametrize("size", [1, 7, 100, 100000])
def test_chunked_bodies(empty, size):
    own = guid()
    body = usage_body(own, empty, 3)
    parts = [body[at:at + size] for at in range(0, len(body), size)]
    chunks = b"".join(b"%x\r\n%s\r\n" % (len(part), part) for part in parts)
    answer, = exchange(empty, usage_head(empty, Transfer_Encoding="chunked") + chunks + b"0\r\nTrailer: x\r\n\r\n")
    assert answer[0] == 200 and harness.json.loads(answer[2])["accepted"] == 3


def test_a_request_byte_by_byte(empty):
    own = guid()
    body = usage_body(own, empty)
    with empty.tls_socket() as connection:
        for byte in usage_head(empty, Content_Length=len(body)) + body:
            connection.sendall(bytes([byte]))
        answer, = split(read_all(connection))
    assert answer[0] == 200 and empty.total(own) == (1, 1)


def test_expect_100_continue(empty):
    own = guid()
    body = usage_body(own, empty)
    with empty.tls_socket() as connection:
        connection.sendall(usage_head(empty, Content_Length=len(body), Expect="100-continue"))
        assert connection.recv(4096) == b"HTTP/1.1 100 Continue\r\n\r\n"
        connection.sendall(body)
        answer, = split(read_all(connection))
    assert answer[0] == 200 and empty.total(own) == (1, 1)


def test_expect_100_continue_is_not_given_to_strangers(empty):
    answer, = exchange(empty, head("POST", "/v1/usage", Content_Length=1000, Expect="100-continue",
                                   Authorization="Bearer no"))
    assert answer[0] == 401


def test_pipelined_requests_are_answered_in_order(empty):
    own = guid()
    body = usage_body(own, empty, 2)
    post = usage_head(empty, close=False, Content_Length=len(body)) + body
    data = b"".join([head(path="/healthz", close=False), post, head(path="/v1/nothing", close=False), post,
                     head(path="/readyz")])
    answers = exchange(empty, data)
    assert [status for status, _, _ in answers] in ([200, 200, 404, 200, 200], [200, 200, 401, 200, 200])
    assert harness.json.loads(answers[1][2])["accepted"] == 2
    assert harness.json.loads(answers[3][2])["duplicate"] == 2


def test_a_thousand_pipelined_requests(empty):
    answers = exchange(empty, head(close=False) * 999 + head())
    assert [status for status, _, _ in answers] == [200] * 1000


# ---- Clients that are slow or gone ----


def test_slow_handshakes_are_cut_off(hasty):
    with hasty.plain_socket() as connection:
        connection.sendall(b"\x16\x03\x01")
        assert b"HTTP/" not in read_all(connection)


@pytest.mark.parametrize("data", [b"G", BASE + b"Ho", GOOD_BASE + b"X: y\r\n"])
def test_slow_headers_are_cut_off(hasty, data):
    with hasty.tls_socket() as connection:
        connection.sendall(data)
        answers = split(read_all(connection))
    assert [status for status, _, _ in answers] in ([], [408])


def test_headers_that_trickle_are_cut_off(hasty):
    """Progress does not help: the deadline is for all of them together."""
    def trickle():
        with hasty.tls_socket() as connection:
            connection.sendall(b"GET /healthz HTTP/1.1\r\nHost: x\r\n")
            connection.settimeout(0.05)
            while True:
                push(connection, b"X: y\r\n")
                try:
                    return connection.recv(65536)
                except TimeoutError:
                    continue
                except (ConnectionError, ssl.SSLError):
                    return b""
    answer = trickle()
    assert answer == b"" or answer.startswith(b"HTTP/1.1 408 ")


def test_slow_bodies_are_cut_off_and_store_nothing(hasty):
    own = guid()
    body = usage_body(own, hasty)
    with hasty.tls_socket() as connection:
        connection.sendall(usage_head(hasty, Content_Length=len(body)) + body[:-1])
        answers = split(read_all(connection))
    assert [status for status, _, _ in answers] in ([], [408])
    assert hasty.total(own) == (0, 0)


def test_idle_connections_are_closed(hasty):
    with hasty.tls_socket() as connection:
        connection.sendall(head(close=False))
        (status, _, _), = split(read_all(connection))
        assert status == 200


def test_many_slow_clients_do_not_keep_others_out(hasty):
    slow = [hasty.plain_socket() for _ in range(100)]
    try:
        with hasty.client() as client:
            client.get("/healthz").expect(200)
    finally:
        for connection in slow:
            connection.close()


def reset(connection):
    """Closes with RST instead of FIN."""
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    connection.close()


def test_a_client_that_is_gone_before_its_answer_has_posted_all_the_same(empty):
    owns = [guid() for _ in range(20)]
    for own in owns:
        body = usage_body(own, empty, 50)
        connection = empty.tls_socket()
        connection.sendall(usage_head(empty, close=False, Content_Length=len(body)) + body)
        reset(connection)
    # What was read whole may have been stored, but all of a request or nothing.
    for own in owns:
        assert empty.total(own) in ((0, 0), (50, 50))


def test_clients_that_leave_in_the_middle(empty):
    own = guid()
    body = usage_body(own, empty, 5)
    whole = usage_head(empty, close=False, Content_Length=len(body)) + body
    for cut in range(1, len(whole), 97):
        connection = empty.tls_socket()
        connection.sendall(whole[:cut])
        reset(connection)
    assert empty.total(own) == (0, 0)


def test_a_client_that_does_not_read_long_answers(stamp):
    """An answer of megabytes that nobody takes must not stop the others, nor grow in memory."""
    target = harness.operator_target(stamp.operator_subscription, stamp.now - 30 * harness.HOUR, stamp.now)
    request = head(path=target, close=False, Authorization="Bearer " + stamp.ready["operator"]["token"])
    lazy = [stamp.tls_socket() for _ in range(5)]
    try:
        for connection in lazy:
            push(connection, request * 20)
        with stamp.client() as client:
            for _ in range(20):
                client.get("/healthz").expect(200)
    finally:
        for connection in lazy:
            reset(connection)
    with stamp.client() as client:
        client.get("/healthz").expect(200)


def test_a_client_that_takes_nothing_of_its_answer_is_cut_off(tmp_path):
    with harness.Stamp(tmp_path, options={"net.write_timeout": "300ms"}) as stamp:
        own = guid()
        records = [record(own, stamp.now - 2 * harness.HOUR, quantity="-1") for _ in range(20000)]
        body = harness.json.dumps(records).encode()
        with stamp.plain_socket() as plain:
            plain.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            context = ssl.create_default_context(cafile=stamp.ca_file)
            with context.wrap_socket(plain, server_hostname=stamp.address[0]) as connection:
                connection.sendall(usage_head(stamp, close=False, Content_Length=len(body)) + body)
                harness.until(lambda: stamp_connections(stamp) == 1, "the connection that reads nothing to be cut off")


def stamp_connections(stamp):
    """Open connections, the one that asks included."""
    metrics = stamp.operator.get("/metrics").expect(200).body.decode()
    return int(re.search(r"^stampmeter_connections (\d+)$", metrics, re.MULTILINE).group(1))


def test_connections_beyond_the_limit_wait_for_their_turn(tmp_path):
    with harness.Stamp(tmp_path, options={"net.connections_max": 3}) as stamp:
        stamp.operator.close()
        open_ones = [stamp.tls_socket() for _ in range(3)]
        waiting = stamp.plain_socket()
        waiting.settimeout(0.2)
        context = ssl.create_default_context(cafile=stamp.ca_file)
        with pytest.raises((TimeoutError, ssl.SSLError)):
            context.wrap_socket(waiting, server_hostname=stamp.address[0])
        waiting.close()
        # Those who are in are served.
        for connection in open_ones[1:]:
            connection.sendall(head(close=False))
            assert connection.recv(65536).startswith(b"HTTP/1.1 200 ")
        open_ones[0].close()
        with stamp.client() as client:
            client.get("/healthz").expect(200)
        for connection in open_ones[1:]:
            connection.close()


def test_bodies_held_at_once_are_bounded(empty, figure):
    """Twenty clients that keep 16 MiB each: some are told to come back, the others are served, nobody is forgotten."""
    size = 16 * 1024 * 1024
    clients = [empty.tls_socket() for _ in range(20)]
    for connection in clients:
        push(connection, usage_head(empty, Content_Length=size) + b"[" + b" " * (size - 10))
    with open("/proc/%d/status" % empty.process.pid, encoding="ascii") as file:
        figure("memory with 20 unfinished bodies of 16 MiB", re.search(r"VmRSS:\s+(.*)", file.read()).group(1))
    with empty.client() as bystander:
        bystander.get("/healthz").expect(200)
    statuses = []
    for connection in clients:
        push(connection, b" " * 8 + b"]")
        (status, headers, _), = split(read_all(connection))
        connection.close()
        statuses.append(status)
        assert status == 200 or int(headers["retry-after"]) >= 1
    assert set(statuses) == {200, 503}, statuses
