"""stampmeter bench prints what it measured, and cleans up behind itself."""
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


def test_bench_query(tmp_path, figure):
    arguments = ["bench", "query", "--records", 100000, "--repeats", 5]
    found = json.loads(harness.run(*arguments, "--data-dir", tmp_path, "--json").expect(0).out)
    assert os.listdir(tmp_path) == []
    assert found["records"] == 100000, found
    questions = {question["name"]: question for question in found["questions"]}
    assert len(questions) >= 14, found
    for question in questions.values():
        assert question["asked"] >= 5 and question["bodyBytes"] > 100, question
        assert 0 < question["p50Ms"] <= question["p99Ms"] <= question["maxMs"], question
        assert question["readyBodyP50Ms"] > 0, question
    # 134 resources x 744 hours in pages of 1,000 rows.
    assert questions["all pages of it, up to 10,000"]["asked"] == 100, questions
    page = questions["first page, month by hours"]
    figure("bench query, page of 1,000 rows over HTTPS",
           f"{page['bodyBytes']} bytes, p50 {page['p50Ms']} ms, a ready body of that size {page['readyBodyP50Ms']} ms")


def test_bench_query_keeps_its_folder(tmp_path):
    folder = tmp_path / "kept"
    for _ in range(2):  # the second run finds it filled
        text = harness.run("bench", "query", "--records", 80000, "--repeats", 3, "--keep", folder).expect(0)
        for word in ("first page, one hour", "month by meter", "p99", "ready body"):
            assert word in text.out, text
    assert (folder / "data.mdb").exists()
    harness.run("bench", "query", "--keep", folder, "--data-dir", tmp_path).expect(2)
