"""The eight errors of customer subscriptions, each from the cause that the documentation names: its status, its facts
in the message, and what to do about it (spec 7.2, 8.2; error-codes.csv).
"""
import socket

import pytest

from harness import Stamp, guid
from registered import Registration


def refused(answer, status, code, *facts):
    """The error has that code, and its message the facts and more than those."""
    message = answer.expect(status, code).error["message"]
    for fact in facts:
        assert str(fact) in message, (fact, message)
    assert len(message) < 512, message
    return message


def every_call(registration, customer):
    """List, get, put and delete of one customer."""
    yield registration.client.get(registration.target("customerSubscriptions"))
    yield registration.get(customer)
    yield registration.put(customer, guid())
    yield registration.delete(customer)


def test_RegistrationNotFound(registration):
    customer = registration.customer()
    for change in ({"subscription": guid()}, {"group": "elsewhere"}, {"name": "nobody"}):
        for name, value in change.items():
            before = getattr(registration, name)
            setattr(registration, name, value)
            for answer in every_call(registration, customer):
                refused(answer, 404, "RegistrationNotFound", registration.subscription, registration.group,
                        registration.name)
            setattr(registration, name, before)
    registration.put(customer, guid()).expect(200)
    registration.unregister()
    for answer in every_call(registration, customer):
        refused(answer, 404, "RegistrationNotFound", registration.name)


def test_BadCustomerSubscriptionId_of_another_partner(registration):
    stranger, _ = registration.add_partner()
    customer = registration.customer(partnerId=stranger)
    refused(registration.put(customer, guid()), 400, "BadCustomerSubscriptionId", customer, registration.name,
            "same cloud solution provider", "Please check")
    registration.get(customer).expect(404)


def test_BadCustomerSubscriptionId_of_another_reseller(commerce):
    registration = Registration(commerce, reseller=True)
    other = registration.add_reseller(registration.provider)
    refused(registration.put(registration.customer(resellerId=other), guid()), 400, "BadCustomerSubscriptionId",
            "reseller")
    registration.put(registration.customer(), guid()).expect(200)


def test_BadCustomerSubscriptionId_with_capital_letters(registration):
    customer = registration.add_subscription("abcdef00" + guid()[8:])
    for call in (registration.put(customer.upper(), guid()), registration.get(customer.upper()),
                 registration.delete(customer.upper())):
        refused(call, 400, "BadCustomerSubscriptionId", customer.upper(), "lower case")
    registration.put(customer, guid()).expect(200)


def test_InvalidCustomerSubscriptionId(registration):
    unknown = guid()
    refused(registration.put(unknown, guid()), 400, "InvalidCustomerSubscriptionId", unknown, "Please make sure")
    for text in ("not-a-guid", guid()[:-1], "00000000-0000-0000-0000-000000000000"):
        for call in (registration.put(text, guid()), registration.get(text), registration.delete(text)):
            refused(call, 400, "InvalidCustomerSubscriptionId", text)


def test_CustomerSubscriptionNotFound(registration):
    customer = registration.customer()
    refused(registration.get(customer), 404, "CustomerSubscriptionNotFound", customer, registration.name, "PUT")
    tenant = guid()
    registration.put(customer, tenant).expect(200)
    registration.get(customer).expect(200)
    registration.map(tenant)  # another one for the same tenant
    refused(registration.get(customer), 404, "CustomerSubscriptionNotFound", customer)


def test_UnauthorizedCspRegistration_without_approval(commerce):
    registration = Registration(commerce, approved=False)
    customer = registration.customer()
    refused(registration.put(customer, guid()), 403, "UnauthorizedCspRegistration", registration.subscription,
            registration.group, registration.name, "/v1/commerce/approvals/")
    # Nothing else waits for it.
    registration.get(customer).expect(404, "CustomerSubscriptionNotFound")
    assert commerce.get(registration.target("customerSubscriptions")).expect(200).json["value"] == []
    line, = registration.client.request(
        "POST", registration.native("customers/import"), headers={"Content-Type": "text/csv"},
        body="tenantId,customerSubscriptionId\n%s,%s\n" % (guid(), customer)).expect(200).json["results"]
    assert (line["verdict"], line["code"]) == ("Rejected", "UnauthorizedCspRegistration")
    registration.approve()
    tenant = guid()
    registration.put(customer, tenant).expect(200)
    registration.approve(False)
    refused(registration.put(registration.customer(), tenant), 403, "UnauthorizedCspRegistration", registration.name)
    assert registration.payer(tenant)["subscriptionId"] == customer


def test_UnauthorizedCspRegistration_whose_subscription_nobody_knows(commerce):
    registration = Registration(commerce, base=None)
    refused(registration.put(registration.customer(), guid()), 403, "UnauthorizedCspRegistration",
            registration.subscription, registration.group, registration.name, "/v1/commerce/subscriptions/")


def test_UnauthorizedCspRegistration_of_an_offer_without_partner(commerce):
    registration = Registration(commerce)
    target = "/v1/commerce/subscriptions/" + registration.subscription
    commerce.request("PUT", target, body={"tenantId": guid(), "offer": "EA", "state": "Active"}).expect(200)
    refused(registration.put(registration.customer(), guid()), 403, "UnauthorizedCspRegistration", "CSP",
            registration.name)


@pytest.mark.parametrize("model", ("Capacity", "Custom", "Development", "Ruggedized"))
def test_CustomerSubscriptionsNotAllowed(commerce, model):
    registration = Registration(commerce, model=model, approved=False)
    for answer in every_call(registration, registration.customer()):
        refused(answer, 400, "CustomerSubscriptionsNotAllowed", registration.name, model, "PayAsYouUse")
    # Registering again is the remedy.
    registration.register("PayAsYouUse")
    registration.approve()
    registration.map(guid())


def test_InvalidCSPSubscription(registration):
    for members in ({"offer": "APSS"}, {"offer": "EA", "partnerId": None}, {"offer": "PayAsYouGo", "partnerId": None},
                    {"state": "Disabled"}):
        customer = registration.customer(**members)
        refused(registration.put(customer, guid()), 400, "InvalidCSPSubscription", customer, "Please make sure")


def test_the_errors_come_in_one_order(commerce):
    """Registration, id, model, approval, then what is known of the subscription."""
    registration = Registration(commerce, model="Capacity", approved=False)
    registration.put("not-a-guid", "no tenant").expect(400, "InvalidCustomerSubscriptionId")
    registration.put(guid(), "no tenant").expect(400, "CustomerSubscriptionsNotAllowed")
    registration.register("PayAsYouUse")
    registration.put(guid(), "no tenant").expect(400, "InvalidProperty", "properties.tenantId")
    registration.put(guid(), guid()).expect(403, "UnauthorizedCspRegistration")
    registration.approve()
    registration.put(guid(), guid()).expect(400, "InvalidCustomerSubscriptionId")
    stranger, _ = registration.add_partner()
    registration.put(registration.customer(partnerId=stranger, state="Disabled"), guid()).expect(
        400, "InvalidCSPSubscription")


def test_MetadataResolverBadGatewayError(tmp_path):
    """Approved while the catalogue answered; then an external resolver is asked that nobody runs."""
    stamp = Stamp(tmp_path)
    with stamp:
        registration = Registration(stamp.client(stamp.ready["commerce"]["token"]))
        tenant, customer = guid(), registration.customer()
        registration.put(customer, tenant).expect(200)
    with socket.socket() as taken:  # bound, so that nobody else gets it, and not listening
        taken.bind(("127.0.0.1", 0))
        stamp.options.update({"commerce.subscription_resolver_url": "https://127.0.0.1:%d" % taken.getsockname()[1],
                              "commerce.subscription_resolver_attempts": 1})
        with stamp.start():
            registration.client = stamp.client(stamp.ready["commerce"]["token"])
            answer = registration.put(registration.customer(), guid())
            refused(answer, 502, "MetadataResolverBadGatewayError")
            upload = registration.client.request(
                "POST", registration.native("customers/import"), headers={"Content-Type": "text/csv"},
                body="tenantId,customerSubscriptionId\n%s,%s\n" % (guid(), guid()))
            refused(upload, 502, "MetadataResolverBadGatewayError")
            # What needs no look-up goes on.
            upload = registration.client.request(
                "POST", registration.native("customers/import"), headers={"Content-Type": "text/csv"},
                body="tenantId,customerSubscriptionId\n%s,\n%s,me\n" % (guid(), guid())).expect(200).json
            assert [line["verdict"] for line in upload["results"]] == ["Unchanged", "Rejected"]
            assert registration.get(customer).expect(200).json["properties"]["tenantId"] == tenant
            assert registration.payer(tenant)["subscriptionId"] == customer
            registration.delete(customer).expect(200)
