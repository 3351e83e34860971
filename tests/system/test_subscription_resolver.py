"""An external resolver of commercial subscriptions: asked over HTTPS with timeout, retry and cache. The resolver is a
small server of this test that counts what it is asked; a registration's approval is what makes the appliance ask."""
import collections
import concurrent.futures
import http.server
import json
import os
import signal
import ssl
import threading

import pytest

from harness import Server, guid, run, until
from test_partners import ARM_VERSION, name, partner, put, register, registration_token

CODE = "MetadataResolverBadGatewayError"
TOKEN = "resolver-secret-4711"


class Resolver:
    """GET /base/subscriptions/{id}: what 'answers' says for the id, a list of answers in turn (the last one stays), or
    'otherwise'. An answer is a status, a status with a body, "hang", or "wait": an answer once release is set."""

    def __init__(self, folder):
        run("init", "--data-dir", folder).expect(0)
        self.ca_file = os.path.join(folder, "tls", "certificate.pem")
        self.answers, self.otherwise, self.asked, self.tokens = {}, 404, [], []
        self.lock, self.release, self.busy, self.busiest = threading.Lock(), threading.Event(), 0, 0
        outer = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self):
                outer.handle(self)

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler, bind_and_activate=True)
        self.server.daemon_threads = True
        self.server.handle_error = lambda *_: None  # who leaves or does not trust it
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.ca_file, os.path.join(folder, "tls", "key.pem"))
        self.server.socket = context.wrap_socket(self.server.socket, server_side=True, do_handshake_on_connect=False)
        self.thread = threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
        self.thread.start()

    @property
    def url(self):
        return "https://127.0.0.1:%d/base" % self.server.server_address[1]

    def handle(self, request):
        prefix, _, ident = request.path.rpartition("/")
        assert prefix == "/base/subscriptions", request.path
        with self.lock:
            self.asked.append(ident)
            self.tokens.append(request.headers.get("Authorization"))
            self.busy += 1
            self.busiest = max(self.busiest, self.busy)
            answer = self.answers.get(ident, self.otherwise)
            if isinstance(answer, list):
                answer = answer.pop(0) if len(answer) > 1 else answer[0]
        try:
            if answer in ("hang", "wait"):
                self.release.wait(30)
                answer = 503 if answer == "hang" else csp()
            status, body = answer if isinstance(answer, tuple) else (answer, {})
            body = body if isinstance(body, bytes) else json.dumps(body).encode()
            request.send_response(status)
            request.send_header("Content-Length", str(len(body)))
            request.end_headers()
            request.wfile.write(body)
        except OSError:
            pass  # who hangs is left
        finally:
            with self.lock:
                self.busy -= 1

    def count(self, ident):
        return self.asked.count(ident)

    def close(self):
        self.release.set()
        self.server.shutdown()
        self.server.server_close()


@pytest.fixture
def resolver(tmp_path):
    one = Resolver(str(tmp_path / "resolver"))
    yield one
    one.close()


@pytest.fixture
def start(tmp_path, resolver):
    """start(**options): a commerce process with that resolver, as a client of the commerce role with .server."""
    started = []

    def begin(**options):
        folder = tmp_path / ("commerce-%d" % len(started))
        token_file = tmp_path / "resolver.token"
        token_file.write_text(TOKEN + "\n")
        settings = {"url": resolver.url, "ca_file": resolver.ca_file, "token_file": token_file, "timeout": "5s",
                    "attempts": 2, **options}
        server = Server(folder, "--role", "commerce", options={
            **{"commerce.subscription_resolver_" + key: value for key, value in settings.items()},
            "net.drain_timeout": "300ms"}).start()
        started.append(server)
        with open(os.path.join(server.data_dir, "operator.token"), encoding="utf-8") as file:
            operator = server.client(file.read().strip())
        made = operator.request("POST", "/v1/tokens", body={"role": "commerce", "name": "carol"}).expect(201).json
        client = server.client(made["token"])
        client.server = server
        return client

    yield begin
    for server in started:
        server.__exit__(None)


def csp(**members):
    return 200, {"tenantId": guid(), "partnerId": "contoso", "offer": "CSP", "state": "Active", **members}


def base_of(client, registration):
    return client.get("/v1/commerce/approvals/" + registration).expect(200).json["baseSubscription"]


def approve(client, registration):
    return put(client, "approvals", registration, {"multitenant": True})


def test_answers_come_from_the_resolver_and_are_kept(resolver, start):
    client, base = start(), guid()
    resolver.answers[base] = csp(resellerId="litware")
    registration = register(client, base)
    found = base_of(client, registration)
    assert found["partnerId"] == "contoso" and found["resellerId"] == "litware" and found["subscriptionId"] == base
    for _ in range(3):
        assert base_of(client, registration) == found
    approve(client, registration).expect(200)
    assert resolver.count(base) == 1, "the answer is used again"
    assert set(resolver.tokens) == {"Bearer " + TOKEN}
    assert TOKEN not in client.server.log()


def test_the_catalogue_is_not_looked_at(resolver, start):
    client = start()
    base = guid()
    put(client, "subscriptions", base, {"tenantId": guid(), "partnerId": partner(client), "offer": "CSP",
                                        "state": "Active"}).expect(201)
    registration = register(client, base)
    assert base_of(client, registration) is None and base_of(client, registration) is None
    assert resolver.count(base) == 1, "that nobody knows it is an answer, too"


def test_what_the_resolver_says_decides(resolver, start):
    client, base = start(), guid()
    resolver.answers[base] = 200, {"tenantId": guid(), "offer": "EA", "state": "Active"}
    registration = register(client, base)
    assert "EA" in approve(client, registration).expect(409, "Conflict").error["message"]


def test_a_failed_attempt_is_repeated(resolver, start):
    client, base = start(attempts=3), guid()
    resolver.answers[base] = [500, (200, b"nonsense"), csp()]
    approve(client, register(client, base)).expect(200)
    assert resolver.count(base) == 3


@pytest.mark.parametrize("answer, says", [
    (500, "it answered 500"),
    (403, "it answered 403"),
    (302, "it answered 302"),
    ((200, b"{"), "makes no sense"),
    ((200, []), "makes no sense"),
    ((200, {"tenantId": "x", "offer": "EA", "state": "Active"}), "tenantId"),
    ((200, {"tenantId": "11111111-1111-1111-1111-111111111111", "offer": "CSP", "state": "Active"}), "partnerId"),
    (csp(subscriptionId="11111111-1111-1111-1111-111111111111"), "another subscription"),
    (csp(subscriptionId=7), "another subscription"),
    (csp(subscriptionId=None), "another subscription"),
    ((200, b'{"offer":"CSP","tenantId":"11111111-1111-1111-1111-111111111111","state":"Active","partnerId":"contoso",'
           b'"partnerId":"fabrikam"}'), "twice"),
    (csp(partnerId="x" * 65), "partnerId"),
    ((200, b" " * 100000), ""),
], ids=["500", "403", "302", "cut", "list", "tenant", "no partner", "another", "number", "null", "twice",
        "long partner", "large"])
def test_a_resolver_that_fails_is_a_bad_gateway(resolver, start, answer, says):
    client, base = start(), guid()
    resolver.answers[base] = answer
    registration = register(client, base)
    said = approve(client, registration).expect(502, CODE).error["message"]
    assert says in said and base in said and "try again" in said and TOKEN not in said
    assert resolver.count(base) == 2, "as often as configured"
    # It stops only what depends on it.
    one = client.get("/v1/commerce/approvals/" + registration).expect(200).json
    assert one["baseSubscription"] is None and says in one["baseSubscriptionError"]
    assert client.rows("/v1/commerce/approvals")[0]["state"] == "NotRequested"
    put(client, "approvals", registration, {"multitenant": False}).expect(200)
    # It comes back.
    resolver.answers[base] = csp()
    approve(client, registration).expect(200)


def test_a_resolver_that_hangs_is_given_up(resolver, start):
    client, base = start(timeout="300ms", attempts=2), guid()
    resolver.answers[base] = "hang"
    registration = register(client, base)
    assert "in time" in approve(client, registration).expect(502, CODE).error["message"]
    assert resolver.count(base) == 2
    resolver.answers[base] = csp()
    approve(client, registration).expect(200)


def test_a_resolver_that_is_not_there_is_a_bad_gateway(resolver, start):
    client, base = start(url="https://127.0.0.1:1/base"), guid()
    assert "127.0.0.1:1" in approve(client, register(client, base)).expect(502, CODE).error["message"]


def test_a_certificate_of_somebody_else_is_a_bad_gateway(resolver, start, tmp_path):
    run("init", "--data-dir", tmp_path / "other").expect(0)
    client, base = start(ca_file=tmp_path / "other" / "tls" / "certificate.pem"), guid()
    resolver.answers[base] = csp()
    approve(client, register(client, base)).expect(502, CODE)
    assert resolver.asked == [], "nothing is sent to who can't prove who they are"


def test_an_answer_that_has_expired_is_not_used_when_the_resolver_fails(resolver, start):
    client, base = start(cache="100ms", attempts=1), guid()
    resolver.answers[base] = [csp(), 500]
    registration = register(client, base)
    assert base_of(client, registration)["offer"] == "CSP"
    until(lambda: approve(client, registration).status == 502, "the answer to expire")


def test_without_a_cache_every_lookup_asks(resolver, start):
    client, base = start(cache="0"), guid()
    resolver.answers[base] = csp()
    registration = register(client, base)
    for _ in range(3):
        assert base_of(client, registration) is not None
    assert resolver.count(base) == 3


def test_many_lookups_share_a_few_connections(resolver, start):
    client = start()
    bases = [guid() for _ in range(30)]
    for base in bases:
        resolver.answers[base] = csp()
        register(client, base, registration=name("Many"))
    listed = client.rows("/v1/commerce/approvals?limit=1000")
    assert sorted(one["subscriptionId"] for one in listed) == sorted(bases)
    assert all(one["baseSubscription"]["subscriptionId"] == one["subscriptionId"] for one in listed)
    assert sorted(resolver.asked) == sorted(bases) and resolver.busiest <= 8


def map_customer(client, base, registration, customer):
    return client.request("PUT", "/subscriptions/%s/resourceGroups/azurestack/providers/Microsoft.AzureStack/registrations/"
                          "%s/customerSubscriptions/%s?api-version=%s" % (base, registration, customer, ARM_VERSION),
                          body={"properties": {"tenantId": guid()}})


def test_customers_are_checked_against_the_resolver(resolver, start):
    client, base, own, foreign, unsure = start(cache="0"), guid(), guid(), guid(), guid()
    resolver.answers.update({base: csp(), own: csp(), foreign: csp(partnerId="fabrikam"), unsure: 500})
    registration = register(client, base)
    approve(client, registration).expect(200)
    assert map_customer(client, base, registration, own).status in (200, 201)
    map_customer(client, base, registration, foreign).expect(400, "BadCustomerSubscriptionId")
    map_customer(client, base, registration, guid()).expect(400, "InvalidCustomerSubscriptionId")
    said = map_customer(client, base, registration, unsure).expect(502, CODE).error["message"]
    assert "it answered 500" in said and unsure in said
    resolver.answers[unsure] = csp()
    assert map_customer(client, base, registration, unsure).status in (200, 201)


def test_lookups_that_find_no_place_in_the_queue_wait_for_one(resolver, start):
    """Our own load is no failure of the resolver: not one attempt is counted for it."""
    client, base = start(attempts=1, timeout="60s"), guid()
    resolver.otherwise = csp()
    registration = register(client, base)
    approve(client, registration).expect(200)

    def upload(_):
        lines = "".join("%s,%s\n" % (guid(), guid()) for _ in range(12))
        return client.server.client(client.token).request(
            "POST", "/v1/commerce/customers/import?dryRun=true&registration=" + registration,
            body="tenantId,customerSubscriptionId\n" + lines, headers={"Content-Type": "text/csv"})

    with concurrent.futures.ThreadPoolExecutor(60) as pool:
        answers = list(pool.map(upload, range(60)))  # 480 questions at once, and 272 have a place
    assert {answer.status for answer in answers} == {200}, answers
    assert max(collections.Counter(resolver.asked).values()) == 1


def test_an_approval_looks_at_the_model_when_it_is_granted(resolver, start):
    """The look-up takes long, and meanwhile the stamp is registered as a model that has no customers."""
    client, base, cloud_id = start(timeout="30s", cache="0"), guid(), guid()
    resolver.answers[base] = ["wait", csp()]
    registration = register(client, base, cloudId=cloud_id)
    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        granted = pool.submit(approve, client.server.client(client.token), registration)
        until(lambda: resolver.count(base), "the question")
        again = {"properties": {"registrationToken": registration_token("Development", cloudId=cloud_id)}}
        client.request("PUT", "/subscriptions/%s/resourceGroups/azurestack/providers/Microsoft.AzureStack/registrations/"
                       "%s?api-version=%s" % (base, registration, ARM_VERSION), body=again).expect(200)
        resolver.release.set()
        said = granted.result().expect(409, "Conflict").error["message"]
    assert "Development" in said
    assert client.get("/v1/commerce/approvals/" + registration).expect(200).json["state"] == "NotRequested"


def test_a_client_that_leaves_meanwhile_does_no_harm(resolver, start):
    client, base = start(timeout="30s", cache="0"), guid()
    resolver.answers[base] = "hang"
    registration = register(client, base)
    with client.server.tls_socket() as left:
        left.sendall(b"PUT /v1/commerce/approvals/%s HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer %s\r\n"
                     b"Content-Type: application/json\r\nContent-Length: 21\r\n\r\n{\"multitenant\": true}"
                     % (registration.encode(), client.token.encode()))
        until(lambda: resolver.count(base), "the question")
    resolver.answers[base] = csp()
    resolver.release.set()
    until(lambda: client.get("/v1/commerce/approvals/" + registration).expect(200).json["state"] == "Approved",
          "the change to go through")


def test_a_stop_does_not_wait_for_a_resolver_that_hangs(resolver, start):
    client, base = start(timeout="60s"), guid()
    resolver.answers[base] = "hang"
    registration = register(client, base)
    answers = []

    def ask():
        try:
            answers.append(approve(client, registration).status)
        except OSError:
            answers.append(None)  # cut off when the time to drain was over

    thread = threading.Thread(target=ask)
    thread.start()
    until(lambda: resolver.count(base), "the question")
    client.server.process.send_signal(signal.SIGTERM)
    assert client.server.wait(20) == 0
    thread.join()
    assert answers in ([502], [None])
    assert "AddressSanitizer" not in client.server.log()


@pytest.mark.parametrize("options, says", [
    ({"url": "http://127.0.0.1:1"}, "https://"),
    ({"url": "https://"}, "https://"),
    ({"url": "https://h/?a=b"}, "https://"),
    ({"url": "https://user@h/"}, "https://"),
    ({"url": "https://127.0.0.1:1", "attempts": 0}, "attempts"),
    ({"url": "https://127.0.0.1:1", "ca_file": "/nowhere.pem"}, "/nowhere.pem"),
    ({"url": "https://127.0.0.1:1", "token_file": "/nowhere.token", "ca_file": None}, "/nowhere.token"),
])
def test_a_configuration_that_can_not_work_stops_the_start(resolver, tmp_path, options, says):
    options = {"ca_file": resolver.ca_file, **{key: value for key, value in options.items() if value is not None}}
    server = Server(tmp_path / "serve", "--role", "commerce",
                    options={"commerce.subscription_resolver_" + key: value for key, value in options.items()})
    server.start(wait=False)
    assert server.wait() == 3
    server.forget()
    assert says in server.log()
