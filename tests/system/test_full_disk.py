"""A full disk or a full map: 503 InsufficientStorage with Retry-After, reads go on, and with more space nothing that
was acknowledged is missing and what was refused is taken.
"""
import os
import subprocess

import pytest

import harness
from harness import guid, record

BATCH = 500
BATCHES_MAX = 4000
REFUSALS = 3


def batch_of(stamp, own, number):
    return [record(own, stamp.now - 2 * harness.HOUR, id="%d-%d" % (number, n), quantity="0.001",
                   resourceUri=harness.resource(own, "disk-%d-%d" % (number, n)), additionalInfo={"filler": "x" * 300})
            for n in range(BATCH)]


def post_until_full(stamp, own):
    """([batches acknowledged], the batch that was refused). A refusal may free pages that let a second try in, so full
    means refused several times over."""
    acknowledged, refusals = [], 0
    while len(acknowledged) < BATCHES_MAX:
        records = batch_of(stamp, own, len(acknowledged))
        answer = stamp.anybody.post_usage(records, query="?results=none")
        if answer.status == 503:
            answer.expect(503, "InsufficientStorage")
            assert int(answer.headers["Retry-After"]) >= 1
            refusals += 1
            if refusals == REFUSALS:
                return acknowledged, records
        else:
            assert answer.expect(200).json["accepted"] == BATCH
            acknowledged.append(records)
            refusals = 0
    raise AssertionError("%d batches of %d records fit" % (BATCHES_MAX, BATCH))


def expected(batches):
    return harness.exact(len(batches) * BATCH) / 1000, len(batches) * BATCH


def check_reads_go_on(stamp, own, batches):
    assert stamp.total(own) == expected(batches)
    stamp.operator.get("/healthz").expect(200)
    stamp.operator.rows("/v1/subscriptions")
    ended = stamp.now.replace(minute=0, second=0, microsecond=0)
    stamp.operator.get(harness.operator_target(stamp.operator_subscription, ended - harness.HOUR, ended)).expect(200)


def check_everything_is_there(stamp, own, batches, refused):
    for records in batches:
        answer = stamp.anybody.post_usage(records, query="?results=none").expect(200).json
        assert answer["duplicate"] == BATCH, "acknowledged records are missing: %r" % answer
    # The refused batch claimed nothing: its records are new ones.
    assert stamp.anybody.post_usage(refused, query="?results=none").expect(200).json["accepted"] == BATCH
    assert stamp.total(own) == expected(batches + [refused])


@pytest.fixture
def disk(tmp_path):
    """A folder on a disk of 12 MB."""
    folder = tmp_path / "disk"
    os.makedirs(folder)
    mount = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=12m,mode=700", "stampmeter-test", str(folder)],
                           stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False)
    if mount.returncode != 0:
        pytest.skip("a small disk cannot be mounted here: %s" % mount.stdout.decode(errors="replace").strip())
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


def make_room(disk):
    subprocess.run(["mount", "-o", "remount,size=64m", str(disk)], check=True)


def test_a_full_disk(disk, tmp_path):
    own = guid()
    with harness.Stamp(tmp_path / "stamp", data_dir=disk / "data") as stamp:
        batches, refused = post_until_full(stamp, own)
        assert batches
        check_reads_go_on(stamp, own, batches)
        # Killed, not stopped: what was acknowledged is there all the same.
        stamp.kill()
        make_room(disk)
        stamp.start()
        check_everything_is_there(stamp, own, batches, refused)


def test_a_disk_that_has_room_again_needs_no_restart(disk, tmp_path):
    own = guid()
    with harness.Stamp(tmp_path / "stamp", data_dir=disk / "data") as stamp:
        batches, refused = post_until_full(stamp, own)
        make_room(disk)
        check_everything_is_there(stamp, own, batches, refused)


def test_a_full_map(tmp_path):
    own = guid()
    with harness.Stamp(tmp_path, options={"store.map_size": "16MiB", "store.map_size_max": "16MiB"}) as stamp:
        batches, refused = post_until_full(stamp, own)
        assert batches
        check_reads_go_on(stamp, own, batches)
        stamp.stop()
        stamp.options["store.map_size_max"] = "256MiB"
        stamp.start()
        check_everything_is_there(stamp, own, batches, refused)
