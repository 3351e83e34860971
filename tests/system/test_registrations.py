"""The registration resource of the commercial side over HTTPS: the contract of all four api-versions, billing models,
renewal, taken cloud ids and names, etags, paging, the activation key, who may, and what the audit log says.
"""
import concurrent.futures
import tempfile

import pytest

import harness
from activation_keys import Signer, packed, unpacked
from harness import DAY, HOUR, guid, instant, iso
from registration_fixture import VERSIONS, Registrations, body, node, token

MODELS = {"PayAsYouUse": {}, "Capacity": {"agreementNumber": "EA-1"}, "Development": {},
          "Custom": {"msAssetTag": "tag"}, "Ruggedized": {"msAssetTag": "tag"}}


@pytest.fixture(scope="module")
def commerce():
    with tempfile.TemporaryDirectory(prefix="commerce-") as folder, \
            harness.Stamp(folder) as server:
        server.commerce = server.client(server.ready["commerce"]["token"])
        yield server


@pytest.fixture
def registrations(commerce):
    """A subscription of its own for each test."""
    return Registrations(commerce.commerce)


def native(registrations, name):
    rows = registrations.client.rows("/v1/commerce/registrations")
    return next(row for row in rows if row["name"] == name and row["subscriptionId"] == registrations.subscription)


def history(registrations, cloud_id):
    return registrations.client.get("/v1/commerce/registrations/history?cloudId=" + cloud_id).expect(200).json["value"]


# ---- Create, read, update, delete ----


@pytest.mark.parametrize("version", VERSIONS)
def test_each_api_version_creates_reads_renews_and_deletes(registrations, version):
    registrations.version = version
    cloud_id, object_id = guid(), guid()
    first = registrations.put("reg1", token(cloud_id, objectId=object_id)).expect(201)
    resource = first.json
    assert resource["id"] == "/subscriptions/%s/resourceGroups/azurestack/providers/Microsoft.AzureStack/" \
        "registrations/reg1" % registrations.subscription
    assert resource["name"] == "reg1" and resource["type"] == "Microsoft.AzureStack/registrations"
    assert resource["location"] == "global" and "tags" not in resource
    assert resource["properties"] == {"objectId": object_id, "cloudId": cloud_id, "billingModel": "PayAsYouUse"}
    assert first.headers["ETag"] == '"%s"' % resource["etag"]
    again = registrations.get("reg1").expect(200)
    assert again.json == resource and again.headers["ETag"] == first.headers["ETag"]
    renewed = registrations.put("reg1", token(cloud_id, objectId=object_id)).expect(200)
    assert renewed.json["etag"] != resource["etag"] and renewed.headers["ETag"] != first.headers["ETag"]
    registrations.patch("reg1", body(token(cloud_id))).expect(200)
    assert [row["name"] for row in registrations.client.rows(registrations.target())] == ["reg1"]
    registrations.post("reg1", "getactivationkey").expect(200)
    registrations.delete("reg1").expect(200)
    registrations.delete("reg1").expect(204)
    registrations.get("reg1").expect(404, "RegistrationNotFound")
    assert registrations.client.rows(registrations.target()) == []


def test_kind_and_system_data_from_2020_06_01_preview_on(commerce, registrations):
    registrations.put("reg1", token())
    for version in VERSIONS:
        found = registrations.get("reg1", version=version).expect(200).json
        if version < "2020":
            assert "kind" not in found and "systemData" not in found
            continue
        assert found["kind"] == "AzureStackHub"
        data = found["systemData"]
        assert data["createdBy"] == data["lastModifiedBy"] == "commerce"
        assert data["createdByType"] == data["lastModifiedByType"] == "Key"
        assert instant(data["createdAt"]) == instant(data["lastModifiedAt"]) == commerce.now


@pytest.mark.parametrize("query, code", [
    ({"version": None}, "NoApiVersion"), ({"version": "2015-01-01"}, "InvalidApiVersionParameter")])
def test_an_api_version_is_needed_and_must_be_known(registrations, query, code):
    registrations.put("reg1", token())
    for answer in (registrations.get("reg1", **query), registrations.get("", **query),
                   registrations.client.request("PUT", registrations.target("reg1", **query), body=body(token())),
                   registrations.client.request("DELETE", registrations.target("reg1", **query)),
                   registrations.post("reg1", "getactivationkey", **query)):
        answer.expect(400, code, "api-version")
    registrations.get("reg1").expect(200)


def test_names_and_paths_compare_without_case_and_keep_theirs(registrations):
    registrations.put("AzureStack-1", token()).expect(201)
    for spelling in ("azurestack-1", "AZURESTACK-1"):
        assert registrations.get(spelling).expect(200).json["name"] == "AzureStack-1"
    shouted = registrations.target("azurestack-1").replace("resourceGroups/azurestack", "RESOURCEGROUPS/AzureStack")
    shouted = shouted.replace("Microsoft.AzureStack/registrations", "microsoft.azurestack/Registrations")
    assert "AzureStack-1" in registrations.client.get(shouted).expect(200).json["id"]
    for spelling in ("getactivationkey", "GetActivationKey", "GETACTIVATIONKEY"):
        registrations.post("azurestack-1", spelling).expect(200)


@pytest.mark.parametrize("location", [None, "global", "Global", "westcentralus"])
def test_the_location_is_always_global(registrations, location):
    whole = {"properties": {"registrationToken": token()}, **({"location": location} if location else {})}
    answer = registrations.client.request("PUT", registrations.target("reg1"), body=whole).expect(201)
    assert answer.json["location"] == "global"


def test_tags_are_kept_replaced_and_taken_away(registrations):
    cloud_id = guid()
    assert registrations.put("reg1", token(cloud_id), tags={"a": "1", "b": "ä \""}).expect(201).json["tags"] == {
        "a": "1", "b": "ä \""}
    assert registrations.put("reg1", token(cloud_id)).expect(200).json["tags"]["a"] == "1"
    assert registrations.patch("reg1", {"tags": {"c": "2"}}).expect(200).json["tags"] == {"c": "2"}
    assert "tags" not in registrations.patch("reg1", {"tags": {}}).expect(200).json
    for bad in ([], "x", {"a": 1}, {"": "x"}, {"a": "x" * 257}, {"x" * 513: "a"}, {str(i): "" for i in range(51)}):
        registrations.put("reg1", token(cloud_id), tags=bad).expect(400, "InvalidProperty", "tags")


@pytest.mark.parametrize("name", ["x" * 91, "a b", "ä", "a.", "a+b"])
def test_names_have_90_letters_digits_and_few_signs(registrations, name):
    registrations.put(name, token()).expect(400, "InvalidProperty", "registrationName")
    registrations.get(name).expect(404, "RegistrationNotFound")
    registrations.group = name
    registrations.put("reg1", token()).expect(400, "InvalidProperty", "resourceGroupName")
    assert registrations.client.rows(registrations.target()) == []
    registrations.group = registrations.subscription
    registrations.put("A.b-c_(9)" + "x" * 81, token()).expect(201)


def test_a_subscription_that_is_no_guid_is_not_found(registrations):
    registrations.subscription = "nonsense"
    for answer in (registrations.get("reg1"), registrations.put("reg1", token()), registrations.get("")):
        answer.expect(404, "SubscriptionNotFound")


def test_nothing_is_registered_under_a_subscription_of_zeros(registrations):
    registrations.subscription = "00000000-0000-0000-0000-000000000000"
    for answer in (registrations.put("reg1", token()), registrations.get("reg1"), registrations.get("")):
        assert "zeros" in answer.expect(404, "SubscriptionNotFound").error["message"]


def test_a_put_needs_a_token_of_a_stamp(registrations):
    target = registrations.target("reg1")
    for whole in ({}, {"properties": {}}, {"properties": {"registrationToken": None}},
                  {"properties": {"registrationToken": 7}}, {"properties": {"registrationToken": "garbage!"}},
                  {"properties": {"registrationToken": ""}},
                  {"properties": {"registrationToken": token(cloudId=None)}},
                  {"properties": {"registrationToken": token(billingModel="Free")}}):
        registrations.client.request("PUT", target, body=whole).expect(
            400, "InvalidRegistrationToken", "properties.registrationToken")
    registrations.client.request("PUT", target, body={"properties": 7}).expect(400, "InvalidProperty", "properties")
    registrations.client.request("PUT", target, body="{").expect(400, "InvalidRequestContent")
    registrations.get("reg1").expect(404, "RegistrationNotFound")


def test_not_found_echoes_all_three_ids_and_says_how_to_look_them_up(registrations):
    for answer in (registrations.get("nothing"), registrations.patch("nothing", {}),
                   registrations.post("nothing", "getactivationkey"),
                   registrations.post("nothing", "enableRemoteManagement"), registrations.get("nothing/products")):
        message = answer.expect(404, "RegistrationNotFound").error["message"]
        assert "'nothing'" in message and "'azurestack'" in message and registrations.subscription in message
        assert "/providers/Microsoft.AzureStack/registrations" in message


def test_patch_without_a_token_keeps_the_registration(registrations):
    created = registrations.put("reg1", token(), tags={"a": "1"}).expect(201).json
    assert registrations.patch("reg1", {}).expect(200).json == created
    assert registrations.patch("reg1", {"properties": {}}).expect(200).json == created
    changed = registrations.patch("reg1", {"tags": {"b": "2"}}).expect(200).json
    assert changed["properties"] == created["properties"] and changed["etag"] != created["etag"]


# ---- Billing models ----


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize("wanted", [True, False])
def test_billing_models_and_whether_usage_is_reported(commerce, registrations, model, wanted):
    answer = registrations.put("reg1", token(billingModel=model, usageReportingEnabled=wanted, **MODELS[model]))
    assert answer.expect(201).json["properties"]["billingModel"] == model
    reports = {"PayAsYouUse": True, "Capacity": False}.get(model, wanted)
    row, key = native(registrations, "reg1"), registrations.activation_key("reg1")[0]
    assert row["billingModel"] == key["billingModel"] == model
    assert row["usageReporting"] is key["usageReportingEnabled"] is reports
    if model == "Capacity":
        assert instant(row["expires"]) == commerce.now + 365 * DAY and instant(key["expires"]) == instant(row["expires"])
    else:
        assert row["expires"] is None and key["expires"] == "9999-12-30T23:59:59.9999999Z"
    assert row["state"] == "Active"


def test_models_ask_for_what_they_need(registrations):
    registrations.put("reg1", token(billingModel="Capacity")).expect(400, "MissingAgreementNumber")
    for model in ("Custom", "Ruggedized"):
        registrations.put("reg1", token(billingModel=model)).expect(400, "MissingMsAssetTag")
    registrations.get("reg1").expect(404)


def test_another_model_new_hardware_and_a_new_expiry_by_the_same_put(registrations):
    cloud_id = guid()
    registrations.put("reg1", token(cloud_id)).expect(201)
    more = token(cloud_id, billingModel="Capacity", agreementNumber="EA-2", hardwareInfo=[node("a", 16), node("b", 24)])
    assert registrations.put("reg1", more).expect(200).json["properties"]["billingModel"] == "Capacity"
    row = native(registrations, "reg1")
    assert row["cores"] == 40 and row["agreementNumber"] == "EA-2" and row["expires"]
    whole = registrations.client.get("/v1/commerce/registrations/" + row["id"]).expect(200).json
    assert [found["name"] for found in whole["token"]["hardwareInfo"]] == ["a", "b"]
    assert registrations.patch("reg1", body(token(cloud_id))).expect(200).json["properties"]["billingModel"] == \
        "PayAsYouUse"
    assert native(registrations, "reg1")["expires"] is None


def doctor_of_registrations(stamp):
    found = stamp.operator.get("/v1/doctor").expect(200).json["findings"]
    return next(finding for finding in found if finding["check"] == "registrations")


def test_a_capacity_registration_expires_and_is_renewed(tmp_path):
    options = {"commerce.capacity_duration": "2d"}
    with harness.Stamp(tmp_path, options=options) as stamp:
        registrations, cloud_id = Registrations(stamp.client(stamp.ready["commerce"]["token"])), guid()
        capacity = token(cloud_id, billingModel="Capacity", agreementNumber="EA-1")
        registrations.put("reg1", capacity).expect(201)
        end = stamp.now + 2 * DAY
        assert instant(registrations.activation_key("reg1")[0]["expires"]) == end
        active = stamp.operator.get("/v1/status").json["registrations"]["active"]
        assert doctor_of_registrations(stamp)["state"] == "attention"  # in two days
        stamp.advance("P2D")
        assert native(registrations, "reg1")["state"] == "Expired"
        assert stamp.operator.get("/v1/status").json["registrations"] == {"active": active - 1, "expired": 1}
        metrics = stamp.operator.get("/metrics").expect(200).body.decode()
        assert 'stampmeter_registrations{state="active"} %d\n' % (active - 1) in metrics
        assert 'stampmeter_registrations{state="expired"} 1\n' in metrics
        finding = doctor_of_registrations(stamp)
        assert finding["state"] == "attention" and "1 of " in finding["message"] and "token" in finding["remedy"]
        message = registrations.post("reg1", "getactivationkey").expect(409, "Conflict").error["message"]
        assert iso(end) in message and "renew" in message
        registrations.get("reg1").expect(200)
        registrations.put("reg1", capacity).expect(200)
        assert native(registrations, "reg1")["state"] == "Active"
        assert doctor_of_registrations(stamp)["message"].startswith("A registration expires at ")
        assert instant(registrations.activation_key("reg1")[0]["expires"]) == end + 2 * DAY


def test_a_stamp_of_many_nodes_fits(registrations):
    parts = {kind: [("%x" % i) * 32 for i in range(16)] for kind in ("bios", "nic", "cpu", "disk", "memory")}
    nodes = [{**node("node%02d" % number, 128), **parts} for number in range(64)]
    registrations.put("reg1", token(hardwareInfo=nodes)).expect(201)
    assert native(registrations, "reg1")["cores"] == 64 * 128
    whole = registrations.client.get("/v1/commerce/registrations/" + native(registrations, "reg1")["id"]).expect(200)
    assert whole.json["token"]["hardwareInfo"] == nodes
    assert len(registrations.get("").body) < 2000
    registrations.put("reg2", token(hardwareInfo=nodes + [node("one more")])).expect(400, "InvalidRegistrationToken")


# ---- One stamp, one registration ----


def test_a_cloud_id_that_is_taken_names_the_registration_and_the_remedy(registrations):
    cloud_id = guid()
    taken = registrations.put("reg1", token(cloud_id)).expect(201).json["id"]
    other = Registrations(registrations.client)
    for answer in (registrations.put("reg2", token(cloud_id)), other.put("reg1", token(cloud_id))):
        message = answer.expect(409, "CloudIdAlreadyRegistered").error["message"]
        assert taken in message and cloud_id in message and "renew" in message and "delete" in message
    other.get("reg1").expect(404)
    registrations.delete("reg1").expect(200)
    other.put("reg1", token(cloud_id)).expect(201)


def test_a_name_that_is_another_stamps_names_both_cloud_ids(registrations):
    one, two = guid(), guid()
    registrations.put("reg1", token(one)).expect(201)
    for answer in (registrations.put("REG1", token(two)), registrations.patch("reg1", body(token(two)))):
        message = answer.expect(409, "Conflict").error["message"]
        assert one in message and two in message
    assert registrations.get("reg1").expect(200).json["properties"]["cloudId"] == one


def test_of_many_puts_at_once_for_one_cloud_id_one_wins(commerce, registrations):
    cloud_id = guid()
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        def put(number):
            with harness.Client(commerce.url, commerce.ca_file, commerce.commerce.token) as client:
                mine = Registrations(client, registrations.subscription)
                return mine.put("reg%d" % number, token(cloud_id)).status
        statuses = sorted(pool.map(put, range(8)))
    assert statuses == [201] + 7 * [409]
    assert len(registrations.client.rows(registrations.target())) == 1


def test_history_tells_who_was_registered_when(tmp_path):
    with harness.Stamp(tmp_path) as stamp:
        client = stamp.client(stamp.ready["commerce"]["token"])
        first, second, cloud_id = Registrations(client), Registrations(client), guid()
        first.put("reg1", token(cloud_id)).expect(201)
        stamp.advance("PT90M")
        first.put("reg1", token(cloud_id)).expect(200)  # renewed: nothing else holds from now on
        first.put("reg1", token(cloud_id, billingModel="Development")).expect(200)
        stamp.advance("PT1H")
        first.delete("reg1").expect(200)
        second.put("reg9", token(cloud_id)).expect(201)
        stamp.stop()
        stamp.start()
        first.client = second.client = client = stamp.client(stamp.ready["commerce"]["token"])
        found = history(second, cloud_id)
        assert [(row["registered"], row["billingModel"], row["name"], row["subscriptionId"]) for row in found] == [
            (True, "PayAsYouUse", "reg1", first.subscription), (True, "Development", "reg1", first.subscription),
            (False, "Development", "reg1", first.subscription), (True, "PayAsYouUse", "reg9", second.subscription)]
        start = harness.START
        assert [instant(row["effective"]) for row in found] == [start, start + HOUR, start + 2 * HOUR, start + 2 * HOUR]
        assert instant(found[1]["recorded"]) == start + 1.5 * HOUR and found[1]["by"] == "commerce"
        assert [row["number"] for row in found] == ["1", "2", "3", "4"]
        client.get("/v1/commerce/registrations/history?cloudId=x").expect(400, "InvalidProperty", "cloudId")
        assert history(second, guid()) == []


# ---- Preconditions ----


def test_if_match_and_if_none_match(registrations):
    cloud_id = guid()
    registrations.put("reg1", token(cloud_id), headers={"If-Match": "*"}).expect(412, "PreconditionFailed")
    registrations.put("reg1", token(cloud_id), headers={"If-Match": '"1-1"'}).expect(412, "PreconditionFailed")
    created = registrations.put("reg1", token(cloud_id), headers={"If-None-Match": "*"}).expect(201)
    registrations.put("reg1", token(cloud_id), headers={"If-None-Match": "*"}).expect(412, "PreconditionFailed")
    etag = created.headers["ETag"]
    second = registrations.put("reg1", token(cloud_id), headers={"If-Match": etag}).expect(200)
    registrations.put("reg1", token(cloud_id), headers={"If-Match": etag}).expect(412, "PreconditionFailed")
    registrations.patch("reg1", {"tags": {}}, headers={"If-Match": etag}).expect(412)
    registrations.delete("reg1", headers={"If-Match": etag}).expect(412, "PreconditionFailed")
    registrations.put("reg1", token(cloud_id), headers={"If-Match": "*"}).expect(200)
    third = registrations.get("reg1").expect(200)
    assert third.json["etag"] != second.json["etag"]
    registrations.patch("reg1", {"tags": {"a": "b"}}, headers={"If-Match": third.json["etag"]}).expect(200)  # bare
    weak = {"If-Match": "W/" + registrations.get("reg1").expect(200).headers["ETag"]}  # like it is not the same
    registrations.patch("reg1", {"tags": {"a": "c"}}, headers=weak).expect(412, "PreconditionFailed", "If-Match")
    registrations.patch("nothing", {}, headers={"If-Match": "*"}).expect(404, "RegistrationNotFound")
    registrations.delete("nothing", headers={"If-Match": "*"}).expect(204)
    registrations.delete("reg1", headers={"If-Match": "*"}).expect(200)


def test_an_etag_never_comes_again_for_the_same_name(registrations):
    seen = set()
    for _ in range(3):
        seen.add(registrations.put("reg1", token()).expect(201).json["etag"])
        registrations.delete("reg1").expect(200)
    assert len(seen) == 3


# ---- Lists ----


def test_lists_are_paged_by_next_link_with_all_parameters(registrations):
    names = ["reg%03d" % number for number in range(205)]
    for name in names[::-1]:
        registrations.put(name, token()).expect(201)
    elsewhere = Registrations(registrations.client, registrations.subscription, "other", registrations.version)
    elsewhere.put("reg1", token()).expect(201)
    for target, expected in ((registrations.target(custom="a b"), names),
                             (registrations.provider + "/registrations?api-version=2017-06-01", names + ["reg1"])):
        pages = list(registrations.client.pages(target))
        assert [len(page["value"]) for page in pages] == [100, 100, len(expected) - 200]
        assert [row["name"] for page in pages for row in page["value"]] == expected
        assert "nextLink" not in pages[-1]
        assert "api-version=" in pages[0]["nextLink"] and "%24skipToken" not in pages[0]["nextLink"]
    assert "custom=a" in next(registrations.client.pages(registrations.target(custom="a b")))["nextLink"]
    # Clients may write the dollar sign in the other way, and the page may have lost its last row meanwhile.
    link = registrations.client.get(registrations.target()).expect(200).json["nextLink"]
    registrations.delete("reg099").expect(200)
    second = registrations.client.get(registrations.client.target_of(link).replace("$", "%24")).expect(200).json
    assert second["value"][0]["name"] == "reg100" and second["nextLink"].lower().count("skiptoken") == 1
    for bad in ("x", "AAAA", "a+b", "=", "_" * 400):
        registrations.get("", **{"$skipToken": bad}).expect(400, "InvalidProperty", "$skipToken")


def test_lists_show_their_own_subscription_and_group_alone(registrations):
    mine = registrations.put("reg1", token()).expect(201).json
    longer = Registrations(registrations.client, registrations.subscription, "azurestack2")
    longer.put("reg2", token()).expect(201)
    Registrations(registrations.client).put("reg3", token()).expect(201)
    assert registrations.client.rows(registrations.target()) == [mine]
    everything = registrations.client.rows(registrations.provider + "/registrations?api-version=2022-06-01")
    assert [row["name"] for row in everything] == ["reg1", "reg2"]


def test_native_list_has_what_the_console_needs(commerce, registrations):
    registrations.put("reg1", token(stampVersion="1.2311.0.1")).expect(201)
    row = native(registrations, "reg1")
    assert row["resourceId"] == registrations.get("reg1").json["id"] and row["resourceGroup"] == "azurestack"
    for name in ("created", "changed", "registered"):
        assert instant(row[name]) == commerce.now
    assert row["createdBy"] == row["changedBy"] == "commerce" and row["etag"] == registrations.get("reg1").json["etag"]
    registrations.client.get("/v1/commerce/registrations/999999").expect(404, "RegistrationNotFound")
    registrations.client.get("/v1/commerce/registrations/x").expect(400, "InvalidProperty", "id")


# ---- Activation key ----


def test_the_activation_key_carries_the_registration(commerce, registrations):
    cloud_id, object_id = guid(), guid()
    registrations.put("reg1", token(cloud_id, objectId=object_id)).expect(201)
    payload, header, _ = registrations.activation_key("reg1")
    jwk = registrations.client.get("/v1/commerce/key").expect(200).json
    assert header["alg"] == "ES256" and header["kid"] == jwk["kid"] and header["jwk"]["x"] == jwk["x"]
    expected = {
        "subscriptionId": registrations.subscription, "resourceGroupName": "azurestack", "registrationName": "reg1",
        "cloudId": cloud_id, "objectId": object_id, "billingModel": "PayAsYouUse", "usageEndpoint": commerce.url,
        "usageResourceUri": "https://usage.microsoftazurestack.com", "usageReportingEnabled": True,
        "marketplaceEndpoint": "https://management.azure.com", "marketplaceSyndicationEnabled": True,
        "marketplaceResourceUri": "https://marketplace.microsoftazurestack.com", "certPinningRootSubjects": [],
        "certPinningIntermediateThumbprints": [], "version": "1.0"}
    assert {name: payload[name] for name in expected} == expected


@pytest.mark.parametrize("host", ("evil.example", "evil.example:443", "localhost.evil.example", "10.1.1.1"))
def test_a_host_that_is_not_ours_never_gets_into_a_signed_key(commerce, registrations, host):
    registrations.put("reg1", token()).expect(201)
    target = registrations.target("reg1", "/getactivationkey")
    text = registrations.client.request("POST", target, headers={"Host": host}).expect(200).json["activationKey"]
    assert registrations.payload_of(text)["usageEndpoint"] == commerce.url
    assert "set commerce.public_url" in commerce.log()


def test_a_name_of_the_certificate_is_an_endpoint(registrations):
    registrations.put("reg1", token()).expect(201)
    target = registrations.target("reg1", "/getactivationkey")
    text = registrations.client.request("POST", target, headers={"Host": "localhost:9443"}).expect(200).json["activationKey"]
    assert registrations.payload_of(text)["usageEndpoint"] == "https://localhost:9443"  # another port may lead here


def test_the_usage_endpoint_can_be_configured(tmp_path):
    options = {"commerce.public_url": "https://billing.example.org:8443/"}
    with harness.Stamp(tmp_path, options=options) as stamp:
        registrations = Registrations(stamp.client(stamp.ready["commerce"]["token"]))
        registrations.put("reg1", token()).expect(201)
        assert registrations.activation_key("reg1")[0]["usageEndpoint"] == "https://billing.example.org:8443"


@pytest.mark.parametrize("url", [
    "http://billing.example.org", "billing.example.org", "https://user:pw@h", "https://", "https:///x", "https://a b", "https://a?b"])
def test_a_public_url_must_be_one(url):
    result = harness.run("check-config", options={"commerce.public_url": url})
    assert result.code != 0 and "commerce.public_url" in result.err, result


# ---- What else the provider answers ----


def test_remote_management_with_and_without_an_api_version(registrations):
    registrations.put("reg1", token()).expect(201)
    assert native(registrations, "reg1")["remoteManagement"] is False
    for version in (None, "2017-06-01", "2022-06-01"):
        answer = registrations.post("reg1", "enableRemoteManagement", version=version).expect(200)
        assert answer.body == b""
    assert native(registrations, "reg1")["remoteManagement"] is True
    registrations.post("reg1", "enableRemoteManagement", version="1999-01-01").expect(400, "InvalidApiVersionParameter")


def test_products_are_empty_lists_in_the_right_shape(registrations):
    registrations.put("reg1", token()).expect(201)
    assert registrations.get("reg1/products").expect(200).json == {"value": []}
    for action in ("listProducts", "getProducts", "GetProducts"):
        for config in (None, {}, {"deviceVersion": "1.0", "identitySystem": "AzureAD"}):
            answer = registrations.client.request(
                "POST", registrations.target("reg1", "/products/_all/" + action), body=config)
            assert answer.expect(200).json == {"value": []}
    registrations.get("reg1/products/abc").expect(404, "ResourceNotFound")
    for action in ("listDetails", "getProduct", "GetProduct", "uploadProductLog", "listProducts", "getProducts"):
        registrations.post("reg1", "products/abc/" + action).expect(404, "ResourceNotFound")
    registrations.post("reg1", "products/_all/nonsense").expect(404, "ResourceNotFound")


def test_linked_subscriptions_manifests_and_licences(registrations):
    client, version = registrations.client, "?api-version=2020-06-01-preview"
    group = registrations.base.rsplit("/", 1)[0]
    for base in (registrations.provider, group):
        assert client.get(base + "/linkedSubscriptions" + version).expect(200).json == {"value": []}
        client.get(base + "/linkedSubscriptions?api-version=2022-06-01").expect(400, "InvalidApiVersionParameter")
    client.get(group + "/linkedSubscriptions/x" + version).expect(404, "ResourceNotFound")
    client.request("DELETE", group + "/linkedSubscriptions/x" + version).expect(204)
    client.request("PUT", group + "/linkedSubscriptions/x" + version, body={}).expect(501, "NotImplemented")
    manifests = "/providers/Microsoft.AzureStack/cloudManifestFiles"
    assert client.get(manifests + version).expect(200).json == {"value": []}
    client.get(manifests + "/latest" + version).expect(404, "ResourceNotFound")
    client.request("POST", registrations.provider + "/generateDeploymentLicense?api-version=2022-06-01",
                   body={"verificationVersion": "latest"}).expect(501, "NotImplemented")


def test_operations(registrations):
    rows = registrations.client.rows("/providers/Microsoft.AzureStack/operations?api-version=2017-06-01")
    assert {row["name"] for row in rows} >= {
        "Microsoft.AzureStack/" + name for name in
        ("register/action", "Operations/read", "registrations/read", "registrations/write", "registrations/delete",
         "registrations/getActivationKey/action", "registrations/customerSubscriptions/write")}
    assert all(set(row["display"]) == {"provider", "resource", "operation", "description"} for row in rows)


def test_the_provider_is_registered_for_any_subscription(registrations):
    for method, rest in (("POST", "/register"), ("GET", "")):
        for version in ("2016-02-01", "2019-05-01"):
            answer = registrations.client.request(method, registrations.provider + rest + "?api-version=" + version)
            assert answer.expect(200).json["registrationState"] == "Registered"
            assert answer.json["namespace"] == "Microsoft.AzureStack"


def test_subscriptions_of_the_commercial_side_are_those_with_registrations(registrations):
    target = "/subscriptions?api-version=2016-05-01"

    def listed():
        return [row["subscriptionId"] for row in registrations.client.rows(target)]
    own = "/subscriptions/%s?api-version=2016-05-01" % registrations.subscription
    assert registrations.subscription not in listed()
    registrations.client.get(own).expect(404, "SubscriptionNotFound")
    registrations.put("reg1", token()).expect(201)
    registrations.put("reg2", token()).expect(201)
    assert listed().count(registrations.subscription) == 1
    one = registrations.client.get(own).expect(200).json
    assert (one["state"], one["tenantId"]) == ("Enabled", "00000000-0000-0000-0000-000000000000")
    # Whose it is, is known once the catalogue has it.
    tenant = guid()
    registrations.client.request("PUT", "/v1/commerce/subscriptions/" + registrations.subscription, body={
        "tenantId": tenant, "offer": "EA", "state": "Active"}).expect(201)
    assert registrations.client.get(own).expect(200).json == {**one, "tenantId": tenant}
    assert next(row for row in registrations.client.rows(target)
                if row["subscriptionId"] == registrations.subscription)["tenantId"] == tenant
    registrations.client.get(target + "&$skipToken=abc").expect(400, "InvalidProperty", "$skipToken")
    registrations.get("", **{"$skipToken": ""}).expect(200)
    registrations.delete("reg1").expect(200)
    registrations.delete("reg2").expect(200)
    assert registrations.subscription not in listed()


# ---- Who may, and what is remembered of it ----


def test_a_person_at_the_console_is_named_as_one(commerce, registrations):
    user = {"username": "billing-" + guid(), "password": "a good long password", "role": "commerce"}
    commerce.operator.request("POST", "/v1/users", body=user).expect(201)
    with commerce.client() as browser:
        answer = browser.request("POST", "/v1/session", body={name: user[name] for name in ("username", "password")},
                                 headers={"X-Stampmeter-Console": "1"}).expect(200)
        headers = {"Cookie": answer.headers["Set-Cookie"].split(";")[0], "X-Stampmeter-Console": "1"}
        mine = Registrations(browser, registrations.subscription)
        created = mine.put("reg1", token(), headers=headers).expect(201).json["systemData"]
    assert created["createdBy"] == user["username"] and created["createdByType"] == "User"
    assert registrations.patch("reg1", {"tags": {"a": "b"}}).expect(200).json["systemData"]["lastModifiedByType"] == \
        "Key"
    assert native(registrations, "reg1")["createdBy"] == user["username"]


def test_only_the_commercial_side_has_rights(commerce, registrations):
    registrations.put("reg1", token()).expect(201)
    for other in (commerce.ready["operator"]["token"], commerce.tenants[0]["token"], commerce.producer("*")):
        theirs = Registrations(commerce.client(other), registrations.subscription)
        for answer in (theirs.get("reg1"), theirs.get(""), theirs.put("reg1", token()), theirs.patch("reg1", {}),
                       theirs.delete("reg1"), theirs.post("reg1", "getactivationkey"),
                       theirs.client.get("/v1/commerce/registrations"), theirs.client.get("/v1/commerce/key")):
            answer.expect(403, "AuthorizationFailed")
    nobody = Registrations(commerce.client(), registrations.subscription)
    nobody.get("reg1").expect(401)
    registrations.get("reg1").expect(200)


def test_another_key_of_the_stamp_is_taken_and_told(commerce, registrations):
    """A stamp that is built anew has another key. It is not refused, but nobody must overlook it."""
    def details():
        return [row["detail"] for row in commerce.operator.rows("/v1/audit?limit=1000")
                if registrations.subscription in row["subject"]]
    cloud_id, one, two = guid(), Signer(), Signer()
    registrations.put("reg1", token(cloud_id, publicKey=one.public_key)).expect(201)
    assert native(registrations, "reg1")["publicKeyId"] == one.key_id
    registrations.put("reg1", token(cloud_id, publicKey=one.public_key)).expect(200)
    registrations.put("reg1", token(cloud_id, publicKey=two.public_key)).expect(200)
    assert native(registrations, "reg1")["publicKeyId"] == two.key_id
    registrations.put("reg1", token(cloud_id)).expect(200)
    assert native(registrations, "reg1")["publicKeyId"] == ""
    assert [(one.get("publicKeyId"), one.get("previousPublicKeyId")) for one in details()] == [
        (one.key_id, None), (one.key_id, None), (two.key_id, one.key_id), (None, two.key_id)]
    off = packed(unpacked(one.public_key)[:-1] + bytes([unpacked(one.public_key)[-1] ^ 1]))
    said = registrations.put("reg1", token(cloud_id, publicKey=off)).expect(400, "InvalidRegistrationToken").error
    assert "publicKey" in said["message"]


def test_every_change_is_in_the_audit_log_and_nothing_else(commerce, registrations):
    def entries():
        return [(row["action"], row.get("detail"), row["by"]) for row in commerce.operator.rows("/v1/audit?limit=1000")
                if registrations.subscription in row["subject"]]
    cloud_id = guid()
    registrations.put("reg1", token(cloud_id, hardwareInfo=[node(cores=8)])).expect(201)
    registrations.put("reg1", token()).expect(409)
    registrations.put("reg1", token(cloud_id), headers={"If-Match": "x"}).expect(412)
    registrations.patch("reg1", {}).expect(200)
    registrations.patch("reg2", {}).expect(404)
    registrations.post("reg1", "enableRemoteManagement").expect(200)
    registrations.post("reg1", "enableRemoteManagement").expect(200)
    registrations.post("reg1", "getactivationkey").expect(200)
    registrations.post("reg2", "getactivationkey").expect(404)
    registrations.delete("reg1").expect(200)
    registrations.delete("reg1").expect(204)
    facts = {"cloudId": cloud_id, "billingModel": "PayAsYouUse", "usageReporting": True, "cores": 8}
    assert entries() == [
        ("registration.put", {"created": True, **facts}, "commerce"),
        ("registration.remoteManagement", None, "commerce"), ("registration.activationKey", None, "commerce"),
        ("registration.delete", facts, "commerce")]
    newest = commerce.operator.get("/v1/audit?before&limit=1").expect(200).json["value"][0]
    assert newest["subject"] == "registrations/%s/azurestack/reg1" % registrations.subscription
    assert instant(newest["time"]) == commerce.now and newest["requestId"]
