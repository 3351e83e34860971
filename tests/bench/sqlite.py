#!/usr/bin/env python3
"""The same job on SQLite in process, for comparison with `stampmeter bench ingest`: write-ahead log with synchronous=FULL,
records unique by (source, id), hourly and daily sums kept by upserts in the same transaction, batches of 1,000. Spared, as
in postgres.py: HTTPS, JSON and verdicts; the values are made before the clock starts.

    tests/bench/sqlite.py [--records N] [--batch N]
"""
import argparse
import json
import os
import random
import shutil
import sqlite3
import tempfile
import time

RESOURCES = 20000
SUBSCRIPTIONS = 200

SCHEMA = """
pragma journal_mode = wal;
pragma synchronous = full;
pragma cache_size = -1000000;
pragma mmap_size = 8000000000;
create table record (source int, id blob, subscription int, meter int, resource int, hour int, quantity int,
  primary key (source, id)) without rowid;
create table hourly (reported int, subscription int, hour int, meter int, resource int, quantity int, records int,
  primary key (reported, subscription, hour, meter, resource)) without rowid;
create table daily (reported int, subscription int, day int, meter int, resource int, quantity int, records int,
  primary key (reported, subscription, day, meter, resource)) without rowid;
"""
RECORD = "insert into record values (1, ?, ?, ?, ?, ?, ?) on conflict do nothing"
HOURLY = """insert into hourly values (1, ?, ?, ?, ?, ?, 1)
  on conflict do update set quantity = quantity + excluded.quantity, records = records + 1"""
DAILY = """insert into daily values (1, ?, ?, ?, ?, ?, 1)
  on conflict do update set quantity = quantity + excluded.quantity, records = records + 1"""


def batches(records, batch):
    generator = random.Random(1)
    for first in range(0, records, batch):
        rows = []
        for record in range(first, min(first + batch, records)):
            resource = record % RESOURCES
            rows.append((generator.randbytes(16), resource % SUBSCRIPTIONS, resource % 7, resource,
                         490000 + record // RESOURCES, generator.randrange(1, 1000000)))
        yield rows, [(s, h, m, r, q) for _, s, m, r, h, q in rows], [(s, h // 24, m, r, q) for _, s, m, r, h, q in rows]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--records", type=int, default=1000000)
    parser.add_argument("--batch", type=int, default=1000)
    arguments = parser.parse_args()
    folder = tempfile.mkdtemp(prefix="stampmeter-sqlite-")
    try:
        path = os.path.join(folder, "db")
        database = sqlite3.connect(path, isolation_level=None)
        database.executescript(SCHEMA)
        work, latencies = list(batches(arguments.records, arguments.batch)), []
        start = time.monotonic()
        for rows, hours, days in work:
            begin = time.monotonic()
            database.execute("begin immediate")
            database.executemany(RECORD, rows)
            database.executemany(HOURLY, hours)
            database.executemany(DAILY, days)
            database.execute("commit")
            latencies.append(time.monotonic() - begin)
        seconds = time.monotonic() - start
        assert database.execute("select count(*) from record").fetchone()[0] == arguments.records
        database.close()
        latencies.sort()
        print(json.dumps({
            "peer": "SQLite " + sqlite3.sqlite_version, "records": arguments.records,
            "recordsPerSecond": round(arguments.records / seconds), "connections": 1, "batch": arguments.batch,
            "p50Ms": round(latencies[len(latencies) // 2] * 1e3, 1),
            "p99Ms": round(latencies[len(latencies) * 99 // 100] * 1e3, 1),
            "bytesPerRecord": round(os.path.getsize(path) / arguments.records)}))
    finally:
        shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    main()
