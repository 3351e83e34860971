"""A stamp and a commercial side, two processes with two data directories, that know of each other only what a token and
an activation key carry: over the network or as files. Either may be stopped or killed at any time.
"""
import base64
import datetime
import json
import os
import shutil
import stat
import urllib.parse

import pytest

import harness
from harness import DAY, HOUR, exact, guid, iso, record

AZURESTACK = "?api-version=2017-06-01"
BRIDGE = "?api-version=2016-01-01"
RESOURCE_GROUP = "azurestack"


def this_hour():
    return datetime.datetime.now(datetime.timezone.utc).replace(minute=0, second=0, microsecond=0)


class Registration:
    """How a partner's script registers a stamp and maps customers."""

    def __init__(self, commerce, name="stamp-one", base=None):
        self.commerce, self.name, self.base = commerce, name, base or guid()

    @property
    def path(self):
        return "/subscriptions/%s/resourceGroups/%s/providers/Microsoft.AzureStack/registrations/%s" % (
            self.base, RESOURCE_GROUP, self.name)

    def call(self, method, below="", **options):
        return self.commerce.caller.request(method, self.path + below + AZURESTACK, **options)

    def put(self, token):
        return self.call("PUT", body={"location": "global", "properties": {"registrationToken": token}})

    def key(self):
        return self.call("POST", "/getactivationkey").expect(200).json["activationKey"]

    def map(self, customer, tenant, since=None):
        return self.call("PUT", "/customerSubscriptions/" + customer, body={
            "properties": {"tenantId": tenant, **({"effectiveFrom": iso(since)} if since else {})}})


def token_of(stamp, **members):
    return stamp.caller.request("POST", "/v1/registration/token", body={
        "billingModel": "PayAsYouUse", **members}).expect(200).json["registrationToken"]


def activation_target(stamp):
    subscription = stamp.caller.get("/subscriptions?api-version=2016-06-01").expect(200).json["value"][0]["subscriptionId"]
    return ("/subscriptions/%s/resourceGroups/azurestack-activation/providers/Microsoft.AzureBridge.Admin/activations/"
            "default" % subscription) + BRIDGE


def activate(stamp, key):
    return stamp.caller.request("PUT", activation_target(stamp), body={"properties": {"activationKey": key}})


def state_of(stamp):
    return stamp.caller.get("/v1/registration").expect(200).json


def registered(stamp, commerce, **members):
    registration = Registration(commerce)
    registration.put(token_of(stamp, **members)).expect(201)
    activate(stamp, registration.key()).expect(200)
    return registration


def approve(registration, customers=()):
    """The partner, its subscriptions, and multitenancy."""
    caller, partner = registration.commerce.caller, "partner-one"
    caller.request("PUT", "/v1/commerce/partners/" + partner, body={"name": "One", "kind": "direct"}).expect(201)
    for subscription, offer in [(registration.base, "APSS")] + [(customer, "CSP") for customer in customers]:
        caller.request("PUT", "/v1/commerce/subscriptions/" + subscription, body={
            "tenantId": guid(), "partnerId": partner, "offer": offer, "state": "Active"}).expect(201)
    caller.request("POST", "/v1/commerce/approvals/%s/request" % registration.name, body={})
    caller.request("PUT", "/v1/commerce/approvals/" + registration.name, body={"multitenant": True}).expect(200)


def payer(commerce, cloud, tenant, when, known=None):
    query = {"cloudId": cloud, "tenantId": tenant, "time": iso(when), **({"knownAt": known} if known else {})}
    answer = commerce.caller.get("/v1/commerce/payer?" + urllib.parse.urlencode(query)).expect(200).json
    return answer["kind"], answer["subscriptionId"]


@pytest.fixture
def stamp(tmp_path):
    with harness.Side(tmp_path / "stamp", "stamp") as server:
        yield server


@pytest.fixture
def commerce(tmp_path):
    with harness.Side(tmp_path / "commerce", "commerce") as server:
        yield server


def restart(server, violently):
    if violently:
        server.kill()
    else:
        server.stop()
    server.start()


def everything(stamp, commerce, registration, questions=()):
    """All that either side tells of the registration, for comparing."""
    caller, query = commerce.caller, "?registration=" + registration.name
    native = ["/v1/commerce/registrations", "/v1/commerce/partners", "/v1/commerce/subscriptions",
              "/v1/commerce/approvals", "/v1/commerce/key", "/v1/commerce/customers" + query,
              "/v1/commerce/registrations/history?cloudId=" + state_of(stamp)["cloudId"]]
    return ([state_of(stamp), stamp.caller.get(activation_target(stamp)).json,
             registration.call("GET").json, registration.call("GET", "/customerSubscriptions").json]
            + [caller.get(target).expect(200).json for target in native]
            + [payer(commerce, *question) for question in questions])


# ---- Registering ----


def test_a_stamp_registers_and_is_activated(stamp, commerce):
    before = state_of(stamp)
    assert before["state"] == "Not registered" and "activation" not in before
    registration = Registration(commerce)
    made = registration.put(token_of(stamp)).expect(201).json
    assert made["properties"]["cloudId"] == before["cloudId"]
    assert state_of(stamp)["state"] == "Not registered"  # that takes the key
    activate(stamp, registration.key()).expect(200)
    after = state_of(stamp)
    assert after["state"] == "Registered" and after["cloudId"] == before["cloudId"]
    assert after["activation"]["registrationName"] == registration.name
    assert after["activation"]["registrationResourceId"].lower() == made["id"].lower()
    assert after["activation"]["usageEndpoint"] == commerce.url
    # Both sides name the same signer, so that people can compare.
    key = commerce.caller.get("/v1/commerce/key").expect(200).json
    assert after["activation"]["signerKeyId"] in json.dumps(key)


def test_air_gapped_by_files(tmp_path, commerce):
    """The stamp has no way out: a token and a key travel as files, its server stopped."""
    stamp = harness.Side(tmp_path / "stamp", "stamp")
    with stamp:
        cloud = state_of(stamp)["cloudId"]
    token_file, key_file = tmp_path / "token.txt", tmp_path / "key.txt"
    harness.run("registration", "token", "--billing-model", "Capacity", "--agreement-number", "4711", "--output",
                token_file, "--data-dir", stamp.data_dir).expect(0)
    assert stat.S_IMODE(os.stat(token_file).st_mode) == 0o600
    token = token_file.read_text()
    assert json.loads(base64.b64decode("".join(token.split())))["cloudId"] == cloud
    registration = Registration(commerce)
    registration.put(token.strip()).expect(201)
    key_file.write_text(registration.key() + "\n")
    harness.run("registration", "activate", key_file, "--data-dir", stamp.data_dir).expect(0)
    shown = json.loads(harness.run("registration", "show", "--json", "--data-dir", stamp.data_dir).expect(0).out)
    assert shown["state"] == "Registered" and shown["cloudId"] == cloud
    with stamp.start():
        running = state_of(stamp)
        assert running["state"] == "Registered"
        assert running["activation"]["billingModel"] == "Capacity"
        assert running["activation"]["usageReporting"] is False


def test_a_damaged_or_foreign_key_is_refused_and_changes_nothing(tmp_path, stamp, commerce):
    mine = registered(stamp, commerce)
    before = state_of(stamp)
    with harness.Side(tmp_path / "second", "stamp") as second:
        other = Registration(commerce, "stamp-two")
        other.put(token_of(second)).expect(201)
        refusal = activate(stamp, other.key()).expect(400, "InvalidActivationKey")
        # Both stamps are named, so that the reader sees which key went where.
        assert before["cloudId"] in refusal.error["message"]
        assert state_of(second)["cloudId"] in refusal.error["message"]
    key = mine.key()
    middle = len(key) // 2
    damaged = key[:middle] + ("A" if key[middle] != "A" else "B") + key[middle + 1:]
    activate(stamp, damaged).expect(400, "InvalidActivationKey")
    file = tmp_path / "damaged"
    file.write_text(damaged)
    assert state_of(stamp) == before
    stamp.stop()
    assert harness.run("registration", "activate", file, "--data-dir", stamp.data_dir).expect(1).one_line()
    stamp.start()
    assert state_of(stamp) == before


def test_a_key_of_another_commercial_side_is_refused(tmp_path, stamp, commerce):
    """The stamp trusts the signer of its first key: a second one that pretends to be it gets nowhere."""
    registered(stamp, commerce)
    before = state_of(stamp)
    with harness.Side(tmp_path / "pretender", "commerce") as pretender:
        false = Registration(pretender)
        false.put(token_of(stamp)).expect(201)
        activate(stamp, false.key()).expect(400, "InvalidActivationKey")
    assert state_of(stamp) == before


# ---- Restarts ----


@pytest.mark.parametrize("violently", [False, True], ids=["stopped", "killed"])
def test_everything_stands_after_restarts_of_either(stamp, commerce, violently):
    registration = registered(stamp, commerce)
    customers, tenant = [guid(), guid()], guid()
    approve(registration, customers)
    registration.map(customers[0], tenant).expect(200)
    registration.map(customers[1], guid(), this_hour() + 3 * DAY).expect(200)
    cloud = state_of(stamp)["cloudId"]
    questions = [(cloud, tenant, this_hour() + hours * HOUR) for hours in (-24, 1, 48)]
    before = everything(stamp, commerce, registration, questions)
    restart(stamp, violently)
    assert everything(stamp, commerce, registration, questions) == before
    restart(commerce, violently)
    assert everything(stamp, commerce, registration, questions) == before
    # And it goes on: the next key is of the same signer, so the stamp takes it.
    activate(stamp, registration.key()).expect(200)


def test_a_kill_in_the_middle_of_registering_leaves_it_done_or_undone(stamp, commerce):
    registration = Registration(commerce)
    token = token_of(stamp)
    for turn in range(3):
        registration.put(token).expect(201 if turn == 0 else 200)
        commerce.kill()
        commerce.start()
        # What was answered is there, once.
        assert registration.call("GET").expect(200).json["name"] == registration.name
        assert len(commerce.caller.rows("/v1/commerce/registrations")) == 1
    key = registration.key()
    for _ in range(2):
        activate(stamp, key).expect(200)
        stamp.kill()
        stamp.start()
        assert state_of(stamp)["state"] == "Registered"
    harness.run("verify", "--data-dir", stamp.data_dir).expect(3)  # it is in use
    for server in (stamp, commerce):
        server.stop()
        harness.run("verify", "--data-dir", server.data_dir).expect(0)
        server.start()


# ---- Later on ----


def test_renewal_keeps_customers_and_their_history(stamp, commerce):
    registration = registered(stamp, commerce)
    customer, tenant = guid(), guid()
    approve(registration, [customer])
    registration.map(customer, tenant).expect(200)
    before = registration.call("GET").expect(200).json
    mappings = registration.call("GET", "/customerSubscriptions").expect(200).json
    registration.put(token_of(stamp)).expect(200)
    after = registration.call("GET").expect(200).json
    assert after["id"] == before["id"] and after["etag"] != before["etag"]
    assert registration.call("GET", "/customerSubscriptions").expect(200).json == mappings
    activate(stamp, registration.key()).expect(200)
    assert state_of(stamp)["state"] == "Registered"
    # Under another name it is refused, and told where it stands.
    refusal = Registration(commerce, "another-name").put(token_of(stamp)).expect(409, "CloudIdAlreadyRegistered")
    assert registration.path.lower() in refusal.error["message"].lower()


def test_a_change_of_model_lets_mappings_rest_and_wakes_them_again(stamp, commerce):
    registration = registered(stamp, commerce)
    customer, tenant = guid(), guid()
    approve(registration, [customer])
    registration.map(customer, tenant).expect(200)
    cloud, when = state_of(stamp)["cloudId"], this_hour() + 2 * HOUR
    assert payer(commerce, cloud, tenant, when) == ("customer", customer)
    registration.put(token_of(stamp, billingModel="Capacity", agreementNumber="4711")).expect(200)
    activate(stamp, registration.key()).expect(200)
    own = state_of(stamp)["activation"]
    assert (own["billingModel"], own["usageReporting"]) == ("Capacity", False) and own["expires"]
    registration.map(customer, tenant).expect(400, "CustomerSubscriptionsNotAllowed")
    registration.call("GET", "/customerSubscriptions").expect(400, "CustomerSubscriptionsNotAllowed")
    assert payer(commerce, cloud, tenant, when) == ("default", registration.base)
    registration.put(token_of(stamp)).expect(200)
    assert payer(commerce, cloud, tenant, when) == ("customer", customer)


def test_removal_takes_the_activation_first_then_the_resource(stamp, commerce):
    registration = registered(stamp, commerce)
    cloud = state_of(stamp)["cloudId"]
    history = "/v1/commerce/registrations/history?cloudId=" + cloud
    stamp.caller.request("DELETE", activation_target(stamp)).expect(200)
    stamp.caller.request("DELETE", activation_target(stamp)).expect(204)
    assert state_of(stamp)["state"] == "Not registered"
    registration.call("DELETE").expect(200)
    registration.call("DELETE").expect(204)
    registration.call("GET").expect(404, "RegistrationNotFound")
    registration.call("POST", "/getactivationkey").expect(404, "RegistrationNotFound")
    # The stamp is free for another name; that it was registered before stays known, also after restarts.
    again = Registration(commerce, "another-name")
    again.put(token_of(stamp)).expect(201)
    activate(stamp, again.key()).expect(200)
    told = commerce.caller.get(history).expect(200).json["value"]
    assert [change["registered"] for change in told] == [True, False, True]
    assert {change["by"] for change in told} == {"commerce"}
    restart(commerce, True)
    assert commerce.caller.get(history).expect(200).json["value"] == told
    assert state_of(stamp)["activation"]["registrationName"] == again.name


def test_a_copy_of_the_stamp_is_not_registered_as_a_second_one(tmp_path, stamp, commerce):
    registration = registered(stamp, commerce)
    cloud = state_of(stamp)["cloudId"]
    stamp.stop()
    os.makedirs(tmp_path / "copy")
    shutil.copytree(stamp.data_dir, tmp_path / "copy" / "data")
    shutil.copy(stamp.token_file, tmp_path / "copy" / "token")
    stamp.start()
    with harness.Side(tmp_path / "copy", "stamp") as copy:
        assert state_of(copy)["cloudId"] == cloud
        refusal = Registration(commerce, "stamp-two").put(token_of(copy)).expect(409, "CloudIdAlreadyRegistered")
        assert cloud in refusal.error["message"] and registration.name in refusal.error["message"]
    assert len(commerce.caller.rows("/v1/commerce/registrations")) == 1


def test_mapping_history_answers_for_any_date_after_restarts(stamp, commerce):
    registration = registered(stamp, commerce)
    customers, tenant, start = [guid() for _ in range(3)], guid(), this_hour() + 2 * HOUR
    approve(registration, customers)
    cloud = state_of(stamp)["cloudId"]
    # One after the other, then a correction of the middle that also overrides what was scheduled after it.
    for n, customer in enumerate(customers):
        registration.map(customer, tenant, start + n * 10 * DAY).expect(200)
    known = [change["recorded"] for change in commerce.caller.rows(
        "/v1/commerce/customers/history?registration=%s&tenantId=%s" % (registration.name, tenant))]
    registration.map(customers[0], tenant, start + 15 * DAY).expect(200)
    expected = {-400: ("none", None), -1: ("default", registration.base), 0: ("customer", customers[0]),
                9: ("customer", customers[0]), 10: ("customer", customers[1]), 14: ("customer", customers[1]),
                15: ("customer", customers[0]), 20: ("customer", customers[0]), 4000: ("customer", customers[0])}

    def answers():
        def when(days):
            return start - HOUR if days == -1 else start + days * DAY
        now = {days: payer(commerce, cloud, tenant, when(days)) for days in expected}
        # As it was believed before the correction.
        before = payer(commerce, cloud, tenant, start + 20 * DAY, known[-1])
        return now, before

    for violently in (None, False, True):
        if violently is not None:
            restart(commerce, violently)
        assert answers() == (expected, ("customer", customers[2]))
    history = commerce.caller.rows("/v1/commerce/customers/history?registration=%s&tenantId=%s" % (
        registration.name, tenant))
    assert {change["by"] for change in history} == {"commerce"} and len(history) >= 4


def test_each_side_reports_the_tenants_that_it_knows(stamp, commerce):
    registration = registered(stamp, commerce)
    customer, tenant, subscription, hour = guid(), guid(), guid(), this_hour() - 2 * HOUR
    approve(registration, [customer])
    registration.map(customer, tenant).expect(200)
    stamp.caller.request("PUT", "/v1/subscriptions/" + subscription, body={
        "tenantId": tenant, "displayName": "Contoso"}).expect(201)
    producer = stamp.caller.request("POST", "/v1/tokens", body={
        "role": "producer", "sources": ["*"], "name": "gateway"}).expect(201).json["token"]
    stamp.caller.accept([record(subscription, hour, quantity="2.5")], token=producer)
    window = "/v1/tenants?" + urllib.parse.urlencode({"from": iso(hour), "to": iso(hour + 6 * HOUR)})
    entry, = [one for one in stamp.caller.get(window).expect(200).json["value"] if one["tenantId"] == tenant]
    known, = entry["payers"]
    # Who pays is the commercial side's to know, what was used is the stamp's.
    assert entry["mapped"] is None and known["kind"] == "unknown" and "subscriptionId" not in known
    assert exact(known["quantities"][0]["quantity"]) == exact("2.5")
    stamp.caller.get(window + "&mapped=true").expect(400, "InvalidProperty", "mapped")
    report = commerce.caller.get(window).expect(200).json
    entry, = report["value"]
    assert report["usage"] == "not forwarded yet" and entry["mapped"] is True
    assert entry["tenantId"] == tenant and entry["subscriptions"] == []
    assert entry["payers"][-1]["subscriptionId"] == customer and entry["payers"][-1]["quantities"] == []
