"""A registration of a stamp of one's own on the commercial side, with a partner, its subscriptions and an approval: what
the tests of customers set out from. Everything is drawn anew, so that tests sharing a server don't meet.
"""
import base64
import json

from harness import guid

API_VERSION = "2017-06-01"


def token(cloud_id, model="PayAsYouUse", **more):
    """What `stampmeter registration token` makes."""
    facts = {"cloudId": cloud_id, "billingModel": model, "issuer": "test", "version": "1.0", **more}
    return base64.b64encode(json.dumps(facts).encode()).decode()


class Registration:
    """Registered and approved unless said otherwise; base: the offer of its own subscription."""

    def __init__(self, client, model="PayAsYouUse", base="APSS", approved=True, reseller=False, **more):
        self.client = client
        self.name, self.group = "stamp-" + guid()[:8], "azurestack"
        self.subscription, self.cloud_id = guid(), guid()
        self.provider, self.reseller = self.add_partner(reseller)
        if base is not None:
            self.add_subscription(self.subscription, base, **({} if base in ("CSP", "APSS") else {"partnerId": None}))
        self.register(model, **more)
        if approved:
            self.approve()

    def add_partner(self, reseller=False):
        """Ids of a direct partner and None, or of an indirect provider and its reseller."""
        made = "partner-" + guid()[:8]
        kind = "indirectProvider" if reseller else "direct"
        self.client.request("PUT", "/v1/commerce/partners/" + made, body={"name": made, "kind": kind}).expect(201)
        return made, self.add_reseller(made) if reseller else None

    def add_reseller(self, provider):
        made = "reseller-" + guid()[:8]
        body = {"name": made, "kind": "indirectReseller", "providerId": provider}
        self.client.request("PUT", "/v1/commerce/partners/" + made, body=body).expect(201)
        return made

    def add_subscription(self, subscription, offer="CSP", **members):
        body = {"tenantId": guid(), "partnerId": self.provider, "resellerId": self.reseller, "offer": offer,
                "state": "Active", **members}
        if body["partnerId"] is None:
            body["resellerId"] = None
        body = {name: value for name, value in body.items() if value is not None}
        self.client.request("PUT", "/v1/commerce/subscriptions/" + subscription, body=body).expect(201)
        return subscription

    def customer(self, **members):
        """A new subscription of a customer, known to the catalogue."""
        return self.add_subscription(guid(), **members)

    @property
    def resource_id(self):
        return "/subscriptions/%s/resourceGroups/%s/providers/Microsoft.AzureStack/registrations/%s" % (
            self.subscription, self.group, self.name)

    def target(self, *segments, **query):
        query = {"api-version": API_VERSION, **query}
        return "/".join((self.resource_id,) + segments) + "?" + "&".join(
            "%s=%s" % pair for pair in query.items() if pair[1] is not None)

    def register(self, model="PayAsYouUse", **more):
        facts = {"Capacity": {"agreementNumber": "123"}, "Custom": {"msAssetTag": "tag"},
                 "Ruggedized": {"msAssetTag": "tag"}}.get(model, {})
        body = {"properties": {"registrationToken": token(self.cloud_id, model, **facts, **more)}}
        answer = self.client.request("PUT", self.target(), body=body)
        assert answer.status in (200, 201), answer
        return answer.json

    def unregister(self):
        self.client.request("DELETE", self.target()).expect(200)

    def approve(self, multitenant=True):
        target = "/v1/commerce/approvals/%s?subscriptionId=%s" % (self.name, self.subscription)
        self.client.request("PUT", target, body={"multitenant": multitenant}).expect(200)

    # ---- customers ----

    def put(self, customer, tenant, headers=None, **properties):
        body = {"properties": {"tenantId": tenant, **properties}}
        return self.client.request("PUT", self.target("customerSubscriptions", customer), body=body, headers=headers)

    def map(self, tenant, customer=None, **properties):
        """Maps it, by default to a new subscription; which."""
        customer = customer or self.customer()
        self.put(customer, tenant, **properties).expect(200)
        return customer

    def get(self, customer):
        return self.client.get(self.target("customerSubscriptions", customer))

    def delete(self, customer, headers=None, **query):
        return self.client.request("DELETE", self.target("customerSubscriptions", customer, **query), headers=headers)

    def native(self, path, **query):
        """A target of /v1/commerce that names this registration."""
        query = {"registration": self.name, **query}
        return "/v1/commerce/%s?%s" % (path, "&".join("%s=%s" % pair for pair in query.items() if pair[1] is not None))

    def payer(self, tenant, time=None, known_at=None):
        target = "/v1/commerce/payer?" + "&".join("%s=%s" % pair for pair in {
            "cloudId": self.cloud_id, "tenantId": tenant, "time": time, "knownAt": known_at}.items() if pair[1])
        return self.client.get(target).expect(200).json

    def history(self, tenant, **query):
        return self.client.get(self.native("customers/history", tenantId=tenant, **query)).expect(200).json["value"]
