/* Who pays: registrations and customers together, at any time and as known at any time. */
#include "customer_fixture.h"

#include "registration/payer.h"

static struct payer payer_at(struct customer_fixture *f, uint64_t tenant, int64_t time_ns, int64_t known_ns)
{
    struct guid cloud = cloud_id(STAMP), id = tenant == 0 ? (struct guid){ { 0 } } : tenant_id(tenant);
    struct payer payer;
    struct kv_txn *txn = store_fixture_read(&f->base);
    assert_ok(payer_resolve(txn, f->arena, &cloud, &id, time_ns, known_ns, &payer));
    store_read_end(txn);
    return payer;
}

static void assert_pays(const struct payer *payer, enum payer_kind kind, uint8_t number)
{
    assert_string_equal(payer_kind_name(payer->kind), payer_kind_name(kind));
    struct guid id = kind == PAYER_CUSTOMER  ? customer_id(number)
                     : kind == PAYER_DEFAULT ? stamp_path(number, "").subscription_id
                                             : (struct guid){ { 0 } };
    assert_memory_equal(&payer->subscription_id, &id, sizeof id);
}

static void nobody_pays_for_a_stamp_that_is_not_registered(void **state)
{
    struct customer_fixture *f = *state;
    struct payer payer = payer_at(f, 1, hour(-1), INT64_MAX);
    assert_pays(&payer, PAYER_NONE, 0);
    assert_true(payer.since_ns == INT64_MIN && !payer.charged && payer.registration == 0);
}

static void the_default_pays_for_tenants_without_mapping(void **state)
{
    struct customer_fixture *f = *state;
    map_tenant(f, 1, 7, hour(0));
    struct payer payer = payer_at(f, 2, hour(0), INT64_MAX);
    assert_pays(&payer, PAYER_DEFAULT, 1);
    assert_true(payer.charged && payer.usage_reporting && payer.since_ns == hour(0));
    assert_int_equal(payer.registration, f->registration);
    assert_text(payer.path.name, "stamp1");
    payer = payer_at(f, 0, hour(0), INT64_MAX); /* nobody knows whose the usage is */
    assert_pays(&payer, PAYER_DEFAULT, 1);
}

static void a_mapping_pays_from_its_hour_to_the_next(void **state)
{
    struct customer_fixture *f = *state;
    map_tenant(f, 1, 7, hour(10));
    map_tenant(f, 1, 0, hour(20));
    struct payer before = payer_at(f, 1, hour(10) - 1, INT64_MAX), during = payer_at(f, 1, hour(10), INT64_MAX),
                 after = payer_at(f, 1, hour(20), INT64_MAX);
    assert_pays(&before, PAYER_DEFAULT, 1);
    assert_pays(&during, PAYER_CUSTOMER, 7);
    assert_int_equal(during.since_ns, hour(10));
    assert_pays(&after, PAYER_DEFAULT, 1);
    assert_int_equal(after.since_ns, hour(20));
}

static void mappings_rest_while_the_model_allows_none(void **state)
{
    struct customer_fixture *f = *state;
    map_tenant(f, 1, 7, hour(0));
    clock_manual_advance(&f->base.clock, 10 * NS_PER_HOUR);
    register_stamp(f, 1, "stamp1", STAMP, BILLING_CAPACITY);
    clock_manual_advance(&f->base.clock, 10 * NS_PER_HOUR);
    register_stamp(f, 1, "stamp1", STAMP, BILLING_PAY_AS_YOU_USE);
    struct payer first = payer_at(f, 1, hour(9), INT64_MAX), resting = payer_at(f, 1, hour(10), INT64_MAX),
                 again = payer_at(f, 1, hour(20), INT64_MAX);
    assert_pays(&first, PAYER_CUSTOMER, 7);
    assert_pays(&resting, PAYER_DEFAULT, 1);
    assert_true(!resting.charged && !resting.usage_reporting && resting.model == BILLING_CAPACITY);
    assert_pays(&again, PAYER_CUSTOMER, 7);
    assert_int_equal(again.since_ns, hour(20));
}

static void a_new_registration_of_the_stamp_starts_without_customers(void **state)
{
    struct customer_fixture *f = *state;
    map_tenant(f, 1, 7, hour(0));
    clock_manual_advance(&f->base.clock, 10 * NS_PER_HOUR);
    unregister_stamp(f, 1, "stamp1");
    clock_manual_advance(&f->base.clock, 10 * NS_PER_HOUR);
    register_stamp(f, 2, "stamp1", STAMP, BILLING_PAY_AS_YOU_USE);
    struct payer first = payer_at(f, 1, hour(5), INT64_MAX), between = payer_at(f, 1, hour(15), INT64_MAX),
                 now = payer_at(f, 1, hour(25), INT64_MAX), believed = payer_at(f, 1, hour(25), hour(5));
    assert_pays(&first, PAYER_CUSTOMER, 7);
    assert_pays(&between, PAYER_NONE, 0);
    assert_int_equal(between.since_ns, hour(10));
    assert_pays(&now, PAYER_DEFAULT, 2);
    assert_pays(&believed, PAYER_CUSTOMER, 7);
}

static void answers_can_be_given_as_known_earlier(void **state)
{
    struct customer_fixture *f = *state;
    clock_manual_advance(&f->base.clock, 10 * NS_PER_HOUR);
    map_tenant(f, 1, 7, hour(2)); /* back-dated at hour 10 */
    struct payer known = payer_at(f, 1, hour(5), INT64_MAX), before = payer_at(f, 1, hour(5), hour(9)),
                 never = payer_at(f, 1, hour(5), hour(-1));
    assert_pays(&known, PAYER_CUSTOMER, 7);
    assert_pays(&before, PAYER_DEFAULT, 1);
    assert_pays(&never, PAYER_NONE, 0);
}

static bool same_answer(const struct payer *a, const struct payer *b)
{
    return a->kind == b->kind && guid_equal(&a->subscription_id, &b->subscription_id) &&
           a->registration == b->registration && a->model == b->model && a->charged == b->charged;
}

static void check_periods(struct customer_fixture *f, uint64_t tenant, int64_t from, int64_t to)
{
    struct guid cloud = cloud_id(STAMP), id = tenant == 0 ? (struct guid){ { 0 } } : tenant_id(tenant);
    struct payer_period *periods;
    size_t count, at = 0;
    struct kv_txn *txn = store_fixture_read(&f->base);
    assert_ok(payer_periods(txn, f->arena, &cloud, &id, hour(from), hour(to), &periods, &count));
    store_read_end(txn);
    assert_true(periods[0].from_ns == hour(from) && periods[count - 1].to_ns == hour(to));
    for (int64_t h = from; h < to; h++) {
        struct payer payer = payer_at(f, tenant, hour(h), INT64_MAX);
        if (hour(h) == periods[at].to_ns) {
            at++;
            assert_true(periods[at].from_ns == hour(h) && !same_answer(&periods[at].payer, &periods[at - 1].payer));
        }
        assert_true(at < count && same_answer(&periods[at].payer, &payer));
        if (hour(h) == periods[at].from_ns)
            assert_int_equal(periods[at].payer.since_ns, payer.since_ns);
    }
    assert_int_equal(at, count - 1);
}

/* Registered, moved to another registration, without customers, gone, back: each at random, among mappings. */
static void periods_say_what_is_said_hour_by_hour(void **state)
{
    struct customer_fixture *f = *state;
    struct prng prng = test_prng("test_payer");
    const uint64_t first = f->registration;
    for (int step = 0; step < 60; step++) {
        switch (prng_below(&prng, 8)) {
        case 0:
            register_stamp(f, 1, "stamp1", STAMP, BILLING_CAPACITY);
            break;
        case 1:
            unregister_stamp(f, 1, "stamp1");
            clock_manual_advance(&f->base.clock, NS_PER_HOUR);
            f->registration = register_stamp(f, 1, "stamp1", STAMP, BILLING_PAY_AS_YOU_USE);
            break;
        case 2:
            f->registration = register_stamp(f, 1, "stamp1", STAMP, BILLING_PAY_AS_YOU_USE);
            break;
        default:
            if (billing_model_allows_customers(payer_at(f, 0, store_now_ns(f->base.store), INT64_MAX).model))
                map_tenant(f, 1 + prng_below(&prng, 2), prng_below(&prng, 4), hour((int64_t)prng_below(&prng, 70)));
        }
        clock_manual_advance(&f->base.clock, NS_PER_HOUR);
    }
    assert_true(f->registration >= first);
    for (uint64_t tenant = 0; tenant <= 3; tenant++)
        for (int64_t from = -3; from < 70; from += 9)
            check_periods(f, tenant, from, 80);
}

/* Each change is read once: asked hour by hour this would be half of 10,000 times 10,000 of them. */
static void a_long_schedule_is_gone_through_once(void **state)
{
    struct customer_fixture *f = *state;
    struct guid cloud = cloud_id(STAMP), id = tenant_id(1);
    struct customer_line *lines = calloc(CUSTOMER_BATCH_MAX, sizeof *lines);
    struct customer_apply apply;
    struct payer_period *periods;
    size_t count;
    assert_non_null(lines);
    for (int64_t i = 0; i < CUSTOMER_BATCH_MAX; i++)
        lines[i] = line_of(1, (uint64_t)(1 + i % 2), hour(1 + i));
    apply_lines(f, &apply, lines, CUSTOMER_BATCH_MAX);
    free(lines);
    struct kv_txn *txn = store_fixture_read(&f->base);
    assert_ok(payer_periods(txn, f->arena, &cloud, &id, hour(0), hour(20000), &periods, &count));
    store_read_end(txn);
    assert_int_equal(count, 1 + CUSTOMER_BATCH_MAX);
    for (size_t i = 1; i < count; i++)
        assert_true(customer_number(&periods[i].payer.subscription_id) == 1 + (i - 1) % 2 &&
                    periods[i].from_ns == hour((int64_t)i));
}

TESTS(CUSTOMER_TEST(periods_say_what_is_said_hour_by_hour), CUSTOMER_TEST(a_long_schedule_is_gone_through_once),
      CUSTOMER_TEST(nobody_pays_for_a_stamp_that_is_not_registered),
      CUSTOMER_TEST(the_default_pays_for_tenants_without_mapping),
      CUSTOMER_TEST(a_mapping_pays_from_its_hour_to_the_next), CUSTOMER_TEST(mappings_rest_while_the_model_allows_none),
      CUSTOMER_TEST(a_new_registration_of_the_stamp_starts_without_customers),
      CUSTOMER_TEST(answers_can_be_given_as_known_earlier))
