"""`stampmeter backup` of a running server, `restore` of all of it or up to a point in time, `compact`."""
import json
import os
import stat
import threading

import harness
from harness import HOUR, guid, iso, record, run


def remote(stamp, tmp_path):
    token = tmp_path / "token"
    token.write_text(stamp.ready["operator"]["token"])
    return ["--url", stamp.url, "--ca", stamp.ca_file, "--token-file", str(token)]


def proven(data_dir):
    answer = json.loads(run("verify", "--data-dir", data_dir, "--json").expect(0).out)
    assert answer["integrity"]["answer"] == answer["completeness"]["answer"] == "proven", answer
    return answer


def some(own, count, name):
    return [record(own, harness.START - (2 + n % 20) * HOUR, id="%s-%d" % (name, n), quantity="1.5",
                   resourceUri=harness.resource(own, "vm%d" % (n % 5))) for n in range(count)]


def test_promise_9_a_hot_backup_restores_what_was_acknowledged_before_it(fresh, tmp_path):
    own = guid()
    known = some(own, 50, "before")
    fresh.anybody.accept(known)
    told = json.loads(run("backup", tmp_path / "copy", "--json", *remote(fresh, tmp_path)).expect(0).out)
    fresh.anybody.accept(some(own, 30, "after"))
    assert {file["name"] for file in told["files"]} >= {"data.mdb", "tls/certificate.pem", "tls/key.pem"}
    assert stat.S_IMODE(os.stat(tmp_path / "copy").st_mode) == 0o700
    assert stat.S_IMODE(os.stat(tmp_path / "copy" / "tls" / "key.pem").st_mode) == 0o600
    audit = fresh.operator.get("/v1/audit?limit=1000").expect(200).json["value"]
    assert any(entry["action"] == "store.backup" for entry in audit), audit

    run("restore", tmp_path / "copy", "--data-dir", tmp_path / "restored").expect(0)
    answer = proven(tmp_path / "restored")
    assert answer["records"] == 50 and answer["restoredAtSequences"] == [answer["lastSequence"]], answer
    with harness.Stamp(tmp_path / "again", data_dir=tmp_path / "restored") as again:
        # The same keys and tokens, and nothing is counted twice.
        verdicts = again.anybody.post_usage(known).expect(200).json
        assert verdicts["duplicate"] == 50 and verdicts["accepted"] == 0, verdicts
        audit = again.operator.get("/v1/audit?limit=1000").expect(200).json["value"]
        assert any(entry["action"] == "store.restore" for entry in audit), audit


def test_restore_to_a_time_and_to_a_sequence(fresh, tmp_path):
    own = guid()
    fresh.anybody.accept(some(own, 20, "one"))
    fresh.advance("PT1H")
    then = harness.START + HOUR
    sequence = int(fresh.anybody.post_usage(some(own, 10, "two")).expect(200).json["sequence"])
    fresh.advance("PT2H")
    fresh.anybody.accept(some(own, 40, "three"))
    run("backup", tmp_path / "copy", *remote(fresh, tmp_path)).expect(0)
    for number, (flags, records) in enumerate([(["--to-time", iso(then + HOUR / 2)], 30),
                                               (["--to-sequence", sequence], 30),
                                               (["--to-time", iso(then - HOUR / 2)], 20), ([], 70)]):
        folder = tmp_path / ("restored-%d" % number)
        told = json.loads(run("restore", tmp_path / "copy", "--data-dir", folder, "--json", *flags).expect(0).out)
        assert told["cut"] == (records != 70)
        assert proven(folder)["records"] == records


def test_restored_to_a_time_subscriptions_are_as_of_the_backup_and_the_next_change_is_the_newest(fresh, tmp_path):
    """Also in a demo, whose clock goes on from where the store ends."""
    assert "as of the backup" in " ".join(run("restore", "--help").expect(0).out.split())
    own, tenants = guid(), [guid(), guid(), guid()]

    def describe(stamp, tenant):
        stamp.operator.request("PUT", "/v1/subscriptions/" + own, body={"displayName": "x", "tenantId": tenant})

    describe(fresh, tenants[0])
    fresh.anybody.accept(some(own, 5, "one"))
    fresh.advance("PT2H")
    fresh.anybody.accept(some(own, 5, "two"))
    describe(fresh, tenants[1])
    run("backup", tmp_path / "copy", *remote(fresh, tmp_path)).expect(0)
    run("restore", tmp_path / "copy", "--data-dir", tmp_path / "restored", "--to-time", iso(harness.START + HOUR)).expect(0)
    assert proven(tmp_path / "restored")["records"] == 5
    with harness.Stamp(tmp_path / "again", data_dir=tmp_path / "restored") as again:
        describe(again, tenants[2])
        history = again.operator.rows("/v1/subscriptions/%s/history" % own)
        assert [change["tenantId"] for change in history] == tenants
        times = [change["recordedTime"] for change in history]
        assert times == sorted(times) and times[1] > times[0]


def test_a_backup_while_usage_is_posted_stops_nobody(fresh, tmp_path):
    own, stop, accepted = guid(), threading.Event(), []
    producer = fresh.client(fresh.producer("*"))

    def post():
        while not stop.is_set():
            accepted.append(producer.post_usage(some(own, 20, "busy-%d" % len(accepted))).expect(200).json["accepted"])

    thread = threading.Thread(target=post)
    thread.start()
    try:
        for number in range(3):
            before = len(accepted)
            run("backup", tmp_path / ("copy-%d" % number), *remote(fresh, tmp_path)).expect(0)
            harness.until(lambda: len(accepted) > before, "a batch beside the backup")
    finally:
        stop.set()
        thread.join()
    for number in range(3):
        run("restore", tmp_path / ("copy-%d" % number), "--data-dir", tmp_path / ("r-%d" % number)).expect(0)
        assert proven(tmp_path / ("r-%d" % number))["records"] % 20 == 0


def test_what_is_not_a_backup_or_not_empty_is_refused(fresh, tmp_path):
    run("backup", tmp_path / "copy", *remote(fresh, tmp_path)).expect(0)
    assert "not empty" in run("backup", tmp_path / "copy", *remote(fresh, tmp_path)).expect(3).err
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "file").write_text("x")
    assert "not empty" in run("restore", tmp_path / "copy", "--data-dir", tmp_path / "full").expect(3).one_line()
    assert "manifest" in run("restore", tmp_path / "full", "--data-dir", tmp_path / "new").expect(3).one_line()
    with open(tmp_path / "copy" / "data.mdb", "r+b") as file:
        file.seek(20000)
        byte = file.read(1)
        file.seek(20000)
        file.write(bytes([byte[0] ^ 1]))
    run("restore", tmp_path / "copy", "--data-dir", tmp_path / "new").expect(1)
    assert not (tmp_path / "new" / "data.mdb").exists()
    run("restore", tmp_path / "copy", "--to-time", "soon", "--data-dir", tmp_path / "new").expect(2)


def test_backup_and_compact_of_a_stopped_directory(fresh, tmp_path):
    own = guid()
    fresh.anybody.accept(some(own, 500, "many"))
    fresh.stop()
    run("backup", tmp_path / "copy", "--data-dir", fresh.data_dir).expect(0)
    before = proven(fresh.data_dir)
    told = json.loads(run("compact", "--data-dir", fresh.data_dir, "--json").expect(0).out)
    assert told["sizeBytesAfter"] <= told["sizeBytesBefore"]
    after = proven(fresh.data_dir)
    assert after["quantity"] == before["quantity"] and after["freePages"] == 0
    assert not os.path.exists(os.path.join(fresh.data_dir, "data.mdb.before-rebuild"))
    shown = json.loads(run("stat", "--data-dir", fresh.data_dir, "--json").expect(0).out)
    assert shown["records"] == before["records"] and shown["bytesPerRecord"] > 0
    assert sum(table["sizeBytes"] for table in shown["tables"]) <= shown["fileSizeBytes"]
