"""The console's files as they are served: from the program itself, with a strict policy, nothing from elsewhere."""
import re

import pytest


TYPES = {"js": "text/javascript", "css": "text/css", "svg": "image/svg+xml", "html": "text/html"}


@pytest.fixture(scope="module")
def browser(empty):
    with empty.client() as client:
        yield client


def linked(page):
    """Addresses that a page loads."""
    return re.findall(r"""(?:src|href)="([^"#]+)\"""", page)


def test_the_console_loads_nothing_from_elsewhere(browser):
    page = browser.get("/").expect(200)
    assert page.headers["Content-Type"].startswith("text/html")
    addresses = linked(page.body.decode())
    assert addresses
    for address in addresses:
        assert address.startswith(("/", "./")) and not address.startswith("//"), address
        found = browser.get("/" + address.lstrip("./")).expect(200)
        assert found.body, address


def test_a_strict_policy(browser):
    headers = browser.get("/").expect(200).headers
    policy = dict(part.strip().split(" ", 1) for part in headers["Content-Security-Policy"].split(";") if part.strip())
    assert policy["default-src"] in ("'none'", "'self'")
    assert "'unsafe-inline'" not in policy.get("script-src", policy["default-src"])
    assert not re.search("'unsafe-eval'|https?:", headers["Content-Security-Policy"])
    assert policy["frame-ancestors"] == "'none'" and policy["base-uri"] in ("'none'", "'self'")
    assert headers["X-Content-Type-Options"] == "nosniff" and headers["Referrer-Policy"]


def test_types_and_validators(browser):
    for address in linked(browser.get("/").body.decode()):
        answer = browser.get("/" + address.lstrip("./"))
        suffix = address.rsplit(".", 1)[-1]
        kind = answer.headers["Content-Type"]
        assert kind.startswith(TYPES.get(suffix, "")), (address, kind)
        etag = answer.headers["ETag"]
        if etag:
            assert browser.get("/" + address.lstrip("./"), headers={"If-None-Match": etag}).status == 304


@pytest.mark.parametrize("path", [
    "/../../etc/passwd", "/..%2f..%2fetc%2fpasswd", "/%2e%2e/%2e%2e/etc/passwd", "/console/../../operator.token",
    "/console/%00", "//etc/passwd", "/./././operator.token", "/data.mdb", "/console/", "/console", "/web/index.html"])
def test_nothing_but_its_own_files(browser, path):
    answer = browser.get(path)
    assert answer.status in (200, 301, 302, 308, 400, 404), answer
    assert b"root:" not in answer.body and not answer.body.startswith(b"sm_")
    if "passwd" in path or "token" in path or "data.mdb" in path:
        assert answer.status in (400, 404), answer


def test_documentation_is_there(browser):
    page = browser.get("/docs/").expect(200)
    for address in linked(page.body.decode()):
        assert not address.startswith(("http:", "//")), address
        path = address if address.startswith("/") else "/docs/" + address
        browser.get(path).expect(200)
