/* The store against a naive model: random batches (new, repeated, conflicting, late, long, bad, history), restarts,
 * clocks set back and failing writes; then random lists and summaries, which the model answers from an array. */
#include "support/summary_fixture.h"

#include "usage/model.h"

#define STEPS 120
#define BATCH_MAX 12

struct world {
    struct usage_fixture fixture;
    struct model model;
    struct prng *prng;
    struct meters *meters;
    int64_t told_ns;     /* latest reported time taken in this run of the store */
    int64_t recorded_ns; /* latest reported time of a live record: what a restart knows */
};

static uint64_t below(struct world *w, uint64_t bound)
{
    return prng_below(w->prng, bound);
}

static bool one_in(struct world *w, uint64_t n)
{
    return below(w, n) == 0;
}

/* --- making records --- */

static struct model_record random_record(struct world *w, bool history)
{
    int64_t now_ns = store_now_ns(w->fixture.base.store);
    int64_t length_ns = one_in(w, 6) ? 1 + (int64_t)below(w, RECORD_INTERVAL_NS_MAX) : NS_PER_HOUR;
    int64_t age_ns = one_in(w, 3) ? (int64_t)below(w, 60 * NS_PER_DAY) : (int64_t)below(w, 2 * NS_PER_HOUR);
    struct model_record r = {
        .id = (int)below(w, w->model.count + 20),
        .source = (int)below(w, MODEL_SOURCES),
        .subscription = (int)below(w, MODEL_SUBSCRIPTIONS),
        .meter = (int)below(w, MODEL_METERS),
        .meter_spelling = (int)below(w, 2),
        .resource = (int)below(w, MODEL_RESOURCES),
        .resource_spelling = (int)below(w, 2),
        .location = (int)below(w, MODEL_LOCATIONS),
        .tags = (int)below(w, MODEL_TAGS),
        .history = history,
    };
    r.end_ns = now_ns - age_ns - now_ns % NS_PER_HOUR;
    if (one_in(w, 3))
        r.end_ns += (int64_t)below(w, NS_PER_HOUR) - NS_PER_HOUR;
    if (history) {
        r.end_ns -= 40 * NS_PER_DAY;
        r.reported_ns = r.end_ns - NS_PER_DAY + (int64_t)below(w, 50 * NS_PER_DAY);
    }
    r.start_ns = r.end_ns - length_ns;
    (void)snprintf(r.quantity, sizeof r.quantity, "%d.%0*d", (int)below(w, 1000), 1 + (int)below(w, 9),
                   (int)below(w, 10));
    r.bad = one_in(w, 15);
    return r;
}

/* One in so many is a known record again, as it was or changed in one member. */
static struct model_record next_record(struct world *w, bool history)
{
    if (w->model.count == 0 || !one_in(w, 3))
        return random_record(w, history);
    struct model_record r = w->model.records[below(w, w->model.count)];
    r.meter_spelling = (int)below(w, 2);
    r.resource_spelling = (int)below(w, 2);
    r.bad = false;
    if (r.history != history) /* a reported time of its own is needed, or ignored */
        r.reported_ns = r.end_ns;
    r.history = history;
    if (one_in(w, 2)) {
        switch (below(w, 4)) {
        case 0:
            (void)snprintf(r.quantity, sizeof r.quantity, "%d", (int)below(w, 5000));
            break;
        case 1:
            r.location = (int)below(w, MODEL_LOCATIONS);
            break;
        case 2:
            r.subscription = (int)below(w, MODEL_SUBSCRIPTIONS);
            break;
        default:
            r.tags = (int)below(w, MODEL_TAGS);
        }
    }
    return r;
}

/* --- steps --- */

static struct ingest_batch *parse_batch(struct world *w, const struct model_record *records, size_t count, bool history)
{
    struct record_limits limits = history ? usage_history_limits(&w->fixture) : usage_limits(&w->fixture);
    struct ingest_batch *batch = usage_batch(&w->fixture, &limits);
    for (size_t i = 0; i < count; i++) {
        struct post post;
        model_post(w->fixture.arena, &records[i], &post);
        assert_ok(ingest_add(batch, usage_post_text(&w->fixture, &post), NULL));
    }
    return batch;
}

static void take_time(struct world *w)
{
    int64_t wall_ns = clock_wall_ns(&w->fixture.base.clock.clock);
    w->told_ns = wall_ns > w->told_ns ? wall_ns : w->told_ns;
}

static void ingest_step(struct world *w)
{
    struct model_record records[BATCH_MAX];
    size_t count = 1 + below(w, BATCH_MAX);
    bool history = one_in(w, 6), failing = one_in(w, 5);
    for (size_t i = 0; i < count; i++)
        records[i] = i > 0 && one_in(w, 10) ? records[i - 1] : next_record(w, history);
    struct ingest_batch *batch = parse_batch(w, records, count, history);
    if (failing)
        store_fail_write(w->fixture.base.store, 1 + below(w, 60), one_in(w, 2) ? ERROR_INSUFFICIENT_STORAGE : ERROR_IO);
    err_t error = ingest_submit(batch, w->fixture.base.store, NULL);
    store_fail_write(w->fixture.base.store, 0, ERROR_OK);
    take_time(w);
    if (error != ERROR_OK) {
        assert_true(failing);
        return;
    }
    for (size_t i = 0; i < count; i++) {
        enum verdict expected = model_add(&w->model, w->fixture.arena, &records[i], w->told_ns);
        assert_verdict(&batch->results[i], expected);
        if (expected == VERDICT_ACCEPTED) {
            assert_int_equal(batch->results[i].sequence, w->model.count);
            if (!history)
                w->recorded_ns = w->told_ns;
        }
    }
    assert_int_equal(batch->last_sequence, w->model.count);
}

static void time_step(struct world *w)
{
    int64_t wall_ns = clock_wall_ns(&w->fixture.base.clock.clock);
    int64_t change_ns = one_in(w, 8) ? -(int64_t)below(w, 3 * NS_PER_HOUR) : (int64_t)below(w, 5 * NS_PER_HOUR);
    clock_manual_set_wall(&w->fixture.base.clock, wall_ns + change_ns);
}

static void restart_step(struct world *w)
{
    store_fixture_reopen(&w->fixture.base);
    w->told_ns = w->recorded_ns;
    struct store_state state = store_fixture_state(&w->fixture.base);
    assert_int_equal(state.last_sequence, w->model.count);
    assert_int_equal(state.last_reported_ns, w->recorded_ns);
    assert_int_equal(state.first_live_hour, w->model.first_live_hour);
}

/* --- questions --- */

/* Around some record's time of usage or of report, and now and then anywhere. */
static void random_window(struct world *w, int64_t unit_ns, int64_t *from_ns, int64_t *to_ns)
{
    int64_t middle_ns = test_instant("2025-11-01T00:00:00Z") + (int64_t)below(w, 100 * NS_PER_DAY);
    if (w->model.count > 0 && !one_in(w, 5)) {
        const struct model_record *record = &w->model.records[below(w, w->model.count)];
        middle_ns = one_in(w, 2) ? record->start_ns : record->reported_ns;
    }
    *from_ns = middle_ns / unit_ns * unit_ns - (int64_t)below(w, one_in(w, 2) ? 2 : 40) * unit_ns;
    *to_ns = *from_ns + (int64_t)below(w, one_in(w, 2) ? 4 : 2000) * unit_ns;
    if (one_in(w, 6))
        *from_ns = -unit_ns;
}

static void check_listed(struct world *w, const struct listing_query *query, const struct listing_row *row,
                         const struct model_row *expected)
{
    char actual[DECIMAL_TEXT_SIZE], wanted[DECIMAL_TEXT_SIZE];
    int64_t unit_ns = query->daily ? NS_PER_DAY : NS_PER_HOUR;
    decimal_sum_print(&row->quantity, actual);
    decimal_sum_print(&expected->quantity, wanted);
    assert_string_equal(actual, wanted);
    assert_int_equal(row->records, expected->records);
    assert_int_equal(row->subscription.bytes[15], w->model.subscriptions.order[expected->key[MODEL_SUBSCRIPTION] - 1]);
    assert_int_equal(row->start_ns, expected->key[MODEL_PERIOD] * unit_ns);
    assert_int_equal(row->end_ns, row->start_ns + unit_ns);
    assert_text(row->meter_id, model_meter_text(&w->model, expected->key[MODEL_METER]));
    assert_int_equal(row->has_instance, query->details);
    if (query->details)
        model_check_instance(&w->model, expected->newest, &row->instance);
}

static void listing_step(struct world *w)
{
    uint32_t excluded[MODEL_SUBSCRIPTIONS];
    struct listing_query query = { .daily = one_in(w, 2), .details = !one_in(w, 3), .excluded = excluded };
    random_window(w, query.daily ? NS_PER_DAY : NS_PER_HOUR, &query.start_ns, &query.end_ns);
    int only = one_in(w, 3) ? (int)below(w, MODEL_SUBSCRIPTIONS) : -1;
    if (only >= 0) {
        query.one_subscription = true;
        query.subscription = (struct guid){ { [15] = (uint8_t)only } };
    }
    for (uint32_t s = 1; s <= w->model.subscriptions.count; s++)
        if (one_in(w, 4))
            excluded[query.excluded_count++] = s;
    struct usage_rows rows = usage_list(&w->fixture, &query);
    struct model_rows expected = model_list(&w->model, w->fixture.arena, &query, only);
    assert_int_equal(rows.count, expected.count);
    for (size_t i = 0; i < rows.count; i++)
        check_listed(w, &query, &rows.rows[i], &expected.rows[i]);
}

static void random_groups(struct world *w, struct summary_query *query)
{
    static const char *const names[] = { "subscription", "meter", "resource", "location", "source", "tag:a", "tag:B" };
    for (size_t i = 0; i < COUNT_OF(names); i++)
        if (one_in(w, 3))
            assert_ok(summary_read_group_by(text_of(names[i]), query, NULL));
}

static void random_filters(struct world *w, struct summary_query *query)
{
    while (one_in(w, 2) && query->filter_count < 4) {
        struct summary_filter *filter = &query->filters[query->filter_count++];
        *filter = model_filter(w->fixture.arena, w->prng);
    }
}

static void check_summed(struct world *w, const struct summary_query *query, const struct summary_row *row,
                         const struct model_row *expected)
{
    char actual[DECIMAL_TEXT_SIZE], wanted[DECIMAL_TEXT_SIZE];
    decimal_sum_print(&row->quantity, actual);
    decimal_sum_print(&expected->quantity, wanted);
    assert_string_equal(actual, wanted);
    assert_int_equal(row->records, expected->records);
    int64_t unit_ns = query->granularity == SUMMARY_DAILY ? NS_PER_DAY : NS_PER_HOUR;
    assert_int_equal(row->start_ns,
                     query->granularity == SUMMARY_TOTAL ? query->from_ns : expected->key[MODEL_PERIOD] * unit_ns);
    model_check_row(&w->model, query, expected, row);
}

static void summary_step(struct world *w)
{
    struct summary_query query = { .reported_axis = one_in(w, 2),
                                   .granularity = (enum summary_granularity)below(w, 3) };
    random_window(w, query.granularity == SUMMARY_DAILY || one_in(w, 2) ? NS_PER_DAY : NS_PER_HOUR, &query.from_ns,
                  &query.to_ns);
    random_groups(w, &query);
    random_filters(w, &query);
    struct summary_rows rows = summary_read(&w->fixture, w->meters, &query);
    struct model_rows expected = model_sum(&w->model, w->fixture.arena, &query);
    assert_int_equal(rows.count, expected.count);
    for (size_t i = 0; i < rows.count; i++)
        check_summed(w, &query, &rows.rows[i], &expected.rows[i]);
}

/* --- the run --- */

static void run_world(struct prng *prng)
{
    struct world w = { .prng = prng, .told_ns = INT64_MIN, .recorded_ns = INT64_MIN };
    usage_fixture_make(&w.fixture);
    model_init(&w.model);
    w.meters = summary_meters(&w.fixture);
    struct arena *lasting = w.fixture.arena;
    for (int step = 0; step < STEPS; step++) {
        w.fixture.arena = arena_new(65536, 0); /* of this step */
        assert_non_null(w.fixture.arena);
        uint64_t choice = below(&w, 20);
        if (choice < 8)
            ingest_step(&w);
        else if (choice < 12)
            time_step(&w);
        else if (choice < 15)
            listing_step(&w);
        else if (choice < 19)
            summary_step(&w);
        else
            restart_step(&w);
        arena_free(w.fixture.arena);
    }
    w.fixture.arena = lasting;
    model_free(&w.model);
    usage_fixture_free(&w.fixture);
}

static void the_store_agrees_with_the_model(void **state)
{
    (void)state;
    struct prng prng = test_prng("unit-usage-model");
    for (int i = 0; i < (test_is_long() ? 3000 : 30); i++)
        run_world(&prng);
}

TESTS(cmocka_unit_test(the_store_agrees_with_the_model))
