"""kill -9 under load: no acknowledged record is missing, none is counted twice.

Each round several threads post batches with ids that they know, the server is killed at a random moment, and started
again on the same data. Then everything that was sent is posted once more: what had been acknowledged must be known,
what had not may be either, and the sums by every reader must be exactly those of the records, each once. The seed
is printed; STAMPMETER_CRASH_SEED repeats the moments and the batches, as far as the machine's timing allows.
"""
import datetime
import http.client
import os
import random
import threading

import harness
from harness import HOUR, exact_sum, guid, iso, record, run

ROUNDS, ROUNDS_LONG = 20, 200
POSTERS = 4
LIFE_S = (0.02, 0.6)
LONG_AGO = datetime.datetime(2020, 1, 1, tzinfo=datetime.timezone.utc)
METERS = ["FAB6EB84-500B-4A09-A8CA-7358F8BBAEA5", "9CD92D4C-BAFD-4492-B278-BEDC2DE8232A"]


class Poster(threading.Thread):
    """Posts batches until the server is gone; remembers what was sent and what was acknowledged."""

    def __init__(self, server, token, own, now, seed, name):
        super().__init__()
        self.client, self.own, self.now = server.client(token), own, now
        self.random, self.prefix = random.Random(seed), name
        self.sent, self.acknowledged, self.failure = [], set(), None

    def batch(self):
        start = self.now - self.random.randrange(20, 80) * HOUR
        return [record(self.own, start, id="%s-%d-%d" % (self.prefix, len(self.sent), n),
                       # Some over several hours, so that one record is several rows.
                       usageEndTime=iso(start + self.random.choice([1, 1, 1, 5, 30]) * HOUR / 2),
                       meterId=self.random.choice(METERS), quantity="0.%06d" % self.random.randrange(1, 10**6),
                       resourceUri=harness.resource(self.own, "vm%d" % self.random.randrange(50)))
                for n in range(self.random.choice([1, 10, 100, 300]))]

    def run(self):
        try:
            while True:
                records = self.batch()
                self.sent.append(records)
                answer = self.client.post_usage(records, query="?results=none").expect(200).json
                assert answer["accepted"] == len(records), answer
                self.acknowledged.add(len(self.sent) - 1)
        except (OSError, http.client.HTTPException):
            pass  # the kill
        except BaseException as error:  # noqa: B902 - shown by the test itself
            self.failure = error
        finally:
            self.client.close()


def sums(client, own, **more):
    target = harness.summary_target(LONG_AGO, LONG_AGO + 6000 * harness.DAY,
                                    filter="subscriptionId eq '%s'" % own, **more)
    rows = client.rows(target)
    return exact_sum(row["quantity"] for row in rows), sum(row["records"] for row in rows)


def check_round(client, posters):
    """Posts everything again; the records, which are now all there."""
    everything = []
    for poster in posters:
        assert poster.failure is None, poster.failure
        for number, records in enumerate(poster.sent):
            answer = client.post_usage(records, query="?results=all").expect(200).json
            verdicts = {entry["verdict"] for entry in answer["results"]}
            if number in poster.acknowledged:
                assert verdicts == {"duplicate"}, "a record of batch %d of %s is missing" % (number, poster.prefix)
            else:
                # A request is one transaction: all of it or nothing.
                assert verdicts in ({"accepted"}, {"duplicate"}), verdicts
            everything += records
    return everything


def test_kill_9_under_load_loses_nothing_and_counts_nothing_twice(initialised, tmp_path, long_tier, figure):
    seed = int(os.environ.get("STAMPMETER_CRASH_SEED") or random.SystemRandom().randrange(2**32))
    chance = random.Random(seed)
    rounds = ROUNDS_LONG if long_tier else ROUNDS
    print("STAMPMETER_CRASH_SEED=%d" % seed)
    data_dir, _ = initialised
    made = run("token", "create", "--role", "producer", "--source", "*", "--data-dir", data_dir, "--json").expect(0)
    token = harness.json.loads(made.out)["token"]
    operator = (data_dir / "operator.token").read_text().strip()
    now = datetime.datetime.now(datetime.timezone.utc).replace(minute=0, second=0, microsecond=0)

    total, count, killed_early = harness.exact(0), 0, 0
    own = guid()
    server = harness.Server(tmp_path / "serve", data_dir=data_dir)
    with server:
        for number in range(rounds):
            posters = [Poster(server, token, own, now, chance.randrange(2**32), "%d-%d" % (number, n))
                       for n in range(POSTERS)]
            for poster in posters:
                poster.start()
            killer = threading.Timer(chance.uniform(*LIFE_S), server.process.kill)
            killer.start()
            for poster in posters:
                poster.join()
            server.kill()
            killed_early += sum(len(poster.sent) - len(poster.acknowledged) for poster in posters)
            server.start()
            with server.client(token) as producer, server.client(operator) as reader:
                records = check_round(producer, posters)
                total, count = exact_sum([total, *(one["quantity"] for one in records)]), count + len(records)
                assert sums(reader, own) == (total, count), "round %d, seed %d" % (number, seed)
        with server.client(operator) as reader:
            for more in ({"granularity": "hourly"}, {"granularity": "daily"}, {"axis": "reported"},
                         {"axis": "reported", "granularity": "daily"}, {"groupBy": "meter,resource"}):
                assert sums(reader, own, **more)[0] == total, more
    figure("kill -9", "%d rounds, %d records, %d requests cut off, seed %d" % (rounds, count, killed_early, seed))
