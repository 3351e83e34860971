"""Registration tokens as a stamp makes them, and where registrations lie; for tests of the commercial side."""
import base64
import json
import urllib.parse
import zlib

from harness import guid

VERSION = "2022-06-01"
VERSIONS = ("2016-01-01", "2017-06-01", "2020-06-01-preview", VERSION)


def node(name="node1", cores=16):
    return {"name": name, "uuid": "%032x" % zlib.crc32(name.encode()), "numCores": cores, "bios": ["1" * 32],
            "nic": ["2" * 32], "cpu": ["3" * 32], "disk": ["4" * 32], "memory": ["5" * 32]}


def facts(cloud_id=None, **members):
    """What a token says; None leaves a member out."""
    whole = {"billingModel": "PayAsYouUse", "cloudId": cloud_id or guid(), "objectId": guid(),
             "marketplaceSyndicationEnabled": True, "usageReportingEnabled": True, "hardwareInfo": [node()],
             "issuer": "test", "version": "4.0"}
    whole.update(members)
    return {name: value for name, value in whole.items() if value is not None}


def encoded(whole):
    return base64.b64encode(json.dumps(whole).encode()).decode()


def token(cloud_id=None, **members):
    return encoded(facts(cloud_id, **members))


def body(registration_token, **members):
    return {"location": "global", "properties": {"registrationToken": registration_token}, **members}


class Registrations:
    """The registrations of one subscription and resource group over plain HTTPS."""

    def __init__(self, client, subscription=None, group="azurestack", version=VERSION):
        self.client, self.subscription, self.group, self.version = client, subscription or guid(), group, version

    @property
    def base(self):
        return "/subscriptions/%s/resourceGroups/%s/providers/Microsoft.AzureStack/registrations" % (
            self.subscription, urllib.parse.quote(self.group))

    @property
    def provider(self):
        return "/subscriptions/%s/providers/Microsoft.AzureStack" % self.subscription

    def target(self, name="", rest="", version="", **query):
        version = self.version if version == "" else version
        parameters = {**({"api-version": version} if version else {}), **query}
        whole = self.base + ("/" + urllib.parse.quote(name) if name else "") + rest
        return whole + ("?" + urllib.parse.urlencode(parameters) if parameters else "")

    def put(self, name, registration_token, headers=None, **members):
        return self.client.request("PUT", self.target(name), body=body(registration_token, **members), headers=headers)

    def patch(self, name, changes, headers=None):
        return self.client.request("PATCH", self.target(name), body=changes, headers=headers)

    def get(self, name, **options):
        return self.client.get(self.target(name, **options))

    def delete(self, name, headers=None):
        return self.client.request("DELETE", self.target(name), headers=headers)

    def post(self, name, action, **options):
        return self.client.request("POST", self.target(name, "/" + action, **options))

    def activation_key(self, name):
        """The payload of the activation key, its header and its text."""
        text = self.post(name, "getactivationkey").expect(200).json["activationKey"]
        return self.payload_of(text), self.payload_of(text, 0), text

    @staticmethod
    def payload_of(text, part=1):
        part = text.split(".")[part]
        return json.loads(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)))
