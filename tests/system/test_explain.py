"""GET /v1/explain over HTTPS: the records and corrections behind a row, adding up to it exactly."""
import urllib.parse

import pytest

import harness
from harness import HOUR, METER, exact, guid, iso, record


def base(stamp):
    return stamp.now.replace(minute=0, second=0, microsecond=0) - HOUR


def target_of(one, usage_hour, reported_hour=None, **more):
    members = {"subscriptionId": one["subscriptionId"], "meterId": one["meterId"], "resourceUri": one["resourceUri"],
               "usageHour": usage_hour and iso(usage_hour), "reportedHour": reported_hour and iso(reported_hour)}
    members.update(more)
    return "/v1/explain?" + urllib.parse.urlencode({name: value for name, value in members.items() if value})


def correct(stamp, one, **members):
    body = {"source": one["source"], "id": one["id"], "reason": "wrong", **members}
    return stamp.operator.request("POST", "/v1/corrections", body=body).expect(200).json


def explained(client, target):
    pages = list(client.pages(target))
    return [item for page in pages for item in page["value"]], pages


def test_a_row_with_its_records_and_corrections(empty):
    own, hour, reported = guid(), base(empty), empty.now.replace(minute=0)
    one = record(own, hour, quantity="4", tags={"cc": "1"})
    long = record(own, hour - HOUR, 2, quantity="3")
    aside = record(own, hour - HOUR, quantity="9")
    empty.anybody.accept([one, long, aside])
    correction = correct(empty, one, action="amend", quantity=2)
    items, (page,) = explained(empty.operator, target_of(one, hour, reported))
    assert [(item["kind"], exact(item["share"])) for item in items] == [
        ("record", 4), ("record", exact("1.5")), ("correction", -2)]
    assert (exact(page["quantity"]), exact(page["explained"]), page["records"]) == (exact("3.5"), exact("3.5"), 1)
    assert "incomplete" not in page
    assert items[0]["id"] == one["id"] and items[0]["tags"] == {"cc": "1"} and items[0]["quantity"] == "4"
    assert items[2]["sequence"] == correction["sequence"] and items[2]["id"] == one["id"]
    assert items[2]["original"] == items[0]["sequence"] and items[2]["reason"] == "wrong"


def test_every_row_of_an_hour_of_the_demo_is_explained(stamp):
    window = (stamp.now - 2 * HOUR, stamp.now - HOUR)
    rows = stamp.operator.rows(harness.operator_target(stamp.operator_subscription, *window))
    assert len(rows) > 100
    for row in rows[::9]:
        key = harness.key_of(row)
        one = {"subscriptionId": key[0], "meterId": row["properties"]["meterId"], "resourceUri": key[3]}
        items, pages = explained(stamp.operator, target_of(one, key[1], window[0]))
        assert items and harness.exact_sum(item["share"] for item in items) == exact(row["properties"]["quantity"])
        assert all(exact(page["quantity"]) == exact(row["properties"]["quantity"]) for page in pages)


def test_without_a_reported_hour_all_that_was_ever_reported(fresh):
    own, hour = guid(), base(fresh)
    one, late = (record(own, hour, quantity=quantity) for quantity in ("4", "1"))
    fresh.anybody.accept(one)
    fresh.advance("PT30H")
    fresh.anybody.accept(late)
    fresh.advance("PT1H")
    correct(fresh, one, action="void")
    items, (page,) = explained(fresh.operator, target_of(one, hour))
    assert [exact(item["share"]) for item in items] == [4, 1, -4]
    assert exact(page["quantity"]) == exact(page["explained"]) == 1
    day = hour.replace(hour=0)
    items, (page,) = explained(fresh.operator, target_of(one, None, usageDay=iso(day)))
    assert exact(page["quantity"]) == exact(page["explained"]) == 1 and len(items) == 3
    items, (page,) = explained(fresh.operator, target_of(one, None, usageDay=iso(day),
                                                         reportedDay=iso(fresh.now.replace(hour=0, minute=0))))
    assert exact(page["quantity"]) == exact(page["explained"]) == -3


def test_pages_of_a_row_with_many_records(empty):
    own, hour = guid(), base(empty)
    records = [record(own, hour, quantity="0.001") for _ in range(2300)]
    empty.anybody.accept(records)
    items, pages = explained(empty.operator, target_of(records[0], hour, empty.now.replace(minute=0)))
    assert len(pages) == 3 and [item["id"] for item in items] == [each["id"] for each in records]
    assert harness.exact_sum(page["explained"] for page in pages) == exact(pages[0]["quantity"]) == exact("2.3")
    # A token belongs to its question.
    link = empty.operator.target_of(pages[0]["nextLink"])
    empty.operator.get(link.replace(own, guid())).expect(400, "InvalidProperty", "continuationToken")


def test_nothing_reported_is_not_zero(empty):
    one = record(guid(), base(empty))
    page = empty.operator.get(target_of(one, base(empty), base(empty))).expect(200).json
    assert page == {"value": [], "quantity": None, "records": 0, "explained": 0}


def test_promise_8_tenants_explain_their_own(empty):
    mine, theirs = [each for each in empty.tenants if each["state"] == "Enabled"][:2]
    hour, reported = base(empty), empty.now.replace(minute=0)
    one, foreign = (record(each["subscriptionId"], hour) for each in (mine, theirs))
    empty.anybody.accept([one, foreign])
    with empty.client(mine["token"]) as tenant:
        items, _ = explained(tenant, target_of(one, hour, reported))
        assert one["id"] in [item["id"] for item in items] and "producer" not in items[0]
        nowhere = guid()
        refused = tenant.get(target_of(foreign, hour, reported)).expect(404, "SubscriptionNotFound")
        unknown = tenant.get(target_of(dict(one, subscriptionId=nowhere), hour)).expect(404, "SubscriptionNotFound")
        assert refused.body.decode().replace(theirs["subscriptionId"], nowhere) == unknown.body.decode()
    with empty.client(empty.producer("*")) as producer:
        producer.get(target_of(one, hour, reported)).expect(403, "AuthorizationFailed")
    with empty.client() as nobody:
        nobody.get(target_of(one, hour, reported)).expect(401)


@pytest.mark.parametrize("change, target", [
    ({"subscriptionId": None}, "subscriptionId"), ({"subscriptionId": "x"}, "subscriptionId"),
    ({"meterId": None}, "meterId"), ({"meterId": "m" * 65}, "meterId"), ({"usageHour": None}, "usageHour"),
    ({"usageHour": "2026-03-10T11:30:00Z"}, "usageHour"), ({"usageHour": "never"}, "usageHour"),
    ({"usageHour": "1969-12-31T23:00:00Z"}, "usageHour"), ({"reportedHour": "2026-03-10T11:00:01Z"}, "reportedHour"),
    ({"usageDay": "2026-03-10"}, "usageHour"), ({"reportedDay": "2026-03-10"}, "reportedDay"),
    ({"usageDay": "2026-03-10T01:00:00Z", "usageHour": None, "reportedHour": None}, "usageDay"),
    ({"usageDay": "2026-03-10", "usageHour": None}, "reportedHour"),
    ({"continuationToken": "abc"}, "continuationToken")])
def test_bad_parameters_are_named(empty, change, target):
    members = {"subscriptionId": guid(), "meterId": METER, "usageHour": "2026-03-10T11:00:00Z",
               "reportedHour": "2026-03-10T12:00:00Z", **change}
    query = urllib.parse.urlencode({name: value for name, value in members.items() if value is not None})
    empty.operator.get("/v1/explain?" + query).expect(400, "InvalidProperty", target)
