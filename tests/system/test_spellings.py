"""Every spelling that real clients use for a usage list gives the same rows: paths, names of parameters, times."""
import datetime
import re
import urllib.parse

import pytest

import harness
from harness import DAY, HOUR, iso, operator_target, tenant_target


@pytest.fixture(scope="module")
def lists(stamp):
    """The windows that all tests here ask for, and their rows asked for plainly."""
    class Lists:
        end = stamp.now.replace(hour=0, minute=0)
        start = end - 3 * HOUR
        own = stamp.tenants[0]["subscriptionId"]
        client = stamp.client(stamp.tenants[0]["token"])
        operator_subscription = stamp.operator_subscription
    Lists.rows = Lists.client.get(tenant_target(Lists.own, Lists.start, Lists.end)).expect(200).json["value"]
    Lists.operator_rows = stamp.operator.get(
        operator_target(Lists.operator_subscription, Lists.start, Lists.end)).expect(200).json["value"]
    assert Lists.rows and Lists.operator_rows
    return Lists


def query(lists, **more):
    return harness.query_of(lists.start, lists.end, **more)


# ---- Paths ----


@pytest.mark.parametrize("path", [
    "/subscriptions/{s}/providers/Microsoft.Commerce/UsageAggregates",
    "/subscriptions/{s}/providers/Microsoft.Commerce/usageAggregates",
    "/SUBSCRIPTIONS/{s}/PROVIDERS/MICROSOFT.COMMERCE/USAGEAGGREGATES",
    "/subscriptions/{s}/providers/microsoft.commerce/usageaggregates",
    "/Subscriptions/{S}/Providers/Microsoft.Commerce/UsageAggregates",
    "/subscriptions/{s}/providers/Microsoft.Commerce/locations/east/UsageAggregates",
    "/subscriptions/{s}/providers/Microsoft.Commerce/Locations/EAST/usageAggregates",
    "/subscriptions/{s}/providers/Microsoft.Commerce/UsageAggregates/",
    "/subscriptions/{s}/providers/Microsoft%2eCommerce/UsageAggregates",
])
def test_paths_of_the_tenant_list(lists, path):
    target = path.format(s=lists.own, S=lists.own.upper()) + "?" + query(lists)
    assert lists.client.get(target).expect(200).json["value"] == lists.rows


@pytest.mark.parametrize("path", [
    "/subscriptions/{s}/providers/Microsoft.Commerce.Admin/subscriberUsageAggregates",
    "/subscriptions/{s}/providers/Microsoft.Commerce.Admin/SubscriberUsageAggregates",
    "/subscriptions/{s}/providers/microsoft.commerce.admin/subscriberusageaggregates",
    "/subscriptions/{s}/providers/Microsoft.Commerce/subscriberUsageAggregates",
    "/subscriptions/{s}/providers/Microsoft.Commerce.Admin/locations/east/subscriberUsageAggregates",
    "/subscriptions/{s}/providers/Microsoft.Commerce/locations/east/subscriberUsageAggregates",
    "/subscriptions/{S}/providers/Microsoft.Commerce.Admin/subscriberUsageAggregates",
])
def test_paths_of_the_operator_list(stamp, lists, path):
    target = path.format(s=lists.operator_subscription, S=lists.operator_subscription.upper()) + "?" + query(lists)
    assert stamp.operator.get(target).expect(200).json["value"] == lists.operator_rows


# ---- Parameters ----


@pytest.mark.parametrize("respell", [str.lower, str.upper, str.title], ids=["lower", "upper", "title"])
def test_names_of_parameters_compare_without_case(lists, respell):
    respelt = urllib.parse.urlencode([(respell(name), value) for name, value in urllib.parse.parse_qsl(query(lists))])
    target = "/subscriptions/%s/providers/Microsoft.Commerce/UsageAggregates?%s" % (lists.own, respelt)
    assert lists.client.get(target).expect(200).json["value"] == lists.rows


def test_order_of_parameters_and_unknown_ones_do_not_matter(lists):
    pairs = [("$top", "5"), ("unknown", ""), *reversed(urllib.parse.parse_qsl(query(lists))), ("flag", "1"), ("", "x")]
    target = "/subscriptions/%s/providers/Microsoft.Commerce/UsageAggregates?%s&&bare" % (
        lists.own, urllib.parse.urlencode(pairs))
    assert lists.client.get(target).expect(200).json["value"] == lists.rows


@pytest.mark.parametrize("granularity", ["hourly", "HOURLY", "Hourly"])
def test_granularity_compares_without_case(lists, granularity):
    target = tenant_target(lists.own, lists.start, lists.end, granularity)
    assert lists.client.get(target).expect(200).json["value"] == lists.rows


def test_daily_is_the_default(lists):
    window = (lists.end - DAY, lists.end)
    daily = lists.client.get(tenant_target(lists.own, *window, "daily")).expect(200).json["value"]
    assert daily and daily == lists.client.get(tenant_target(lists.own, *window, None)).expect(200).json["value"]
    assert {harness.instant(row["properties"]["usageStartTime"]).hour for row in daily} == {0}


@pytest.mark.parametrize("details", [None, "true", "True", "TRUE"])
def test_show_details_absent_or_true_gives_a_row_per_resource(lists, details):
    target = tenant_target(lists.own, lists.start, lists.end, showDetails=details)
    assert lists.client.get(target).expect(200).json["value"] == lists.rows


# ---- Times ----


def times(moment):
    """Spellings of one moment, percent-encoded as clients write them."""
    day, clock = moment.strftime("%Y-%m-%d"), moment.strftime("%H:%M:%S")
    whole = day + "T" + clock
    coded = whole.replace(":", "%3A")
    return {
        "JS": coded + ".000Z",
        "Python": coded + ".000000Z",
        "Go": coded + "Z",
        "Go with an offset": (moment + 2 * HOUR).strftime("%Y-%m-%dT%H%%3A%M%%3A%S%%2B02%%3A00"),
        "Go with a negative offset": (moment - 5 * HOUR).strftime("%Y-%m-%dT%H%%3A%M%%3A%S-05%%3A00"),
        "PowerShell": coded + ".0000000%2B00%3A00",
        "PowerShell, raw plus": whole + ".0000000+00:00",
        "blank for the plus": coded + ".0000000%2000%3A00",
        "documentation": coded + "%2B00%3A00Z",
        "lower-case escapes": coded.replace("%3A", "%3a") + "%2b00%3a00",
        "documentation, lower case": coded.replace("%3A", "%3a") + "%2b00%3a00Z",
        "two decimals": coded + ".00Z",
        "unescaped": whole + "Z",
        "no zone": coded,
        "lower-case letters": coded.replace("T", "t") + "z",
    }


@pytest.mark.parametrize("spelling", times(harness.START))
def test_spellings_of_times(lists, spelling):
    target = ("/subscriptions/%s/providers/Microsoft.Commerce/UsageAggregates"
              "?api-version=%s&aggregationGranularity=Hourly&reportedStartTime=%s&reportedEndTime=%s") % (
                  lists.own, harness.API_VERSION, times(lists.start)[spelling], times(lists.end)[spelling])
    assert lists.client.get(target).expect(200).json["value"] == lists.rows


def test_bare_dates(lists):
    window = (lists.end - DAY, lists.end)
    expected = lists.client.get(tenant_target(lists.own, *window, "Daily")).expect(200).json["value"]
    padded = [moment.strftime("%Y-%m-%d") for moment in window]
    unpadded = ["%d-%d-%d" % (moment.year, moment.month, moment.day) for moment in window]
    for start, end in (padded, unpadded):
        target = tenant_target(lists.own, start, end, "Daily")
        assert expected and lists.client.get(target).expect(200).json["value"] == expected, start


def test_answers_have_one_spelling(lists):
    for row in lists.rows:
        for name in ("usageStartTime", "usageEndTime"):
            assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:00:00\+00:00", row["properties"][name])


@pytest.mark.parametrize("text", ["", "yesterday", "2026-13-01T00:00:00Z", "2026-02-29", "1773100800",
                                  "2026-03-10T25:00:00Z", "2026-03-10T00:00:00+25:00", "2026-03-10T00:00:00Zjunk",
                                  "\ufffd", "0000-00-00"])
@pytest.mark.parametrize("name", ["reportedStartTime", "reportedEndTime"])
def test_what_is_no_time_is_refused_by_name(lists, name, text):
    target = tenant_target(lists.own, lists.start, lists.end, **{name: text})
    lists.client.get(target).expect(400, "InvalidProperty", name)


# ---- Boundaries and errors ----


@pytest.mark.parametrize("name", ["reportedStartTime", "reportedEndTime"])
def test_both_times_are_required(lists, name):
    target = tenant_target(lists.own, lists.start, lists.end, **{name: None})
    lists.client.get(target).expect(400, "InvalidProperty", name)


def test_api_version_is_required(lists):
    lists.client.get(tenant_target(lists.own, lists.start, lists.end, api_version=None)).expect(400, "NoApiVersion")


def test_an_unknown_granularity(stamp, lists):
    window = (lists.start, lists.end, "Weekly")
    for client, target in ((lists.client, tenant_target(lists.own, *window)),
                           (stamp.operator, operator_target(lists.operator_subscription, *window))):
        client.get(target).expect(400, "InvalidAggregationGranularity")


def test_a_subscription_is_required_in_the_path(stamp, lists):
    for path in ("/subscriptions/providers/Microsoft.Commerce/UsageAggregates",
                 "/subscriptions//providers/Microsoft.Commerce/UsageAggregates"):
        lists.client.get(path + "?" + query(lists)).expect(400, "SubscriptionIdMissingInRequest")


@pytest.mark.parametrize("which, offset", [
    ("Start", datetime.timedelta(minutes=1)), ("End", datetime.timedelta(seconds=-1)),
    ("Start", datetime.timedelta(milliseconds=1))])
def test_hourly_times_are_on_the_hour(lists, which, offset):
    times_of = {"reportedStartTime": lists.start, "reportedEndTime": lists.end}
    name = "reported%sTime" % which
    times_of[name] += offset
    target = tenant_target(lists.own, lists.start, lists.end, **{key: iso(value) for key, value in times_of.items()})
    lists.client.get(target).expect(400, "InvalidProperty", name)


@pytest.mark.parametrize("which", ["Start", "End"])
def test_daily_times_are_on_midnight(lists, which):
    bounds = {"Start": lists.end - DAY, "End": lists.end}
    bounds[which] -= HOUR
    target = tenant_target(lists.own, bounds["Start"], bounds["End"], "Daily")
    lists.client.get(target).expect(400, "InvalidProperty", "reported%sTime" % which)


@pytest.mark.parametrize("hours", [0, -1])
def test_the_end_lies_after_the_start(lists, hours):
    target = tenant_target(lists.own, lists.start, lists.start + hours * HOUR)
    lists.client.get(target).expect(400, "InvalidProperty", "reportedEndTime")


def test_the_end_may_be_now_and_not_later(stamp, lists):
    """The clock stands at noon exactly, so the hour before it has just ended."""
    assert stamp.now == harness.START
    for client, target, own in ((lists.client, tenant_target, lists.own),
                                (stamp.operator, operator_target, lists.operator_subscription)):
        client.get(target(own, lists.start, stamp.now)).expect(200)
        client.get(target(own, lists.start, stamp.now + HOUR)).expect(400, "RequestEndTimeIsInFuture")
    today = stamp.now.replace(hour=0)
    lists.client.get(tenant_target(lists.own, today, today + DAY, "Daily")).expect(400, "RequestEndTimeIsInFuture")


def test_an_hour_before_everything_is_empty(lists):
    start = datetime.datetime(2015, 6, 1, tzinfo=datetime.timezone.utc)
    answer = lists.client.get(tenant_target(lists.own, start, start + HOUR)).expect(200)
    assert answer.json["value"] == [] and answer.json.get("nextLink") is None


# ---- Subscribers of the operator's list ----


def subscribers(rows):
    return {row["properties"]["subscriptionId"] for row in rows}


@pytest.mark.parametrize("subscriber", [None, ""])
def test_no_subscriber_means_all_direct_tenants(stamp, lists, subscriber):
    target = operator_target(lists.operator_subscription, lists.start, lists.end, subscriberId=subscriber)
    rows = stamp.operator.get(target).expect(200).json["value"]
    assert rows == lists.operator_rows and lists.own in subscribers(rows)


def test_deleted_and_unknown_subscriptions_are_among_them_and_delegated_ones_are_not(stamp, lists):
    end = stamp.now.replace(hour=0)
    found = subscribers(stamp.operator.rows(
        operator_target(lists.operator_subscription, end - 33 * DAY, end, "Daily")))
    by_state = {state: [one["subscriptionId"] for one in stamp.tenants if one["state"] == state]
                for state in ("Enabled", "Deleted", "Unknown")}
    assert by_state["Deleted"] and by_state["Unknown"]
    assert set(by_state["Deleted"] + by_state["Unknown"]) <= found
    delegated = [one["subscriptionId"] for one in stamp.operator.rows("/v1/subscriptions")
                 if one["providerSubscriptionId"] not in (None, lists.operator_subscription)]
    assert delegated and not set(delegated) & found
    target = operator_target(lists.operator_subscription, end - DAY, end, "Daily", subscriberId=delegated[0])
    stamp.operator.get(target).expect(400, "SubscriberIdIsNotDirectTenant", "subscriberId")


def test_one_subscriber(stamp, lists):
    rows = stamp.operator.get(operator_target(lists.operator_subscription, lists.start, lists.end,
                                              subscriberId=lists.own.upper())).expect(200).json["value"]
    assert rows == [row for row in lists.operator_rows if row["properties"]["subscriptionId"] == lists.own]
    assert len(rows) == len(lists.rows)


def test_a_subscriber_that_nobody_knows(stamp, lists):
    target = operator_target(lists.operator_subscription, lists.start, lists.end, subscriberId=harness.guid())
    stamp.operator.get(target).expect(400, "SubscriberIdIsNotDirectTenant", "subscriberId")


def test_a_subscriber_that_is_no_guid(stamp, lists):
    target = operator_target(lists.operator_subscription, lists.start, lists.end, subscriberId="contoso")
    answer = stamp.operator.get(target).expect(400, target="subscriberId")
    assert answer.error["code"] in ("SubscriberIdIsNotDirectTenant", "InvalidProperty")
