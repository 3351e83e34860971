"""GET /v1/summary: sums by usage or reported time, grouped and filtered, exact, as JSON and as CSV."""
import csv
import io

import pytest

import harness
from harness import DAY, HOUR, exact, guid, instant, record, summary_target

BLOCK = "09F8879E-87E9-4305-A572-4B7BE209F857"  # a storage meter: GB*hours
NOBODYS = "11111111-2222-3333-4444-555555555555"  # in no catalogue


@pytest.fixture(scope="module")
def made(empty):
    """(subscription, midnight before the usage): two days of hours, two resources, two units, tags."""
    own, midnight = guid(), empty.now.replace(hour=0) - 2 * DAY
    records = []
    for hour in range(48):
        start = midnight + hour * HOUR
        records += [
            record(own, start, quantity="0.1", tags={"cc": "4711"}),
            record(own, start, quantity="2", resourceUri=harness.resource(own, "db"), location="west",
                   tags={"CC": "4712"}),
            record(own, start, quantity="0.5", meterId=BLOCK, source="Microsoft.Storage",
                   resourceUri=harness.resource(own, "disk", "Microsoft.Storage/storageAccounts")),
        ]
    empty.anybody.accept(records)
    return own, midnight


def ask(stamp, own, start, end, **more):
    return stamp.operator.rows(summary_target(start, end, filter="subscriptionId eq '%s'" % own, **more))


def test_different_units_are_never_added_up(empty, made):
    own, midnight = made
    rows = ask(empty, own, midnight, midnight + 2 * DAY)
    assert len({row["unit"] for row in rows}) == 2
    assert sorted((exact(row["quantity"]), row["records"]) for row in rows) == [(24, 48), (exact("100.8"), 96)]


def test_meters_have_names_and_units(empty, made):
    own, midnight = made
    rows = {row["meterId"]: row for row in ask(empty, own, midnight, midnight + DAY, groupBy="meter")}
    assert set(rows) == {harness.METER, BLOCK}
    with open(harness.os.path.join(harness.ROOT, "config", "meters.csv"), encoding="utf-8") as file:
        catalogue = {line["meter_id"].lower().replace("-", ""): line for line in csv.DictReader(file)}
    for meter, row in rows.items():
        known = catalogue[meter.lower().replace("-", "")]
        assert (row["meterName"], row["unit"]) == (known["name"], known["unit"])


def test_an_unknown_meter_stands_alone_without_a_unit(empty):
    own, start = guid(), empty.now.replace(hour=0)
    empty.anybody.accept([record(own, start, meterId=NOBODYS), record(own, start)])
    rows = ask(empty, own, start, start + DAY)
    assert len(rows) == 2
    assert [row.get("unit") for row in rows if row.get("meterId") == NOBODYS] in ([None], [""])


@pytest.mark.parametrize("granularity, count", [("hourly", 48), ("daily", 2), ("total", 1)])
def test_granularities(empty, made, granularity, count):
    own, midnight = made
    rows = [row for row in ask(empty, own, midnight, midnight + 2 * DAY, granularity=granularity, groupBy="resource")
            if row["resourceUri"].endswith("/web01")]
    step = 2 * DAY / count
    assert [(instant(row["start"]), instant(row["end"])) for row in rows] == [
        (midnight + n * step, midnight + (n + 1) * step) for n in range(count)]
    assert {exact(row["quantity"]) for row in rows} == {exact("4.8") / count}
    assert {row["records"] for row in rows} == {48 // count}


@pytest.mark.parametrize("group, member, expected", [
    ("subscription", "subscriptionId", None), ("location", "location", {"east": 96, "west": 48}),
    ("source", "source", {"Microsoft.Compute": 96, "Microsoft.Storage": 48})])
def test_groups(empty, made, group, member, expected):
    own, midnight = made
    records = {}
    for row in ask(empty, own, midnight, midnight + 2 * DAY, groupBy=group):
        records[row[member]] = records.get(row[member], 0) + row["records"]
    assert records == (expected or {own: 144})


def test_tags_group_by_name_without_case_and_by_value(empty, made):
    own, midnight = made
    rows = ask(empty, own, midnight, midnight + 2 * DAY, groupBy="tag:cc")
    found = {}
    for row in rows:
        tags = row.get("tags") or {}
        value = next((tags[name] for name in tags if name.lower() == "cc"), None)
        found[value] = found.get(value, 0) + row["records"]
    assert found == {"4711": 48, "4712": 48, None: 48}


@pytest.mark.parametrize("text, count", [
    ("location eq 'west'", 48), ("source eq 'Microsoft.Compute' and location eq 'east'", 48),
    ("meterId eq '%s'" % BLOCK.lower().replace("-", ""), 48), ("tag:cc eq '4711'", 48), ("location eq 'it''s'", 0)])
def test_filters(empty, made, text, count):
    own, midnight = made
    target = summary_target(midnight, midnight + 2 * DAY, filter="subscriptionId eq '%s' and %s" % (own, text))
    assert sum(row["records"] for row in empty.operator.rows(target)) == count


def test_axes_differ_for_late_usage(empty):
    own, start = guid(), empty.now.replace(minute=0, second=0) - 30 * HOUR
    empty.anybody.accept(record(own, start))
    reported = empty.close_hour()
    assert len(ask(empty, own, start, start + HOUR, axis="usage")) == 1
    assert len(ask(empty, own, start, start + HOUR, axis="reported")) == 0
    assert len(ask(empty, own, *reported, axis="reported")) == 1
    assert len(ask(empty, own, *reported, axis="usage")) == 0


def test_complete_is_said_of_reported_windows_that_have_ended(empty):
    hour = empty.now.replace(minute=0, second=0)
    past = empty.operator.get(summary_target(hour - HOUR, hour, axis="reported")).expect(200).json
    open_hour = empty.operator.get(summary_target(hour, hour + HOUR, axis="reported")).expect(200).json
    assert (past["complete"], open_hour["complete"]) == (True, False)
    assert "watermark" in past


def test_pages_of_a_summary(empty):
    own, start = guid(), empty.now.replace(hour=0) - 3 * DAY
    empty.anybody.accept([record(own, start, resourceUri=harness.resource(own, "vm%d" % n), quantity="0.001")
                          for n in range(2300)])
    target = summary_target(start, start + DAY, groupBy="resource", filter="subscriptionId eq '%s'" % own)
    pages = list(empty.operator.pages(target))
    assert [len(page["value"]) for page in pages] == [1000, 1000, 300]
    rows = [row for page in pages for row in page["value"]]
    assert len({row["resourceUri"] for row in rows}) == 2300
    assert harness.exact_sum(row["quantity"] for row in rows) == exact("2.3")


def test_csv(empty, made):
    own, midnight = made
    target = summary_target(midnight, midnight + 2 * DAY, groupBy="resource", granularity="daily",
                            filter="subscriptionId eq '%s'" % own)
    answer = empty.operator.get(target, headers={"Accept": "text/csv"}).expect(200)
    assert answer.headers["Content-Type"].startswith("text/csv")
    lines = list(csv.DictReader(io.StringIO(answer.body.decode("utf-8-sig"))))
    rows = empty.operator.rows(target)
    assert [(instant(line["start"]), line["resourceUri"], exact(line["quantity"])) for line in lines] == [
        (instant(row["start"]), row["resourceUri"], exact(row["quantity"])) for row in rows]


def test_csv_is_not_cut_at_a_page(empty):
    own, start = guid(), empty.now.replace(hour=0) - 3 * DAY
    empty.anybody.accept([record(own, start, resourceUri=harness.resource(own, "=vm,\"%d\"" % n)) for n in range(1500)])
    target = summary_target(start, start + DAY, groupBy="resource", filter="subscriptionId eq '%s'" % own)
    answer = empty.operator.get(target, headers={"Accept": "text/csv"}).expect(200)
    lines = list(csv.DictReader(io.StringIO(answer.body.decode("utf-8-sig"))))
    assert len(lines) == 1500 and len({line["resourceUri"] for line in lines}) == 1500


@pytest.mark.parametrize("more, target", [
    ({"from": "yesterday"}, "from"), ({"to": "12"}, "to"), ({"axis": "x"}, "axis"),
    ({"granularity": "weekly"}, "granularity"), ({"groupBy": "colour"}, "groupBy"),
    ({"filter": "location ne 'a'"}, "filter"), ({"filter": "location eq 'a"}, "filter"),
    ({"to": "2020-01-01T00:00:00Z"}, "to")])
def test_errors_name_the_parameter(empty, more, target):
    empty.operator.get(summary_target(empty.now - DAY, empty.now, **more)).expect(400, "InvalidProperty", target)


def test_all_readers_agree_on_the_demo(stamp):
    """Hourly, daily and total sums over the whole history, on both axes, by every grouping: one number per unit."""
    end = stamp.now.replace(hour=0)
    start = end - 30 * DAY

    def by_unit(**more):
        found = {}
        for row in stamp.operator.rows(summary_target(start, end, axis="reported", **more)):
            # Meters that the catalogue does not know keep apart from all others.
            unit = row.get("unit") or row.get("meterId")
            quantity, records = found.get(unit, (exact(0), 0))
            found[unit] = harness.exact_sum([quantity, row["quantity"]]), records + row["records"]
        return found
    expected = by_unit()
    assert len(expected) > 3
    for more in ({"granularity": "daily"}, {"groupBy": "subscription"}, {"groupBy": "meter"},
                 {"groupBy": "subscription,meter"}, {"groupBy": "source,location"}, {"groupBy": "tag:cc"},
                 {"granularity": "daily", "groupBy": "meter"}):
        assert by_unit(**more) == expected, more

    rows = stamp.operator.rows(harness.operator_target(stamp.operator_subscription, start, end, "Daily"))
    meters = {}
    for row in rows:
        meters.setdefault(row["properties"]["meterId"], []).append(row["properties"]["quantity"])
    direct = {row["subscriptionId"] for row in stamp.operator.rows("/v1/subscriptions")
              if row["providerSubscriptionId"] in (None, stamp.operator_subscription)}
    listed = {}
    for row in stamp.operator.rows(summary_target(start, end, axis="reported", groupBy="subscription,meter")):
        if row["subscriptionId"] in direct:
            listed.setdefault(row["meterId"], []).append(row["quantity"])
    assert {meter: harness.exact_sum(values) for meter, values in meters.items()} == {
        meter: harness.exact_sum(values) for meter, values in listed.items()}
