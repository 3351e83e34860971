"""POST /v1/usage: what producers may send, the verdict that each record gets, and that sums are exact.

The clock stands still in between, so limits of time are tested to the second.
"""
import datetime
import gzip
import json

import pytest

import harness
from harness import COMPUTE, HOUR, METER, exact, guid, instant, iso, record


def base(stamp):
    """A full hour that has ended, as seen from the stamp."""
    return stamp.now.replace(minute=0, second=0, microsecond=0) - HOUR


@pytest.fixture
def made(empty):
    """made(**members): a record of a subscription of the test's own, which nobody has described."""
    own = guid()

    def make(start=None, hours=1, **members):
        return record(own, start or base(empty), hours, **members)
    make.subscription = own
    return make


# ---- What may be sent ----


def event_of(one):
    """The record as a CloudEvent: identity in the envelope."""
    data = {name: value for name, value in one.items() if name not in ("id", "source")}
    return {"specversion": "1.0", "type": "usage", "id": one["id"], "source": one["source"],
            "time": "1999-01-01T00:00:00Z", "datacontenttype": "application/json", "data": data}


FORMS = {
    "array": ("application/json", json.dumps),
    "one object": ("application/json", lambda records: json.dumps(records[0])),
    "ndjson": ("application/x-ndjson", lambda records: "\n".join(map(json.dumps, records)) + "\n"),
    "event": ("application/cloudevents+json", lambda records: json.dumps(event_of(records[0]))),
    "events": ("application/cloudevents-batch+json", lambda records: json.dumps(list(map(event_of, records)))),
}


@pytest.mark.parametrize("packed", [False, True], ids=["plain", "gzip"])
@pytest.mark.parametrize("form", FORMS)
def test_every_media_type(empty, made, form, packed):
    media, write = FORMS[form]
    count = 1 if form in ("one object", "event") else 3
    records = [made(quantity="%d.5" % n) for n in range(count)]
    body = write(records).encode()
    answer = empty.anybody.post_usage(gzip.compress(body) if packed else body, media=media + "; charset=utf-8",
                                      encoding="gzip" if packed else None).expect(200).json
    assert (answer["received"], answer["accepted"], answer["results"]) == (count, count, [])
    assert empty.total(made.subscription) == (harness.exact_sum(one["quantity"] for one in records), count)
    # The same records in the plainest form are the same records.
    assert empty.anybody.post_usage(records).expect(200).json["duplicate"] == count


def test_media_types_compare_without_case(empty, made):
    empty.anybody.accept(made(), media="Application/JSON")


def test_an_empty_array_is_no_error(empty):
    answer = empty.anybody.post_usage([]).expect(200).json
    assert answer["received"] == 0 and answer["results"] == []


def test_unknown_members_are_ignored(empty, made):
    empty.anybody.accept(made(colour="green", nested={"a": [1, {"b": None}]}))


def test_null_is_the_same_as_absent(empty, made):
    one = made()
    empty.anybody.accept({**one, "tags": None, "additionalInfo": None})
    assert empty.anybody.verdict_of(one)["verdict"] == "duplicate"


# ---- Answers ----


def test_results_lists_what_was_not_accepted_unless_told_otherwise(empty, made):
    good, bad = made(), made(quantity="minus one")
    again = [dict(good, id=guid()), dict(bad, id=guid())]
    answer = empty.anybody.post_usage([good, bad]).expect(200).json
    assert [entry["index"] for entry in answer["results"]] == [1]
    entry = answer["results"][0]
    assert (entry["id"], entry["verdict"], entry["code"], entry["target"]) == (
        bad["id"], "rejected", "InvalidProperty", "quantity")
    assert entry["message"]

    everything = empty.anybody.post_usage(again, query="?results=all").expect(200).json
    assert [(entry["index"], entry["id"], entry["verdict"]) for entry in everything["results"]] == [
        (0, again[0]["id"], "accepted"), (1, again[1]["id"], "rejected")]
    assert "code" not in everything["results"][0]

    nothing = empty.anybody.post_usage([good, bad], query="?results=none").expect(200).json
    assert (nothing["duplicate"], nothing["rejected"], nothing.get("results", [])) == (1, 1, [])


def test_sequences_grow_with_what_is_accepted(empty, made):
    first = int(empty.anybody.accept([made() for _ in range(3)])["sequence"])
    one = made()
    second = int(empty.anybody.accept(one)["sequence"])
    again = empty.anybody.post_usage(one).expect(200).json
    assert second == first + 1 and int(again["sequence"]) == second
    assert isinstance(again["sequence"], str)


@pytest.mark.parametrize("media", ["application/json", "application/x-ndjson"])
def test_one_bad_record_among_1000_leaves_999_accepted(empty, made, media):
    records = [made(resourceUri=harness.resource(made.subscription, "vm%d" % n)) for n in range(1000)]
    lines = [json.dumps(one) for one in records]
    lines[500] = json.dumps(dict(records[500], usageEndTime="yesterday"))
    body = "\n".join(lines) if media.endswith("ndjson") else "[%s]" % ",".join(lines)
    answer = empty.anybody.post_usage(body, media=media).expect(200).json
    assert (answer["received"], answer["accepted"], answer["rejected"]) == (1000, 999, 1)
    assert [(entry["index"], entry["code"], entry["target"]) for entry in answer["results"]] == [
        (500, "InvalidProperty", "usageEndTime")]
    assert empty.total(made.subscription) == (999, 999)


def test_a_malformed_line_of_ndjson_rejects_that_line(empty, made):
    lines = [json.dumps(made()), '{"id": "broken', json.dumps(made()), "", "[]", '"text"', json.dumps(made())]
    answer = empty.anybody.post_usage("\n".join(lines), media="application/x-ndjson").expect(200).json
    # A blank line is no record.
    assert (answer["received"], answer["accepted"], answer["rejected"]) == (6, 3, 3)
    assert [entry["index"] for entry in answer["results"]] == [1, 3, 4]


def test_records_in_reverse_give_the_same_totals(empty):
    forward, backward = guid(), guid()
    for own, step in ((forward, 1), (backward, -1)):
        records = [record(own, base(empty) - n * HOUR, quantity="0.%d" % (n + 1)) for n in range(48)]
        for one in records[::step]:
            empty.anybody.accept(one)

    def hours(own):
        rows = empty.operator.rows(harness.summary_target(
            base(empty) - 48 * HOUR, base(empty) + HOUR, granularity="hourly", filter="subscriptionId eq '%s'" % own))
        return [(row["start"], exact(row["quantity"]), row["records"]) for row in rows]
    assert hours(forward) == hours(backward) and len(hours(forward)) == 48


# ---- Duplicates and conflicts ----


def spellings(one):
    """The same content written differently."""
    start, end = instant(one["usageStartTime"]), instant(one["usageEndTime"])
    zone = datetime.timezone(datetime.timedelta(hours=5, minutes=30))
    yield "order of members", dict(reversed(one.items()))
    yield "trailing zeros", dict(one, quantity="1.500")
    yield "exponent", dict(one, quantity="15E-1")
    yield "a number", dict(one, quantity=1.5)
    yield "offset", dict(one, usageStartTime=start.astimezone(zone).isoformat(),
                         usageEndTime=end.astimezone(zone).isoformat())
    yield "zero decimals", dict(one, usageStartTime=iso(start).replace("Z", ".000Z"))
    yield "case of the subscription", dict(one, subscriptionId=one["subscriptionId"].upper())
    yield "case of the meter", dict(one, meterId=one["meterId"].lower())
    yield "meter without dashes", dict(one, meterId=one["meterId"].replace("-", ""))
    yield "case of the resource", dict(one, resourceUri=one["resourceUri"].replace("resourceGroups", "RESOURCEGROUPS"))
    yield "order of tags", dict(one, tags=dict(reversed(one["tags"].items())))
    yield "an unknown member", dict(one, sentAt="later")


def test_the_same_content_in_any_spelling_is_a_duplicate(empty, made):
    one = made(quantity="1.5", tags={"cc": "4711", "env": "prod"}, additionalInfo={"ServiceType": "Standard_D4_v2"})
    empty.anybody.accept(one)
    for what, same in spellings(one):
        entry = empty.anybody.verdict_of(same)
        assert (entry["verdict"], entry["code"]) == ("duplicate", "UsageRecordDuplicate"), what
    assert empty.total(made.subscription) == (exact("1.5"), 1)


CHANGES = {
    "subscriptionId": lambda one: guid(),
    "meterId": lambda one: "9CD92D4C-BAFD-4492-B278-BEDC2DE8232A",
    "resourceUri": lambda one: one["resourceUri"] + "2",
    "location": lambda one: "west",
    "usageStartTime": lambda one: iso(instant(one["usageStartTime"]) + datetime.timedelta(seconds=1)),
    "usageEndTime": lambda one: iso(instant(one["usageEndTime"]) - datetime.timedelta(seconds=1)),
    "quantity": lambda one: "1.500000000000000000000000000001",
    "tags": lambda one: {"cc": "4712"},
    "additionalInfo": lambda one: {},
}


@pytest.mark.parametrize("member", CHANGES)
def test_other_content_under_the_same_id_is_a_conflict_that_names_the_member(empty, made, member):
    one = made(quantity="1.5", tags={"cc": "4711"})
    empty.anybody.accept(one)
    entry = empty.anybody.verdict_of(dict(one, **{member: CHANGES[member](one)}))
    assert (entry["verdict"], entry["code"], entry["target"]) == ("conflict", "UsageRecordConflict", member)
    assert empty.total(made.subscription) == (exact("1.5"), 1)
    # The original still is what it was.
    assert empty.anybody.verdict_of(one)["verdict"] == "duplicate"


def test_the_same_id_of_another_source_is_another_record(empty, made):
    one = made()
    empty.anybody.accept(one)
    empty.anybody.accept(dict(one, source="Microsoft.Storage"))
    assert empty.total(made.subscription) == (2, 2)


def test_duplicates_and_conflicts_inside_one_batch(empty, made):
    one = made(quantity="2")
    answer = empty.anybody.post_usage([one, one, dict(one, quantity="3"), made()]).expect(200).json
    assert (answer["accepted"], answer["duplicate"], answer["conflict"]) == (2, 1, 1)
    assert [(entry["index"], entry["verdict"]) for entry in answer["results"]] == [(1, "duplicate"), (2, "conflict")]
    assert empty.total(made.subscription) == (3, 2)


def test_a_batch_sent_again_counts_nothing_twice(empty, made):
    records = [made(start=base(empty) - n * HOUR, quantity="0.25") for n in range(100)]
    empty.anybody.accept(records)
    for _ in range(3):
        assert empty.anybody.post_usage(records).expect(200).json["duplicate"] == 100
    assert empty.total(made.subscription) == (25, 100)


def test_a_rejected_record_may_be_mended_under_the_same_id(empty, made):
    one = made()
    assert empty.anybody.verdict_of(dict(one, quantity="x"))["verdict"] == "rejected"
    empty.anybody.accept(one)


# ---- Sources ----


def test_a_producer_may_not_post_for_another_source(empty, made):
    with empty.client(empty.producer(COMPUTE)) as compute:
        foreign = made(source="Microsoft.Storage")
        answer = compute.post_usage([made(), foreign]).expect(200).json
        assert (answer["accepted"], answer["rejected"]) == (1, 1)
        entry = answer["results"][0]
        assert (entry["id"], entry["code"], entry["target"]) == (foreign["id"], "SourceNotAllowed", "source")
    assert empty.total(made.subscription) == (1, 1)
    # Nothing was claimed by the attempt.
    empty.anybody.accept(foreign)


def test_sources_compare_exactly(empty, made):
    with empty.client(empty.producer(COMPUTE)) as compute:
        assert compute.verdict_of(made(source=COMPUTE.lower()))["code"] == "SourceNotAllowed"


# ---- Times ----


def test_usage_may_end_5_minutes_from_now_and_not_later(empty, made):
    limit = empty.now + datetime.timedelta(minutes=5)
    assert empty.anybody.verdict_of(made(start=limit - HOUR))["verdict"] == "accepted"
    entry = empty.anybody.verdict_of(made(start=limit - HOUR + datetime.timedelta(seconds=1)))
    assert (entry["code"], entry["target"]) == ("UsageInFuture", "usageEndTime")


def test_usage_may_start_400_days_ago_and_not_earlier(empty, made):
    limit = empty.now - datetime.timedelta(days=400)
    assert empty.anybody.verdict_of(made(start=limit))["verdict"] == "accepted"
    entry = empty.anybody.verdict_of(made(start=limit - datetime.timedelta(seconds=1)))
    assert (entry["code"], entry["target"]) == ("UsageTooOld", "usageStartTime")


def test_old_usage_shows_in_the_hour_in_which_it_was_reported(empty, made):
    start = base(empty) - datetime.timedelta(days=71)
    empty.anybody.accept(made(start=start))
    window = empty.close_hour()
    rows = empty.usage(made.subscription, window)
    assert [instant(row["properties"]["usageStartTime"]) for row in rows] == [start]
    old = start.replace(minute=0)
    assert empty.usage(made.subscription, (old, old + HOUR)) == []


# ---- Refusals, member by member ----


@pytest.mark.parametrize("member, value", [
    ("id", None), ("id", ""), ("id", 7), ("id", "x" * 1025),
    ("source", None), ("source", ""), ("source", ["a"]),
    ("subscriptionId", None), ("subscriptionId", "abc"), ("subscriptionId", "{%s}" % guid()),
    ("meterId", None), ("meterId", ""), ("meterId", "m" * 65),
    ("resourceUri", None), ("resourceUri", ""), ("resourceUri", "a\nb"),
    ("usageStartTime", None), ("usageStartTime", "2026-03-10"), ("usageStartTime", "2026-02-30T00:00:00Z"),
    ("usageStartTime", 1773140400), ("usageEndTime", None), ("usageEndTime", "2026-03-10T11:00:00"),
    ("quantity", None), ("quantity", "1,5"), ("quantity", ""), ("quantity", True), ("quantity", {}),
    ("quantity", "0x10"), ("quantity", "1."), ("quantity", "+1"), ("quantity", "NaN"), ("quantity", " 1"),
    ("tags", 5), ("tags", ["a"]), ("additionalInfo", False), ("location", 7),
])
def test_a_wrong_member_is_named(empty, made, member, value):
    entry = empty.anybody.verdict_of(made(**{member: value}))
    assert (entry["verdict"], entry["code"], entry["target"]) == ("rejected", "InvalidProperty", member), entry


def test_start_must_lie_before_end(empty, made):
    for end in (base(empty), base(empty) - HOUR):
        entry = empty.anybody.verdict_of(made(usageEndTime=iso(end)))
        assert (entry["code"], entry["target"]) == ("InvalidProperty", "usageEndTime")


def test_an_interval_lasts_at_most_31_days(empty, made):
    start = base(empty) - datetime.timedelta(days=40)
    assert empty.anybody.verdict_of(made(start=start, hours=31 * 24))["verdict"] == "accepted"
    end = start + 31 * harness.DAY + datetime.timedelta(seconds=1)
    entry = empty.anybody.verdict_of(made(start=start, usageEndTime=iso(end)))
    assert (entry["code"], entry["target"]) == ("InvalidProperty", "usageEndTime")


@pytest.mark.parametrize("member", ["quantity", "id", "colour"])
def test_a_member_given_twice_rejects_the_record(empty, made, member):
    text = json.dumps(made(colour="red"))
    twice = text[:-1] + ', "%s": "2"}' % member
    entry = empty.anybody.verdict_of(twice)
    assert (entry["verdict"], entry["code"]) == ("rejected", "InvalidProperty"), entry


def test_a_record_is_at_most_64_kib(empty, made):
    one = made(additionalInfo={"filler": ""})
    one["additionalInfo"]["filler"] = "x" * (64 * 1024 - len(json.dumps(one)))
    assert len(json.dumps(one)) == 64 * 1024
    assert empty.anybody.verdict_of(json.dumps(one))["verdict"] == "accepted"
    one["additionalInfo"]["filler"] += "x"
    one["id"] = guid()
    answer = empty.anybody.post_usage([one, made()]).expect(200).json
    assert (answer["accepted"], answer["results"][0]["code"]) == (1, "RecordTooLarge")


def test_text_of_any_language_comes_back_as_it_was(empty, made):
    name = "Größe 価格 \U0001f600 \"quoted\" back\\slash"
    empty.anybody.accept(made(tags={"cc": name}, resourceUri=harness.resource(made.subscription, "vm-ü")))
    row, = empty.usage(made.subscription, empty.close_hour())
    instance = json.loads(row["properties"]["instanceData"])["Microsoft.Resources"]
    assert instance["resourceUri"] == harness.resource(made.subscription, "vm-ü")
    assert json.loads(instance["tags"]) == {"cc": name}


def test_meter_ids_come_back_as_the_producer_first_wrote_them(empty, made):
    first = "AbCdEf01-2345-6789-ABCD-" + guid()[-12:]
    empty.anybody.accept(made(meterId=first))
    empty.anybody.accept(made(meterId=first.lower().replace("-", "")))
    row, = empty.usage(made.subscription, empty.close_hour())
    assert row["properties"]["meterId"] == first and exact(row["properties"]["quantity"]) == 2
    assert METER != first
