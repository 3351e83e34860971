"""Who may what. Nobody reads another tenant's usage, nobody learns whether another tenant exists, and each route
answers 401 without and 403 with the wrong credentials.
"""
import re

import pytest

import harness
from harness import HOUR, guid, operator_target, tenant_target


@pytest.fixture(scope="module")
def window(stamp):
    return stamp.now - 2 * HOUR, stamp.now - HOUR


def targets(stamp, window):
    """One request per family of routes, with the roles that may use it."""
    own = stamp.tenants[0]["subscriptionId"]
    return {
        tenant_target(own, *window): {"operator", "tenant"},
        operator_target(stamp.operator_subscription, *window): {"operator"},
        harness.summary_target(*window): {"operator", "tenant"},
        "/v1/subscriptions": {"operator", "tenant"},
        "/v1/tokens": {"operator"},
        "/v1/users": {"operator"},
        "/v1/status": {"operator"},
        "/v1/heads": {"operator"},
        "/v1/heads/key": {"operator"},
        "/subscriptions?api-version=2016-05-01": {"operator", "tenant", "producer", "commerce"},
    }


def tokens(stamp):
    return {"operator": stamp.ready["operator"]["token"], "tenant": stamp.tenants[0]["token"],
            "producer": stamp.producer("*"), "commerce": stamp.ready["commerce"]["token"]}


@pytest.mark.parametrize("authorization, code", [
    (None, "AuthenticationFailed"), ("Bearer sm_" + "x" * 43, "InvalidAuthenticationToken"), ("Basic b3A6cHc=", None),
    ("Bearer", None), ("Bearer  ", None), ("garbage", None), ("Bearer sm_" + "x" * 4000, None)])
def test_without_valid_credentials_401_with_www_authenticate(stamp, window, authorization, code):
    headers = {"Authorization": authorization} if authorization else {}
    with stamp.client() as nobody:
        for target in targets(stamp, window):
            answer = nobody.get(target, headers=headers).expect(401, code)
            challenge = answer.headers["WWW-Authenticate"]
            assert challenge.startswith("Bearer ") and "authorization_uri=\"https://" in challenge, challenge
            if authorization and code:
                assert 'error="invalid_token"' in challenge, challenge


def test_unknown_paths_say_nothing_to_strangers_but_not_found(stamp):
    with stamp.client() as nobody:
        assert nobody.get("/v1/nothing").status in (401, 404)


def test_each_role_reads_what_it_may_and_nothing_else(stamp, window):
    for role, token in tokens(stamp).items():
        with stamp.client(token) as client:
            for target, allowed in targets(stamp, window).items():
                answer = client.get(target)
                if role in allowed:
                    answer.expect(200)
                else:
                    answer.expect(403, "AuthorizationFailed")


@pytest.mark.parametrize("method, path, body", [
    ("PUT", "/v1/subscriptions/%s", {"displayName": "mine"}), ("DELETE", "/v1/subscriptions/%s", None),
    ("POST", "/v1/tokens", {"role": "operator"}),
    ("POST", "/v1/users", {"username": "eve", "role": "operator", "password": "x" * 20}),
    ("POST", "/v1/clock", {"advance": "PT1H"}), ("POST", "/v1/usage", [])])
def test_a_tenant_changes_nothing(stamp, method, path, body):
    tenant = stamp.tenants[0]
    path = path % tenant["subscriptionId"] if "%s" in path else path
    with stamp.client(tenant["token"]) as client:
        client.request(method, path, body=body).expect(403, "AuthorizationFailed")


def bare(answer, *ids):
    """The answer without what may differ: ids asked for and ids of the request."""
    body = answer.body.decode()
    for one in ids:
        body = re.sub(re.escape(one), "<subscription>", body, flags=re.IGNORECASE)
    of_request = ("x-ms-request-id", "x-ms-correlation-request-id", "x-ms-routing-request-id", "date")
    headers = sorted((name.lower(), value) for name, value in answer.headers.items() if name.lower() not in of_request)
    return answer.status, body, headers


def paths_of(subscription, window):
    return [tenant_target(subscription, *window), tenant_target(subscription, *window, "Daily"),
            "/subscriptions/%s?api-version=2016-05-01" % subscription, "/v1/subscriptions/" + subscription,
            "/subscriptions/%s/providers/Microsoft.Commerce?api-version=2016-02-01" % subscription]


@pytest.mark.parametrize("state", ["Enabled", "Deleted", "Unknown"])
def test_a_foreign_subscription_looks_like_one_that_does_not_exist(stamp, window, state):
    tenant = stamp.tenants[0]
    foreign = next(one["subscriptionId"] for one in stamp.tenants[1:] if one["state"] == state)
    nowhere = guid()
    with stamp.client(tenant["token"]) as client:
        for there, not_there in zip(paths_of(foreign, window), paths_of(nowhere, window)):
            first = client.get(there).expect(404, "SubscriptionNotFound")
            second = client.get(not_there).expect(404, "SubscriptionNotFound")
            assert bare(first, foreign) == bare(second, nowhere), there


def test_the_operators_subscription_is_foreign_to_tenants_too(stamp, window):
    with stamp.client(stamp.tenants[0]["token"]) as client:
        client.get(tenant_target(stamp.operator_subscription, *window)).expect(404, "SubscriptionNotFound")
        client.get(operator_target(stamp.operator_subscription, *window)).expect(403, "AuthorizationFailed")


def test_lists_and_sums_of_a_tenant_hold_its_own_usage_only(stamp):
    window = (stamp.now.replace(hour=0) - 5 * harness.DAY, stamp.now.replace(hour=0))
    for tenant in stamp.tenants[:4]:
        own = tenant["subscriptionId"]
        with stamp.client(tenant["token"]) as client:
            rows = client.rows(tenant_target(own, *window, "Daily"))
            assert {row["properties"]["subscriptionId"] for row in rows} == {own}
            sums = client.rows(harness.summary_target(*window, groupBy="subscription"))
            assert {row["subscriptionId"] for row in sums} == {own}
            assert [one["subscriptionId"] for one in client.rows("/v1/subscriptions")] == [own]


def test_a_tenant_cannot_filter_its_way_to_others(stamp):
    window = (stamp.now.replace(hour=0) - 5 * harness.DAY, stamp.now.replace(hour=0))
    foreign = stamp.tenants[1]["subscriptionId"]
    with stamp.client(stamp.tenants[0]["token"]) as client:
        answer = client.get(harness.summary_target(*window, filter="subscriptionId eq '%s'" % foreign))
        assert answer.status == 404 or answer.expect(200).json["value"] == []


def test_tokens_are_revoked_and_expire(fresh):
    made = fresh.operator.request("POST", "/v1/tokens", body={"role": "operator", "name": "for an hour",
                                                              "expires": harness.iso(fresh.now + HOUR)})
    assert made.status in (200, 201), made
    expiring = made.json["token"]
    made = fresh.operator.request("POST", "/v1/tokens",
                                  body={"role": "producer", "sources": ["Microsoft.Compute"], "name": "rp"})
    assert made.status in (200, 201), made
    producer = made.json
    one = harness.record(guid(), fresh.now - 2 * HOUR)
    with fresh.client(producer["token"]) as client:
        client.accept(one)
        assert client.verdict_of(dict(one, id=guid(), source="Microsoft.Storage"))["code"] == "SourceNotAllowed"
    listed = fresh.operator.get("/v1/tokens").expect(200)
    assert producer["token"] not in listed.body.decode() and expiring not in listed.body.decode()
    answer = fresh.operator.request("DELETE", "/v1/tokens/" + producer["id"])
    assert answer.status in (200, 204), answer
    with fresh.client(producer["token"]) as client:
        client.post_usage([]).expect(401, "InvalidAuthenticationToken")
    with fresh.client(expiring) as client:
        client.get("/v1/status").expect(200)
        fresh.advance("PT1H")
        client.get("/v1/status").expect(401, "ExpiredAuthenticationToken")


def test_sessions_of_the_console(stamp):
    tenant = stamp.tenants[0]
    with stamp.client() as browser:
        def sign_in(name, password):
            return browser.request("POST", "/v1/session", body={"username": name, "password": password})
        known = sign_in(tenant["username"], "wrong").expect(401).error
        assert sign_in("nobody", "wrong").expect(401).error == known
        answer = sign_in(tenant["username"], tenant["password"])
        assert answer.status in (200, 201), answer
        cookie = answer.headers["Set-Cookie"]
        for attribute in ("HttpOnly", "Secure", "SameSite=Strict"):
            assert attribute.lower() in cookie.lower(), cookie
        headers = {"Cookie": cookie.split(";")[0]}
        session = browser.get("/v1/session", headers=headers).expect(200).json
        assert session["role"] == "tenant" and session["subscriptionId"] == tenant["subscriptionId"]
        browser.get("/v1/tokens", headers=headers).expect(403)
        # A change needs the header that other sites cannot send.
        assert browser.request("DELETE", "/v1/session", headers=headers).status in (400, 403)
        ending = browser.request("DELETE", "/v1/session", headers={**headers, "X-Stampmeter-Console": "1"})
        assert ending.status in (200, 204), ending
        browser.get("/v1/session", headers=headers).expect(401)


def test_secrets_stay_out_of_the_log(stamp):
    log = stamp.log()
    for token in tokens(stamp).values():
        assert token not in log
    for one in stamp.tenants:
        assert one["password"] not in log
