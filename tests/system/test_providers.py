"""Delegated providers over HTTPS: who sees whose usage at which hour, how subscriptions move between providers, and the
operator's view of the whole tree.
"""
import collections
import urllib.parse

import pytest

import harness
from harness import DAY, HOUR, exact, exact_sum, guid, instant, iso, key_of, operator_target, record


def base(stamp):
    return stamp.now.replace(minute=0, second=0, microsecond=0)


def put(stamp, subscription, status=None, **members):
    members = {"displayName": subscription[:8], **members}
    answer = stamp.operator.request("PUT", "/v1/subscriptions/" + subscription, body=members)
    assert answer.status in ((200, 201) if status is None else (status,)), answer
    return answer


def provider_client(stamp, subscription):
    """A client with a token of that subscription."""
    made = stamp.operator.request("POST", "/v1/tokens", body={
        "role": "tenant", "subscriptionId": subscription, "name": "of " + subscription[:8]})
    assert made.status in (200, 201), made
    return stamp.client(made.json["token"])


def history(stamp, subscription):
    return stamp.operator.rows("/v1/subscriptions/%s/history" % subscription)


def at(stamp, subscription, moment, **more):
    query = urllib.parse.urlencode({"at": iso(moment), **more})
    return stamp.operator.get("/v1/subscriptions/%s?%s" % (subscription, query)).expect(200).json


@pytest.fixture(scope="module")
def family(empty):
    """A delegated provider with a tenant of its own, one that moves to it, and one that stays the operator's; usage of
    each in every hour of two days. The move is in the middle of the second day."""
    class Family:
        provider, sold, moved, other = guid(), guid(), guid(), guid()
    start = base(empty).replace(hour=0) - 2 * DAY
    Family.start, Family.move = start, start + DAY + 13 * HOUR
    put(empty, Family.provider)
    put(empty, Family.sold, providerSubscriptionId=Family.provider)
    put(empty, Family.moved, tenantId=guid())
    put(empty, Family.other)
    put(empty, Family.moved, providerSubscriptionId=Family.provider, effectiveFrom=iso(Family.move))
    empty.anybody.accept([record(subscription, start + hour * HOUR, quantity="%d.%d" % (hour + 1, rank))
                          for rank, subscription in enumerate((Family.sold, Family.moved, Family.other), 1)
                          for hour in range(48)])
    empty.close_hour()
    while empty.now.hour != 0:
        empty.close_hour()
    Family.window = (empty.now - 3 * DAY, empty.now)
    Family.client = provider_client(empty, Family.provider)
    return Family


def lists(stamp, family, granularity):
    own = family.client.rows(operator_target(family.provider, *family.window, granularity))
    operators = stamp.operator.rows(operator_target(stamp.operator_subscription, *family.window, granularity))
    return own, operators


def of(rows, *subscriptions):
    return [row for row in rows if row["properties"]["subscriptionId"] in subscriptions]


# ---- The operator API ----


def test_a_provider_sees_its_direct_tenants_in_its_hours(empty, family):
    own, operators = lists(empty, family, "Hourly")
    assert len(of(own, family.sold)) == 48 and not of(operators, family.sold)
    assert len(of(operators, family.other)) == 48 and not of(own, family.other)
    times = [instant(row["properties"]["usageStartTime"]) for row in of(own, family.moved)]
    assert min(times) == family.move and len(times) == 11
    times = [instant(row["properties"]["usageStartTime"]) for row in of(operators, family.moved)]
    assert max(times) == family.move - HOUR and len(times) == 37
    row = own[0]
    assert row["id"] == "/subscriptions/%s/providers/Microsoft.Commerce/UsageAggregate/%s" % (
        family.provider, row["name"])


def test_a_daily_row_is_its_provider_s_at_the_day_s_start(empty, family):
    own, operators = lists(empty, family, "Daily")
    assert len(of(own, family.sold)) == 2 and not of(own, family.moved)
    assert len(of(operators, family.moved)) == 2


@pytest.mark.parametrize("granularity", ["Hourly", "Daily"])
def test_what_both_see_adds_up_to_all(empty, family, granularity):
    own, operators = lists(empty, family, granularity)
    rows = of(own + operators, family.sold, family.moved, family.other)
    assert len({key_of(row) for row in rows}) == len(rows) == (144 if granularity == "Hourly" else 6)
    total = exact_sum(row["properties"]["quantity"] for row in rows)
    assert total == sum(empty.total(one)[0] for one in (family.sold, family.moved, family.other))


def test_a_subscriber_that_was_ever_a_direct_tenant_may_be_asked_about(empty, family):
    def ask(client, provider, subscriber):
        return client.get(operator_target(provider, *family.window, subscriberId=subscriber))
    operator = (empty.operator, empty.operator_subscription)
    provider = (family.client, family.provider)
    assert len(ask(*operator, family.moved).expect(200).json["value"]) == 37
    assert len(ask(*provider, family.moved).expect(200).json["value"]) == 11
    assert len(ask(*provider, family.sold).expect(200).json["value"]) == 48
    for caller, stranger in ((operator, family.sold), (provider, family.other), (provider, family.provider),
                             (provider, guid()), (operator, guid())):
        ask(*caller, stranger).expect(400, "SubscriberIdIsNotDirectTenant", "subscriberId")


def test_deleted_and_unknown_subscriptions_are_direct_tenants(empty):
    window_start = base(empty)
    provider, gone, unknown = guid(), guid(), guid()
    put(empty, provider)
    put(empty, gone, providerSubscriptionId=provider)
    empty.anybody.accept([record(one, window_start - HOUR) for one in (gone, unknown)])
    empty.operator.request("DELETE", "/v1/subscriptions/" + gone).expect(200)
    window = empty.close_hour()
    with provider_client(empty, provider) as client:
        assert len(of(client.rows(operator_target(provider, *window)), gone)) == 1
        client.get(operator_target(provider, *window, subscriberId=unknown)).expect(400)
    rows = empty.operator.rows(operator_target(empty.operator_subscription, *window))
    assert len(of(rows, unknown)) == 1 and not of(rows, gone)


def test_only_providers_may_ask_and_only_for_themselves(empty, family):
    denied = None
    with provider_client(empty, family.other) as other:
        for path in (family.other, family.provider, empty.operator_subscription, guid(), "x"):
            denied = other.get(operator_target(path, *family.window)).expect(403, "AuthorizationFailed")
        other.get(operator_target(family.other, *family.window, api_version=None)).expect(403, "AuthorizationFailed")
        # To the letter what any other route of the operator's says.
        assert denied.error == other.get("/v1/tokens").expect(403).error
    for path in (family.sold, family.other, empty.operator_subscription, guid(), "x"):
        family.client.get(operator_target(path, *family.window)).expect(404, "SubscriptionNotFound")
    family.client.get(operator_target(family.provider, *family.window, api_version=None)).expect(400, "NoApiVersion")
    empty.operator.get(operator_target(family.provider, *family.window)).expect(404, "SubscriptionNotFound")
    with empty.client(empty.producer("*")) as producer:
        producer.get(operator_target(family.provider, *family.window)).expect(403, "AuthorizationFailed")
    family.client.get("/v1/providers").expect(403, "AuthorizationFailed")
    family.client.get("/v1/subscriptions/%s/history" % family.provider).expect(403, "AuthorizationFailed")


def test_pages_neither_lose_nor_repeat_rows_while_subscriptions_move(empty):
    """2,400 rows on both sides of a move, between them and after each page another change."""
    provider, moving, start = guid(), guid(), base(empty) - 2 * HOUR
    put(empty, provider)
    put(empty, moving)
    put(empty, moving, providerSubscriptionId=provider, effectiveFrom=iso(start + HOUR))
    for hour in range(2):
        empty.anybody.accept([record(moving, start + hour * HOUR, resourceUri=harness.resource(moving, "vm%04d" % n))
                              for n in range(1200)])
    window = empty.close_hour()

    def read(client, caller):
        rows = []
        for page in client.pages(operator_target(caller, *window)):
            assert len(page["value"]) == 1000 or "nextLink" not in page
            rows += of(page["value"], moving)
            put(empty, guid(), providerSubscriptionId=provider)
            put(empty, moving, providerSubscriptionId=None, effectiveFrom=iso(empty.now + (30 + len(rows)) * HOUR))
        return rows
    with provider_client(empty, provider) as client:
        theirs = read(client, provider)
    ours = read(empty.operator, empty.operator_subscription)
    assert len(theirs) == len(ours) == 1200
    assert len({key_of(row) for row in theirs + ours}) == 2400


def test_a_token_of_one_provider_s_list_is_not_for_another(empty):
    providers = [guid(), guid()]
    sold = guid()
    for provider in providers:
        put(empty, provider)
        put(empty, guid(), providerSubscriptionId=provider)
    put(empty, sold, providerSubscriptionId=providers[0])
    empty.anybody.accept([record(sold, base(empty) - HOUR, resourceUri=harness.resource(sold, "vm%04d" % n))
                          for n in range(1001)])
    window = empty.close_hour()
    with provider_client(empty, providers[0]) as first, provider_client(empty, providers[1]) as second:
        link = first.get(operator_target(providers[0], *window)).expect(200).json["nextLink"]
        target = first.target_of(link)
        assert len(first.get(target).expect(200).json["value"]) == 1
        second.get(target.replace(providers[0], providers[1])).expect(400, "InvalidProperty", "continuationToken")


# ---- History ----


def test_moves_are_dated_and_told_with_who_and_when(empty):
    subscription, provider, tenants = guid(), guid(), [guid(), guid()]
    hour = base(empty)
    put(empty, provider)
    put(empty, subscription, 201, tenantId=tenants[0])
    put(empty, subscription, 200, tenantId=tenants[1], providerSubscriptionId=provider, effectiveFrom=iso(hour - DAY))
    later = put(empty, subscription, 200, tenantId=tenants[0], effectiveFrom=iso(hour + DAY)).json
    assert later["tenantId"] == tenants[1]  # what holds now
    assert at(empty, subscription, hour - DAY - HOUR)["tenantId"] == tenants[0]
    shown = at(empty, subscription, hour - DAY)
    assert (shown["tenantId"], shown["providerSubscriptionId"]) == (tenants[1], provider)
    assert at(empty, subscription, hour + DAY)["tenantId"] == tenants[0]
    assert at(empty, subscription, hour - DAY, knownAt=iso(hour - DAY))["state"] == "Unknown"
    changes = history(empty, subscription)
    assert [one["change"] for one in changes] == [1, 2, 3]
    assert [one["effectiveFrom"] for one in changes] == [None, iso(hour - DAY), iso(hour + DAY)]
    assert [one["tenantId"] for one in changes] == [tenants[0], tenants[1], tenants[0]]
    assert {one["state"] for one in changes} == {"Enabled"}
    who = empty.operator.get("/v1/session").expect(200).json
    for one in changes:
        assert one["by"] == who.get("username", who.get("name")), (one, who)
        assert instant(one["recordedTime"]) >= hour
    # The ARM list of collectors says whose it is now.
    target = "/subscriptions/%s/providers/Microsoft.Subscriptions.Admin/subscriptions?api-version=2015-11-01"
    row, = [one for one in empty.operator.rows(target % empty.operator_subscription)
            if one["subscriptionId"] == subscription]
    assert (row["tenantId"], row["delegatedProviderSubscriptionId"]) == (tenants[1], provider)
    empty.advance("PT25H")
    row, = [one for one in empty.operator.rows(target % empty.operator_subscription)
            if one["subscriptionId"] == subscription]
    assert (row["tenantId"], row["delegatedProviderSubscriptionId"]) == (tenants[0], empty.operator_subscription)


def test_a_correction_of_the_past_does_not_undo_a_later_deletion(empty):
    subscription, tenants = guid(), [guid(), guid()]
    put(empty, subscription, 201, tenantId=tenants[0])
    empty.advance("P3D")
    empty.operator.request("DELETE", "/v1/subscriptions/" + subscription).expect(200)
    deleted = empty.operator.get("/v1/subscriptions/" + subscription).expect(200).json
    empty.advance("P1D")
    since = base(empty) - 2 * DAY
    answer = put(empty, subscription, 200, tenantId=tenants[1], effectiveFrom=iso(since)).json
    for shown in answer, empty.operator.get("/v1/subscriptions/" + subscription).expect(200).json:
        assert (shown["state"], shown["tenantId"]) == ("Deleted", tenants[1])
        assert shown["deletedTime"] == deleted["deletedTime"]
    assert at(empty, subscription, since)["state"] == "Enabled"
    assert [one["state"] for one in history(empty, subscription)] == ["Enabled", "Deleted", "Enabled", "Deleted"]


def test_each_change_is_in_the_audit_log_and_no_refusal(empty):
    subscription = guid()
    put(empty, subscription, effectiveFrom=iso(base(empty)))
    put(empty, subscription, 400, providerSubscriptionId=subscription)
    empty.operator.request("DELETE", "/v1/subscriptions/" + subscription).expect(200)
    entries = [one for one in empty.operator.rows("/v1/audit?limit=1000") if subscription in one["subject"]]
    assert [one["action"] for one in entries] == ["subscription.put", "subscription.delete"]
    assert entries[0]["detail"]["effectiveFrom"] == iso(base(empty)) and entries[0]["requestId"]


@pytest.mark.parametrize("text", ["2026-03-10T12:30:00Z", "2026-03-10T12:00:00.000000001Z", "2026-03-10", "now", 7,
                                  "2026-03-10T12:00:00+00:30", ""])
def test_a_change_begins_on_the_hour(empty, text):
    answer = put(empty, guid(), 400, effectiveFrom=text)
    answer.expect(400, "InvalidProperty", "effectiveFrom")


def test_history_and_times_of_what_nobody_knows(empty):
    empty.operator.get("/v1/subscriptions/%s/history" % guid()).expect(404, "SubscriptionNotFound")
    empty.operator.get("/v1/subscriptions/%s?at=%s" % (guid(), iso(empty.now))).expect(404, "SubscriptionNotFound")
    empty.operator.get("/v1/subscriptions/%s?at=never" % guid()).expect(400, "InvalidProperty", "at")
    seen = guid()
    empty.anybody.accept(record(seen, base(empty) - HOUR))
    assert history(empty, seen) == []
    assert at(empty, seen, empty.now)["state"] == "Unknown"


# ---- Refusals ----


def test_circles_and_providers_that_do_not_exist(empty):
    first, second, third = guid(), guid(), guid()
    put(empty, first)
    put(empty, second, providerSubscriptionId=first)
    put(empty, third, providerSubscriptionId=second)
    answer = put(empty, first, 400, providerSubscriptionId=third)
    answer.expect(400, "InvalidProperty", "providerSubscriptionId")
    assert " -> ".join((first, third, second, first)) in answer.error["message"]
    put(empty, guid(), 400, providerSubscriptionId=guid()).expect(400, "InvalidProperty", "providerSubscriptionId")
    put(empty, empty.operator_subscription, 400, providerSubscriptionId=first)


def test_a_provider_with_tenants_cannot_be_deleted(empty):
    provider, sold = guid(), guid()
    put(empty, provider)
    put(empty, sold, providerSubscriptionId=provider)
    refused = empty.operator.request("DELETE", "/v1/subscriptions/" + provider).expect(409, "Conflict")
    assert sold in refused.error["message"]
    empty.operator.request("DELETE", "/v1/subscriptions/" + sold).expect(200)
    empty.operator.request("DELETE", "/v1/subscriptions/" + provider).expect(200)
    put(empty, guid(), 400, providerSubscriptionId=provider)


# ---- The tree ----


def tree(stamp, **query):
    answer = stamp.operator.get("/v1/providers?" + urllib.parse.urlencode(query)).expect(200).json
    return answer, {node["providerSubscriptionId"]: node for node in answer["value"]}


def test_the_whole_tree(empty, family):
    answer, nodes = tree(empty)
    assert answer["value"][0]["providerSubscriptionId"] == empty.operator_subscription
    root, provider = nodes[empty.operator_subscription], nodes[family.provider]
    assert root["level"] == 0 and "parentSubscriptionId" not in root
    assert (provider["level"], provider["parentSubscriptionId"]) == (1, empty.operator_subscription)
    tenants = {one["subscriptionId"]: one for one in provider["tenants"]}
    assert set(tenants) == {family.sold, family.moved}
    assert instant(tenants[family.moved]["since"]) == family.move and "since" not in tenants[family.sold]
    assert tenants[family.sold]["state"] == "Enabled"
    everybody = [one["subscriptionId"] for node in answer["value"] for one in node["tenants"]]
    known = {one["subscriptionId"] for one in empty.operator.rows("/v1/subscriptions")}
    assert sorted(everybody) == sorted(known - {empty.operator_subscription})
    _, before = tree(empty, at=iso(family.move - HOUR))
    assert {one["subscriptionId"] for one in before[family.provider]["tenants"]} == {family.sold}


def test_quantities_of_the_tree_are_those_of_the_summary(stamp, empty, family):
    for server, window in ((empty, (family.start, family.start + 2 * DAY)),
                           (stamp, (stamp.now.replace(hour=0) - 5 * DAY, stamp.now.replace(hour=7)))):
        answer, nodes = tree(server, **{"from": iso(window[0]), "to": iso(window[1])})
        sums, records = collections.defaultdict(lambda: exact(0)), collections.Counter()
        for node in nodes.values():
            for one in node["usage"]:
                sums[one["meterId"]] = exact_sum([sums[one["meterId"]], one["quantity"]])
                records[one["meterId"]] += one["records"]
        whole = server.operator.rows(harness.summary_target(*window, groupBy="meter"))
        assert whole and {row["meterId"]: exact(row["quantity"]) for row in whole} == dict(sums)
        assert {row["meterId"]: row["records"] for row in whole} == dict(records)
        assert "complete" in answer
    _, nodes = tree(empty, **{"from": iso(family.start), "to": iso(family.start + 2 * DAY)})
    used, = nodes[family.provider]["usage"]
    assert used["records"] == 48 + 11


@pytest.mark.parametrize("query, target", [
    ({"at": "x"}, "at"), ({"from": "2026-03-01T00:00:00Z"}, "to"), ({"to": "2026-03-01T00:00:00Z"}, "from"),
    ({"from": "2026-03-01T00:30:00Z", "to": "2026-03-02T00:00:00Z"}, "from"),
    ({"from": "2026-03-02T00:00:00Z", "to": "2026-03-02T00:00:00Z"}, "to")])
def test_parameters_of_the_tree(empty, query, target):
    empty.operator.get("/v1/providers?" + urllib.parse.urlencode(query)).expect(400, "InvalidProperty", target)


def test_the_demo_has_a_delegated_provider(stamp):
    provider = next(one for one in stamp.tenants if "delegated" in one["displayName"].lower())
    _, nodes = tree(stamp)
    sold = nodes[provider["subscriptionId"]]["tenants"]
    window = (stamp.now - 2 * HOUR, stamp.now - HOUR)
    with stamp.client(provider["token"]) as client:
        rows = client.rows(operator_target(provider["subscriptionId"], *window))
    assert rows and {row["properties"]["subscriptionId"] for row in rows} == {one["subscriptionId"] for one in sold}


def test_everything_stands_after_a_restart(fresh):
    provider, moved = guid(), guid()
    put(fresh, provider)
    put(fresh, moved, providerSubscriptionId=provider, effectiveFrom=iso(base(fresh)))
    put(fresh, moved, effectiveFrom=iso(base(fresh) + DAY))
    before = history(fresh, moved), tree(fresh)[0]["value"]
    fresh.kill()
    fresh.start()
    assert (history(fresh, moved), tree(fresh)[0]["value"]) == before
