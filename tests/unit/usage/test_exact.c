/* Promise 4: quantities are exact from the post to every sum. Promise 5: records, hours and days agree. */
#include "support/summary_fixture.h"

#include "store/journal.h"
#include "usage/split_vectors.h"

#define LARGEST "999999999999999999999999999.999999999999999999999999999999"

/* --- splitting --- */

static struct decimal decimal_of(const char *text)
{
    struct decimal value;
    assert_ok(decimal_parse(text_of(text), &value));
    return value;
}

static void assert_decimal(const struct decimal *value, const char *expected)
{
    char text[DECIMAL_TEXT_SIZE];
    decimal_print(value, text);
    assert_string_equal(text, expected);
}

static void promise_4_shares_are_those_of_an_independent_computation(void **state)
{
    struct usage_fixture *f = *state;
    for (size_t i = 0; i < COUNT_OF(split_vectors); i++) {
        struct decimal quantity = decimal_of(split_vectors[i].quantity), sum = { { 0 } };
        size_t count;
        const struct write_share *shares = record_split(f->arena, test_instant(split_vectors[i].start),
                                                        test_instant(split_vectors[i].end), &quantity, &count);
        assert_non_null(shares);
        assert_int_equal(count, split_vectors[i].count);
        size_t checked = 0;
        for (size_t s = 0; s < count; s++) {
            assert_int_equal(shares[s].hour, shares[0].hour + s);
            assert_true(decimal_add(&sum, &shares[s].quantity, &sum));
            const struct split_share *expected = &split_vectors[i].shares[checked];
            if (expected->quantity == NULL || checked == COUNT_OF(split_vectors[i].shares) ||
                expected->hour != shares[s].hour)
                continue;
            assert_decimal(&shares[s].quantity, expected->quantity);
            checked++;
        }
        assert_true(checked == COUNT_OF(split_vectors[i].shares) || split_vectors[i].shares[checked].quantity == NULL);
        assert_int_equal(decimal_compare(&sum, &quantity), 0);
    }
}

#define DIGITS 80

/* floor(value * numerator / denominator) on decimal digits, which shares no code with base/decimal. */
static void share_by_digits(const char *units, uint64_t numerator, uint64_t denominator, char out[DIGITS + 1])
{
    unsigned char product[DIGITS] = { 0 };
    size_t length = strlen(units);
    uint64_t carry = 0, remainder = 0;
    for (size_t i = 0; i < DIGITS; i++) {
        uint64_t digit = i < length ? (uint64_t)(units[length - 1 - i] - '0') : 0, value = digit * numerator + carry;
        product[DIGITS - 1 - i] = (unsigned char)(value % 10);
        carry = value / 10;
    }
    assert_int_equal(carry, 0);
    for (size_t i = 0; i < DIGITS; i++) {
        uint64_t value = remainder * 10 + product[i];
        out[i] = (char)('0' + value / denominator);
        remainder = value % denominator;
    }
    out[DIGITS] = '\0';
}

/* A decimal's count of units of 10^-30 as DIGITS digits. */
static void units_of(const struct decimal *value, char out[DIGITS + 1])
{
    char text[DECIMAL_TEXT_SIZE];
    size_t length = decimal_print(value, text), whole = strcspn(text, ".");
    memset(out, '0', DIGITS);
    out[DIGITS] = '\0';
    memcpy(out + DIGITS - DECIMAL_PLACES - whole, text, whole);
    if (whole < length)
        memcpy(out + DIGITS - DECIMAL_PLACES, text + whole + 1, length - whole - 1);
}

static void random_quantity(struct prng *prng, char out[64])
{
    static const char *const extremes[] = { "0", LARGEST, "0.000000000000000000000000000001", "744", "1" };
    size_t whole = 1 + prng_below(prng, 27), decimals = prng_below(prng, 31), at = 0;
    if (prng_below(prng, 8) == 0) {
        (void)snprintf(out, 64, "%s", extremes[prng_below(prng, COUNT_OF(extremes))]);
        return;
    }
    for (size_t i = 0; i < whole; i++)
        out[at++] = (char)('0' + (i == 0 && whole > 1 ? 1 + prng_below(prng, 9) : prng_below(prng, 10)));
    if (decimals > 0)
        out[at++] = '.';
    for (size_t i = 0; i < decimals; i++)
        out[at++] = (char)('0' + prng_below(prng, 10));
    out[at] = '\0';
}

static void check_split(struct arena *arena, const struct decimal *quantity, int64_t start_ns, int64_t end_ns)
{
    size_t count;
    char units[DIGITS + 1], expected[DIGITS + 1], actual[DIGITS + 1];
    const struct write_share *shares = record_split(arena, start_ns, end_ns, quantity, &count);
    struct decimal sum = { { 0 } };
    assert_non_null(shares);
    units_of(quantity, units);
    for (size_t i = 0; i < count; i++) {
        int64_t hour_ns = hour_start_ns(shares[i].hour);
        int64_t from_ns = i == 0 ? start_ns : hour_ns;
        assert_true(from_ns >= hour_ns && from_ns < end_ns);
        assert_true(decimal_add(&sum, &shares[i].quantity, &sum));
        if (i + 1 == count) {
            assert_true(end_ns <= hour_ns + NS_PER_HOUR);
            break;
        }
        share_by_digits(units, (uint64_t)(hour_ns + NS_PER_HOUR - from_ns), (uint64_t)(end_ns - start_ns), expected);
        units_of(&shares[i].quantity, actual);
        assert_string_equal(actual, expected);
    }
    assert_int_equal(decimal_compare(&sum, quantity), 0);
}

static void promise_4_random_records_split_without_loss(void **state)
{
    struct usage_fixture *f = *state;
    struct prng prng = test_prng("unit-usage-exact");
    for (int i = 0; i < (test_is_long() ? 20000 : 400); i++) {
        char text[64];
        random_quantity(&prng, text);
        struct decimal quantity = decimal_of(text);
        int64_t start_ns = (int64_t)prng_below(&prng, UINT64_C(3000000000000000000));
        int64_t bounds[] = { 1, NS_PER_HOUR, NS_PER_DAY, RECORD_INTERVAL_NS_MAX };
        int64_t length_ns = 1 + (int64_t)prng_below(&prng, (uint64_t)bounds[prng_below(&prng, COUNT_OF(bounds))]);
        if (prng_below(&prng, 2) == 0)
            start_ns -= start_ns % NS_PER_HOUR;
        check_split(f->arena, &quantity, start_ns, start_ns + length_ns);
        arena_reset(f->arena);
    }
}

/* --- all the way --- */

static void promise_4_thirty_decimals_survive_every_sum(void **state)
{
    static const char *const quantities[] = { "0.000000000000000000000000000001", "8.381903171539307e-08",
                                              "123456789012345678901234567.123456789012345678901234567891",
                                              "\"0.0000000000000000000000000000010\"", "1e-30" };
    struct usage_fixture *f = *state;
    for (size_t i = 0; i < COUNT_OF(quantities); i++) {
        char id[16];
        struct post post = post_good();
        (void)snprintf(id, sizeof id, "\"r%zu\"", i);
        post.id = id;
        post.quantity = quantities[i];
        usage_post_accepted(f, &post);
    }
    const char *total = "123456789012345678901234567.123456872831377394294304567894";
    assert_usage_total(f, total, COUNT_OF(quantities));
    struct meters *meters = summary_meters(f);
    static const enum summary_granularity granularities[] = { SUMMARY_TOTAL, SUMMARY_DAILY, SUMMARY_HOURLY };
    for (size_t g = 0; g < COUNT_OF(granularities); g++) {
        for (int reported = 0; reported < 2; reported++) {
            struct summary_query query =
                summary_query_of("2026-01-31T00:00:00Z", "2026-02-01T00:00:00Z", granularities[g]);
            query.reported_axis = reported != 0;
            struct summary_rows rows = summary_read(f, meters, &query);
            assert_int_equal(rows.count, 1);
            assert_sum(&rows.rows[0].quantity, total);
            assert_int_equal(rows.rows[0].records, COUNT_OF(quantities));
        }
    }
}

/* Named case "Full month of hourly 1.0": 24 times the days of the month, exactly, however it is asked. */
static void full_month(struct usage_fixture *f, const char *first_hour, int days, const char *expected)
{
    int64_t start_ns = test_instant(first_hour);
    char source[32];
    (void)snprintf(source, sizeof source, "\"month %s\"", expected);
    clock_manual_set_wall(&f->base.clock, start_ns);
    for (int hour = 0; hour < days * 24; hour++) {
        char id[16], from[INSTANT_TEXT_SIZE], to[INSTANT_TEXT_SIZE], start[48], end[48];
        struct post post = post_good();
        clock_manual_advance(&f->base.clock, NS_PER_HOUR);
        instant_print(start_ns + hour * NS_PER_HOUR, from);
        instant_print(start_ns + (hour + 1) * NS_PER_HOUR, to);
        (void)snprintf(id, sizeof id, "\"%d\"", hour);
        (void)snprintf(start, sizeof start, "\"%s\"", from);
        (void)snprintf(end, sizeof end, "\"%s\"", to);
        post.id = id;
        post.source = source;
        post.start = start;
        post.end = end;
        post.quantity = "1.0";
        usage_post_accepted(f, &post);
    }
}

static void promise_4_full_month_of_hourly_1_0(void **state)
{
    static const struct {
        const char *from, *to, *expected;
        int days;
    } months[] = { { "2026-04-01T00:00:00Z", "2026-05-01T00:00:00Z", "720", 30 },
                   { "2026-05-01T00:00:00Z", "2026-06-01T00:00:00Z", "744", 31 } };
    struct usage_fixture *f = *state;
    struct meters *meters = summary_meters(f);
    for (size_t m = 0; m < COUNT_OF(months); m++) {
        full_month(f, months[m].from, months[m].days, months[m].expected);
        struct summary_query query = summary_query_of(months[m].from, months[m].to, SUMMARY_TOTAL);
        struct summary_rows rows = summary_read(f, meters, &query);
        assert_int_equal(rows.count, 1);
        assert_sum(&rows.rows[0].quantity, months[m].expected);
        query.granularity = SUMMARY_DAILY;
        rows = summary_read(f, meters, &query);
        assert_int_equal(rows.count, months[m].days);
        for (size_t i = 0; i < rows.count; i++)
            assert_sum(&rows.rows[i].quantity, "24");
    }
    assert_usage_total(f, "1464", 1464);
}

static void promise_4_a_sum_that_would_not_fit_rejects_the_record(void **state)
{
    struct usage_fixture *f = *state;
    char id[16];
    struct post post = post_good();
    post.id = id;
    post.quantity = LARGEST;
    for (int i = 0; i < 3; i++) {
        (void)snprintf(id, sizeof id, "\"large %d\"", i);
        usage_post_accepted(f, &post);
    }
    (void)snprintf(id, sizeof id, "\"too much\"");
    struct text refused = usage_post_text(f, &post);
    post.quantity = "0.000000000000000000000000000003";
    (void)snprintf(id, sizeof id, "\"small\"");
    struct text small = usage_post_text(f, &post);
    struct text body = arena_format(f->arena, "[%s,%s,%s]", refused.ptr, small.ptr, refused.ptr);
    struct ingest_batch *batch = usage_ingest(f, INGEST_JSON, body);
    for (size_t i = 0; i < 3; i += 2) {
        assert_verdict(&batch->results[i], VERDICT_REJECTED);
        assert_int_equal(batch->results[i].code, ERROR_QUANTITY_OUT_OF_RANGE);
        assert_text(batch->results[i].target, "quantity");
        assert_true(batch->results[i].message.len > 0);
    }
    assert_verdict(&batch->results[1], VERDICT_ACCEPTED);
    assert_usage_total(f, "3000000000000000000000000000", 4);
    assert_int_equal(store_fixture_state(&f->base).last_sequence, 4);
    /* It was not claimed, and fits elsewhere. */
    post.quantity = LARGEST;
    post.meter_id = "\"other\"";
    (void)snprintf(id, sizeof id, "\"too much\"");
    usage_post_accepted(f, &post);
    assert_usage_total(f, "3999999999999999999999999999.999999999999999999999999999999", 5);
}

/* Large and small quantities in one batch and over batches: the bound is on the sum, whatever it was made of. */
static void promise_4_the_bound_holds_for_sums_within_a_batch(void **state)
{
    struct usage_fixture *f = *state;
    struct buffer body = { 0 };
    for (int i = 0; i < 6; i++) {
        char id[16];
        struct post post = post_good();
        (void)snprintf(id, sizeof id, "\"r%d\"", i);
        post.id = id;
        post.quantity = LARGEST;
        buffer_append_char(&body, i == 0 ? '[' : ',');
        post_write(&post, &body);
    }
    buffer_append_char(&body, ']');
    struct ingest_counts counts = ingest_counts(usage_ingest(f, INGEST_JSON, buffer_text(&body)));
    buffer_free(&body);
    assert_int_equal(counts.accepted, 3);
    assert_int_equal(counts.rejected, 3);
    assert_usage_total(f, "2999999999999999999999999999.999999999999999999999999999997", 3);
}

/* --- promise 5 --- */

static void post_random(struct usage_fixture *f, struct prng *prng, int number)
{
    char id[32], quantity[64], resource[32], from[INSTANT_TEXT_SIZE], to[INSTANT_TEXT_SIZE], start[48], end[48],
        reported[48];
    struct post post = post_good();
    bool history = prng_below(prng, 6) == 0;
    int64_t now_ns = store_now_ns(f->base.store);
    int64_t length_ns = prng_below(prng, 5) == 0 ? 1 + (int64_t)prng_below(prng, RECORD_INTERVAL_NS_MAX) : NS_PER_HOUR;
    int64_t late_ns = prng_below(prng, 4) == 0 ? (int64_t)prng_below(prng, 100) * NS_PER_DAY : 0;
    int64_t end_ns = now_ns - late_ns - (int64_t)prng_below(prng, NS_PER_HOUR);
    random_quantity(prng, quantity);
    (void)snprintf(id, sizeof id, "\"%d\"", number);
    (void)snprintf(resource, sizeof resource, "\"/r/%d\"", (int)prng_below(prng, 5));
    instant_print(end_ns - length_ns, from);
    instant_print(end_ns, to);
    (void)snprintf(start, sizeof start, "\"%s\"", from);
    (void)snprintf(end, sizeof end, "\"%s\"", to);
    (void)snprintf(reported, sizeof reported, "\"2025-0%d-11T05:00:00Z\"", 1 + (int)prng_below(prng, 9));
    post.id = id;
    post.quantity = quantity;
    post.resource_uri = resource;
    post.start = start;
    post.end = end;
    struct record_limits limits = usage_limits(f);
    if (history) {
        post.reported = reported;
        post.start = "\"2025-01-01T00:30:00Z\"";
        post.end = "\"2025-01-09T05:15:00Z\"";
        limits = usage_history_limits(f);
    }
    (void)usage_post_with(f, &limits, &post);
}

/* The sum of what the journal holds, record by record. */
static void journal_total(struct usage_fixture *f, char text[DECIMAL_TEXT_SIZE], uint64_t *records)
{
    struct decimal_sum sum = { { 0 } };
    struct journal_reader reader;
    struct journal_entry entry;
    struct kv_txn *txn = store_fixture_read(&f->base);
    *records = 0;
    assert_ok(journal_open(txn, 1, &reader));
    for (; journal_next(&reader, &entry) == ERROR_OK;) {
        if (entry.kind != JOURNAL_RECORD)
            continue;
        decimal_sum_add(&sum, &entry.record.quantity);
        ++*records;
    }
    journal_close(&reader);
    store_read_end(txn);
    decimal_sum_print(&sum, text);
}

static void promise_5_records_hours_and_days_add_up_to_the_same(void **state)
{
    struct usage_fixture *f = *state;
    struct prng prng = test_prng("unit-usage-exact");
    for (int i = 0; i < (test_is_long() ? 5000 : 300); i++) {
        post_random(f, &prng, i);
        if (prng_below(&prng, 3) == 0)
            clock_manual_advance(&f->base.clock, (int64_t)prng_below(&prng, 3 * NS_PER_HOUR));
    }
    char total[DECIMAL_TEXT_SIZE];
    uint64_t records;
    journal_total(f, total, &records);
    assert_true(records > 200);
    assert_int_equal(records, store_fixture_state(&f->base).records);
    assert_usage_total(f, total, records);
    store_fixture_reopen(&f->base);
    assert_usage_total(f, total, records);
    struct meters *meters = summary_meters(f);
    for (int reported = 0; reported < 2; reported++) {
        struct summary_query query = summary_query_of("1970-01-01T00:00:00Z", "2100-01-01T00:00:00Z", SUMMARY_TOTAL);
        query.reported_axis = reported != 0;
        struct summary_rows rows = summary_read(f, meters, &query);
        assert_int_equal(rows.count, 1);
        assert_sum(&rows.rows[0].quantity, total);
        assert_int_equal(rows.rows[0].records, records);
    }
}

TESTS(WITH_USAGE(promise_4_shares_are_those_of_an_independent_computation),
      WITH_USAGE(promise_4_random_records_split_without_loss), WITH_USAGE(promise_4_thirty_decimals_survive_every_sum),
      WITH_USAGE(promise_4_full_month_of_hourly_1_0), WITH_USAGE(promise_4_a_sum_that_would_not_fit_rejects_the_record),
      WITH_USAGE(promise_4_the_bound_holds_for_sums_within_a_batch),
      WITH_USAGE(promise_5_records_hours_and_days_add_up_to_the_same))
