/* Approvals of registrations for multitenancy: the states, and which registrations can have it at all. */
#include "commerce/fixture.h"
#include "registration/registration.h"

/* Registers a stamp; the number of its registration. */
static uint64_t register_as(struct fixture *f, const char *name, uint8_t stamp, enum billing_model model)
{
    struct hardware_node node = { .name = TEXT("node"), .uuid = TEXT("00000000000000000000000000000001"), .cores = 8 };
    const struct registration_token token = { .model = model,
                                              .cloud_id = numbered(stamp),
                                              .agreement_number = TEXT(""),
                                              .ms_asset_tag = TEXT(""),
                                              .usage_reporting = true,
                                              .stamp_version = TEXT("1.0"),
                                              .issuer = REGISTRATION_TOKEN_ISSUER,
                                              .version = REGISTRATION_TOKEN_VERSION,
                                              .nodes = &node,
                                              .node_count = 1 };
    struct registration_put put = { .path = { numbered(200), TEXT("azurestack"), text_of(name) },
                                    .token = &token,
                                    .by = TEXT("carol"),
                                    .arena = f->arena };
    registration_put_init(&put);
    assert_ok(store_run(f->base.store, &put.job));
    if (put.refusal != ERROR_OK)
        fail_msg("%s", put.info.message);
    return put.result.number;
}

static uint64_t register_stamp(struct fixture *f, const char *name, uint8_t stamp)
{
    return register_as(f, name, stamp, BILLING_PAY_AS_YOU_USE);
}

static struct approval_put set_approval(struct fixture *f, uint64_t registration, enum approval_state wanted)
{
    struct approval_put put;
    approval_put_init(&put, registration, wanted, TEXT("carol"), f->arena);
    assert_ok(store_run(f->base.store, &put.job));
    return put;
}

static struct approval get_approval(struct fixture *f, uint64_t registration)
{
    struct approval found;
    struct kv_txn *txn = store_fixture_read(&f->base);
    assert_ok(approval_get(txn, f->arena, registration, &found));
    store_read_end(txn);
    return found;
}

static void approval_is_a_step_with_a_state(void **state)
{
    struct fixture *f = *state;
    uint64_t one = register_stamp(f, "one", 1), two = register_stamp(f, "two", 2);
    struct approval found = get_approval(f, one);
    assert_int_equal(found.state, APPROVAL_NOT_REQUESTED);
    assert_true(found.changed_ns == INT64_MIN);
    assert_text(found.by, "");
    assert_true(set_approval(f, one, APPROVAL_REQUESTED).changed);
    assert_false(set_approval(f, one, APPROVAL_REQUESTED).changed);
    found = get_approval(f, one);
    assert_int_equal(found.state, APPROVAL_REQUESTED);
    assert_true(found.changed_ns == test_instant(FIXTURE_NOW));
    assert_text(found.by, "carol");
    assert_int_equal(set_approval(f, one, APPROVAL_APPROVED).result.state, APPROVAL_APPROVED);
    struct approval_put again = set_approval(f, one, APPROVAL_REQUESTED); /* a request takes nothing away */
    assert_false(again.changed);
    assert_int_equal(again.result.state, APPROVAL_APPROVED);
    assert_true(set_approval(f, one, APPROVAL_REVOKED).changed);
    assert_true(set_approval(f, one, APPROVAL_REQUESTED).changed);
    store_fixture_reopen(&f->base);
    assert_int_equal(get_approval(f, one).state, APPROVAL_REQUESTED);
    assert_int_equal(get_approval(f, two).state, APPROVAL_NOT_REQUESTED);
}

/* Between the caller's look and the job the stamp was registered anew, as a model without customers. */
static void a_model_without_customers_is_refused_by_the_job_itself(void **state)
{
    struct fixture *f = *state;
    uint64_t number = register_as(f, "one", 1, BILLING_PAY_AS_YOU_USE);
    assert_true(set_approval(f, number, APPROVAL_REQUESTED).changed);
    assert_int_equal(register_as(f, "one", 1, BILLING_DEVELOPMENT), number);
    struct approval_put put = set_approval(f, number, APPROVAL_APPROVED);
    assert_error(put.refusal, ERROR_CONFLICT);
    assert_non_null(strstr(put.info.message, "Development"));
    assert_false(put.changed || put.missing);
    assert_int_equal(get_approval(f, number).state, APPROVAL_REQUESTED);
    assert_ok(set_approval(f, number, APPROVAL_REVOKED).refusal); /* taking it back is always possible */
    assert_int_equal(get_approval(f, number).state, APPROVAL_REVOKED);
}

static void a_registration_that_is_not_there_gets_no_approval(void **state)
{
    struct fixture *f = *state;
    struct approval_put put = set_approval(f, 7, APPROVAL_APPROVED);
    assert_true(put.missing);
    assert_false(put.changed);
    assert_int_equal(get_approval(f, 7).state, APPROVAL_NOT_REQUESTED);
    assert_false(set_approval(f, register_stamp(f, "one", 1), APPROVAL_APPROVED).missing);
}

/* Spec 7.2: only PayAsYouUse, and only CSP and APSS. */
static void only_some_registrations_can_be_multitenant(void **state)
{
    (void)state;
    struct error_info info;
    struct commercial_subscription base = { .active = true };
    for (int model = 0; model < BILLING_MODEL_COUNT; model++) {
        for (int offer = 0; offer < OFFER_COUNT; offer++) {
            base.offer = (enum offer)offer;
            bool allowed = model == BILLING_PAY_AS_YOU_USE && (offer == OFFER_CSP || offer == OFFER_APSS);
            assert_error(approval_check((enum billing_model)model, &base, &info), allowed ? ERROR_OK : ERROR_CONFLICT);
        }
        assert_error(approval_check((enum billing_model)model, NULL, &info),
                     model == BILLING_PAY_AS_YOU_USE ? ERROR_OK : ERROR_CONFLICT);
    }
    base.offer = OFFER_EA;
    assert_error(approval_check(BILLING_PAY_AS_YOU_USE, &base, &info), ERROR_CONFLICT);
    assert_non_null(strstr(info.message, "of the offer EA"));
    assert_error(approval_check(BILLING_CAPACITY, &base, &info), ERROR_CONFLICT);
    assert_non_null(strstr(info.message, "model Capacity"));
}

TESTS(WITH_STORE(approval_is_a_step_with_a_state), WITH_STORE(a_registration_that_is_not_there_gets_no_approval),
      WITH_STORE(a_model_without_customers_is_refused_by_the_job_itself),
      cmocka_unit_test(only_some_registrations_can_be_multitenant))
