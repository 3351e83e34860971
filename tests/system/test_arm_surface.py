"""What ARM clients expect around the usage lists: headers, discovery, subscriptions, providers, operations."""
import email.utils
import json
import re

import pytest

import harness
from harness import HOUR, guid, instant, operator_target, tenant_target

GUID = r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}"


@pytest.fixture(scope="module")
def tenant(stamp):
    return stamp.tenants[0]


@pytest.fixture(scope="module")
def client(stamp, tenant):
    with stamp.client(tenant["token"]) as own:
        yield own


@pytest.fixture(scope="module")
def target(stamp, tenant):
    return tenant_target(tenant["subscriptionId"], stamp.now - 2 * HOUR, stamp.now - HOUR)


# ---- Headers ----


def test_headers_of_an_answer(client, target, stamp):
    headers = client.get(target).expect(200).headers
    assert headers["Content-Type"] == "application/json; charset=utf-8"
    assert headers["Cache-Control"] == "no-cache"
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["Strict-Transport-Security"].startswith("max-age=")
    assert re.fullmatch(GUID, headers["x-ms-request-id"])
    assert re.fullmatch(GUID, headers["x-ms-correlation-request-id"])
    assert re.fullmatch(r"[^:]+:\d{8}T\d{6}Z:" + GUID, headers["x-ms-routing-request-id"])
    assert int(headers["x-ms-ratelimit-remaining-subscription-reads"]) > 0
    # Simulated time is what everything else here goes by.
    assert email.utils.parsedate_to_datetime(headers["Date"]) == stamp.now
    assert "Transfer-Encoding" in headers or int(headers["Content-Length"]) > 0


def test_writes_have_a_limit_of_their_own(stamp):
    headers = stamp.operator.request("POST", "/v1/clock", body={"advance": "PT0S"}).expect(200).headers
    assert int(headers["x-ms-ratelimit-remaining-subscription-writes"]) > 0


def test_each_request_has_an_id_of_its_own_which_is_in_the_log(stamp, client, target):
    first, second = (client.get(target).headers["x-ms-request-id"] for _ in range(2))
    assert first != second
    harness.until(lambda: first in stamp.log() and second in stamp.log(), "both request ids in the log")


def test_a_correlation_id_is_echoed(client, target):
    mine = guid()
    headers = client.get(target, headers={"x-ms-correlation-request-id": mine}).headers
    assert headers["x-ms-correlation-request-id"] == mine and headers["x-ms-request-id"] != mine


def test_a_client_request_id_is_echoed_when_asked_for(client, target):
    mine = guid()
    asked = client.get(target, headers={"x-ms-client-request-id": mine, "x-ms-return-client-request-id": "true"})
    assert asked.headers["x-ms-client-request-id"] == mine
    for more in ({}, {"x-ms-return-client-request-id": "false"}):
        silent = client.get(target, headers={"x-ms-client-request-id": mine, **more})
        assert silent.headers["x-ms-client-request-id"] is None


def test_ids_that_are_no_ids_do_no_harm(client, target):
    wild = {"x-ms-correlation-request-id": "a" * 5000, "x-ms-client-request-id": "b\tc;d=\"e\"",
            "x-ms-return-client-request-id": "true"}
    answer = client.get(target, headers=wild).expect(200)
    assert re.fullmatch(GUID, answer.headers["x-ms-request-id"])


def test_errors_carry_their_code_in_a_header(client, target):
    answer = client.get(target.replace("api-version", "version")).expect(400, "NoApiVersion")
    assert answer.headers["x-ms-error-code"] == "NoApiVersion"
    assert answer.headers["Content-Type"].startswith("application/json")
    assert re.fullmatch(GUID, answer.headers["x-ms-request-id"])
    assert answer.headers["Retry-After"] is None


def test_answers_are_compressed_for_who_asks(client, target):
    import gzip
    plain = client.get(target).expect(200)
    packed = client.get(target, headers={"Accept-Encoding": "gzip, deflate"}).expect(200)
    if packed.headers["Content-Encoding"] == "gzip":
        assert gzip.decompress(packed.body) == plain.body and len(packed.body) < len(plain.body)
    else:
        assert packed.body == plain.body


@pytest.mark.parametrize("headers", [
    {"Content-Type": "application/json; charset=utf-8", "accept-language": "en-US"},
    {"Accept": "application/json, text/json"},
    {"Accept": "*/*", "CommandName": "Get-AzsSubscriberUsage", "ParameterSetName": "List"},
    {"Content-Length": "0"},
])
def test_headers_that_clients_send_along(client, target, headers):
    assert client.get(target, headers=headers).expect(200).json["value"]


def test_head_is_get_without_a_body(client, target):
    answer = client.request("HEAD", target).expect(200)
    assert answer.body == b"" and answer.headers["Content-Type"].startswith("application/json")


def test_other_methods_405_with_allow(client, target):
    answer = client.request("DELETE", target).expect(405, "MethodNotAllowed")
    assert "GET" in answer.headers["Allow"]


def test_unknown_paths_404(client):
    for path in ("/subscriptions/x/nothing", "/v2/usage", "/v1", "/v1/usage/", "/providers/Microsoft.Nothing"):
        answer = client.get(path)
        assert answer.status in (404, 405), (path, answer)
        assert answer.error["code"] in ("ResourceNotFound", "MethodNotAllowed")


# ---- Discovery ----


def test_metadata_endpoints_of_2015(stamp):
    with stamp.client() as nobody:
        found = nobody.get("/metadata/endpoints?api-version=2015-01-01").expect(200).json
    assert set(found) >= {"galleryEndpoint", "graphEndpoint", "portalEndpoint", "authentication"}
    assert found["authentication"]["loginEndpoint"].startswith("https://")
    audiences = found["authentication"]["audiences"]
    assert audiences and all(isinstance(one, str) for one in audiences)


@pytest.mark.parametrize("version", ["2019-05-01", "2022-09-01"])
def test_metadata_endpoints_from_2019_on_are_a_list_of_clouds(stamp, version):
    with stamp.client() as nobody:
        clouds = nobody.get("/metadata/endpoints?api-version=" + version).expect(200).json
    assert isinstance(clouds, list) and len(clouds) == 1
    cloud = clouds[0]
    assert cloud["name"] and cloud["resourceManager"].rstrip("/") == stamp.url
    assert cloud["authentication"]["identityProvider"] in ("AAD", "ADFS")
    assert {"loginEndpoint", "audiences", "tenant"} <= set(cloud["authentication"])
    assert isinstance(cloud["suffixes"], dict)


def test_metadata_compares_paths_without_case(stamp):
    with stamp.client() as nobody:
        nobody.get("/Metadata/Endpoints?API-Version=2015-01-01").expect(200)


# ---- Subscriptions ----


def test_a_tenant_lists_its_own_subscription(client, tenant):
    one, = client.get("/subscriptions?api-version=2016-05-01").expect(200).json["value"]
    own = tenant["subscriptionId"]
    assert (one["id"], one["subscriptionId"], one["tenantId"], one["state"]) == (
        "/subscriptions/" + own, own, tenant["tenantId"], "Enabled")
    assert one["displayName"] and "offerId" in one and "subscriptionPolicies" in one


def test_an_operator_lists_its_default_provider_subscription(stamp):
    found = stamp.operator.get("/subscriptions?api-version=2016-05-01").expect(200).json["value"]
    own, = [one for one in found if one["subscriptionId"] == stamp.operator_subscription]
    assert own["displayName"] == "Default Provider Subscription"


def test_every_tenant_of_the_ready_file_is_in_its_state(stamp):
    found = {one["subscriptionId"]: one["state"] for one in stamp.operator.rows("/v1/subscriptions")}
    for one in stamp.tenants:
        assert found[one["subscriptionId"]] == one["state"]
    assert {one["state"] for one in stamp.tenants} == {"Enabled", "Deleted", "Unknown"}


# ---- Providers and operations ----


@pytest.mark.parametrize("version", ["2016-02-01", "2016-09-01", "2019-05-01"])
def test_providers_are_registered_always(client, tenant, version):
    path = "/subscriptions/%s/providers/Microsoft.Commerce" % tenant["subscriptionId"]
    made = client.request("POST", "%s/register?api-version=%s" % (path, version)).expect(200).json
    read = client.get("%s?api-version=%s" % (path, version)).expect(200).json
    for found in (made, read):
        assert found["id"].lower() == path.lower()
        assert (found["namespace"], found["registrationState"]) == ("Microsoft.Commerce", "Registered")


def test_operations(stamp):
    found = stamp.operator.get("/providers/Microsoft.Commerce.Admin/operations?api-version=2015-06-01-preview")
    operations = {one["name"]: one["display"] for one in found.expect(200).json["value"]}
    assert set(operations) >= {"Microsoft.Commerce.Admin/operations/read",
                               "Microsoft.Commerce.Admin/updateEncryption/action"}
    for display in operations.values():
        assert {"provider", "resource", "operation", "description"} <= set(display)


def test_update_encryption_answers_200_empty(stamp):
    path = "/subscriptions/%s/providers/Microsoft.Commerce.Admin/updateEncryption?api-version=2015-06-01-preview"
    answer = stamp.operator.request("POST", path % stamp.operator_subscription).expect(200)
    assert answer.body == b""


# ---- Operating ----


def test_probes_need_no_token(stamp):
    with stamp.client() as nobody:
        nobody.get("/healthz").expect(200)
        nobody.get("/readyz").expect(200)


def test_metrics_are_prometheus_text(stamp):
    with stamp.client() as nobody:
        answer = nobody.get("/metrics").expect(200)
    assert answer.headers["Content-Type"].startswith("text/plain")
    typed = set()
    for line in answer.body.decode().splitlines():
        kind = re.match(r"# TYPE (\w+) (counter|gauge|histogram|summary)$", line)
        if kind:
            typed.add(kind.group(1))
        elif line and not line.startswith("# HELP "):
            sample = re.match(r"([a-zA-Z_:][\w:]*)(\{[^}]*\})? (-?[0-9.e+-]+|NaN|[+-]Inf)$", line)
            assert sample, line
            name = sample.group(1)
            assert name in typed or re.sub(r"_(bucket|sum|count)$", "", name) in typed, line
    assert typed


def test_openapi_names_every_route_used_here(stamp):
    with stamp.client() as nobody:
        answer = nobody.get("/openapi.json").expect(200)
    document = json.loads(answer.body)
    assert document["openapi"].startswith("3.1")
    paths = {path.lower() for path in document["paths"]}
    for path in ("/v1/usage", "/v1/summary", "/v1/subscriptions", "/metadata/endpoints",
                 "/subscriptions/{subscriptionid}/providers/microsoft.commerce/usageaggregates",
                 "/subscriptions/{subscriptionid}/providers/microsoft.commerce.admin/subscriberusageaggregates"):
        assert path in paths, path


def test_the_demo_clock_moves_when_told(fresh):
    before = fresh.now
    assert fresh.advance("PT1H") == before + HOUR
    assert fresh.advance("PT90S") - before == HOUR * 1.025
    with fresh.client() as nobody:
        assert email.utils.parsedate_to_datetime(nobody.get("/healthz").headers["Date"]) == fresh.now
    for wrong in ({}, {"advance": "1h"}, {"advance": "-PT1H"}, {"advance": 3600}):
        fresh.operator.request("POST", "/v1/clock", body=wrong).expect(400)
    fresh.operator.request("POST", "/v1/clock", body={"advance": "PT1H"}, token=fresh.tenants[0]["token"]).expect(403)
    # Not even a moment passed by itself.
    answer = fresh.operator.request("POST", "/v1/clock", body={"advance": "PT0S"}).expect(200)
    assert instant(answer.json["now"]) == fresh.now
    fresh.operator.get(operator_target(fresh.operator_subscription, before, before + HOUR)).expect(200)
