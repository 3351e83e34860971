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
