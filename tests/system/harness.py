"""Drives the real binary from outside: starts and stops servers, and speaks HTTP to them with nothing but Python's
standard library. Every wait is bounded and says what it waited for; nothing sleeps for luck.

A demo that stands still is the usual subject: its time moves only by advance(), so tests know what "now" is.
"""
import datetime
import decimal
import http.client
import json
import os
import re
import signal
import socket
import ssl
import subprocess
import time
import urllib.parse
import uuid

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))
BINARY = os.environ.get("STAMPMETER_BIN") or os.path.join(ROOT, "zig-out", "bin", "stampmeter")

# Bounds, not expectations: a slow machine needs seconds of these, a hanging program all.
WAIT_S = 60.0
POLL_S = 0.01
API_VERSION = "2015-06-01-preview"
# A Tuesday at noon; the demo's history lies in the 35 days before it.
START = datetime.datetime(2026, 3, 10, 12, tzinfo=datetime.timezone.utc)
HOUR = datetime.timedelta(hours=1)
DAY = datetime.timedelta(days=1)
METER = "FAB6EB84-500B-4A09-A8CA-7358F8BBAEA5"
COMPUTE = "Microsoft.Compute"

running = []  # servers, for the log in a failed test's report


# ---- Values ----


def guid():
    return str(uuid.uuid4())


def iso(moment):
    """2026-03-10T12:00:00Z, with as many decimals of a second as it has"""
    return moment.astimezone(datetime.timezone.utc).isoformat().replace("+00:00", "Z")


def instant(text):
    # Python reads at most six decimals of a second; the rest never matters here.
    return datetime.datetime.fromisoformat(re.sub(r"(\.\d{6})\d+", r"\1", text.replace("Z", "+00:00")))


def exact(value):
    """The decimal of a JSON number or text. Decimal() itself never rounds; only arithmetic does."""
    return decimal.Decimal(value)


def exact_sum(values):
    with decimal.localcontext(decimal.Context(prec=200, traps=[decimal.Inexact, decimal.InvalidOperation])):
        return sum((exact(value) for value in values), decimal.Decimal(0))


def read_json(text):
    """JSON with numbers as they are written: Decimal where there is a point or an exponent."""
    return json.loads(text, parse_float=decimal.Decimal)


def until(condition, what, seconds=WAIT_S):
    """The first true value of condition(), or a failure that names what did not happen."""
    end = time.monotonic() + seconds
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > end:
            raise AssertionError("waited %g s in vain: %s" % (seconds, what))
        time.sleep(POLL_S)


def resource(subscription, name="web01", kind="Microsoft.Compute/virtualMachines"):
    return "/subscriptions/%s/resourceGroups/rg1/providers/%s/%s" % (subscription, kind, name)


def record(subscription, start, hours=1, **members):
    """A good usage record; members replace or add, None leaves out."""
    whole = {
        "id": guid(), "source": COMPUTE, "subscriptionId": subscription, "meterId": METER,
        "resourceUri": resource(subscription), "location": "east",
        "usageStartTime": iso(start), "usageEndTime": iso(start + hours * HOUR), "quantity": "1",
    }
    whole.update(members)
    return {name: value for name, value in whole.items() if value is not None}


# ---- HTTP ----


class Answer:
    def __init__(self, status, headers, body):
        self.status, self.headers, self.body = status, headers, body

    def __repr__(self):
        return "<%d %s>" % (self.status, self.body[:2000].decode(errors="replace"))

    @property
    def json(self):
        return read_json(self.body.decode())

    @property
    def error(self):
        error = self.json["error"]
        assert isinstance(error["code"], str) and error["message"], self
        return error

    def expect(self, status, code=None, target=None):
        """Itself if it is as expected; target "" means that there must be none."""
        assert self.status == status, "expected %s, got %r" % (status, self)
        if code is not None:
            assert self.error["code"] == code, "expected %s, got %r" % (code, self)
        if target is not None:
            assert (self.error.get("target") or "") == target, "expected target %r, got %r" % (target, self)
        return self


class Client:
    """One connection, made anew when the server has closed it; one token. Not for several threads."""

    def __init__(self, url, ca_file, token=None, tls_version=None):
        parts = urllib.parse.urlsplit(url)
        self.host, self.port, self.token = parts.hostname, parts.port, token
        self.context = ssl.create_default_context(cafile=ca_file)
        if tls_version is not None:
            self.context.minimum_version = self.context.maximum_version = tls_version
        self.connection = None

    def close(self):
        if self.connection is not None:
            self.connection.close()
            self.connection = None

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def send(self, method, target, body, headers):
        fresh = self.connection is None
        if fresh:
            self.connection = http.client.HTTPSConnection(self.host, self.port, timeout=WAIT_S, context=self.context)
        try:
            self.connection.request(method, target, body=body, headers=headers)
            response = self.connection.getresponse()
            return Answer(response.status, response.headers, response.read())
        except (http.client.RemoteDisconnected, BrokenPipeError, ConnectionResetError):
            # An idle connection that was closed meanwhile; a fresh one has no such excuse.
            self.close()
            if fresh:
                raise
            return self.send(method, target, body, headers)
        except BaseException:
            self.close()
            raise

    def request(self, method, target, body=None, headers=None, token=""):
        token = self.token if token == "" else token
        headers = dict(headers or {})
        if token is not None:
            headers.setdefault("Authorization", "Bearer " + token)
        if body is not None and not isinstance(body, (bytes, str)):
            body = json.dumps(body)
            headers.setdefault("Content-Type", "application/json")
        if isinstance(body, str):
            body = body.encode()
        answer = self.send(method, target, body, headers)
        if answer.headers.get("Connection", "").lower() == "close":
            self.close()
        return answer

    def get(self, target, **options):
        return self.request("GET", target, **options)

    def post_usage(self, records, query="", media="application/json", encoding=None, **options):
        """Posts records: a list, one, or a body that is text or bytes already."""
        body = records if isinstance(records, (bytes, str)) else json.dumps(records)
        headers = {"Content-Type": media} if media else {}
        if encoding:
            headers["Content-Encoding"] = encoding
        headers.update(options.pop("headers", {}))
        return self.request("POST", "/v1/usage" + query, body=body, headers=headers, **options)

    def accept(self, records, **options):
        """Posts records that must all be accepted; the answer's JSON."""
        answer = self.post_usage(records, **options).expect(200).json
        count = len(records) if isinstance(records, list) else 1
        assert answer["accepted"] == count and not answer["results"], answer
        return answer

    def verdict_of(self, one, **options):
        """Posts one record; its entry in results."""
        answer = self.post_usage(one, query="?results=all", **options).expect(200).json
        assert answer["received"] == 1 and len(answer["results"]) == 1, answer
        return answer["results"][0]

    def pages(self, target, pages_max=1000):
        """The pages of a list, by its nextLinks."""
        for _ in range(pages_max):
            page = self.get(target).expect(200).json
            yield page
            link = page.get("nextLink")
            if link is None:
                return
            target = self.target_of(link)
        raise AssertionError("more than %d pages" % pages_max)

    def target_of(self, link):
        """Path and query of a nextLink, which must be absolute and lead back to this server."""
        parts = urllib.parse.urlsplit(link)
        assert parts.scheme == "https" and parts.hostname == self.host and parts.port == self.port, link
        return parts.path + "?" + parts.query

    def rows(self, target):
        return [row for page in self.pages(target) for row in page["value"]]


def query_of(start, end, granularity="Hourly", **more):
    """Parameters of a usage list; None leaves one out."""
    members = {"reportedStartTime": start if isinstance(start, str) else iso(start),
               "reportedEndTime": end if isinstance(end, str) else iso(end),
               "aggregationGranularity": granularity, "api-version": API_VERSION}
    members.update({name.replace("api_version", "api-version"): value for name, value in more.items()})
    return urllib.parse.urlencode({name: value for name, value in members.items() if value is not None})


def tenant_target(subscription, start, end, granularity="Hourly", **more):
    return "/subscriptions/%s/providers/Microsoft.Commerce/UsageAggregates?%s" % (
        subscription, query_of(start, end, granularity, **more))


def operator_target(subscription, start, end, granularity="Hourly", **more):
    return "/subscriptions/%s/providers/Microsoft.Commerce.Admin/subscriberUsageAggregates?%s" % (
        subscription, query_of(start, end, granularity, **more))


def summary_target(start, end, **more):
    members = {"from": iso(start), "to": iso(end), "axis": "usage", "granularity": "total"}
    members.update(more)
    return "/v1/summary?" + urllib.parse.urlencode({name: value for name, value in members.items() if value})


def key_of(row):
    """What makes a row of a usage list one of its kind."""
    properties = row["properties"]
    instance = json.loads(properties["instanceData"])["Microsoft.Resources"]
    return (properties["subscriptionId"].lower(), instant(properties["usageStartTime"]),
            properties["meterId"].lower().replace("-", ""), instance["resourceUri"].lower())


# ---- Processes ----


def environment(options=None):
    """What a server is started with: none of our own variables but the options given, as {"net.idle_timeout": "1s"}."""
    clean = {name: value for name, value in os.environ.items() if not name.startswith("STAMPMETER_")}
    for name, value in (options or {}).items():
        clean["STAMPMETER_" + name.replace(".", "_").upper()] = str(value)
    return clean


class Result:
    def __init__(self, arguments, code, out, err):
        self.arguments, self.code, self.out, self.err = arguments, code, out, err

    def __repr__(self):
        return "<stampmeter %s: exit code %s\nstdout: %s\nstderr: %s>" % (
            " ".join(self.arguments), self.code, self.out[-3000:], self.err[-3000:])

    def expect(self, code):
        assert self.code == code, "expected exit code %d: %r" % (code, self)
        return self

    def one_line(self):
        """The one line on stderr that a command which cannot run prints."""
        lines = self.err.strip().splitlines()
        assert len(lines) == 1, "expected one line on stderr: %r" % self
        return lines[0]


def run(*arguments, options=None, stdin=None, timeout_s=WAIT_S, cwd=None):
    """Runs a command of the program to its end."""
    arguments = [str(argument) for argument in arguments]
    done = subprocess.run([BINARY, *arguments], input=stdin, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                          stdin=subprocess.DEVNULL if stdin is None else None, timeout=timeout_s,
                          env=environment(options), cwd=cwd, check=False)
    out, err = (stream.decode(errors="replace") for stream in (done.stdout, done.stderr))
    return Result(arguments, done.returncode, out, err)


class Server:
    """A server in a folder of its own. May be started again on the same data after stop() or kill()."""

    command = "serve"

    def __init__(self, folder, *arguments, options=None, data_dir=None):
        os.makedirs(folder, exist_ok=True)
        self.folder, self.arguments, self.options = str(folder), arguments, dict(options or {})
        self.data_dir = str(data_dir or os.path.join(self.folder, "data"))
        self.ready_file = os.path.join(self.folder, "ready.json")
        self.log_file = os.path.join(self.folder, "log")
        self.process = self.ready = None
        self.clients = []

    def start(self, wait=True):
        if os.path.exists(self.ready_file):
            os.remove(self.ready_file)
        command = [BINARY, self.command, "--data-dir", self.data_dir, "--listen", "127.0.0.1:0",
                   "--ready-file", self.ready_file, *self.arguments]
        with open(self.log_file, "ab") as log:
            self.process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                                            env=environment(self.options), cwd=self.folder)
        running.append(self)
        if wait:
            self.wait_ready()
        return self

    def wait_ready(self):
        def ready():
            code = self.process.poll()
            assert code is None, "the server ended with exit code %s before it was ready\n%s" % (code, self.log_tail())
            return os.path.exists(self.ready_file)
        until(ready, "ready file of %s" % self.command)
        # It is written under another name and renamed, so what is there is whole.
        with open(self.ready_file, encoding="utf-8") as file:
            self.ready = json.load(file)
        assert self.ready["pid"] == self.process.pid, self.ready

    def wait(self, seconds=WAIT_S):
        """Its exit code, once it has ended by itself."""
        try:
            return self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            raise AssertionError("the server did not end within %g s\n%s" % (seconds, self.log_tail())) from None

    def stop(self):
        """SIGTERM; it must drain and exit 0."""
        # A server that drains gives open connections some seconds to end in order; tests need not wait for that.
        for client in self.clients:
            client.close()
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        code = self.wait()
        self.forget()
        assert code == 0, "exit code %s after SIGTERM\n%s" % (code, self.log_tail())

    def kill(self):
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        self.forget()

    def forget(self):
        for client in self.clients:
            client.close()
        self.clients.clear()
        if self in running:
            running.remove(self)

    def __enter__(self):
        return self.start() if self.process is None else self

    def __exit__(self, kind, *_):
        if kind is None and self.process.poll() is None:
            self.stop()
        else:
            # Something else has failed already, or the test has ended it.
            self.kill()

    def log(self):
        with open(self.log_file, encoding="utf-8", errors="replace") as file:
            return file.read()

    def log_tail(self, lines=20):
        return "log of %s in %s:\n%s" % (self.command, self.folder, "\n".join(self.log().splitlines()[-lines:]))

    @property
    def url(self):
        return self.ready["url"]

    @property
    def address(self):
        parts = urllib.parse.urlsplit(self.url)
        return parts.hostname, parts.port

    @property
    def ca_file(self):
        return self.ready["caFile"]

    def client(self, token=None, **options):
        self.clients.append(Client(self.url, self.ca_file, token, **options))
        return self.clients[-1]

    def plain_socket(self):
        return socket.create_connection(self.address, timeout=WAIT_S)

    def tls_socket(self, version=None):
        context = ssl.create_default_context(cafile=self.ca_file)
        if version is not None:
            context.minimum_version = context.maximum_version = version
        return context.wrap_socket(self.plain_socket(), server_hostname=self.address[0])


class Side(Server):
    """A process of one role on the real clock: `serve --role stamp` or `--role commerce`, with a data directory of its
    own. Its first start makes that directory and a token of its role; `caller` speaks with it."""

    def __init__(self, folder, role, options=None, data_dir=None):
        super().__init__(folder, "--role", role, options={"identity.password_iterations": 1000, **(options or {})},
                         data_dir=data_dir)
        self.role = role
        self.token_file = os.path.join(self.folder, "token")
        self.caller = None

    def start(self, wait=True):
        if not os.path.exists(self.data_dir):
            run("init", "--data-dir", self.data_dir, options=self.options).expect(0)
        if not os.path.exists(self.token_file):
            token = run("token", "create", "--role", "operator" if self.role == "stamp" else "commerce", "--name",
                        self.role, "--data-dir", self.data_dir).expect(0).out
            with open(self.token_file, "w", encoding="utf-8") as file:
                file.write(token)
        return super().start(wait)

    def wait_ready(self):
        super().wait_ready()
        with open(self.token_file, encoding="utf-8") as file:
            self.caller = self.client(file.read().strip())


class Stamp(Server):
    """`stampmeter demo --paused`: accounts for everybody, and a clock that moves when told."""

    command = "demo"

    def __init__(self, folder, *arguments, empty=True, start=START, options=None, data_dir=None):
        # Passwords of ten users at full strength would take most of a short test's time.
        options = {"identity.password_iterations": 1000, **(options or {})}
        super().__init__(folder, "--paused", "--start", iso(start), *(["--empty"] if empty else []), *arguments,
                         options=options, data_dir=data_dir)
        self.now = start
        self.operator = self.anybody = None

    def wait_ready(self):
        super().wait_ready()
        self.operator = self.client(self.ready["operator"]["token"])
        self.anybody = self.client(self.producer("*"))

    @property
    def operator_subscription(self):
        return self.ready["operator"]["subscriptionId"]

    @property
    def tenants(self):
        return self.ready["tenants"]

    def producer(self, source):
        """The token of the producer for this source."""
        return next(entry["token"] for entry in self.ready["producers"] if entry["source"] == source)

    def tenant(self, **wanted):
        """The first tenant of the ready file with these members; Enabled unless said otherwise."""
        wanted = {"state": "Enabled", **wanted}
        return next(entry for entry in self.tenants if all(entry[name] == value for name, value in wanted.items()))

    def advance(self, duration="PT1H"):
        answer = self.operator.request("POST", "/v1/clock", body={"advance": duration}).expect(200).json
        self.now = instant(answer["now"])
        return self.now

    def close_hour(self):
        """Advances until the current hour of reported time has ended; the window it was, (start, end)."""
        start = self.now.replace(minute=0, second=0, microsecond=0)
        self.advance("PT%dS" % (start + HOUR - self.now).total_seconds())
        return start, start + HOUR

    def usage(self, subscription, window, granularity="Hourly", **more):
        """All rows of one subscription as the operator sees them."""
        return self.operator.rows(operator_target(self.operator_subscription, *window, granularity,
                                                  subscriberId=subscription, **more))

    def total(self, subscription, start=START - 400 * DAY, end=START + 400 * DAY, **more):
        """(quantity, records) of one subscription by /v1/summary; only for records of one unit."""
        target = summary_target(start, end, filter="subscriptionId eq '%s'" % subscription, **more)
        rows = self.operator.rows(target)
        return exact_sum(row["quantity"] for row in rows), sum(row["records"] for row in rows)
