"""Activation keys as a commercial side signs them, made without the program: for tests of the stamp's side."""
import base64
import hashlib
import json
import secrets

import p256


def packed(data):
    return base64.urlsafe_b64encode(data if isinstance(data, bytes) else data.encode()).rstrip(b"=").decode()


def unpacked(text):
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


def compact(value):
    return json.dumps(value, separators=(",", ":"))


class Signer:
    def __init__(self):
        self.private = secrets.randbelow(p256.N - 1) + 1
        x, y = (packed(part.to_bytes(32, "big")) for part in p256.public_of(self.private))
        self.jwk = {"kty": "EC", "crv": "P-256", "x": x, "y": y}
        self.public_key = packed(b"\x04" + unpacked(x) + unpacked(y))  # as tokens have it
        # RFC 7638
        members = json.dumps(self.jwk, separators=(",", ":"), sort_keys=True)
        self.key_id = packed(hashlib.sha256(members.encode()).digest())

    def sign(self, payload, header=None, **more):
        """A JWS; header replaces the right one, more adds to it."""
        header = {"alg": "ES256", "kid": self.key_id, "jwk": self.jwk, **more} if header is None else header
        signed = packed(compact(header)) + "." + packed(payload if isinstance(payload, str) else compact(payload))
        return signed + "." + packed(p256.sign(self.private, signed.encode()))


def payload(cloud_id, **members):
    """Spec 6.6; members replace, None leaves out."""
    whole = {
        "subscriptionId": "11111111-2222-3333-4444-555555555555", "resourceGroupName": "azurestack",
        "registrationName": "azurestack-one", "certPinningRootSubjects": [], "certPinningIntermediateThumbprints": [],
        "usageEndpoint": "https://commerce.example", "usageResourceUri": "https://usage.microsoftazurestack.com",
        "marketplaceEndpoint": "https://management.azure.com",
        "marketplaceResourceUri": "https://marketplace.microsoftazurestack.com",
        "expires": "9999-12-30T23:59:59.9999999Z", "cloudId": cloud_id, "billingModel": "PayAsYouUse",
        "hardwareInfo": [], "usageReportingEnabled": True, "marketplaceSyndicationEnabled": False,
        "issuer": "a test", "version": "1.0",
    }
    whole.update(members)
    return {name: value for name, value in whole.items() if value is not None}
