/* Customers: which subscription a tenant is mapped to, at any time, and as known at any time. */
#include "customer_fixture.h"

#include "registration/customers_plan.h"
#include "store/write.h"

static struct customer_change *history_of(struct customer_fixture *f, uint64_t tenant, size_t *count)
{
    struct guid id = tenant_id(tenant);
    struct customer_change *changes;
    bool more;
    struct kv_txn *txn = store_fixture_read(&f->base);
    assert_ok(customer_history(txn, f->arena, f->registration, &id, 0, CUSTOMERS_PAGE_MAX, &changes, count, &more));
    store_read_end(txn);
    assert_false(more);
    return changes;
}

static size_t changes_of(struct customer_fixture *f, uint64_t tenant)
{
    size_t count;
    history_of(f, tenant, &count);
    return count;
}

static void a_change_without_a_date_holds_from_the_start_of_its_hour(void **state)
{
    struct customer_fixture *f = *state;
    assert_true(map_tenant(f, 1, 7, INT64_MIN));
    assert_int_equal(mapped_to(f, 1, hour(0) - 1, INT64_MAX), 0);
    assert_int_equal(mapped_to(f, 1, hour(0), INT64_MAX), 7);
    assert_int_equal(mapped_to(f, 1, hour(100000), INT64_MAX), 7);
}

static void the_same_mapping_again_changes_nothing(void **state)
{
    struct customer_fixture *f = *state;
    map_tenant(f, 1, 7, INT64_MIN);
    clock_manual_advance(&f->base.clock, 30 * NS_PER_DAY);
    assert_false(map_tenant(f, 1, 7, INT64_MIN));
    assert_false(map_tenant(f, 1, 7, hour(5)));
    assert_false(map_tenant(f, 2, 0, INT64_MIN));
    assert_int_equal(changes_of(f, 1), 1);
    assert_int_equal(changes_of(f, 2), 0);
}

static void another_subscription_for_the_tenant_replaces_the_first(void **state)
{
    struct customer_fixture *f = *state;
    struct customer customer;
    struct guid first = customer_id(7), second = customer_id(8);
    map_tenant(f, 1, 7, hour(-10));
    map_tenant(f, 1, 8, hour(0));
    struct kv_txn *txn = store_fixture_read(&f->base);
    assert_error(customer_get(txn, f->arena, f->registration, &first, hour(0), INT64_MAX, &customer), ERROR_NOT_FOUND);
    assert_ok(customer_get(txn, f->arena, f->registration, &first, hour(-1), INT64_MAX, &customer));
    assert_ok(customer_get(txn, f->arena, f->registration, &second, hour(0), INT64_MAX, &customer));
    store_read_end(txn);
    assert_int_equal(customer.effective_ns, hour(0));
    assert_text(customer.by, "bert");
}

static void mapping_a_subscription_to_another_tenant_moves_it(void **state)
{
    struct customer_fixture *f = *state;
    struct customer_line line = line_of(2, 7, hour(-2));
    struct customer_apply apply;
    map_tenant(f, 1, 7, hour(-10));
    apply_lines(f, &apply, &line, 1);
    assert_int_equal(apply.base.effect_count, 2);
    assert_int_equal(mapped_to(f, 1, hour(-3), INT64_MAX), 7);
    assert_int_equal(mapped_to(f, 1, hour(-2), INT64_MAX), 0);
    assert_int_equal(mapped_to(f, 2, hour(-2), INT64_MAX), 7);
}

static void a_change_overrides_what_was_scheduled_later(void **state)
{
    struct customer_fixture *f = *state;
    map_tenant(f, 1, 7, hour(-10));
    map_tenant(f, 1, 8, hour(100));
    map_tenant(f, 1, 9, hour(50));
    assert_int_equal(mapped_to(f, 1, hour(49), INT64_MAX), 7);
    assert_int_equal(mapped_to(f, 1, hour(200), INT64_MAX), 9);
}

static void the_same_mapping_again_leaves_what_is_scheduled(void **state)
{
    struct customer_fixture *f = *state;
    map_tenant(f, 1, 7, hour(-10));
    map_tenant(f, 1, 8, hour(100));
    map_tenant(f, 2, 7, hour(200));
    assert_false(map_tenant(f, 1, 7, INT64_MIN));
    assert_false(map_tenant(f, 1, 7, hour(-10)));
    assert_false(map_tenant(f, 2, 0, INT64_MIN));
    assert_int_equal(mapped_to(f, 1, hour(100), INT64_MAX), 8);
    assert_int_equal(mapped_to(f, 2, hour(200), INT64_MAX), 7);
    assert_int_equal(changes_of(f, 1), 2);
    assert_int_equal(changes_of(f, 2), 1);
    /* Another hour cancels it. */
    assert_true(map_tenant(f, 1, 7, hour(100)));
    assert_int_equal(mapped_to(f, 1, hour(150), INT64_MAX), 7);
}

/* The first line is no change, so it takes nothing from the tenant that is to have the subscription later. */
static void a_line_takes_a_subscription_from_those_that_have_it_later(void **state)
{
    struct customer_fixture *f = *state;
    struct customer_line lines[] = { line_of(1, 7, hour(0)), line_of(3, 7, hour(5)) };
    struct customer_apply apply;
    map_tenant(f, 1, 7, hour(0));
    map_tenant(f, 2, 7, hour(10));
    apply_lines(f, &apply, lines, 2);
    assert_true(!lines[0].changed && lines[1].changed);
    assert_int_equal(mapped_to(f, 1, hour(5), INT64_MAX), 0);
    assert_int_equal(mapped_to(f, 2, hour(10), INT64_MAX), 0);
    assert_int_equal(mapped_to(f, 3, hour(10), INT64_MAX), 7);
}

static void read_etag(struct customer_fixture *f, uint64_t customer, char out[CUSTOMER_ETAG_SIZE])
{
    struct customer found;
    struct guid id = customer_id(customer);
    struct kv_txn *txn = store_fixture_read(&f->base);
    assert_ok(customer_get(txn, f->arena, f->registration, &id, hour(0), INT64_MAX, &found));
    store_read_end(txn);
    customer_etag(&found, out);
}

static void the_etag_tells_of_scheduled_changes(void **state)
{
    struct customer_fixture *f = *state;
    char first[CUSTOMER_ETAG_SIZE], second[CUSTOMER_ETAG_SIZE];
    map_tenant(f, 1, 7, hour(-10));
    read_etag(f, 7, first);
    map_tenant(f, 1, 8, hour(100));
    read_etag(f, 7, second);
    assert_string_not_equal(first, second);
    map_tenant(f, 1, 7, INT64_MIN);
    read_etag(f, 7, first);
    assert_string_equal(first, second);
}

static void deleting_leaves_what_the_tenant_has_later(void **state)
{
    struct customer_fixture *f = *state;
    map_tenant(f, 1, 7, hour(-10));
    map_tenant(f, 1, 8, hour(100));
    assert_true(delete_customer(f, 7, hour(0)));
    assert_int_equal(mapped_to(f, 1, hour(-1), INT64_MAX), 7);
    assert_int_equal(mapped_to(f, 1, hour(0), INT64_MAX), 0);
    assert_int_equal(mapped_to(f, 1, hour(100), INT64_MAX), 8);
    assert_false(delete_customer(f, 7, hour(0)));
    assert_true(delete_customer(f, 7, hour(-5)));
    assert_false(delete_customer(f, 99, INT64_MIN));
}

static void what_was_believed_earlier_stays_visible(void **state)
{
    struct customer_fixture *f = *state;
    int64_t before = test_instant(FIXTURE_NOW);
    map_tenant(f, 1, 7, hour(-10));
    clock_manual_advance(&f->base.clock, NS_PER_DAY);
    map_tenant(f, 1, 8, hour(-20)); /* back-dated */
    assert_int_equal(mapped_to(f, 1, hour(-5), INT64_MAX), 8);
    assert_int_equal(mapped_to(f, 1, hour(-5), before + NS_PER_HOUR), 7);
    assert_int_equal(mapped_to(f, 1, hour(-15), before + NS_PER_HOUR), 0);
    assert_int_equal(mapped_to(f, 1, hour(-5), before - NS_PER_HOUR), 0);
}

static void history_tells_who_did_what_by_which_request(void **state)
{
    struct customer_fixture *f = *state;
    size_t count;
    map_tenant(f, 1, 7, hour(-10));
    delete_customer(f, 7, hour(3));
    struct customer_change *changes = history_of(f, 1, &count);
    assert_int_equal(count, 2);
    assert_true(changes[0].mapped && changes[0].number == 1 && changes[0].effective_ns == hour(-10));
    assert_text(changes[0].by, "bert");
    assert_text(changes[0].request, "request 1");
    assert_true(!changes[1].mapped && changes[1].number == 2 && changes[1].effective_ns == hour(3));
    assert_text(changes[1].request, "request 2");
}

static void a_batch_applies_in_the_order_of_its_dates(void **state)
{
    struct customer_fixture *f = *state;
    struct customer_line lines[] = { line_of(1, 8, hour(10)), line_of(1, 7, hour(-10)), line_of(2, 7, hour(20)) };
    struct customer_apply apply;
    apply_lines(f, &apply, lines, 3);
    assert_int_equal(apply.changed_count, 3);
    assert_int_equal(mapped_to(f, 1, hour(0), INT64_MAX), 7);
    assert_int_equal(mapped_to(f, 1, hour(10), INT64_MAX), 8);
    assert_int_equal(mapped_to(f, 2, hour(20), INT64_MAX), 7);
    size_t before = changes_of(f, 1) + changes_of(f, 2);
    apply_lines(f, &apply, lines, 3);
    assert_int_equal(apply.changed_count, 0);
    assert_int_equal(apply.base.effect_count, 0);
    assert_int_equal(changes_of(f, 1) + changes_of(f, 2), before);
}

static void a_dry_run_tells_and_changes_nothing(void **state)
{
    struct customer_fixture *f = *state;
    struct customer_line line = line_of(1, 7, hour(0));
    struct customer_apply apply;
    customer_apply_init(&apply, &line, 1);
    apply.base.registration = f->registration;
    apply.base.arena = f->arena;
    apply.base.dry_run = true;
    assert_ok(store_run(f->base.store, &apply.base.job));
    assert_true(line.changed && apply.base.effect_count == 1);
    assert_int_equal(changes_of(f, 1), 0);
}

static void a_precondition_is_about_what_holds_now(void **state)
{
    struct customer_fixture *f = *state;
    struct customer customer;
    struct customer_apply apply;
    struct guid id = customer_id(7);
    char etag[CUSTOMER_ETAG_SIZE];
    struct customer_line line = line_of(2, 7, INT64_MIN);
    map_tenant(f, 1, 7, hour(-10));
    struct kv_txn *txn = store_fixture_read(&f->base);
    assert_ok(customer_get(txn, f->arena, f->registration, &id, hour(0), INT64_MAX, &customer));
    store_read_end(txn);
    customer_etag(&customer, etag);
    customer_apply_init(&apply, &line, 1);
    apply.base.registration = f->registration;
    apply.base.arena = f->arena;
    apply.base.by = apply.base.request = TEXT("");
    apply.base.precondition.if_match = text_of(etag);
    assert_ok(store_run(f->base.store, &apply.base.job));
    assert_int_equal(apply.base.refusal, ERROR_OK);
    /* Moved, so the etag is another one, though it is the first change of the second tenant too. */
    line = line_of(1, 7, INT64_MIN);
    assert_ok(store_run(f->base.store, &apply.base.job));
    assert_int_equal(apply.base.refusal, ERROR_PRECONDITION_FAILED);
    assert_int_equal(mapped_to(f, 2, hour(0), INT64_MAX), 7);
}

static void a_registration_that_is_gone_is_refused(void **state)
{
    struct customer_fixture *f = *state;
    struct customer_line line = line_of(1, 7, INT64_MIN);
    struct customer_apply apply;
    unregister_stamp(f, 1, "stamp1");
    apply_lines(f, &apply, &line, 1);
    assert_int_equal(apply.base.refusal, ERROR_REGISTRATION_NOT_FOUND);
}

static bool is_approved;

static err_t read_approval(struct kv_txn *txn, struct arena *arena, uint64_t registration, bool *approved)
{
    (void)txn;
    (void)arena;
    (void)registration;
    *approved = is_approved;
    return ERROR_OK;
}

static err_t refusal_of(struct customer_fixture *f, uint64_t customer)
{
    struct customer_line line = line_of(1, customer, INT64_MIN);
    struct customer_apply apply;
    customer_apply_init(&apply, &line, 1);
    apply.base.registration = f->registration;
    apply.base.by = apply.base.request = TEXT("");
    apply.base.arena = f->arena;
    apply.base.read_approved = read_approval;
    assert_ok(store_run(f->base.store, &apply.base.job));
    return apply.base.refusal;
}

static void model_and_approval_are_checked_in_the_transaction(void **state)
{
    struct customer_fixture *f = *state;
    is_approved = true;
    assert_int_equal(refusal_of(f, 7), ERROR_OK);
    is_approved = false;
    assert_int_equal(refusal_of(f, 8), ERROR_UNAUTHORIZED_CSP_REGISTRATION);
    assert_int_equal(mapped_to(f, 1, hour(0), INT64_MAX), 7);
    assert_int_equal(refusal_of(f, 0), ERROR_OK); /* taking away needs no approval */
    is_approved = true;
    register_stamp(f, 1, "stamp1", STAMP, BILLING_CAPACITY);
    assert_int_equal(refusal_of(f, 8), ERROR_CUSTOMER_SUBSCRIPTIONS_NOT_ALLOWED);
    assert_int_equal(mapped_to(f, 1, hour(0), INT64_MAX), 0);
}

static void registrations_do_not_share_customers(void **state)
{
    struct customer_fixture *f = *state;
    uint64_t first = f->registration;
    map_tenant(f, 1, 7, hour(0));
    f->registration = register_stamp(f, 1, "stamp2", 2, BILLING_PAY_AS_YOU_USE);
    assert_int_equal(mapped_to(f, 1, hour(0), INT64_MAX), 0);
    map_tenant(f, 2, 7, hour(0));
    f->registration = first;
    assert_int_equal(mapped_to(f, 1, hour(0), INT64_MAX), 7);
}

static void pages_hold_each_mapping_once(void **state)
{
    struct customer_fixture *f = *state;
    struct customer_line lines[100];
    struct customer_apply apply;
    struct customer *page;
    struct guid after;
    size_t count, total = 0;
    bool more = true;
    for (uint64_t i = 0; i < COUNT_OF(lines); i++)
        lines[i] = line_of(i + 1, 200 - i, hour(0));
    apply_lines(f, &apply, lines, COUNT_OF(lines));
    for (uint64_t i = 0; i < 50; i++) /* moved, and another one in its place */
        map_tenant(f, i + 1, 500 + i, hour(0));
    while (more) {
        struct kv_txn *txn = store_fixture_read(&f->base);
        assert_ok(customer_list(txn, f->arena, f->registration, hour(0), INT64_MAX, total > 0 ? &after : NULL, 7, &page,
                                &count, &more));
        store_read_end(txn);
        assert_true(count == 7 || !more);
        for (size_t i = 0; i < count; i++) {
            uint64_t number = customer_number(&page[i].customer_id);
            assert_int_equal(number, total < 50 ? 101 + total : 450 + total);
            after = page[i].customer_id;
            total++;
        }
    }
    assert_int_equal(total, 100);
}

static void the_changes_of_a_tenant_come_in_pages(void **state)
{
    struct customer_fixture *f = *state;
    struct customer_change *changes;
    struct guid id = tenant_id(1);
    size_t count;
    bool more;
    for (uint64_t i = 1; i <= 5; i++)
        map_tenant(f, 1, i, hour(0));
    struct kv_txn *txn = store_fixture_read(&f->base);
    assert_ok(customer_history(txn, f->arena, f->registration, &id, 2, 2, &changes, &count, &more));
    assert_true(count == 2 && more && changes[0].number == 3);
    assert_ok(customer_history(txn, f->arena, f->registration, &id, 4, 2, &changes, &count, &more));
    assert_true(count == 1 && !more && changes[0].number == 5);
    store_read_end(txn);
}

static void a_batch_of_the_largest_size_is_applied_as_a_whole(void **state)
{
    struct customer_fixture *f = *state;
    struct customer_line *lines = calloc(CUSTOMER_BATCH_MAX, sizeof *lines);
    struct customer_apply apply;
    struct customer *page;
    size_t count;
    bool more;
    assert_non_null(lines);
    for (uint64_t i = 0; i < CUSTOMER_BATCH_MAX; i++)
        lines[i] = line_of(i + 1, i + 1, hour(0));
    apply_lines(f, &apply, lines, CUSTOMER_BATCH_MAX);
    assert_int_equal(apply.changed_count, CUSTOMER_BATCH_MAX);
    /* Everybody gets the neighbour's: the worst case, each line takes one from somebody. */
    for (uint64_t i = 0; i < CUSTOMER_BATCH_MAX; i++)
        lines[i] = line_of(i + 1, (i + 1) % CUSTOMER_BATCH_MAX + 1, hour(1));
    apply_lines(f, &apply, lines, CUSTOMER_BATCH_MAX);
    assert_int_equal(apply.changed_count, CUSTOMER_BATCH_MAX);
    struct kv_txn *txn = store_fixture_read(&f->base);
    struct guid after = customer_id(CUSTOMER_BATCH_MAX - 50);
    assert_ok(customer_list(txn, f->arena, f->registration, hour(1), INT64_MAX, &after, 100, &page, &count, &more));
    store_read_end(txn);
    assert_true(count == 50 && !more);
    free(lines);
}

static void what_fails_half_way_changes_nothing(void **state)
{
    struct customer_fixture *f = *state;
    struct customer_line lines[] = { line_of(1, 7, hour(0)), line_of(2, 8, hour(0)), line_of(3, 9, hour(0)) };
    struct customer_apply apply;
    customer_apply_init(&apply, lines, COUNT_OF(lines));
    apply.base.registration = f->registration;
    apply.base.by = apply.base.request = TEXT("");
    apply.base.arena = f->arena;
    store_fail_write(f->base.store, 3, ERROR_IO);
    err_t error = store_run(f->base.store, &apply.base.job);
    assert_error(error, ERROR_IO);
    for (uint64_t tenant = 1; tenant <= 3; tenant++)
        assert_int_equal(changes_of(f, tenant), 0);
    /* The same job again, as the store may run it. */
    assert_ok(store_run(f->base.store, &apply.base.job));
    assert_int_equal(apply.changed_count, 3);
    assert_int_equal(apply.base.effect_count, 3);
    assert_int_equal(changes_of(f, 1), 1);
}

struct filling {
    struct store_job job; /* first member */
    uint64_t registration;
};

static err_t run_filling(struct store_write *write, struct store_job *job)
{
    struct guid tenant = tenant_id(1);
    const struct customer_change change = { .number = CUSTOMER_CHANGES_MAX - 1,
                                            .effective_ns = hour(0),
                                            .recorded_ns = hour(0),
                                            .mapped = true,
                                            .customer_id = customer_id(7),
                                            .by = TEXT(""),
                                            .request = TEXT("") };
    return customer_change_write(write_txn(write), ((struct filling *)job)->registration, &tenant, &change);
}

static void changes_of_a_tenant_have_a_bound(void **state)
{
    struct customer_fixture *f = *state;
    struct filling filling = { { .run = run_filling, .weight = 1 }, f->registration };
    struct customer_line line = line_of(1, 9, hour(2));
    struct customer_apply apply;
    struct error_info info = { 0 };
    assert_ok(store_run(f->base.store, &filling.job));
    assert_true(map_tenant(f, 1, 8, hour(1)));
    apply_lines(f, &apply, &line, 1);
    assert_int_equal(apply.base.refusal, ERROR_OK);
    assert_true(line.refused && !line.changed && apply.refused_count == 1);
    assert_int_equal(apply.base.effect_count, 0);
    assert_int_equal(mapped_to(f, 1, hour(2), INT64_MAX), 8);
    assert_true(map_tenant(f, 2, 9, hour(2)));
    assert_error(customer_too_many_changes(&line.tenant_id, &info), ERROR_CONFLICT);
    assert_non_null(strstr(info.message, "aa000000-0000-0000-0000-000000000001"));
}

static void a_tenant_at_the_bound_can_be_unmapped(void **state)
{
    struct customer_fixture *f = *state;
    struct filling filling = { { .run = run_filling, .weight = 1 }, f->registration };
    assert_ok(store_run(f->base.store, &filling.job));
    assert_true(map_tenant(f, 1, 8, hour(10)));
    assert_true(delete_customer(f, 7, hour(5)));
    assert_int_equal(mapped_to(f, 1, hour(5), INT64_MAX), 0);
    assert_int_equal(mapped_to(f, 1, hour(10), INT64_MAX), 8);
    assert_true(map_tenant(f, 2, 8, hour(20))); /* takes it away */
    assert_int_equal(mapped_to(f, 1, hour(20), INT64_MAX), 0);
    assert_true(map_tenant(f, 1, 0, hour(3)));
    assert_int_equal(mapped_to(f, 1, hour(10), INT64_MAX), 0);
    assert_int_equal(mapped_to(f, 1, hour(2), INT64_MAX), 7);
    struct customer_line lines[] = { line_of(1, 7, hour(1)), line_of(1, 0, hour(2)) };
    struct customer_apply apply;
    apply_lines(f, &apply, lines, 2); /* the first is no change */
    assert_true(!lines[0].refused && !lines[0].changed && lines[1].changed);
}

/* What the refused line would have taken away stays where it was. */
static void a_tenant_at_the_bound_refuses_its_own_lines_alone(void **state)
{
    struct customer_fixture *f = *state;
    struct filling filling = { { .run = run_filling, .weight = 1 }, f->registration };
    struct customer_line lines[] = { line_of(3, 9, hour(2)), line_of(1, 5, hour(3)), line_of(4, 6, hour(2)) };
    struct customer_apply apply;
    assert_ok(store_run(f->base.store, &filling.job));
    assert_true(map_tenant(f, 1, 8, hour(1)));
    assert_true(map_tenant(f, 2, 5, hour(1)));
    apply_lines(f, &apply, lines, COUNT_OF(lines));
    assert_int_equal(apply.base.refusal, ERROR_OK);
    assert_true(lines[0].changed && lines[1].refused && lines[2].changed);
    assert_true(apply.changed_count == 2 && apply.refused_count == 1 && apply.base.effect_count == 2);
    assert_int_equal(mapped_to(f, 1, hour(3), INT64_MAX), 8);
    assert_int_equal(mapped_to(f, 2, hour(3), INT64_MAX), 5);
    assert_int_equal(mapped_to(f, 4, hour(3), INT64_MAX), 6);
}

/* Two tenants that swap their subscriptions hour by hour. A copy of a timeline at each line would be gigabytes. */
static void the_longest_schedule_needs_little_memory(void **state)
{
    struct customer_fixture *f = *state;
    struct kv_txn *txn = store_fixture_read(&f->base);
    struct plan plan;
    struct timeline *timelines[2];
    assert_ok(plan_open(&plan, txn, f->registration, hour(0)));
    for (uint64_t i = 0; i < 2; i++) {
        struct guid tenant = tenant_id(i);
        assert_ok(plan_timeline(&plan, &tenant, &timelines[i]));
    }
    for (int64_t i = 0; i < CUSTOMER_BATCH_MAX; i++) {
        const struct customer_stretch stretch = { hour(i), true, customer_id((uint64_t)(1 + i % 2)) };
        bool changed;
        assert_ok(timeline_set(&plan, timelines[0], &stretch, &changed));
        assert_true(changed);
        assert_ok(timeline_remove(&plan, timelines[1], stretch.start_ns, &stretch.customer_id, &changed));
        assert_int_equal(changed, i > 0);
        const struct customer_stretch other = { hour(i), true, customer_id((uint64_t)(2 - i % 2)) };
        assert_ok(timeline_set(&plan, timelines[1], &other, &changed));
    }
    assert_int_equal(timelines[0]->now.count, CUSTOMER_BATCH_MAX);
    assert_int_equal(timelines[1]->now.count, CUSTOMER_BATCH_MAX);
    assert_true(arena_size_bytes(plan.arena) < (size_t)4 << 20);
    plan_close(&plan);
    store_read_end(txn);
}

static void what_a_plan_loads_has_a_bound(void **state)
{
    struct customer_fixture *f = *state;
    struct guid first = tenant_id(1), second = tenant_id(2);
    struct timeline *timeline;
    struct plan plan;
    map_tenant(f, 1, 7, hour(0));
    map_tenant(f, 1, 8, hour(1));
    struct kv_txn *txn = store_fixture_read(&f->base);
    assert_ok(plan_open(&plan, txn, f->registration, hour(0)));
    plan.stretch_count = PLAN_STRETCHES_MAX - 2;
    assert_ok(plan_timeline(&plan, &first, &timeline));
    assert_error(plan_timeline(&plan, &second, &timeline), ERROR_CONFLICT);
    plan_close(&plan);
    store_read_end(txn);
}

TESTS(CUSTOMER_TEST(the_longest_schedule_needs_little_memory), CUSTOMER_TEST(what_a_plan_loads_has_a_bound),
      CUSTOMER_TEST(a_tenant_at_the_bound_can_be_unmapped),
      CUSTOMER_TEST(a_tenant_at_the_bound_refuses_its_own_lines_alone),
      CUSTOMER_TEST(model_and_approval_are_checked_in_the_transaction),
      CUSTOMER_TEST(the_etag_tells_of_scheduled_changes),
      CUSTOMER_TEST(the_same_mapping_again_leaves_what_is_scheduled),
      CUSTOMER_TEST(a_line_takes_a_subscription_from_those_that_have_it_later),
      CUSTOMER_TEST(what_fails_half_way_changes_nothing), CUSTOMER_TEST(changes_of_a_tenant_have_a_bound),
      CUSTOMER_TEST(a_change_without_a_date_holds_from_the_start_of_its_hour),
      CUSTOMER_TEST(the_same_mapping_again_changes_nothing),
      CUSTOMER_TEST(another_subscription_for_the_tenant_replaces_the_first),
      CUSTOMER_TEST(mapping_a_subscription_to_another_tenant_moves_it),
      CUSTOMER_TEST(a_change_overrides_what_was_scheduled_later),
      CUSTOMER_TEST(deleting_leaves_what_the_tenant_has_later), CUSTOMER_TEST(what_was_believed_earlier_stays_visible),
      CUSTOMER_TEST(history_tells_who_did_what_by_which_request),
      CUSTOMER_TEST(a_batch_applies_in_the_order_of_its_dates), CUSTOMER_TEST(a_dry_run_tells_and_changes_nothing),
      CUSTOMER_TEST(a_precondition_is_about_what_holds_now), CUSTOMER_TEST(a_registration_that_is_gone_is_refused),
      CUSTOMER_TEST(registrations_do_not_share_customers), CUSTOMER_TEST(pages_hold_each_mapping_once),
      CUSTOMER_TEST(the_changes_of_a_tenant_come_in_pages),
      CUSTOMER_TEST(a_batch_of_the_largest_size_is_applied_as_a_whole))
