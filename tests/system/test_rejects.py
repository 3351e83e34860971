"""What was refused is kept: listed, fixed, replayed, dismissed; and accepted usage that cannot be right is found."""
import datetime
import json

import pytest

import harness
from harness import DAY, HOUR, exact, guid, record


def base(stamp):
    return stamp.now.replace(minute=0, second=0, microsecond=0) - HOUR


@pytest.fixture
def bad(empty):
    """bad(**members): a record with a quantity that is none, of a source of the test's own."""
    source, own = "test-" + guid(), guid()

    def make(**members):
        return record(own, base(empty), **{"source": source, "quantity": "much", **members})
    make.source, make.subscription = source, own
    return make


def rejects(client, source=None, **more):
    query = "&".join("%s=%s" % item for item in {**({"source": source} if source else {}), **more}.items())
    return client.rows("/v1/rejects?" + query)


def replay(client, entry, query="", **members):
    body = json.dumps(members) if members else None
    return client.request("POST", "/v1/rejects/%s/replay%s" % (entry["sequence"], query), body=body,
                          headers={"Content-Type": "application/json"} if body else None)


# ---- Keeping ----


def test_a_rejected_record_is_kept_as_it_was_posted(empty, bad):
    one = bad(own={"a": [1, 2]})
    empty.anybody.post_usage(one).expect(200)
    entry, = rejects(empty.operator, bad.source)
    assert entry["record"] == one
    assert (entry["verdict"], entry["code"], entry["target"], entry["state"], entry["count"], entry["id"]) == (
        "rejected", "InvalidProperty", "quantity", "open", 1, one["id"])
    assert harness.instant(entry["receivedTime"]) == empty.now and entry["message"]
    assert empty.operator.get("/v1/rejects/" + entry["sequence"]).expect(200).json == entry


def test_a_conflict_is_kept_and_says_what_differs(empty, bad):
    one = bad(quantity="1")
    empty.anybody.accept(one)
    for _ in range(3):
        empty.anybody.post_usage(dict(one, quantity="2")).expect(200)
    entry, = rejects(empty.operator, bad.source)
    assert (entry["verdict"], entry["code"], entry["target"], entry["count"]) == (
        "conflict", "UsageRecordConflict", "quantity", 3)
    assert int(entry["originalSequence"]) > 0 and entry["record"]["quantity"] == "2"


def test_what_is_no_json_is_kept_as_text(empty):
    before = int((rejects(empty.operator, state="all") or [{"sequence": "0"}])[-1]["sequence"])
    empty.anybody.post_usage(b'{"id": \n\xff\xfe\n', media="application/x-ndjson").expect(200)
    first, second = rejects(empty.operator, after=before)
    assert first["record"] == '{"id":' and "source" not in first
    assert second["record"] == "\ufffd\ufffd"


def test_an_event_is_kept_whole_and_replayed_as_one(empty, bad):
    one = bad()
    event = {"specversion": "1.0", "type": "usage", "id": one.pop("id"), "source": one.pop("source"), "data": one}
    empty.anybody.post_usage(json.dumps(event), media="application/cloudevents+json").expect(200)
    entry, = rejects(empty.operator, bad.source)
    assert entry["event"] is True and entry["record"] == event
    event["data"]["quantity"] = "3"
    answer = replay(empty.operator, entry, record=event).expect(200).json
    assert answer["accepted"] == 1
    assert empty.total(bad.subscription) == (exact("3"), 1)


def test_a_request_that_fails_as_a_whole_leaves_nothing(empty, bad):
    empty.anybody.post_usage("[%s," % json.dumps(bad())).expect(400)
    assert rejects(empty.operator, bad.source, state="all") == []


# ---- Listing ----


def test_pages_and_filters(empty, bad):
    ones = [bad(quantity=None if n % 2 else "much") for n in range(7)] + [bad(quantity="1", usageEndTime=harness.iso(
        empty.now + DAY))]
    empty.anybody.post_usage(ones).expect(200)
    pages = list(empty.operator.pages("/v1/rejects?limit=3&source=" + bad.source))
    assert [len(page["value"]) for page in pages][:-1] == [3] * (len(pages) - 1)
    listed = [entry["id"] for page in pages for entry in page["value"]]
    assert listed == [one["id"] for one in ones]
    assert [entry["id"] for entry in rejects(empty.operator, bad.source, code="UsageInFuture")] == [ones[-1]["id"]]
    empty.operator.get("/v1/rejects?limit=0").expect(400, "InvalidProperty", "limit")
    empty.operator.get("/v1/rejects?state=lost").expect(400, "InvalidProperty", "state")
    empty.operator.get("/v1/rejects?after=x").expect(400, "InvalidProperty", "after")


def test_promise_8_a_producer_sees_and_replays_its_own_only(empty, bad):
    compute = empty.client(empty.producer("Microsoft.Compute"))
    others, own = bad(), record(bad.subscription, base(empty), quantity="none")
    empty.anybody.post_usage(others).expect(200)
    compute.post_usage(own).expect(200)
    mine = rejects(compute)
    assert own["id"] in [entry["id"] for entry in mine] and {entry["producer"] for entry in mine} == {
        "Microsoft.Compute"}
    foreign, = rejects(empty.operator, bad.source)
    compute.get("/v1/rejects/" + foreign["sequence"]).expect(404, "ResourceNotFound")
    replay(compute, foreign).expect(404, "ResourceNotFound")
    entry = next(entry for entry in mine if entry["id"] == own["id"])
    assert replay(compute, entry, record=dict(own, quantity="1")).expect(200).json["accepted"] == 1
    compute.request("DELETE", "/v1/rejects/" + entry["sequence"]).expect(403)
    empty.client(empty.tenant()["token"]).get("/v1/rejects").expect(403)


# ---- Replaying ----


def test_a_corrected_record_is_counted_once_in_the_producers_name(empty, bad):
    one = bad()
    empty.anybody.post_usage(one).expect(200)
    entry, = rejects(empty.operator, bad.source)
    assert replay(empty.operator, entry).expect(200).json["rejected"] == 1
    assert rejects(empty.operator, bad.source) == [entry]
    answer = replay(empty.operator, entry, record=dict(one, quantity="2.5")).expect(200).json
    assert answer["accepted"] == 1 and answer["results"][0]["verdict"] == "accepted"
    assert rejects(empty.operator, bad.source) == []
    closed, = rejects(empty.operator, bad.source, state="all")
    assert (closed["state"], closed["closedBy"]) == ("replayed", "operator") and int(closed["replayedSequence"]) > 0
    # Nobody can count it a second time, not even under another id.
    replay(empty.operator, entry, record=dict(one, quantity="2.5", id=guid())).expect(409, "Conflict")
    assert empty.total(bad.subscription) == (exact("2.5"), 1)
    kept = empty.operator.get("/v1/records/%s/%s" % (bad.source, one["id"])).expect(200).json["record"]
    assert kept["quantity"] == "2.5"


def test_a_replay_has_the_rights_of_the_producer_and_no_more(empty):
    compute = empty.client(empty.producer("Microsoft.Compute"))
    one = record(guid(), base(empty), source="somebody-elses-" + guid())
    compute.post_usage(one).expect(200)
    entry, = rejects(empty.operator, one["source"])
    assert entry["code"] == "SourceNotAllowed"
    answer = replay(empty.operator, entry).expect(200).json
    assert answer["results"][0]["code"] == "SourceNotAllowed"
    assert replay(empty.operator, entry, record=dict(one, source="Microsoft.Compute")).expect(200).json["accepted"] == 1


def test_an_operator_can_let_in_usage_that_is_too_old(empty, bad):
    one = bad(usageStartTime=harness.iso(empty.now - 500 * DAY), quantity="1",
              usageEndTime=harness.iso(empty.now - 500 * DAY + HOUR))
    empty.anybody.post_usage(one).expect(200)
    entry, = rejects(empty.operator, bad.source)
    assert entry["code"] == "UsageTooOld"
    assert replay(empty.operator, entry).expect(200).json["results"][0]["code"] == "UsageTooOld"
    replay(empty.anybody, entry, "?allowOld=true").expect(403)
    assert replay(empty.operator, entry, "?allowOld=true").expect(200).json["accepted"] == 1
    assert empty.total(bad.subscription, empty.now - 501 * DAY, empty.now) == (exact("1"), 1)


def test_dismissing(empty, bad):
    empty.anybody.post_usage(bad(id="same")).expect(200)
    entry, = rejects(empty.operator, bad.source)
    empty.operator.request("DELETE", "/v1/rejects/" + entry["sequence"]).expect(200)
    empty.operator.request("DELETE", "/v1/rejects/" + entry["sequence"]).expect(204)
    empty.operator.request("DELETE", "/v1/rejects/999999999").expect(404)
    replay(empty.operator, entry).expect(409, "Conflict")
    empty.anybody.post_usage(bad(id="same")).expect(200)
    assert rejects(empty.operator, bad.source) == []
    assert [entry["count"] for entry in rejects(empty.operator, bad.source, state="dismissed")] == [2]


@pytest.mark.parametrize("body", [{"record": 1}, {"record": []}, "no json"])
def test_a_replay_with_a_bad_body(empty, bad, body):
    empty.anybody.post_usage(bad()).expect(200)
    entry, = rejects(empty.operator, bad.source)
    empty.operator.request("POST", "/v1/rejects/%s/replay" % entry["sequence"], body=body).expect(400)


def test_one_event_71_days_old_stays_unprocessed(fresh):
    """It is set aside; later windows go on; no row is written twice."""
    own, source = guid(), "cloud"
    old = record(own, fresh.now - 471 * DAY, source=source)
    later = []
    for _ in range(3):
        later.append(record(own, base(fresh), source=source))
        answer = fresh.anybody.post_usage([old, later[-1]]).expect(200).json
        assert (answer["accepted"], answer["rejected"]) == (1, 1)
        fresh.advance()
    entry, = rejects(fresh.operator, source)
    assert (entry["code"], entry["count"]) == ("UsageTooOld", 3)
    assert fresh.total(own) == (exact("3"), 3)


def test_kept_rejects_survive_a_restart_and_are_counted(fresh):
    own = guid()
    fresh.anybody.post_usage([record(own, base(fresh), quantity="x%d" % n) for n in range(3)]).expect(200)
    fresh.stop()
    fresh.start()
    assert len(rejects(fresh.operator)) == 3
    assert fresh.operator.get("/v1/status").expect(200).json["rejects"]["open"] == 3
    metrics = fresh.operator.get("/metrics").expect(200).body.decode()
    assert 'stampmeter_rejects_total{code="InvalidProperty"} 3' in metrics
    assert 'stampmeter_rejects{state="open"} 3' in metrics


# ---- Findings ----


def test_suspicious_usage_is_accepted_and_found(fresh):
    own, gone = guid(), guid()
    vm_hours = "6DAB500F-A4FD-49C4-956D-229BB9C8C793"
    fresh.operator.request("PUT", "/v1/subscriptions/" + gone, body={"displayName": "gone"}).expect(201)
    fresh.operator.request("DELETE", "/v1/subscriptions/" + gone).expect(200)
    fresh.advance("PT3H")
    fresh.anybody.accept([record(own, base(fresh), meterId=vm_hours, quantity="1"),
                          record(own, base(fresh), meterId=vm_hours, quantity="1.5",
                                 resourceUri=harness.resource(own, "two")),
                          record(own, base(fresh), meterId="my-own-meter"),
                          record(gone, base(fresh))])
    found = fresh.operator.rows("/v1/findings")
    assert {entry["kind"]: entry["subscriptionId"] for entry in found} == {
        "over-window": own, "unknown-meter": own, "after-deletion": gone}
    assert all(entry["count"] == 1 and entry["message"] and int(entry["recordSequence"]) for entry in found)
    metrics = fresh.operator.get("/metrics").expect(200).body.decode()
    assert 'stampmeter_suspicious_records_total{kind="over-window"} 1' in metrics
    # Two records that are fine alone.
    fresh.anybody.accept(record(own, base(fresh), meterId=vm_hours, quantity="0.5"))
    sums = fresh.operator.get("/v1/findings?check=sums").expect(200).json["value"]
    assert sorted((row["resourceUri"].rsplit("/", 1)[1], exact(row["quantity"])) for row in sums) == [
        ("two", exact("1.5")), ("web01", exact("1.5"))]
    assert fresh.operator.rows("/v1/findings?from=2026-01-01&to=2026-02-01") == []
    fresh.operator.get("/v1/findings?check=all").expect(400, "InvalidProperty", "check")
    fresh.anybody.get("/v1/findings").expect(403)
