/* What must not change the totals: order, repeats, the size of batches, delays, restarts. What must fit together:
 * windows and pages. */
#include "support/usage_fixture.h"

#include "usage/page_token.h"

#define RECORDS 300

/* --- the same records, delivered in different ways --- */

struct delivery {
    const char *name;
    bool shuffled, reversed, repeated, delayed, restarted;
    int batch_max; /* 0: one at a time */
};

static void make_records(struct usage_fixture *f, struct prng *prng, struct text records[RECORDS])
{
    int64_t end_ns = test_instant("2026-01-31T12:00:00Z");
    for (int i = 0; i < RECORDS; i++) {
        struct post post = post_good();
        int64_t to_ns = end_ns - (int64_t)prng_below(prng, 40 * 24) * NS_PER_HOUR;
        int64_t length_ns =
            prng_below(prng, 6) == 0 ? (int64_t)(1 + prng_below(prng, 400)) * NS_PER_HOUR / 7 : NS_PER_HOUR;
        char from[INSTANT_TEXT_SIZE], to[INSTANT_TEXT_SIZE];
        instant_print(to_ns - length_ns, from);
        instant_print(to_ns, to);
        post.id = arena_format(f->arena, "\"%d\"", i).ptr;
        post.start = arena_format(f->arena, "\"%s\"", from).ptr;
        post.end = arena_format(f->arena, "\"%s\"", to).ptr;
        post.quantity = arena_format(f->arena, "%llu.%09llu", (unsigned long long)prng_below(prng, 100000),
                                     (unsigned long long)prng_below(prng, 1000000000))
                            .ptr;
        post.resource_uri = arena_format(f->arena, "\"/r%d\"", (int)prng_below(prng, 12)).ptr;
        post.subscription_id =
            arena_format(f->arena, "\"00000000-0000-0000-0000-00000000000%d\"", (int)prng_below(prng, 4)).ptr;
        records[i] = usage_post_text(f, &post);
    }
}

/* Rows of the whole store by usage hour, without what depends on the order of arrival: sorted lines. */
static int compare_lines(const void *a, const void *b)
{
    const char *const *left = a, *const *right = b;
    return strcmp(*left, *right);
}

static struct text totals_of(struct usage_fixture *f, bool daily)
{
    struct listing_query query = usage_everything(daily);
    struct usage_rows rows = usage_list(f, &query);
    const char **lines = arena_array(f->arena, rows.count + 1, sizeof *lines);
    struct buffer out = { 0 };
    assert_non_null(lines);
    for (size_t i = 0; i < rows.count; i++) {
        char quantity[DECIMAL_TEXT_SIZE], guid[GUID_TEXT_SIZE];
        decimal_sum_print(&rows.rows[i].quantity, quantity);
        guid_print(&rows.rows[i].subscription, guid);
        lines[i] = arena_format(f->arena, "%s %lld %.*s %s %llu\n", guid, (long long)rows.rows[i].start_ns,
                                TEXT_ARGS(rows.rows[i].instance.resource_uri), quantity,
                                (unsigned long long)rows.rows[i].records)
                       .ptr;
    }
    qsort(lines, rows.count, sizeof *lines, compare_lines);
    for (size_t i = 0; i < rows.count; i++)
        buffer_append_text(&out, text_of(lines[i]));
    struct text totals = usage_copy(f, buffer_text(&out));
    buffer_free(&out);
    return totals;
}

static void deliver(struct usage_fixture *f, struct prng *prng, const struct text records[RECORDS],
                    const struct delivery *how)
{
    struct text queue[2 * RECORDS];
    size_t count = 0;
    for (size_t i = 0; i < RECORDS; i++) {
        queue[count++] = records[how->reversed ? RECORDS - 1 - i : i];
        if (how->repeated && prng_below(prng, 2) == 0)
            queue[count++] = records[prng_below(prng, RECORDS)];
    }
    for (size_t i = count; how->shuffled && i > 1; i--) {
        size_t other = prng_below(prng, i);
        struct text keep = queue[i - 1];
        queue[i - 1] = queue[other];
        queue[other] = keep;
    }
    for (size_t at = 0; at < count;) {
        struct record_limits limits = usage_limits(f);
        struct ingest_batch *batch = usage_batch(f, &limits);
        size_t size = how->batch_max > 1 ? 1 + prng_below(prng, (uint64_t)how->batch_max) : 1;
        for (; size > 0 && at < count; size--)
            assert_ok(ingest_add(batch, queue[at++], NULL));
        assert_ok(ingest_submit(batch, f->base.store, NULL));
        assert_int_equal(ingest_counts(batch).conflict + ingest_counts(batch).rejected, 0);
        if (how->delayed)
            clock_manual_advance(&f->base.clock, (int64_t)prng_below(prng, 20 * NS_PER_HOUR));
        if (how->restarted && prng_below(prng, 20) == 0)
            store_fixture_reopen(&f->base);
    }
}

/* Named case "Records arrive in reverse" among others. */
static void however_records_arrive_the_totals_are_the_same(void **state)
{
    static const struct delivery deliveries[] = {
        { .name = "in one batch", .batch_max = 100000 },
        { .name = "one by one" },
        { .name = "in reverse", .reversed = true, .batch_max = 30 },
        { .name = "shuffled", .shuffled = true, .batch_max = 50 },
        { .name = "repeated", .repeated = true, .batch_max = 40 },
        { .name = "delayed", .delayed = true, .batch_max = 10 },
        { .name = "with restarts", .restarted = true, .batch_max = 10 },
        { .name = "everything at once",
          .shuffled = true,
          .reversed = true,
          .repeated = true,
          .delayed = true,
          .restarted = true,
          .batch_max = 15 },
    };
    struct usage_fixture *f = *state;
    struct prng prng = test_prng("unit-usage-properties");
    struct text records[RECORDS], expected[2] = { TEXT_NONE, TEXT_NONE };
    make_records(f, &prng, records);
    for (size_t d = 0; d < COUNT_OF(deliveries); d++) {
        store_fixture_free(&f->base);
        store_fixture_make(&f->base);
        deliver(f, &prng, records, &deliveries[d]);
        assert_int_equal(store_fixture_state(&f->base).records, RECORDS);
        for (int daily = 0; daily < 2; daily++) {
            struct text totals = totals_of(f, daily != 0);
            if (d == 0)
                expected[daily] = totals;
            else if (!text_equal(totals, expected[daily]))
                fail_msg("delivered %s, the totals differ", deliveries[d].name);
        }
    }
}

/* --- windows --- */

/* Usage that trickles in over days; contiguous windows of any size together hold every record exactly once. */
static void contiguous_windows_partition_the_records(void **state)
{
    struct usage_fixture *f = *state;
    struct prng prng = test_prng("unit-usage-properties");
    struct text records[RECORDS];
    make_records(f, &prng, records);
    int64_t begin_ns = test_instant("2026-01-31T00:00:00Z");
    deliver(f, &prng, records, &(struct delivery){ .name = "delayed", .delayed = true, .batch_max = 3 });
    int64_t end_ns = store_now_ns(f->base.store) + 2 * NS_PER_DAY;
    struct listing_query whole = { .details = true, .start_ns = begin_ns, .end_ns = end_ns - end_ns % NS_PER_DAY };
    for (int daily = 0; daily < 2; daily++) {
        char expected[DECIMAL_TEXT_SIZE], total[DECIMAL_TEXT_SIZE];
        uint64_t expected_records, counted = 0;
        struct decimal_sum sum = { { 0 } };
        int64_t unit_ns = daily != 0 ? NS_PER_DAY : NS_PER_HOUR;
        whole.daily = daily != 0;
        struct usage_rows all = usage_list(f, &whole);
        usage_total(&all, expected, &expected_records);
        assert_int_equal(expected_records, RECORDS);
        for (int64_t at_ns = whole.start_ns; at_ns < whole.end_ns;) {
            struct listing_query window = whole;
            window.start_ns = at_ns;
            at_ns += (int64_t)(1 + prng_below(&prng, 30)) * unit_ns;
            window.end_ns = at_ns < whole.end_ns ? at_ns : whole.end_ns;
            struct usage_rows part = usage_list(f, &window);
            for (size_t i = 0; i < part.count; i++) {
                decimal_sum_add_sum(&sum, &part.rows[i].quantity);
                counted += part.rows[i].records;
            }
        }
        decimal_sum_print(&sum, total);
        assert_string_equal(total, expected);
        assert_int_equal(counted, RECORDS);
    }
}

/* --- pages --- */

static void post_rows(struct usage_fixture *f, const char *prefix, int count)
{
    struct buffer body = { 0 };
    for (int i = 0; i < count; i++) {
        struct post post = post_good();
        post.id = arena_format(f->arena, "\"%s-%d\"", prefix, i).ptr;
        post.resource_uri = arena_format(f->arena, "\"/%s/%d\"", prefix, i % 1700).ptr;
        post.meter_id = arena_format(f->arena, "\"m%d\"", i / 1700).ptr;
        post.subscription_id = arena_format(f->arena, "\"00000000-0000-0000-0000-00000000000%d\"", i % 3).ptr;
        post_write(&post, &body);
        buffer_append_char(&body, '\n');
    }
    (void)usage_ingest(f, INGEST_NDJSON, buffer_text(&body));
    buffer_free(&body);
}

/* A position as it travels: into a token and out of it again, by a store that was closed in between. */
static void carry_position(struct usage_fixture *f, struct listing_position *position, bool reopen)
{
    static const struct hash128 scope = { { 7 } };
    uint8_t bytes[PAGE_POSITION_SIZE];
    char token[PAGE_TOKEN_TEXT_SIZE];
    _Static_assert(sizeof *position == sizeof bytes, "a position fits a token");
    memcpy(bytes, position, sizeof bytes);
    page_token_make(store_hash_key(f->base.store), &scope, bytes, token);
    if (reopen)
        store_fixture_reopen(&f->base);
    memset(bytes, 0, sizeof bytes);
    assert_ok(page_token_read(store_hash_key(f->base.store), &scope, text_of(token), bytes));
    memcpy(position, bytes, sizeof bytes);
}

static void assert_same_rows(const struct usage_rows *a, const struct usage_rows *b)
{
    assert_int_equal(a->count, b->count);
    for (size_t i = 0; i < a->count; i++) {
        assert_true(guid_equal(&a->rows[i].subscription, &b->rows[i].subscription));
        assert_true(text_equal(a->rows[i].meter_id, b->rows[i].meter_id));
        assert_true(text_equal(a->rows[i].instance.resource_uri, b->rows[i].instance.resource_uri));
        assert_int_equal(a->rows[i].start_ns, b->rows[i].start_ns);
        assert_int_equal(decimal_sum_compare(&a->rows[i].quantity, &b->rows[i].quantity), 0);
        assert_int_equal(a->rows[i].records, b->rows[i].records);
    }
}

/* A window that has ended gives the same pages whatever is written between them and whoever restarts: no row twice,
 * none left out. */
static void pages_neither_skip_nor_repeat_while_writes_go_on(void **state)
{
    struct usage_fixture *f = *state;
    for (int hour = 0; hour < 3; hour++) {
        post_rows(f, arena_format(f->arena, "h%d", hour).ptr, 2400);
        clock_manual_advance(&f->base.clock, NS_PER_HOUR);
    }
    for (int variant = 0; variant < 8; variant++) {
        struct listing_query query = { .daily = false,
                                       .details = variant % 2 == 0,
                                       .start_ns = test_instant("2026-01-31T12:00:00Z"),
                                       .end_ns = test_instant("2026-01-31T15:00:00Z") };
        if (variant >= 4) {
            query.one_subscription = true;
            query.subscription.bytes[15] = (uint8_t)(variant % 3);
        }
        struct usage_rows expected = usage_list(f, &query), paged = { .fixture = f };
        struct listing_position position = { 0 };
        for (int page = 0; usage_list_page(&paged, &query, &position); page++) {
            post_rows(f, arena_format(f->arena, "w%d-%d", variant, page).ptr, 50); /* late usage of the same hours */
            post_rows(f, "h0", 20);                                                /* and duplicates */
            carry_position(f, &position, page % 2 == 1);
        }
        assert_same_rows(&paged, &expected);
        assert_true(query.one_subscription || !query.details || paged.pages >= 7);
    }
}

/* In a window that is still open, rows that were there when the reader began are seen exactly once. */
static void pages_of_an_open_window_lose_nothing(void **state)
{
    struct usage_fixture *f = *state;
    post_rows(f, "first", 3500);
    struct listing_query query = usage_everything(false);
    struct usage_rows before = usage_list(f, &query), paged = { .fixture = f };
    struct listing_position position = { 0 };
    for (int page = 0; usage_list_page(&paged, &query, &position); page++)
        post_rows(f, arena_format(f->arena, "more%d", page).ptr, 300);
    size_t at = 0;
    for (size_t i = 0; i < paged.count && at < before.count; i++) {
        if (i > 0 && text_equal(paged.rows[i].instance.resource_uri, paged.rows[i - 1].instance.resource_uri))
            assert_false(text_equal(paged.rows[i].meter_id, paged.rows[i - 1].meter_id) &&
                         guid_equal(&paged.rows[i].subscription, &paged.rows[i - 1].subscription));
        if (guid_equal(&paged.rows[i].subscription, &before.rows[at].subscription) &&
            text_equal(paged.rows[i].meter_id, before.rows[at].meter_id) &&
            text_equal(paged.rows[i].instance.resource_uri, before.rows[at].instance.resource_uri))
            at++;
    }
    assert_int_equal(at, before.count);
}

TESTS(WITH_USAGE(however_records_arrive_the_totals_are_the_same), WITH_USAGE(contiguous_windows_partition_the_records),
      WITH_USAGE(pages_neither_skip_nor_repeat_while_writes_go_on), WITH_USAGE(pages_of_an_open_window_lose_nothing))
