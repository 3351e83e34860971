"""Every change of registrations, activations, customers, partners, approvals and subscriptions is in the audit log, once,
with who, when, what, to what, and by which request; what is refused or changes nothing leaves no entry.

The routes come from the program's own description, so that a new one can't be forgotten here.
"""
import base64
import json
import os

import pytest

import harness
from harness import HOUR, guid, instant, iso

AZURESTACK = "?api-version=2017-06-01"
BRIDGE = "?api-version=2016-01-01"
REGISTRATION = ("/subscriptions/{subscriptionId}/resourceGroups/{resourceGroup}/providers/Microsoft.AzureStack"
                "/registrations/{registrationName}")
ACTIVATION = ("/subscriptions/{subscriptionId}/resourceGroups/{resourceGroup}/providers/Microsoft.AzureBridge.Admin"
              "/activations/{activationName}")

# method and route -> the action of its entry.
CHANGING = {
    ("PUT", "/v1/subscriptions/{subscriptionId}"): "subscription.put",
    ("DELETE", "/v1/subscriptions/{subscriptionId}"): "subscription.delete",
    ("POST", "/v1/registration/token"): "registration.token",
    ("PUT", ACTIVATION): "activation.put",
    ("DELETE", ACTIVATION): "activation.delete",
    ("PUT", REGISTRATION): "registration.put",
    ("PATCH", REGISTRATION): "registration.put",
    ("DELETE", REGISTRATION): "registration.delete",
    ("POST", REGISTRATION + "/getactivationkey"): "registration.activationKey",
    ("POST", REGISTRATION + "/enableRemoteManagement"): "registration.remoteManagement",
    ("PUT", REGISTRATION + "/customerSubscriptions/{customerSubscriptionId}"): "customer.put",
    ("DELETE", REGISTRATION + "/customerSubscriptions/{customerSubscriptionId}"): "customer.delete",
    ("POST", "/v1/commerce/customers/import"): "customer.import",
    ("PUT", "/v1/commerce/partners/{partnerId}"): "partner.put",
    ("DELETE", "/v1/commerce/partners/{partnerId}"): "partner.delete",
    ("PUT", "/v1/commerce/subscriptions/{subscriptionId}"): "commerceSubscription.put",
    ("DELETE", "/v1/commerce/subscriptions/{subscriptionId}"): "commerceSubscription.delete",
    ("POST", "/v1/commerce/approvals/{registrationName}/request"): "approval.request",
    ("PUT", "/v1/commerce/approvals/{registrationName}"): "approval.put",
}
# Shapes of the ARM contract behind which there is nothing that could change.
WITHOUT_EFFECT = ("/products/", "/linkedSubscriptions/", "/generateDeploymentLicense")
OURS = ("/v1/subscriptions", "/v1/registration", "/v1/commerce/", "Microsoft.AzureStack", "Microsoft.AzureBridge.Admin")


def entries(client):
    return client.rows("/v1/audit?limit=1000")


class Walk:
    """Calls routes and looks what each has left in the audit log."""

    def __init__(self, stamp):
        self.stamp, self.operator = stamp, stamp.operator
        self.commerce = stamp.client(stamp.ready["commerce"]["token"])
        self.covered = set()

    def call(self, client, method, target, status, **options):
        answer = client.request(method, target, **options)
        assert answer.status in (status if isinstance(status, tuple) else (status,)), (target, answer)
        return answer

    def changes(self, client, method, route, target, status, subject, **options):
        """A call that must leave exactly one entry; the answer."""
        before = len(entries(self.operator))
        answer = self.call(client, method, target, status, **options)
        told = entries(self.operator)[before:]
        assert len(told) == 1, (method, target, told)
        entry = told[0]
        assert entry["action"] == CHANGING[method, route]
        assert entry["by"] == ("operator" if client is self.operator else "commerce")
        assert entry["requestId"] == answer.headers["x-ms-request-id"]
        assert subject.lower() in entry["subject"].lower(), entry
        assert self.stamp.now <= instant(entry["time"]) <= self.stamp.now + HOUR
        self.covered.add((method, route))
        return answer, entry

    def changes_nothing(self, client, method, target, status, **options):
        before = entries(self.operator)
        answer = self.call(client, method, target, status, **options)
        assert entries(self.operator) == before, (method, target)
        return answer


def token_text(cloud, model="PayAsYouUse", **members):
    node = {"name": "node", "uuid": "0" * 31 + "1", "numCores": 8}
    return base64.b64encode(json.dumps({
        "billingModel": model, "cloudId": cloud, "objectId": guid(), "version": "1.0", "issuer": "test",
        "hardwareInfo": [node], **members}).encode()).decode()


def registration_body(token):
    return {"location": "global", "properties": {"registrationToken": token}}


def walk_subscriptions(walk):
    route, target = "/v1/subscriptions/{subscriptionId}", "/v1/subscriptions/" + guid()
    subject = target.rsplit("/", 1)[1]
    _, entry = walk.changes(walk.operator, "PUT", route, target, 201, subject,
                            body={"displayName": "x", "tenantId": guid()})
    assert entry["detail"]["displayName"] == "x"
    walk.changes_nothing(walk.operator, "PUT", target, 400, body={"effectiveFrom": "2026-03-01T00:30:00Z"})
    walk.changes_nothing(walk.operator, "PUT", target, 400, body={"tenantId": "x"})
    walk.changes_nothing(walk.operator, "PUT", target, 400, body={"providerSubscriptionId": guid()})
    walk.changes_nothing(walk.commerce, "PUT", target, 403, body={})
    walk.changes(walk.operator, "DELETE", route, target, 200, subject)
    walk.changes_nothing(walk.operator, "DELETE", "/v1/subscriptions/" + guid(), 204)


def walk_stamp(walk):
    walk.changes(walk.operator, "POST", "/v1/registration/token", "/v1/registration/token", 200, "registration",
                 body={"billingModel": "PayAsYouUse"})
    walk.changes_nothing(walk.operator, "POST", "/v1/registration/token", 400, body={"billingModel": "Capacity"})
    walk.changes_nothing(walk.operator, "POST", "/v1/registration/token", 400, body={"billingModel": "Barter"})
    place = walk.stamp.ready["commerce"]
    route = REGISTRATION + "/getactivationkey"
    parent = REGISTRATION.format(registrationName=place["registration"], **place)
    answer, _ = walk.changes(walk.commerce, "POST", route, parent + "/getactivationkey" + AZURESTACK, 200,
                             place["registration"])
    key = answer.json["activationKey"]
    target = ACTIVATION.format(subscriptionId=walk.stamp.operator_subscription, activationName="default",
                               resourceGroup="azurestack-activation") + BRIDGE
    walk.changes(walk.operator, "DELETE", ACTIVATION, target, 200, "activations/default")
    walk.changes_nothing(walk.operator, "DELETE", target, 204)
    body = {"properties": {"activationKey": key}}
    _, entry = walk.changes(walk.operator, "PUT", ACTIVATION, target, 200, "activations/default", body=body)
    assert key not in json.dumps(entry)  # it stands in the store; the log names it, and that is enough
    walk.changes_nothing(walk.operator, "PUT", target, 200, body=body)
    walk.changes_nothing(walk.operator, "PUT", target, 400, body={"properties": {"activationKey": key[:-4]}})
    walk.changes_nothing(walk.commerce, "PUT", target, (403, 404), body=body)


def walk_catalogue(walk):
    partner = "partner-" + guid()
    route, target = "/v1/commerce/partners/{partnerId}", "/v1/commerce/partners/" + partner
    body = {"name": "Some partner", "kind": "direct"}
    _, entry = walk.changes(walk.commerce, "PUT", route, target, 201, partner, body=body)
    assert entry["detail"]["name"] == "Some partner"
    walk.changes_nothing(walk.commerce, "PUT", target, 200, body=body)
    walk.changes_nothing(walk.commerce, "PUT", target, 400, body={"name": "x", "kind": "friend"})
    walk.changes_nothing(walk.operator, "PUT", target, 403, body=body)
    base = guid()
    base_route, base_target = "/v1/commerce/subscriptions/{subscriptionId}", "/v1/commerce/subscriptions/" + base
    body = {"tenantId": guid(), "partnerId": partner, "offer": "APSS", "state": "Active"}
    _, entry = walk.changes(walk.commerce, "PUT", base_route, base_target, 201, base, body=body)
    assert entry["detail"]["offer"] == "APSS"
    walk.changes_nothing(walk.commerce, "PUT", base_target, 200, body=body)
    walk.changes_nothing(walk.commerce, "PUT", base_target, 400, body={**body, "partnerId": "nobody"})
    walk.changes_nothing(walk.commerce, "DELETE", target, 409)  # that subscription refers to it
    return partner, base


def walk_registration(walk, base):
    cloud, name = guid(), "walked-" + guid()
    path = REGISTRATION.format(subscriptionId=base, resourceGroup="rg", registrationName=name)
    body = registration_body(token_text(cloud))
    _, entry = walk.changes(walk.commerce, "PUT", REGISTRATION, path + AZURESTACK, 201, name, body=body)
    assert cloud in json.dumps(entry) or name in json.dumps(entry)
    walk.changes_nothing(walk.commerce, "PUT", path + AZURESTACK, 412, body=body, headers={"If-None-Match": "*"})
    walk.changes_nothing(walk.commerce, "PUT", path + AZURESTACK, 400, body=registration_body("nonsense"))
    walk.changes_nothing(walk.commerce, "PUT", path + "-other" + AZURESTACK, 409, body=body)
    walk.changes_nothing(walk.commerce, "PUT", path, 400, body=body)  # no api-version
    walk.changes_nothing(walk.operator, "PUT", path + AZURESTACK, 403, body=body)
    walk.changes(walk.commerce, "PATCH", REGISTRATION, path + AZURESTACK, 200, name, body={"tags": {"a": "b"}})
    walk.changes_nothing(walk.commerce, "PATCH", path + "-other" + AZURESTACK, 404, body={"tags": {}})
    enable = path + "/enableRemoteManagement" + AZURESTACK
    walk.changes(walk.commerce, "POST", REGISTRATION + "/enableRemoteManagement", enable, 200, name)
    walk.changes_nothing(walk.commerce, "POST", path + "-other/getactivationkey" + AZURESTACK, 404)
    return path, name


def walk_customers(walk, partner, path, name):
    customer, tenant = guid(), guid()
    walk.call(walk.commerce, "PUT", "/v1/commerce/subscriptions/" + customer, 201, body={
        "tenantId": tenant, "partnerId": partner, "offer": "CSP", "state": "Active"})
    below = "/customerSubscriptions/{customerSubscriptionId}"
    target, body = path + "/customerSubscriptions/" + customer + AZURESTACK, {"properties": {"tenantId": tenant}}
    walk.changes_nothing(walk.commerce, "PUT", target, 403, body=body)  # not approved yet
    approvals = "/v1/commerce/approvals/"
    walk.changes(walk.commerce, "POST", approvals + "{registrationName}/request", approvals + name + "/request",
                 (200, 201), name)
    walk.changes(walk.commerce, "PUT", approvals + "{registrationName}", approvals + name, (200, 201), name,
                 body={"multitenant": True})
    walk.changes_nothing(walk.commerce, "PUT", approvals + name, 400, body={"multitenant": "yes"})
    walk.changes_nothing(walk.commerce, "PUT", approvals + "nobody", 404, body={"multitenant": True})
    _, entry = walk.changes(walk.commerce, "PUT", REGISTRATION + below, target, 200, name, body=body)
    assert tenant in json.dumps(entry) and customer in json.dumps(entry)
    walk.changes_nothing(walk.commerce, "PUT", target, 200, body=body)
    walk.changes_nothing(walk.commerce, "PUT", target, 412, body=body, headers={"If-Match": '"nothing"'})
    walk.changes_nothing(walk.commerce, "PUT", path + "/customerSubscriptions/" + guid() + AZURESTACK, 400, body=body)
    walk.changes(walk.commerce, "DELETE", REGISTRATION + below, target, 200, name)
    walk.changes_nothing(walk.commerce, "DELETE", target, 204)
    # A file of many lines is one change.
    subject = "/v1/commerce/customers/import"
    lines = ["tenantId,customerSubscriptionId,effectiveFrom"] + [
        "%s,%s,%s" % (guid(), customer, iso(walk.stamp.now.replace(minute=0) + n * HOUR)) for n in range(3)]
    options = {"body": "\n".join(lines) + "\n", "headers": {"Content-Type": "text/csv"}}
    walk.changes_nothing(walk.commerce, "POST", subject + "?registration=%s&dryRun=true" % name, 200, **options)
    walk.changes(walk.commerce, "POST", subject, subject + "?registration=" + name, 200, name, **options)
    walk.changes_nothing(walk.commerce, "POST", subject + "?registration=" + name, 200, **options)
    walk.changes_nothing(walk.commerce, "POST", subject + "?registration=nobody", 404, **options)


def walk_removals(walk, partner, base, path, name):
    walk.changes_nothing(walk.commerce, "DELETE", path + AZURESTACK, 412, headers={"If-Match": '"nothing"'})
    walk.changes(walk.commerce, "DELETE", REGISTRATION, path + AZURESTACK, 200, name)
    walk.changes_nothing(walk.commerce, "DELETE", path + AZURESTACK, 204)
    for entry in walk.commerce.rows("/v1/commerce/subscriptions?partnerId=" + partner):
        target = "/v1/commerce/subscriptions/" + entry["subscriptionId"]
        walk.changes(walk.commerce, "DELETE", "/v1/commerce/subscriptions/{subscriptionId}", target, 200,
                     entry["subscriptionId"])
        walk.changes_nothing(walk.commerce, "DELETE", target, 204)
    target = "/v1/commerce/partners/" + partner
    walk.changes(walk.commerce, "DELETE", "/v1/commerce/partners/{partnerId}", target, 200, partner)
    walk.changes_nothing(walk.commerce, "DELETE", target, 204)


def changing_routes(client):
    routes = client.get("/openapi.json").expect(200).json["paths"]
    return {(method.upper(), path) for path, operations in routes.items() for method in operations
            if method in ("put", "post", "patch", "delete") and any(part in path for part in OURS)
            and not any(part in path for part in WITHOUT_EFFECT) and not path.endswith("/register")}


def test_every_change_is_told_once_with_who_when_and_by_which_request(fresh):
    walk = Walk(fresh)
    walk_subscriptions(walk)
    walk_stamp(walk)
    partner, base = walk_catalogue(walk)
    path, name = walk_registration(walk, base)
    walk_customers(walk, partner, path, name)
    walk_removals(walk, partner, base, path, name)
    assert walk.covered == set(CHANGING)
    assert changing_routes(fresh.operator) == set(CHANGING), "a route that nobody walks"


@pytest.mark.parametrize("role", ["stamp", "commerce"])
def test_each_process_has_a_log_of_its_own_that_outlives_it(tmp_path, role):
    with harness.Side(tmp_path, role) as side:
        with open(os.path.join(side.data_dir, "operator.token"), encoding="utf-8") as file:
            token = file.read().strip()
        if role == "stamp":
            side.caller.request("POST", "/v1/registration/token", body={"billingModel": "PayAsYouUse"}).expect(200)
        else:
            side.caller.request("PUT", "/v1/commerce/partners/one", body={"name": "1", "kind": "direct"}).expect(201)
        before = entries(side.client(token))
        assert before[-1]["action"] == ("registration.token" if role == "stamp" else "partner.put")
        assert before[-1]["by"] == role
        side.kill()
        side.start()
        assert entries(side.client(token)) == before
