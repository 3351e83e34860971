"""Rows and pages of the usage lists: what a row says, 1,000 rows a page, and tokens that outlive restarts and writes
but work for nobody and nothing else.
"""
import json
import urllib.parse

import pytest

import harness
from harness import DAY, HOUR, exact, guid, instant, operator_target, record, tenant_target


def base(stamp):
    return stamp.now.replace(minute=0, second=0, microsecond=0) - HOUR


def names(rows):
    """The last parts of the resources, in order."""
    return [json.loads(row["properties"]["instanceData"])["Microsoft.Resources"]["resourceUri"].rsplit("/", 1)[1]
            for row in rows]


def fill(stamp, own, count, start=None):
    """One record for each of so many resources, in one hour of reported time; the window."""
    records = [record(own, start or base(stamp), resourceUri=harness.resource(own, "vm%05d" % n)) for n in range(count)]
    stamp.anybody.accept(records)
    return stamp.close_hour()


@pytest.fixture(scope="module")
def filled(empty):
    """(tenant, client, window) with 2,500 hourly rows."""
    tenant = empty.tenants[0]
    window = fill(empty, tenant["subscriptionId"], 2500)
    return tenant, empty.client(tenant["token"]), window


# ---- Rows ----


def test_a_tenant_row(empty):
    tenant = empty.tenants[1]
    own, start = tenant["subscriptionId"], base(empty)
    one = record(own, start, quantity="4.25", tags={"cc": "4711"}, additionalInfo={"ServiceType": "Standard_D4_v2"})
    empty.anybody.accept(one)
    with empty.client(tenant["token"]) as client:
        row, = client.rows(tenant_target(own, *empty.close_hour()))
    assert row["name"] == "%s-%s" % (own, harness.METER)
    assert row["id"] == "/subscriptions/%s/providers/Microsoft.Commerce/UsageAggregate/%s" % (own, row["name"])
    assert row["type"] == "Microsoft.Commerce/UsageAggregate"
    properties = row["properties"]
    assert properties["subscriptionId"] == own and properties["meterId"] == harness.METER
    assert properties["usageStartTime"] == start.isoformat()
    assert properties["usageEndTime"] == (start + HOUR).isoformat()
    assert exact(properties["quantity"]) == exact("4.25")
    data = json.loads(properties["instanceData"])
    assert list(data) == ["Microsoft.Resources"]
    instance = data["Microsoft.Resources"]
    assert (instance["resourceUri"], instance["location"]) == (one["resourceUri"], "east")
    # Both are texts that hold JSON, as real stamps have them.
    assert json.loads(instance["tags"]) == one["tags"]
    assert json.loads(instance["additionalInfo"]) == one["additionalInfo"]


def test_an_operator_row_has_the_operators_subscription_in_its_id(empty):
    own = guid()
    empty.anybody.accept(record(own, base(empty)))
    row, = empty.usage(own, empty.close_hour())
    assert row["id"] == "/subscriptions/%s/providers/Microsoft.Commerce/UsageAggregate/%s-%s" % (
        empty.operator_subscription, own, harness.METER)
    assert row["name"] == row["properties"]["name"] == "%s-%s" % (own, harness.METER)
    assert list(row["properties"]) == ["subscriptionId", "usageStartTime", "usageEndTime", "instanceData", "quantity",
                                       "meterId", "name"]


def test_a_resource_in_two_spellings_is_one_row(empty):
    own = guid()
    empty.anybody.accept([record(own, base(empty), resourceUri=spelling)
                          for spelling in (harness.resource(own), harness.resource(own).upper())])
    row, = empty.usage(own, empty.close_hour())
    assert exact(row["properties"]["quantity"]) == 2


def test_show_details_false_sums_over_resources(empty):
    tenant = empty.tenants[1]
    own = tenant["subscriptionId"]
    other = "9CD92D4C-BAFD-4492-B278-BEDC2DE8232A"
    usage = ((0, "a", harness.METER, "1"), (0, "b", harness.METER, "2.5"), (0, "a", other, "7"),
             (1, "a", harness.METER, "0.25"))
    empty.anybody.accept([record(own, base(empty) - hours * HOUR, resourceUri=harness.resource(own, name),
                                 meterId=meter, quantity=quantity) for hours, name, meter, quantity in usage])
    window = empty.close_hour()
    with empty.client(tenant["token"]) as client:
        rows = client.rows(tenant_target(own, *window, showDetails="false"))
        assert len(client.rows(tenant_target(own, *window))) == 4
    sums = {(one["meterId"], instant(one["usageStartTime"])): exact(one["quantity"])
            for one in (row["properties"] for row in rows)}
    hour = window[0] - HOUR
    assert sums == {(harness.METER, hour): exact("3.5"), (other, hour): 7, (harness.METER, hour - HOUR): exact("0.25")}
    assert len(rows) == 3 and not any("instanceData" in row["properties"] for row in rows)


def test_late_usage_is_listed_where_it_was_reported_once(empty):
    """Contiguous windows of reported time give every record exactly once."""
    own, start = guid(), base(empty)
    first = empty.now.replace(minute=0, second=0)
    for hours_late in range(5):
        empty.anybody.accept(record(own, start, quantity="1%s" % ("0" * hours_late)))
        empty.close_hour()
    quantities = [exact(row["properties"]["quantity"])
                  for n in range(5) for row in empty.usage(own, (first + n * HOUR, first + (n + 1) * HOUR))]
    assert quantities == [1, 10, 100, 1000, 10000]
    row, = empty.usage(own, (first, first + 5 * HOUR))
    assert exact(row["properties"]["quantity"]) == 11111
    assert instant(row["properties"]["usageStartTime"]) == start


def test_daily_rows_sum_the_hours_of_a_day(empty):
    own = guid()
    empty.close_hour()
    midnight = empty.now.replace(hour=0)
    empty.anybody.accept([record(own, midnight - DAY + n * HOUR, quantity="0.1") for n in range(24)])
    empty.anybody.accept(record(own, midnight - 2 * DAY, quantity="5"))
    empty.advance("P1D")
    rows = empty.usage(own, (midnight, midnight + DAY), "Daily")
    found = [(instant(row["properties"]["usageStartTime"]), instant(row["properties"]["usageEndTime"]),
              exact(row["properties"]["quantity"])) for row in rows]
    assert sorted(found) == [(midnight - 2 * DAY, midnight - DAY, 5), (midnight - DAY, midnight, exact("2.4"))]


# ---- Pages ----


@pytest.mark.parametrize("count, pages", [(999, [999]), (1000, [1000]), (1001, [1000, 1]), (2000, [1000, 1000])])
def test_1000_rows_a_page_and_no_link_behind_the_last(empty, count, pages):
    own = guid()
    window = fill(empty, own, count)
    target = operator_target(empty.operator_subscription, *window, subscriberId=own)
    found = list(empty.operator.pages(target))
    assert [len(page["value"]) for page in found] == pages
    assert sorted(name for page in found for name in names(page["value"])) == ["vm%05d" % n for n in range(count)]
    assert "nextLink" not in found[-1] or found[-1]["nextLink"] is None


def test_order_is_stable(filled):
    tenant, client, window = filled
    target = tenant_target(tenant["subscriptionId"], *window)
    assert client.rows(target) == client.rows(target)


def test_next_link_is_absolute_and_holds_all_parameters(empty, filled):
    tenant, client, window = filled
    target = tenant_target(tenant["subscriptionId"], *window, showDetails="true", extra="kept & safe")
    link = client.get(target).expect(200).json["nextLink"]
    parts = urllib.parse.urlsplit(link)
    assert "%s://%s" % (parts.scheme, parts.netloc) == empty.url
    assert parts.path == urllib.parse.urlsplit(target).path
    query = dict(urllib.parse.parse_qsl(parts.query, keep_blank_values=True))
    token = query.pop("continuationToken")
    assert token and set(token) <= set("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_")
    assert query == dict(urllib.parse.parse_qsl(urllib.parse.urlsplit(target).query))


def test_next_link_names_the_host_that_was_asked(empty, filled):
    tenant, client, window = filled
    host = "localhost:%d" % empty.address[1]
    answer = client.get(tenant_target(tenant["subscriptionId"], *window), headers={"Host": host}).expect(200)
    assert answer.json["nextLink"].startswith("https://%s/" % host)


def second_page(client, tenant, window, **more):
    """(target of the second page, its rows)"""
    link = client.get(tenant_target(tenant["subscriptionId"], *window, **more)).expect(200).json["nextLink"]
    target = client.target_of(link)
    return target, client.get(target).expect(200).json["value"]


def test_a_token_works_with_the_parameters_written_anew(filled):
    """As clients do that lay their own parameters over the link's, with times in another spelling."""
    tenant, client, window = filled
    target, rows = second_page(client, tenant, window)
    token = dict(urllib.parse.parse_qsl(urllib.parse.urlsplit(target).query))["continuationToken"]
    spelt = [moment.strftime("%Y-%m-%dT%H:%M:%S.000Z") for moment in window]
    again = tenant_target(tenant["subscriptionId"].upper(), *spelt, "hourly", continuationToken=token,
                          showDetails="true")
    assert client.get(again).expect(200).json["value"] == rows


def test_a_blank_token_means_the_first_page(filled):
    tenant, client, window = filled
    first = client.get(tenant_target(tenant["subscriptionId"], *window)).expect(200).json["value"]
    blank = client.get(tenant_target(tenant["subscriptionId"], *window, continuationToken="")).expect(200).json["value"]
    assert blank == first


def test_pages_neither_skip_nor_repeat_while_writes_go_on(empty, filled):
    tenant, client, window = filled
    target = tenant_target(tenant["subscriptionId"], *window)
    before = client.rows(target)
    found, meanwhile = [], 0
    for page in client.pages(target):
        found += page["value"]
        # New usage of the same hours, of old and new resources, and of subscriptions that sort anywhere.
        empty.anybody.accept([record(own, base(empty) - HOUR, resourceUri=harness.resource(own, "new%d" % meanwhile))
                              for own in (tenant["subscriptionId"], guid(), guid())])
        meanwhile += 1
    assert found == before and meanwhile == 3


def test_a_token_survives_a_restart(fresh):
    tenant = fresh.tenants[0]
    window = fill(fresh, tenant["subscriptionId"], 1200)
    with fresh.client(tenant["token"]) as client:
        target, rows = second_page(client, tenant, window)
    assert len(rows) == 200
    fresh.stop()
    fresh.start()
    with fresh.client(tenant["token"]) as client:
        assert client.get(target).expect(200).json["value"] == rows


# ---- Tokens where they do not belong ----


def with_token(target, token):
    parts = urllib.parse.urlsplit(target)
    query = dict(urllib.parse.parse_qsl(parts.query, keep_blank_values=True), continuationToken=token)
    return parts.path + "?" + urllib.parse.urlencode(query)


def token_of(target):
    return dict(urllib.parse.parse_qsl(urllib.parse.urlsplit(target).query))["continuationToken"]


def test_a_tampered_token_is_refused(filled):
    tenant, client, window = filled
    target, _ = second_page(client, tenant, window)
    token = token_of(target)
    for at in range(0, len(token), 5):
        changed = token[:at] + ("A" if token[at] != "A" else "B") + token[at + 1:]
        client.get(with_token(target, changed)).expect(400, "InvalidProperty", "continuationToken")
    for wrong in (token[:-1], token + "A", "x", "=" * 8, "%00", "A" * 5000, "A" * len(token)):
        client.get(with_token(target, wrong)).expect(400, "InvalidProperty", "continuationToken")


def test_a_token_of_another_question_is_refused(empty, filled):
    tenant, client, window = filled
    own = tenant["subscriptionId"]
    token = token_of(second_page(client, tenant, window)[0])
    day = (window[0].replace(hour=0) - DAY, window[0].replace(hour=0))
    elsewhere = {
        "another window": tenant_target(own, window[0] - HOUR, window[1]),
        "another granularity": tenant_target(own, *day, "Daily"),
        "without details": tenant_target(own, *window, showDetails="false"),
    }
    for what, target in elsewhere.items():
        answer = client.get(with_token(target, token))
        assert answer.status == 400 and answer.error["target"] == "continuationToken", (what, answer)
    other = empty.tenants[1]
    with empty.client(other["token"]) as foreign:
        foreign.get(with_token(tenant_target(other["subscriptionId"], *window), token)).expect(
            400, "InvalidProperty", "continuationToken")
    empty.operator.get(with_token(operator_target(empty.operator_subscription, *window), token)).expect(
        400, "InvalidProperty", "continuationToken")


def test_a_token_of_another_store_is_refused(filled, fresh):
    tenant, client, window = filled
    target, _ = second_page(client, tenant, window)
    fresh.advance("P30D")
    with fresh.client(fresh.tenants[0]["token"]) as elsewhere:
        assert fresh.tenants[0]["subscriptionId"] == tenant["subscriptionId"]
        elsewhere.get(target).expect(400, "InvalidProperty", "continuationToken")
