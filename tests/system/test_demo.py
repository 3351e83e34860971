"""The simulated stamp: it begins with 35 days of history, goes on by the hour when told, the same way every time, and
a restart in between changes nothing. It is registered, approved and activated, and most of its tenants are mapped.
"""
import os
import urllib.parse

import pytest

import harness
from harness import COMPUTE, DAY, HOUR, exact, instant, iso, summary_target

SILENT = "Microsoft.EventHub"
HOURS = 6


def sums(stamp, start, end, **more):
    """{row without what is summed: (quantity, records)}"""
    found = {}
    for row in stamp.operator.rows(summary_target(start, end, **more)):
        key = tuple((name, row[name]) for name in sorted(row) if name not in ("quantity", "records", "tags"))
        found[key] = exact(row["quantity"]), row["records"]
    return found


@pytest.fixture(scope="module")
def commerce(stamp):
    with harness.Client(stamp.url, stamp.ca_file, stamp.ready["commerce"]["token"]) as client:
        yield client


@pytest.fixture(scope="module")
def going(tmp_path_factory):
    """A demo like `stamp` that has gone on for some hours, with a restart after half; it and its sums before."""
    with harness.Stamp(tmp_path_factory.mktemp("going"), empty=False) as server:
        midnight = server.now.replace(hour=0)
        before = sums(server, midnight - 30 * DAY, midnight, granularity="daily", groupBy="subscription,meter")
        for _ in range(HOURS // 2):
            server.advance("PT1H")
        server.stop()
        server.start()
        server.advance("PT0S")
        for _ in range(HOURS // 2):
            server.advance("PT1H")
        yield server, before


@pytest.fixture(scope="module")
def straight(tmp_path_factory):
    """The same without a restart, in one step."""
    with harness.Stamp(tmp_path_factory.mktemp("straight"), empty=False) as server:
        server.advance("PT%dH" % HOURS)
        yield server


def test_35_days_of_history(stamp):
    end = stamp.now.replace(hour=0)
    rows = stamp.operator.rows(summary_target(end - 40 * DAY, end, granularity="daily"))
    days = {instant(row["start"]) for row in rows}
    assert days == {end - n * DAY for n in range(1, 36)}


def test_history_lies_before_the_start(stamp):
    assert stamp.operator.rows(summary_target(stamp.now, stamp.now + DAY)) == []
    assert stamp.operator.rows(summary_target(stamp.now, stamp.now + DAY, axis="reported")) == []


def test_one_producer_is_silent_and_the_others_are_not(stamp):
    hours = sums(stamp, stamp.now - 6 * HOUR, stamp.now, groupBy="source", granularity="hourly")
    sources = {dict(key)["source"] for key in hours}
    assert COMPUTE in sources and SILENT not in sources
    earlier = sums(stamp, stamp.now - 3 * DAY, stamp.now, groupBy="source")
    assert SILENT in {dict(key)["source"] for key in earlier}


def test_it_has_late_records(stamp):
    """Usage that was reported hours after it was consumed."""
    end = stamp.now.replace(hour=0)
    late = 0
    for n in range(24):
        window = (end - (n + 1) * HOUR, end - n * HOUR)
        rows = stamp.operator.rows(harness.operator_target(stamp.operator_subscription, *window))
        late += sum(instant(row["properties"]["usageEndTime"]) < window[0] - HOUR for row in rows)
    assert late > 0


def test_the_same_start_gives_the_same_history(stamp, going):
    midnight = stamp.now.replace(hour=0)
    same = sums(stamp, midnight - 30 * DAY, midnight, granularity="daily", groupBy="subscription,meter")
    assert same == going[1] and same


def test_every_hour_that_passes_is_posted(going):
    server, _ = going
    assert server.now == harness.START + HOURS * HOUR
    rows = server.operator.rows(summary_target(harness.START - HOUR, server.now, granularity="hourly",
                                               filter="source eq '%s'" % COMPUTE))
    hours = {instant(row["start"]) for row in rows}
    # The last hour's usage is posted some minutes after it has ended.
    assert hours >= {harness.START + n * HOUR for n in range(-1, HOURS - 1)}


def test_a_restart_or_other_steps_change_nothing(going, straight):
    server, _ = going
    span = (harness.START - 2 * DAY, harness.START + DAY)
    for more in ({"axis": "usage", "granularity": "hourly"}, {"axis": "reported", "granularity": "hourly"}):
        assert sums(server, *span, groupBy="subscription,meter,resource", **more) == sums(
            straight, *span, groupBy="subscription,meter,resource", **more)


def test_late_corrected_and_rejected_records_go_on(straight):
    metrics = straight.operator.get("/metrics").expect(200).body.decode()
    found = {}
    for line in metrics.splitlines():
        for verdict in ("accepted", "duplicate", "conflict", "rejected"):
            if not line.startswith("#") and verdict in line and "record" in line:
                found[verdict] = float(line.rsplit(" ", 1)[1])
    assert found["accepted"] > 1000, found
    assert found["duplicate"] > 0 and found["conflict"] + found["rejected"] > 0, found


def test_some_of_it_is_corrected(straight):
    """Compute corrects some records in the first hour and one every six hours; each is known, and counted in full."""
    corrections = [change for change in straight.operator.rows("/v1/changes?limit=10000")
                   if change["kind"] == "correction"]
    assert {change["action"] for change in corrections} == {"void", "amend"}
    assert {change["source"] for change in corrections} == {COMPUTE} and len(corrections) >= 4
    for change in corrections:
        shown = straight.operator.get("/v1/records/%s/%s" % (COMPUTE, change["id"])).expect(200).json
        assert shown["record"]["sequence"] == change["original"] and len(shown["corrections"]) == 1
        assert harness.exact_sum(entry["quantity"] for entry in shown["counted"]) == exact(change["quantity"])


# ---- Its commercial side ----


def test_the_demo_is_registered_approved_and_active(stamp, commerce):
    place = stamp.ready["commerce"]
    own = stamp.operator.get("/v1/registration").expect(200).json
    assert own["state"] == "Registered" and place["registration"] == "azurestack-" + own["cloudId"]
    assert own["activation"]["usageReporting"] is True and own["activation"]["billingModel"] == "PayAsYouUse"
    assert own["activation"]["subscriptionId"] == place["subscriptionId"]
    assert own["activation"]["usageEndpoint"] == stamp.url
    registrations = {one["name"]: one for one in commerce.rows("/v1/commerce/registrations")}
    assert registrations[place["registration"]]["cloudId"] == own["cloudId"] and len(registrations) == 2
    approvals = {one["registrationName"]: one["state"] for one in commerce.rows("/v1/commerce/approvals")}
    assert approvals.pop(place["registration"]) == "Approved" and list(approvals.values()) == ["Requested"]


def test_the_demo_has_a_catalogue_with_something_of_everything(commerce, stamp):
    partners = commerce.rows("/v1/commerce/partners")
    assert {partner["kind"] for partner in partners} == {"direct", "indirectProvider", "indirectReseller"}
    assert stamp.ready["commerce"]["partnerId"] in {partner["partnerId"] for partner in partners}
    subscriptions = commerce.rows("/v1/commerce/subscriptions")
    assert {entry["offer"] for entry in subscriptions} == {"CSP", "APSS", "EA"}
    assert {entry["state"] for entry in subscriptions} == {"Active", "Disabled"}
    sold_to = {entry["tenantId"] for entry in subscriptions}
    assert {tenant["tenantId"] for tenant in stamp.tenants if tenant["mapped"]} <= sold_to


def test_the_demos_commerce_user_signs_in(stamp):
    place = stamp.ready["commerce"]
    answer = stamp.operator.request("POST", "/v1/session", token=None, body={
        "username": place["username"], "password": place["password"]})
    assert answer.status in (200, 201) and answer.json["role"] == "commerce", answer


def test_mapped_in_the_ready_file_is_what_the_resolver_says(stamp, commerce):
    cloud = stamp.operator.get("/v1/registration").expect(200).json["cloudId"]
    for tenant in stamp.tenants:
        if tenant["state"] == "Unknown":
            continue
        for when in (stamp.now, stamp.now - 35 * DAY):
            payer = commerce.get("/v1/commerce/payer?" + urllib.parse.urlencode(
                {"cloudId": cloud, "tenantId": tenant["tenantId"], "time": iso(when)})).expect(200).json
            assert payer["kind"] == ("customer" if tenant["mapped"] else "default"), (tenant, payer)


def test_a_first_start_that_was_cut_short_is_done_again(fresh):
    """demo.json is written last: without it everything is made again, which changes no answer."""
    def told():
        with fresh.client(fresh.ready["commerce"]["token"]) as client:
            return [client.get("/v1/tenants").expect(200).json["value"], client.rows("/v1/commerce/approvals"),
                    client.rows("/v1/commerce/customers?registration=" + fresh.ready["commerce"]["registration"]),
                    fresh.operator.get("/v1/registration").expect(200).json["state"]]
    before = told()
    fresh.stop()
    os.remove(os.path.join(fresh.data_dir, "demo.json"))
    fresh.start()
    assert told() == before


def test_an_empty_demo_is_registered_the_same_way_and_stays_so(fresh):
    commerce = fresh.client(fresh.ready["commerce"]["token"])
    before = [commerce.get("/v1/tenants").expect(200).json, commerce.rows("/v1/commerce/registrations"),
              fresh.operator.get("/v1/registration").expect(200).json]
    assert before[2]["state"] == "Registered" and len(before[0]["value"]) == 9
    assert all(entry["records"] == 0 for entry in before[0]["value"])
    fresh.operator.request(
        "DELETE", "/subscriptions/%s/resourceGroups/azurestack-activation/providers/Microsoft.AzureBridge.Admin"
        "/activations/default?api-version=2016-01-01" % fresh.operator_subscription).expect(200)
    fresh.stop()
    fresh.start()
    commerce = fresh.client(fresh.ready["commerce"]["token"])
    assert commerce.rows("/v1/commerce/registrations") == before[1]
    assert commerce.get("/v1/tenants").expect(200).json["value"] == before[0]["value"]
    # What was taken back does not come back by itself.
    assert fresh.operator.get("/v1/registration").expect(200).json["state"] == "Not registered"
