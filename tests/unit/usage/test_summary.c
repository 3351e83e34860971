/* Sums by groups: what is added up and what never is, over which time, in which order. */
#include "support/summary_fixture.h"

#define FROM "2026-01-31T00:00:00Z"
#define TO "2026-02-01T00:00:00Z"

/* A meter in GB*hours, one in Virtual core hours, and one nobody knows. */
#define METER_CAPACITY "B4438D5D-453B-4EE1-B42A-DC72E377F1E4"
#define METER_STORED "B5C15376-6C94-4FDD-B655-1A69D138ACA3"
#define METER_CORES "FAB6EB84-500B-4A09-A8CA-7358F8BBAEA5"

struct sample {
    const char *subscription, *meter, *resource, *location, *source, *tags, *start, *end, *quantity;
};

static void post_samples(struct usage_fixture *f, const struct sample *samples, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        const struct sample *s = &samples[i];
        struct post post = post_good();
        post.id = arena_format(f->arena, "\"%p-%zu\"", (const void *)samples, i).ptr;
        if (s->subscription != NULL)
            post.subscription_id =
                arena_format(f->arena, "\"00000000-0000-0000-0000-00000000000%s\"", s->subscription).ptr;
        if (s->meter != NULL)
            post.meter_id = arena_format(f->arena, "\"%s\"", s->meter).ptr;
        if (s->resource != NULL)
            post.resource_uri = arena_format(f->arena, "\"%s\"", s->resource).ptr;
        if (s->location != NULL)
            post.location = arena_format(f->arena, "\"%s\"", s->location).ptr;
        if (s->source != NULL)
            post.source = arena_format(f->arena, "\"%s\"", s->source).ptr;
        post.tags = s->tags;
        if (s->start != NULL) {
            post.start = arena_format(f->arena, "\"%s\"", s->start).ptr;
            post.end = arena_format(f->arena, "\"%s\"", s->end).ptr;
        }
        post.quantity = s->quantity;
        usage_post_accepted(f, &post);
    }
}

static struct summary_query total_query(void)
{
    return summary_query_of(FROM, TO, SUMMARY_TOTAL);
}

static void put_column(struct buffer *out, const char *name, struct text value)
{
    if (value.ptr != NULL)
        buffer_append_format(out, " %s=%.*s", name, TEXT_ARGS(value));
}

/* Rows as lines, for comparing whole answers at a glance. */
static void assert_answer(struct usage_fixture *f, const struct summary_query *query, const char *expected)
{
    struct meters *meters = summary_meters(f);
    struct summary_rows rows = summary_read(f, meters, query);
    struct buffer out = { 0 };
    for (size_t i = 0; i < rows.count; i++) {
        const struct summary_row *row = &rows.rows[i];
        char text[DECIMAL_TEXT_SIZE], start[INSTANT_TEXT_SIZE];
        decimal_sum_print(&row->quantity, text);
        if (query->granularity != SUMMARY_TOTAL) {
            instant_print(row->start_ns, start);
            buffer_append_format(&out, "%.*s ", query->granularity == SUMMARY_DAILY ? 10 : 13, start);
        }
        buffer_append_format(&out, "%s/%llu", text, (unsigned long long)row->records);
        if (row->has_subscription)
            buffer_append_format(&out, " s=%d", row->subscription.bytes[15]);
        if (query->by_meter)
            put_column(&out, "m", row->meter_name.ptr != NULL ? row->meter_name : row->meter_id);
        put_column(&out, "unit", row->unit);
        put_column(&out, "r", row->resource_uri);
        put_column(&out, "l", row->location);
        put_column(&out, "source", row->source);
        for (size_t t = 0; t < query->tag_count; t++)
            put_column(&out, "tag", row->tags[t]);
        buffer_append_char(&out, '\n');
    }
    assert_text(buffer_text(&out), expected);
    buffer_free(&out);
}

static const struct sample mixed[] = {
    { "1", METER_STORED, "/a", "east", "Storage", "{\"cc\":\"1\"}", NULL, NULL, "1" },
    { "1", METER_CAPACITY, "/a", "east", "Storage", "{\"cc\":\"1\"}", NULL, NULL, "2" },
    { "1", METER_CORES, "/b", "west", "Compute", "{\"CC\":\"2\",\"env\":\"prod\"}", NULL, NULL, "4" },
    { "2", METER_CORES, "/c", "west", "Compute", NULL, NULL, NULL, "8" },
    { "2", "unknown-1", "/c", "", "Other", "{\"cc\":3}", NULL, NULL, "16" },
    { "2", "unknown-2", "/c", "", "Other", "\"\"", NULL, NULL, "32" },
    { "1", METER_CORES, "/b", "west", "Compute", "{\"env\":\"prod\",\"CC\":\"2\"}", NULL, NULL, "64" },
};

/* --- units --- */

static void different_units_are_never_added_up(void **state)
{
    struct usage_fixture *f = *state;
    post_samples(f, mixed, COUNT_OF(mixed));
    struct summary_query query = total_query();
    assert_answer(f, &query, "3/2 unit=GB*hours\n76/3 unit=Virtual core hours\n16/1\n32/1\n");
    struct meters *meters = summary_meters(f);
    struct summary_rows rows = summary_read(f, meters, &query);
    assert_null(rows.rows[0].meter_id.ptr);          /* two meters share the unit */
    assert_text(rows.rows[2].meter_id, "unknown-1"); /* only the meter tells what is counted */
    assert_text(rows.rows[3].meter_id, "unknown-2");
    assert_null(rows.rows[2].meter_name.ptr);
    assert_int_equal(rows.rows[0].start_ns, test_instant(FROM));
    assert_int_equal(rows.rows[0].end_ns, test_instant(TO));
}

/* --- groups --- */

static void groups_by_each_member(void **state)
{
    struct usage_fixture *f = *state;
    post_samples(f, mixed, COUNT_OF(mixed));
    static const struct {
        const char *group_by, *expected;
    } cases[] = {
        { "subscription", "3/2 s=1 unit=GB*hours\n68/2 s=1 unit=Virtual core hours\n8/1 s=2 unit=Virtual core hours\n"
                          "16/1 s=2\n32/1 s=2\n" },
        { "meter", "1/1 m=PageBlobCapacity unit=GB*hours\n2/1 m=TableCapacity unit=GB*hours\n"
                   "76/3 m=Base VM Size Hours unit=Virtual core hours\n16/1 m=unknown-1\n32/1 m=unknown-2\n" },
        { "resource", "3/2 unit=GB*hours r=/a\n68/2 unit=Virtual core hours r=/b\n8/1 unit=Virtual core hours r=/c\n"
                      "16/1 r=/c\n32/1 r=/c\n" },
        { "location", "16/1 l=\n32/1 l=\n3/2 unit=GB*hours l=east\n76/3 unit=Virtual core hours l=west\n" },
        { "source", "3/2 unit=GB*hours source=Storage\n76/3 unit=Virtual core hours source=Compute\n"
                    "16/1 source=Other\n32/1 source=Other\n" },
        { "tag:cc", "8/1 unit=Virtual core hours\n32/1\n3/2 unit=GB*hours tag=1\n68/2 unit=Virtual core hours tag=2\n"
                    "16/1 tag=3\n" },
        { "tag:env,tag:CC", "8/1 unit=Virtual core hours\n32/1\n3/2 unit=GB*hours tag=1\n16/1 tag=3\n"
                            "68/2 unit=Virtual core hours tag=prod tag=2\n" },
        { "tag:none", "3/2 unit=GB*hours\n76/3 unit=Virtual core hours\n16/1\n32/1\n" },
    };
    struct meters *meters = summary_meters(f);
    const struct meter *cores = meters_find(meters, TEXT("fab6eb84500b4a09a8ca7358f8bbaea5"));
    assert_non_null(cores);
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct summary_query query = total_query();
        assert_ok(summary_read_group_by(text_of(cases[i].group_by), &query, NULL));
        assert_answer(f, &query, cases[i].expected);
    }
}

/* Named by tag, a record without the tag and one whose tag is empty are two groups, in an order that does not depend on
 * which was posted first. */
static void an_absent_tag_is_not_an_empty_one(void **state)
{
    static const struct sample with_first[] = {
        { NULL, NULL, "/x", NULL, NULL, "{\"cc\":\"\"}", NULL, NULL, "1" },
        { NULL, NULL, "/y", NULL, NULL, NULL, NULL, NULL, "2" },
    };
    static const struct sample with_last[] = {
        { NULL, NULL, "/x", NULL, NULL, "{\"cc\":null}", NULL, NULL, "2" }, /* says the same as leaving it out */
        { NULL, NULL, "/y", NULL, NULL, "{\"cc\":\"\"}", NULL, NULL, "1" },
    };
    struct usage_fixture *f = *state;
    struct summary_query query = total_query();
    assert_ok(summary_read_group_by(TEXT("tag:cc"), &query, NULL));
    post_samples(f, with_first, COUNT_OF(with_first));
    assert_answer(f, &query, "2/1 unit=Virtual core hours\n1/1 unit=Virtual core hours tag=\n");
    store_fixture_free(&f->base);
    store_fixture_make(&f->base);
    post_samples(f, with_last, COUNT_OF(with_last));
    assert_answer(f, &query, "2/1 unit=Virtual core hours\n1/1 unit=Virtual core hours tag=\n");
}

/* --- filters --- */

static void filters_keep_what_matches_all_of_them(void **state)
{
    struct usage_fixture *f = *state;
    post_samples(f, mixed, COUNT_OF(mixed));
    static const struct {
        const char *filter, *expected;
    } cases[] = {
        { "subscriptionId eq '00000000-0000-0000-0000-000000000001'",
          "3/2 unit=GB*hours\n68/2 unit=Virtual core hours\n" },
        { "subscriptionId eq '00000000-0000-0000-0000-000000000009'", "" },
        { "subscriptionId eq 'not a guid'", "" },
        { "meterId eq 'fab6eb84500b4a09a8ca7358f8bbaea5'", "76/3 unit=Virtual core hours\n" },
        { "meterId eq 'UNKNOWN-1'", "16/1\n" },
        { "resourceUri eq '/A'", "3/2 unit=GB*hours\n" },
        { "resourceUri eq '/none'", "" },
        { "source eq 'Compute'", "76/3 unit=Virtual core hours\n" },
        { "source eq 'compute'", "" },
        { "location eq 'west'", "76/3 unit=Virtual core hours\n" },
        { "location eq ''", "16/1\n32/1\n" },
        { "tag:cc eq '2'", "68/2 unit=Virtual core hours\n" },
        { "tag:cc eq '3'", "16/1\n" },
        { "tag:cc eq ''", "8/1 unit=Virtual core hours\n32/1\n" },
        { "tag:env eq 'prod' and tag:cc eq '2'", "68/2 unit=Virtual core hours\n" },
        { "tag:env eq 'prod' and tag:cc eq '1'", "" },
        { "source eq 'Compute' and source eq 'Storage'", "" },
        { "source eq 'Compute' and source eq 'Compute' and location eq 'west'", "76/3 unit=Virtual core hours\n" },
        { "location eq 'west' and subscription eq '00000000-0000-0000-0000-000000000002'",
          "8/1 unit=Virtual core hours\n" },
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct summary_query query = total_query();
        assert_ok(summary_read_filter(f->arena, text_of(cases[i].filter), &query, NULL));
        assert_answer(f, &query, cases[i].expected);
    }
    struct summary_query query = total_query();
    assert_ok(summary_read_group_by(TEXT("tag:env"), &query, NULL));
    assert_ok(summary_read_filter(f->arena, TEXT("tag:cc eq '2'"), &query, NULL));
    assert_answer(f, &query, "68/2 unit=Virtual core hours tag=prod\n");
}

/* --- time --- */

static const struct sample over_time[] = {
    { NULL, NULL, NULL, NULL, NULL, NULL, "2026-01-30T22:00:00Z", "2026-01-30T23:00:00Z", "1" },
    { NULL, NULL, NULL, NULL, NULL, NULL, "2026-01-30T23:00:00Z", "2026-01-31T01:00:00Z", "4" },
    { NULL, NULL, NULL, NULL, NULL, NULL, "2026-01-31T11:00:00Z", "2026-01-31T12:00:00Z", "8" },
};

static void both_axes_of_time(void **state)
{
    struct usage_fixture *f = *state; /* reported at 2026-01-31T12:30 */
    post_samples(f, over_time, COUNT_OF(over_time));
    static const struct {
        const char *from, *to;
        enum summary_granularity granularity;
        bool reported;
        const char *expected;
    } cases[] = {
        { "2026-01-30T00:00:00Z", "2026-02-01T00:00:00Z", SUMMARY_TOTAL, false, "13/3 unit=Virtual core hours\n" },
        { "2026-01-30T00:00:00Z", "2026-02-01T00:00:00Z", SUMMARY_DAILY, false,
          "2026-01-30 3/2 unit=Virtual core hours\n2026-01-31 10/1 unit=Virtual core hours\n" },
        { "2026-01-30T00:00:00Z", "2026-02-01T00:00:00Z", SUMMARY_HOURLY, false,
          "2026-01-30T22 1/1 unit=Virtual core hours\n2026-01-30T23 2/1 unit=Virtual core hours\n"
          "2026-01-31T00 2/0 unit=Virtual core hours\n2026-01-31T11 8/1 unit=Virtual core hours\n" },
        { "2026-01-30T23:00:00Z", "2026-01-31T11:00:00Z", SUMMARY_TOTAL, false, "4/1 unit=Virtual core hours\n" },
        { "2026-01-31T00:00:00Z", "2026-01-31T11:00:00Z", SUMMARY_HOURLY, false,
          "2026-01-31T00 2/0 unit=Virtual core hours\n" },
        { "2026-01-30T00:00:00Z", "2026-01-31T00:00:00Z", SUMMARY_DAILY, true, "" },
        { "2026-01-31T00:00:00Z", "2026-02-01T00:00:00Z", SUMMARY_DAILY, true,
          "2026-01-31 13/3 unit=Virtual core hours\n" },
        { "2026-01-31T12:00:00Z", "2026-01-31T13:00:00Z", SUMMARY_HOURLY, true,
          "2026-01-31T12 13/3 unit=Virtual core hours\n" },
        { "2026-01-31T12:00:00Z", "2026-01-31T12:00:00Z", SUMMARY_TOTAL, true, "" },
        { "1900-01-01T00:00:00Z", "2026-02-01T00:00:00Z", SUMMARY_TOTAL, false, "13/3 unit=Virtual core hours\n" },
        { "1900-01-01T00:00:00Z", "2026-02-01T00:00:00Z", SUMMARY_TOTAL, true, "13/3 unit=Virtual core hours\n" },
        { "1900-01-01T00:00:00Z", "1969-01-01T00:00:00Z", SUMMARY_TOTAL, false, "" },
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct summary_query query = summary_query_of(cases[i].from, cases[i].to, cases[i].granularity);
        query.reported_axis = cases[i].reported;
        assert_answer(f, &query, cases[i].expected);
    }
}

/* Usage that was reported just before it ended, and up to a day before in history, is still found by usage time. */
static void usage_reported_before_it_ended_is_found(void **state)
{
    struct usage_fixture *f = *state;
    struct post post = post_good();
    struct record_limits limits = usage_history_limits(f);
    post.start = "\"2025-06-02T00:00:00Z\"";
    post.end = "\"2025-06-02T00:59:59Z\"";
    post.reported = "\"2025-06-01T00:59:59Z\"";
    assert_verdict(usage_post_with(f, &limits, &post), VERDICT_ACCEPTED);
    clock_manual_set_wall(&f->base.clock, test_instant("2026-01-31T23:57:00Z"));
    post = post_good();
    post.id = "\"early\"";
    post.start = "\"2026-02-01T00:00:00Z\"";
    post.end = "\"2026-02-01T00:01:00Z\"";
    usage_post_accepted(f, &post);
    for (int g = SUMMARY_TOTAL; g <= SUMMARY_HOURLY; g++) {
        struct summary_query query =
            summary_query_of("2025-06-02T00:00:00Z", "2025-06-03T00:00:00Z", (enum summary_granularity)g);
        assert_int_equal(summary_read(f, summary_meters(f), &query).count, 1);
        query = summary_query_of("2026-02-01T00:00:00Z", "2026-02-02T00:00:00Z", (enum summary_granularity)g);
        assert_int_equal(summary_read(f, summary_meters(f), &query).count, 1);
    }
}

/* --- pages --- */

static struct summary *run(struct usage_fixture *f, struct kv_txn *txn, const struct meters *meters,
                           const struct summary_query *query)
{
    struct summary *summary;
    assert_ok(summary_run(f->base.store, txn, meters, query, &summary, NULL));
    return summary;
}

/* A reader walks by one row at a time; before each row other usage comes in, also such that makes new groups before and
 * after. What was there at the beginning is seen exactly once. */
static void positions_hold_while_usage_comes_in(void **state)
{
    enum { START = 30 };
    struct usage_fixture *f = *state;
    struct meters *meters = summary_meters(f);
    struct summary_query query = total_query();
    assert_ok(summary_read_group_by(TEXT("tag:t,location"), &query, NULL));
    int seen[START] = { 0 };
    uint8_t position[PAGE_POSITION_SIZE];
    for (int i = 0; i < START + 200; i++) {
        struct post post = post_good();
        post.id = arena_format(f->arena, "\"%d\"", i).ptr;
        int value = i < START ? i * 20 : (i * 7919) % (START * 20);
        post.tags = arena_format(f->arena, "{\"t\":\"%05d\"}", value).ptr;
        post.location = i % 2 == 0 ? "\"x\"" : NULL;
        usage_post_accepted(f, &post);
        if (i < START)
            continue;
        struct kv_txn *txn = store_fixture_read(&f->base);
        struct summary *summary = run(f, txn, meters, &query);
        size_t at = i == START ? 0 : summary_after(summary, position);
        struct summary_row row;
        if (at < summary_count(summary)) {
            unsigned long long number;
            assert_ok(summary_row(summary, at, &row));
            assert_true(text_to_u64(row.tags[0], &number));
            if (number % 20 == 0 && (row.location.len == 1) == (number / 20 % 2 == 0))
                seen[number / 20]++;
            memcpy(position, row.position, sizeof position);
        }
        summary_free(summary);
        store_read_end(txn);
    }
    for (int i = 0; i < START; i++)
        assert_int_equal(seen[i], 1);
}

static void an_unknown_position_ends_the_pages(void **state)
{
    struct usage_fixture *f = *state;
    post_samples(f, mixed, COUNT_OF(mixed));
    struct meters *meters = summary_meters(f);
    struct summary_query query = total_query();
    struct kv_txn *txn = store_fixture_read(&f->base);
    struct summary *summary = run(f, txn, meters, &query);
    static const uint8_t nowhere[PAGE_POSITION_SIZE];
    assert_int_equal(summary_after(summary, nowhere), summary_count(summary));
    summary_free(summary);
    summary_free(NULL);
    store_read_end(txn);
}

/* More groups, instances, meters and texts than the tables begin with. */
static void many_groups(void **state)
{
    enum { COUNT = 6000 };
    struct usage_fixture *f = *state;
    struct buffer body = { 0 };
    for (int i = 0; i < COUNT; i++) {
        char id[16], meter[16], tags[32];
        struct post post = post_good();
        (void)snprintf(id, sizeof id, "\"%d\"", i);
        (void)snprintf(meter, sizeof meter, "\"m%d\"", i % 500);
        (void)snprintf(tags, sizeof tags, "{\"t\":%d}", i % 3000);
        post.id = id;
        post.meter_id = meter;
        post.tags = tags;
        post.quantity = "1";
        post_write(&post, &body);
        buffer_append_char(&body, '\n');
    }
    (void)usage_ingest(f, INGEST_NDJSON, buffer_text(&body));
    buffer_free(&body);
    struct meters *meters = summary_meters(f);
    struct summary_query query = total_query();
    assert_int_equal(summary_read(f, meters, &query).count, 500); /* unknown meters stay apart */
    assert_ok(summary_read_group_by(TEXT("tag:t"), &query, NULL));
    assert_int_equal(summary_read(f, meters, &query).count, 3000);
    struct summary_rows rows = summary_read(f, meters, &query);
    for (size_t i = 0; i < rows.count; i++) {
        assert_sum(&rows.rows[i].quantity, "2");
        assert_true(i == 0 || text_compare(rows.rows[i - 1].tags[0], rows.rows[i].tags[0]) <= 0);
    }
}

TESTS(WITH_USAGE(different_units_are_never_added_up), WITH_USAGE(groups_by_each_member),
      WITH_USAGE(an_absent_tag_is_not_an_empty_one), WITH_USAGE(filters_keep_what_matches_all_of_them),
      WITH_USAGE(both_axes_of_time), WITH_USAGE(usage_reported_before_it_ended_is_found),
      WITH_USAGE(positions_hold_while_usage_comes_in), WITH_USAGE(an_unknown_position_ends_the_pages),
      WITH_USAGE(many_groups))
