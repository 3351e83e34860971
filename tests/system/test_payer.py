"""GET /v1/commerce/payer: who pays for a tenant of a stamp, at any time of use, whatever was changed before or since, and
as it was known at any earlier time.
"""
import pytest

from harness import DAY, HOUR, guid, instant, iso
from registered import Registration


@pytest.fixture
def stamp(fresh):
    """With a clock of its own: these tests move it by months."""
    return fresh


@pytest.fixture
def commerce(stamp):
    return stamp.client(stamp.ready["commerce"]["token"])


def hour(stamp):
    return stamp.now.replace(minute=0, second=0, microsecond=0)


def who(registration, tenant, time=None, known_at=None):
    payer = registration.payer(tenant, time and iso(time), known_at and iso(known_at))
    return payer["kind"], payer["subscriptionId"]


def test_an_answer_says_all_that_bears_on_it(stamp, commerce):
    registration = Registration(commerce)
    tenant = guid()
    customer = registration.map(tenant)
    payer = registration.payer(tenant, iso(stamp.now))
    assert payer == {"cloudId": registration.cloud_id, "tenantId": tenant, "time": iso(stamp.now), "kind": "customer",
                     "subscriptionId": customer, "registration": registration.name,
                     "registrationNumber": payer["registrationNumber"], "registrationId": registration.resource_id,
                     "billingModel": "PayAsYouUse", "usageReporting": True, "charged": True,
                     "since": iso(hour(stamp))}
    by_name = commerce.get(registration.native("payer", tenantId=tenant)).expect(200).json
    assert {**by_name, "time": iso(stamp.now)} == payer
    unowned = commerce.get(registration.native("payer")).expect(200).json
    assert (unowned["kind"], unowned["tenantId"]) == ("default", None)
    nobody = commerce.get("/v1/commerce/payer?cloudId=%s&tenantId=%s" % (guid(), tenant)).expect(200).json
    assert (nobody["kind"], nobody["subscriptionId"], nobody["charged"], nobody["since"]) == ("none", None, False, None)


@pytest.mark.parametrize("query, target", (
    ("", "registration"), ("cloudId=7", "cloudId"), ("cloudId=%s&tenantId=x" % guid(), "tenantId"),
    ("cloudId=%s&time=noon" % guid(), "time"), ("cloudId=%s&knownAt=noon" % guid(), "knownAt")))
def test_a_bad_question_names_the_parameter(commerce, query, target):
    commerce.get("/v1/commerce/payer?" + query).expect(400, "InvalidProperty", target)


def test_who_paid_in_march(stamp, commerce):
    """A tenant's year: default, a subscription, another one, none, moved from another tenant, back-dated."""
    registration = Registration(commerce)
    tenant, other = guid(), guid()
    default = ("default", registration.subscription)
    start = hour(stamp)
    stamp.advance("P10D")
    first = registration.map(tenant)
    stamp.advance("P10D")
    second = registration.map(tenant)
    stamp.advance("P10D")
    registration.delete(second).expect(200)
    stamp.advance("P10D")
    third = registration.map(other)
    registration.map(tenant, third)
    stamp.advance("P60D")
    year = [(start - HOUR, ("none", None)), (start, default), (start + 10 * DAY - HOUR, default),
            (start + 10 * DAY, ("customer", first)), (start + 20 * DAY - HOUR, ("customer", first)),
            (start + 20 * DAY, ("customer", second)), (start + 30 * DAY, default),
            (start + 40 * DAY, ("customer", third)), (start + 300 * DAY, ("customer", third))]
    assert [(time, who(registration, tenant, time)) for time, _ in year] == year
    assert who(registration, other, start + 50 * DAY) == default
    # What was known on an earlier day: nothing of what came later.
    assert who(registration, tenant, start + 50 * DAY, start + 25 * DAY) == ("customer", second)
    assert who(registration, tenant, start + 50 * DAY, start + 5 * DAY) == default
    assert who(registration, tenant, start + 50 * DAY, start - DAY) == ("none", None)
    # A correction of the past changes what is known now, and not what was known then.
    before = stamp.now
    stamp.advance("P1D")
    registration.put(second, tenant, effectiveFrom=iso(start + 15 * DAY)).expect(200)
    assert who(registration, tenant, start + 16 * DAY) == ("customer", second)
    assert who(registration, tenant, start + 16 * DAY, before) == ("customer", first)
    assert who(registration, tenant, start + 14 * DAY) == ("customer", first)


def test_another_registration_of_the_stamp_has_other_customers(stamp, commerce):
    registration = Registration(commerce)
    tenant = guid()
    customer = registration.map(tenant)
    number = registration.payer(tenant)["registrationNumber"]
    old, first = registration.subscription, hour(stamp)
    stamp.advance("P10D")
    registration.unregister()
    stamp.advance("P10D")
    registration.subscription = guid()
    registration.add_subscription(registration.subscription, "APSS")
    registration.register()
    stamp.advance("P10D")
    assert who(registration, tenant, first + 5 * DAY) == ("customer", customer)
    assert who(registration, guid(), first + 5 * DAY) == ("default", old)
    assert who(registration, tenant, first + 15 * DAY) == ("none", None)
    assert who(registration, tenant, first + 25 * DAY) == ("default", registration.subscription)
    assert who(registration, tenant, first + 25 * DAY, first + 5 * DAY) == ("customer", customer)
    # What the deleted one had is still there, by its number.
    rows = commerce.rows("/v1/commerce/customers?registrationId=%d&at=%s" % (number, iso(first)))
    assert [(row["tenantId"], row["customerSubscriptionId"]) for row in rows] == [(tenant, customer)]
    assert len(commerce.rows("/v1/commerce/customers/history?registrationId=%d&tenantId=%s" % (number, tenant))) == 1


def test_mappings_rest_while_the_model_allows_none(stamp, commerce):
    registration = Registration(commerce)
    tenant = guid()
    customer = registration.map(tenant)
    start = hour(stamp)
    stamp.advance("P10D")
    registration.register("Capacity")
    stamp.advance("P10D")
    payer = registration.payer(tenant)
    assert (payer["kind"], payer["subscriptionId"]) == ("default", registration.subscription)
    assert (payer["billingModel"], payer["charged"], payer["usageReporting"]) == ("Capacity", False, False)
    registration.register("PayAsYouUse")
    assert who(registration, tenant) == ("customer", customer)
    assert who(registration, tenant, start + 5 * DAY) == ("customer", customer)
    assert who(registration, tenant, start + 15 * DAY) == ("default", registration.subscription)


def test_a_development_stamp_is_not_charged(commerce):
    registration = Registration(commerce, model="Development", approved=False)
    payer = registration.payer(guid())
    assert (payer["kind"], payer["charged"]) == ("default", False)


def test_a_tenant_of_two_stamps_pays_for_each_by_its_registration(commerce):
    one, two = Registration(commerce), Registration(commerce)
    tenant = guid()
    customer = one.map(tenant)
    assert who(one, tenant) == ("customer", customer)
    assert who(two, tenant) == ("default", two.subscription)


def test_all_of_it_survives_a_restart(stamp, commerce):
    registration = Registration(commerce)
    tenant, start = guid(), hour(stamp)
    customer = registration.map(tenant, effectiveFrom=iso(start + 5 * DAY))
    stamp.kill()
    stamp.start()
    registration.client = stamp.client(stamp.ready["commerce"]["token"])
    assert who(registration, tenant, start) == ("default", registration.subscription)
    assert who(registration, tenant, start + 5 * DAY) == ("customer", customer)
    assert instant(registration.history(tenant)[0]["effectiveFrom"]) == start + 5 * DAY
