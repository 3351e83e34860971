"""Customer subscriptions over HTTPS: the ARM resource with paging, etags and dates; the native list, history and CSV;
what the audit log keeps of all that.
"""
import csv
import io

import pytest

from harness import DAY, HOUR, guid, instant, iso
from registered import Registration

TYPE = "Microsoft.AzureStack/registrations/customerSubscriptions"
VERSIONS = ("2016-01-01", "2017-06-01", "2020-06-01-preview", "2022-06-01")


def hour(stamp):
    return stamp.now.replace(minute=0, second=0, microsecond=0)


def mapped(registration, **query):
    """tenant -> customer subscription, from the native list."""
    query = {"limit": 1000, **query}
    rows = registration.client.rows(registration.native("customers", **query))
    return {row["tenantId"]: row["customerSubscriptionId"] for row in rows}


def audited(stamp, answer):
    """Entries that this request left."""
    entries = stamp.operator.get("/v1/audit?before&limit=20").expect(200).json["value"]
    return [entry for entry in entries if entry.get("requestId") == answer.headers["x-ms-request-id"]]


# ---- The resource ----


def test_put_answers_200_with_the_resource(empty, registration):
    tenant, customer = guid(), registration.customer()
    answer = registration.put(customer, tenant).expect(200)
    body = answer.json
    assert body == {
        "id": "%s/customerSubscriptions/%s" % (registration.resource_id, customer),
        "name": "%s/%s" % (registration.name, customer), "type": TYPE, "etag": body["etag"],
        "properties": {"tenantId": tenant, "effectiveFrom": iso(hour(empty))}}
    assert answer.headers["ETag"] == '"%s"' % body["etag"]
    got = registration.get(customer).expect(200)
    assert got.json == body and got.headers["ETag"] == answer.headers["ETag"]
    listed = registration.client.get(registration.target("customerSubscriptions")).expect(200).json
    assert listed == {"value": [body]}


@pytest.mark.parametrize("version", VERSIONS)
def test_every_api_version_is_served(registration, version):
    customer = registration.customer()
    for method, segments, body, status in (
            ("PUT", (customer,), {"properties": {"tenantId": guid()}}, 200), ("GET", (customer,), None, 200),
            ("GET", (), None, 200), ("DELETE", (customer,), None, 200)):
        target = registration.target("customerSubscriptions", *segments, **{"api-version": version})
        registration.client.request(method, target, body=body).expect(status)


def test_an_api_version_is_needed(registration):
    target = registration.target("customerSubscriptions").split("?")[0]
    registration.client.get(target).expect(400, "NoApiVersion")
    registration.client.get(target + "?api-version=2001-01-01").expect(400, "InvalidApiVersionParameter")


def test_the_operator_of_the_stamp_has_no_say(empty, registration):
    target = registration.target("customerSubscriptions", registration.customer())
    empty.operator.get(target).expect(403, "AuthorizationFailed")
    empty.operator.request("PUT", target, body={"properties": {"tenantId": guid()}}).expect(403)
    empty.operator.get(registration.native("customers")).expect(403)
    empty.operator.get("/v1/commerce/payer?cloudId=%s" % guid()).expect(403)


@pytest.mark.parametrize("body, target", (
    (None, "properties.tenantId"), ({}, "properties.tenantId"), ({"properties": {}}, "properties.tenantId"),
    ({"properties": {"tenantId": "me"}}, "properties.tenantId"), ({"properties": {"tenantId": 7}}, "properties.tenantId"),
    ({"properties": {"tenantId": "00000000-0000-0000-0000-000000000000"}}, "properties.tenantId"),
    ({"properties": 1}, "properties"),
    ({"properties": {"tenantId": guid(), "effectiveFrom": "2026-03-01T10:30:00Z"}}, "properties.effectiveFrom"),
    ({"properties": {"tenantId": guid(), "effectiveFrom": "yesterday"}}, "properties.effectiveFrom"),
    ({"properties": {"tenantId": guid(), "effectiveFrom": 5}}, "properties.effectiveFrom")))
def test_a_body_that_does_not_do_names_the_property(registration, body, target):
    request = registration.target("customerSubscriptions", registration.customer())
    registration.client.request("PUT", request, body=body).expect(400, "InvalidProperty", target)


def test_a_second_subscription_for_the_tenant_replaces_the_first(registration):
    tenant = guid()
    first = registration.map(tenant)
    second = registration.map(tenant)
    registration.get(first).expect(404, "CustomerSubscriptionNotFound")
    assert registration.get(second).expect(200).json["properties"]["tenantId"] == tenant
    assert mapped(registration) == {tenant: second}


def test_a_subscription_for_another_tenant_moves(empty, registration):
    tenant, other = guid(), guid()
    customer = registration.map(tenant)
    answer = registration.put(customer, other).expect(200)
    assert mapped(registration) == {other: customer}
    assert registration.payer(tenant)["kind"] == "default"
    entry, = audited(empty, answer)
    assert {change["tenantId"]: (change["before"], change["after"]) for change in entry["detail"]["changes"]} == {
        tenant: (customer, None), other: (None, customer)}


def test_the_same_put_again_changes_nothing(empty, registration):
    tenant = guid()
    customer = registration.map(tenant)
    first = registration.get(customer).json
    empty.advance("PT3H")
    answer = registration.put(customer, tenant).expect(200)
    assert answer.json == first
    assert audited(empty, answer) == []
    assert len(registration.history(tenant)) == 1


def test_delete_answers_200_and_204_and_the_default_pays(registration):
    tenant = guid()
    customer = registration.map(tenant)
    assert registration.delete(customer).expect(200).body == b""
    assert registration.delete(customer).expect(204).body == b""
    registration.get(customer).expect(404)
    payer = registration.payer(tenant)
    assert (payer["kind"], payer["subscriptionId"]) == ("default", registration.subscription)


def test_lists_come_in_pages(registration):
    tenants = [guid() for _ in range(230)]
    lines = ["tenantId,customerSubscriptionId"] + ["%s,%s" % (tenant, registration.customer()) for tenant in tenants]
    upload(registration, "\n".join(lines))
    pages = list(registration.client.pages(registration.target("customerSubscriptions")))
    assert [len(page["value"]) for page in pages] == [100, 100, 30]
    assert "nextLink" not in pages[-1] and "api-version=2017-06-01" in pages[0]["nextLink"]
    found = [row["properties"]["tenantId"] for page in pages for row in page["value"]]
    assert sorted(found) == sorted(tenants)
    registration.client.get(registration.target("customerSubscriptions", **{"$skipToken": "abc"})).expect(
        400, "InvalidProperty", "$skipToken")


def test_preconditions_compare_etags(registration):
    tenant, other, customer = guid(), guid(), registration.customer()
    registration.put(customer, tenant, headers={"If-Match": "*"}).expect(412, "PreconditionFailed")
    etag = registration.put(customer, tenant, headers={"If-None-Match": "*"}).expect(200).headers["ETag"]
    registration.put(customer, other, headers={"If-None-Match": "*"}).expect(412, "PreconditionFailed")
    registration.put(customer, other, headers={"If-Match": '"another"'}).expect(412, "PreconditionFailed")
    newer = registration.put(customer, other, headers={"If-Match": etag}).expect(200).headers["ETag"]
    assert newer != etag
    registration.delete(customer, headers={"If-Match": etag}).expect(412, "PreconditionFailed")
    registration.delete(customer, headers={"If-Match": newer}).expect(200)


# ---- Dates ----


def test_a_mapping_can_be_dated_back_and_ahead(empty, registration):
    tenant, now = guid(), hour(empty)
    past = registration.map(tenant, effectiveFrom=iso(now - 30 * DAY))
    future = registration.customer()
    answer = registration.put(future, tenant, effectiveFrom=iso(now + 2 * HOUR)).expect(200)
    assert instant(answer.json["properties"]["effectiveFrom"]) == now + 2 * HOUR
    registration.get(future).expect(404)
    registration.get(past).expect(200)
    assert mapped(registration, at=iso(now + 2 * HOUR)) == {tenant: future}
    assert mapped(registration, at=iso(now - 30 * DAY)) == {tenant: past}
    assert mapped(registration, at=iso(now - 31 * DAY)) == {}
    empty.advance("PT2H")
    registration.get(future).expect(200)
    registration.get(past).expect(404)


def test_a_mapping_can_end_on_a_date(empty, registration):
    tenant, now = guid(), hour(empty)
    customer = registration.map(tenant, effectiveFrom=iso(now - 30 * DAY))
    registration.delete(customer, effectiveFrom=iso(now - 10 * DAY)).expect(200)
    assert mapped(registration, at=iso(now - 10 * DAY - HOUR)) == {tenant: customer}
    assert mapped(registration, at=iso(now - 10 * DAY)) == {}
    registration.delete(customer, effectiveFrom="2026-03-01T10:30:00Z").expect(400, "InvalidProperty", "effectiveFrom")


def test_the_same_put_again_leaves_what_is_scheduled_and_the_etag_tells_of_it(empty, registration):
    tenant, later = guid(), hour(empty) + 20 * DAY
    customer = registration.map(tenant)
    first = registration.get(customer).expect(200).json["etag"]
    scheduled = registration.map(tenant, effectiveFrom=iso(later))
    second = registration.get(customer).expect(200).json["etag"]
    assert second != first
    assert registration.put(customer, tenant).expect(200).json["etag"] == second
    assert len(registration.history(tenant)) == 2
    assert registration.payer(tenant, iso(later))["subscriptionId"] == scheduled
    registration.put(customer, guid(), headers={"If-Match": '"%s"' % first}).expect(412, "PreconditionFailed")
    registration.put(customer, tenant, effectiveFrom=iso(later)).expect(200)  # this cancels it
    assert registration.payer(tenant, iso(later))["subscriptionId"] == customer


# ---- Native ----


def test_the_list_tells_who_and_when(empty, registration):
    tenant = guid()
    customer = registration.map(tenant, effectiveFrom=iso(hour(empty) - DAY))
    row, = registration.client.get(registration.native("customers", tenantId=tenant)).expect(200).json["value"]
    assert row == {"tenantId": tenant, "customerSubscriptionId": customer, "by": row["by"],
                   "effectiveFrom": iso(hour(empty) - DAY), "recorded": row["recorded"]}
    assert instant(row["recorded"]) == empty.now and row["by"]
    assert registration.client.get(registration.native("customers", tenantId=guid())).expect(200).json["value"] == []


def test_native_pages_hold_everything_once(registration):
    expected = {guid(): registration.customer() for _ in range(7)}
    upload(registration, "tenantId,customerSubscriptionId\n" + "\n".join("%s,%s" % pair for pair in expected.items()))
    pages = list(registration.client.pages(registration.native("customers", limit=3)))
    assert [len(page["value"]) for page in pages] == [3, 3, 1]
    assert {row["tenantId"]: row["customerSubscriptionId"] for page in pages for row in page["value"]} == expected


def test_the_history_of_a_tenant(empty, registration):
    tenant = guid()
    first = registration.map(tenant)
    second = registration.put(registration.customer(), tenant).expect(200)
    registration.delete(second.json["name"].split("/")[1]).expect(200)
    changes = registration.history(tenant)
    assert [change["customerSubscriptionId"] for change in changes] == [
        first, second.json["name"].split("/")[1], None]
    assert [change["number"] for change in changes] == [1, 2, 3]
    assert changes[1]["requestId"] == second.headers["x-ms-request-id"]
    assert all(instant(change["recorded"]) == empty.now and change["by"] for change in changes)
    pages = list(registration.client.pages(registration.native("customers/history", tenantId=tenant, limit=2)))
    assert [len(page["value"]) for page in pages] == [2, 1]
    registration.client.get(registration.native("customers/history")).expect(400, "InvalidProperty", "tenantId")


def test_a_name_that_repeats_asks_for_the_subscription(commerce, registration):
    other = Registration(commerce)
    other.unregister()
    other.name = registration.name
    other.register()
    for target in ("customers", "payer", "customers/history"):
        query = {"tenantId": guid()}
        commerce.get(registration.native(target, **query)).expect(409, "Conflict", "subscriptionId")
        commerce.get(registration.native(target, subscriptionId=other.subscription, **query)).expect(200)
    again = Registration(commerce)
    again.unregister()
    again.name, again.subscription, again.group = other.name, other.subscription, "elsewhere"
    again.register()
    target = registration.native("customers", subscriptionId=other.subscription)
    commerce.get(target).expect(409, "Conflict", "resourceGroup")
    commerce.get(target + "&resourceGroup=elsewhere").expect(200)
    commerce.get("/v1/commerce/customers?registration=nobody").expect(404, "RegistrationNotFound")
    commerce.get("/v1/commerce/customers").expect(400, "InvalidProperty", "registration")


# ---- CSV ----


def upload(registration, text, **query):
    answer = registration.client.request("POST", registration.native("customers/import", **query), body=text,
                                         headers={"Content-Type": "text/csv"})
    return answer.expect(200).json


def counts(answer):
    return tuple(answer[name] for name in ("lines", "changed", "unchanged", "rejected"))


def test_good_lines_are_applied_and_bad_ones_named(empty, registration):
    tenants = [guid() for _ in range(4)]
    stranger, _ = registration.add_partner()
    good = registration.add_subscription("abcdef00" + guid()[8:])
    dated, foreign = registration.customer(), registration.customer(partnerId=stranger)
    text = "\r\n".join((
        "effectiveFrom,customerSubscriptionId,tenantId",
        ",%s,%s" % (good, tenants[0]),
        "2026-01-01T00:00:00Z,%s,%s" % (dated, tenants[1]),
        ",%s,%s" % (foreign, tenants[2]),
        ",%s,%s" % (good.upper(), tenants[3]),
        ",,nobody",
        "noon,%s,%s" % (good, tenants[3]), ""))
    dry = upload(registration, text, dryRun="true")
    assert dry["dryRun"] is True and mapped(registration) == {}
    answer = upload(registration, text)
    assert answer == {**dry, "dryRun": False}
    assert counts(answer) == (6, 2, 0, 4)
    assert [(one["line"], one["verdict"], one.get("code")) for one in answer["results"]] == [
        (2, "Changed", None), (3, "Changed", None), (4, "Rejected", "BadCustomerSubscriptionId"),
        (5, "Rejected", "BadCustomerSubscriptionId"),
        (6, "Rejected", "InvalidProperty"), (7, "Rejected", "InvalidProperty")]
    assert all(one["message"] for one in answer["results"] if one["verdict"] == "Rejected")
    assert answer["results"][0]["tenantId"] == tenants[0]
    assert mapped(registration) == {tenants[0]: good, tenants[1]: dated}
    assert mapped(registration, at="2026-01-01T00:00:00Z") == {tenants[1]: dated}
    again = upload(registration, text)
    assert counts(again) == (6, 0, 2, 4)
    assert len(registration.history(tenants[0])) == 1


def test_lines_that_contradict_each_other_are_rejected_all(registration):
    tenants = [guid() for _ in range(5)]
    one, two, three = (registration.customer() for _ in range(3))
    text = "tenantId,customerSubscriptionId,effectiveFrom\n" + "\n".join((
        "%s,%s," % (tenants[0], one), "%s,%s," % (tenants[1], one),  # one subscription for two tenants
        "%s,%s," % (tenants[2], two), "%s,%s," % (tenants[2], three),  # one tenant with two
        "%s,%s,2026-01-01T00:00:00Z" % (tenants[3], two), "%s,%s,2026-01-01T00:00:00Z" % (tenants[3], two),  # twice
        "%s,%s,2026-01-01T00:00:00Z" % (tenants[4], three), "%s,%s,2026-02-01T00:00:00Z" % (tenants[4], one)))
    answer = upload(registration, text)
    assert [line["verdict"] for line in answer["results"]] == ["Rejected"] * 4 + ["Changed", "Unchanged"] + [
        "Changed"] * 2
    assert "line 3" in answer["results"][0]["message"] and "line 2" in answer["results"][1]["message"]
    assert mapped(registration) == {tenants[3]: two, tenants[4]: one}


def test_an_import_leaves_one_entry_in_the_audit_log(empty, registration):
    tenants = [guid() for _ in range(40)]
    text = "tenantId,customerSubscriptionId\n" + "\n".join(
        "%s,%s" % (tenant, registration.customer()) for tenant in tenants)
    target = registration.native("customers/import")
    answer = registration.client.request("POST", target, body=text, headers={"Content-Type": "text/csv"})
    assert counts(answer.expect(200).json)[1] == 40
    entry, = audited(empty, answer)
    assert entry["action"] == "customer.import" and registration.name in entry["subject"]
    assert entry["detail"]["tenants"] == 40 and len(entry["detail"]["changes"]) == 16
    assert registration.history(tenants[-1])[0]["requestId"] == entry["requestId"]
    again = registration.client.request("POST", target, body=text, headers={"Content-Type": "text/csv"})
    assert counts(again.expect(200).json)[1] == 0
    assert audited(empty, again) == []


def test_what_is_exported_can_be_imported(empty, commerce, registration):
    for _ in range(3):
        registration.map(guid(), effectiveFrom=iso(hour(empty) - 5 * DAY))
    answer = commerce.get(registration.native("customers"), headers={"Accept": "text/csv"}).expect(200)
    assert answer.headers["Content-Type"].startswith("text/csv")
    rows = list(csv.DictReader(io.StringIO(answer.body.decode())))
    assert {row["tenantId"]: row["customerSubscriptionId"] for row in rows} == mapped(registration)
    assert counts(upload(registration, answer.body.decode())) == (3, 0, 3, 0)
    for row in rows:
        registration.delete(row["customerSubscriptionId"], effectiveFrom=iso(hour(empty) - 100 * DAY)).expect(200)
    assert mapped(registration) == {}
    assert counts(upload(registration, answer.body.decode())) == (3, 3, 0, 0)
    assert {row["tenantId"]: row["customerSubscriptionId"] for row in rows} == mapped(registration)


def test_an_export_that_is_imported_leaves_what_is_scheduled(empty, commerce, registration):
    tenant, later = guid(), hour(empty) + 20 * DAY
    registration.map(tenant, effectiveFrom=iso(hour(empty) - 5 * DAY))
    scheduled = registration.map(tenant, effectiveFrom=iso(later))
    answer = commerce.get(registration.native("customers"), headers={"Accept": "text/csv"}).expect(200)
    assert counts(upload(registration, answer.body.decode())) == (1, 0, 1, 0)
    assert registration.payer(tenant, iso(later))["subscriptionId"] == scheduled


def test_lines_with_fields_missing_or_too_many_are_rejected(registration):
    tenant = guid()
    customer = registration.map(tenant)
    text = "tenantId,customerSubscriptionId,effectiveFrom\n%s\n%s,\n%s,%s,,x\n" % (
        tenant, tenant, guid(), registration.customer())
    answer = upload(registration, text)
    assert counts(answer) == (3, 0, 0, 3)
    assert [line["code"] for line in answer["results"]] == ["InvalidProperty"] * 3
    assert answer["results"][2]["message"] == "line 4 has 4 fields, and line 1 names 3 columns"
    assert mapped(registration) == {tenant: customer}


def test_an_empty_subscription_gives_a_tenant_to_the_default(registration):
    tenant = guid()
    registration.map(tenant)
    assert counts(upload(registration, "tenantId,customerSubscriptionId\n%s,\n" % tenant)) == (1, 1, 0, 0)
    assert mapped(registration) == {}


@pytest.mark.parametrize("text, says", (
    ("", "line 1"), ("tenantId\n", "line 1"), ("tenantId,customerSubscriptionId,price\n", "price"),
    ("tenantId,customerSubscriptionId,tenantId\n", "twice"), ('tenantId,customerSubscriptionId\n"a,b\n', "line 2")))
def test_a_file_that_is_none_is_refused_as_a_whole(registration, text, says):
    answer = registration.client.request("POST", registration.native("customers/import"), body=text,
                                         headers={"Content-Type": "text/csv"})
    assert says in answer.expect(400, "InvalidRequestContent").error["message"]


def test_files_have_a_bound_and_a_type(registration):
    target = registration.native("customers/import")
    registration.client.request("POST", target, body={"a": 1}).expect(415, "UnsupportedMediaType")
    text = "tenantId,customerSubscriptionId\n" + "%s,\n" % guid() * 10001
    registration.client.request("POST", target, body=text, headers={"Content-Type": "text/csv"}).expect(
        413, "RequestEntityTooLarge")
    registration.client.request("POST", registration.native("customers/import", dryRun="maybe"), body=text,
                                headers={"Content-Type": "text/csv"}).expect(400, "InvalidProperty", "dryRun")


def test_the_largest_file_is_applied(registration):
    """10,000 lines; the catalogue knows one of their subscriptions."""
    tenant, customer = guid(), registration.customer()
    lines = ["%s,%s" % (guid(), guid()) for _ in range(9999)] + ["%s,%s" % (tenant, customer)]
    answer = upload(registration, "tenantId,customerSubscriptionId\n" + "\n".join(lines))
    assert counts(answer) == (10000, 1, 0, 9999)
    assert answer["results"][0]["code"] == "InvalidCustomerSubscriptionId"
    assert mapped(registration) == {tenant: customer}


def test_a_tenant_with_too_many_changes_stops_nobody_else(empty, registration):
    """100,000 changes of one tenant: more are refused with its id, alone; its mappings can still be taken away."""
    full, other, start = guid(), guid(), hour(empty)
    pair, new = (registration.customer(), registration.customer()), registration.customer()
    for file in range(10):
        lines = ["%s,%s,%s" % (full, pair[i % 2], iso(start + (file * 10000 + i) * HOUR)) for i in range(10000)]
        answer = upload(registration, "tenantId,customerSubscriptionId,effectiveFrom\n" + "\n".join(lines))
        assert answer["changed"] == 10000
    later = iso(start + 200000 * HOUR)
    refusal = registration.put(new, full, effectiveFrom=later).expect(409, "Conflict").error["message"]
    assert full in refusal
    text = "tenantId,customerSubscriptionId,effectiveFrom\n%s,%s,%s\n%s,%s,\n%s,,%s\n" % (
        full, new, later, other, new, full, iso(start + 150000 * HOUR))
    dry = upload(registration, text, dryRun="true")
    answer = upload(registration, text)
    assert answer == {**dry, "dryRun": False} and counts(answer) == (3, 2, 0, 1)
    assert [line["verdict"] for line in answer["results"]] == ["Rejected", "Changed", "Changed"]
    assert (answer["results"][0]["code"], answer["results"][0]["message"]) == ("Conflict", refusal)
    assert registration.payer(full, iso(start + 150000 * HOUR))["kind"] == "default"
    assert mapped(registration) == {full: pair[0], other: new}
    registration.delete(pair[0]).expect(200)
    assert mapped(registration) == {other: new}


# ---- Audit ----


def test_every_change_is_in_the_audit_log_with_before_and_after(empty, registration):
    tenant = guid()
    first, second = registration.customer(), registration.customer()
    seen = []
    for answer in (registration.put(first, tenant), registration.put(second, tenant), registration.delete(second)):
        entry, = audited(empty, answer.expect(200))
        assert registration.name in entry["subject"] and instant(entry["time"]) == empty.now and entry["by"]
        change, = entry["detail"]["changes"]
        assert change["tenantId"] == tenant and instant(change["effectiveFrom"]) == hour(empty)
        seen.append((entry["action"], change["before"], change["after"]))
    assert seen == [("customer.put", None, first), ("customer.put", first, second), ("customer.delete", second, None)]
    for answer in (registration.delete(second).expect(204), registration.put(guid(), tenant).expect(400)):
        assert audited(empty, answer) == []
