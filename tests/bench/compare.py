#!/usr/bin/env python3
"""Ingest against PostgreSQL and SQLite in one run, on one machine, with the ratios printed. Each takes its turn ROUNDS times,
because machines are noisy; the median counts. `stampmeter bench ingest` does more for each record than its peers here: HTTPS,
JSON, verdicts, texts, a hash chain (see postgres.py for what they are spared).

    tests/bench/compare.py --bin zig-out/bin/stampmeter [--records N] [--rounds N] [--no-postgres] [--no-sqlite]
"""
import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))


def measured(command):
    done = subprocess.run(command, stdout=subprocess.PIPE, check=True)
    return json.loads(done.stdout)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--bin", required=True)
    parser.add_argument("--records", type=int, default=1000000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--no-postgres", action="store_true")
    parser.add_argument("--no-sqlite", action="store_true")
    arguments = parser.parse_args()
    folder = tempfile.mkdtemp(prefix="stampmeter-bench-")
    records = ["--records", str(arguments.records)]
    peers = {"stampmeter": [arguments.bin, "bench", "ingest", "--json", "--data-dir", folder, *records]}
    if not arguments.no_postgres:
        peers["postgres"] = [sys.executable, os.path.join(HERE, "postgres.py"), *records]
    if not arguments.no_sqlite:
        peers["sqlite"] = [sys.executable, os.path.join(HERE, "sqlite.py"), *records]
    rates = {name: [] for name in peers}
    for _ in range(arguments.rounds):
        for name, command in peers.items():
            result = measured(command)
            print(name, json.dumps(result), flush=True)
            rates[name].append(result["recordsPerSecond"])
    os.rmdir(folder)
    own = statistics.median(rates["stampmeter"])
    for name, values in rates.items():
        print("%-10s median %9d records/s (%d to %d), stampmeter is %.1f times as fast" % (
            name, statistics.median(values), min(values), max(values), own / statistics.median(values)))


if __name__ == "__main__":
    main()
