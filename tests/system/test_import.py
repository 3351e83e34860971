"""stampmeter import: every format, live and history, and what it says about records that are not taken."""
import csv
import io
import json

import pytest

import harness
from harness import HOUR, exact, guid, iso, record, run

COLUMNS = ["id", "source", "subscriptionId", "meterId", "resourceUri", "location", "usageStartTime", "usageEndTime",
           "quantity", "tags", "additionalInfo"]


def reach(stamp, path, token):
    """Arguments that reach the server with this token."""
    path.write_text(token + "\n")
    return ["--url", stamp.url, "--ca", stamp.ca_file, "--token-file", path]


@pytest.fixture
def remote(fresh, tmp_path):
    """As a producer: live usage comes from nobody else."""
    return reach(fresh, tmp_path / "producer.token", fresh.producer("*"))


@pytest.fixture
def as_operator(fresh, tmp_path):
    """History comes from operators."""
    return reach(fresh, tmp_path / "operator.token", fresh.ready["operator"]["token"])


def as_csv(records):
    text = io.StringIO()
    writer = csv.DictWriter(text, COLUMNS, extrasaction="ignore")
    writer.writeheader()
    for one in records:
        writer.writerow({name: json.dumps(value) if isinstance(value, dict) else value for name, value in one.items()})
    return text.getvalue()


def as_ndjson(records):
    return "".join(json.dumps(one) + "\n" for one in records)


FORMATS = {"ndjson": as_ndjson, "json": json.dumps, "csv": as_csv}


def some(stamp, own, count=5):
    start = stamp.now.replace(minute=0, second=0) - 3 * HOUR
    return [record(own, start, quantity="0.%d1" % n, tags={"cc": "a,\"b\""}) for n in range(count)]


@pytest.mark.parametrize("form", FORMATS)
def test_formats(fresh, remote, tmp_path, form):
    own = guid()
    records = some(fresh, own)
    path = tmp_path / ("usage." + form)
    path.write_text(FORMATS[form](records))
    run("import", path, "--format", form, *remote).expect(0)
    assert fresh.total(own) == (harness.exact_sum(one["quantity"] for one in records), 5)
    # The same file again, and the same records as a producer would post them.
    run("import", path, "--format", form, *remote).expect(0)
    assert fresh.anybody.post_usage(records).expect(200).json["duplicate"] == 5


def test_standard_input(fresh, remote):
    own = guid()
    run("import", "-", "--format", "ndjson", *remote, stdin=FORMATS["ndjson"](some(fresh, own)).encode()).expect(0)
    assert fresh.total(own)[1] == 5


def test_records_that_are_not_taken_are_told_and_exit_1(fresh, remote, tmp_path):
    own = guid()
    records = some(fresh, own)
    records[2]["quantity"] = "many"
    path = tmp_path / "usage.ndjson"
    path.write_text(FORMATS["ndjson"](records))
    result = run("import", path, *remote).expect(1)
    assert "line 3" in result.out + result.err and "quantity" in result.out + result.err, result
    assert fresh.total(own)[1] == 4


def test_history_lies_before_the_first_live_hour(fresh, as_operator, tmp_path):
    own = guid()
    fresh.anybody.accept(record(guid(), fresh.now - 2 * HOUR))
    hour = fresh.now.replace(minute=0, second=0)
    old = [dict(one, reportedTime=iso(hour - 2 * HOUR)) for one in some(fresh, own, 3)]
    late = [dict(one, reportedTime=iso(hour)) for one in some(fresh, own, 2)]
    path = tmp_path / "history.ndjson"
    path.write_text(FORMATS["ndjson"](old + late))
    result = run("import", path, "--history", *as_operator).expect(1)
    assert "reportedTime" in result.out + result.err, result
    rows = fresh.usage(own, (hour - 2 * HOUR, hour - HOUR))
    assert harness.exact_sum(row["properties"]["quantity"] for row in rows) == exact("0.33")
    assert fresh.total(own)[1] == 3


def test_history_by_folder_with_the_server_stopped(fresh, tmp_path):
    own = guid()
    hour = fresh.now.replace(minute=0, second=0)
    path = tmp_path / "history.ndjson"
    path.write_text(FORMATS["ndjson"]([dict(one, reportedTime=iso(hour - HOUR)) for one in some(fresh, own)]))
    fresh.stop()
    for _ in range(2):
        run("import", path, "--history", "--data-dir", fresh.data_dir).expect(0)
    fresh.start()
    assert fresh.total(own)[1] == 5


def test_a_file_that_is_not_there(fresh, remote, tmp_path):
    assert run("import", tmp_path / "none.ndjson", *remote).expect(3).one_line()


def test_a_file_that_is_something_else(fresh, remote, tmp_path):
    path = tmp_path / "picture.json"
    path.write_bytes(bytes(range(256)) * 10)
    for form in ("json", "arm"):
        result = run("import", path, "--format", form, *(["--history"] if form == "arm" else []), *remote)
        assert result.code in (1, 3) and (result.out + result.err).strip(), result
