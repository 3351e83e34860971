"""server.role: what a process of each role serves, what it says of the rest, and who uses the commercial side."""
import datetime
import json
import os
import tempfile

import pytest

import harness
from harness import guid, record, run

STAMP_ONLY = [
    ("POST", "/v1/usage"), ("GET", "/v1/summary"), ("POST", "/v1/corrections"), ("GET", "/v1/records/a/b"),
    ("GET", "/v1/changes"), ("GET", "/v1/explain"), ("GET", "/v1/watermarks"), ("GET", "/v1/producers"),
    ("GET", "/v1/rejects"), ("GET", "/v1/findings"), ("GET", "/v1/subscriptions"),
    ("PUT", "/v1/subscriptions/" + guid()), ("GET", "/v1/registration"),
    ("GET", "/subscriptions/%s/providers/Microsoft.Commerce/UsageAggregates" % guid()),
    ("GET", "/subscriptions/%s/providers/Microsoft.Commerce.Admin/subscriberUsageAggregates" % guid()),
    ("GET", "/subscriptions/%s/resourceGroups/azurestack-activation/providers/Microsoft.AzureBridge.Admin/activations"
     % guid()),
]
COMMERCE_ONLY = [
    ("GET", "/v1/commerce/partners"), ("PUT", "/v1/commerce/partners/p"), ("GET", "/v1/commerce/subscriptions"),
    ("GET", "/v1/commerce/approvals"), ("PUT", "/v1/commerce/approvals/r"), ("POST", "/v1/commerce/approvals/r/request"),
    ("GET", "/v1/commerce/registrations"), ("GET", "/v1/commerce/payer"),
    ("GET", "/subscriptions/%s/providers/Microsoft.AzureStack/registrations" % guid()),
    ("PUT", "/subscriptions/%s/resourceGroups/azurestack/providers/Microsoft.AzureStack/registrations/r" % guid()),
]
BOTH = ["/healthz", "/readyz", "/metrics", "/openapi.json", "/v1/status", "/v1/doctor", "/v1/stat", "/v1/audit",
        "/v1/retention", "/v1/heads/key", "/v1/users", "/v1/tokens", "/v1/alerts", "/v1/session"]


class Process(harness.Server):
    """`serve` with a role, as its operator."""

    def __init__(self, folder, role):
        super().__init__(folder, "--role", role, options={"identity.password_iterations": 1000})
        self.role = role
        self.operator = None

    def wait_ready(self):
        super().wait_ready()
        with open(os.path.join(self.data_dir, "operator.token"), encoding="utf-8") as file:
            self.operator = self.client(file.read().strip())

    def member(self, role, **members):
        """A client of a new token of this role."""
        made = self.operator.request("POST", "/v1/tokens", body={"role": role, **members}).expect(201).json
        return self.client(made["token"])


@pytest.fixture(scope="module", params=["stamp", "commerce", "both"])
def process(request):
    with tempfile.TemporaryDirectory(prefix=request.param + "-") as folder, Process(folder, request.param) as server:
        yield server


def test_routes_of_another_role_are_not_there(process):
    for role, routes in (("stamp", STAMP_ONLY), ("commerce", COMMERCE_ONLY)):
        for method, target in routes:
            body = {} if method != "GET" else None
            answer = process.operator.request(method, target, body=body)
            absent = answer.status == 404 and answer.error["code"] == "ResourceNotFound"
            assert absent == (process.role not in (role, "both")), (method, target, answer)
            if absent:
                assert answer.error["message"] == ("this process does not have the %s role; ask the one that has, or set "
                                                   "server.role" % role)


def test_what_every_process_needs_is_there_in_each_role(process):
    for target in BOTH:
        process.operator.get(target).expect(200)
    assert process.operator.get("/readyz").body == b"ready\n"
    status = process.operator.get("/v1/status").expect(200).json
    assert status["role"] == process.role and status["ready"] is True
    findings = process.operator.get("/v1/doctor").expect(200).json["findings"]
    # The disk is the machine's; everything else must be well in a process that has just begun.
    assert [one for one in findings if one["state"] not in ("ok", "OK") and one["check"] != "disk"] == [], findings
    process.operator.request("POST", "/v1/verify", body={}).expect(200)


def test_a_stamp_takes_usage_and_a_commerce_process_does_not(process):
    now = datetime.datetime.now(datetime.timezone.utc).replace(minute=0, second=0, microsecond=0)
    producer = process.member("producer", sources=["*"], name="gateway")
    answer = producer.post_usage([record(guid(), now - harness.HOUR)])
    if process.role == "commerce":
        assert "stamp role" in answer.expect(404, "ResourceNotFound").error["message"]
    else:
        assert answer.expect(200).json["accepted"] == 1


def test_users_of_the_commerce_role_sign_in(process):
    if process.role == "stamp":
        return
    body = {"username": "carol", "password": "correct horse battery", "role": "commerce"}
    process.operator.request("POST", "/v1/users", body=body).expect(201)
    browser = process.client()
    answer = browser.request("POST", "/v1/session", body={"username": "carol", "password": body["password"]})
    answer.expect(200)
    assert answer.json["role"] == "commerce" and answer.json["username"] == "carol"
    cookie = {"Cookie": answer.headers["Set-Cookie"].split(";")[0], "X-Stampmeter-Console": "1"}
    assert browser.get("/v1/session", headers=cookie).expect(200).json["role"] == "commerce"
    partner = {"name": "Contoso", "kind": "direct"}
    browser.request("PUT", "/v1/commerce/partners/contoso", body=partner, headers=cookie).expect(201)
    browser.get("/v1/status", headers=cookie).expect(403, "AuthorizationFailed")
    browser.get("/v1/users", headers=cookie).expect(403, "AuthorizationFailed")
    listed = process.operator.rows("/v1/users")
    assert [one["role"] for one in listed if one["username"] == "carol"] == ["commerce"]


def test_the_commerce_role_reads_the_audit_log_of_its_own_side(process):
    if process.role == "stamp":
        return
    commerce = process.member("commerce", name="dora")
    for number in range(3):
        commerce.request("PUT", "/v1/commerce/partners/audited-%d" % number,
                         body={"name": "A", "kind": "direct"}).expect(201)
        for _ in range(4):
            process.member("commerce", name="noise")
    for target in ("/v1/audit?limit=2", "/v1/audit?limit=2&before", "/v1/audit?limit=1000"):
        told = commerce.rows(target)
        mine = [entry["subject"] for entry in told if entry["by"] == "dora"]
        assert sorted(mine) == ["commerce/partners/audited-%d" % number for number in range(3)]
        assert {entry["action"].split(".")[0] for entry in told} <= {"partner"}, told
    assert "token.create" in {entry["action"] for entry in process.operator.rows("/v1/audit?limit=1000")}


def test_users_of_the_commerce_role_by_command(tmp_path):
    data_dir = tmp_path / "data"
    said = run("init", "--data-dir", data_dir, "--role", "commerce").expect(0).out
    assert "token create --role commerce" in said and "user add NAME --role commerce" in said
    made = run("user", "add", "carol", "--role", "commerce", "--json", "--data-dir", data_dir).expect(0)
    password = json.loads(made.out)["password"]
    assert "commerce" in run("user", "list", "--data-dir", data_dir).expect(0).out
    token = run("token", "create", "--role", "commerce", "--name", "dora", "--data-dir", data_dir).expect(0).out.strip()
    with harness.Server(tmp_path / "serve", "--role", "commerce", data_dir=data_dir) as server:
        with server.client(token) as dora:
            dora.get("/v1/commerce/partners").expect(200)
        with server.client() as browser:
            body = {"username": "carol", "password": password}
            assert browser.request("POST", "/v1/session", body=body).expect(200).json["role"] == "commerce"


def test_init_of_a_stamp_says_nothing_of_the_commercial_side(tmp_path):
    assert "commerce" not in run("init", "--data-dir", tmp_path / "data").expect(0).out


def test_the_demo_has_both_roles(empty):
    assert empty.operator.get("/v1/status").expect(200).json["role"] == "both"
