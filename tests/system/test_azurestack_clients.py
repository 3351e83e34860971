"""Unmodified SDK clients of Microsoft.AzureStack register a stamp, renew and delete it, page through more than a hundred
registrations, take the activation key, and map a customer. Each client does the same steps (clients/), and what it
understood of the answers is held against plain HTTPS here.
"""
import tempfile

import pytest

import harness
from harness import guid, instant
from registration_fixture import Registrations, encoded, facts, token
from sdk_clients import CLIENTS, ask_go, ask_node

MANY = 105


@pytest.fixture(scope="module")
def commerce():
    with tempfile.TemporaryDirectory(prefix="commerce-") as folder, harness.Stamp(folder) as server:
        yield server


@pytest.fixture(scope="module")
def many(commerce):
    """A subscription with more registrations than fit on a page, and a catalogue in which it is a partner's."""
    client = commerce.client(commerce.ready["commerce"]["token"])
    registrations = Registrations(client, group="many")
    for number in range(MANY):
        registrations.put("reg%03d" % number, token()).expect(201)
    client.request("PUT", "/v1/commerce/partners/adventure", body={"name": "Adventure", "kind": "direct"}).expect(201)
    describe(client, registrations.subscription)
    return registrations


def describe(client, subscription):
    client.request("PUT", "/v1/commerce/subscriptions/" + subscription, body={
        "tenantId": guid(), "partnerId": "adventure", "offer": "CSP", "state": "Active"}).expect(201)


class Question:
    def __init__(self, many, commerce, name):
        self.client, self.commerce, self.name, self.many = many.client, commerce, name, many
        self.registrations = Registrations(many.client, many.subscription, "azurestack")
        first = facts()
        self.renewal = facts(first["cloudId"], billingModel="Capacity", agreementNumber="EA-1")
        self.first = first
        self.customer, self.tenant, self.mapped = guid(), guid(), name + "-csp"
        describe(self.client, self.customer)
        self.registrations.put(self.mapped, token()).expect(201)
        self.client.request("PUT", "/v1/commerce/approvals/" + self.mapped, body={"multitenant": True}).expect(200)

    def as_dict(self):
        return {"url": self.commerce.url, "token": self.client.token, "subscription": self.many.subscription,
                "group": "azurestack", "manyGroup": "many", "name": self.name, "registrationToken": encoded(self.first),
                "renewalToken": encoded(self.renewal),
                "customers": {"name": self.mapped, "customer": self.customer, "tenant": self.tenant}}


@pytest.fixture
def question(many, commerce, request):
    return Question(many, commerce, request.node.name.replace("test_", "")[:40])


def check(question, answer):
    created = answer["created"]
    base = "/subscriptions/%s/resourceGroups/azurestack/providers/Microsoft.AzureStack/registrations/" % \
        question.many.subscription
    assert created == {
        "id": base + question.name, "name": question.name, "type": "Microsoft.AzureStack/registrations",
        "location": "global", "etag": created["etag"], "cloudId": question.first["cloudId"],
        "objectId": question.first["objectId"], "billingModel": "PayAsYouUse"}
    assert answer["got"] == created and created in answer["listed"]
    assert {row["name"] for row in answer["listed"]} >= {question.name, question.mapped}
    assert [row["name"] for row in answer["many"]] == ["reg%03d" % number for number in range(MANY)]
    assert answer["updated"] == {**created, "billingModel": "Capacity", "objectId": question.renewal["objectId"],
                                 "etag": answer["updated"]["etag"]}
    assert answer["updated"]["etag"] != created["etag"]
    assert answer["activationKey"].count(".") == 2
    assert answer["missing"] == [404, "RegistrationNotFound"]
    question.registrations.get(question.name).expect(404, "RegistrationNotFound")


def check_customers(question, answer):
    created = answer["created"]
    assert created["tenantId"] == question.tenant and created["id"].endswith(
        "/registrations/%s/customerSubscriptions/%s" % (question.mapped, question.customer))
    assert created["name"] == "%s/%s" % (question.mapped, question.customer) and created["etag"]
    assert created["type"] == "Microsoft.AzureStack/registrations/customerSubscriptions"
    assert answer["got"] == created and answer["listed"] == [created]
    assert answer["missing"] == [404, "CustomerSubscriptionNotFound"]


def test_javascript_arm_azurestack(question):
    answer = ask_node("arm_azurestack.mjs", question.as_dict(), question.commerce.ca_file)
    check(question, answer)
    check_customers(question, answer["customers"])
    assert answer["products"] == 0


def test_python_azure_mgmt_azurestack(question, monkeypatch):
    pytest.importorskip("azure.mgmt.azurestack")
    monkeypatch.syspath_prepend(CLIENTS)
    import azurestack  # pylint: disable=import-error,import-outside-toplevel
    answer = azurestack.manage(question.as_dict(), question.commerce.ca_file)
    check(question, answer)
    check_customers(question, answer["customers"])
    assert len(answer["listedAll"]) >= MANY + 2 and answer["created"] in answer["listedAll"]
    assert answer["systemData"]["created_by"] == "commerce" and answer["systemData"]["created_by_type"] == "Key"
    assert instant(answer["systemData"]["created_at"]) == question.commerce.now
    assert answer["products"] == 0 and "Microsoft.AzureStack/registrations/write" in answer["operations"]


@pytest.mark.long
def test_go_azure_sdk_for_go(question, tmp_path):
    answer = ask_go("./azurestack", question.as_dict(), question.commerce.ca_file, tmp_path)
    check(question, answer)
    check_customers(question, answer["customers"])
