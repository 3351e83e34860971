"""GET /v1/audit: every change that a person makes, by whom and by which request, in the order it happened."""
import harness
from harness import HOUR, guid, record


def entries(stamp, after=0):
    return stamp.operator.rows("/v1/audit?limit=2&after=%d" % after)


def actions(stamp, after=0):
    return [(entry["action"], entry["by"]) for entry in entries(stamp, after)]


def test_changes_are_told_with_who_when_and_by_which_request(fresh):
    before = len(entries(fresh))
    subscription = guid()
    put = fresh.operator.request("PUT", "/v1/subscriptions/" + subscription, body={"displayName": "one"}).expect(201)
    token = fresh.operator.request("POST", "/v1/tokens", body={"role": "producer", "sources": ["a"],
                                                               "name": "maker"}).expect(201).json
    fresh.operator.request("DELETE", "/v1/tokens/" + token["id"]).expect(200)
    fresh.operator.request("DELETE", "/v1/tokens/" + token["id"]).expect(204)
    fresh.operator.request("POST", "/v1/users", body={"username": "anna", "password": "long enough", "role": "operator"}
                           ).expect(201)
    fresh.operator.request("POST", "/v1/users", body={"username": "anna", "password": "long enough", "role": "operator"}
                           ).expect(409)
    fresh.operator.request("POST", "/v1/users/anna/disable").expect(200)
    fresh.operator.request("DELETE", "/v1/subscriptions/" + subscription).expect(200)
    told = entries(fresh)[before:]
    # What changed nothing is not told.
    assert [entry["action"] for entry in told] == ["subscription.put", "token.create", "token.revoke", "user.add",
                                                   "user.disable", "subscription.delete"]
    assert {entry["by"] for entry in told} == {"operator"}
    assert [int(entry["sequence"]) for entry in told] == list(range(before + 1, before + 7))
    assert told[0]["subject"] == "subscriptions/" + subscription and told[0]["detail"]["displayName"] == "one"
    assert told[0]["requestId"] == put.headers["x-ms-request-id"]
    assert told[1]["detail"] == {"role": "producer", "name": "maker", "sources": ["a"]}
    assert harness.instant(told[0]["time"]) == fresh.now
    # No secrets.
    assert token["token"] not in str(told) and "long enough" not in str(told)


def test_corrections_replays_and_dismissals_are_told(fresh):
    hour = fresh.now.replace(minute=0) - HOUR
    good, bad, worse = (record(guid(), hour, quantity=quantity) for quantity in ("1", "x", "y"))
    fresh.anybody.post_usage([good, bad, worse]).expect(200)
    before = len(entries(fresh))
    fresh.operator.request("POST", "/v1/corrections", body={"source": good["source"], "id": good["id"],
                                                            "action": "void", "reason": "a test"}).expect(200)
    fresh.operator.request("POST", "/v1/rejects/1/replay", body={"record": dict(bad, quantity="2")}).expect(200)
    fresh.operator.request("DELETE", "/v1/rejects/2").expect(200)
    told = entries(fresh)[before:]
    assert [(entry["action"], entry["subject"]) for entry in told] == [
        ("usage.correct", "records/%s/%s" % (good["source"], good["id"])),
        ("reject.replay", "rejects/1"), ("reject.dismiss", "rejects/2")]
    assert told[1]["detail"]["corrected"] is True


def test_an_import_of_history_is_told_once(fresh):
    before = len(entries(fresh))
    for n in range(3):
        old = record(guid(), fresh.now.replace(minute=0) - (50 + n) * HOUR)
        old["reportedTime"] = harness.iso(harness.instant(old["usageEndTime"]))
        fresh.operator.post_usage(old, query="?history=true").expect(200)
    assert actions(fresh, before) == [("history.import", "operator")]


def test_a_change_of_retention_is_told_at_the_next_start(fresh):
    before = len(entries(fresh))
    fresh.stop()
    fresh.start()
    assert len(entries(fresh)) == before
    fresh.stop()
    fresh.options["retention.hourly"] = "100d"
    fresh.start()
    entry, = entries(fresh)[before:]
    assert (entry["action"], entry["by"]) == ("retention.change", "command line")
    assert (entry["detail"]["daysBefore"]["hourly"], entry["detail"]["days"]["hourly"]) == (400, 100)


def test_commands_on_the_data_directory_are_told(fresh):
    before = len(entries(fresh))
    fresh.stop()
    harness.run("token", "create", "--role", "producer", "--source", "x", "--name", "made-here", "--data-dir",
                fresh.data_dir).expect(0)
    fresh.start()
    entry, = entries(fresh)[before:]
    assert (entry["action"], entry["by"], entry["detail"]["name"]) == ("token.create", "command line", "made-here")
    assert "requestId" not in entry


def test_who_may_read_it(empty):
    empty.anybody.get("/v1/audit").expect(403)
    empty.client(empty.tenant()["token"]).get("/v1/audit").expect(403)
    empty.operator.get("/v1/audit?limit=1001").expect(400, "InvalidProperty", "limit")
