"""GET /v1/changes over HTTPS: the journal as a feed, from which a copy of the usage can be kept."""

import pytest

import harness
from harness import COMPUTE, HOUR, exact, guid, record


def base(stamp):
    return stamp.now.replace(minute=0, second=0, microsecond=0) - HOUR


def last_of(client):
    """The end of the feed."""
    after = "0"
    for page in client.pages("/v1/changes?limit=10000"):
        after = page["last"]
    return after


def test_records_and_corrections_as_they_come(empty):
    after = last_of(empty.operator)
    one = record(guid(), base(empty), quantity="4.25", tags={"cc": "1"}, additionalInfo="as text")
    empty.anybody.accept(one)
    body = {"source": COMPUTE, "id": one["id"], "action": "amend", "quantity": "1", "reason": "halved"}
    made = empty.operator.request("POST", "/v1/corrections", body=body).expect(200).json
    page = empty.operator.get("/v1/changes?after=" + after).expect(200).json
    first, second = page["value"]
    assert first["kind"] == "record" and first["producer"]
    for name in ("id", "source", "subscriptionId", "resourceUri", "location", "quantity", "tags", "additionalInfo"):
        assert first[name] == one[name], name
    assert second["kind"] == "correction" and second["original"] == first["sequence"]
    assert (second["source"], second["id"], second["reason"]) == (COMPUTE, one["id"], "halved")
    assert (second["action"], exact(second["quantity"]), exact(second["difference"])) == ("amend", 1, exact("-3.25"))
    assert (second["sequence"], second["reportedTime"]) == (made["sequence"], made["reportedTime"])
    assert page["last"] == second["sequence"] and "nextLink" not in page
    assert empty.operator.get("/v1/changes?after=" + page["last"]).expect(200).json == {
        "value": [], "last": page["last"]}


def test_a_copy_made_from_the_feed_has_the_same_sums(stamp):
    """Everything the demo has ever accepted, added up by the reader."""
    sums, records, last = {}, {}, 0
    for page in stamp.operator.pages("/v1/changes?limit=5000"):
        for change in page["value"]:
            assert int(change["sequence"]) > last
            last = int(change["sequence"])
            if change["kind"] == "record":
                own = change["subscriptionId"]
                records[change["sequence"]] = own
                sums.setdefault(own, []).append(change["quantity"])
            elif change["kind"] == "correction":
                sums[records[change["original"]]].append(change["difference"])
    state = stamp.operator.get("/v1/status").expect(200).json
    assert len(records) == sum(1 for _ in records) and state
    own = stamp.tenant()["subscriptionId"]
    rows = stamp.operator.rows(harness.summary_target(
        harness.START - 400 * harness.DAY, harness.START + harness.DAY, filter="subscriptionId eq '%s'" % own))
    assert harness.exact_sum(sums[own]) == harness.exact_sum(row["quantity"] for row in rows)


def test_pages_and_lines_hold_the_same(empty):
    after = last_of(empty.operator)
    records = [record(guid(), base(empty)) for _ in range(25)]
    empty.anybody.accept(records)
    paged = empty.operator.rows("/v1/changes?after=%s&limit=7" % after)
    assert [change["id"] for change in paged] == [one["id"] for one in records]
    lines, target = [], "/v1/changes?after=%s&limit=10" % after
    while target:
        answer = empty.operator.get(target, headers={"Accept": "application/x-ndjson"}).expect(200)
        assert answer.headers["Content-Type"].startswith("application/x-ndjson")
        lines += [harness.read_json(line) for line in answer.body.decode().splitlines()]
        link = answer.headers.get("Link")
        target = empty.operator.target_of(link.split(">")[0].lstrip("<")) if link else None
    assert lines == paged


def test_a_seal_tells_that_an_hour_is_closed(fresh):
    fresh.anybody.accept(record(guid(), base(fresh)))
    window = fresh.close_hour()
    fresh.anybody.accept(record(guid(), base(fresh)))

    def seals():
        return [change for change in fresh.operator.rows("/v1/changes") if change["kind"] == "seal"]
    seal = harness.until(seals, "a seal in the change feed")[0]
    assert harness.instant(seal["reportedEndTime"]) >= window[1] or len(seals()) > 0
    assert set(seal) == {"kind", "sequence", "reportedTime", "reportedStartTime", "reportedEndTime", "firstSequence"}


def test_the_feed_is_the_operators(empty):
    for token in (empty.tenants[0]["token"], empty.producer("*"), empty.ready["commerce"]["token"]):
        with empty.client(token) as client:
            client.get("/v1/changes").expect(403, "AuthorizationFailed")
    with empty.client() as nobody:
        nobody.get("/v1/changes").expect(401)


@pytest.mark.parametrize("query, target", [
    ("after=x", "after"), ("after=-1", "after"), ("after=1.5", "after"), ("after=18446744073709551616", "after"),
    ("after=18446744073709551615", "after"), ("after=999999999", "after"),
    ("limit=0", "limit"), ("limit=10001", "limit"), ("limit=x", "limit")])
def test_bad_parameters_are_named(empty, query, target):
    empty.operator.get("/v1/changes?" + query).expect(400, "InvalidProperty", target)
