"""What the commercial side knows of the outside world: partners, commercial subscriptions, approvals of registrations.
Each test uses names of its own, so that they share one server."""
import base64
import json
import urllib.parse

import pytest

from harness import guid

ARM_VERSION = "2017-06-01"


@pytest.fixture(scope="module")
def commerce(empty):
    """A client of the commerce role."""
    made = empty.operator.request("POST", "/v1/tokens", body={"role": "commerce", "name": "carol"}).expect(201).json
    return empty.client(made["token"])


def name(kind):
    return "%s-%s" % (kind, guid()[:8])


def put(client, what, ident, body, query=""):
    return client.request("PUT", "/v1/commerce/%s/%s%s" % (what, ident, query), body=body)


def partner(client, kind="direct", **members):
    """A new partner; its id."""
    ident = name(kind)
    put(client, "partners", ident, {"name": "The " + ident, "kind": kind, **members}).expect(201)
    return ident


def subscription(client, offer="CSP", state="Active", **members):
    """A new commercial subscription; its id."""
    ident = guid()
    put(client, "subscriptions", ident, {"tenantId": guid(), "offer": offer, "state": state, **members}).expect(201)
    return ident


def registration_token(model="PayAsYouUse", **members):
    token = {"billingModel": model, "cloudId": guid(), "objectId": guid(), "marketplaceSyndicationEnabled": True,
             "usageReportingEnabled": model == "PayAsYouUse", "issuer": "test", "version": "1.0",
             "hardwareInfo": [{"numCores": 8, "name": "node1", "uuid": guid().replace("-", ""), "bios": [], "nic": [],
                               "cpu": [], "disk": [], "memory": []}], **members}
    return base64.b64encode(json.dumps(token).encode()).decode()


def register(client, subscription_id, model="PayAsYouUse", group="azurestack", registration=None, **members):
    """Registers a new stamp; the name of the registration."""
    registration = registration or name("AzureStack")
    client.request("PUT", "/subscriptions/%s/resourceGroups/%s/providers/Microsoft.AzureStack/registrations/%s"
                   "?api-version=%s" % (subscription_id, group, registration, ARM_VERSION),
                   body={"location": "global",
                         "properties": {"registrationToken": registration_token(model, **members)}}).expect(201)
    return registration


def unregister(client, subscription_id, registration, group="azurestack"):
    client.request("DELETE", "/subscriptions/%s/resourceGroups/%s/providers/Microsoft.AzureStack/registrations/%s"
                   "?api-version=%s" % (subscription_id, group, registration, ARM_VERSION)).expect(200)


def audit_of(stamp, action, subject):
    newest = stamp.operator.get("/v1/audit?before&limit=1000").expect(200).json["value"]
    return [entry for entry in newest if entry["action"] == action and entry["subject"] == subject]


# ---- Partners ----


def test_a_partner_is_created_changed_and_deleted(empty, commerce):
    ident = name("Partner")
    target = "/v1/commerce/partners/" + ident
    commerce.get(target).expect(404, "ResourceNotFound")
    whole = {"partnerId": ident, "name": "Contoso", "kind": "direct", "providerId": None}
    assert put(commerce, "partners", ident, {"name": "Contoso", "kind": "direct"}).expect(201).json == whole
    assert put(commerce, "partners", ident, {"name": "Contoso", "kind": "direct"}).expect(200).json == whole
    assert commerce.get(target).expect(200).json == whole
    assert commerce.get(target.replace(ident, ident.upper())).expect(200).json == whole
    whole["name"] = "Contoso Ltd"
    assert put(commerce, "partners", ident.lower(), {"name": "Contoso Ltd", "kind": "direct"}).expect(200).json == whole
    assert whole in commerce.rows("/v1/commerce/partners")
    commerce.request("DELETE", target).expect(200)
    commerce.request("DELETE", target).expect(204)
    commerce.get(target).expect(404, "ResourceNotFound")
    entries = audit_of(empty, "partner.put", "commerce/partners/" + ident)
    assert [entry["detail"]["name"] for entry in entries] == ["Contoso"], "the same again is no change"
    assert entries[0]["by"] == "carol" and entries[0]["requestId"]
    assert audit_of(empty, "partner.put", "commerce/partners/" + ident.lower())[0]["detail"] == whole
    assert len(audit_of(empty, "partner.delete", "commerce/partners/" + ident)) == 1


def test_partners_are_listed_page_by_page(commerce):
    made = {partner(commerce) for _ in range(5)}
    pages = list(commerce.pages("/v1/commerce/partners?limit=2"))
    listed = [one["partnerId"] for page in pages for one in page["value"]]
    assert made <= set(listed) and len(listed) == len(set(listed)) and listed == sorted(listed, key=str.lower)
    assert all(len(page["value"]) <= 2 for page in pages)
    commerce.get("/v1/commerce/partners?limit=0").expect(400, "InvalidProperty", "limit")
    commerce.get("/v1/commerce/partners?after=a%20b").expect(400, "InvalidProperty", "after")


@pytest.mark.parametrize("body, target", [
    ({"kind": "direct"}, "name"),
    ({"name": "P"}, "kind"),
    ({"name": "P", "kind": "king"}, "kind"),
    ({"name": "P", "kind": "direct", "providerId": "x"}, "providerId"),
    ({"name": "P", "kind": "indirectReseller"}, "providerId"),
    ({"name": "P", "kind": "indirectReseller", "providerId": "nobody"}, "providerId"),
])
def test_a_partner_that_makes_no_sense_is_refused(commerce, body, target):
    put(commerce, "partners", name("bad"), body).expect(400, "InvalidProperty", target)


def test_a_body_that_is_no_object_is_refused(commerce):
    put(commerce, "partners", name("bad"), "[]").expect(400)
    put(commerce, "partners", name("bad"), "{").expect(400, "InvalidRequestContent")
    put(commerce, "partners", "a%20b", {"name": "P", "kind": "direct"}).expect(400, "InvalidProperty", "partnerId")


def test_a_partner_in_use_stays(commerce):
    provider = partner(commerce, "indirectProvider")
    reseller = partner(commerce, "indirectReseller", providerId=provider)
    gone = commerce.request("DELETE", "/v1/commerce/partners/" + provider).expect(409, "Conflict")
    assert reseller in gone.error["message"]
    used = subscription(commerce, partnerId=provider, resellerId=reseller)
    gone = commerce.request("DELETE", "/v1/commerce/partners/" + reseller).expect(409, "Conflict")
    assert used in gone.error["message"] and "reseller" in gone.error["message"]
    put(commerce, "partners", provider, {"name": "P", "kind": "direct"}).expect(409, "Conflict")
    commerce.request("DELETE", "/v1/commerce/subscriptions/" + used).expect(200)
    commerce.request("DELETE", "/v1/commerce/partners/" + reseller).expect(200)
    commerce.request("DELETE", "/v1/commerce/partners/" + provider).expect(200)


# ---- Commercial subscriptions ----


def test_a_subscription_is_created_changed_and_deleted(empty, commerce):
    who, ident, tenant = partner(commerce), guid(), guid()
    target = "/v1/commerce/subscriptions/" + ident
    commerce.get(target).expect(404, "SubscriptionNotFound")
    body = {"tenantId": tenant, "partnerId": who.upper(), "offer": "CSPSS", "state": "Active"}
    whole = {"subscriptionId": ident, "tenantId": tenant, "partnerId": who, "resellerId": None, "offer": "APSS",
             "state": "Active"}
    assert put(commerce, "subscriptions", ident, body).expect(201).json == whole
    assert put(commerce, "subscriptions", ident, whole).expect(200).json == whole
    assert commerce.get(target).expect(200).json == whole
    whole["state"] = "Disabled"
    assert put(commerce, "subscriptions", ident, {**body, "state": "Disabled"}).expect(200).json == whole
    commerce.request("DELETE", target).expect(200)
    commerce.request("DELETE", target).expect(204)
    commerce.get(target).expect(404, "SubscriptionNotFound")
    entries = audit_of(empty, "commerceSubscription.put", "commerce/subscriptions/" + ident)
    assert [entry["detail"]["state"] for entry in entries] == ["Disabled", "Active"]
    assert entries[0]["detail"] == whole
    assert len(audit_of(empty, "commerceSubscription.delete", "commerce/subscriptions/" + ident)) == 1


def test_subscriptions_are_listed_by_partner_and_tenant(commerce):
    provider = partner(commerce, "indirectProvider")
    reseller = partner(commerce, "indirectReseller", providerId=provider)
    tenant = guid()
    sold = [subscription(commerce, partnerId=provider) for _ in range(3)]
    sold.append(subscription(commerce, partnerId=provider, resellerId=reseller, tenantId=tenant))
    subscription(commerce, offer="EA")

    def listed(**query):
        target = "/v1/commerce/subscriptions?" + urllib.parse.urlencode({"limit": 2, **query})
        return [one["subscriptionId"] for one in commerce.rows(target)]

    assert listed(partnerId=provider) == sorted(sold)
    assert listed(partnerId=reseller) == listed(tenantId=tenant) == [sold[3]]
    assert listed(tenantId=guid()) == []
    assert set(sold) < set(listed())
    commerce.get("/v1/commerce/subscriptions?tenantId=x").expect(400, "InvalidProperty", "tenantId")


def test_who_bills_for_a_subscription_must_fit(commerce):
    direct, provider, other = partner(commerce), partner(commerce, "indirectProvider"), partner(commerce,
                                                                                              "indirectProvider")
    reseller = partner(commerce, "indirectReseller", providerId=provider)
    good = {"tenantId": guid(), "offer": "CSP", "state": "Active"}
    for members, target in [
            ({}, "partnerId"),
            ({"partnerId": "nobody"}, "partnerId"),
            ({"partnerId": reseller}, "partnerId"),
            ({"partnerId": other, "resellerId": reseller}, "resellerId"),
            ({"partnerId": direct, "resellerId": reseller}, "resellerId"),
            ({"partnerId": provider, "resellerId": other}, "resellerId"),
            ({"partnerId": direct, "offer": "EA"}, "partnerId"),
            ({"partnerId": direct, "offer": "PayAsYouGo"}, "partnerId"),
            ({"partnerId": direct, "offer": "MSDN"}, "offer"),
            ({"partnerId": direct, "state": "Gone"}, "state"),
            ({"partnerId": direct, "tenantId": None}, "tenantId")]:
        put(commerce, "subscriptions", guid(), {**good, **members}).expect(400, "InvalidProperty", target)
    put(commerce, "subscriptions", guid(), {**good, "partnerId": provider, "resellerId": reseller}).expect(201)
    put(commerce, "subscriptions", "x", {**good, "offer": "EA"}).expect(400, "InvalidProperty", "subscriptionId")


# ---- Approvals ----


def test_approval_is_a_step_with_a_state(empty, commerce):
    who = partner(commerce)
    base = subscription(commerce, partnerId=who)
    registration = register(commerce, base)
    target = "/v1/commerce/approvals/" + registration

    def state():
        one = commerce.get(target).expect(200).json
        assert one in commerce.rows("/v1/commerce/approvals?limit=3")
        assert one["multitenant"] == (one["state"] == "Approved")
        return one["state"]

    one = commerce.get(target).expect(200).json
    assert one["registrationName"] == registration and one["subscriptionId"] == base
    assert one["resourceGroup"] == "azurestack" and one["billingModel"] == "PayAsYouUse"
    assert one["baseSubscription"]["offer"] == "CSP" and one["baseSubscription"]["partnerId"] == who
    assert one["state"] == "NotRequested" and one["by"] is None and one["changedTime"] is None
    asked = commerce.request("POST", target + "/request").expect(200).json
    assert asked["state"] == state() == "Requested" and asked["by"] == "carol" and asked["changedTime"]
    assert put(commerce, "approvals", registration.upper(), {"multitenant": True}).expect(200).json["state"] == "Approved"
    assert commerce.request("POST", target + "/request").expect(200).json["state"] == state() == "Approved"
    assert put(commerce, "approvals", registration, {"multitenant": False}).expect(200).json["state"] == "Revoked"
    assert state() == "Revoked"
    subject = "commerce/approvals/" + registration
    puts = audit_of(empty, "approval.put", subject)
    assert [entry["detail"]["multitenant"] for entry in puts] == [False, True] and puts[0]["by"] == "carol"
    assert len(audit_of(empty, "approval.request", subject)) == 1


def test_an_approval_ends_with_its_registration(commerce):
    base = subscription(commerce, partnerId=partner(commerce))
    registration = register(commerce, base)
    put(commerce, "approvals", registration, {"multitenant": True}).expect(200)
    unregister(commerce, base, registration)
    commerce.get("/v1/commerce/approvals/" + registration).expect(404, "RegistrationNotFound")
    put(commerce, "approvals", registration, {"multitenant": True}).expect(404, "RegistrationNotFound")
    register(commerce, base, registration=registration)
    again = commerce.get("/v1/commerce/approvals/" + registration).expect(200).json
    assert again["state"] == "NotRequested", "another registration of the same name starts over"


def test_only_csp_and_apss_under_pay_as_you_use_are_approved(commerce):
    who = partner(commerce)
    for offer, members, model, status in [
            ("CSP", {"partnerId": who}, "PayAsYouUse", 200), ("APSS", {"partnerId": who}, "PayAsYouUse", 200),
            ("EA", {}, "PayAsYouUse", 409), ("PayAsYouGo", {}, "PayAsYouUse", 409),
            ("CSP", {"partnerId": who}, "Development", 409)]:
        registration = register(commerce, subscription(commerce, offer=offer, **members), model)
        asked = commerce.request("POST", "/v1/commerce/approvals/%s/request" % registration)
        granted = put(commerce, "approvals", registration, {"multitenant": True})
        for answer in (asked, granted):
            answer.expect(status)
            if status == 409:
                said = answer.error["message"]
                assert (offer if model == "PayAsYouUse" else model) in said, said
        put(commerce, "approvals", registration, {"multitenant": False}).expect(200)
    # Of a subscription that nobody knows the approver knows more than the catalogue.
    unknown = register(commerce, guid())
    assert commerce.get("/v1/commerce/approvals/" + unknown).expect(200).json["baseSubscription"] is None
    put(commerce, "approvals", unknown, {"multitenant": True}).expect(200)


def test_names_that_repeat_need_the_subscription(commerce):
    who, registration = partner(commerce), name("Twice")
    bases = [subscription(commerce, partnerId=who) for _ in range(2)]
    for base in bases:
        register(commerce, base, registration=registration)
    register(commerce, bases[0], registration=registration, group="other")
    refused = put(commerce, "approvals", registration, {"multitenant": True}).expect(409, "Conflict")
    assert "subscriptionId" in refused.error["message"]
    query = "?subscriptionId=" + bases[1]
    assert put(commerce, "approvals", registration, {"multitenant": True}, query).expect(200).json["state"] == "Approved"
    query = "?subscriptionId=" + bases[0]
    refused = put(commerce, "approvals", registration, {"multitenant": True}, query).expect(409, "Conflict")
    assert "resourceGroup" in refused.error["message"]
    put(commerce, "approvals", registration, {"multitenant": True}, query + "&resourceGroup=OTHER").expect(200)
    states = [one["state"] for one in commerce.rows("/v1/commerce/approvals" + query)]
    assert sorted(states) == ["Approved", "NotRequested"]


def test_an_approval_that_makes_no_sense_is_refused(commerce):
    registration = register(commerce, subscription(commerce, partnerId=partner(commerce)))
    for body in ({}, {"multitenant": None}, {"multitenant": "yes"}):
        put(commerce, "approvals", registration, body).expect(400, "InvalidProperty", "multitenant")
    put(commerce, "approvals", "nobody", {"multitenant": True}).expect(404, "RegistrationNotFound")
    commerce.request("POST", "/v1/commerce/approvals/nobody/request").expect(404, "RegistrationNotFound")
    commerce.get("/v1/commerce/approvals?subscriptionId=x").expect(400, "InvalidProperty", "subscriptionId")


@pytest.mark.parametrize("what", ["partners", "subscriptions", "approvals"])
def test_only_the_commerce_role_may(empty, what):
    for token in (empty.ready["operator"]["token"], empty.tenants[0]["token"], empty.producer("*")):
        with empty.client(token) as client:
            client.get("/v1/commerce/" + what).expect(403, "AuthorizationFailed")
            put(client, what, guid(), {}).expect(403, "AuthorizationFailed")
    with empty.client() as client:
        client.get("/v1/commerce/" + what).expect(401)
