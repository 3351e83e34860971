/* Summaries by usage time of usage that was reported at any distance from it, against a walk over all records; and the
 * three families of rows against each other. */
#include "support/summary_fixture.h"

#include "base/crypto.h"

enum { RECORDS = 600, DAYS = 420, METERS = 3 };

struct late_record {
    int64_t start_ns, reported_ns;
    int hours, meter, quantity; /* quantity an hour */
};

struct late {
    struct usage_fixture *f;
    struct prng prng;
    struct meters *meters;
    struct late_record records[RECORDS];
};

static uint64_t below(struct late *late, uint64_t bound)
{
    return prng_below(&late->prng, bound);
}

static void append(struct late *late, struct buffer *body, int i)
{
    struct late_record *r = &late->records[i];
    char id[16], meter[16], quantity[16], times[3][48], text[INSTANT_TEXT_SIZE];
    struct post post = post_good();
    *r = (struct late_record){ .hours = 1 + (int)below(late, 40),
                               .meter = (int)below(late, METERS),
                               .quantity = 1 + (int)below(late, 100) };
    r->start_ns = test_instant("2024-11-01T00:00:00Z") + (int64_t)below(late, 60 * 24) * NS_PER_HOUR;
    int64_t end_ns = r->start_ns + r->hours * NS_PER_HOUR;
    /* A third at once (or just before it ended), a third within days, a third up to 300 days late. */
    static const uint64_t distances_hours[] = { 3, 100, 300 * 24 };
    r->reported_ns = end_ns - NS_PER_HOUR + (int64_t)below(late, distances_hours[i % 3]) * NS_PER_HOUR;
    const int64_t instants_ns[] = { r->start_ns, end_ns, r->reported_ns };
    for (size_t t = 0; t < COUNT_OF(instants_ns); t++) {
        instant_print(instants_ns[t], text);
        (void)snprintf(times[t], sizeof times[t], "\"%s\"", text);
    }
    (void)snprintf(id, sizeof id, "\"%d\"", i);
    (void)snprintf(meter, sizeof meter, "\"m%d\"", r->meter);
    (void)snprintf(quantity, sizeof quantity, "%d", r->quantity * r->hours);
    post.id = id;
    post.meter_id = meter;
    post.quantity = quantity;
    post.start = times[0];
    post.end = times[1];
    post.reported = times[2];
    post_write(&post, body);
    buffer_append_char(body, '\n');
}

static void make_late(struct late *late, struct usage_fixture *f)
{
    struct buffer body = { 0 };
    struct record_limits limits = usage_history_limits(f);
    *late = (struct late){ .f = f, .prng = test_prng("unit-usage-late_usage") };
    late->meters = summary_meters(f);
    for (int i = 0; i < RECORDS; i++)
        append(late, &body, i);
    struct ingest_batch *batch = usage_ingest_with(f, &limits, INGEST_NDJSON, buffer_text(&body));
    assert_int_equal(ingest_counts(batch).accepted, RECORDS);
    buffer_free(&body);
}

/* What of a record counts in [from, to) of the meter (negative: any). */
static void naive(const struct late *late, const struct summary_query *query, int64_t from_ns, int64_t to_ns, int meter,
                  int64_t *quantity, int64_t *records)
{
    *quantity = *records = 0;
    for (int i = 0; i < RECORDS; i++) {
        const struct late_record *r = &late->records[i];
        if (meter >= 0 && r->meter != meter)
            continue;
        for (int h = 0; h < r->hours; h++) {
            int64_t at_ns = query->reported_axis ? r->reported_ns : r->start_ns + h * NS_PER_HOUR;
            bool inside = at_ns >= from_ns && at_ns < to_ns;
            *quantity += inside ? r->quantity : 0;
            *records += inside && h == 0;
        }
    }
}

static int64_t whole(const struct decimal_sum *sum)
{
    char text[DECIMAL_TEXT_SIZE];
    unsigned long long value;
    decimal_sum_print(sum, text);
    assert_true(text_to_u64(text_of(text), &value));
    return (int64_t)value;
}

static void check(struct late *late, const struct summary_query *query)
{
    struct summary_rows rows = summary_read(late->f, late->meters, query);
    int64_t total = 0, expected_total, unused;
    for (size_t i = 0; i < rows.count; i++) {
        const struct summary_row *row = &rows.rows[i];
        int64_t quantity, records;
        naive(late, query, row->start_ns, row->end_ns, row->meter_id.ptr[1] - '0', &quantity, &records);
        assert_int_equal(whole(&row->quantity), quantity);
        assert_int_equal(row->records, records);
        total += quantity;
    }
    naive(late, query, query->from_ns, query->to_ns, -1, &expected_total, &unused);
    assert_int_equal(total, expected_total); /* so no row is missing */
}

static void random_window(struct late *late, struct summary_query *query, int64_t unit_ns)
{
    int64_t first_ns = test_instant("2024-10-30T00:00:00Z");
    query->from_ns = first_ns + (int64_t)below(late, (uint64_t)(DAYS * NS_PER_DAY / unit_ns)) * unit_ns;
    if (below(late, 2) == 0)
        query->from_ns = first_ns + (int64_t)below(late, (uint64_t)(60 * NS_PER_DAY / unit_ns)) * unit_ns;
    query->to_ns = query->from_ns + (int64_t)(1 + below(late, below(late, 2) == 0 ? 4 : 500)) * unit_ns;
}

/* Unknown meters stay apart, so rows are by meter whether asked for or not. */
static void promise_usage_is_found_however_late_it_was_reported(void **state)
{
    struct late late;
    make_late(&late, *state);
    for (int i = 0; i < 120; i++) {
        struct summary_query query = { .granularity = (enum summary_granularity)below(&late, 3),
                                       .reported_axis = below(&late, 4) == 0,
                                       .by_meter = below(&late, 2) == 0,
                                       .by_source = below(&late, 3) == 0 };
        bool days = query.granularity == SUMMARY_DAILY || below(&late, 2) == 0;
        random_window(&late, &query, days ? NS_PER_DAY : NS_PER_HOUR);
        check(&late, &query);
    }
}

/* Sums by subscription and meter come from rows of their own; asking for more (a source, of which there is one) goes
 * through the daily rows, asking by hours through the hourly ones. All say the same. */
static void the_families_of_rows_agree(void **state)
{
    struct late late;
    make_late(&late, *state);
    for (int i = 0; i < 40; i++) {
        struct summary_query query = { .granularity = below(&late, 2) == 0 ? SUMMARY_TOTAL : SUMMARY_DAILY,
                                       .by_subscription = below(&late, 2) == 0,
                                       .by_meter = true,
                                       .reported_axis = below(&late, 2) == 0 };
        random_window(&late, &query, NS_PER_DAY);
        if (below(&late, 3) == 0)
            assert_ok(summary_read_filter(late.f->arena, TEXT("meter eq 'm1'"), &query, NULL));
        struct summary_rows rollup = summary_read(late.f, late.meters, &query);
        query.by_source = true;
        struct summary_rows daily = summary_read(late.f, late.meters, &query);
        assert_int_equal(rollup.count, daily.count);
        for (size_t r = 0; r < rollup.count; r++) {
            assert_int_equal(whole(&rollup.rows[r].quantity), whole(&daily.rows[r].quantity));
            assert_int_equal(rollup.rows[r].records, daily.rows[r].records);
            assert_int_equal(rollup.rows[r].start_ns, daily.rows[r].start_ns);
            assert_true(text_equal(rollup.rows[r].meter_id, daily.rows[r].meter_id));
        }
    }
}

TESTS(WITH_USAGE(promise_usage_is_found_however_late_it_was_reported), WITH_USAGE(the_families_of_rows_agree))
