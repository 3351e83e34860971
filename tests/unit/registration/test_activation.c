/* Unit tests of registration/activation: a stamp takes the key that is for it, from the signer it trusts, until it
 * expires; refused keys change nothing; what was taken survives a restart. */
#include "support/store_fixture.h"

#include "registration/activation.h"
#include "registration/key_fixture.h"
#include "registration/stamp.h"

struct fixture {
    struct store_fixture base;
    struct arena *arena;
    struct signature_key signer;
    struct activation_put put;
};

static int set_up(void **state)
{
    struct fixture *f = calloc(1, sizeof *f);
    struct stamp wanted = { .cloud_id = sample_key().cloud_id };
    struct stamp_make make;
    assert_non_null(f);
    store_fixture_make(&f->base);
    assert_non_null(f->arena = arena_new(4096, 0));
    f->signer = new_signer();
    stamp_make_init(&make, &wanted);
    assert_ok(store_run(f->base.store, &make.job));
    *state = f;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *f = *state;
    store_fixture_free(&f->base);
    arena_free(f->arena);
    free(f);
    return 0;
}

static void put_text(struct fixture *f, struct text text, const char *trusted)
{
    activation_put_init(&f->put, f->arena, text, TEXT("alice"));
    f->put.trusted_key_id = text_of(trusted);
    assert_ok(store_run(f->base.store, &f->put.job));
}

static void put_key(struct fixture *f, const struct activation_key *key, const struct signature_key *signer)
{
    put_text(f, key_text(f->arena, key, signer), NULL);
}

static void assert_taken(struct fixture *f)
{
    if (f->put.refusal != ERROR_OK)
        fail_msg("refused: %s", f->put.info.message);
}

static void assert_refused(struct fixture *f, const char *reason, const char *also)
{
    assert_error(f->put.refusal, ERROR_INVALID_ACTIVATION_KEY);
    assert_int_equal(f->put.info.code, ERROR_INVALID_ACTIVATION_KEY);
    assert_string_equal(f->put.info.target, "properties.activationKey");
    if (strstr(f->put.info.message, reason) == NULL || strstr(f->put.info.message, also) == NULL)
        fail_msg("refused with: %s", f->put.info.message);
}

static err_t get(struct fixture *f, struct activation *out)
{
    struct kv_txn *txn = store_fixture_read(&f->base);
    err_t error = activation_get(txn, f->arena, out);
    store_read_end(txn);
    return error;
}

static struct text trusted(struct fixture *f)
{
    struct text id;
    struct kv_txn *txn = store_fixture_read(&f->base);
    assert_ok(activation_signer(txn, f->arena, &id));
    store_read_end(txn);
    return id;
}

static struct activation_delete undo(struct fixture *f, bool forget_signer)
{
    struct activation_delete delete_job;
    activation_delete_init(&delete_job, forget_signer);
    assert_ok(store_run(f->base.store, &delete_job.job));
    return delete_job;
}

static void a_key_for_this_stamp_is_taken_and_stays(void **state)
{
    struct fixture *f = *state;
    struct activation_key key = sample_key();
    struct activation activation;
    assert_error(get(f, &activation), ERROR_NOT_FOUND);
    assert_text(trusted(f), "");
    put_key(f, &key, &f->signer);
    assert_taken(f);
    assert_true(f->put.created);
    assert_false(f->put.unchanged);
    store_fixture_reopen(&f->base);
    assert_ok(get(f, &activation));
    assert_text(activation.by, "alice");
    assert_text(activation.key.registration_name, "azurestack-one");
    assert_text(activation.key.usage_endpoint, "https://commerce.example:8443");
    assert_string_equal(activation.key.key_id, f->signer.key_id);
    assert_true(text_equal(activation.key_text, key_text(f->arena, &key, &f->signer)));
    assert_int_equal(activation.activated_ns, test_instant(FIXTURE_NOW));
    assert_int_equal(activation.etag, f->put.result.etag);
    assert_true(text_equal(trusted(f), text_of(f->signer.key_id)));
}

static void the_same_key_again_changes_nothing(void **state)
{
    struct fixture *f = *state;
    struct activation_key key = sample_key();
    put_key(f, &key, &f->signer);
    uint64_t etag = f->put.result.etag;
    clock_manual_advance(&f->base.clock, NS_PER_HOUR);
    struct text text = key_text(f->arena, &key, &f->signer);
    put_text(f, arena_format(f->arena, " %.*s\r\n", TEXT_ARGS(text)), NULL);
    assert_taken(f);
    assert_true(f->put.unchanged);
    assert_false(f->put.created);
    assert_int_equal(f->put.result.etag, etag);
    assert_int_equal(f->put.result.activated_ns, test_instant(FIXTURE_NOW));
    key.model = BILLING_DEVELOPMENT; /* re-registered under another model */
    put_key(f, &key, &f->signer);
    assert_taken(f);
    assert_false(f->put.created || f->put.unchanged);
    assert_true(f->put.result.etag > etag);
    assert_text(f->put.result.by, "alice");
}

static void a_key_for_another_stamp_is_refused_with_both_ids(void **state)
{
    struct fixture *f = *state;
    struct activation_key key = sample_key();
    struct activation activation;
    assert_true(guid_parse(TEXT("abcdef01-6f2a-4c5e-9e0a-0c5a3a1b7d11"), &key.cloud_id));
    put_key(f, &key, &f->signer);
    assert_refused(f, CLOUD, "abcdef01-6f2a-4c5e-9e0a-0c5a3a1b7d11");
    assert_error(get(f, &activation), ERROR_NOT_FOUND);
    assert_text(trusted(f), "");
}

static void an_expired_key_is_refused_with_the_time(void **state)
{
    struct fixture *f = *state;
    struct activation_key key = sample_key();
    key.expires_ns = test_instant(FIXTURE_NOW);
    put_key(f, &key, &f->signer);
    assert_refused(f, "expired at 2026-01-31T12:30:00Z", "renew");
    key.expires_ns += NS_PER_SECOND;
    key.issued_ns = key.expires_ns + NS_PER_DAY; /* a clock that is ahead: fine */
    put_key(f, &key, &f->signer);
    assert_taken(f);
}

static void damaged_keys_are_refused_and_change_nothing(void **state)
{
    struct fixture *f = *state;
    struct activation_key key = sample_key();
    struct activation activation;
    put_key(f, &key, &f->signer);
    key.model = BILLING_DEVELOPMENT;
    struct text text = key_text(f->arena, &key, &f->signer);
    ((char *)(uintptr_t)text.ptr)[text.len / 2] ^= 1;
    put_text(f, text, NULL);
    assert_refused(f, "activation key", "damaged");
    assert_ok(get(f, &activation));
    assert_int_equal(activation.key.model, BILLING_PAY_AS_YOU_USE);
}

static void only_the_first_signer_is_trusted_until_it_is_forgotten(void **state)
{
    struct fixture *f = *state;
    struct activation_key key = sample_key();
    struct signature_key other = new_signer();
    put_key(f, &key, &f->signer);
    put_key(f, &key, &other);
    assert_refused(f, f->signer.key_id, other.key_id);
    struct activation_delete undone = undo(f, false);
    assert_false(undone.missing);
    put_key(f, &key, &other); /* who deletes an activation does not hand the stamp to anybody */
    assert_refused(f, f->signer.key_id, other.key_id);
    undone = undo(f, true);
    assert_true(undone.missing);
    assert_true(undone.changed);
    put_key(f, &key, &other);
    assert_taken(f);
    assert_true(text_equal(trusted(f), text_of(other.key_id)));
}

static void a_configured_signer_stands_above_the_remembered_one(void **state)
{
    struct fixture *f = *state;
    struct activation_key key = sample_key();
    struct signature_key other = new_signer();
    struct text mine = key_text(f->arena, &key, &f->signer), theirs = key_text(f->arena, &key, &other);
    put_text(f, mine, other.key_id);
    assert_refused(f, "registration.trusted_key_id", f->signer.key_id);
    put_text(f, theirs, other.key_id);
    assert_taken(f);
    put_text(f, mine, f->signer.key_id);
    assert_taken(f);
    assert_true(text_equal(trusted(f), text_of(f->signer.key_id)));
}

/* An old key says what was true once: another model, an endpoint that was left, an expiry that was taken back. */
static void a_key_that_was_issued_before_the_active_one_is_refused(void **state)
{
    struct fixture *f = *state;
    struct activation_key key = sample_key(), older = sample_key(), undated = sample_key();
    struct activation activation;
    older.issued_ns -= 100; /* the least that a key can tell */
    older.model = BILLING_DEVELOPMENT;
    undated.issued_ns = INT64_MIN;
    put_key(f, &key, &f->signer);
    put_key(f, &older, &f->signer);
    assert_refused(f, "issued 2026-01-31T12:00:00.1234566", "2026-01-31T12:00:00.1234567");
    put_key(f, &undated, &f->signer);
    assert_refused(f, "at an unknown time", "delete the activation first");
    assert_ok(get(f, &activation));
    assert_int_equal(activation.key.model, BILLING_PAY_AS_YOU_USE);
    key.issued_ns += 100; /* renewed */
    put_key(f, &key, &f->signer);
    assert_taken(f);
    assert_true(undo(f, false).changed); /* going back on purpose */
    put_key(f, &older, &f->signer);
    assert_taken(f);
}

/* Two commercial sides with clocks of their own have nothing to compare. */
static void keys_of_different_signers_are_not_compared_by_age(void **state)
{
    struct fixture *f = *state;
    struct activation_key key = sample_key(), older = sample_key();
    struct signature_key other = new_signer();
    older.issued_ns -= NS_PER_DAY;
    put_key(f, &key, &f->signer);
    put_text(f, key_text(f->arena, &older, &other), other.key_id);
    assert_taken(f);
}

static void etags_are_never_used_again(void **state)
{
    struct fixture *f = *state;
    struct activation_key key = sample_key();
    put_key(f, &key, &f->signer);
    uint64_t first = f->put.result.etag;
    assert_true(undo(f, false).changed);
    struct activation_delete again = undo(f, false);
    assert_true(again.missing);
    assert_false(again.changed);
    put_key(f, &key, &f->signer);
    assert_taken(f);
    assert_true(f->put.created);
    assert_true(f->put.result.etag > first);
}

static err_t put_if(struct fixture *f, const struct activation_key *key, const char *if_match,
                    const char *if_none_match)
{
    activation_put_init(&f->put, f->arena, key_text(f->arena, key, &f->signer), TEXT("alice"));
    f->put.precondition = (struct precondition){ if_match == NULL ? TEXT_NONE : text_of(if_match),
                                                 if_none_match == NULL ? TEXT_NONE : text_of(if_none_match) };
    assert_ok(store_run(f->base.store, &f->put.job));
    return f->put.refusal;
}

static void changes_obey_preconditions(void **state)
{
    struct fixture *f = *state;
    struct activation_key key = sample_key();
    struct activation activation;
    struct activation_delete delete_job;
    char etag[24];
    assert_error(put_if(f, &key, "*", NULL), ERROR_PRECONDITION_FAILED); /* nothing is there */
    assert_error(get(f, &activation), ERROR_NOT_FOUND);
    assert_ok(put_if(f, &key, NULL, "*"));
    (void)snprintf(etag, sizeof etag, "\"%llu\"", (unsigned long long)f->put.result.etag);
    assert_error(put_if(f, &key, NULL, "*"), ERROR_PRECONDITION_FAILED);
    key.registration_name = TEXT("two");
    assert_error(put_if(f, &key, "\"0\"", NULL), ERROR_PRECONDITION_FAILED);
    assert_string_equal(f->put.info.target, "If-Match");
    assert_ok(get(f, &activation));
    assert_text(activation.key.registration_name, "azurestack-one");
    assert_ok(put_if(f, &key, etag, NULL));
    activation_delete_init(&delete_job, true);
    delete_job.precondition.if_match = text_of(etag); /* the one before */
    assert_ok(store_run(f->base.store, &delete_job.job));
    assert_error(delete_job.refusal, ERROR_PRECONDITION_FAILED);
    assert_false(delete_job.changed || delete_job.missing);
    assert_ok(get(f, &activation));
    (void)snprintf(etag, sizeof etag, "%llu", (unsigned long long)activation.etag);
    delete_job.precondition.if_match = text_of(etag);
    assert_ok(store_run(f->base.store, &delete_job.job));
    assert_ok(delete_job.refusal);
    assert_true(delete_job.changed);
    assert_error(get(f, &activation), ERROR_NOT_FOUND);
    assert_text(trusted(f), "");
}

static void the_state_is_told_in_words(void **state)
{
    (void)state;
    struct activation activation = { .key = sample_key() };
    int64_t end_ns = activation.key.expires_ns;
    const struct text any = TEXT(""), mine = TEXT("one"), theirs = TEXT("two");
    (void)snprintf(activation.key.key_id, sizeof activation.key.key_id, "one");
    assert_string_equal(activation_state_name(activation_state_of(NULL, mine, 0)), "Not registered");
    assert_string_equal(activation_state_name(activation_state_of(&activation, any, end_ns - 1)), "Registered");
    assert_string_equal(activation_state_name(activation_state_of(&activation, mine, end_ns - 1)), "Registered");
    assert_string_equal(activation_state_name(activation_state_of(&activation, any, end_ns)), "Expired");
    assert_string_equal(activation_state_name(activation_state_of(&activation, theirs, end_ns - 1)),
                        "Untrusted signer");
    assert_int_equal(activation_state_of(&activation, theirs, end_ns), ACTIVATION_UNTRUSTED);
    activation.key.expires_ns = ACTIVATION_NEVER_EXPIRES;
    assert_int_equal(activation_state_of(&activation, any, INT64_MAX - 1), ACTIVATION_REGISTERED);
}

static void a_stamp_without_ids_cannot_be_activated(void **state)
{
    (void)state;
    struct store_fixture base;
    struct activation_put put;
    struct activation_key key = sample_key();
    struct signature_key signer = new_signer();
    struct arena *arena = arena_new(4096, 0);
    store_fixture_make(&base);
    activation_put_init(&put, arena, key_text(arena, &key, &signer), TEXT("alice"));
    assert_ok(store_run(base.store, &put.job));
    assert_error(put.refusal, ERROR_INVALID_ACTIVATION_KEY);
    assert_non_null(strstr(put.info.message, "no cloud id"));
    store_fixture_free(&base);
    arena_free(arena);
}

/* Who did it, with what the key says; refused and repeated keys leave no entry. */
static void changes_are_in_the_audit_log(void **state)
{
    struct fixture *f = *state;
    struct activation_key key = sample_key();
    struct audited_job audited;
    struct audit_entry entry = { .by = TEXT("alice"), .action = TEXT("activation.put"), .subject = TEXT("x") },
                       *entries;
    size_t count;
    bool more;
    struct text texts[] = { TEXT("a.b.c"), key_text(f->arena, &key, &f->signer), key_text(f->arena, &key, &f->signer) };
    for (size_t i = 0; i < COUNT_OF(texts); i++) {
        activation_put_init(&f->put, f->arena, texts[i], TEXT("alice"));
        audited_job_init(&audited, &f->put.job, &entry, activation_was_put);
        assert_ok(store_run(f->base.store, &audited.job));
    }
    struct kv_txn *txn = store_fixture_read(&f->base);
    assert_ok(audit_list(txn, f->arena, 0, 10, &entries, &count, &more));
    store_read_end(txn);
    assert_int_equal(count, 1);
    assert_text(entries[0].by, "alice");
    assert_non_null(strstr(arena_text(f->arena, entries[0].detail).ptr, PAYER "/azurestack/azurestack-one"));
    assert_non_null(strstr(arena_text(f->arena, entries[0].detail).ptr, f->signer.key_id));
}

#define WITH(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

TESTS(WITH(a_key_for_this_stamp_is_taken_and_stays), WITH(the_same_key_again_changes_nothing),
      WITH(a_key_for_another_stamp_is_refused_with_both_ids), WITH(an_expired_key_is_refused_with_the_time),
      WITH(damaged_keys_are_refused_and_change_nothing), WITH(only_the_first_signer_is_trusted_until_it_is_forgotten),
      WITH(a_configured_signer_stands_above_the_remembered_one),
      WITH(a_key_that_was_issued_before_the_active_one_is_refused),
      WITH(keys_of_different_signers_are_not_compared_by_age), WITH(etags_are_never_used_again),
      WITH(changes_obey_preconditions), cmocka_unit_test(the_state_is_told_in_words),
      cmocka_unit_test(a_stamp_without_ids_cannot_be_activated), WITH(changes_are_in_the_audit_log))
