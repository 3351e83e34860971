"""GET /v1/tenants: whose usage it is and who pays, so that no quantity is lost between the summary and an invoice."""
import csv
import io
import urllib.parse

import pytest

import harness
from harness import DAY, HOUR, exact, exact_sum, guid, instant, iso, record, summary_target

CSV = {"Accept": "text/csv"}


def target(start, end, **more):
    return "/v1/tenants?" + urllib.parse.urlencode({"from": iso(start), "to": iso(end), **more})


@pytest.fixture(scope="module")
def commerce(stamp):
    with harness.Client(stamp.url, stamp.ca_file, stamp.ready["commerce"]["token"]) as client:
        yield client


@pytest.fixture(scope="module")
def month(stamp):
    """A window that begins and ends inside days, and in which a payer changes."""
    return stamp.now - 30 * DAY - 5 * HOUR, stamp.now - 3 * HOUR


def sums(quantities):
    found = {}
    for entry in quantities:
        key = entry["meterId"], entry.get("unit")
        quantity, records = found.get(key, (exact(0), 0))
        found[key] = exact_sum([quantity, entry["quantity"]]), records + entry["records"]
    return found


def all_quantities(entries):
    return [quantity for entry in entries for payer in entry["payers"] for quantity in payer["quantities"]]


def test_all_tenants_and_payers_together_are_the_summary(stamp, commerce, month):
    whole = sums(stamp.operator.rows(summary_target(*month, groupBy="meter")))
    report = commerce.get(target(*month, limit=1000)).expect(200).json
    assert whole and sums(all_quantities(report["value"])) == whole
    totals = [quantity for total in report["totals"].values() for quantity in total["quantities"]]
    assert sums(totals) == whole
    for kind, total in report["totals"].items():
        payers = [payer for entry in report["value"] for payer in entry["payers"] if payer["kind"] == kind]
        assert sums(total["quantities"]) == sums([one for payer in payers for one in payer["quantities"]])
        assert total["records"] == sum(payer["records"] for payer in payers)


def test_each_tenants_part_is_that_of_its_subscriptions(stamp, commerce, month):
    for entry in commerce.rows(target(*month)):
        parts = []
        for subscription in entry["subscriptions"]:
            parts += stamp.operator.rows(summary_target(
                *month, groupBy="meter", filter="subscriptionId eq '%s'" % subscription["subscriptionId"]))
        assert sums(all_quantities([entry])) == sums(parts), entry["displayName"]
        assert entry["records"] == sum(part["records"] for part in parts)


def test_tenants_are_listed_by_id_and_each_is_mapped_or_not(stamp, commerce, month):
    entries = commerce.rows(target(*month))
    ids = [entry["tenantId"] or "" for entry in entries]
    assert ids == sorted(ids) and len(set(ids)) == len(ids)
    for mapped in (False, True):
        assert commerce.rows(target(*month, mapped=str(mapped).lower())) == [
            entry for entry in entries if entry["mapped"] == mapped]
    wanted = {tenant["tenantId"]: tenant["mapped"] for tenant in stamp.tenants if tenant["state"] != "Unknown"}
    assert {entry["tenantId"]: entry["mapped"] for entry in entries if entry["tenantId"]} == wanted
    unmapped = next(entry for entry in entries if not entry["mapped"])
    payer, = unmapped["payers"]
    assert (payer["kind"], payer["subscriptionId"]) == ("default", stamp.ready["commerce"]["subscriptionId"])
    assert payer["charged"] is True and payer["quantities"]


def test_usage_of_nobody_known_is_one_entry_that_the_default_pays_for(stamp, commerce, month):
    unknown, = [entry for entry in commerce.rows(target(*month)) if entry["tenantId"] is None]
    subscription = stamp.tenant(state="Unknown")["subscriptionId"]
    assert {entry["subscriptionId"] for entry in unknown["subscriptions"]} == {
        subscription, stamp.operator_subscription}
    payer, = unknown["payers"]
    assert payer["kind"] == "default" and unknown["mapped"] is False


def test_a_payer_that_changed_half_way_splits_the_month(stamp, commerce, month):
    fabrikam, = [entry for entry in commerce.rows(target(*month)) if entry["displayName"].startswith("Fabrikam")]
    first, second = fabrikam["payers"]
    assert first["kind"] == second["kind"] == "customer"
    assert first["subscriptionId"] != second["subscriptionId"]
    assert first["to"] == second["from"] == second["since"]
    assert instant(first["from"]) == month[0] and instant(second["to"]) == month[1]
    # Each part is what is there on its side of the change.
    for payer in (first, second):
        span = instant(payer["from"]), instant(payer["to"])
        subscription = fabrikam["subscriptions"][0]["subscriptionId"]
        rows = stamp.operator.rows(summary_target(*span, groupBy="meter",
                                                  filter="subscriptionId eq '%s'" % subscription))
        assert sums(payer["quantities"]) == sums(rows)


def test_pages_hold_what_the_whole_holds(stamp, commerce, month):
    whole = commerce.get(target(*month, limit=1000)).expect(200).json
    assert "nextLink" not in whole
    pages = list(commerce.pages(target(*month, limit=2)))
    assert [len(page["value"]) for page in pages[:-1]] == [2] * (len(pages) - 1)
    assert [entry for page in pages for entry in page["value"]] == whole["value"]
    for page in pages:
        assert page["totals"] == whole["totals"]


def test_following_pages_misses_no_tenant_whatever_changes_meanwhile(fresh):
    """Who is mapped, and who used how much, changes while somebody goes through the unmapped tenants and maps them."""
    commerce, place = fresh.client(fresh.ready["commerce"]["token"]), fresh.ready["commerce"]
    for _ in range(6):
        fresh.operator.request("PUT", "/v1/subscriptions/" + guid(), body={"displayName": "x", "tenantId": guid()})
    window = fresh.now - DAY, fresh.now
    wanted = [entry["tenantId"] for entry in commerce.rows(target(*window, mapped="false"))]
    assert len(wanted) >= 7

    def map_tenant(tenant):
        subscription = guid()
        commerce.request("PUT", "/v1/commerce/subscriptions/" + subscription, body={
            "tenantId": guid(), "partnerId": place["partnerId"], "offer": "CSP", "state": "Active"}).expect(201)
        commerce.request("PUT", "/subscriptions/%(subscriptionId)s/resourceGroups/%(resourceGroup)s/providers"
                         "/Microsoft.AzureStack/registrations/%(registration)s/customerSubscriptions/" % place
                         + subscription + "?api-version=2017-06-01", body={"properties": {"tenantId": tenant}}).expect(200)

    shown, page = [], commerce.get(target(*window, mapped="false", limit=2)).expect(200).json
    while True:
        shown += [entry["tenantId"] for entry in page["value"]]
        if "nextLink" not in page:
            break
        # All that was shown last is done with, and usage of one that is still to come moves it to the front of the report.
        for entry in page["value"]:
            if entry["tenantId"]:
                map_tenant(entry["tenantId"])
        late = next((entry for entry in commerce.rows(target(*window, mapped="false"))
                     if entry["subscriptions"] and entry["tenantId"] not in shown), None)
        if late:
            fresh.anybody.accept([record(late["subscriptions"][0]["subscriptionId"], window[0] + n * HOUR) for n in range(5)])
        page = commerce.get(commerce.target_of(page["nextLink"])).expect(200).json
    assert shown == wanted


def test_csv_has_the_same_sums_unmapped_tenants_first_then_those_with_most_usage(stamp, commerce, month):
    whole = sorted(commerce.rows(target(*month)), key=lambda entry: (entry["mapped"], -entry["records"], entry["tenantId"] or ""))
    answer = commerce.get(target(*month), headers=CSV).expect(200)
    assert answer.headers["Content-Type"] == "text/csv; charset=utf-8"
    lines = list(csv.DictReader(io.StringIO(answer.body.decode())))
    expected = [(entry["tenantId"] or "", payer["subscriptionId"], payer["kind"], payer["from"], one["meterId"],
                 exact(one["quantity"]), one["records"])
                for entry in whole for payer in entry["payers"] for one in payer["quantities"]]
    assert [(line["tenantId"], line["payerSubscriptionId"], line["payer"], line["from"], line["meterId"],
             exact(line["quantity"]), int(line["records"])) for line in lines if line["meterId"]] == expected


def test_it_says_whether_the_window_is_complete(stamp, commerce):
    midnight = stamp.now.replace(hour=0)
    whole = commerce.get(target(midnight - 2 * DAY, midnight - DAY)).expect(200).json
    assert whole["complete"] is True and whole["silent"] == []
    open_ = commerce.get(target(midnight, midnight + DAY)).expect(200).json
    assert open_["complete"] is False and open_["watermark"]
    # The operator is told which producer is silent, others the source alone.
    assert "producer" not in open_["silent"][0]
    assert "producer" in stamp.operator.get(target(midnight, midnight + DAY)).expect(200).json["silent"][0]


def test_of_another_stamp_it_does_not_tell_this_ones_completeness(stamp, commerce, month):
    own = next(entry["cloudId"] for entry in commerce.rows(target(*month)))
    assert "complete" in commerce.get(target(*month, cloudId=own)).expect(200).json
    for client in (commerce, stamp.operator):
        other = client.get(target(*month, cloudId=guid())).expect(200).json
        assert other["value"] == [] and other["usage"] == "not forwarded yet"
        assert not {"complete", "watermark", "silent"} & set(other)


def test_without_a_window_it_is_this_month(stamp, commerce):
    report = commerce.get("/v1/tenants").expect(200).json
    assert instant(report["from"]) == stamp.now.replace(day=1, hour=0)
    assert instant(report["to"]) == stamp.now + HOUR


def test_what_is_asked_wrongly(stamp, commerce, month):
    for query, name in (("from=2026-03-01T00:30:00Z", "from"), ("to=yesterday", "to"), ("mapped=maybe", "mapped"),
                        ("limit=0", "limit"), ("limit=1001", "limit"), ("cloudId=x", "cloudId"),
                        ("continuationToken=abc", "continuationToken"),
                        ("from=2026-03-02T00:00:00Z&to=2026-03-01T00:00:00Z", "to")):
        commerce.get("/v1/tenants?" + query).expect(400, "InvalidProperty", name)
    # A token continues the request that it came from, no other.
    link = commerce.get(target(*month, limit=2)).expect(200).json["nextLink"]
    token = urllib.parse.parse_qs(urllib.parse.urlsplit(link).query)["continuationToken"][0]
    commerce.get(target(*month, limit=2, mapped="true", continuationToken=token)).expect(
        400, "InvalidProperty", "continuationToken")


def test_who_may_read_it(stamp):
    stamp.operator.get("/v1/tenants").expect(200)
    with stamp.client(stamp.tenant()["token"]) as tenant:
        tenant.get("/v1/tenants").expect(403, "AuthorizationFailed")
    stamp.anybody.get("/v1/tenants").expect(403, "AuthorizationFailed")
    stamp.operator.get("/v1/tenants", token=None).expect(401)


def test_a_tenant_is_attributed_from_a_date_on(fresh):
    """An unmapped tenant gets a payer: usage before the date stays with the default."""
    commerce, place = fresh.client(fresh.ready["commerce"]["token"]), fresh.ready["commerce"]
    tenant = fresh.tenant(mapped=False, displayName="Adventure Works")
    start = fresh.now - 10 * HOUR
    fresh.anybody.accept([record(tenant["subscriptionId"], start + n * HOUR) for n in range(10)])
    subscription = next(one["subscriptionId"] for one in commerce.rows(
        "/v1/commerce/subscriptions?tenantId=" + tenant["tenantId"]) if one["state"] == "Active")
    path = ("/subscriptions/%(subscriptionId)s/resourceGroups/%(resourceGroup)s/providers/Microsoft.AzureStack"
            "/registrations/%(registration)s/customerSubscriptions/" % place + subscription)
    commerce.request("PUT", path + "?api-version=2017-06-01", body={"properties": {
        "tenantId": tenant["tenantId"], "effectiveFrom": iso(start + 6 * HOUR)}}).expect(200)
    entry, = [one for one in commerce.rows(target(start, start + 10 * HOUR))
              if one["tenantId"] == tenant["tenantId"]]
    assert entry["mapped"] is True
    assert [(payer["kind"], payer["subscriptionId"], exact(payer["quantities"][0]["quantity"]))
            for payer in entry["payers"]] == [("default", place["subscriptionId"], 6), ("customer", subscription, 4)]


def test_a_change_inside_a_day_whose_hours_are_gone_is_not_guessed(tmp_path):
    """Days stay longer than hours. A payer that changes at midnight splits days, one that changes at noon would need the
    hours, and half a day is never given to either of the two by a guess."""
    days = 6
    with harness.Stamp(tmp_path, options={"retention.hourly": "2d"}) as stamp:
        commerce, place = stamp.client(stamp.ready["commerce"]["token"]), stamp.ready["commerce"]
        tenant, first = stamp.tenant(mapped=False, displayName="Adventure Works"), stamp.now.replace(hour=0, minute=0)
        for _ in range(days):
            hour = stamp.now.replace(minute=0) - HOUR
            stamp.anybody.accept([record(tenant["subscriptionId"], hour - n * HOUR) for n in range(3)])
            stamp.advance("P1D")
        harness.until(lambda: "stampmeter_upkeep_left 0" in stamp.operator.get("/metrics").body.decode(), "upkeep to end")
        since = instant(stamp.operator.get("/v1/retention").expect(200).json["hourlySince"])
        changed = first + DAY + 12 * HOUR
        assert changed + DAY < since  # its day is a sum by now

        def map_from(time):
            commerce.request("POST", "/v1/commerce/customers/import?registration=%s&subscriptionId=%s" % (
                place["registration"], place["subscriptionId"]), headers={"Content-Type": "text/csv"}, body=(
                    "tenantId,customerSubscriptionId,effectiveFrom\n%s,%s,%s\n" % (
                        tenant["tenantId"], subscription, iso(time))).encode()).expect(200)

        def payers():
            entry, = [one for one in commerce.rows(target(first, first + days * DAY))
                      if one["tenantId"] == tenant["tenantId"]]
            return [(payer["kind"], exact(payer["quantities"][0]["quantity"])) for payer in entry["payers"]]

        subscription = next(one["subscriptionId"] for one in commerce.rows(
            "/v1/commerce/subscriptions?tenantId=" + tenant["tenantId"]) if one["state"] == "Active")
        assert payers() == [("default", 3 * days)]
        map_from(first + 2 * DAY)
        assert payers() == [("default", 6), ("customer", 3 * (days - 2))]
        map_from(changed)
        error = commerce.get(target(first, first + days * DAY)).expect(410, "UsageNotKept", "from").error
        assert iso(changed) in error["message"] and "who pays" in error["message"]
        # What lies on one side of the change alone is still told.
        assert commerce.get(target(first + 2 * DAY, first + days * DAY)).expect(200).json["value"]


def test_a_subscription_that_moves_to_another_tenant_is_each_ones_for_its_hours(fresh):
    commerce = fresh.client(fresh.ready["commerce"]["token"])
    subscription, tenants = guid(), [guid(), guid()]
    start = fresh.now - 10 * HOUR
    for tenant, since in zip(tenants, (start - DAY, start + 3 * HOUR)):
        fresh.operator.request("PUT", "/v1/subscriptions/" + subscription, body={
            "tenantId": tenant, "displayName": "moves", "effectiveFrom": iso(since)})
    fresh.anybody.accept([record(subscription, start + n * HOUR) for n in range(10)])
    found = {entry["tenantId"]: entry for entry in commerce.rows(target(start, fresh.now))}
    assert [exact(found[tenant]["payers"][0]["quantities"][0]["quantity"]) for tenant in tenants] == [3, 7]
