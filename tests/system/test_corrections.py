"""POST /v1/corrections and GET /v1/records over HTTPS: exact differences, retries that change nothing, who may what, and
that lists, sums and CSV show negative rows as they are.
"""
import csv
import io
import urllib.parse

import pytest

import harness
from harness import COMPUTE, DAY, HOUR, METER, exact, guid, instant, iso, record


def base(stamp):
    return stamp.now.replace(minute=0, second=0, microsecond=0) - HOUR


def correct(client, one, action="void", **members):
    body = {"source": one["source"], "id": one["id"], "action": action, "reason": "the meter was wrong"}
    body.update(members)
    return client.request("POST", "/v1/corrections",
                          body={name: value for name, value in body.items() if value is not None})


def record_target(one):
    return "/v1/records/%s/%s" % (urllib.parse.quote(one["source"], safe=""), urllib.parse.quote(one["id"], safe=""))


def view(client, one):
    return client.get(record_target(one)).expect(200).json


@pytest.fixture
def one(empty):
    """A record of a subscription of the test's own, accepted."""
    made = record(guid(), base(empty), quantity="4.25", tags={"cc": "4711"},
                  additionalInfo={"ServiceType": "Standard_D4_v2"})
    empty.anybody.accept(made)
    return made


# ---- What a correction does ----


def test_an_amend_adds_a_signed_difference_and_the_original_stays(empty, one):
    answer = correct(empty.operator, one, "amend", quantity="4").expect(200).json
    assert answer["changed"] is True and answer["action"] == "amend"
    assert (answer["source"], answer["id"]) == (one["source"], one["id"])
    assert (exact(answer["quantity"]), exact(answer["difference"])) == (4, exact("-0.25"))
    assert isinstance(answer["sequence"], str) and instant(answer["reportedTime"]) == empty.now
    shown = view(empty.operator, one)
    for name, value in one.items():
        got = shown["record"][name]
        assert got == value or name.endswith("Time") and instant(got) == instant(value), (name, got)
    assert int(shown["record"]["sequence"]) < int(answer["sequence"])
    correction, = shown["corrections"]
    assert correction == {"sequence": answer["sequence"], "reportedTime": answer["reportedTime"], "action": "amend",
                          "quantity": 4, "difference": exact("-0.25"), "reason": "the meter was wrong",
                          "by": correction["by"]}
    assert shown["counted"] == [{"reportedHour": iso(empty.now), "usageHour": one["usageStartTime"], "quantity": 4}]
    assert empty.total(one["subscriptionId"]) == (4, 1)


def test_promise_4_a_voided_month_leaves_zero_in_every_hour(fresh):
    start = base(fresh) - 30 * DAY - harness.datetime.timedelta(minutes=17)
    one = record(guid(), start, 30 * 24, quantity="10.000000000000000000000000000001")
    fresh.anybody.accept(one)
    posted = fresh.close_hour()
    correct(fresh.operator, one).expect(200)
    taken_back = fresh.close_hour()
    first = {harness.key_of(row): exact(row["properties"]["quantity"])
             for row in fresh.usage(one["subscriptionId"], posted)}
    second = {harness.key_of(row): exact(row["properties"]["quantity"])
              for row in fresh.usage(one["subscriptionId"], taken_back)}
    assert len(first) == 721 and harness.exact_sum(first.values()) == exact(one["quantity"])
    assert first.keys() == second.keys()
    for key, quantity in first.items():
        assert harness.exact_sum([second[key], quantity]) == 0, key
    assert fresh.total(one["subscriptionId"]) == (0, 1)
    counted = view(fresh.operator, one)["counted"]
    assert len(counted) == 2 * 721 and harness.exact_sum(entry["quantity"] for entry in counted) == 0


def test_sending_a_correction_again_changes_nothing(empty, one):
    first = correct(empty.operator, one).expect(200).json
    again = correct(empty.operator, one).expect(200).json
    assert first["changed"] is True and again == {**first, "changed": False}
    assert len(view(empty.operator, one)["corrections"]) == 1
    back = correct(empty.operator, one, "amend", quantity=4.25).expect(200).json
    assert back["changed"] is True and exact(back["difference"]) == exact("4.25")
    assert correct(empty.operator, one, "amend", quantity="4.250").expect(200).json == {**back, "changed": False}
    assert empty.total(one["subscriptionId"]) == (exact("4.25"), 1)


def test_a_list_has_an_outcome_for_each(empty, one):
    other = record(one["subscriptionId"], base(empty), quantity="1")
    empty.anybody.accept(other)
    items = [{"source": COMPUTE, "id": one["id"], "action": "amend", "quantity": 5, "reason": "r"},
             {"source": COMPUTE, "id": guid(), "action": "void", "reason": "r"},
             {"source": COMPUTE, "id": other["id"], "action": "void"},
             {"source": COMPUTE, "id": other["id"], "action": "void", "reason": "r"}]
    value = empty.operator.request("POST", "/v1/corrections", body=items).expect(200).json["value"]
    assert [entry.get("changed") for entry in value] == [True, None, None, True]
    assert [entry["id"] for entry in value] == [item["id"] for item in items]
    assert value[1]["error"]["code"] == "RecordNotFound"
    assert (value[2]["error"]["code"], value[2]["error"]["target"]) == ("InvalidProperty", "reason")
    assert empty.total(one["subscriptionId"]) == (5, 2)
    assert empty.operator.request("POST", "/v1/corrections", body=[]).expect(200).json == {"value": []}


def test_a_thousand_corrections_in_one_request(empty):
    own = guid()
    records = [record(own, base(empty), quantity="1.5") for _ in range(1000)]
    empty.anybody.accept(records)
    items = [{"source": COMPUTE, "id": each["id"], "action": "amend", "quantity": "0.5", "reason": "r" * 100}
             for each in records]
    value = empty.operator.request("POST", "/v1/corrections", body=items).expect(200).json["value"]
    assert all(entry["changed"] for entry in value) and len(value) == 1000
    assert empty.total(own) == (500, 1000)
    empty.operator.request("POST", "/v1/corrections", body=items + items[:1]).expect(400, "InvalidRequestContent")


# ---- Bad input ----


@pytest.mark.parametrize("members, code, target", [
    ({"source": None}, "InvalidProperty", "source"), ({"id": None}, "InvalidProperty", "id"),
    ({"id": ""}, "InvalidProperty", "id"), ({"id": "a\u0000b"}, "InvalidProperty", "id"),
    ({"action": None}, "InvalidProperty", "action"), ({"action": "VOID"}, "InvalidProperty", "action"),
    ({"action": "amend"}, "InvalidProperty", "quantity"), ({"quantity": 1}, "InvalidProperty", "quantity"),
    ({"action": "amend", "quantity": "x"}, "InvalidProperty", "quantity"),
    ({"action": "amend", "quantity": -1}, "QuantityOutOfRange", "quantity"),
    ({"action": "amend", "quantity": "1e27"}, "QuantityOutOfRange", "quantity"),
    ({"action": "amend", "quantity": "1e-31"}, "QuantityOutOfRange", "quantity"),
    ({"reason": None}, "InvalidProperty", "reason"), ({"reason": " "}, "InvalidProperty", "reason"),
    ({"reason": "r" * 1025}, "InvalidProperty", "reason"), ({"reason": "two\nlines"}, "InvalidProperty", "reason")])
def test_bad_corrections_are_named_and_change_nothing(empty, one, members, code, target):
    correct(empty.operator, one, **members).expect(400, code, target)
    assert empty.total(one["subscriptionId"]) == (exact("4.25"), 1)


@pytest.mark.parametrize("body", ["", "7", "null", "{", '"void"', "[{}"])
def test_a_body_that_is_no_correction_fails_whole(empty, body):
    empty.operator.request("POST", "/v1/corrections", body=body).expect(400, "InvalidRequestContent")


# ---- Who may what ----


def test_promise_8_corrections_are_for_operators_and_the_records_producer(empty, one):
    unknown = dict(one, id=guid())
    with empty.client(empty.producer(COMPUTE)) as own, empty.client(empty.producer("Microsoft.Storage")) as foreign, \
            empty.client(empty.tenants[0]["token"]) as tenant, empty.client() as nobody:
        refused = correct(foreign, one).expect(404, "RecordNotFound")
        assert refused.error == correct(own, unknown).expect(404, "RecordNotFound").error
        assert refused.error == correct(empty.operator, unknown).expect(404, "RecordNotFound").error
        correct(tenant, one).expect(403, "AuthorizationFailed")
        correct(nobody, one).expect(401, "AuthenticationFailed")
        assert empty.total(one["subscriptionId"]) == (exact("4.25"), 1)
        assert correct(own, one, "amend", quantity=1).expect(200).json["changed"] is True
    correct(empty.operator, one).expect(200)
    by = [correction["by"] for correction in view(empty.operator, one)["corrections"]]
    assert len(by) == 2 and by[0] != by[1] and all(by)


def test_promise_8_a_record_is_shown_to_those_it_concerns(empty):
    mine, theirs = empty.tenant(), [each for each in empty.tenants if each["state"] == "Enabled"][1]
    one = record(mine["subscriptionId"], base(empty))
    empty.anybody.accept(one)
    unknown = dict(one, id=guid())
    correct(empty.operator, one, "amend", quantity=3).expect(200)
    with empty.client(mine["token"]) as tenant, empty.client(theirs["token"]) as stranger, \
            empty.client(empty.producer(COMPUTE)) as own, empty.client(empty.producer("Microsoft.Storage")) as foreign:
        shown = view(tenant, one)
        assert shown["record"]["id"] == one["id"] and len(shown["corrections"]) == 1
        assert "producer" not in shown["record"] and view(own, one)["record"]["producer"]
        expected = empty.operator.get(record_target(unknown)).expect(404, "RecordNotFound").error
        for client, target in ((stranger, one), (foreign, one), (stranger, unknown), (foreign, unknown)):
            assert client.get(record_target(target)).expect(404, "RecordNotFound").error == expected
    with empty.client() as nobody:
        nobody.get(record_target(one)).expect(401)
    with empty.client(empty.ready["commerce"]["token"]) as commerce:
        commerce.get(record_target(one)).expect(403, "AuthorizationFailed")


# ---- Names in paths ----


@pytest.mark.parametrize("identity", ["a/b/c", "100%", "a?b#c", "..", "größe ☃", "a+b c", "x" * 1024, "%2F", "a//"])
def test_ids_and_sources_of_any_letters(empty, identity):
    one = record(guid(), base(empty), id=identity, source="urn:x/" + identity[:50])
    empty.anybody.accept(one)
    shown = view(empty.operator, one)["record"]
    assert (shown["id"], shown["source"]) == (one["id"], one["source"])
    assert correct(empty.operator, one).expect(200).json["changed"] is True


def test_ids_are_exact(empty, one):
    upper = dict(one, id=one["id"].upper())
    if upper["id"] != one["id"]:
        empty.operator.get(record_target(upper)).expect(404, "RecordNotFound")
    empty.operator.get(record_target(dict(one, source=COMPUTE.lower()))).expect(404, "RecordNotFound")


# ---- Lists, sums, CSV ----


def test_negative_rows_and_zero_sums_print_everywhere(fresh):
    own = guid()
    one, other = (record(own, base(fresh), quantity="7.5", resourceUri=harness.resource(own, name))
                  for name in ("web01", "web02"))
    fresh.anybody.accept([one, other])
    correct(fresh.operator, other).expect(200)
    first = fresh.close_hour()
    correct(fresh.operator, one, "amend", quantity="2.25").expect(200)
    second = fresh.close_hour()
    # What was voided within its hour was reported nevertheless, so it is listed: zero and unknown differ.
    quantities = sorted(exact(row["properties"]["quantity"]) for row in fresh.usage(own, first))
    assert quantities == [0, exact("7.5")]
    row, = fresh.usage(own, second)
    assert exact(row["properties"]["quantity"]) == exact("-5.25")
    operator = fresh.operator.rows(harness.operator_target(fresh.operator_subscription, *second, subscriberId=own))
    assert [exact(each["properties"]["quantity"]) for each in operator] == [exact("-5.25")]
    target = harness.summary_target(second[0], second[1], axis="reported", granularity="hourly",
                                    filter="subscriptionId eq '%s'" % own)
    summed, = fresh.operator.rows(target)
    assert (exact(summed["quantity"]), summed["records"]) == (exact("-5.25"), 0)
    table = fresh.operator.get(target, headers={"Accept": "text/csv"}).expect(200).body.decode()
    line, = csv.DictReader(io.StringIO(table))
    assert (line["quantity"], line["records"]) == ("-5.25", "0")


# ---- Named regression cases ----


def test_regression_usage_older_than_two_closed_periods(fresh):
    """An adjustment in the open period, not silence; what was read of the closed ones stays."""
    own = guid()
    one = record(own, base(fresh), quantity="5")
    fresh.anybody.accept(one)
    closed = fresh.close_hour()
    before = fresh.usage(own, closed)
    for _ in range(3):
        fresh.advance("P31D")
    late = record(own, closed[0] - 2 * HOUR, quantity="3")
    fresh.anybody.accept(late)
    correct(fresh.operator, one, "amend", quantity="4").expect(200)
    opened = fresh.close_hour()
    assert fresh.usage(own, closed) == before
    rows = {row["properties"]["usageStartTime"]: exact(row["properties"]["quantity"])
            for row in fresh.usage(own, opened)}
    assert sorted(rows.values()) == [-1, 3]
    assert all(instant(start) < closed[0] for start in rows)


def test_regression_last_hour_of_a_period_arrives_after_the_period_ended(fresh):
    own = guid()
    day = (fresh.now + DAY).replace(hour=0)
    fresh.advance("PT%dS" % (day - fresh.now).total_seconds())
    one = record(own, day - HOUR, quantity="5")
    fresh.anybody.accept(one)
    correct(fresh.operator, one, "amend", quantity="4").expect(200)
    fresh.advance("P1D")
    assert fresh.usage(own, (day - DAY, day), "Daily") == []
    row, = fresh.usage(own, (day, day + DAY), "Daily")
    assert instant(row["properties"]["usageStartTime"]) == day - DAY
    assert exact(row["properties"]["quantity"]) == 4


# ---- Crash ----


def test_promise_9_corrections_survive_kill_9_and_count_once(fresh):
    own = guid()
    one = record(own, base(fresh), quantity="5")
    fresh.anybody.accept(one)
    first = correct(fresh.operator, one, "amend", quantity="4").expect(200).json
    fresh.kill()
    fresh.start()
    again = correct(fresh.operator, one, "amend", quantity="4").expect(200).json
    assert again == {**first, "changed": False}
    assert fresh.total(own) == (4, 1)
