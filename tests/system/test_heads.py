"""GET /v1/heads: signed heads of the journal, checked from outside by an ECDSA written from the standard."""
import base64
import calendar
import hashlib
import json

import pytest

from harness import DAY, HOUR, guid, instant, record
from p256 import B, P, verifies


def unpacked(text):
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


def nanoseconds(text):
    """Of "2026-01-31T13:00:00.123456789Z", exactly."""
    whole, _, decimals = text.rstrip("Z").partition(".")
    seconds = calendar.timegm(instant(whole + "Z").timetuple())
    return seconds * 10**9 + int(decimals.ljust(9, "0") if decimals else 0)


def message_of(head):
    """What is signed, from the exported text alone."""
    return (b"stampmeter-head-1" + int(head["sequence"]).to_bytes(8, "big") +
            (nanoseconds(head["endHour"]) // (3600 * 10**9)).to_bytes(4, "big") +
            nanoseconds(head["reportedTime"]).to_bytes(8, "big") + bytes.fromhex(head["hash"]))


def heads_of(stamp, query=""):
    return stamp.operator.get("/v1/heads" + query).expect(200).json["value"]


@pytest.fixture
def key(empty):
    jwk = empty.operator.get("/v1/heads/key").expect(200).json
    assert (jwk["kty"], jwk["crv"], jwk["alg"]) == ("EC", "P-256", "ES256")
    members = json.dumps({name: jwk[name] for name in ("crv", "kty", "x", "y")}, separators=(",", ":"), sort_keys=True)
    assert unpacked(jwk["kid"]) == hashlib.sha256(members.encode()).digest()  # RFC 7638
    x, y = (int.from_bytes(unpacked(jwk[name]), "big") for name in "xy")
    assert (y * y - x * x * x + 3 * x - B) % P == 0
    return jwk["kid"], (x, y)


def test_promise_7_each_hour_that_ends_has_a_head_signed_by_the_stores_key(empty, key):
    before = len(heads_of(empty))
    for hour in range(3):
        empty.anybody.accept(record(guid(), empty.now - 2 * HOUR))
        empty.advance("PT1H")
        head = heads_of(empty)[-1]
        assert instant(head["endHour"]) == empty.now.replace(minute=0, second=0, microsecond=0)
        assert len(heads_of(empty)) == before + hour + 1
    for head in heads_of(empty):
        assert head["keyId"] == key[0]
        assert verifies(key[1], message_of(head), unpacked(head["signature"]))
    changed = dict(head, sequence=str(int(head["sequence"]) + 1))
    assert not verifies(key[1], message_of(changed), unpacked(head["signature"]))


def test_days_without_usage_are_one_seal(empty):
    before = heads_of(empty)
    empty.advance("P3D")
    after = heads_of(empty)
    assert after[:len(before)] == before and len(after) == len(before) + 1
    status = empty.operator.get("/v1/status").expect(200).json["store"]
    assert instant(status["sealedUntil"]) == instant(after[-1]["endHour"])
    assert status["headSequence"] == int(after[-1]["sequence"])
    assert status["clockWentBack"] == 0


def test_pages(empty):
    for _ in range(3):
        empty.advance("PT1H")
    every = heads_of(empty)
    assert empty.operator.rows("/v1/heads?limit=2") == every
    assert heads_of(empty, "?after=%s" % every[-2]["sequence"]) == every[-1:]
    assert heads_of(empty, "?after=%s" % every[-1]["sequence"]) == []
    empty.operator.get("/v1/heads?after=x").expect(400, "InvalidProperty", "after")
    empty.operator.get("/v1/heads?limit=0").expect(400, "InvalidProperty", "limit")


def test_the_seal_is_in_the_feed_and_in_the_metrics(empty):
    empty.advance("PT1H")
    head = heads_of(empty)[-1]
    changes = empty.operator.get("/v1/changes?after=%d" % (int(head["sequence"]) - 1)).expect(200).json["value"]
    assert (changes[0]["kind"], changes[0]["sequence"]) == ("seal", head["sequence"])
    metrics = empty.operator.get("/metrics").expect(200).body.decode()
    assert "\nstampmeter_head_sequence %s\n" % head["sequence"] in metrics


def test_heads_and_key_stay_over_a_kill(fresh):
    fresh.anybody.accept(record(guid(), fresh.now - DAY))
    fresh.advance("PT2H")
    heads, key = heads_of(fresh), fresh.operator.get("/v1/heads/key").expect(200).json
    assert heads
    fresh.kill()
    fresh.start()
    assert heads_of(fresh)[:len(heads)] == heads
    assert fresh.operator.get("/v1/heads/key").expect(200).json == key
