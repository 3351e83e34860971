"""The stamp's side of registering: its state, its token, and the activation resource (spec 6.6, 6.7; wire-contracts 4.5).
Keys are signed here, by an ECDSA of our own, so that the program is not checked against itself.
"""
import base64
import json

import pytest

import harness
from activation_keys import Signer, compact, packed, payload
from harness import DAY, HOUR, guid, iso

VERSION = "api-version=2016-01-01"
RESOURCE = "properties.activationKey"


def base_of(subscription, group="azurestack-activation"):
    return "/subscriptions/%s/resourceGroups/%s/providers/Microsoft.AzureBridge.Admin/activations" % (
        subscription, group)


class Activation:
    """The operator's view of one stamp's activation."""

    def __init__(self, stamp):
        self.stamp, self.client = stamp, stamp.operator
        self.base = base_of(stamp.operator_subscription)

    @property
    def state(self):
        return self.client.get("/v1/registration").expect(200).json

    @property
    def cloud_id(self):
        return self.state["cloudId"]

    def get(self):
        return self.client.get("%s/default?%s" % (self.base, VERSION))

    def put(self, key, **more):
        return self.client.request("PUT", "%s/default?%s" % (self.base, VERSION),
                                   body={"properties": {"activationKey": key}, **more})

    def delete(self, query=""):
        return self.client.request("DELETE", "%s/default?%s%s" % (self.base, VERSION, query))

    def audit(self):
        return [entry for entry in self.client.get("/v1/audit?limit=1000").expect(200).json["value"]
                if entry["action"].startswith(("activation.", "registration.token"))]


@pytest.fixture
def activation(empty):
    """Nothing is active, and no signer is trusted."""
    side = Activation(empty)
    side.delete("&forgetSigner=true")
    yield side
    side.delete("&forgetSigner=true")


@pytest.fixture
def signer():
    return Signer()


# ---- state and token ----


def test_a_stamp_that_is_not_registered_says_so(activation, empty):
    state = activation.state
    assert state["state"] == "Not registered"
    assert "activation" not in state and "trustedSigner" not in state
    assert state["stampVersion"] and len(state["cloudId"]) == len(state["deploymentId"]) == 36
    assert state["publicKeyId"] == empty.operator.get("/v1/heads/key").expect(200).json["kid"]
    activation.get().expect(404, "ResourceNotFound")
    listed = activation.client.get("%s?%s" % (activation.base, VERSION)).expect(200).json
    assert listed == {"value": []}


def test_the_token_says_who_the_stamp_is_and_is_in_the_audit_log(activation, empty):
    before = len(activation.audit())
    answer = empty.operator.request("POST", "/v1/registration/token",
                                    body={"billingModel": "payasyouuse", "usageReporting": False}).expect(200).json
    token = json.loads(base64.b64decode(answer.pop("registrationToken"), validate=True))
    assert token == answer
    assert token["cloudId"] == activation.cloud_id and token["billingModel"] == "PayAsYouUse"
    assert token["usageReportingEnabled"] is True  # this model always reports
    node, = token["hardwareInfo"]
    assert node["numCores"] >= 1 and len(node["uuid"]) in (0, 32)
    jwk = empty.operator.get("/v1/heads/key").expect(200).json
    key = base64.urlsafe_b64decode(token["publicKey"] + "==")
    assert key[0] == 4 and packed(key[1:33]) == jwk["x"] and packed(key[33:]) == jwk["y"]
    entry = activation.audit()[before]
    assert entry["action"] == "registration.token" and entry["detail"]["billingModel"] == "PayAsYouUse"
    assert entry["by"] and entry["requestId"]


@pytest.mark.parametrize("body, code, target", [
    ({}, "InvalidProperty", "billingModel"),
    ({"billingModel": "Free"}, "InvalidProperty", "billingModel"),
    ({"billingModel": 1}, "InvalidProperty", "billingModel"),
    ({"billingModel": "Custom", "usageReporting": "on"}, "InvalidProperty", "usageReporting"),
    ({"billingModel": "Capacity"}, "MissingAgreementNumber", "agreementNumber"),
    ({"billingModel": "Custom"}, "MissingMsAssetTag", "msAssetTag"),
    ({"billingModel": "Ruggedized", "msAssetTag": " "}, "MissingMsAssetTag", "msAssetTag"),
])
def test_a_token_that_cannot_be_made_says_what_is_missing(empty, body, code, target):
    empty.operator.request("POST", "/v1/registration/token", body=body).expect(400, code, target)


@pytest.mark.parametrize("model, wanted, reports", [
    ("PayAsYouUse", False, True), ("Capacity", True, False), ("Development", None, True), ("Development", False, False),
    ("Custom", None, False), ("Custom", True, True), ("Ruggedized", None, True),
])
def test_usage_reporting_is_as_the_billing_model_has_it(empty, model, wanted, reports):
    body = {"billingModel": model, "agreementNumber": "1", "msAssetTag": "tag"}
    if wanted is not None:
        body["usageReporting"] = wanted
    answer = empty.operator.request("POST", "/v1/registration/token", body=body).expect(200).json
    assert answer["usageReportingEnabled"] is reports


# ---- activating ----


def test_the_activation_resource_has_the_documented_shape(activation, signer):
    key = signer.sign(payload(activation.cloud_id))
    answer = activation.put(key, location="local", name="ignored").expect(200)
    resource = answer.json
    assert resource["id"] == activation.base + "/default"
    assert (resource["name"], resource["type"]) == ("default", "Microsoft.AzureBridge.Admin/activations")
    assert resource["properties"]["displayName"]
    assert {name: value for name, value in resource["properties"].items() if name != "displayName"} == {
        "azureRegistrationResourceIdentifier": "/subscriptions/11111111-2222-3333-4444-555555555555/resourceGroups/"
                                               "azurestack/providers/Microsoft.AzureStack/registrations/azurestack-one",
        "provisioningState": "Succeeded", "expiration": "9999-12-30T23:59:59.9999999Z",
        "marketplaceSyndicationEnabled": False, "usageReportingEnabled": True}
    assert answer.headers["ETag"] == '"%s"' % resource["etag"]
    again = activation.get().expect(200)
    assert again.json == resource and again.headers["ETag"] == answer.headers["ETag"]
    assert activation.client.get("%s?%s" % (activation.base, VERSION)).json == {"value": [resource]}
    shouted = activation.base.upper() + "/DEFAULT?" + VERSION.upper()
    assert activation.client.get(shouted).expect(200).json["etag"] == resource["etag"]


def test_the_state_tells_who_activated_what(activation, signer, empty):
    key = signer.sign(payload(activation.cloud_id, billingModel="Development"))
    activation.put(key).expect(200)
    state = activation.state
    assert state["state"] == "Registered" and state["trustedSigner"] == signer.key_id
    entry = activation.audit()[-1]
    assert (entry["action"], entry["subject"]) == ("activation.put", "activations/default")
    assert entry["detail"]["signerKeyId"] == signer.key_id
    active = state["activation"]
    assert active.pop("by") == entry["by"]
    assert harness.instant(active.pop("activatedTime")) <= empty.now
    assert active == {
        "registrationResourceId": activation.get().json["properties"]["azureRegistrationResourceIdentifier"],
        "subscriptionId": "11111111-2222-3333-4444-555555555555", "resourceGroup": "azurestack",
        "registrationName": "azurestack-one", "billingModel": "Development", "usageReporting": True,
        "marketplaceSyndication": False, "usageEndpoint": "https://commerce.example", "issued": None, "expires": None,
        "signerKeyId": signer.key_id}


def test_the_same_key_again_changes_nothing_and_a_new_one_replaces(activation, signer):
    key = signer.sign(payload(activation.cloud_id))
    first = activation.put(key).expect(200).json
    entries = len(activation.audit())
    assert activation.put("\r\n " + key[:70] + "\n" + key[70:] + " ").expect(200).json == first
    assert len(activation.audit()) == entries
    second = activation.put(signer.sign(payload(activation.cloud_id, registrationName="two"))).expect(200).json
    assert second["etag"] != first["etag"]
    assert second["properties"]["azureRegistrationResourceIdentifier"].endswith("/two")
    assert len(activation.audit()) == entries + 1


def test_an_activation_can_be_ended(activation, signer):
    key = signer.sign(payload(activation.cloud_id))
    activation.put(key).expect(200)
    activation.delete().expect(200)
    activation.get().expect(404)
    assert activation.audit()[-1]["action"] == "activation.delete"
    assert activation.state["state"] == "Not registered"
    entries = len(activation.audit())
    activation.delete().expect(204)
    assert len(activation.audit()) == entries


def test_the_configuration_tells_version_and_identity_system(activation, empty):
    answer = activation.client.get("%s/default/configuration?%s" % (activation.base, VERSION)).expect(200).json
    assert answer == {"deviceVersion": activation.state["stampVersion"], "identitySystem": "ADFS"}
    activation.client.get("%s/other/configuration?%s" % (activation.base, VERSION)).expect(404)


def test_the_only_name_is_default(activation, signer):
    other = "%s/other?%s" % (activation.base, VERSION)
    activation.client.get(other).expect(404, "ResourceNotFound")
    activation.client.request("DELETE", other).expect(204)
    body = {"properties": {"activationKey": signer.sign(payload(activation.cloud_id))}}
    activation.client.request("PUT", other, body=body).expect(400, "InvalidProperty", "activationName")


def test_an_activation_expires(fresh, signer):
    side = Activation(fresh)
    side.delete("&forgetSigner=true")
    key = signer.sign(payload(side.cloud_id, expires=iso(fresh.now + 2 * DAY)))
    assert side.put(key).expect(200).json["properties"]["expiration"].startswith(iso(fresh.now + 2 * DAY)[:19])
    fresh.advance("PT47H")
    assert side.state["state"] == "Registered"
    fresh.advance("PT1H")
    assert side.state["state"] == "Expired"
    assert side.state["activation"]["expires"] == iso(fresh.now)
    error = side.put(key).expect(400, "InvalidActivationKey", RESOURCE).error  # not taken again either
    assert iso(fresh.now) in error["message"] and "renew" in error["message"]


def metric(stamp, name):
    """Its value; None: it is not there."""
    lines = stamp.operator.get("/metrics").expect(200).body.decode().splitlines()
    return next((float(line.split()[-1]) for line in lines if line.split(" ")[0] == name), None)


def finding(stamp, check):
    told = stamp.operator.get("/v1/doctor").expect(200).json["findings"]
    return next((found for found in told if found["check"] == check), None)


def test_an_activation_that_ends_is_seen_in_time(fresh, signer):
    """By the doctor, who says what to do, by who scrapes, and in the status."""
    expires = "stampmeter_activation_expires_timestamp_seconds"
    side = Activation(fresh)
    side.delete("&forgetSigner=true")
    assert metric(fresh, "stampmeter_activated") == 0 and metric(fresh, expires) is None
    assert fresh.operator.get("/v1/status").expect(200).json["activation"] == {"state": "Not registered"}
    assert finding(fresh, "activation") is None  # nothing is wrong with that
    side.put(signer.sign(payload(side.cloud_id))).expect(200)
    assert metric(fresh, "stampmeter_activated") == 1 and metric(fresh, expires) == float("inf")
    assert fresh.operator.get("/v1/status").json["activation"]["expires"] is None
    assert finding(fresh, "activation")["state"] == "ok"
    end = fresh.now + 31 * DAY
    side.put(signer.sign(payload(side.cloud_id, expires=iso(end)))).expect(200)
    assert finding(fresh, "activation")["state"] == "ok"
    fresh.advance("P2D")
    soon = finding(fresh, "activation")
    assert soon["state"] == "attention" and iso(end) in soon["message"]
    assert "registration token" in soon["remedy"] and "registration activate" in soon["remedy"]
    side.put(signer.sign(payload(side.cloud_id, expires=iso(fresh.now + HOUR)))).expect(200)
    assert metric(fresh, expires) == (fresh.now + HOUR).timestamp() and metric(fresh, "stampmeter_activated") == 1
    fresh.advance("PT1H")
    ended = finding(fresh, "activation")
    assert ended["state"] == "problem" and iso(fresh.now) in ended["message"] and "renew" in ended["remedy"]
    assert metric(fresh, expires) == fresh.now.timestamp() and metric(fresh, "stampmeter_activated") == 0
    assert fresh.operator.get("/v1/status").json["activation"] == {
        "state": "Expired", "registrationName": "azurestack-one", "expires": iso(fresh.now)}


def test_preconditions_of_an_activation(activation, signer):
    target = "%s/default?%s" % (activation.base, VERSION)

    def put(name, **headers):
        body = {"properties": {"activationKey": signer.sign(payload(activation.cloud_id, registrationName=name))}}
        return activation.client.request("PUT", target, body=body,
                                         headers={part.replace("_", "-"): text for part, text in headers.items()})

    put("one", If_Match="*").expect(412, "PreconditionFailed", "If-Match")
    activation.get().expect(404)
    first = put("one", If_None_Match="*").expect(200).headers["ETag"]
    put("two", If_None_Match="*").expect(412, "PreconditionFailed", "If-None-Match")
    second = put("two", If_Match=first).expect(200).headers["ETag"]
    entries = len(activation.audit())
    put("three", If_Match=first).expect(412, "PreconditionFailed")
    activation.client.request("DELETE", target, headers={"If-Match": first}).expect(412, "PreconditionFailed")
    assert activation.get().headers["ETag"] == second and len(activation.audit()) == entries
    activation.client.request("DELETE", target, headers={"If-Match": second}).expect(200)
    activation.client.request("DELETE", target, headers={"If-Match": second}).expect(204)  # as with registrations


def test_an_activation_survives_restart_and_kill(fresh, signer):
    side = Activation(fresh)
    side.delete("&forgetSigner=true")
    side.put(signer.sign(payload(side.cloud_id))).expect(200)
    before = side.state, side.get().json
    fresh.kill()
    fresh.start()
    side = Activation(fresh)
    assert (side.state, side.get().json) == before
    fresh.stop()
    fresh.start()
    side = Activation(fresh)
    assert (side.state, side.get().json) == before
    side.put(Signer().sign(payload(side.cloud_id))).expect(400, "InvalidActivationKey")  # the trust survives, too


# ---- refusals: each names its cause, and none changes anything ----


def test_a_key_for_another_stamp_is_refused_with_both_ids(activation, signer):
    other = guid()
    error = activation.put(signer.sign(payload(other))).expect(400, "InvalidActivationKey", RESOURCE).error
    assert other in error["message"] and activation.cloud_id in error["message"]
    assert activation.state["state"] == "Not registered" and "trustedSigner" not in activation.state


def test_a_key_of_another_signer_is_refused_with_both_key_ids(activation, signer):
    stranger = Signer()
    activation.put(signer.sign(payload(activation.cloud_id))).expect(200)
    for _ in range(2):
        key = stranger.sign(payload(activation.cloud_id))
        error = activation.put(key).expect(400, "InvalidActivationKey", RESOURCE).error
        assert signer.key_id in error["message"] and stranger.key_id in error["message"]
        activation.delete()  # ending the activation does not hand the stamp to anybody
    activation.delete("&forgetSigner=true").expect(200)
    activation.put(key).expect(200)


def test_a_configured_signer_is_the_only_one(tmp_path, signer):
    stranger = Signer()
    with harness.Stamp(tmp_path, options={"registration.trusted_key_id": signer.key_id}) as stamp:
        side = Activation(stamp)
        side.delete("&forgetSigner=true")
        assert side.state["trustedSigner"] == signer.key_id
        error = side.put(stranger.sign(payload(side.cloud_id))).expect(400, "InvalidActivationKey", RESOURCE).error
        assert "registration.trusted_key_id" in error["message"]
        side.put(signer.sign(payload(side.cloud_id))).expect(200)


def test_a_signer_configured_later_takes_the_trust_from_the_activation(tmp_path, signer):
    """The stamp must not report usage by an activation whose signer is not trusted any more, and says so everywhere."""
    stranger = Signer()
    with harness.Stamp(tmp_path) as stamp:
        side = Activation(stamp)
        side.delete("&forgetSigner=true")
        side.put(signer.sign(payload(side.cloud_id))).expect(200)
        assert side.state["state"] == "Registered"
        stamp.stop()
        stamp.options["registration.trusted_key_id"] = stranger.key_id
        stamp.start()
        side = Activation(stamp)
        state = side.state
        assert (state["state"], state["trustedSigner"]) == ("Untrusted signer", stranger.key_id)
        assert state["activation"]["signerKeyId"] == signer.key_id
        assert stamp.operator.get("/v1/status").expect(200).json["activation"]["state"] == "Untrusted signer"
        assert metric(stamp, "stampmeter_activated") == 0
        told = finding(stamp, "activation")
        assert told["state"] == "problem" and signer.key_id in told["message"] and "trusted_key_id" in told["remedy"]
        assert "does not trust" in stamp.log() and signer.key_id in stamp.log()
        side.put(stranger.sign(payload(side.cloud_id))).expect(200)
        assert side.state["state"] == "Registered" and metric(stamp, "stampmeter_activated") == 1
        assert finding(stamp, "activation")["state"] == "ok"


def test_a_key_that_is_older_than_the_active_one_is_refused(activation, signer):
    first, second, third = (signer.sign(payload(activation.cloud_id, registrationName=name, issued=issued))
                            for name, issued in (("one", "2026-01-01T00:00:00.0000000Z"),
                                                 ("two", "2026-01-01T00:00:00.0000001Z"), ("three", None)))
    activation.put(first).expect(200)
    activation.put(second).expect(200)
    for older in (first, third):
        said = activation.put(older).expect(400, "InvalidActivationKey", RESOURCE).error["message"]
        assert "before the one that is active" in said and "delete the activation first" in said
    assert activation.state["activation"]["registrationName"] == "two"
    activation.delete().expect(200)
    activation.put(first).expect(200)
    assert activation.state["activation"]["registrationName"] == "one"


@pytest.mark.parametrize("members", [
    {"usageEndpoint": "https://x\r\nEvil: y"}, {"usageEndpoint": "https://"}, {"usageEndpoint": "https://u:p@x"},
    {"usageEndpoint": "https://x\0"}, {"marketplaceEndpoint": "https://\x1b[2J"}, {"registrationName": "a\x1b[31mb"},
    {"resourceGroupName": "../x"}, {"issuer": "\x1b]0;title\x07"}], ids=lambda members: repr(members))
def test_a_key_with_what_no_address_or_name_has_is_refused(activation, signer, members):
    said = activation.put(signer.sign(payload(activation.cloud_id, **members))).expect(
        400, "InvalidActivationKey", RESOURCE).error["message"]
    assert next(iter(members)) in said and "\x1b" not in said and "\r" not in said


def test_a_configured_signer_that_can_be_none_stops_the_start(tmp_path):
    harness.run("check-config", options={"registration.trusted_key_id": "short"}).expect(1)


def forged(signer, cloud_id):
    """Texts that must not be taken, by what is wrong with them."""
    good = payload(cloud_id)
    key = signer.sign(good)
    header, body, signature = key.split(".")
    stranger = Signer()
    yield "alg none", packed(compact({"alg": "none"})) + "." + body + "."
    yield "alg none, signed", signer.sign(good, alg="none")
    yield "alg RS256", signer.sign(good, alg="RS256")
    yield "alg HS256", signer.sign(good, alg="HS256")
    yield "alg in small letters", signer.sign(good, alg="es256")
    yield "another kid", signer.sign(good, kid=stranger.key_id)
    yield "no kid", signer.sign(good, header={"alg": "ES256", "jwk": signer.jwk})
    yield "no jwk", signer.sign(good, header={"alg": "ES256", "kid": signer.key_id})
    yield "crit", signer.sign(good, crit=["exp"])
    yield "signature of another key", signer.sign(good, kid=stranger.key_id, jwk=stranger.jwk)
    yield "signature of another text", header + "." + packed(compact(payload(cloud_id, version="2"))) + "." + signature
    yield "zero signature", header + "." + body + "." + packed(bytes(64))
    yield "short signature", header + "." + body + "." + packed(bytes(63))
    yield "a dot too many", key + "."
    yield "padding", key + "=="
    yield "cut", key[:-1]
    yield "two parts", header + "." + body
    yield "a member twice", signer.sign(compact(good)[:-1] + ',"cloudId":"%s"}' % cloud_id)
    yield "no JSON", signer.sign("hello")
    yield "a list", signer.sign("[]")
    yield "no cloud id", signer.sign(payload(cloud_id, cloudId=None))
    yield "no end", signer.sign(payload(cloud_id, expires=None))
    yield "no subscription", signer.sign(payload(cloud_id, subscriptionId=None))
    yield "unknown model", signer.sign(payload(cloud_id, billingModel="Free"))
    yield "plain http", signer.sign(payload(cloud_id, usageEndpoint="http://commerce.example"))
    yield "reports nowhere", signer.sign(payload(cloud_id, usageEndpoint=None))
    yield "long ago", signer.sign(payload(cloud_id, expires="2020-01-01T00:00:00.0000000Z"))
    yield "huge", "A" * 600000 + ".A.A"


def test_what_is_not_a_key_for_this_stamp_is_refused(activation, signer):
    entries = len(activation.audit())
    messages = {}
    for what, text in forged(signer, activation.cloud_id):
        answer = activation.put(text)
        assert answer.status == 400, "%s: %r" % (what, answer)
        answer.expect(400, "InvalidActivationKey", RESOURCE)
        messages[what] = answer.error["message"]
    assert "ES256" in messages["alg none, signed"] and "thumbprint" in messages["another kid"]
    assert "damaged" in messages["signature of another text"] and "2020-01-01" in messages["long ago"]
    assert "billingModel" in messages["unknown model"] and "longer" in messages["huge"]
    assert activation.state["state"] == "Not registered" and len(activation.audit()) == entries
    activation.put(signer.sign(payload(activation.cloud_id))).expect(200)


@pytest.mark.parametrize("body", [{}, {"properties": {}}, {"properties": {"activationKey": ""}},
                                  {"properties": {"activationKey": 7}}, {"properties": "x"}])
def test_a_body_without_a_key_says_what_is_missing(activation, body):
    answer = activation.client.request("PUT", "%s/default?%s" % (activation.base, VERSION), body=body)
    answer.expect(400, "InvalidProperty", RESOURCE)


# ---- who may ----


def test_the_api_version_is_required(activation):
    activation.client.get(activation.base).expect(400, "NoApiVersion")
    activation.client.get(activation.base + "?api-version=2017-06-01").expect(400, "InvalidApiVersionParameter")


def test_only_operators_see_and_change_the_registration(activation, empty):
    target = "%s/default?%s" % (activation.base, VERSION)
    for token in (empty.tenant()["token"], empty.producer("*")):
        client = empty.client(token)
        for method, path in (("GET", "/v1/registration"), ("POST", "/v1/registration/token"), ("GET", target),
                             ("PUT", target), ("DELETE", target)):
            body = {} if method in ("POST", "PUT") else None
            client.request(method, path, body=body).expect(403, "AuthorizationFailed")
    empty.client().get("/v1/registration").expect(401)
    bad = base_of("not-a-guid") + "/default?" + VERSION
    activation.client.get(bad).expect(404, "SubscriptionNotFound")


def test_a_commercial_side_has_no_stamp_to_register(tmp_path):
    with harness.Side(tmp_path, "commerce") as side:
        operator = side.client(open(side.data_dir + "/operator.token", encoding="ascii").read().strip())
        for path in ("/v1/registration", base_of(guid()) + "?" + VERSION):
            error = operator.get(path).expect(404, "ResourceNotFound").error
            assert "stamp role" in error["message"]
