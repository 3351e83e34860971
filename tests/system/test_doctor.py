"""`stampmeter doctor`: each fault that is put in is named, with what to do; a sound directory gets a clean bill."""
import json
import os

import harness
from harness import HOUR, guid, record, run


def findings(*arguments, code):
    told = json.loads(run("doctor", "--json", *arguments).expect(code).out)
    assert told["healthy"] == (code == 0)
    for finding in told["findings"]:
        assert len(finding["message"]) > 10
        assert ("remedy" in finding) == (finding["state"] != "ok"), finding
    return {finding["check"]: finding for finding in told["findings"]}


def remote(stamp, tmp_path):
    token = tmp_path / "token"
    token.write_text(stamp.ready["operator"]["token"])
    return ["--url", stamp.url, "--ca", stamp.ca_file, "--token-file", str(token)]


def test_a_new_directory_is_healthy(tmp_path):
    run("init", "--data-dir", tmp_path / "data").expect(0)
    found = findings("--data-dir", tmp_path / "data", code=0)
    assert {"disk", "file", "certificate", "map", "producers", "rejects"} <= set(found)
    assert "All is well" in run("doctor", "--data-dir", tmp_path / "data").expect(0).out


def test_nothing_there(tmp_path):
    assert findings("--data-dir", tmp_path / "none", code=1)["file"]["state"] == "problem"


def test_a_running_server_tells_of_rejects(fresh, tmp_path):
    findings(*remote(fresh, tmp_path), code=0)
    fresh.anybody.post_usage([record(guid(), harness.START - 5 * HOUR, quantity="-1")]).expect(200)
    found = findings(*remote(fresh, tmp_path), code=1)
    assert found["rejects"]["state"] == "attention" and "1 refused" in found["rejects"]["message"]
    # From outside, beside the server, it says whom to ask.
    assert "--url" in findings("--data-dir", fresh.data_dir, code=0)["lock"]["message"]


def test_silent_producers_are_named(stamp, tmp_path):
    found = findings(*remote(stamp, tmp_path), code=1)
    assert found["producers"]["state"] == "attention"


def test_a_clock_that_was_set_back(tmp_path):
    """A store whose last report lies in the future of this machine's clock."""
    start = harness.datetime.datetime.now(harness.datetime.timezone.utc).replace(microsecond=0) + 50 * HOUR
    with harness.Stamp(tmp_path / "stamp", start=start) as stamp:
        stamp.anybody.accept([record(guid(), start - 2 * HOUR)])
        data_dir = stamp.data_dir
    found = findings("--data-dir", data_dir, code=1)
    assert found["clock"]["state"] == "problem" and "behind" in found["clock"]["message"]


def test_permissions_leftovers_and_damage(fresh):
    fresh.anybody.accept([record(guid(), harness.START - 5 * HOUR)])
    fresh.stop()
    run("rebuild", "--data-dir", fresh.data_dir).expect(0)
    assert "data.mdb.before-rebuild" in findings("--data-dir", fresh.data_dir, code=1)["leftovers"]["message"]
    os.remove(os.path.join(fresh.data_dir, "data.mdb.before-rebuild"))
    os.chmod(fresh.data_dir, 0o755)
    os.chmod(os.path.join(fresh.data_dir, "data.mdb"), 0o644)
    assert findings("--data-dir", fresh.data_dir, code=1)["permissions"]["state"] == "problem"
    os.chmod(fresh.data_dir, 0o700)
    with open(os.path.join(fresh.data_dir, "data.mdb"), "r+b") as file:
        file.seek(3 * 4096)
        file.write(b"\x5a" * 4096 * 20)
    found = findings("--data-dir", fresh.data_dir, code=1)
    assert found["file"]["state"] == "problem" and "rebuild" in found["file"]["remedy"]


def test_a_certificate_that_ends(tmp_path):
    run("init", "--data-dir", tmp_path / "data").expect(0)
    (tmp_path / "data" / "tls" / "certificate.pem").write_text("no certificate")
    assert findings("--data-dir", tmp_path / "data", code=1)["certificate"]["state"] == "problem"
