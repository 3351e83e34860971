"""Unmodified SDK clients read the demo's usage, page through more than 3,000 rows, and get equal sums.

Clients hold quantities as doubles, so each row must be the double nearest to the exact text, and then their sums,
added up exactly, are equal to each other and within a rounding a row of the exact sum.
"""
import decimal
import fractions
import time

import pytest

import harness
from harness import exact, instant, tenant_target
from sdk_clients import ask_go, ask_node

ROWS_MIN = 3001


class Question:
    """One tenant, a window of reported time with more than 3,000 hourly rows, and the rows as plain HTTP gives them."""

    def __init__(self, stamp):
        self.stamp, self.granularity = stamp, "Hourly"
        self.tenant = stamp.tenants[0]
        self.client = stamp.client(self.tenant["token"])
        self.end = stamp.now.replace(minute=0, second=0, microsecond=0)
        for days in range(1, 36):
            self.start = self.end - days * harness.DAY
            target = tenant_target(self.tenant["subscriptionId"], self.start, self.end, self.granularity,
                                   showDetails="true")
            self.pages = list(self.client.pages(target))
            self.rows = [row for page in self.pages for row in page["value"]]
            if len(self.rows) >= ROWS_MIN:
                return
        raise AssertionError("the demo's first tenant has only %d rows" % len(self.rows))

    def as_dict(self):
        return {"url": self.stamp.url, "token": self.tenant["token"], "granularity": self.granularity,
                "subscription": self.tenant["subscriptionId"], "start": harness.iso(self.start),
                "end": harness.iso(self.end)}


@pytest.fixture(scope="module")
def question(stamp):
    return Question(stamp)


def properties_of(rows):
    """{key: (quantity as a double, start, end)} of rows as plain HTTP gives them"""
    found = {harness.key_of(row): (float(row["properties"]["quantity"]), instant(row["properties"]["usageStartTime"]),
                                   instant(row["properties"]["usageEndTime"])) for row in rows}
    assert len(found) == len(rows), "a row came twice"
    return found


def flat(row):
    """A row of a client with members at the top, in the form of the API."""
    return {"properties": {name: row[name] for name in
                           ("subscriptionId", "usageStartTime", "usageEndTime", "meterId", "quantity", "instanceData")}}


def sum_of(doubles):
    return sum(map(fractions.Fraction, doubles), fractions.Fraction(0))


def check(question, rows, pages=None):
    """Rows of a client, in the form of the API, against plain HTTP."""
    assert properties_of(rows) == properties_of(question.rows)
    assert pages is None or pages == len(question.pages)
    quantities = [row["properties"]["quantity"] for row in question.rows]
    total = fractions.Fraction(harness.exact_sum(quantities))
    theirs = sum_of(float(row["properties"]["quantity"]) for row in rows)
    # Half a unit in the last place of each, at most.
    assert abs(theirs - total) <= sum(fractions.Fraction(quantity) for quantity in quantities) / 2**53


def run_node(script, question):
    answer = ask_node(script, question.as_dict(), question.stamp.ca_file)
    check(question, [flat(row) for row in answer["rows"]], answer["pages"])


def test_plain_http_pages_are_whole_and_agree_with_the_summary(question):
    assert all(len(page["value"]) == 1000 for page in question.pages[:-1]) and len(question.pages) >= 4
    target = harness.summary_target(question.start, question.end, axis="reported", groupBy="meter")
    summary = {row["meterId"]: exact(row["quantity"]) for row in question.client.rows(target)}
    meters = {}
    for row in question.rows:
        meters.setdefault(row["properties"]["meterId"], []).append(row["properties"]["quantity"])
    assert summary == {meter: harness.exact_sum(quantities) for meter, quantities in meters.items()}


def test_python_azure_mgmt_commerce(question):
    credentials = pytest.importorskip("azure.core.credentials")
    commerce = pytest.importorskip("azure.mgmt.commerce")

    class Credential:
        def get_token(self, *_, **__):
            return credentials.AccessToken(question.tenant["token"], int(time.time()) + 3600)

    client = commerce.UsageManagementClient(Credential(), question.tenant["subscriptionId"],
                                            base_url=question.stamp.url, connection_verify=question.stamp.ca_file)
    with client:
        found = list(client.usage_aggregates.list(question.start, question.end, show_details=True,
                                                  aggregation_granularity=question.granularity))
    check(question, [{"properties": {
        "subscriptionId": row.subscription_id, "meterId": row.meter_id, "quantity": row.quantity,
        "usageStartTime": row.usage_start_time.isoformat(), "usageEndTime": row.usage_end_time.isoformat(),
        "instanceData": row.instance_data}} for row in found])


def test_python_client_gets_an_error_it_understands(question):
    exceptions = pytest.importorskip("azure.core.exceptions")
    credentials = pytest.importorskip("azure.core.credentials")
    commerce = pytest.importorskip("azure.mgmt.commerce")

    class Credential:
        def get_token(self, *_, **__):
            return credentials.AccessToken("sm_wrong", int(time.time()) + 3600)

    with commerce.UsageManagementClient(Credential(), question.tenant["subscriptionId"], base_url=question.stamp.url,
                                        connection_verify=question.stamp.ca_file) as client:
        with pytest.raises(exceptions.ClientAuthenticationError) as error:
            list(client.usage_aggregates.list(question.start, question.end))
    assert error.value.status_code == 401


def test_javascript_arm_commerce(question):
    run_node("arm_commerce.mjs", question)


def test_javascript_hybrid_profile(question):
    run_node("hybrid_profile.mjs", question)


def test_daily_rows_are_the_sums_of_hourly_ones(question):
    """Through the demo's late and corrected records, too, which the windows of both see alike."""
    start, end = question.start.replace(hour=0), question.end.replace(hour=0)
    subscription = question.tenant["subscriptionId"]

    def by_day(rows):
        days = {}
        for row in rows:
            key = harness.key_of(row)
            days.setdefault((key[0], key[1].date(), *key[2:]), []).append(row["properties"]["quantity"])
        return {key: harness.exact_sum(quantities) for key, quantities in days.items()}

    hourly = by_day(question.client.rows(tenant_target(subscription, start, end, "Hourly")))
    daily = by_day(question.client.rows(tenant_target(subscription, start, end, "Daily")))
    assert daily == hourly and daily


@pytest.mark.long
def test_go_azure_sdk_for_go(question, tmp_path):
    answer = ask_go(".", question.as_dict(), question.stamp.ca_file, tmp_path, parse_float=decimal.Decimal)
    check(question, answer["rows"], answer["pages"])
