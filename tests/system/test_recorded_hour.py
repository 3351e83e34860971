"""A real hour of a real stamp goes in as history and comes back through the operator API row for row."""
import json
import os
import tempfile

import pytest

import harness
from harness import exact, instant, key_of, operator_target, read_json

FILE = os.path.join(harness.ROOT, "tests", "data", "recorded-hour.json")
WINDOW = (instant("2019-12-10T19:00:00Z"), instant("2019-12-10T20:00:00Z"))


@pytest.fixture(scope="module")
def recorded():
    with open(FILE, encoding="utf-8") as file:
        return read_json(file.read())


def import_into_folder(folder):
    """init, import with the server stopped, serve."""
    data_dir = os.path.join(folder, "data")
    harness.run("init", "--data-dir", data_dir).expect(0)
    harness.run("import", FILE, "--format", "arm", "--history", "--data-dir", data_dir).expect(0)
    server = harness.Server(os.path.join(folder, "serve"), data_dir=data_dir).start()
    with open(os.path.join(data_dir, "operator.token"), encoding="ascii") as file:
        return server, server.client(file.read().strip())


def write_token(server):
    path = os.path.join(server.folder, "token")
    with open(path, "w", encoding="ascii") as file:
        file.write(server.operator.token + "\n")
    return path


def import_over_https(server):
    return harness.run("import", FILE, "--format", "arm", "--history", "--url", server.url, "--ca", server.ca_file,
                       "--token-file", write_token(server))


@pytest.fixture(scope="module", params=["data-dir", "url"])
def imported(request):
    """(client of an operator, operator's subscription, function that imports again)"""
    with tempfile.TemporaryDirectory(prefix="recorded-") as folder:
        if request.param == "url":
            with harness.Stamp(folder) as server:
                import_over_https(server).expect(0)
                yield server.operator, server.operator_subscription, lambda: import_over_https(server)
        else:
            server, client = import_into_folder(folder)
            with server:
                subscriptions = client.get("/subscriptions?api-version=2016-05-01").expect(200).json["value"]
                own = [one["subscriptionId"] for one in subscriptions
                       if one["displayName"] == "Default Provider Subscription"]
                assert len(own) == 1, subscriptions

                def again():
                    server.stop()
                    result = harness.run("import", FILE, "--format", "arm", "--history", "--data-dir", server.data_dir)
                    server.start()
                    client.port = server.address[1]
                    return result
                yield client, own[0], again
                client.close()


def rows_of(imported, granularity="Hourly", window=WINDOW):
    client, operator_subscription, _ = imported
    return client.rows(operator_target(operator_subscription, *window, granularity))


def test_all_236_rows_come_back_with_exact_quantities(imported, recorded):
    rows = {key_of(row): row for row in rows_of(imported)}
    expected = {key_of(row): row for row in recorded["response"]["value"]}
    assert len(expected) == 236
    assert rows.keys() == expected.keys()
    for key, row in expected.items():
        ours, theirs = rows[key]["properties"], row["properties"]
        assert exact(ours["quantity"]) == exact(theirs["quantity"]), key


def test_quantities_are_json_numbers(imported):
    client, operator_subscription, _ = imported
    text = client.get(operator_target(operator_subscription, *WINDOW)).expect(200).body.decode()
    # Some rows need 19, 20 and 23 decimals: more than a double's text ever has.
    places = [-exact(row["properties"]["quantity"]).normalize().as_tuple().exponent for row in read_json(text)["value"]]
    assert sorted(places)[-3:] == [19, 20, 23]
    assert '"quantity":"' not in text.replace(" ", "")


def test_instance_data_times_and_meter_ids_are_as_recorded(imported, recorded):
    rows = {key_of(row): row["properties"] for row in rows_of(imported)}
    for row in recorded["response"]["value"]:
        ours, theirs = rows[key_of(row)], row["properties"]
        for name in ("subscriptionId", "usageStartTime", "usageEndTime", "meterId", "name"):
            assert ours[name] == theirs[name], name
        assert isinstance(ours["instanceData"], str)
        assert json.loads(ours["instanceData"]) == json.loads(theirs["instanceData"])


def test_id_name_and_type_have_the_recorded_form(imported, recorded):
    _, operator_subscription, _ = imported
    recorded_operator = recorded["request"]["operatorSubscription"]
    rows = {key_of(row): row for row in rows_of(imported)}
    for row in recorded["response"]["value"]:
        ours = rows[key_of(row)]
        assert ours["id"] == row["id"].replace(recorded_operator, operator_subscription)
        assert ours["name"] == row["name"]
        assert ours["type"] == row["type"]
        assert list(ours["properties"]) == list(row["properties"]), "members in the recorded order"


def test_the_day_and_the_summary_add_up_to_the_same(imported, recorded):
    client, _, _ = imported
    day = (WINDOW[0].replace(hour=0), WINDOW[0].replace(hour=0) + harness.DAY)
    expected = {}
    for row in recorded["response"]["value"]:
        expected.setdefault(key_of(row)[2], []).append(row["properties"]["quantity"])
    expected = {meter: harness.exact_sum(quantities) for meter, quantities in expected.items()}

    daily = {}
    for row in rows_of(imported, "Daily", day):
        daily.setdefault(key_of(row)[2], []).append(row["properties"]["quantity"])
    assert {meter: harness.exact_sum(quantities) for meter, quantities in daily.items()} == expected

    rows = client.rows(harness.summary_target(*WINDOW, axis="reported", groupBy="meter"))
    assert {row["meterId"].lower().replace("-", ""): exact(row["quantity"]) for row in rows} == expected
    assert sum(row["records"] for row in rows) == 236


def test_importing_again_changes_nothing(imported):
    before = rows_of(imported)
    imported[2]().expect(0)
    assert rows_of(imported) == before


def test_nothing_shows_in_the_hours_around_it(imported):
    before = (WINDOW[0] - harness.HOUR, WINDOW[0])
    after = (WINDOW[1], WINDOW[1] + harness.HOUR)
    assert rows_of(imported, window=before) == rows_of(imported, window=after) == []
