"""stampmeter bench ingest prints what it measured, and cleans up behind itself."""
import json
import os

import harness


def test_bench_ingest(tmp_path, figure):
    arguments = ["bench", "ingest", "--records", 20000, "--connections", 4, "--batch", 500, "--data-dir", tmp_path]
    found = json.loads(harness.run(*arguments, "--json").expect(0).out)
    assert found["records"] == 20000, found
    text = harness.run(*arguments).expect(0)
    for word in ("records/s", "p99", "commit"):
        assert word in text.out, text
    assert os.listdir(tmp_path) == []
    figure("bench ingest, 20,000 records", " ".join(text.out.split())[:300])


def test_bench_ingest_with_singles_and_gzip(tmp_path, figure):
    arguments = ["bench", "ingest", "--records", 20000, "--batch", 500, "--singles", 1, "--gzip", "--data-dir", tmp_path]
    found = json.loads(harness.run(*arguments, "--json").expect(0).out)
    assert found["records"] == 20000 and found["singles"] > 0 and found["singlesP99Ms"] > 0, found
    assert found["gzip"] and 0 < found["sentMegabytesPerSecond"] < found["bodyMegabytesPerSecond"] / 4, found
    text = harness.run(*arguments).expect(0)
    for word in ("singles ", "over the wire"):
        assert word in text.out, text
    assert os.listdir(tmp_path) == []
    figure("bench ingest, single records meanwhile", "p50 %(singlesP50Ms)s ms, p99 %(singlesP99Ms)s ms" % found)
