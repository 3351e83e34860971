"""Watermarks over HTTPS: which hours are complete, open or silent, what producers and operators can say about them, the
alert that silence raises, and that summaries tell unknown from zero."""
import urllib.parse

import pytest

import harness
from harness import DAY, HOUR, guid, instant, iso, record, summary_target

STORAGE = "Microsoft.Storage"


def states(client, start, end, **filters):
    """{(producer, source): "ccos"} of the hours from start to end."""
    query = {"from": iso(start), "to": iso(end), **filters}
    found = {}
    for row in client.rows("/v1/watermarks?" + urllib.parse.urlencode(query)):
        found.setdefault((row["producer"], row["source"]), []).append(row["state"][0])
    return {key: "".join(letters) for key, letters in found.items()}


def producer_token(stamp, name, *sources):
    answer = stamp.operator.request("POST", "/v1/tokens", body={"role": "producer", "name": name, "sources": sources})
    return stamp.client(answer.expect(201).json["token"])


def report_hourly(stamp, client, hours, source=harness.COMPUTE):
    """Posts each hour six minutes after its end; returns the first usage hour."""
    first = stamp.now.replace(minute=0)
    for hour in range(hours):
        stamp.advance("PT%dS" % (first + (hour + 1) * HOUR + HOUR / 10 - stamp.now).total_seconds())
        client.accept(record(guid(), first + hour * HOUR, source=source))
    return first


def put(client, producer, source, body):
    return client.request("PUT", "/v1/watermarks/%s/%s" % (urllib.parse.quote(producer, safe=""),
                                                           urllib.parse.quote(source, safe="")), body=body)


def test_producer_down_for_three_hours_is_unknown_not_zero(fresh):
    producer = producer_token(fresh, "compute rp/1", harness.COMPUTE)
    key = ("compute rp/1", harness.COMPUTE)
    first = report_hourly(fresh, producer, 6)
    assert states(fresh.operator, first, first + 6 * HOUR)[key] == "ccccco"
    target = summary_target(first, first + 9 * HOUR, granularity="hourly")
    assert fresh.operator.get(target).expect(200).json["silent"] == []

    fresh.advance("PT3H30M")
    assert states(fresh.operator, first, first + 11 * HOUR)[key] == "cccccossso"
    answer = fresh.operator.get(target).expect(200).json
    assert len(answer["value"]) == 6  # no rows of zero for the three hours ...
    assert answer["silent"] == [{"producer": key[0], "source": key[1],  # ... and they are said to be unknown
                                 "from": iso(first + 6 * HOUR), "to": iso(first + 9 * HOUR)}]
    assert (answer["complete"], instant(answer["watermark"])) == (False, first + 5 * HOUR)

    alert, = fresh.operator.rows("/v1/alerts")
    assert (alert["kind"], alert["subject"], alert["state"]) == ("ProducerSilent", "/".join(key), "open")
    metrics = fresh.operator.get("/metrics").body.decode()
    assert 'stampmeter_producer_silent{producer="%s",source="%s"} 1' % key in metrics
    assert 'stampmeter_alerts_open{kind="ProducerSilent"} 1' in metrics

    producer.accept([record(guid(), first + hour * HOUR) for hour in (6, 8)])
    assert states(fresh.operator, first, first + 11 * HOUR)[key] == "cccccccsoo"
    assert fresh.operator.rows("/v1/alerts") == []
    assert fresh.operator.rows("/v1/alerts?state=resolved")[0]["resolvedTime"]
    answer = fresh.operator.get(target).expect(200).json
    assert [run["from"] for run in answer["silent"]] == [iso(first + 7 * HOUR)]


def test_a_declared_hour_without_records_is_a_true_zero(fresh):
    producer = producer_token(fresh, "storage", STORAGE)
    first = report_hourly(fresh, producer, 4, STORAGE)
    fresh.advance("PT4H")
    hour = fresh.now.replace(minute=0)
    answer = producer.request("POST", "/v1/watermarks", body={"source": STORAGE, "complete": iso(hour)}).expect(200).json
    assert (answer["state"], instant(answer["completeBefore"]), answer["records"]) == ("reporting", hour, 4)
    rows = producer.rows("/v1/watermarks?" + urllib.parse.urlencode({"from": iso(first), "to": iso(hour)}))
    assert [(row["state"], row["records"]) for row in rows] == [("complete", 1)] * 4 + [("complete", 0)] * 4
    summary = fresh.operator.get(summary_target(first, hour, granularity="hourly")).expect(200).json
    assert (summary["complete"], summary["silent"], len(summary["value"])) == (True, [], 4)
    # Later usage of an earlier hour is counted and changes no state.
    producer.accept(record(guid(), first + 6 * HOUR, source=STORAGE))
    assert states(producer, first, hour)[("storage", STORAGE)] == "c" * 8


@pytest.mark.parametrize("body, target", [
    ({"complete": "2026-03-10T12:00:00Z"}, "source"), ({"source": STORAGE}, "complete"),
    ({"source": STORAGE, "complete": "2026-03-10T12:30:00Z"}, "complete"),
    ({"source": STORAGE, "complete": "2099-01-01T00:00:00Z"}, "complete"), ({"source": STORAGE, "complete": 7}, "complete")])
def test_what_cannot_be_declared(empty, body, target):
    empty.anybody.request("POST", "/v1/watermarks", body=body).expect(400, "InvalidProperty", target)
    assert ("gateway", STORAGE) not in {(row["producer"], row["source"]) for row in empty.operator.rows("/v1/producers")}


def test_cadence_is_learnt_and_can_be_set(fresh):
    producer = producer_token(fresh, "compute", harness.COMPUTE)
    report_hourly(fresh, producer, 5)
    own, = producer.rows("/v1/producers")
    assert (own["cadence"], own["cadenceIsSet"], own["learntCadence"]) == ("PT1H", False, "PT1H")
    fresh.advance("PT3H")
    assert len(fresh.operator.rows("/v1/alerts")) == 1
    answer = put(producer, "compute", harness.COMPUTE, {"cadence": "PT24H"}).expect(200).json
    assert (answer["cadence"], answer["cadenceIsSet"], answer["state"]) == ("P1D", True, "reporting")
    assert fresh.operator.rows("/v1/alerts") == []
    answer = put(fresh.operator, "compute", harness.COMPUTE, {"cadence": None}).expect(200).json
    assert (answer["cadence"], answer["state"]) == ("PT1H", "silent")
    for value in ("PT90M", "PT0H", "P32D", "daily", 1, True):
        put(fresh.operator, "compute", harness.COMPUTE, {"cadence": value}).expect(400, "InvalidProperty", "cadence")
    put(fresh.operator, "compute", harness.COMPUTE, {}).expect(400, "InvalidProperty")
    put(fresh.operator, "compute", harness.COMPUTE, {"cadense": "PT1H"}).expect(400, "InvalidProperty")
    actions = [entry["action"] for entry in fresh.operator.rows("/v1/audit")]
    assert actions.count("producer.set") == 2


def test_a_retired_producer_is_not_waited_for_until_it_is_back(fresh):
    leaving, staying = producer_token(fresh, "leaving", STORAGE), producer_token(fresh, "staying", harness.COMPUTE)
    first = fresh.now.replace(minute=0)
    for _ in range(5):
        hour = fresh.now.replace(minute=0)
        report_hourly(fresh, leaving, 1, STORAGE)
        staying.accept(record(guid(), hour))
    report_hourly(fresh, staying, 5)
    window = summary_target(first, first + 9 * HOUR)
    assert not fresh.operator.get(window).json["complete"]
    assert put(fresh.operator, "leaving", STORAGE, {"retired": True}).expect(200).json["state"] == "retired"
    assert fresh.operator.rows("/v1/alerts") == []
    assert fresh.operator.get(window).json["complete"]
    assert states(fresh.operator, first, first + 10 * HOUR, producer="leaving")[("leaving", STORAGE)] == "cccco"
    only = fresh.operator.get(window + "&" + urllib.parse.urlencode({"filter": "source eq '%s'" % harness.COMPUTE})).json
    assert only["complete"] and only["silent"] == []
    leaving.accept(record(guid(), first + 9 * HOUR, source=STORAGE))
    row, = fresh.operator.rows("/v1/producers?producer=leaving")
    assert (row["state"], row["retired"]) == ("reporting", False)
    assert states(fresh.operator, first, first + 10 * HOUR, producer="leaving")[("leaving", STORAGE)] == "cccccsssso"


def test_promise_8_producers_see_and_set_only_themselves(fresh):
    mine, other = producer_token(fresh, "mine", "*"), producer_token(fresh, "other", harness.COMPUTE)
    start = fresh.now - 2 * HOUR
    mine.accept(record(guid(), start))
    other.accept(record(guid(), start))
    assert {row["producer"] for row in mine.rows("/v1/watermarks")} == {"mine"}
    assert mine.rows("/v1/watermarks?producer=other") == mine.rows("/v1/producers?producer=other") == []
    unknown = put(mine, "nobody", harness.COMPUTE, {"retired": True}).expect(404, "ResourceNotFound").error
    assert put(mine, "other", harness.COMPUTE, {"retired": True}).expect(404).error == unknown
    other.request("POST", "/v1/watermarks", body={"source": STORAGE, "complete": iso(fresh.now)}).expect(
        403, "SourceNotAllowed")
    other.get("/v1/alerts").expect(403, "AuthorizationFailed")
    tenant = fresh.client(fresh.tenant()["token"])
    for target in ("/v1/watermarks", "/v1/producers", "/v1/alerts"):
        tenant.get(target).expect(403, "AuthorizationFailed")
    assert {row["producer"] for row in fresh.operator.rows("/v1/producers")} == {"mine", "other"}
    # Tenants learn that usage is unknown, not who failed.
    fresh.operator.request("PUT", "/v1/watermarks/mine/" + harness.COMPUTE, body={"cadence": "PT1H"}).expect(200)
    fresh.advance("PT6H")
    silent = tenant.get(summary_target(start, start + 8 * HOUR)).expect(200).json["silent"]
    assert [set(run) for run in silent] == [{"source", "from", "to"}]


def test_an_operator_settles_what_a_known_producer_left_open(fresh):
    producer = producer_token(fresh, "compute", harness.COMPUTE)
    report_hourly(fresh, producer, 5)
    fresh.advance("P1D")
    hour = fresh.now.replace(minute=0)
    body = {"producer": "compute", "source": harness.COMPUTE, "complete": iso(hour)}
    assert fresh.operator.request("POST", "/v1/watermarks", body=body).expect(200).json["state"] == "reporting"
    assert fresh.operator.rows("/v1/alerts") == []
    fresh.operator.request("POST", "/v1/watermarks", body={**body, "producer": "compuet"}).expect(404)
    fresh.operator.request("POST", "/v1/watermarks", body={**body, "producer": None}).expect(400, target="producer")


def test_alerts_are_acknowledged_once_by_name(fresh):
    report_hourly(fresh, producer_token(fresh, "compute", harness.COMPUTE), 5)
    fresh.advance("PT5H")
    alert, = fresh.operator.rows("/v1/alerts?state=open")
    path = "/v1/alerts/%s/acknowledge" % alert["id"]
    answer = fresh.operator.request("POST", path).expect(200).json
    assert (answer["state"], answer["acknowledgedBy"]) == ("acknowledged", "operator")
    assert fresh.operator.request("POST", path).expect(200).json == answer
    assert fresh.operator.rows("/v1/alerts?state=open") == []
    assert fresh.operator.rows("/v1/alerts") == [answer]
    status = fresh.operator.get("/v1/status").json
    assert (status["producers"]["silent"], status["alerts"]["acknowledged"]) == (1, 1)
    put(fresh.operator, "compute", harness.COMPUTE, {"retired": True}).expect(200)
    fresh.operator.request("POST", path).expect(409, "Conflict")
    fresh.operator.request("POST", "/v1/alerts/4711/acknowledge").expect(404)
    fresh.operator.request("POST", "/v1/alerts/x/acknowledge").expect(400)


def test_nothing_is_forgotten_over_a_restart_and_no_alert_storms_after_it(fresh):
    producer = producer_token(fresh, "compute", harness.COMPUTE)
    first = report_hourly(fresh, producer, 6)
    before = states(fresh.operator, first, first + 6 * HOUR)
    fresh.stop()
    fresh.start()
    assert states(fresh.operator, first, first + 6 * HOUR) == before
    assert fresh.operator.rows("/v1/alerts") == []


def test_pages_go_on_where_they_ended(fresh):
    sources = ["Source.%02d" % number for number in range(30)]
    start = fresh.now.replace(minute=0) - 60 * HOUR
    fresh.anybody.accept([record(guid(), start + hour * HOUR, source=source) for source in sources for hour in (0, 59)])
    target = "/v1/watermarks?" + urllib.parse.urlencode({"from": iso(start), "to": iso(fresh.now)})
    pages = list(fresh.operator.pages(target))
    assert [len(page["value"]) for page in pages] == [1000, 800]
    rows = [(row["source"], row["hour"]) for page in pages for row in page["value"]]
    assert rows == [(source, iso(start + hour * HOUR)) for source in sources for hour in range(60)]
    assert len(fresh.operator.rows(target + "&state=silent")) == 30 * 58
    link = fresh.operator.target_of(pages[0]["nextLink"])
    fresh.operator.get(link.replace("from=", "from=2025-01-01T00:00:00Z&x=")).expect(400, target="continuationToken")
    assert len(fresh.operator.rows("/v1/watermarks?source=Source.07")) == 24  # the newest hours only


@pytest.mark.parametrize("query, target", [
    ("state=late", "state"), ("from=2026-03-10T12:30:00Z", "from"), ("to=yesterday", "to"),
    ("from=2026-03-10T12:00:00Z&to=2026-03-10T12:00:00Z", "to"), ("continuationToken=x", "continuationToken")])
def test_broken_questions(empty, query, target):
    empty.operator.get("/v1/watermarks?" + query).expect(400, "InvalidProperty", target)


def test_the_demo_shows_its_silent_producer(stamp):
    silent = [row for row in stamp.operator.rows("/v1/producers") if row["state"] == "silent"]
    assert [row["source"] for row in silent] == ["Microsoft.EventHub"]
    assert all(row["cadence"] == "PT1H" for row in stamp.operator.rows("/v1/producers"))
    alert, = stamp.operator.rows("/v1/alerts")
    assert alert["subject"] == "Microsoft.EventHub/Microsoft.EventHub"
    # Its hours before that, and those of everybody else, are complete.
    yesterday = stamp.now.replace(hour=0) - DAY
    summary = stamp.operator.get(summary_target(yesterday, yesterday + DAY)).json
    assert (summary["complete"], summary["silent"]) == (True, [])
