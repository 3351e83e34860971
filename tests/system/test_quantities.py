"""Quantities are exact: forms of numbers, sums over months, thirty decimals, and intervals split over hours."""
import datetime
import decimal

import pytest

import harness
from harness import HOUR, exact, guid, instant, iso, record

UTC = datetime.timezone.utc


def base(stamp):
    return stamp.now.replace(minute=0, second=0, microsecond=0) - HOUR


def with_quantity(one, text):
    """The record as JSON text with this text as its quantity, so that nothing on the way rounds it."""
    return harness.json.dumps(dict(one, quantity="@")).replace('"@"', text)


# As many digits as there may be, before and behind the point.
DIGITS = "123456789012345678901234567.123456789012345678901234567891"
GOOD = {
    "0": "0", "1": "1", '"1"': "1", "0.1": "0.1", '"0.10"': "0.1", "1e3": "1000", '"1E+3"': "1000", "25e-1": "2.5",
    "-0": "0", "-0.0": "0", '"-0e5"': "0",
    "0.000000000000000000000000000001": "0.000000000000000000000000000001",
    '"1e-30"': "1e-30",
    "0.123456789012345678901234567890": "0.12345678901234567890123456789",
    DIGITS: DIGITS, "9" * 27 + "." + "9" * 30: "9" * 27 + "." + "9" * 30,
    "1.0000000000000000000000000000000000000000": "1",
    "16.461425899527967": "16.461425899527967",
    "1000000000000000000000000000000e-10": "100000000000000000000",
}


@pytest.mark.parametrize("text", GOOD)
def test_good_forms_are_read_exactly(empty, text):
    own = guid()
    answer = empty.anybody.post_usage(with_quantity(record(own, base(empty)), text)).expect(200).json
    assert answer["accepted"] == 1, answer
    assert empty.total(own) == (exact(GOOD[text]), 1)


@pytest.mark.parametrize("text", [
    "-1", '"-0.1"', "-1e-30", "1e27", '"1000000000000000000000000000"', "1e400", "1e-31",
    "0.0000000000000000000000000000001", '"1.0000000000000000000000000000001"', "1e99999999999",
])
def test_out_of_range_is_refused(empty, text):
    own = guid()
    answer = empty.anybody.post_usage(with_quantity(record(own, base(empty)), text)).expect(200).json
    entry, = answer["results"]
    assert (entry["verdict"], entry["code"], entry["target"]) == ("rejected", "QuantityOutOfRange", "quantity")
    assert empty.total(own) == (0, 0)


def test_thirty_decimals_survive_to_every_reader(empty):
    own = guid()
    quantities = ["0.123456789012345678901234567891", "0.000000000000000000000000000009", "123456789.1", "7"]
    empty.anybody.accept([record(own, base(empty), quantity=quantity) for quantity in quantities])
    expected = exact("123456796.2234567890123456789012345679")
    assert harness.exact_sum(quantities) == expected
    assert empty.total(own) == (expected, 4)
    window = empty.close_hour()
    row, = empty.usage(own, window)
    assert exact(row["properties"]["quantity"]) == expected
    # The text of the answer itself, not only what Python made of it.
    text = empty.operator.get(harness.operator_target(empty.operator_subscription, *window, subscriberId=own)).body
    assert b"123456796.2234567890123456789012345679" in text


@pytest.mark.parametrize("year, month, hours", [(2025, 11, 720), (2026, 1, 744), (2026, 2, 672)])
def test_a_month_of_hourly_1_0_sums_exactly(empty, year, month, hours):
    own = guid()
    first = datetime.datetime(year, month, 1, tzinfo=UTC)
    # As a number with a point: 720 doubles of 1/3 would show what this is about, so those come along as text.
    records = [record(own, first + n * HOUR, quantity="1.0") for n in range(hours)]
    third = "0.333333333333333333333333333333"
    records += [record(own, first + n * HOUR, quantity=third, resourceUri=harness.resource(own, "third"))
                for n in range(hours)]
    empty.anybody.accept(records)
    end = first + hours * HOUR

    rows = empty.operator.rows(harness.summary_target(first, end, groupBy="resource",
                                                      filter="subscriptionId eq '%s'" % own))
    sums = {row["resourceUri"].rsplit("/", 1)[1]: (exact(row["quantity"]), row["records"]) for row in rows}
    assert sums == {"web01": (hours, hours), "third": (harness.exact_sum([third] * hours), hours)}

    start, _ = empty.close_hour()
    empty.advance("P1D")
    midnight = start.replace(hour=0)
    for granularity, window, count in (("Hourly", (start, start + HOUR), hours),
                                       ("Daily", (midnight, midnight + harness.DAY), hours // 24)):
        ones = [row["properties"]["quantity"] for row in empty.usage(own, window, granularity)
                if "web01" in row["properties"]["instanceData"]]
        assert (harness.exact_sum(ones), len(ones)) == (hours, count), granularity


def shares(stamp, own, window):
    """[(usage hour, quantity)] in order of time"""
    rows = stamp.usage(own, window)
    found = sorted((instant(row["properties"]["usageStartTime"]), exact(row["properties"]["quantity"])) for row in rows)
    for row in rows:
        start, end = (instant(row["properties"][name]) for name in ("usageStartTime", "usageEndTime"))
        assert end - start == HOUR and start.minute == 0
    return found


def test_an_interval_is_split_over_its_hours_in_proportion(empty):
    own, start = guid(), base(empty) - 3 * HOUR
    half = datetime.timedelta(minutes=30)
    empty.anybody.accept(record(own, start + half, hours=2, quantity="1"))
    assert shares(empty, own, empty.close_hour()) == [
        (start, exact("0.25")), (start + HOUR, exact("0.5")), (start + 2 * HOUR, exact("0.25"))]


def test_the_last_hour_takes_what_the_cut_decimals_leave(empty):
    own, start = guid(), base(empty) - 3 * HOUR
    empty.anybody.accept(record(own, start, hours=3, quantity="1"))
    assert shares(empty, own, empty.close_hour()) == [
        (start, exact("0." + "3" * 30)), (start + HOUR, exact("0." + "3" * 30)),
        (start + 2 * HOUR, exact("0." + "3" * 29 + "4"))]


def test_an_interval_inside_an_hour_is_that_hours_usage(empty):
    own, start = guid(), base(empty)
    minute = datetime.timedelta(minutes=1)
    empty.anybody.accept([record(own, start + 10 * minute, usageEndTime=iso(start + 11 * minute), quantity="0.1"),
                          record(own, start + 59 * minute, usageEndTime=iso(start + 60 * minute), quantity="0.2")])
    assert shares(empty, own, empty.close_hour()) == [(start, exact("0.3"))]


def test_31_days_are_split_and_add_up_exactly(empty):
    own = guid()
    start = base(empty) - 35 * harness.DAY + datetime.timedelta(minutes=7)
    empty.anybody.accept(record(own, start, hours=31 * 24, quantity="100"))
    found = shares(empty, own, empty.close_hour())
    assert len(found) == 31 * 24 + 1
    assert harness.exact_sum(quantity for _, quantity in found) == 100
    with decimal.localcontext(decimal.Context(prec=80)):
        assert found[1][1] == (exact(100) / (31 * 24)).quantize(exact("1e-30"), decimal.ROUND_DOWN)
    assert empty.total(own) == (100, 1)


def test_a_sum_that_would_not_fit_rejects_the_record_that_would_overflow_it(empty):
    own = guid()
    most = "9" * 27
    results = [empty.anybody.verdict_of(record(own, base(empty), quantity=most)) for _ in range(5)]
    verdicts = [entry["verdict"] for entry in results]
    accepted = verdicts.count("accepted")
    # It is full at some point, and from then on for every record of this size.
    assert 1 <= accepted < 5 and verdicts == ["accepted"] * accepted + ["rejected"] * (5 - accepted)
    assert (results[-1]["code"], results[-1]["target"]) == ("QuantityOutOfRange", "quantity")
    assert empty.total(own) == (accepted * exact(most), accepted)
    # Small quantities and other days go on. Another hour of the day is refused as well: the day's sum is full.
    empty.anybody.accept(record(own, base(empty), quantity="1"))
    empty.anybody.accept(record(own, base(empty) - harness.DAY, quantity=most))
