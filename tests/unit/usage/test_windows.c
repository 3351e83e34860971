/* Lists over many buckets: each record in exactly one window and on exactly one page, whatever is posted meanwhile. */
#include "support/usage_fixture.h"

#include "base/crypto.h"

enum { RECORDS_MAX = 4000 };

/* Records with a resource of their own each, so that a row is a record. */
struct stretch {
    struct usage_fixture *f;
    struct prng prng;
    int count;
    int64_t reported_ns[RECORDS_MAX];
    uint8_t subscription[RECORDS_MAX];
    int64_t start_ns[RECORDS_MAX];
};

static void put_time(char out[48], int64_t instant_ns)
{
    char text[INSTANT_TEXT_SIZE];
    instant_print(instant_ns, text);
    (void)snprintf(out, 48, "\"%s\"", text);
}

/* One record of one hour; late by up to 'late_hours'. history: with that reported time, else now. */
static void append_record(struct stretch *s, struct buffer *body, int64_t reported_ns, int late_hours,
                          int subscriptions, bool history)
{
    char id[16], resource[16], subscription[48], start[48], end[48], reported[48];
    struct post post = post_good();
    int i = s->count++;
    assert_true(i < RECORDS_MAX);
    s->reported_ns[i] = reported_ns;
    s->subscription[i] = (uint8_t)(1 + prng_below(&s->prng, (uint64_t)subscriptions));
    s->start_ns[i] = reported_ns / NS_PER_HOUR * NS_PER_HOUR -
                     (int64_t)(1 + prng_below(&s->prng, (uint64_t)late_hours)) * NS_PER_HOUR;
    (void)snprintf(id, sizeof id, "\"%d\"", i);
    (void)snprintf(resource, sizeof resource, "\"/r%d\"", i);
    (void)snprintf(subscription, sizeof subscription, "\"00000000-0000-0000-0000-0000000000%02x\"", s->subscription[i]);
    put_time(start, s->start_ns[i]);
    put_time(end, s->start_ns[i] + NS_PER_HOUR);
    put_time(reported, reported_ns);
    post.id = id;
    post.resource_uri = resource;
    post.subscription_id = subscription;
    post.start = start;
    post.end = end;
    post.quantity = "1";
    post.reported = history ? reported : NULL;
    post_write(&post, body);
    buffer_append_char(body, '\n');
}

static void post_all(struct stretch *s, struct buffer *body, bool history)
{
    struct record_limits limits = history ? usage_history_limits(s->f) : usage_limits(s->f);
    struct ingest_batch *batch = usage_ingest_with(s->f, &limits, INGEST_NDJSON, buffer_text(body));
    assert_int_equal(ingest_counts(batch).accepted, batch->count);
    buffer_free(body);
}

static void make_history(struct stretch *s, struct usage_fixture *f, int count, int hours, int subscriptions)
{
    struct buffer body = { 0 };
    int64_t first_ns = test_instant("2025-06-01T00:00:00Z");
    *s = (struct stretch){ .f = f, .prng = test_prng("unit-usage-windows") };
    for (int i = 0; i < count; i++)
        append_record(s, &body, first_ns + (int64_t)prng_below(&s->prng, (uint64_t)hours) * NS_PER_HOUR, 30,
                      subscriptions, true);
    post_all(s, &body, true);
}

static int number_of(const struct listing_row *row)
{
    unsigned long long number;
    assert_int_equal(row->records, 1);
    assert_true(
        text_to_u64((struct text){ row->instance.resource_uri.ptr + 2, row->instance.resource_uri.len - 2 }, &number));
    return (int)number;
}

/* Rows are where their records belong, in order; counts each record. */
static void check_rows(const struct stretch *s, const struct usage_rows *rows, const struct listing_query *query,
                       uint8_t *seen)
{
    int64_t unit_ns = query->daily ? NS_PER_DAY : NS_PER_HOUR;
    for (size_t i = 0; i < rows->count; i++) {
        const struct listing_row *row = &rows->rows[i];
        int number = number_of(row);
        assert_true(s->reported_ns[number] >= query->start_ns && s->reported_ns[number] < query->end_ns);
        assert_int_equal(row->start_ns, s->start_ns[number] / unit_ns * unit_ns);
        assert_int_equal(row->subscription.bytes[15], s->subscription[number]);
        seen[number]++;
        if (i > 0 && row->subscription_number == rows->rows[i - 1].subscription_number)
            assert_true(row->start_ns >= rows->rows[i - 1].start_ns);
        else if (i > 0)
            assert_true(row->subscription_number > rows->rows[i - 1].subscription_number);
    }
}

static void promise_contiguous_windows_return_every_record_once(void **state)
{
    struct stretch *s = malloc(sizeof *s);
    make_history(s, *state, 1500, 24 * 60, 4);
    int64_t end_ns = test_instant("2025-08-01T00:00:00Z");
    for (int round = 0; round < 8; round++) {
        uint8_t seen[RECORDS_MAX] = { 0 };
        struct listing_query query = { .daily = round % 2 == 1, .details = true };
        int64_t unit_ns = query.daily ? NS_PER_DAY : NS_PER_HOUR;
        int64_t at_ns = test_instant("2025-05-31T00:00:00Z");
        while (at_ns < end_ns) {
            uint64_t most = prng_below(&s->prng, 3) == 0 ? 300 : 20;
            query.start_ns = at_ns;
            query.end_ns = at_ns + (int64_t)(1 + prng_below(&s->prng, most)) * unit_ns;
            struct usage_rows rows = usage_list(s->f, &query);
            check_rows(s, &rows, &query, seen);
            at_ns = query.end_ns;
        }
        for (int i = 0; i < s->count; i++)
            assert_int_equal(seen[i], 1);
    }
    free(s);
}

/* More buckets than get a cursor of their own (listing_merge.c), and windows of one subscription: both those that are
 * looked into bucket by bucket and those that are too long for that. */
static void a_window_of_many_buckets_is_read_whole(void **state)
{
    enum { SUBSCRIPTIONS = 3, HOURS = 1100 };
    struct stretch *s = malloc(sizeof *s);
    make_history(s, *state, 3000, HOURS, SUBSCRIPTIONS);
    for (int all_time = 0; all_time < 2; all_time++) {
        struct listing_query query = usage_everything(false);
        uint8_t seen[RECORDS_MAX] = { 0 };
        if (all_time == 0) {
            query.start_ns = test_instant("2025-06-01T00:00:00Z");
            query.end_ns = query.start_ns + HOURS * NS_PER_HOUR;
        }
        struct usage_rows rows = usage_list(s->f, &query);
        assert_int_equal(rows.pages, 3);
        check_rows(s, &rows, &query, seen);
        query.one_subscription = true;
        for (uint8_t subscription = 1; subscription <= SUBSCRIPTIONS; subscription++) {
            query.subscription.bytes[15] = subscription;
            rows = usage_list(s->f, &query);
            for (size_t i = 0; i < rows.count; i++)
                assert_int_equal(rows.rows[i].subscription.bytes[15], subscription);
            check_rows(s, &rows, &query, seen);
        }
        for (int i = 0; i < s->count; i++)
            assert_int_equal(seen[i], 2);
    }
    free(s);
}

/* Pages of a window that has ended, with usage coming in between any two of them: the same subscriptions and usage
 * hours, but reported later. */
static void promise_paging_under_writes_neither_skips_nor_repeats(void **state)
{
    struct usage_fixture *f = *state;
    struct stretch *s = malloc(sizeof *s);
    make_history(s, f, 2500, 24 * 40, 5);
    int before = s->count;
    for (int daily = 0; daily < 2; daily++) {
        uint8_t seen[RECORDS_MAX] = { 0 };
        struct listing_query query = { .daily = daily != 0, .details = true };
        query.start_ns = test_instant("2025-06-01T00:00:00Z");
        query.end_ns = test_instant("2025-08-01T00:00:00Z");
        struct usage_rows rows = { .fixture = f };
        struct listing_position position = { 0 };
        while (usage_list_page(&rows, &query, &position)) {
            struct buffer body = { 0 };
            for (int i = 0; i < 200; i++)
                append_record(s, &body, store_now_ns(f->base.store), 24 * 300, 5, false);
            post_all(s, &body, false);
            clock_manual_advance(&f->base.clock, (int64_t)prng_below(&s->prng, 2 * NS_PER_HOUR));
        }
        check_rows(s, &rows, &query, seen);
        for (int i = 0; i < s->count; i++)
            assert_int_equal(seen[i], i < before);
    }
    free(s);
}

/* --- what a caller may not see --- */

static err_t shows_even(void *context, struct kv_txn *txn, const struct guid *subscription, int64_t time_ns,
                        int64_t *from_ns, int64_t *to_ns)
{
    assert_non_null(txn);
    ++*(int *)context;
    *from_ns = subscription->bytes[15] % 2 == 0 ? time_ns : INT64_MAX;
    *to_ns = INT64_MAX;
    return ERROR_OK;
}

static void hidden_subscriptions_are_asked_about_once_a_page(void **state)
{
    enum { SUBSCRIPTIONS = 9 };
    struct stretch *s = malloc(sizeof *s);
    make_history(s, *state, 900, 300, SUBSCRIPTIONS);
    int asked = 0;
    struct listing_query query = usage_everything(false);
    query.shows = shows_even;
    query.shows_context = &asked;
    uint8_t seen[RECORDS_MAX] = { 0 };
    struct usage_rows rows = usage_list(s->f, &query);
    assert_int_equal(rows.pages, 1);
    assert_int_equal(asked, SUBSCRIPTIONS);
    check_rows(s, &rows, &query, seen);
    for (int i = 0; i < s->count; i++)
        assert_int_equal(seen[i], s->subscription[i] % 2 == 0);
    free(s);
}

TESTS(WITH_USAGE(promise_contiguous_windows_return_every_record_once),
      WITH_USAGE(a_window_of_many_buckets_is_read_whole),
      WITH_USAGE(promise_paging_under_writes_neither_skips_nor_repeats),
      WITH_USAGE(hidden_subscriptions_are_asked_about_once_a_page))
