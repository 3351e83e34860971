/* Who sold what: which changes of the tree are refused, and that at each hour every row is one provider's. */
#include "support/subscription_fixture.h"

#include "base/crypto.h"
#include "support/summary_fixture.h"
#include "usage/provider_report.h"

#define OPERATOR 1

static int tree_set_up(void **state)
{
    int result = usage_set_up(state);
    (void)make_operator(*state, OPERATOR);
    return result;
}

#define WITH_TREE(function) cmocka_unit_test_setup_teardown(function, tree_set_up, usage_tear_down)

static bool is_named(struct usage_fixture *f, unsigned number)
{
    struct guid id = numbered(number);
    struct kv_txn *txn = store_fixture_read(&f->base);
    bool named;
    assert_ok(provider_is_named(txn, f->arena, &id, &named));
    store_read_end(txn);
    return named;
}

/* --- refusals --- */

static void a_provider_is_described_and_in_use(void **state)
{
    struct usage_fixture *f = *state;
    assert_put_refused(f, 10, 2, NO_TIME, "not described");
    int64_t start_ns = this_hour(f) - 10 * NS_PER_HOUR;
    put_at(f, 2, 0, 0, start_ns);
    put_at(f, 10, 0, 2, NO_TIME); /* who says no time need not know the provider's */
    assert_put_refused(f, 11, 2, start_ns - NS_PER_HOUR, "not described as of");
    put_at(f, 11, 0, 2, start_ns);
    put_at(f, 3, 0, 0, NO_TIME);
    delete_now(f, 3);
    assert_put_refused(f, 12, 3, NO_TIME, "deleted");
    assert_put_refused(f, 12, 3, start_ns, "deleted"); /* it was in use then, but would be a provider now */
    put_at(f, 12, 0, OPERATOR, NO_TIME);
    struct subscription_put put = try_put(f, OPERATOR, 0, 2, NO_TIME);
    assert_error(put.refusal, ERROR_INVALID_PROPERTY);
    put_at(f, OPERATOR, 0, OPERATOR, NO_TIME);
}

static void nobody_is_sold_by_what_it_sold(void **state)
{
    struct usage_fixture *f = *state;
    for (unsigned s = 2; s <= 4; s++)
        put_at(f, s, 0, s > 2 ? s - 1 : 0, NO_TIME);
    assert_put_refused(f, 2, 2, NO_TIME, "02 -> 00000000-0000-0000-0000-000000000002");
    assert_put_refused(f, 2, 4, NO_TIME,
                       "00000000-0000-0000-0000-000000000002 -> 00000000-0000-0000-0000-000000000004 -> "
                       "00000000-0000-0000-0000-000000000003 -> 00000000-0000-0000-0000-000000000002");
    /* Not now, but once the other one has moved: refused as well. */
    put_at(f, 5, 0, 0, NO_TIME);
    put_at(f, 2, 0, 5, this_hour(f) + 100 * NS_PER_HOUR);
    assert_put_refused(f, 5, 4, NO_TIME, "sold itself");
    /* A past in which it would have been a circle is none of the future's. */
    put_at(f, 2, 0, 0, this_hour(f));
    put_at(f, 5, 0, 4, this_hour(f));
}

static void the_tree_is_as_deep_as_its_bound(void **state)
{
    struct usage_fixture *f = *state;
    put_at(f, 10, 0, 0, NO_TIME);
    for (unsigned level = 1; level <= PROVIDER_DEPTH_MAX; level++)
        put_at(f, 10 + level, 0, 9 + level, NO_TIME);
    assert_put_refused(f, 50, 10 + PROVIDER_DEPTH_MAX, NO_TIME, "too many");
    /* Nor by putting the whole under another one. */
    put_at(f, 2, 0, 0, NO_TIME);
    assert_put_refused(f, 10, 2, NO_TIME, "too many");
    put_at(f, 11, 0, 2, NO_TIME);
}

static void a_provider_with_tenants_in_use_stays(void **state)
{
    struct usage_fixture *f = *state;
    put_at(f, 2, 0, 0, NO_TIME);
    for (unsigned s = 10; s < 17; s++)
        put_at(f, s, 0, 2, NO_TIME);
    struct subscription_delete refused = try_delete(f, 2);
    assert_error(refused.refusal, ERROR_CONFLICT);
    assert_non_null(strstr(refused.info.message, "00000000-0000-0000-0000-00000000000a, "));
    assert_non_null(strstr(refused.info.message, " and 2 more"));
    for (unsigned s = 10; s < 16; s++)
        delete_now(f, s);
    put_at(f, 16, 0, 0, this_hour(f) + 50 * NS_PER_HOUR); /* leaves, but not yet */
    assert_error(try_delete(f, 2).refusal, ERROR_CONFLICT);
    put_at(f, 16, 0, 0, this_hour(f));
    delete_now(f, 2);
}

static void who_was_named_may_ask_as_a_provider(void **state)
{
    struct usage_fixture *f = *state;
    put_at(f, 2, 0, 0, NO_TIME);
    put_at(f, 3, 0, 0, NO_TIME);
    put_at(f, 10, 0, 2, NO_TIME);
    assert_true(is_named(f, 2));
    assert_false(is_named(f, 3) || is_named(f, 10));
    put_at(f, 10, 0, 3, this_hour(f));
    assert_true(is_named(f, 2) && is_named(f, 3)); /* its past is still the first one's to see */
}

static void providers_from_before_history_are_known(void **state)
{
    struct usage_fixture *f = *state; /* without the operator's description, which writes the first marks */
    put_as_before_history(f, 2, 0, 0, NO_TIME);
    put_as_before_history(f, 10, 0, 2, NO_TIME);
    assert_true(is_named(f, 2));
    assert_false(is_named(f, 10));
    put_at(f, 11, 0, 10, NO_TIME);
    assert_true(is_named(f, 2) && is_named(f, 10));
    assert_false(is_named(f, 11));
    assert_error(try_delete(f, 2).refusal, ERROR_CONFLICT);
}

/* --- usage of many hours, whoever sold it then --- */

enum { SUBSCRIPTIONS = 7, FIRST = 10, DELEGATED = 3, HOURS = 24 * 12, RECORDS = 3000, MOVES = 40 };

struct sold {
    struct usage_fixture *f;
    struct prng prng;
    int64_t origin_ns; /* midnight */
    /* By subscription and hour: 0 the operator, else the delegated provider's number. */
    unsigned provider[SUBSCRIPTIONS][HOURS];
};

static void post_usage(struct sold *s)
{
    struct buffer body = { 0 };
    for (int i = 0; i < RECORDS; i++) {
        char id[16], subscription[48], resource[16], start[48], end[48], reported[48], text[INSTANT_TEXT_SIZE];
        struct post post = post_good();
        int64_t start_ns = s->origin_ns + (int64_t)prng_below(&s->prng, HOURS) * NS_PER_HOUR;
        (void)snprintf(id, sizeof id, "\"%d\"", i);
        (void)snprintf(subscription, sizeof subscription, "\"00000000-0000-0000-0000-0000000000%02x\"",
                       FIRST +
                           (unsigned)prng_below(&s->prng, SUBSCRIPTIONS + 1)); /* the last one is described by none */
        (void)snprintf(resource, sizeof resource, "\"/r%d\"", i);
        instant_print(start_ns, text);
        (void)snprintf(start, sizeof start, "\"%s\"", text);
        instant_print(start_ns + NS_PER_HOUR, text);
        (void)snprintf(end, sizeof end, "\"%s\"", text);
        instant_print(start_ns + (int64_t)(1 + prng_below(&s->prng, 40)) * NS_PER_HOUR, text);
        (void)snprintf(reported, sizeof reported, "\"%s\"", text);
        post.id = id;
        post.subscription_id = subscription;
        post.resource_uri = resource;
        post.start = start;
        post.end = end;
        post.quantity = "1";
        post.reported = reported;
        post_write(&post, &body);
        buffer_append_char(&body, '\n');
    }
    struct record_limits limits = usage_history_limits(s->f);
    struct ingest_batch *batch = usage_ingest_with(s->f, &limits, INGEST_NDJSON, buffer_text(&body));
    assert_int_equal(ingest_counts(batch).accepted, RECORDS);
    buffer_free(&body);
}

/* Delegated providers 2 to 4; 4 is sold by 3. */
static void move_about(struct sold *s, int moves)
{
    for (int i = 0; i < moves; i++) {
        unsigned which = (unsigned)prng_below(&s->prng, SUBSCRIPTIONS);
        unsigned provider = (unsigned)prng_below(&s->prng, DELEGATED + 1);
        unsigned hour = (unsigned)prng_below(&s->prng, HOURS);
        put_at(s->f, FIRST + which, 1 + (unsigned)prng_below(&s->prng, 3), provider == 0 ? 0 : 1 + provider,
               s->origin_ns + hour * NS_PER_HOUR);
        for (; hour < HOURS; hour++)
            s->provider[which][hour] = provider == 0 ? 0 : 1 + provider;
    }
}

static struct sold *make_sold(struct usage_fixture *f)
{
    struct sold *s = calloc(1, sizeof *s);
    assert_non_null(s);
    s->f = f;
    s->prng = test_prng("unit-usage-provider_tree");
    s->origin_ns = test_instant("2026-01-10T00:00:00Z");
    for (unsigned p = 2; p < 2 + DELEGATED; p++)
        put_at(f, p, 0, p == 4 ? 3 : 0, NO_TIME);
    post_usage(s);
    move_about(s, MOVES);
    return s;
}

static err_t shows(void *context, struct kv_txn *txn, const struct guid *subscription, int64_t time_ns,
                   int64_t *from_ns, int64_t *to_ns)
{
    return provider_view_span(context, txn, subscription, time_ns, from_ns, to_ns);
}

/* What the operator API lists for that provider, page by page, each with a snapshot of its own as there. */
static struct usage_rows list_of(struct usage_fixture *f, const struct listing_query *window, unsigned provider)
{
    struct usage_rows rows = { .fixture = f };
    struct listing_position position = { 0 };
    struct guid id = numbered(provider), operator_id = numbered(OPERATOR);
    bool more = true;
    while (more) {
        struct provider_view view;
        struct listing_query query = *window;
        uint32_t *members;
        struct kv_txn *txn = store_fixture_read(&f->base);
        assert_ok(provider_view_init(&view, &id, &operator_id));
        assert_ok(provider_view_members(&view, f->base.store, txn, f->arena, &members, &query.included_count));
        store_read_end(txn);
        assert_int_equal(members == NULL, provider == OPERATOR);
        query.included = members;
        query.shows = shows;
        query.shows_context = &view;
        more = usage_list_page(&rows, &query, &position);
        provider_view_free(&view);
    }
    return rows;
}

static unsigned provider_of_row(const struct sold *s, const struct listing_row *row)
{
    unsigned which = number_of(&row->subscription) - FIRST;
    int64_t hour = (row->start_ns - s->origin_ns) / NS_PER_HOUR;
    unsigned provider = which < SUBSCRIPTIONS ? s->provider[which][hour] : 0;
    return provider == 0 ? OPERATOR : provider;
}

static bool same_listed(const struct listing_row *a, const struct listing_row *b)
{
    char x[DECIMAL_TEXT_SIZE], y[DECIMAL_TEXT_SIZE];
    decimal_sum_print(&a->quantity, x);
    decimal_sum_print(&b->quantity, y);
    return guid_equal(&a->subscription, &b->subscription) && a->start_ns == b->start_ns && a->records == b->records &&
           a->meter_number == b->meter_number && strcmp(x, y) == 0 &&
           (!a->has_instance || text_equal(a->instance.resource_uri, b->instance.resource_uri));
}

/* Each provider's list is the whole list's rows of that provider, in the same order: none is there twice or missing. */
static size_t check_window(struct sold *s, const struct listing_query *query)
{
    struct usage_rows whole = usage_list(s->f, query);
    size_t listed = 0;
    for (unsigned provider = OPERATOR; provider < 2 + DELEGATED; provider++) {
        struct usage_rows own = list_of(s->f, query, provider);
        size_t next = 0;
        for (size_t i = 0; i < whole.count; i++) {
            if (provider_of_row(s, &whole.rows[i]) != provider)
                continue;
            assert_true(next < own.count && same_listed(&whole.rows[i], &own.rows[next]));
            next++;
        }
        assert_int_equal(next, own.count);
        listed += own.count;
    }
    assert_int_equal(listed, whole.count);
    return listed;
}

static void what_all_providers_see_is_the_whole_once(void **state)
{
    struct sold *s = make_sold(*state);
    size_t listed = 0;
    for (int round = 0; round < (test_is_long() ? 60 : 6); round++) {
        int64_t from = (int64_t)prng_below(&s->prng, 20), days = 1 + (int64_t)prng_below(&s->prng, 12);
        for (int daily = 0; daily < 2; daily++) {
            struct listing_query query = { .daily = daily != 0,
                                           .details = prng_below(&s->prng, 3) != 0,
                                           .start_ns = s->origin_ns + from * NS_PER_DAY,
                                           .end_ns = s->origin_ns + (from + days) * NS_PER_DAY };
            if (round == 0) { /* all of it, some pages each */
                query.details = true;
                query.start_ns = s->origin_ns;
                query.end_ns = s->origin_ns + 400 * NS_PER_DAY;
            }
            listed += check_window(s, &query);
        }
        move_about(s, 3);
    }
    assert_true(listed > RECORDS);
    free(s);
}

static void one_subscriber_shows_in_its_providers_hours_only(void **state)
{
    struct sold *s = make_sold(*state);
    struct listing_query query = usage_everything(false);
    query.one_subscription = true;
    for (unsigned which = 0; which <= SUBSCRIPTIONS; which++) {
        query.subscription = numbered(FIRST + which);
        assert_true(check_window(s, &query) > 0);
    }
    free(s);
}

/* --- the report --- */

static struct provider_report report_of(struct usage_fixture *f, const struct meters *meters,
                                        const struct provider_report_query *query, err_t expected)
{
    struct provider_report report = { 0 };
    struct error_info info = { 0 };
    struct kv_txn *txn = store_fixture_read(&f->base);
    assert_error(provider_report_run(f->base.store, txn, f->arena, meters, query, &report, &info), expected);
    store_read_end(txn);
    return report;
}

static struct provider_report tree_at(struct usage_fixture *f, int64_t at_ns)
{
    struct provider_report_query query = { .operator_id = numbered(OPERATOR), .at_ns = at_ns };
    return report_of(f, NULL, &query, ERROR_OK);
}

static void the_tree_shows_who_sold_what_since_when(void **state)
{
    struct usage_fixture *f = *state;
    int64_t moved_ns = this_hour(f) - 5 * NS_PER_HOUR;
    put_at(f, 3, 0, 0, NO_TIME);
    put_at(f, 2, 0, 3, NO_TIME);
    put_at(f, 10, 77, 3, NO_TIME);
    put_at(f, 10, 77, 2, moved_ns);
    put_at(f, 10, 78, 2, moved_ns + NS_PER_HOUR); /* another tenant, the same provider */
    put_at(f, 11, 0, 0, NO_TIME);
    delete_now(f, 11);
    struct provider_report tree = tree_at(f, now_of(f));
    assert_int_equal(tree.count, 3);
    static const unsigned ids[] = { OPERATOR, 3, 2 }, parents[] = { 0, OPERATOR, 3 }, tenants[] = { 2, 1, 1 };
    for (size_t i = 0; i < tree.count; i++) {
        assert_int_equal(number_of(&tree.nodes[i].id), ids[i]);
        assert_int_equal(tree.nodes[i].level, i);
        assert_int_equal(number_of(&tree.nodes[i].parent), parents[i]);
        assert_int_equal(tree.nodes[i].tenant_count, tenants[i]);
    }
    const struct provider_tenant *tenant = &tree.nodes[2].tenants[0];
    assert_int_equal(number_of(&tenant->subscription->id), 10);
    assert_int_equal(number_of(&tenant->subscription->tenant_id), 78);
    assert_true(tenant->since_ns == moved_ns);
    assert_int_equal(tree.nodes[0].tenants[1].subscription->state, SUBSCRIPTION_DELETED);
    tree = tree_at(f, moved_ns - 1);
    assert_int_equal(tree.count, 2); /* 2 had sold nothing */
    assert_int_equal(tree.nodes[1].tenant_count, 2);
    assert_true(tree.nodes[1].tenants[1].since_ns == INT64_MIN);
}

static void a_circle_of_old_and_a_provider_of_nowhere_do_no_harm(void **state)
{
    struct usage_fixture *f = *state;
    put_as_before_history(f, 2, 0, 3, NO_TIME);
    put_as_before_history(f, 3, 0, 2, NO_TIME);
    put_as_before_history(f, 10, 0, 99, NO_TIME);
    struct provider_report tree = tree_at(f, now_of(f));
    assert_int_equal(tree.count, 4);
    assert_int_equal(number_of(&tree.nodes[1].id), 99);
    assert_int_equal(tree.nodes[1].level, 1);
    assert_int_equal(tree.nodes[1].state, SUBSCRIPTION_UNKNOWN);
    assert_true(tree.nodes[2].level == PROVIDER_LEVEL_NONE && tree.nodes[3].level == PROVIDER_LEVEL_NONE);
    assert_put_refused(f, 11, 2, NO_TIME, "too many");
    put_at(f, 3, 0, 0, NO_TIME); /* the way out */
    put_at(f, 11, 0, 2, this_hour(f));
}

static void quantities_of_all_providers_are_the_summary(void **state)
{
    struct sold *s = make_sold(*state);
    struct meters *meters = summary_meters(s->f);
    for (int round = 0; round < 5; round++) {
        int64_t from = (int64_t)prng_below(&s->prng, HOURS), to = from + 1 + (int64_t)prng_below(&s->prng, HOURS);
        struct provider_report_query query = { .operator_id = numbered(OPERATOR),
                                               .at_ns = now_of(s->f),
                                               .with_usage = true,
                                               .from_ns = s->origin_ns + from * NS_PER_HOUR,
                                               .to_ns = s->origin_ns + to * NS_PER_HOUR };
        struct provider_report report = report_of(s->f, meters, &query, ERROR_OK);
        uint64_t records[2 + DELEGATED] = { 0 };
        struct listing_query everything = usage_everything(false);
        struct usage_rows rows = usage_list(s->f, &everything);
        for (size_t i = 0; i < rows.count; i++)
            if (rows.rows[i].start_ns >= query.from_ns && rows.rows[i].start_ns < query.to_ns)
                records[provider_of_row(s, &rows.rows[i])] += rows.rows[i].records;
        for (size_t n = 0; n < report.count; n++) {
            uint64_t *expected = &records[number_of(&report.nodes[n].id)];
            for (size_t i = 0; i < report.nodes[n].quantity_count; i++) {
                char text[DECIMAL_TEXT_SIZE], counted[32];
                decimal_sum_print(&report.nodes[n].quantities[i].quantity, text);
                (void)snprintf(counted, sizeof counted, "%llu",
                               (unsigned long long)report.nodes[n].quantities[i].records);
                assert_string_equal(text, counted); /* a record has the quantity 1 */
                *expected -= report.nodes[n].quantities[i].records;
            }
            assert_int_equal(*expected, 0);
        }
        for (size_t p = 0; p < COUNT_OF(records); p++)
            assert_int_equal(records[p], 0); /* nobody is missing */
    }
    free(s);
}

static void a_window_with_too_many_moves_is_refused(void **state)
{
    struct usage_fixture *f = *state;
    put_at(f, 2, 0, 0, NO_TIME);
    int64_t origin_ns = test_instant("2026-01-01T00:00:00Z");
    for (int i = 0; i <= PROVIDER_CUTS_MAX + 1; i++)
        put_at(f, 10, 0, i % 2 == 0 ? 2 : 0, origin_ns + i * NS_PER_HOUR);
    struct provider_report_query query = { .operator_id = numbered(OPERATOR),
                                           .at_ns = now_of(f),
                                           .with_usage = true,
                                           .from_ns = origin_ns,
                                           .to_ns = origin_ns + (PROVIDER_CUTS_MAX + 1) * NS_PER_HOUR };
    struct meters *meters = summary_meters(f);
    (void)report_of(f, meters, &query, ERROR_OK);
    query.to_ns += NS_PER_HOUR;
    (void)report_of(f, meters, &query, ERROR_INVALID_PROPERTY);
}

TESTS(WITH_TREE(a_provider_is_described_and_in_use), WITH_TREE(nobody_is_sold_by_what_it_sold),
      WITH_TREE(the_tree_is_as_deep_as_its_bound), WITH_TREE(a_provider_with_tenants_in_use_stays),
      WITH_TREE(who_was_named_may_ask_as_a_provider), WITH_USAGE(providers_from_before_history_are_known),
      WITH_TREE(what_all_providers_see_is_the_whole_once), WITH_TREE(one_subscriber_shows_in_its_providers_hours_only),
      WITH_TREE(the_tree_shows_who_sold_what_since_when),
      WITH_TREE(a_circle_of_old_and_a_provider_of_nowhere_do_no_harm),
      WITH_TREE(quantities_of_all_providers_are_the_summary), WITH_TREE(a_window_with_too_many_moves_is_refused))
