/* Lists: which rows, in which order, summed how, page by page. */
#include "support/usage_fixture.h"

static void post_for(struct usage_fixture *f, const char *id, const char *subscription, const char *resource,
                     const char *quantity)
{
    struct post post = post_good();
    post.id = id;
    post.subscription_id = subscription;
    post.resource_uri = resource;
    post.quantity = quantity;
    usage_post_accepted(f, &post);
}

static struct listing_query window(const char *start, const char *end)
{
    return (struct listing_query){ .details = true, .start_ns = test_instant(start), .end_ns = test_instant(end) };
}

static void assert_row(const struct listing_row *row, const char *resource, const char *quantity, uint64_t records)
{
    char text[DECIMAL_TEXT_SIZE];
    decimal_sum_print(&row->quantity, text);
    assert_string_equal(text, quantity);
    assert_int_equal(row->records, records);
    assert_int_equal(row->has_instance, resource != NULL);
    if (resource != NULL)
        assert_text(row->instance.resource_uri, resource);
}

static void windows_are_of_reported_time_and_half_open(void **state)
{
    struct usage_fixture *f = *state; /* 12:30 */
    struct post post = post_good();
    usage_post_accepted(f, &post);
    struct listing_query query = window("2026-01-31T12:00:00Z", "2026-01-31T13:00:00Z");
    struct usage_rows rows = usage_list(f, &query);
    assert_int_equal(rows.count, 1);
    assert_int_equal(rows.rows[0].start_ns, test_instant("2026-01-31T11:00:00Z"));
    assert_int_equal(rows.rows[0].end_ns, test_instant("2026-01-31T12:00:00Z"));
    assert_text(rows.rows[0].meter_id, POST_METER);
    static const char *const others[][2] = { { "2026-01-31T11:00:00Z", "2026-01-31T12:00:00Z" },
                                             { "2026-01-31T13:00:00Z", "2026-01-31T14:00:00Z" },
                                             { "2026-01-31T12:00:00Z", "2026-01-31T12:00:00Z" },
                                             { "2026-01-31T13:00:00Z", "2026-01-31T11:00:00Z" } };
    for (size_t i = 0; i < COUNT_OF(others); i++) {
        query = window(others[i][0], others[i][1]);
        assert_int_equal(usage_list(f, &query).count, 0);
    }
}

/* Named case "Last hour of a period arrives after the period ended": it is in the window in which it was reported, under
 * its own usage hour, and the windows before it do not change. */
static void late_usage_appears_where_it_was_reported(void **state)
{
    struct usage_fixture *f = *state;
    struct post post = post_good();
    usage_post_accepted(f, &post);
    clock_manual_set_wall(&f->base.clock, test_instant("2026-02-02T09:10:00Z"));
    post.id = "\"late\"";
    post.quantity = "1";
    usage_post_accepted(f, &post);
    struct listing_query query = window("2026-01-01T00:00:00Z", "2026-02-01T00:00:00Z");
    query.daily = true;
    struct usage_rows january = usage_list(f, &query);
    assert_int_equal(january.count, 1);
    assert_row(&january.rows[0], POST_RESOURCE, "4.25", 1);
    query = window("2026-02-02T00:00:00Z", "2026-02-03T00:00:00Z");
    query.daily = true;
    struct usage_rows february = usage_list(f, &query);
    assert_int_equal(february.count, 1);
    assert_row(&february.rows[0], POST_RESOURCE, "1", 1);
    assert_int_equal(february.rows[0].start_ns, test_instant("2026-01-31T00:00:00Z"));
    query = window("2026-01-01T00:00:00Z", "2026-03-01T00:00:00Z");
    struct usage_rows both = usage_list(f, &query); /* one row: the same usage hour, meter and resource */
    assert_int_equal(both.count, 1);
    assert_row(&both.rows[0], POST_RESOURCE, "5.25", 2);
}

static void windows_may_begin_before_1970(void **state)
{
    struct usage_fixture *f = *state;
    struct post post = post_good();
    usage_post_accepted(f, &post);
    for (int daily = 0; daily < 2; daily++) {
        struct listing_query query = window("1900-01-01T00:00:00Z", "2026-02-01T00:00:00Z");
        query.daily = daily != 0;
        assert_int_equal(usage_list(f, &query).count, 1);
        query = window("1900-01-01T00:00:00Z", "1969-12-31T00:00:00Z");
        query.daily = daily != 0;
        assert_int_equal(usage_list(f, &query).count, 0);
    }
}

static void without_details_resources_are_summed(void **state)
{
    struct usage_fixture *f = *state;
    static const char s1[] = "\"00000000-0000-0000-0000-000000000001\"",
                      s2[] = "\"00000000-0000-0000-0000-000000000002\"";
    post_for(f, "\"1\"", s1, "\"/b\"", "1");
    post_for(f, "\"2\"", s1, "\"/a\"", "2");
    post_for(f, "\"3\"", s2, "\"/b\"", "4");
    post_for(f, "\"4\"", s1, "\"/B\"", "8"); /* the same resource */
    struct listing_query query = window("2026-01-31T12:00:00Z", "2026-01-31T13:00:00Z");
    struct usage_rows rows = usage_list(f, &query);
    assert_int_equal(rows.count, 3);
    assert_int_equal(rows.rows[0].subscription.bytes[15], 1);
    assert_int_equal(rows.rows[2].subscription.bytes[15], 2);
    assert_row(&rows.rows[1], "/a", "2", 1);
    assert_row(&rows.rows[2], "/b", "4", 1);
    assert_int_equal(rows.rows[0].records, 2);
    query.details = false;
    rows = usage_list(f, &query);
    assert_int_equal(rows.count, 2);
    assert_row(&rows.rows[0], NULL, "11", 3);
    assert_row(&rows.rows[1], NULL, "4", 1);
}

static void one_subscription_or_all_but_some(void **state)
{
    enum { SUBSCRIPTIONS = 6 };
    struct usage_fixture *f = *state;
    char subscription[48], id[16], quantity[16];
    for (int hour = 0; hour < 3; hour++) {
        for (int s = 1; s <= SUBSCRIPTIONS; s++) {
            (void)snprintf(subscription, sizeof subscription, "\"00000000-0000-0000-0000-00000000000%d\"", s);
            (void)snprintf(id, sizeof id, "\"%d-%d\"", hour, s);
            (void)snprintf(quantity, sizeof quantity, "%d", 1 << (3 * (s - 1)));
            post_for(f, id, subscription, "\"/r\"", quantity);
        }
        clock_manual_advance(&f->base.clock, NS_PER_HOUR);
    }
    for (unsigned mask = 0; mask < 1u << SUBSCRIPTIONS; mask++) { /* the dictionary's ids are 1 to SUBSCRIPTIONS */
        uint32_t excluded[SUBSCRIPTIONS];
        struct listing_query query = usage_everything(mask % 2 == 0);
        uint64_t expected = 0, total = 0;
        query.excluded = excluded;
        for (uint32_t s = 1; s <= SUBSCRIPTIONS; s++) {
            if ((mask & 1u << (s - 1)) != 0)
                excluded[query.excluded_count++] = s;
            else
                expected += 3 * (UINT64_C(1) << (3 * (s - 1)));
        }
        struct usage_rows rows = usage_list(f, &query);
        for (size_t i = 0; i < rows.count; i++) {
            char text[DECIMAL_TEXT_SIZE];
            unsigned long long value;
            decimal_sum_print(&rows.rows[i].quantity, text);
            assert_true(text_to_u64(text_of(text), &value));
            total += value;
        }
        assert_int_equal(total, expected);
    }
    for (int s = 0; s <= SUBSCRIPTIONS; s++) { /* 0 is one nobody has posted for */
        struct listing_query query = usage_everything(false);
        query.one_subscription = true;
        query.subscription.bytes[15] = (uint8_t)s;
        struct usage_rows rows = usage_list(f, &query);
        assert_int_equal(rows.count, s == 0 ? 0 : 1);
        if (s > 0)
            assert_int_equal(rows.rows[0].subscription.bytes[15], s);
        static const uint32_t third = 3;
        query.excluded = &third;
        query.excluded_count = 1;
        assert_int_equal(usage_list(f, &query).count, s == 0 || s == 3 ? 0 : 1);
    }
}

/* --- pages --- */

static void post_many(struct usage_fixture *f, int count, int resources)
{
    struct buffer body = { 0 };
    for (int i = 0; i < count; i++) {
        char id[16], resource[16], meter[16];
        struct post post = post_good();
        (void)snprintf(id, sizeof id, "\"%d\"", i);
        (void)snprintf(resource, sizeof resource, "\"/r%d\"", i % resources);
        (void)snprintf(meter, sizeof meter, "\"m%d\"", i / resources);
        post.id = id;
        post.resource_uri = resource;
        post.meter_id = meter;
        post.quantity = "1";
        buffer_append_char(&body, i == 0 ? '[' : ',');
        post_write(&post, &body);
    }
    buffer_append_char(&body, ']');
    struct ingest_counts counts = ingest_counts(usage_ingest(f, INGEST_JSON, buffer_text(&body)));
    assert_int_equal(counts.accepted, count);
    buffer_free(&body);
}

static void pages_have_1000_rows(void **state)
{
    struct usage_fixture *f = *state;
    static const struct {
        int more;
        size_t pages;
    } steps[] = { { 1000, 1 }, { 1, 2 }, { 999, 2 }, { 500, 3 } };
    int count = 0;
    for (size_t i = 0; i < COUNT_OF(steps); i++) {
        count += steps[i].more;
        store_fixture_free(&f->base);
        store_fixture_make(&f->base);
        post_many(f, count, 7000);
        struct listing_query query = usage_everything(false);
        struct usage_rows rows = usage_list(f, &query);
        assert_int_equal(rows.count, count);
        assert_int_equal(rows.pages, steps[i].pages);
        for (int r = 0; r < count; r++) { /* ids were given in this order */
            char resource[16];
            (void)snprintf(resource, sizeof resource, "/r%d", r);
            assert_row(&rows.rows[r], resource, "1", 1);
        }
    }
}

/* A page may end on any row, also where many rows of resources make one. */
static void pages_without_details_end_between_rows(void **state)
{
    struct usage_fixture *f = *state;
    post_many(f, 2500, 2); /* 1250 meters with two resources each */
    struct listing_query query = usage_everything(true);
    query.details = false;
    struct usage_rows rows = usage_list(f, &query);
    assert_int_equal(rows.count, 1250);
    assert_int_equal(rows.pages, 2);
    for (size_t i = 0; i < rows.count; i++)
        assert_row(&rows.rows[i], NULL, "2", 2);
}

static err_t stop_at_third(void *context, const struct listing_row *row)
{
    (void)row;
    return ++*(int *)context == 3 ? ERROR_CANCELLED : ERROR_OK;
}

static void whoever_takes_the_rows_may_stop(void **state)
{
    struct usage_fixture *f = *state;
    post_many(f, 10, 10);
    struct listing_query query = usage_everything(false);
    struct listing_position position = { 0 };
    struct kv_txn *txn = store_fixture_read(&f->base);
    bool more;
    int seen = 0;
    assert_error(listing_page(f->base.store, txn, f->arena, &query, &position, stop_at_third, &seen, &more),
                 ERROR_CANCELLED);
    assert_int_equal(seen, 3);
    store_read_end(txn);
}

/* Usage reported in more hours than a page may merge asks for a narrower window; history makes so many at once. */
static void a_window_has_a_bounded_number_of_buckets(void **state)
{
    struct usage_fixture *f = *state;
    struct buffer body = { 0 };
    int64_t first_ns = test_instant("2000-01-02T00:00:00Z");
    for (int i = 0; i <= LISTING_BUCKETS_MAX; i++) {
        char id[16], reported[48], time[INSTANT_TEXT_SIZE];
        struct post post = post_good();
        (void)snprintf(id, sizeof id, "\"%d\"", i);
        instant_print(first_ns + i * NS_PER_HOUR, time);
        (void)snprintf(reported, sizeof reported, "\"%s\"", time);
        post.id = id;
        post.start = "\"2000-01-01T00:00:00Z\"";
        post.end = "\"2000-01-01T01:00:00Z\"";
        post.reported = reported;
        post_write(&post, &body);
        buffer_append_char(&body, '\n');
    }
    struct record_limits limits = usage_history_limits(f);
    struct ingest_batch *batch = usage_ingest_with(f, &limits, INGEST_NDJSON, buffer_text(&body));
    buffer_free(&body);
    assert_int_equal(ingest_counts(batch).accepted, LISTING_BUCKETS_MAX + 1);
    struct listing_query query = { .details = true,
                                   .start_ns = first_ns,
                                   .end_ns = first_ns + LISTING_BUCKETS_MAX * NS_PER_HOUR };
    struct usage_rows rows = usage_list(f, &query);
    assert_int_equal(rows.count, 1);
    assert_int_equal(rows.rows[0].records, LISTING_BUCKETS_MAX);
    query.end_ns += NS_PER_HOUR;
    struct listing_position position = { 0 };
    struct kv_txn *txn = store_fixture_read(&f->base);
    bool more;
    assert_error(listing_page(f->base.store, txn, f->arena, &query, &position, usage_take_row, &rows, &more),
                 ERROR_INVALID_PROPERTY);
    store_read_end(txn);
}

/* --- instance data --- */

static void the_newest_report_describes_the_row(void **state)
{
    struct usage_fixture *f = *state;
    struct post post = post_good();
    post.tags = "{\"v\":\"old\"}";
    usage_post_accepted(f, &post);
    clock_manual_advance(&f->base.clock, NS_PER_HOUR);
    post.id = "\"second\"";
    post.tags = "{\"v\":\"new\"}";
    usage_post_accepted(f, &post);
    for (int daily = 0; daily < 2; daily++) {
        struct listing_query query = usage_everything(daily != 0);
        struct usage_rows rows = usage_list(f, &query);
        assert_int_equal(rows.count, 1);
        assert_text(rows.rows[0].instance.tags, "{\"v\":\"new\"}");
        assert_row(&rows.rows[0], POST_RESOURCE, "8.5", 2);
    }
}

static void assert_instance_data(const struct instance *instance, const char *expected)
{
    struct buffer out = { 0 };
    listing_write_instance_data(instance, &out);
    assert_text(buffer_text(&out), expected);
    buffer_free(&out);
}

static void instance_data_is_text_in_text(void **state)
{
    (void)state;
    assert_instance_data(&(struct instance){ .resource_uri = TEXT("/r"), .location = TEXT("east") },
                         "{\"Microsoft.Resources\":{\"resourceUri\":\"/r\",\"location\":\"east\",\"tags\":\"\","
                         "\"additionalInfo\":\"\"}}");
    assert_instance_data(&(struct instance){ .resource_uri = TEXT("/r\"\\"),
                                             .location = TEXT(""),
                                             .tags = TEXT("{\"a\":\"b\"}"),
                                             .additional_info = TEXT("null"),
                                             .additional_info_is_string = true },
                         "{\"Microsoft.Resources\":{\"resourceUri\":\"/r\\\"\\\\\",\"location\":\"\","
                         "\"tags\":\"{\\\"a\\\":\\\"b\\\"}\",\"additionalInfo\":\"null\"}}");
}

/* A row whose names are gone is damage, not an empty answer. */
static void a_row_without_its_names_is_corruption(void **state)
{
    struct usage_fixture *f = *state;
    struct post post = post_good();
    usage_post_accepted(f, &post);
    store_close(f->base.store);
    struct kv *kv;
    struct kv_txn *txn;
    struct kv_options options = { .folder = f->base.folder.path, .map_size_bytes = (size_t)1 << 28 };
    uint8_t key[DICTIONARY_TEXT_KEY_SIZE] = { DICTIONARY_METER, 0, 0, 0, 1 };
    assert_ok(kv_open(&options, &kv, NULL));
    assert_ok(kv_write_begin(kv, &txn));
    assert_ok(kv_delete(txn, KV_DICTIONARY_TEXT, BYTES(key)));
    assert_ok(kv_commit(txn));
    kv_close(kv);
    store_fixture_open(&f->base);
    struct listing_query query = usage_everything(false);
    struct listing_position position = { 0 };
    struct usage_rows rows = { .fixture = f };
    bool more;
    txn = store_fixture_read(&f->base);
    assert_error(listing_page(f->base.store, txn, f->arena, &query, &position, usage_take_row, &rows, &more),
                 ERROR_STORE_CORRUPT);
    store_read_end(txn);
}

TESTS(WITH_USAGE(windows_are_of_reported_time_and_half_open), WITH_USAGE(late_usage_appears_where_it_was_reported),
      WITH_USAGE(windows_may_begin_before_1970), WITH_USAGE(without_details_resources_are_summed),
      WITH_USAGE(one_subscription_or_all_but_some), WITH_USAGE(pages_have_1000_rows),
      WITH_USAGE(pages_without_details_end_between_rows), WITH_USAGE(whoever_takes_the_rows_may_stop),
      WITH_USAGE(a_window_has_a_bounded_number_of_buckets), WITH_USAGE(the_newest_report_describes_the_row),
      cmocka_unit_test(instance_data_is_text_in_text), WITH_USAGE(a_row_without_its_names_is_corruption))
