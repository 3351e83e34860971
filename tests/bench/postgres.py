#!/usr/bin/env python3
"""The same job on PostgreSQL, done as well as we know how, for comparison with `stampmeter bench ingest`.

What it is spared: no HTTPS, no JSON (records are parsed and encoded before the clock starts), no verdicts, no texts (the
dictionary is given). What it does: durable commits (synchronous_commit on), records unique by (source, id), hourly and
daily sums kept by upserts in the same transaction, batches of 1,000 as binary arrays, 2 connections. The server is one
of the machine's, started on a socket in a temporary folder and stopped at the end.

    tests/bench/postgres.py [--records N] [--batch N] [--connections N]
"""
import argparse
import glob
import json
import os
import pwd
import random
import shutil
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import threading
import time

RESOURCES = 20000
SUBSCRIPTIONS = 200
START_TIMEOUT_S = 60

SCHEMA = """
create table record (source int not null, id uuid not null, subscription int not null, meter int not null,
  resource int not null, hour int not null, quantity numeric not null,
  reported timestamptz not null default transaction_timestamp(), primary key (source, id));
create table hourly (reported int not null, subscription int not null, hour int not null, meter int not null,
  resource int not null, quantity numeric not null, records int not null,
  primary key (reported, subscription, hour, meter, resource));
create table daily (reported int not null, subscription int not null, day int not null, meter int not null,
  resource int not null, quantity numeric not null, records int not null,
  primary key (reported, subscription, day, meter, resource));
"""

INSERT = """
with new as (
  insert into record (source, id, subscription, meter, resource, hour, quantity)
  select * from unnest($1::int[], $2::uuid[], $3::int[], $4::int[], $5::int[], $6::int[], $7::numeric[])
  on conflict do nothing returning subscription, meter, resource, hour, quantity),
hours as (
  insert into hourly select 1, subscription, hour, meter, resource, sum(quantity), count(*) from new
  group by 2, 3, 4, 5 order by 2, 3, 4, 5
  on conflict (reported, subscription, hour, meter, resource) do update
  set quantity = hourly.quantity + excluded.quantity, records = hourly.records + excluded.records),
days as (
  insert into daily select 1, subscription, hour / 24, meter, resource, sum(quantity), count(*) from new
  group by 2, 3, 4, 5 order by 2, 3, 4, 5
  on conflict (reported, subscription, day, meter, resource) do update
  set quantity = daily.quantity + excluded.quantity, records = daily.records + excluded.records)
select count(*) from new
"""
PARAMETER_OIDS = [1007, 2951, 1007, 1007, 1007, 1007, 1231]  # int4[], uuid[], ..., numeric[]


# ---- the wire protocol (version 3), as much of it as this needs ----


class Connection:
    def __init__(self, path, user):
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.connect(path)
        startup = struct.pack("!I", 196608) + b"user\0" + user.encode() + b"\0database\0postgres\0\0"
        self.socket.sendall(struct.pack("!I", len(startup) + 4) + startup)
        self.buffered = b""
        self.wait()

    def receive(self, size):
        while len(self.buffered) < size:
            got = self.socket.recv(1 << 16)
            if not got:
                raise RuntimeError("the server closed the connection")
            self.buffered += got
        data, self.buffered = self.buffered[:size], self.buffered[size:]
        return data

    def wait(self):
        """Reads up to ReadyForQuery; returns the first column of the last row."""
        value = None
        while True:
            kind, size = struct.unpack("!cI", self.receive(5))
            body = self.receive(size - 4)
            if kind == b"E":
                raise RuntimeError(body.replace(b"\0", b" ").decode(errors="replace"))
            if kind == b"D":
                value = body[6:6 + struct.unpack("!i", body[2:6])[0]]
            if kind == b"Z":
                return value

    def query(self, text):
        body = text.encode() + b"\0"
        self.socket.sendall(b"Q" + struct.pack("!I", len(body) + 4) + body)
        return self.wait()

    def prepare(self, text):
        body = b"s\0" + text.encode() + b"\0" + struct.pack("!H%dI" % len(PARAMETER_OIDS), len(PARAMETER_OIDS), *PARAMETER_OIDS)
        self.socket.sendall(b"P" + struct.pack("!I", len(body) + 4) + body + b"S\0\0\0\4")
        self.wait()

    def execute(self, message):
        self.socket.sendall(message)
        return int(self.wait())


def bound(arrays):
    """Bind, Execute and Sync of the prepared statement with these binary parameters."""
    body = b"\0s\0" + struct.pack("!HHH", 1, 1, len(arrays))
    body += b"".join(struct.pack("!I", len(array)) + array for array in arrays) + struct.pack("!H", 0)
    return (b"B" + struct.pack("!I", len(body) + 4) + body + b"E" + struct.pack("!I", 9) + b"\0" + struct.pack("!I", 0) +
            b"S\0\0\0\4")


def array_of(oid, elements):
    return struct.pack("!IIIII", 1, 0, oid, len(elements), 1) + b"".join(
        struct.pack("!I", len(element)) + element for element in elements)


def ints(values):
    return array_of(23, [struct.pack("!i", value) for value in values])


def numeric(digits):
    """0.DDDDDD as PostgreSQL's numeric: two base-10000 digits behind the point."""
    return struct.pack("!hhhhhh", 2, -1, 0, 6, digits // 100, digits % 100 * 100)


def batches(records, batch, seed):
    """All messages, made before the clock starts. Record k: the next resource, hour after hour, with a new id."""
    generator = random.Random(seed)
    for first in range(0, records, batch):
        count = min(batch, records - first)
        resources = [(first + i) % RESOURCES for i in range(count)]
        hours = [490000 + (first + i) // RESOURCES for i in range(count)]
        yield count, bound([
            ints([1] * count), array_of(2950, [generator.randbytes(16) for _ in range(count)]),
            ints([resource % SUBSCRIPTIONS for resource in resources]), ints([resource % 7 for resource in resources]),
            ints(resources), ints(hours), array_of(1700, [numeric(generator.randrange(1, 1000000)) for _ in range(count)])])


# ---- the server ----


class Server:
    def __init__(self):
        folders = sorted(glob.glob("/usr/lib/postgresql/*/bin"))
        if not folders:
            sys.exit("no PostgreSQL server here; as root: apt-get install postgresql")
        self.bin, self.folder = folders[-1], tempfile.mkdtemp(prefix="stampmeter-pg-")
        # The server refuses to be root.
        self.user = "postgres" if os.geteuid() == 0 else pwd.getpwuid(os.geteuid()).pw_name
        account = pwd.getpwnam(self.user)
        os.chown(self.folder, account.pw_uid, account.pw_gid)
        self.options = {"user": account.pw_uid, "group": account.pw_gid, "cwd": self.folder} if os.geteuid() == 0 else {}
        self.data = os.path.join(self.folder, "data")
        subprocess.run([os.path.join(self.bin, "initdb"), "-D", self.data, "-A", "trust", "--no-sync", "-U", "bench"],
                       check=True, stdout=subprocess.DEVNULL, **self.options)
        settings = {"listen_addresses": "", "unix_socket_directories": self.folder, "shared_buffers": "2GB",
                    "max_wal_size": "16GB", "checkpoint_timeout": "30min", "synchronous_commit": "on",
                    "wal_compression": "on", "autovacuum": "off"}
        command = [os.path.join(self.bin, "postgres"), "-D", self.data]
        for name, value in settings.items():
            command += ["-c", "%s=%s" % (name, value)]
        self.log = open(os.path.join(self.folder, "log"), "wb")
        self.process = subprocess.Popen(command, stdout=self.log, stderr=self.log, **self.options)
        self.path = os.path.join(self.folder, ".s.PGSQL.5432")
        deadline = time.monotonic() + START_TIMEOUT_S
        while True:
            try:
                Connection(self.path, "bench")
                return
            except (OSError, RuntimeError):
                if time.monotonic() > deadline or self.process.poll() is not None:
                    self.stop()
                    sys.exit("the PostgreSQL server did not start")
                time.sleep(0.1)

    def size_bytes(self):
        return sum(os.path.getsize(os.path.join(folder, name))
                   for folder, _, names in os.walk(os.path.join(self.data, "base")) for name in names)

    def stop(self):
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGINT)
            self.process.wait(60)
        self.log.close()
        shutil.rmtree(self.folder, ignore_errors=True)


def run(server, records, batch, connections):
    setup = Connection(server.path, "bench")
    setup.query(SCHEMA)
    work = list(batches(records, batch, 1))
    lock, accepted, latencies = threading.Lock(), [0], []

    def lane():
        connection = Connection(server.path, "bench")
        connection.prepare(INSERT)
        while True:
            with lock:
                if not work:
                    return
                count, message = work.pop()
            start = time.monotonic()
            new = connection.execute(message)
            with lock:
                latencies.append(time.monotonic() - start)
                accepted[0] += new
    version = setup.query("select version()").decode().split(" on ")[0]
    threads = [threading.Thread(target=lane) for _ in range(connections)]
    start = time.monotonic()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    seconds = time.monotonic() - start
    latencies.sort()
    if accepted[0] != records:
        sys.exit("%d of %d records were accepted" % (accepted[0], records))
    return {"peer": version, "records": records, "recordsPerSecond": round(records / seconds), "connections": connections,
            "batch": batch, "p50Ms": round(latencies[len(latencies) // 2] * 1e3, 1),
            "p99Ms": round(latencies[len(latencies) * 99 // 100] * 1e3, 1),
            "bytesPerRecord": round(server.size_bytes() / records)}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--records", type=int, default=1000000)
    parser.add_argument("--batch", type=int, default=1000)
    parser.add_argument("--connections", type=int, default=2)
    arguments = parser.parse_args()
    server = Server()
    try:
        print(json.dumps(run(server, arguments.records, arguments.batch, arguments.connections)))
    finally:
        server.stop()


if __name__ == "__main__":
    main()
