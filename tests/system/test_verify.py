"""`stampmeter verify` and `rebuild` on the real binary: proofs of sound stores, findings in damaged ones, and a rebuild
that is killed at any moment leaves a store that works."""
import json
import os
import random
import shutil
import signal
import subprocess
import time

import pytest

import harness
from harness import HOUR, guid, record, run

PAGE = 4096


def remote(stamp, tmp_path):
    token = tmp_path / "token"
    token.write_text(stamp.ready["operator"]["token"])
    return ["--url", stamp.url, "--ca", stamp.ca_file, "--token-file", str(token)]


def verify(*arguments, code=0):
    return json.loads(run("verify", "--json", *arguments).expect(code).out)


@pytest.fixture
def filled(tmp_path):
    """A stopped data directory with some hours of usage, late records, corrections and seals, and its newest heads."""
    with harness.Stamp(tmp_path / "stamp") as stamp:
        own, now = guid(), harness.START
        for hour in range(4):
            records = [record(own, now - (2 + n % 30) * HOUR, hours=1 + n % 3, id="r-%d-%d" % (hour, n),
                              resourceUri=harness.resource(own, "vm%d" % (n % 7)), quantity="%d.25" % n)
                       for n in range(60)]
            stamp.anybody.accept(records)
            stamp.operator.request("POST", "/v1/corrections", body={
                "source": harness.COMPUTE, "id": "r-%d-3" % hour, "action": "amend", "quantity": "7",
                "reason": "test"}).expect(200)
            stamp.advance("PT1H")
        heads = stamp.operator.get("/v1/heads?limit=1000").expect(200).json["value"]
        answer = verify(*remote(stamp, tmp_path))
        assert answer["integrity"] == {"answer": "proven", "findings": []}
        assert answer["completeness"] == {"answer": "proven", "findings": []}
        assert answer["records"] == 240 and answer["corrections"] == 4, answer
        assert answer["signedHeads"] == len(heads) > 0
        data_dir = stamp.data_dir
    (tmp_path / "heads").write_text("".join(json.dumps(head, separators=(",", ":")) + "\n" for head in heads))
    return data_dir


def test_promise_5_verify_proves_a_store_running_and_stopped(filled, tmp_path):
    answer = verify("--data-dir", filled, "--heads", tmp_path / "heads")
    assert answer["integrity"]["answer"] == answer["completeness"]["answer"] == "proven"
    assert answer["hourlyRows"] > 0 and answer["dedupeRows"] == answer["records"] == 240
    shown = run("verify", "--data-dir", filled).expect(0).out
    assert "nothing that is stored has been changed" in shown and "nothing else" in shown


def test_promise_7_a_journal_cut_back_is_noticed_against_heads_kept_elsewhere(filled, tmp_path):
    other = tmp_path / "cut"
    run("backup", tmp_path / "copy", "--data-dir", filled).expect(0)
    heads = [json.loads(line) for line in (tmp_path / "heads").read_text().splitlines()]
    run("restore", tmp_path / "copy", "--data-dir", other, "--to-sequence", heads[-2]["sequence"]).expect(0)
    assert verify("--data-dir", other)["integrity"]["answer"] == "proven"  # nothing in itself is wrong
    answer = verify("--data-dir", other, "--heads", tmp_path / "heads", code=1)
    assert [found["part"] for found in answer["integrity"]["findings"]] == ["exportedHeads"]
    assert heads[-1]["sequence"] in answer["integrity"]["findings"][0]["message"]


def code_with_flip(data_dir, at, bit):
    """What verify ends with while that one bit of the data file is another."""
    with open(os.path.join(data_dir, "data.mdb"), "r+b") as file:
        def put(byte):
            file.seek(at)
            file.write(bytes([byte]))
            file.flush()
        file.seek(at)
        before = file.read(1)[0]
        put(before ^ 1 << bit)
        try:
            return run("verify", "--data-dir", data_dir, "--json").code
        finally:
            put(before)


def test_a_flipped_byte_in_a_used_page_is_noticed(filled):
    seed = random.SystemRandom().randrange(2**32)
    chance = random.Random(seed)
    print("seed=%d" % seed)
    # Compacted, no page is free. Then each page's first byte counts: it belongs to the page's number or, inside of a
    # large value, to that value, because a value's last page holds at least one byte of it.
    run("compact", "--data-dir", filled).expect(0)
    size = os.path.getsize(os.path.join(filled, "data.mdb"))
    assert size % PAGE == 0 and size >= 20 * PAGE
    for at in range(0, size, PAGE):
        assert code_with_flip(filled, at, chance.randrange(8)) in (1, 3), "page %d" % (at // PAGE)
    # Anywhere else it may be a byte that is not in use, but verify ends in order.
    for _ in range(40):
        at = chance.randrange(size)
        assert code_with_flip(filled, at, chance.randrange(8)) in (0, 1, 3), "byte %d" % at
    verify("--data-dir", filled)


def test_a_cut_file_is_refused_by_every_command(filled, tmp_path):
    path = os.path.join(filled, "data.mdb")
    for size in (os.path.getsize(path) // 2, 5000, 0):
        os.truncate(path, size)
        for command in ("verify", "doctor", "rebuild", "compact", "stat"):
            result = run(command, "--data-dir", filled)
            assert result.code in (1, 3), result
        result = run("serve", "--data-dir", filled, "--listen", "127.0.0.1:0").expect(3)
        assert "restore a backup" in result.err, result
        assert os.path.getsize(path) == size, "a refused file was written to"


def rows_of(data_dir, tmp_path, name):
    """What a server on that directory lists."""
    with harness.Stamp(tmp_path / name, data_dir=data_dir) as stamp:
        start, end = harness.START - 60 * HOUR, harness.START + 60 * HOUR
        return [stamp.operator.rows(harness.summary_target(start, end, granularity=granularity, groupBy=
                                                           "subscription,meter,resource"))
                for granularity in ("hourly", "daily")]


def test_promise_5_rebuild_gives_the_same_lists(filled, tmp_path):
    before = verify("--data-dir", filled)
    listed = rows_of(filled, tmp_path, "before")
    told = json.loads(run("rebuild", "--data-dir", filled, "--json").expect(0).out)
    assert told["records"] == before["records"] and told["corrections"] == before["corrections"]
    assert os.path.exists(os.path.join(filled, "data.mdb.before-rebuild"))
    assert rows_of(filled, tmp_path, "after") == listed
    after = verify("--data-dir", filled, "--heads", tmp_path / "heads")
    assert after["quantity"] == before["quantity"] and after["hourlyRows"] == before["hourlyRows"]


def test_promise_9_a_rebuild_killed_at_any_moment_leaves_a_store_that_works(tmp_path):
    """The demo's history makes the rebuild long enough to be hit."""
    with harness.Stamp(tmp_path / "stamp", empty=False) as stamp:
        data_dir = stamp.data_dir
    before = verify("--data-dir", data_dir)
    start = time.monotonic()
    run("rebuild", "--data-dir", data_dir).expect(0)
    whole_s = time.monotonic() - start
    chance, killed = random.Random(7), 0
    for _ in range(8):
        command = [harness.BINARY, "rebuild", "--data-dir", data_dir]
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                                   stderr=subprocess.DEVNULL, env=harness.environment())
        try:
            process.wait(chance.uniform(0, whole_s))
        except subprocess.TimeoutExpired:
            process.kill()
            killed += process.wait() == -signal.SIGKILL
        after = verify("--data-dir", data_dir)
        assert after["quantity"] == before["quantity"] and after["records"] == before["records"]
    assert killed > 0
    run("rebuild", "--data-dir", data_dir).expect(0)
    assert not os.path.exists(os.path.join(data_dir, "data.rebuild"))
    verify("--data-dir", data_dir)


def test_who_may_ask_and_one_at_a_time(fresh, tmp_path):
    tenant = fresh.ready["tenants"][0]["token"]
    for target in ("/v1/verify", "/v1/backups"):
        fresh.operator.request("POST", target, body={}, token=tenant).expect(403, "AuthorizationFailed")
    for target in ("/v1/stat", "/v1/doctor"):
        fresh.operator.request("GET", target, token=tenant).expect(403, "AuthorizationFailed")
    fresh.operator.request("POST", "/v1/verify", body={"heads": 7}).expect(400, "InvalidProperty", "heads")
    for folder in ("", "relative", 7):
        fresh.operator.request("POST", "/v1/backups", body={"folder": folder}).expect(
            400, "InvalidProperty", "folder")


def test_usage_is_wrong_or_nothing_is_there(tmp_path):
    run("verify", "--nonsense").expect(2)
    run("rebuild", "extra").expect(2)
    assert "there is no store" in run("verify", "--data-dir", tmp_path / "none").expect(3).one_line()
    assert "there is no store" in run("rebuild", "--data-dir", tmp_path / "none").expect(3).one_line()
    for command in ("verify", "rebuild", "backup", "restore", "compact", "stat", "doctor"):
        assert "Usage" in run(command, "--help").expect(0).out
    shutil.rmtree(tmp_path / "none", ignore_errors=True)


def test_a_running_server_keeps_its_directory_to_itself(fresh):
    for command in (["verify"], ["rebuild"], ["compact"], ["backup", "/tmp/never-made"], ["stat"]):
        line = run(*command, "--data-dir", fresh.data_dir).expect(3).one_line()
        assert "in use by a running server" in line, line
