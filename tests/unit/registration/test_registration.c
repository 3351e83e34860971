/* Registrations: put, renewed, changed, deleted; how a stamp was registered at any time. */
#include "registration/registration_fixture.h"

#include "store/write.h"

static err_t run_delete(struct fixture *f, struct registration_path path, bool *missing)
{
    struct registration_delete delete_job = { .path = path, .by = TEXT("remover"), .arena = f->arena };
    registration_delete_init(&delete_job);
    assert_ok(store_run(f->base.store, &delete_job.job));
    *missing = delete_job.missing;
    return delete_job.refusal;
}

static void delete_well(struct fixture *f, struct registration_path path)
{
    bool missing;
    assert_ok(run_delete(f, path, &missing));
    assert_false(missing);
}

static err_t find(struct fixture *f, struct registration_path path, struct registration *out, struct error_info *info)
{
    struct kv_txn *txn = store_fixture_read(&f->base);
    err_t error = registration_find(txn, f->arena, &path, out, info);
    store_read_end(txn);
    return error;
}

static err_t at(struct fixture *f, uint8_t cloud, int64_t time_ns, int64_t known_ns, struct registration_change *out)
{
    struct guid cloud_id = numbered(cloud);
    struct kv_txn *txn = store_fixture_read(&f->base);
    err_t error = registration_at(txn, f->arena, &cloud_id, time_ns, known_ns, out);
    store_read_end(txn);
    return error;
}

static size_t history(struct fixture *f, uint8_t cloud, struct registration_change **out)
{
    struct guid cloud_id = numbered(cloud);
    size_t count;
    struct kv_txn *txn = store_fixture_read(&f->base);
    assert_ok(registration_history(txn, f->arena, &cloud_id, out, &count));
    store_read_end(txn);
    return count;
}

/* --- put, find --- */

static void what_was_put_is_there_after_a_restart(void **state)
{
    struct fixture *f = *state;
    struct registration found;
    struct registration_token token = token_of(9, BILLING_PAY_AS_YOU_USE);
    struct registration_put *put = new_put(f, path_of(1, "Group-1", "Azure.Stack_(1)"), &token);
    put->tags = TEXT("{\"a\":\"b\"}");
    put->by_user = true;
    assert_ok(run_put(f, put));
    assert_true(put->created);
    store_fixture_reopen(&f->base);
    assert_ok(find(f, path_of(1, "gROUP-1", "aZURE.sTACK_(1)"), &found, NULL));
    assert_int_equal(found.number, 1);
    assert_guid(&found.path.subscription_id, 1);
    assert_text(found.path.resource_group, "Group-1");
    assert_text(found.path.name, "Azure.Stack_(1)");
    assert_guid(&found.cloud_id, 9);
    assert_guid(&found.object_id, 77);
    assert_int_equal(found.model, BILLING_PAY_AS_YOU_USE);
    assert_true(found.usage_reporting && found.marketplace_syndication && !found.remote_management);
    assert_text(found.agreement_number, "EA \"7\"");
    assert_text(found.ms_asset_tag, "");
    assert_text(found.stamp_version, "1.2301.0.1");
    assert_text(found.tags, "{\"a\":\"b\"}");
    assert_int_equal(found.cores, 40);
    assert_int_equal(found.created_ns, put->result.created_ns);
    assert_int_equal(found.changed_ns, found.created_ns);
    assert_int_equal(found.registered_ns, found.created_ns);
    assert_true(found.expires_ns == INT64_MAX);
    assert_text(found.created_by, "somebody");
    assert_text(found.changed_by, "somebody");
    assert_true(found.created_by_user && found.changed_by_user);
    assert_int_equal(found.etag, 1);
}

static void facts_of_the_newest_token_are_kept(void **state)
{
    struct fixture *f = *state;
    struct registration r = put_well(f, path_of(1, "g", "n"), 9, BILLING_PAY_AS_YOU_USE);
    struct text facts;
    struct kv_txn *txn = store_fixture_read(&f->base);
    assert_ok(registration_facts(txn, f->arena, r.number, &facts));
    assert_error(registration_facts(txn, f->arena, r.number + 1, &facts), ERROR_NOT_FOUND);
    store_read_end(txn);
    const struct json *json;
    assert_ok(json_parse(f->arena, facts, &json, NULL));
    assert_int_equal(json_count(json_member(json, TEXT("hardwareInfo"))), 2);
}

static void a_token_that_comes_again_renews(void **state)
{
    struct fixture *f = *state;
    struct registration first = put_well(f, path_of(1, "g", "n"), 9, BILLING_PAY_AS_YOU_USE);
    advance(f, NS_PER_DAY);
    struct registration_token token = token_of(9, BILLING_CAPACITY);
    token.node_count = 1;
    struct registration_put *put = new_put(f, path_of(1, "G", "N"), &token);
    put->by = TEXT("another");
    assert_ok(run_put(f, put));
    assert_false(put->created);
    assert_int_equal(put->result.number, first.number);
    assert_text(put->result.path.name, "n"); /* as it was made */
    assert_int_equal(put->result.cores, 16);
    assert_false(put->result.usage_reporting); /* Capacity, though the token asks for it */
    assert_int_equal(put->result.created_ns, first.created_ns);
    assert_text(put->result.created_by, "somebody");
    assert_text(put->result.changed_by, "another");
    assert_int_equal(put->result.registered_ns, first.registered_ns + NS_PER_DAY);
    assert_int_equal(put->result.expires_ns, put->result.registered_ns + YEAR_NS);
    assert_int_equal(put->result.etag, first.etag + 1);
}

/* Named case: the capacity registration ends after its year and is renewed by a new token. */
static void a_capacity_registration_expires_and_is_renewed(void **state)
{
    struct fixture *f = *state;
    struct registration r = put_well(f, path_of(1, "g", "n"), 9, BILLING_CAPACITY);
    assert_false(registration_is_expired(&r, r.expires_ns - 1));
    assert_true(registration_is_expired(&r, r.expires_ns));
    struct registration_key_facts key = { .path = path_of(1, "g", "n"), .arena = f->arena };
    registration_key_facts_init(&key);
    assert_ok(store_run(f->base.store, &key.job));
    assert_ok(key.refusal);
    assert_int_equal(key.registration.number, r.number);
    advance(f, YEAR_NS);
    assert_ok(store_run(f->base.store, &key.job));
    assert_error(key.refusal, ERROR_CONFLICT);
    assert_non_null(strstr(key.info.message, "2027-01-31T12:30:00Z"));
    r = put_well(f, path_of(1, "g", "n"), 9, BILLING_CAPACITY);
    assert_ok(store_run(f->base.store, &key.job));
    assert_ok(key.refusal);
    r = put_well(f, path_of(1, "g", "n"), 9, BILLING_DEVELOPMENT);
    assert_true(r.expires_ns == INT64_MAX);
}

static void a_cloud_id_has_one_registration(void **state)
{
    struct fixture *f = *state;
    struct registration_token token = token_of(9, BILLING_PAY_AS_YOU_USE);
    put_well(f, path_of(1, "g", "n"), 9, BILLING_PAY_AS_YOU_USE);
    struct registration_put *put = new_put(f, path_of(2, "h", "m"), &token);
    assert_error(run_put(f, put), ERROR_CLOUD_ID_REGISTERED);
    assert_non_null(strstr(put->info.message, "00000000-0000-0000-0000-000000000009"));
    assert_non_null(strstr(put->info.message, "/subscriptions/00000000-0000-0000-0000-000000000001/resourceGroups/g/"
                                              "providers/Microsoft.AzureStack/registrations/n"));
    struct registration found;
    assert_error(find(f, path_of(2, "h", "m"), &found, NULL), ERROR_REGISTRATION_NOT_FOUND);
    delete_well(f, path_of(1, "g", "n"));
    assert_ok(run_put(f, put));
    assert_true(put->created);
}

static void longest_names_fit_into_the_message(void **state)
{
    struct fixture *f = *state;
    char name[REGISTRATION_NAME_SIZE_MAX + 1];
    memset(name, 'x', sizeof name - 1);
    name[sizeof name - 1] = '\0';
    struct registration_token token = token_of(9, BILLING_PAY_AS_YOU_USE);
    put_well(f, path_of(1, name, name), 9, BILLING_PAY_AS_YOU_USE);
    struct registration_put *put = new_put(f, path_of(2, "h", "m"), &token);
    assert_error(run_put(f, put), ERROR_CLOUD_ID_REGISTERED);
    struct registration_path path = path_of(1, name, name);
    struct text id = registration_resource_id(f->arena, &path);
    assert_non_null(strstr(put->info.message, id.ptr));
    struct error_info info;
    struct registration found;
    name[0] = 'y';
    assert_error(find(f, path_of(1, name, name), &found, &info), ERROR_REGISTRATION_NOT_FOUND);
    assert_non_null(strstr(info.message, "which stamp it is")); /* to its end */
}

static void a_name_has_one_stamp(void **state)
{
    struct fixture *f = *state;
    struct registration_token token = token_of(10, BILLING_PAY_AS_YOU_USE);
    put_well(f, path_of(1, "g", "n"), 9, BILLING_PAY_AS_YOU_USE);
    for (int patch = 0; patch < 2; patch++) {
        struct registration_put *put = new_put(f, path_of(1, "g", "N"), &token);
        put->must_exist = patch != 0;
        assert_error(run_put(f, put), ERROR_CONFLICT);
        assert_non_null(strstr(put->info.message, "00000000-0000-0000-0000-000000000009"));
        assert_non_null(strstr(put->info.message, "00000000-0000-0000-0000-00000000000a"));
    }
    struct registration found;
    assert_ok(find(f, path_of(1, "g", "n"), &found, NULL));
    assert_guid(&found.cloud_id, 9);
    assert_int_equal(found.etag, 1);
}

static void patch_needs_one_and_keeps_what_it_does_not_name(void **state)
{
    struct fixture *f = *state;
    struct registration_put *put = new_put(f, path_of(1, "g", "n"), NULL);
    put->must_exist = true;
    assert_error(run_put(f, put), ERROR_REGISTRATION_NOT_FOUND);
    assert_non_null(strstr(put->info.message, "'n'"));
    put_well(f, path_of(1, "g", "n"), 9, BILLING_CAPACITY);
    advance(f, NS_PER_HOUR);
    assert_ok(run_put(f, put));
    assert_true(put->unchanged && !put->created);
    assert_int_equal(put->result.etag, 1);
    put->tags = TEXT("{\"a\":\"b\"}");
    assert_ok(run_put(f, put));
    assert_false(put->unchanged);
    assert_int_equal(put->result.etag, 2);
    assert_text(put->result.tags, "{\"a\":\"b\"}");
    assert_int_equal(put->result.registered_ns, put->result.created_ns);
    assert_int_equal(put->result.changed_ns, put->result.created_ns + NS_PER_HOUR);
    assert_int_equal(put->result.model, BILLING_CAPACITY);
    assert_ok(run_put(f, put));
    assert_true(put->unchanged);
    put_well(f, path_of(1, "g", "n"), 9, BILLING_CAPACITY); /* without tags: they stay */
    struct registration found;
    assert_ok(find(f, path_of(1, "g", "n"), &found, NULL));
    assert_text(found.tags, "{\"a\":\"b\"}");
}

static void remote_management_is_remembered(void **state)
{
    struct fixture *f = *state;
    struct registration found;
    struct registration_remote_management enable = { .path = path_of(1, "g", "n"),
                                                     .by = TEXT("manager"),
                                                     .arena = f->arena };
    registration_remote_management_init(&enable);
    assert_ok(store_run(f->base.store, &enable.job));
    assert_error(enable.refusal, ERROR_REGISTRATION_NOT_FOUND);
    put_well(f, path_of(1, "g", "n"), 9, BILLING_PAY_AS_YOU_USE);
    for (int round = 0; round < 2; round++) {
        assert_ok(store_run(f->base.store, &enable.job));
        assert_ok(enable.refusal);
        assert_int_equal(enable.unchanged, round);
        assert_ok(find(f, path_of(1, "g", "n"), &found, NULL));
        assert_true(found.remote_management);
        assert_int_equal(found.etag, 2);
        assert_text(found.changed_by, "manager");
    }
}

/* --- preconditions --- */

static void preconditions_compare_etags(void **state)
{
    (void)state;
    static const struct {
        const char *if_match, *if_none_match, *etag; /* etag NULL: nothing there */
        bool holds;
    } cases[] = {
        { NULL, NULL, NULL, true },          { NULL, NULL, "1-1", true },
        { "1-1", NULL, "1-1", true },        { "\"1-1\"", NULL, "1-1", true },
        { "W/\"1-1\"", NULL, "1-1", false }, { "\"1-2\"", NULL, "1-1", false },
        { "*", NULL, "1-1", true },          { "*", NULL, NULL, false },
        { "1-1", NULL, NULL, false },        { NULL, "*", NULL, true },
        { NULL, "*", "1-1", false },         { NULL, "\"1-1\"", "1-1", false },
        { NULL, "\"1-2\"", "1-1", true },    { "\"x\", \"1-1\"", NULL, "1-1", true },
        { "a,b", NULL, "1-1", false },       { NULL, "a , 1-1", "1-1", false },
        { NULL, "W/\"1-1\"", "1-1", false },
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct precondition precondition = { text_of(cases[i].if_match), text_of(cases[i].if_none_match) };
        struct error_info info = { 0 };
        err_t error = precondition_check(&precondition, text_of(cases[i].etag), &info);
        if ((error == ERROR_OK) != cases[i].holds)
            fail_msg("case %zu", i);
        if (error != ERROR_OK)
            assert_error(error, ERROR_PRECONDITION_FAILED);
    }
}

static void changes_obey_preconditions(void **state)
{
    struct fixture *f = *state;
    struct registration_token token = token_of(9, BILLING_PAY_AS_YOU_USE);
    struct registration_put *put = new_put(f, path_of(1, "g", "n"), &token);
    struct registration_delete delete_job = { .path = path_of(1, "g", "n"), .arena = f->arena };
    put->precondition.if_match = TEXT("*");
    assert_error(run_put(f, put), ERROR_PRECONDITION_FAILED);
    put->precondition = (struct precondition){ .if_none_match = TEXT("*") };
    assert_ok(run_put(f, put));
    assert_error(run_put(f, put), ERROR_PRECONDITION_FAILED);
    put->precondition = (struct precondition){ .if_match = TEXT("\"1-1\"") };
    assert_ok(run_put(f, put));
    assert_error(run_put(f, put), ERROR_PRECONDITION_FAILED); /* now it is 1-2 */
    delete_job.precondition.if_match = TEXT("1-1");
    registration_delete_init(&delete_job);
    assert_ok(store_run(f->base.store, &delete_job.job));
    assert_error(delete_job.refusal, ERROR_PRECONDITION_FAILED);
    delete_job.precondition.if_match = TEXT("1-2");
    assert_ok(store_run(f->base.store, &delete_job.job));
    assert_ok(delete_job.refusal);
    assert_false(delete_job.missing);
    assert_ok(store_run(f->base.store, &delete_job.job)); /* absent: 204 whatever was asked for */
    assert_ok(delete_job.refusal);
    assert_true(delete_job.missing);
}

/* --- history --- */

static void changes_hold_from_the_start_of_their_hour(void **state)
{
    struct fixture *f = *state;
    struct registration_change change;
    int64_t hour = test_instant("2026-01-31T12:00:00Z");
    put_well(f, path_of(1, "g", "n"), 9, BILLING_PAY_AS_YOU_USE);
    assert_error(at(f, 9, hour - 1, INT64_MAX, &change), ERROR_NOT_FOUND);
    assert_ok(at(f, 9, hour, INT64_MAX, &change));
    assert_true(change.registered);
    assert_int_equal(change.effective_ns, hour);
    assert_int_equal(change.recorded_ns, test_instant(FIXTURE_NOW));
    assert_int_equal(change.registration, 1);
    assert_text(change.by, "somebody");
    assert_text(change.path.name, "n");
    assert_error(at(f, 10, INT64_MAX, INT64_MAX, &change), ERROR_NOT_FOUND);
    assert_error(at(f, 8, INT64_MAX, INT64_MAX, &change), ERROR_NOT_FOUND);
}

static void history_tells_who_was_registered_when(void **state)
{
    struct fixture *f = *state;
    struct registration_change *changes, change;
    int64_t hour = test_instant("2026-01-31T12:00:00Z");
    put_well(f, path_of(1, "g", "n"), 9, BILLING_PAY_AS_YOU_USE);
    advance(f, NS_PER_HOUR);
    put_well(f, path_of(1, "g", "n"), 9, BILLING_PAY_AS_YOU_USE); /* a renewal is no change of what held */
    advance(f, NS_PER_HOUR);
    put_well(f, path_of(1, "g", "n"), 9, BILLING_DEVELOPMENT);
    advance(f, NS_PER_HOUR);
    delete_well(f, path_of(1, "g", "n"));
    put_well(f, path_of(2, "h", "m"), 9, BILLING_PAY_AS_YOU_USE); /* in the same hour: it counts */
    assert_int_equal(history(f, 9, &changes), 4);
    for (size_t i = 0; i < 4; i++)
        assert_int_equal(changes[i].number, i + 1);
    assert_text(changes[2].by, "remover");
    assert_ok(at(f, 9, hour + 2 * NS_PER_HOUR - 1, INT64_MAX, &change));
    assert_int_equal(change.model, BILLING_PAY_AS_YOU_USE);
    assert_ok(at(f, 9, hour + 2 * NS_PER_HOUR, INT64_MAX, &change));
    assert_int_equal(change.model, BILLING_DEVELOPMENT);
    assert_ok(at(f, 9, hour + 3 * NS_PER_HOUR, INT64_MAX, &change));
    assert_guid(&change.path.subscription_id, 2);
    assert_int_equal(change.registration, 2);
    assert_ok(at(f, 9, INT64_MAX, hour + 2 * NS_PER_HOUR, &change)); /* as it was known before the change */
    assert_int_equal(change.model, BILLING_PAY_AS_YOU_USE);
    assert_int_equal(history(f, 8, &changes), 0);
}

static void a_put_can_take_effect_earlier(void **state)
{
    struct fixture *f = *state;
    struct registration_token token = token_of(9, BILLING_PAY_AS_YOU_USE);
    struct registration_put *put = new_put(f, path_of(1, "g", "n"), &token);
    struct registration_change change;
    put->backdate_ns = 2 * NS_PER_DAY;
    assert_ok(run_put(f, put));
    int64_t hour = test_instant("2026-01-29T12:00:00Z");
    assert_error(at(f, 9, hour - 1, INT64_MAX, &change), ERROR_NOT_FOUND);
    assert_ok(at(f, 9, hour, INT64_MAX, &change));
    assert_int_equal(change.recorded_ns, test_instant(FIXTURE_NOW));
}

static void numbers_are_never_used_again(void **state)
{
    struct fixture *f = *state;
    struct registration found;
    for (uint64_t number = 1; number <= 5; number++) {
        assert_int_equal(put_well(f, path_of(1, "g", "n"), 9, BILLING_PAY_AS_YOU_USE).number, number);
        delete_well(f, path_of(1, "g", "n"));
        store_fixture_reopen(&f->base);
    }
    struct kv_txn *txn = store_fixture_read(&f->base);
    assert_error(registration_get(txn, f->arena, 5, &found), ERROR_NOT_FOUND);
    store_read_end(txn);
}

/* --- lists --- */

static void names_are_checked(void **state)
{
    (void)state;
    char long_name[REGISTRATION_NAME_SIZE_MAX + 1];
    memset(long_name, 'a', sizeof long_name);
    assert_true(registration_name_is_valid((struct text){ long_name, REGISTRATION_NAME_SIZE_MAX }));
    assert_false(registration_name_is_valid((struct text){ long_name, REGISTRATION_NAME_SIZE_MAX + 1 }));
    static const char *const good[] = { "a", "0", "AzureStack-1", "a.b", "(x)_-", "-" };
    static const char *const bad[] = { "", ".", "a.", "a b", "a/b", "\xC3\xA4", "a\x01", "a%2f", "a*" };
    for (size_t i = 0; i < COUNT_OF(good); i++)
        assert_true(registration_name_is_valid(text_of(good[i])));
    for (size_t i = 0; i < COUNT_OF(bad); i++)
        assert_false(registration_name_is_valid(text_of(bad[i])));
    assert_false(registration_name_is_valid((struct text){ "a\0b", 3 }));
    assert_false(registration_name_is_valid(TEXT_NONE));
}

/* --- bounds --- */

struct raw_job {
    struct store_job job; /* first member */
    uint8_t cloud;
};

/* As many entries as the most registrations have. */
static err_t run_fill(struct store_write *write, struct store_job *job)
{
    (void)job;
    err_t error = ERROR_OK;
    for (uint32_t i = 0; i < REGISTRATIONS_MAX * 4 && error == ERROR_OK; i++) {
        uint8_t key[5] = { 'z' };
        put_u32be(key + 1, i);
        error = kv_put(write_txn(write), KV_REGISTRATIONS, BYTES(key), TEXT(""));
    }
    return error;
}

static void there_is_a_bound_of_registrations(void **state)
{
    struct fixture *f = *state;
    struct store_job fill = { .run = run_fill, .weight = 1 };
    struct registration_token token = token_of(10, BILLING_PAY_AS_YOU_USE);
    put_well(f, path_of(1, "g", "n"), 9, BILLING_PAY_AS_YOU_USE);
    assert_ok(store_run(f->base.store, &fill));
    struct registration_put *put = new_put(f, path_of(1, "g", "m"), &token);
    assert_error(run_put(f, put), ERROR_CONFLICT);
    assert_non_null(strstr(put->info.message, "100000"));
    put_well(f, path_of(1, "g", "n"), 9, BILLING_DEVELOPMENT); /* those that there are can change */
}

/* The last change that a stamp may have. */
static err_t run_last_change(struct store_write *write, struct store_job *job)
{
    uint8_t key[24] = { [15] = ((const struct raw_job *)job)->cloud };
    put_u64be(key + 16, REGISTRATION_CHANGES_MAX);
    return kv_put(write_txn(write), KV_REGISTRATION_CHANGES, BYTES(key),
                  TEXT("{\"effective\":\"2026-01-31T12:00:00Z\",\"recorded\":\"2026-01-31T12:00:00Z\",\"by\":\"x\","
                       "\"registered\":true,\"registration\":1,\"subscriptionId\":"
                       "\"00000000-0000-0000-0000-000000000001\",\"resourceGroup\":\"g\",\"name\":\"n\","
                       "\"billingModel\":\"PayAsYouUse\",\"usageReporting\":true}"));
}

static void there_is_a_bound_of_changes_but_not_of_removals(void **state)
{
    struct fixture *f = *state;
    struct raw_job last = { .job = { .run = run_last_change, .weight = 1 }, .cloud = 9 };
    struct registration_token token = token_of(9, BILLING_DEVELOPMENT);
    struct registration_change change;
    put_well(f, path_of(1, "g", "n"), 9, BILLING_PAY_AS_YOU_USE);
    assert_ok(store_run(f->base.store, &last.job));
    struct registration_put *put = new_put(f, path_of(1, "g", "n"), &token);
    assert_error(run_put(f, put), ERROR_CONFLICT);
    struct registration found;
    assert_ok(find(f, path_of(1, "g", "n"), &found, NULL));
    assert_int_equal(found.model, BILLING_PAY_AS_YOU_USE);
    assert_int_equal(found.etag, 1);
    put_well(f, path_of(1, "g", "n"), 9, BILLING_PAY_AS_YOU_USE); /* renewed as it is */
    delete_well(f, path_of(1, "g", "n"));
    assert_ok(at(f, 9, INT64_MAX, INT64_MAX, &change));
    assert_false(change.registered);
    assert_int_equal(change.number, REGISTRATION_CHANGES_MAX + 1);
}

/* --- failures --- */

static void failed_writes_leave_nothing(void **state)
{
    struct fixture *f = *state;
    struct registration found, *all;
    struct registration_change change;
    struct registration_token token = token_of(9, BILLING_PAY_AS_YOU_USE);
    size_t count, failures = 0;
    for (uint64_t n = 1; n < 20; n++) {
        struct registration_put *put = new_put(f, path_of(1, "g", "n"), &token);
        store_fail_write(f->base.store, n, ERROR_INSUFFICIENT_STORAGE);
        err_t error = store_run(f->base.store, &put->job);
        store_fail_write(f->base.store, 0, ERROR_OK);
        if (error == ERROR_OK)
            break;
        failures++;
        assert_error(find(f, path_of(1, "g", "n"), &found, NULL), ERROR_REGISTRATION_NOT_FOUND);
        assert_error(at(f, 9, INT64_MAX, INT64_MAX, &change), ERROR_NOT_FOUND);
    }
    assert_true(failures >= 7); /* number, registration, facts, two look-ups, history, commit */
    for (uint64_t n = 1; n < 20; n++) {
        struct registration_delete delete_job = { .path = path_of(1, "g", "n"), .arena = f->arena };
        registration_delete_init(&delete_job);
        store_fail_write(f->base.store, n, ERROR_IO);
        err_t error = store_run(f->base.store, &delete_job.job);
        store_fail_write(f->base.store, 0, ERROR_OK);
        if (error == ERROR_OK)
            break;
        assert_ok(find(f, path_of(1, "g", "n"), &found, NULL));
        assert_int_equal(history(f, 9, &(struct registration_change *){ NULL }), 1);
    }
    struct kv_txn *txn = store_fixture_read(&f->base);
    struct guid cloud_id = numbered(9);
    assert_ok(registration_list(txn, f->arena, NULL, TEXT_NONE, &all, &count));
    assert_int_equal(count, 0);
    assert_error(registration_of_cloud(txn, f->arena, &cloud_id, &found), ERROR_NOT_FOUND);
    store_read_end(txn);
}

/* --- against a naive model --- */

#define MODEL_PATHS 6
#define MODEL_CLOUDS 4
#define MODEL_STEPS 400

/* Who was registered under which path and model, noted after every step; cloud 0: nobody. */
struct model_step {
    int64_t hour;
    struct {
        uint8_t path; /* 1 + index; 0: not registered */
        enum billing_model model;
    } clouds[MODEL_CLOUDS];
};

static struct registration_path model_path(uint32_t index)
{
    static const char *const groups[] = { "g", "h", "G2" };
    return path_of((uint8_t)(1 + index / 3), groups[index % 3], index % 2 ? "one" : "Two");
}

static void model_put(struct fixture *f, struct model_step *now, uint8_t path, uint8_t cloud, enum billing_model model)
{
    struct registration_token token = token_of((uint8_t)(cloud + 1), model);
    struct registration_put *put = new_put(f, model_path(path), &token);
    err_t refusal = run_put(f, put);
    bool path_is_anothers = false;
    for (uint8_t c = 0; c < MODEL_CLOUDS; c++)
        path_is_anothers = path_is_anothers || (c != cloud && now->clouds[c].path == path + 1);
    if (path_is_anothers) {
        assert_error(refusal, ERROR_CONFLICT);
    } else if (now->clouds[cloud].path != 0 && now->clouds[cloud].path != path + 1) {
        assert_error(refusal, ERROR_CLOUD_ID_REGISTERED);
    } else {
        assert_ok(refusal);
        assert_int_equal(put->created, now->clouds[cloud].path == 0);
        now->clouds[cloud].path = (uint8_t)(path + 1);
        now->clouds[cloud].model = model;
    }
}

static void model_delete(struct fixture *f, struct model_step *now, uint8_t path)
{
    bool missing, there = false;
    for (uint8_t c = 0; c < MODEL_CLOUDS; c++) {
        if (now->clouds[c].path != path + 1)
            continue;
        there = true;
        now->clouds[c].path = 0;
    }
    assert_ok(run_delete(f, model_path(path), &missing));
    assert_int_equal(missing, !there);
}

static void check_model(struct fixture *f, const struct model_step *steps, size_t step_count, uint32_t hour)
{
    int64_t first = instant_hour(test_instant(FIXTURE_NOW));
    const struct model_step *held = NULL;
    for (size_t i = 0; i < step_count; i++)
        if (steps[i].hour <= first + hour)
            held = &steps[i];
    for (uint8_t c = 0; c < MODEL_CLOUDS; c++) {
        struct registration_change change;
        err_t error = at(f, (uint8_t)(c + 1), hour_start_ns(first + hour) + 1, INT64_MAX, &change);
        if (held == NULL || held->clouds[c].path == 0) {
            assert_true(error == ERROR_NOT_FOUND || (error == ERROR_OK && !change.registered));
            continue;
        }
        assert_ok(error);
        struct registration_path path = model_path((uint8_t)(held->clouds[c].path - 1));
        assert_true(change.registered);
        assert_true(text_equal(change.path.resource_group, path.resource_group));
        assert_true(guid_equal(&change.path.subscription_id, &path.subscription_id));
        assert_int_equal(change.model, held->clouds[c].model);
    }
}

static void any_sequence_of_changes_is_remembered_as_it_was(void **state)
{
    struct fixture *f = *state;
    static struct model_step steps[MODEL_STEPS];
    struct prng prng = test_prng("test_registration");
    struct model_step now = { .hour = 0 };
    uint32_t hours = 0;
    for (size_t i = 0; i < MODEL_STEPS; i++) {
        uint8_t path = (uint8_t)prng_below(&prng, MODEL_PATHS);
        if ((uint32_t)prng_below(&prng, 3) == 0)
            model_delete(f, &now, path);
        else
            model_put(f, &now, path, (uint8_t)prng_below(&prng, MODEL_CLOUDS),
                      (enum billing_model)prng_below(&prng, BILLING_MODEL_COUNT));
        now.hour = instant_hour(test_instant(FIXTURE_NOW)) + hours;
        steps[i] = now;
        uint32_t more = (uint32_t)prng_below(&prng, 3);
        advance(f, more * NS_PER_HOUR);
        hours += more;
        check_model(f, steps, i + 1, (uint32_t)prng_below(&prng, hours + 2));
        if (i % 100 == 99)
            store_fixture_reopen(&f->base);
    }
}

TESTS(WITH_STORE(what_was_put_is_there_after_a_restart), WITH_STORE(facts_of_the_newest_token_are_kept),
      WITH_STORE(a_token_that_comes_again_renews), WITH_STORE(a_capacity_registration_expires_and_is_renewed),
      WITH_STORE(a_cloud_id_has_one_registration), WITH_STORE(longest_names_fit_into_the_message),
      WITH_STORE(a_name_has_one_stamp), WITH_STORE(patch_needs_one_and_keeps_what_it_does_not_name),
      WITH_STORE(remote_management_is_remembered), cmocka_unit_test(preconditions_compare_etags),
      WITH_STORE(changes_obey_preconditions), WITH_STORE(changes_hold_from_the_start_of_their_hour),
      WITH_STORE(history_tells_who_was_registered_when), WITH_STORE(a_put_can_take_effect_earlier),
      WITH_STORE(numbers_are_never_used_again), WITH_STORE(there_is_a_bound_of_registrations),
      WITH_STORE(there_is_a_bound_of_changes_but_not_of_removals), cmocka_unit_test(names_are_checked),
      WITH_STORE(failed_writes_leave_nothing), WITH_STORE(any_sequence_of_changes_is_remembered_as_it_was))
