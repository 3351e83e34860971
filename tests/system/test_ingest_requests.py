"""Requests of POST /v1/usage as a whole: those that fail store nothing, the same id at once is accepted once, and
usage of subscriptions that nobody knows is kept and shown as what it is.
"""
import gzip
import json
import re
import threading

import pytest

import harness
from harness import HOUR, guid, record

MIB = 1024 * 1024


def base(stamp):
    return stamp.now.replace(minute=0, second=0, microsecond=0) - HOUR


def records_of(stamp, count=3):
    own = guid()
    return own, [record(own, base(stamp)) for _ in range(count)]


def sequence(stamp):
    return int(stamp.anybody.post_usage([]).expect(200).json["sequence"])


def check_nothing_stored(stamp, own, records, before):
    """Neither counted nor claimed: afterwards the same records are new ones."""
    assert sequence(stamp) == before
    assert stamp.total(own) == (0, 0)
    stamp.anybody.accept(records)


# ---- Failures ----


MALFORMED = {
    "empty body": lambda body: b"",
    "only blanks": lambda body: b" \r\n ",
    "cut short": lambda body: body[:-5],
    "not closed": lambda body: body[:-1],
    "text behind it": lambda body: body + b" x",
    "two arrays": lambda body: body + body,
    "comma behind the last": lambda body: body[:-1] + b",]",
    "broken record": lambda body: body.replace(b'"location": "east"', b'"location": east', 1),
    "not UTF-8": lambda body: body.replace(b"east", b"e\xff\xfest", 1),
    "a number": lambda body: b"17",
    "a text": lambda body: b'"usage"',
    "lone surrogate": lambda body: body.replace(b"east", b"\\ud800", 1),
}


@pytest.mark.parametrize("what", MALFORMED)
def test_malformed_json_stores_nothing(empty, what):
    own, records = records_of(empty)
    before = sequence(empty)
    body = MALFORMED[what](json.dumps(records).encode())
    answer = empty.anybody.post_usage(body)
    if what in ("a number", "a text"):
        # A value that is JSON but no record: refused as a whole or as one rejected record, but never stored.
        assert answer.status == 400 or answer.json["rejected"] == 1, answer
    else:
        answer.expect(400, "InvalidRequestContent")
    check_nothing_stored(empty, own, records, before)


def test_deeply_nested_json_is_refused_not_fatal(empty):
    body = b'[{"id":' + b"[" * 50000 + b"]" * 50000 + b"}]"
    answer = empty.anybody.post_usage(body)
    assert answer.status == 400 or answer.json["rejected"] == 1, answer


@pytest.mark.parametrize("body", [b"no gzip at all", gzip.compress(b"[]")[:-6], gzip.compress(b"[]") + b"tail"],
                         ids=["not gzip", "cut", "tail"])
def test_broken_gzip_is_refused(empty, body):
    empty.anybody.post_usage(body, encoding="gzip").expect(400, "InvalidRequestContent")


@pytest.mark.parametrize("token, code", [
    (None, "AuthenticationFailed"), ("sm_" + "A" * 43, "InvalidAuthenticationToken"), ("x y", None), ("", None)],
    ids=["none", "unknown", "not a token", "empty"])
def test_without_a_valid_token_401_and_nothing_stored(empty, token, code):
    own, records = records_of(empty)
    before = sequence(empty)
    headers = {"Authorization": "Bearer " + token} if token is not None else {}
    answer = empty.anybody.post_usage(records, token=None, headers=headers).expect(401, code)
    assert answer.headers["WWW-Authenticate"].startswith("Bearer ")
    check_nothing_stored(empty, own, records, before)


def test_a_tenant_may_not_post(empty):
    own, records = records_of(empty)
    before = sequence(empty)
    empty.anybody.post_usage(records, token=empty.tenant()["token"]).expect(403, "AuthorizationFailed")
    check_nothing_stored(empty, own, records, before)


@pytest.mark.parametrize("media, encoding", [
    ("text/plain", None), (None, None), ("application/xml", None), ("application/json", "br"),
    ("application/json", "deflate"), ("application/jsonx", None)])
def test_unknown_media_types_and_encodings_415(empty, media, encoding):
    own, records = records_of(empty)
    before = sequence(empty)
    empty.anybody.post_usage(records, media=media, encoding=encoding).expect(415, "UnsupportedMediaType")
    check_nothing_stored(empty, own, records, before)


def padded(own, stamp, size):
    """Records as JSON of exactly this many bytes."""
    text = json.dumps([record(own, base(stamp))])
    return text[:-1].encode() + b" " * (size - len(text)) + b"]"


def test_a_body_of_16_mib_is_taken_and_no_byte_more(empty):
    own = guid()
    assert empty.anybody.post_usage(padded(own, empty, 16 * MIB)).expect(200).json["accepted"] == 1
    other = guid()
    before = sequence(empty)
    body = padded(other, empty, 16 * MIB + 1)
    with empty.tls_socket() as connection:
        # Refused by its announcement: nobody has to send it.
        connection.sendall(b"POST /v1/usage HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
                           b"Authorization: Bearer %s\r\nContent-Length: %d\r\n\r\n" %
                           (empty.producer("*").encode(), len(body)))
        assert connection.recv(4096).startswith(b"HTTP/1.1 413 ")
    assert sequence(empty) == before and empty.total(other) == (0, 0)


def test_a_body_that_grows_beyond_16_mib_when_unpacked_413(empty):
    own = guid()
    before = sequence(empty)
    packed = gzip.compress(padded(own, empty, 17 * MIB))
    assert len(packed) < MIB
    empty.anybody.post_usage(packed, encoding="gzip").expect(413, "RequestEntityTooLarge")
    assert sequence(empty) == before and empty.total(own) == (0, 0)


def at_once(stamp, bodies):
    """Posts all bodies at the same moment, each on a connection of its own; the answers' bytes, in order."""
    head = ("POST /v1/usage?results=none HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Type: application/json\r\n"
            "Authorization: Bearer %s\r\nContent-Length: %%d\r\n\r\n" % stamp.producer("*"))
    connections = [stamp.tls_socket() for _ in bodies]
    for connection, body in zip(connections, bodies):
        connection.sendall((head % len(body)).encode() + body[:-1])
    for connection, body in zip(connections, bodies):
        connection.sendall(body[-1:])
    answers = []
    for connection in connections:
        with connection:
            parts = []
            while part := connection.recv(65536):
                parts.append(part)
            answers.append(b"".join(parts))
    return answers


def test_a_full_queue_answers_429_and_stores_nothing_of_that_request(tmp_path):
    """Much at once against the shortest queue there is; who is told to come back does, and everything counts once."""
    posters, batch, rounds_max = 32, 1000, 50
    with harness.Stamp(tmp_path, options={"store.queue_records_max": 1024}) as stamp:
        own, turned_away, posted = guid(), 0, 0
        for _ in range(rounds_max):
            bodies = [json.dumps([record(own, base(stamp)) for _ in range(batch)]).encode() for _ in range(posters)]
            for body, answer in zip(bodies, at_once(stamp, bodies)):
                posted += batch
                if answer.startswith(b"HTTP/1.1 429 "):
                    turned_away += 1
                    assert b'"TooManyRequests"' in answer, answer
                    assert re.search(rb"\r\nretry-after: [1-9]", answer.lower()), answer
                    # Everything of it is new: nothing had been stored.
                    stamp.anybody.accept(json.loads(body))
                else:
                    assert answer.startswith(b"HTTP/1.1 200 ") and b'"accepted":%d,' % batch in answer, answer
            assert stamp.total(own) == (posted, posted)
            if turned_away:
                return
        raise AssertionError("the queue was never full: %d records, %d at once" % (posted, posters * batch))


# ---- At the same moment ----


def test_the_same_id_posted_twice_at_once_is_accepted_once(empty):
    own, rounds = guid(), 40
    records = [record(own, base(empty)) for _ in range(rounds)]
    verdicts = [[None, None] for _ in range(rounds)]
    barrier = threading.Barrier(2, timeout=harness.WAIT_S)

    def post(side):
        with empty.client(empty.producer("*")) as client:
            client.post_usage([])  # the handshake is over before it begins
            for number in range(rounds):
                barrier.wait()
                verdicts[number][side] = client.verdict_of(records[number])["verdict"]
    threads = [threading.Thread(target=post, args=(side,)) for side in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [sorted(map(str, pair)) for pair in verdicts] == [["accepted", "duplicate"]] * rounds
    assert empty.total(own) == (rounds, rounds)


def test_the_same_id_with_other_content_at_once_leaves_one_and_a_conflict(empty):
    own, rounds = guid(), 20
    ids = [guid() for _ in range(rounds)]
    verdicts = [[None, None] for _ in range(rounds)]
    barrier = threading.Barrier(2, timeout=harness.WAIT_S)

    def post(side):
        with empty.client(empty.producer("*")) as client:
            client.post_usage([])
            for number in range(rounds):
                one = record(own, base(empty), id=ids[number], quantity=str(side + 1))
                barrier.wait()
                verdicts[number][side] = client.verdict_of(one)["verdict"]
    threads = [threading.Thread(target=post, args=(side,)) for side in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [sorted(map(str, pair)) for pair in verdicts] == [["accepted", "conflict"]] * rounds
    winners = sum(pair.index("accepted") + 1 for pair in verdicts)
    assert empty.total(own) == (winners, rounds)


def test_many_producers_share_commits_and_lose_nothing(empty):
    own, threads_count, batches, size = guid(), 8, 20, 25
    failures = []

    def post(number):
        try:
            with empty.client(empty.producer("*")) as client:
                for _ in range(batches):
                    name = harness.resource(own, "vm%d" % number)
                    client.accept([record(own, base(empty), resourceUri=name, quantity="0.1") for _ in range(size)])
        except BaseException as error:  # noqa: B902 - shown by the test itself
            failures.append(error)
    threads = [threading.Thread(target=post, args=(number,)) for number in range(threads_count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failures, failures
    count = threads_count * batches * size
    assert empty.total(own) == (harness.exact(count) / 10, count)


# ---- Subscriptions that nobody has described ----


def state_of(stamp, own):
    return stamp.operator.get("/v1/subscriptions/" + own).expect(200).json["state"]


def test_usage_of_an_unknown_subscription_is_accepted_and_shown_as_unknown(empty):
    own = guid()
    empty.operator.get("/v1/subscriptions/" + own).expect(404)
    empty.anybody.accept(record(own, base(empty), quantity="3.5"))
    assert state_of(empty, own) == "Unknown"
    listed = [one for one in empty.operator.rows("/v1/subscriptions") if one["subscriptionId"] == own]
    assert [one["state"] for one in listed] == ["Unknown"]
    # It belongs to the operator until somebody says whose it is.
    window = empty.close_hour()
    row, = empty.usage(own, window)
    assert row["properties"]["quantity"] == harness.exact("3.5")
    whole = empty.operator.rows(harness.operator_target(empty.operator_subscription, *window))
    assert own in [one["properties"]["subscriptionId"] for one in whole]


def test_a_subscription_is_described_then_deleted_and_its_usage_stays(empty):
    own = guid()
    empty.anybody.accept(record(own, base(empty)))
    window = empty.close_hour()
    described = {"tenantId": guid(), "displayName": "Späti & Söhne", "owner": "it@spaeti.example", "offerId": "gold"}
    answer = empty.operator.request("PUT", "/v1/subscriptions/" + own, body=described)
    assert answer.status in (200, 201), answer
    shown = empty.operator.get("/v1/subscriptions/" + own).expect(200).json
    assert {name: shown[name] for name in described} == described and shown["state"] == "Enabled"
    answer = empty.operator.request("DELETE", "/v1/subscriptions/" + own)
    assert answer.status in (200, 204), answer
    assert state_of(empty, own) == "Deleted"
    assert len(empty.usage(own, window)) == 1
    # Late usage is taken, too.
    empty.anybody.accept(record(own, base(empty) - HOUR))
    assert empty.total(own) == (2, 2)
