/* Partners and commercial subscriptions as data: what is kept, what refers to what, and what is refused. */
#include "base/buffer.h"
#include "commerce/fixture.h"

static const struct json *parse(struct fixture *f, const char *text)
{
    const struct json *json;
    assert_ok(json_parse(f->arena, text_of(text), &json, NULL));
    return json;
}

/* --- partners --- */

static struct partner_put put_partner(struct fixture *f, const char *id, const char *name, enum partner_kind kind,
                                      const char *provider)
{
    const struct partner partner = { text_of(id), text_of(name), kind, text_of(provider) };
    struct partner_put put;
    partner_put_init(&put, &partner, f->arena);
    assert_ok(store_run(f->base.store, &put.job));
    return put;
}

static void put_partner_ok(struct fixture *f, const char *id, enum partner_kind kind, const char *provider)
{
    struct partner_put put = put_partner(f, id, id, kind, provider);
    if (put.refusal != ERROR_OK)
        fail_msg("%s: %s", id, put.info.message);
}

static err_t get_partner(struct fixture *f, const char *id, struct partner *out)
{
    struct kv_txn *txn = store_fixture_read(&f->base);
    err_t error = partner_get(txn, f->arena, text_of(id), out);
    store_read_end(txn);
    return error;
}

static struct partner_delete delete_partner(struct fixture *f, const char *id)
{
    struct partner_delete job;
    partner_delete_init(&job, text_of(id), f->arena);
    assert_ok(store_run(f->base.store, &job.job));
    return job;
}

static void a_partner_that_was_put_is_there(void **state)
{
    struct fixture *f = *state;
    struct partner found;
    assert_error(get_partner(f, "4711", &found), ERROR_NOT_FOUND);
    struct partner_put put = put_partner(f, "4711", "Contoso \"\xC3\xA4\"", PARTNER_INDIRECT_PROVIDER, "");
    assert_true(put.created && put.changed && put.refusal == ERROR_OK);
    put_partner_ok(f, "reseller", PARTNER_INDIRECT_RESELLER, "4711");
    store_fixture_reopen(&f->base);
    assert_ok(get_partner(f, "4711", &found));
    assert_text(found.id, "4711");
    assert_text(found.name, "Contoso \"\xC3\xA4\"");
    assert_int_equal(found.kind, PARTNER_INDIRECT_PROVIDER);
    assert_text(found.provider_id, "");
    assert_ok(get_partner(f, "reseller", &found));
    assert_int_equal(found.kind, PARTNER_INDIRECT_RESELLER);
    assert_text(found.provider_id, "4711");
}

static void the_same_partner_again_changes_nothing(void **state)
{
    struct fixture *f = *state;
    put_partner(f, "p", "Name", PARTNER_DIRECT, "");
    struct partner_put put = put_partner(f, "p", "Name", PARTNER_DIRECT, "");
    assert_false(put.created || put.changed);
    put = put_partner(f, "p", "Other", PARTNER_DIRECT, "");
    assert_false(put.created);
    assert_true(put.changed);
}

static void partner_ids_compare_without_case_and_stay_as_first_written(void **state)
{
    struct fixture *f = *state;
    struct partner found;
    put_partner_ok(f, "Contoso", PARTNER_INDIRECT_PROVIDER, "");
    struct partner_put put = put_partner(f, "CONTOSO", "Other", PARTNER_INDIRECT_PROVIDER, "");
    assert_false(put.created);
    assert_text(put.result.id, "Contoso");
    assert_ok(get_partner(f, "contoso", &found));
    assert_text(found.id, "Contoso");
    assert_text(found.name, "Other");
    put = put_partner(f, "r", "R", PARTNER_INDIRECT_RESELLER, "cONTOSO");
    assert_text(put.result.provider_id, "Contoso");
}

static void a_resellers_provider_must_be_an_indirect_provider(void **state)
{
    struct fixture *f = *state;
    struct partner found;
    put_partner_ok(f, "direct", PARTNER_DIRECT, "");
    struct partner_put put = put_partner(f, "r", "R", PARTNER_INDIRECT_RESELLER, "nobody");
    assert_error(put.refusal, ERROR_INVALID_PROPERTY);
    assert_string_equal(put.info.target, "providerId");
    assert_non_null(strstr(put.info.message, "there is no partner 'nobody'"));
    put = put_partner(f, "r", "R", PARTNER_INDIRECT_RESELLER, "direct");
    assert_error(put.refusal, ERROR_INVALID_PROPERTY);
    assert_non_null(strstr(put.info.message, "is no indirectProvider but direct"));
    assert_error(get_partner(f, "r", &found), ERROR_NOT_FOUND);
}

static void partners_are_listed_by_id_page_by_page(void **state)
{
    struct fixture *f = *state;
    static const char *const ids[] = { "delta", "Alpha", "bravo", "Charlie" };
    static const char *const expected[] = { "Alpha", "bravo", "Charlie", "delta" };
    struct partner *list;
    size_t count;
    bool more;
    for (size_t i = 0; i < COUNT_OF(ids); i++)
        put_partner_ok(f, ids[i], PARTNER_DIRECT, "");
    struct kv_txn *txn = store_fixture_read(&f->base);
    struct text after = TEXT_NONE;
    for (size_t i = 0; i < COUNT_OF(expected); i++) {
        assert_ok(partner_list(txn, f->arena, after, 1, &list, &count, &more));
        assert_int_equal(count, 1);
        assert_text(list[0].id, expected[i]);
        assert_int_equal(more, i + 1 < COUNT_OF(expected));
        after = list[0].id;
    }
    assert_ok(partner_list(txn, f->arena, after, 1, &list, &count, &more));
    assert_int_equal(count, 0);
    assert_ok(partner_list(txn, f->arena, TEXT_NONE, 10, &list, &count, &more));
    assert_int_equal(count, 4);
    assert_false(more);
    store_read_end(txn);
}

static void partner_bodies_are_checked(void **state)
{
    struct fixture *f = *state;
    static const struct {
        const char *id, *body, *target;
    } bad[] = {
        { "p", "{\"kind\":\"direct\"}", "name" },
        { "p", "{\"name\":\"\",\"kind\":\"direct\"}", "name" },
        { "p", "{\"name\":7,\"kind\":\"direct\"}", "name" },
        { "p", "{\"name\":\"P\"}", "kind" },
        { "p", "{\"name\":\"P\",\"kind\":\"reseller\"}", "kind" },
        { "p", "{\"name\":\"P\",\"kind\":\"direct\",\"providerId\":\"q\"}", "providerId" },
        { "p", "{\"name\":\"P\",\"kind\":\"indirectProvider\",\"providerId\":\"q\"}", "providerId" },
        { "p", "{\"name\":\"P\",\"kind\":\"indirectReseller\"}", "providerId" },
        { "p", "{\"name\":\"P\",\"kind\":\"indirectReseller\",\"providerId\":\"a b\"}", "providerId" },
        { "p", "{\"name\":\"P\",\"kind\":\"indirectReseller\",\"providerId\":\"P\"}", "providerId" },
        { "", "{\"name\":\"P\",\"kind\":\"direct\"}", "partnerId" },
        { "a/b", "{\"name\":\"P\",\"kind\":\"direct\"}", "partnerId" },
        { "a\xC3\xA4", "{\"name\":\"P\",\"kind\":\"direct\"}", "partnerId" },
    };
    struct partner found;
    struct error_info info;
    for (size_t i = 0; i < COUNT_OF(bad); i++) {
        info = (struct error_info){ 0 };
        assert_error(partner_from_json(parse(f, bad[i].body), text_of(bad[i].id), &found, &info),
                     ERROR_INVALID_PROPERTY);
        assert_string_equal(info.target, bad[i].target);
    }
    assert_error(partner_from_json(parse(f, "[]"), TEXT("p"), &found, &info), ERROR_INVALID_REQUEST_CONTENT);
    assert_ok(partner_from_json(parse(f, "{\"name\":\"P\",\"kind\":\"Direct\",\"providerId\":null}"), TEXT("p"), &found,
                                &info));
    struct text longest = arena_format(f->arena, "%064d", 7), longer = arena_format(f->arena, "%065d", 7);
    assert_true(partner_id_is_valid(longest));
    assert_false(partner_id_is_valid(longer));
}

/* --- subscriptions --- */

static struct catalogue_put put_subscription(struct fixture *f, uint8_t number, enum offer offer, const char *partner,
                                             const char *reseller)
{
    const struct commercial_subscription subscription = { .id = numbered(number),
                                                          .tenant_id = numbered((uint8_t)(number + 100)),
                                                          .partner_id = text_of(partner),
                                                          .reseller_id = text_of(reseller),
                                                          .offer = offer,
                                                          .active = true };
    struct catalogue_put put;
    catalogue_put_init(&put, &subscription, f->arena);
    assert_ok(store_run(f->base.store, &put.job));
    return put;
}

static err_t get_subscription(struct fixture *f, uint8_t number, struct commercial_subscription *out)
{
    struct guid id = numbered(number);
    struct kv_txn *txn = store_fixture_read(&f->base);
    err_t error = catalogue_get(txn, f->arena, &id, out);
    store_read_end(txn);
    return error;
}

static void put_partners(struct fixture *f)
{
    put_partner_ok(f, "direct", PARTNER_DIRECT, "");
    put_partner_ok(f, "Provider", PARTNER_INDIRECT_PROVIDER, "");
    put_partner_ok(f, "other", PARTNER_INDIRECT_PROVIDER, "");
    put_partner_ok(f, "Reseller", PARTNER_INDIRECT_RESELLER, "Provider");
}

static void a_subscription_that_was_put_is_there(void **state)
{
    struct fixture *f = *state;
    struct commercial_subscription found;
    put_partners(f);
    assert_error(get_subscription(f, 1, &found), ERROR_NOT_FOUND);
    struct catalogue_put put = put_subscription(f, 1, OFFER_CSP, "provider", "reseller");
    assert_true(put.created && put.changed && put.refusal == ERROR_OK);
    put = put_subscription(f, 2, OFFER_EA, "", "");
    assert_int_equal(put.refusal, ERROR_OK);
    store_fixture_reopen(&f->base);
    assert_ok(get_subscription(f, 1, &found));
    assert_int_equal(found.id.bytes[15], 1);
    assert_int_equal(found.tenant_id.bytes[15], 101);
    assert_text(found.partner_id, "Provider"); /* as the catalogue writes it */
    assert_text(found.reseller_id, "Reseller");
    assert_int_equal(found.offer, OFFER_CSP);
    assert_true(found.active);
    put = put_subscription(f, 1, OFFER_CSP, "PROVIDER", "Reseller");
    assert_false(put.created || put.changed);
    put = put_subscription(f, 1, OFFER_CSP, "direct", "");
    assert_false(put.created);
    assert_true(put.changed);
    struct catalogue_delete gone;
    struct guid id = numbered(1);
    catalogue_delete_init(&gone, &id);
    assert_ok(store_run(f->base.store, &gone.job));
    assert_false(gone.missing);
    assert_ok(store_run(f->base.store, &gone.job));
    assert_true(gone.missing);
    assert_error(get_subscription(f, 1, &found), ERROR_NOT_FOUND);
}

static void who_bills_must_be_there_and_fit(void **state)
{
    struct fixture *f = *state;
    static const struct {
        const char *partner, *reseller, *target, *says;
    } bad[] = {
        { "nobody", "", "partnerId", "there is no partner 'nobody'" },
        { "reseller", "", "partnerId", "its provider 'Provider' bills" },
        { "provider", "nobody", "resellerId", "there is no partner 'nobody'" },
        { "provider", "other", "resellerId", "is no indirectReseller but indirectProvider" },
        { "other", "reseller", "resellerId", "the provider of the reseller 'Reseller' is 'Provider', not 'other'" },
        { "direct", "reseller", "resellerId", "not 'direct'" },
    };
    struct commercial_subscription found;
    put_partners(f);
    for (size_t i = 0; i < COUNT_OF(bad); i++) {
        struct catalogue_put put = put_subscription(f, 1, OFFER_APSS, bad[i].partner, bad[i].reseller);
        assert_error(put.refusal, ERROR_INVALID_PROPERTY);
        assert_string_equal(put.info.target, bad[i].target);
        if (strstr(put.info.message, bad[i].says) == NULL)
            fail_msg("%s", put.info.message);
    }
    assert_error(get_subscription(f, 1, &found), ERROR_NOT_FOUND);
}

static void subscription_bodies_are_checked(void **state)
{
    struct fixture *f = *state;
#define TENANT "\"tenantId\":\"00000000-0000-0000-0000-000000000007\","
    static const struct {
        const char *body, *target;
    } bad[] = {
        { "{\"offer\":\"EA\",\"state\":\"Active\"}", "tenantId" },
        { "{\"tenantId\":\"x\",\"offer\":\"EA\",\"state\":\"Active\"}", "tenantId" },
        { "{" TENANT "\"state\":\"Active\"}", "offer" },
        { "{" TENANT "\"offer\":\"MSDN\",\"state\":\"Active\"}", "offer" },
        { "{" TENANT "\"offer\":\"EA\"}", "state" },
        { "{" TENANT "\"offer\":\"EA\",\"state\":\"Deleted\"}", "state" },
        { "{" TENANT "\"offer\":\"CSP\",\"state\":\"Active\"}", "partnerId" },
        { "{" TENANT "\"offer\":\"CSPSS\",\"state\":\"Active\",\"partnerId\":\"\"}", "partnerId" },
        { "{" TENANT "\"offer\":\"EA\",\"state\":\"Active\",\"partnerId\":\"p\"}", "partnerId" },
        { "{" TENANT "\"offer\":\"PayAsYouGo\",\"state\":\"Active\",\"partnerId\":\"p\"}", "partnerId" },
        { "{" TENANT "\"offer\":\"CSP\",\"state\":\"Active\",\"partnerId\":\"p q\"}", "partnerId" },
        { "{" TENANT "\"offer\":\"CSP\",\"state\":\"Active\",\"partnerId\":\"p\",\"resellerId\":\"/\"}", "resellerId" },
        { "{" TENANT "\"offer\":\"EA\",\"state\":\"Active\",\"resellerId\":\"p\"}", "resellerId" },
        { "{" TENANT "\"offer\":\"CSP\",\"state\":\"Active\",\"partnerId\":7}", "partnerId" },
    };
    struct guid id = numbered(1);
    struct commercial_subscription found;
    struct error_info info;
    for (size_t i = 0; i < COUNT_OF(bad); i++) {
        info = (struct error_info){ 0 };
        assert_error(catalogue_from_json(parse(f, bad[i].body), &id, &found, &info), ERROR_INVALID_PROPERTY);
        assert_string_equal(info.target, bad[i].target);
    }
    assert_error(catalogue_from_json(parse(f, "7"), &id, &found, &info), ERROR_INVALID_REQUEST_CONTENT);
    assert_ok(catalogue_from_json(
        parse(f, "{" TENANT "\"offer\":\"CSPSS\",\"state\":\"disabled\",\"partnerId\":\"p\",\"resellerId\":null}"), &id,
        &found, &info));
    assert_int_equal(found.offer, OFFER_APSS);
    assert_false(found.active);
    struct buffer out = { 0 };
    struct json_writer json = json_writer(&out);
    catalogue_to_json(&found, &json);
    assert_text(buffer_text(&out), "{\"subscriptionId\":\"00000000-0000-0000-0000-000000000001\","
                                   "\"tenantId\":\"00000000-0000-0000-0000-000000000007\",\"partnerId\":\"p\","
                                   "\"resellerId\":null,\"offer\":\"APSS\",\"state\":\"Disabled\"}");
    buffer_free(&out);
}

static size_t list_ids(struct fixture *f, const struct catalogue_filter *filter, size_t page, uint8_t ids[20])
{
    struct kv_txn *txn = store_fixture_read(&f->base);
    struct commercial_subscription *list;
    struct guid after;
    size_t total = 0, count;
    bool more = true;
    while (more) {
        assert_ok(catalogue_list(txn, f->arena, filter, total > 0 ? &after : NULL, page, &list, &count, &more));
        assert_true(!more || count == page);
        for (size_t i = 0; i < count; i++)
            ids[total++] = list[i].id.bytes[15];
        if (count > 0)
            after = list[count - 1].id;
    }
    store_read_end(txn);
    return total;
}

static void subscriptions_are_listed_by_id_and_filtered(void **state)
{
    struct fixture *f = *state;
    uint8_t ids[20];
    put_partners(f);
    for (uint8_t i = 9; i > 0; i--)
        assert_int_equal(put_subscription(f, i, i % 3 == 0 ? OFFER_EA : OFFER_CSP,
                                          i % 3 == 0   ? ""
                                          : i % 3 == 1 ? "direct"
                                                       : "provider",
                                          i == 5 ? "reseller" : "")
                             .refusal,
                         ERROR_OK);
    for (size_t page = 1; page <= 10; page++) {
        struct catalogue_filter filter = { 0 };
        assert_int_equal(list_ids(f, &filter, page, ids), 9);
        for (uint8_t i = 0; i < 9; i++)
            assert_int_equal(ids[i], i + 1);
        filter.partner_id = TEXT("Direct");
        assert_int_equal(list_ids(f, &filter, page, ids), 3);
        assert_true(ids[0] == 1 && ids[1] == 4 && ids[2] == 7);
        filter.partner_id = TEXT("reseller");
        assert_int_equal(list_ids(f, &filter, page, ids), 1);
        assert_int_equal(ids[0], 5);
        filter = (struct catalogue_filter){ .tenant_id = numbered(106) };
        assert_int_equal(list_ids(f, &filter, page, ids), 1);
        assert_int_equal(ids[0], 6);
        filter.partner_id = TEXT("direct");
        assert_int_equal(list_ids(f, &filter, page, ids), 0);
    }
}

/* --- what refers to what --- */

static void a_partner_in_use_is_neither_deleted_nor_turned_into_another_kind(void **state)
{
    struct fixture *f = *state;
    struct partner found;
    put_partners(f);
    struct partner_delete gone = delete_partner(f, "provider");
    assert_error(gone.refusal, ERROR_CONFLICT);
    assert_non_null(strstr(gone.info.message, "the reseller 'Reseller' names it as its provider"));
    struct partner_put put = put_partner(f, "provider", "P", PARTNER_DIRECT, "");
    assert_error(put.refusal, ERROR_CONFLICT);
    put = put_partner(f, "provider", "Renamed", PARTNER_INDIRECT_PROVIDER, "");
    assert_int_equal(put.refusal, ERROR_OK);
    (void)put_subscription(f, 1, OFFER_CSP, "provider", "reseller");
    (void)put_subscription(f, 2, OFFER_CSP, "direct", "");
    gone = delete_partner(f, "Reseller");
    assert_error(gone.refusal, ERROR_CONFLICT);
    assert_non_null(strstr(gone.info.message, "'00000000-0000-0000-0000-000000000001' names it as its reseller"));
    put = put_partner(f, "reseller", "R", PARTNER_INDIRECT_RESELLER, "other");
    assert_error(put.refusal, ERROR_CONFLICT);
    gone = delete_partner(f, "direct");
    assert_error(gone.refusal, ERROR_CONFLICT);
    assert_non_null(strstr(gone.info.message, "'00000000-0000-0000-0000-000000000002' names it as its partner"));
    assert_ok(get_partner(f, "direct", &found));
    assert_true(delete_partner(f, "nobody").missing);
}

static void a_partner_that_nothing_refers_to_can_go(void **state)
{
    struct fixture *f = *state;
    struct partner found;
    put_partners(f);
    struct partner_delete gone = delete_partner(f, "RESELLER");
    assert_true(!gone.missing && gone.refusal == ERROR_OK);
    assert_error(get_partner(f, "reseller", &found), ERROR_NOT_FOUND);
    gone = delete_partner(f, "provider");
    assert_true(!gone.missing && gone.refusal == ERROR_OK);
    assert_error(get_partner(f, "provider", &found), ERROR_NOT_FOUND);
    put_partner_ok(f, "other", PARTNER_DIRECT, ""); /* unused: may become another kind */
}

static void failed_writes_leave_nothing_and_can_be_repeated(void **state)
{
    struct fixture *f = *state;
    struct partner found;
    const struct partner partner = { TEXT("p"), TEXT("P"), PARTNER_DIRECT, TEXT("") };
    struct partner_put put;
    partner_put_init(&put, &partner, f->arena);
    store_fail_write(f->base.store, 1, ERROR_INSUFFICIENT_STORAGE);
    assert_error(store_run(f->base.store, &put.job), ERROR_INSUFFICIENT_STORAGE);
    store_fail_write(f->base.store, 0, ERROR_OK);
    assert_error(get_partner(f, "p", &found), ERROR_NOT_FOUND);
    assert_ok(store_run(f->base.store, &put.job));
    assert_true(put.created && put.refusal == ERROR_OK);
    assert_ok(get_partner(f, "p", &found));
}

TESTS(WITH_STORE(a_partner_that_was_put_is_there), WITH_STORE(the_same_partner_again_changes_nothing),
      WITH_STORE(partner_ids_compare_without_case_and_stay_as_first_written),
      WITH_STORE(a_resellers_provider_must_be_an_indirect_provider), WITH_STORE(partners_are_listed_by_id_page_by_page),
      WITH_STORE(partner_bodies_are_checked), WITH_STORE(a_subscription_that_was_put_is_there),
      WITH_STORE(who_bills_must_be_there_and_fit), WITH_STORE(subscription_bodies_are_checked),
      WITH_STORE(subscriptions_are_listed_by_id_and_filtered),
      WITH_STORE(a_partner_in_use_is_neither_deleted_nor_turned_into_another_kind),
      WITH_STORE(a_partner_that_nothing_refers_to_can_go), WITH_STORE(failed_writes_leave_nothing_and_can_be_repeated))
