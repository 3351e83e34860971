"""Old usage goes in its time and never before, readers are told, and the store says how large it will become."""
import harness
from harness import DAY, HOUR, exact, guid, operator_target, record, summary_target

DAYS = 6


def retention(stamp):
    return stamp.operator.get("/v1/retention").expect(200).json


def grow_old(tmp_path, **keep):
    """A stamp that takes a record a day for some days, and the records' subscription."""
    stamp = harness.Stamp(tmp_path, options={"retention." + name: value for name, value in keep.items()}).start()
    own = guid()
    for _ in range(DAYS):
        stamp.anybody.accept(record(own, stamp.now.replace(minute=0) - HOUR))
        stamp.advance("P1D")
    harness.until(lambda: "stampmeter_upkeep_left 0" in stamp.operator.get("/metrics").body.decode(), "upkeep to end")
    return stamp, own


def test_hours_go_days_stay_and_readers_are_told(tmp_path):
    stamp, own = grow_old(tmp_path, hourly="2d")
    with stamp:
        since = harness.instant(retention(stamp)["hourlySince"])
        assert stamp.now - 3 * DAY <= since <= stamp.now - 2 * DAY
        # Not less than was reported, but an answer that says why and what to do.
        window = (harness.START, stamp.now.replace(minute=0))
        answer = stamp.operator.get(operator_target(stamp.operator_subscription, *window)).expect(
            410, "UsageNotKept", "reportedStartTime")
        assert "Daily" in answer.error["message"]
        days = (harness.START.replace(hour=0), stamp.now.replace(hour=0, minute=0))
        assert harness.exact_sum(row["properties"]["quantity"] for row in stamp.usage(own, days, "Daily")) == exact(DAYS)
        rows = stamp.operator.rows(operator_target(stamp.operator_subscription, since, stamp.now.replace(minute=0)))
        assert len(rows) == sum(harness.START + n * DAY >= since for n in range(DAYS))
        # Summaries likewise: by the hour no, by the day yes.
        stamp.operator.get(summary_target(*window, granularity="hourly")).expect(410, "UsageNotKept", "from")
        assert harness.exact_sum(row["quantity"] for row in stamp.operator.rows(summary_target(
            days[0], days[1] + DAY, granularity="daily"))) == exact(DAYS)


def test_nothing_inside_the_window_goes(tmp_path):
    stamp, own = grow_old(tmp_path, hourly="7d", rejects="7d", journal="7d")
    with stamp:
        assert retention(stamp)["hourlySince"] is None
        window = (harness.START.replace(minute=0), stamp.now.replace(minute=0))
        assert len(stamp.usage(own, window)) == DAYS


def test_one_leap_of_the_clock_drops_nothing(tmp_path):
    """The machine was off, or its clock went wrong by a year: who can tell? So nothing goes until time has gone on."""
    own = guid()
    stamp = harness.Stamp(tmp_path, options={"retention.hourly": "30d"}).start()
    with stamp:
        stamp.advance("P4D")
        stamp.anybody.accept(record(own, stamp.now.replace(minute=0) - HOUR))
        stamp.advance("PT2H")
        counted = harness.instant(harness.until(lambda: retention(stamp)["countedFrom"], "a seal to be followed"))
        assert counted <= stamp.now and retention(stamp)["hourlySince"] is None


def test_an_operators_word_for_the_clock(tmp_path):
    with harness.Stamp(tmp_path, options={"retention.hourly": "30d"}).start() as stamp:
        stamp.anybody.accept(record(guid(), stamp.now.replace(minute=0) - HOUR))
        stamp.advance("PT2H")
        harness.until(lambda: retention(stamp)["waitsForTrust"], "retention to wait")
        stamp.operator.request("POST", "/v1/retention", body={}).expect(400, "InvalidProperty", "trustClock")
        answer = stamp.operator.request("POST", "/v1/retention", body={"trustClock": True}).expect(200).json
        assert answer["waitsForTrust"] is False
        assert stamp.operator.rows("/v1/audit?limit=1000")[-1]["action"] == "retention.trust"
        stamp.anybody.request("POST", "/v1/retention", body={"trustClock": True}).expect(403)


def test_rejects_and_journal_go_in_their_time(tmp_path):
    stamp = harness.Stamp(tmp_path, options={"retention.rejects": "3d", "retention.journal": "3d"}).start()
    with stamp:
        own = guid()
        first = record(own, stamp.now.replace(minute=0) - HOUR)
        stamp.anybody.post_usage([first, record(own, stamp.now - HOUR, quantity="x")]).expect(200)
        for _ in range(4):
            stamp.advance("P1D")
            stamp.anybody.accept(record(own, stamp.now.replace(minute=0) - HOUR))
        harness.until(lambda: stamp.operator.rows("/v1/rejects") == [] and retention(stamp)["journalSince"] > 1,
                      "the reject and the journal's beginning to go")
        # Sums and identities outlive the journal.
        assert stamp.total(own) == (exact("5"), 5)
        assert stamp.anybody.verdict_of(first)["verdict"] == "duplicate"


def test_sizes_and_their_forecast(tmp_path):
    stamp, _ = grow_old(tmp_path, hourly="400d")
    with stamp:
        status = stamp.operator.get("/v1/status").expect(200).json["retention"]
        assert status["keepDays"] == {"journal": 0, "hourly": 400, "daily": 0, "rejects": 90, "audit": 400}
        sizes = status["sizes"]
        assert set(sizes) == {"journal", "hourly", "daily", "rejects", "audit", "dedupe", "dictionary", "total"}
        assert sizes["hourly"]["bytes"] > 0 and sizes["journal"]["bytes"] > 0
        assert 380 < sizes["hourly"]["daysUntilSteady"] < 400
        assert sizes["hourly"]["steadyBytes"] >= sizes["hourly"]["bytes"]
        assert sizes["total"]["bytes"] == sum(part["bytes"] for name, part in sizes.items() if name != "total")
        assert sizes["total"]["diskFreeBytes"] > 0


def test_settings_that_make_no_sense_are_refused(tmp_path):
    for name, value, other in (("hourly", "1h", {}), ("daily", "10d", {}), ("daily", "10d", {"retention.hourly": "0"})):
        result = harness.run("check-config", options={"retention." + name: value, **other})
        assert result.code == 1 and "retention." + name in result.err + result.out, result
