"""What happens to a registration while somebody outside is asked about a customer's subscription: the mapping is judged
by what is so when it is recorded. The resolver is that of test_subscription_resolver.py, and hangs.
"""
import threading

import pytest

from harness import guid, until
from test_partners import ARM_VERSION, put, register, registration_token
from test_subscription_resolver import approve, csp, map_customer, resolver, start  # noqa: F401


def revoke(client, base, registration, cloud):
    put(client, "approvals", registration, {"multitenant": False}).expect(200)


def change_model(client, base, registration, cloud):
    target = "/subscriptions/%s/resourceGroups/azurestack/providers/Microsoft.AzureStack/registrations/%s?api-version=%s"
    token = registration_token("Capacity", cloudId=cloud, agreementNumber="1")
    client.request("PUT", target % (base, registration, ARM_VERSION),
                   body={"properties": {"registrationToken": token}}).expect(200)


def put_customer(client, base, registration, customer):
    return map_customer(client, base, registration, customer)


def import_customer(client, base, registration, customer):
    return client.request("POST", "/v1/commerce/customers/import?registration=" + registration,
                          body="tenantId,customerSubscriptionId\n%s,%s\n" % (guid(), customer),
                          headers={"Content-Type": "text/csv"})


@pytest.mark.parametrize("call", (put_customer, import_customer))
@pytest.mark.parametrize("event, status, code", (
    (revoke, 403, "UnauthorizedCspRegistration"), (change_model, 400, "CustomerSubscriptionsNotAllowed")))
def test_what_is_no_longer_allowed_when_the_resolver_answers_is_refused(resolver, start, call, event, status, code):
    client, base, customer, cloud = start(timeout="30s", cache="0"), guid(), guid(), guid()
    resolver.answers.update({base: csp(), customer: "hang"})
    registration = register(client, base, cloudId=cloud)
    approve(client, registration).expect(200)
    answers = []
    thread = threading.Thread(
        target=lambda: answers.append(call(client.server.client(client.token), base, registration, customer)))
    thread.start()
    until(lambda: resolver.count(customer), "the question")
    event(client, base, registration, cloud)
    resolver.answers[customer] = csp()
    resolver.release.set()
    thread.join()
    answers[0].expect(status, code)
    listed = client.get("/v1/commerce/customers?registration=" + registration).expect(200).json
    assert listed["value"] == []
