"""stampmeter registration token|show|activate: in a data directory and on a running server, with the exit codes of
interface.md section 1, and by files alone, as a stamp without a network does it."""
import base64
import json
import os
import stat

import pytest

from activation_keys import Signer, payload
from harness import Side, guid, run


@pytest.fixture
def data_dir(initialised):
    return initialised[0]


@pytest.fixture
def signer():
    return Signer()


@pytest.fixture
def remote(empty, tmp_path):
    """Flags for a running server, with an operator's token."""
    file = tmp_path / "operator.token"
    file.write_text(empty.ready["operator"]["token"] + "\n")
    return ["--url", empty.url, "--ca", empty.ca_file, "--token-file", file]


def unpacked(text):
    return json.loads(base64.b64decode(text.strip(), validate=True))


def state_of(*where):
    return json.loads(run("registration", "show", "--json", *where).expect(0).out)


def token_of(data_dir, *flags):
    return unpacked(run("registration", "token", *flags, "--data-dir", data_dir).expect(0).out)


# ---- token ----


def test_the_token_alone_goes_to_standard_output(data_dir):
    result = run("registration", "token", "--billing-model", "payasyouuse", "--data-dir", data_dir).expect(0)
    token = unpacked(result.out)
    assert len(result.out.splitlines()) == 1 and token["cloudId"] in result.one_line()
    assert token["billingModel"] == "PayAsYouUse" and token["usageReportingEnabled"] is True
    assert token["hardwareInfo"][0]["numCores"] >= 1 and token["version"] == "1.0"
    again = token_of(data_dir)
    assert again["cloudId"] == token["cloudId"] and again["hardwareInfo"] == token["hardwareInfo"]
    assert again["billingModel"] == "Development"
    assert state_of("--data-dir", data_dir)["cloudId"] == token["cloudId"]


def test_a_token_in_a_file_is_for_the_owner_only(data_dir, tmp_path):
    file = tmp_path / "token"
    result = run("registration", "token", "--billing-model", "Capacity", "--agreement-number", "E12 34", "--output", file,
                 "--data-dir", data_dir).expect(0)
    assert result.out == "" and str(file) in result.err
    assert stat.S_IMODE(os.stat(file).st_mode) == 0o600
    token = unpacked(file.read_text())
    assert token["agreementNumber"] == "E12 34" and token["usageReportingEnabled"] is False
    run("registration", "token", "--output", tmp_path / "none" / "token", "--data-dir", data_dir).expect(3).one_line()


def test_a_token_as_json_holds_what_is_inside(data_dir):
    flags = ["--billing-model", "Custom", "--ms-asset-tag", "T1", "--usage-reporting", "on", "--json"]
    answer = json.loads(run("registration", "token", *flags, "--data-dir", data_dir).expect(0).out)
    token = unpacked(answer.pop("registrationToken"))
    assert token == answer and token["msAssetTag"] == "T1" and token["usageReportingEnabled"] is True


def test_reporting_that_the_model_decides_is_said(data_dir):
    result = run("registration", "token", "--billing-model", "PayAsYouUse", "--usage-reporting", "off", "--data-dir",
                 data_dir).expect(0)
    assert "always reports" in result.err and unpacked(result.out)["usageReportingEnabled"] is True


@pytest.mark.parametrize("flags, names", [
    (["--billing-model", "Capacity"], "--agreement-number"),
    (["--billing-model", "Ruggedized"], "--ms-asset-tag"),
    (["--billing-model", "Free"], "PayAsYouUse"),
    (["--usage-reporting", "maybe"], "on or off"),
    (["--nonsense"], "--nonsense"),
])
def test_wrong_usage_is_exit_code_2(data_dir, flags, names):
    result = run("registration", "token", *flags, "--data-dir", data_dir).expect(2)
    assert names in result.one_line() and result.out == ""


def test_making_tokens_is_in_the_audit_log(data_dir, tmp_path):
    token_of(data_dir, "--billing-model", "Capacity", "--agreement-number", "77")
    with Side(tmp_path / "stamp", "stamp", data_dir=data_dir) as stamp:
        entry = stamp.caller.get("/v1/audit?before&limit=10").expect(200).json["value"]
        entry = next(one for one in entry if one["action"] == "registration.token")
        assert entry["by"] == "command line" and entry["detail"]["agreementNumber"] == "77"


# ---- show and activate, in a data directory ----


def test_a_stamp_is_registered_by_files_alone(data_dir, tmp_path, signer):
    """A key that expires in a year beyond any instant, saved with another system's line ends."""
    cloud_id = token_of(data_dir)["cloudId"]
    assert state_of("--data-dir", data_dir)["state"] == "Not registered"
    key = signer.sign(payload(cloud_id))
    file = tmp_path / "key"
    file.write_bytes(b"\r\n".join(key[i:i + 76].encode() for i in range(0, len(key), 76)) + b"\r\n")
    result = run("registration", "activate", file, "--data-dir", data_dir).expect(0)
    for shown in ("Registered", cloud_id, "PayAsYouUse", "never", signer.key_id, "https://commerce.example",
                  "command line", "/registrations/azurestack-one"):
        assert shown in result.out, result
    assert result.out == run("registration", "show", "--data-dir", data_dir).expect(0).out
    state = state_of("--data-dir", data_dir)
    assert state["state"] == "Registered" and state["activation"]["expires"] is None
    with Side(tmp_path / "stamp", "stamp", data_dir=data_dir) as stamp:
        assert stamp.caller.get("/v1/registration").expect(200).json == state
        audit = stamp.caller.get("/v1/audit?before&limit=10").expect(200).json["value"]
        assert [one["by"] for one in audit if one["action"] == "activation.put"] == ["command line"]


def test_the_answer_of_getactivationkey_is_taken_as_it_came(data_dir, signer):
    cloud_id = token_of(data_dir)["cloudId"]
    answer = json.dumps({"activationKey": signer.sign(payload(cloud_id))}).encode()
    run("registration", "activate", "-", "--data-dir", data_dir, stdin=answer).expect(0)


def test_a_refused_key_is_exit_code_1_with_the_reason(data_dir, tmp_path, signer):
    cloud_id, other = token_of(data_dir)["cloudId"], guid()
    file = tmp_path / "key"
    good = signer.sign(payload(cloud_id))
    cases = [(signer.sign(payload(other)), other), (good[:-5], "damaged"), ("hello", "three parts"),
             (signer.sign(payload(cloud_id, expires="2020-01-01T00:00:00Z")), "2020-01-01"), ("", "empty"),
             ('{"key":"x"}', "activationKey")]
    for text, reason in cases:
        file.write_text(text)
        line = run("registration", "activate", file, "--data-dir", data_dir).expect(1).one_line()
        assert reason in line, line
    assert state_of("--data-dir", data_dir)["state"] == "Not registered"
    file.write_text(good)
    run("registration", "activate", file, "--data-dir", data_dir).expect(0)
    file.write_text(Signer().sign(payload(cloud_id)))
    line = run("registration", "activate", file, "--data-dir", data_dir).expect(1).one_line()
    assert signer.key_id in line


def test_a_configured_signer_counts_on_the_command_line_too(data_dir, signer):
    cloud_id = token_of(data_dir)["cloudId"]
    options = {"registration.trusted_key_id": Signer().key_id}
    key = signer.sign(payload(cloud_id)).encode()
    refused = run("registration", "activate", "-", "--data-dir", data_dir, options=options, stdin=key).expect(1)
    assert "registration.trusted_key_id" in refused.one_line()


def test_what_cannot_run_is_exit_code_3(data_dir, tmp_path, empty):
    assert "start its server" in run("registration", "show", "--data-dir", data_dir).expect(1).one_line()
    run("registration", "activate", tmp_path / "none", "--data-dir", data_dir).expect(3).one_line()
    run("registration", "show", "--data-dir", tmp_path / "none").expect(3).one_line()
    assert "--url" in run("registration", "show", "--data-dir", empty.data_dir).expect(3).one_line()
    run("registration", "activate", "--data-dir", data_dir).expect(2)
    run("registration").expect(2)
    commerce = run("registration", "token", "--data-dir", data_dir, options={"server.role": "commerce"}).expect(3)
    assert "server.role" in commerce.one_line()


# ---- on a running server ----


def test_a_running_server_does_the_same(remote, tmp_path, empty, signer):
    where = "/subscriptions/%s/resourceGroups/g/providers/Microsoft.AzureBridge.Admin/activations/default?" % (
        empty.operator_subscription) + "api-version=2016-01-01&forgetSigner=true"
    empty.operator.request("DELETE", where)
    token = unpacked(run("registration", "token", "--billing-model", "Ruggedized", "--ms-asset-tag", "T", *remote)
                     .expect(0).out)
    assert token["msAssetTag"] == "T" and token["cloudId"] == state_of(*remote)["cloudId"]
    file = tmp_path / "key"
    file.write_text(signer.sign(payload(guid())))
    line = run("registration", "activate", file, *remote).expect(1).one_line()
    assert token["cloudId"] in line, "the server's whole reason"
    file.write_text(signer.sign(payload(token["cloudId"], billingModel="Ruggedized")))
    result = run("registration", "activate", file, *remote).expect(0)
    assert "Registered" in result.out and "Ruggedized" in result.out
    assert state_of(*remote) == empty.operator.get("/v1/registration").expect(200).json
    run("registration", "token", "--billing-model", "Capacity", *remote).expect(2)
    file.write_text("nobody's token")
    run("registration", "show", *remote[:-1], file).expect(3).one_line()


# ---- with a commercial side of its own ----


def test_token_and_key_travel_as_files_between_two_machines(data_dir, tmp_path):
    """The commercial side never hears of the stamp but by the token, nor the stamp of it but by the key."""
    token = run("registration", "token", "--billing-model", "PayAsYouUse", "--data-dir", data_dir).expect(0).out.strip()
    subscription = guid()
    registration = ("/subscriptions/%s/resourceGroups/azurestack/providers/Microsoft.AzureStack/registrations/one" %
                    subscription)
    with Side(tmp_path / "commerce", "commerce") as commerce:
        body = {"location": "global", "properties": {"registrationToken": token}}
        made = commerce.caller.request("PUT", registration + "?api-version=2017-06-01", body=body).expect(201).json
        answer = commerce.caller.request("POST", registration + "/getactivationkey?api-version=2017-06-01").expect(200)
        url = commerce.url
    assert made["properties"]["cloudId"] == unpacked(token)["cloudId"]
    run("registration", "activate", "-", "--data-dir", data_dir, stdin=answer.body).expect(0)
    state = state_of("--data-dir", data_dir)
    assert state["state"] == "Registered" and state["activation"]["registrationResourceId"] == registration
    assert state["activation"]["usageEndpoint"] == url and state["activation"]["billingModel"] == "PayAsYouUse"
