/* Corrections: signed differences in the open reported hour, exact in every hour and day, safe to send again. */
#include "support/correction_fixture.h"

#include "support/gate.h"
#include "usage/record.h"
#include "usage/record_view.h"

#define LARGEST "999999999999999999999999999.999999999999999999999999999999"
#define MONTH_HOURS (31 * 24)

/* A record of 31 days whose quantity does not divide evenly: 745 shares, as it does not begin on the hour. */
static void post_month(struct usage_fixture *f, const char *id, const char *quantity)
{
    struct post post = post_good();
    post.id = arena_format(f->arena, "\"%s\"", id).ptr;
    post.start = "\"2025-12-31T12:20:00Z\"";
    post.end = "\"2026-01-31T12:20:00Z\"";
    post.quantity = quantity;
    usage_post_accepted(f, &post);
}

static uint64_t last_sequence(struct usage_fixture *f)
{
    return store_fixture_state(&f->base).last_sequence;
}

/* --- exactness --- */

static void promise_4_a_void_gives_back_every_hour_and_day_exactly(void **state)
{
    struct usage_fixture *f = *state;
    uint64_t records;
    post_month(f, "month", "33.333333333333333333333333333333");
    clock_manual_advance(&f->base.clock, 5 * NS_PER_HOUR);
    const struct correction *correction = correct_well(f, "month", NULL);
    assert_true(correction->changed);
    assert_decimal_text(&correction->difference, "-33.333333333333333333333333333333");
    assert_decimal_text(&correction->counted, "0");
    uint32_t first = (uint32_t)instant_hour(test_instant("2025-12-31T12:20:00Z"));
    for (uint32_t hour = first; hour <= first + MONTH_HOURS; hour++) {
        struct decimal_sum sum = family_sum(f, ROWS_HOURLY, hour, hour + 1, &records);
        assert_sum_text(&sum, "0");
    }
    for (uint32_t day = first / 24; day <= (first + MONTH_HOURS) / 24; day++) {
        struct decimal_sum sum = family_sum(f, ROWS_DAILY, day, day + 1, &records);
        assert_sum_text(&sum, "0");
    }
    assert_all_totals(f, "0", 1);
}

/* The sums of a usage hour are those of the record as it should have been from the start. */
static void assert_counts_for(struct usage_fixture *f, const char *quantity)
{
    struct decimal value;
    size_t count;
    uint64_t records;
    assert_ok(decimal_parse(text_of(quantity), &value));
    const struct write_share *shares = record_split(f->arena, test_instant("2025-12-31T12:20:00Z"),
                                                    test_instant("2026-01-31T12:20:00Z"), &value, &count);
    assert_non_null(shares);
    assert_int_equal(count, MONTH_HOURS + 1);
    for (size_t i = 0; i < count; i++) {
        struct decimal_sum sum = family_sum(f, ROWS_HOURLY, shares[i].hour, shares[i].hour + 1, &records);
        char expected[DECIMAL_TEXT_SIZE];
        decimal_print(&shares[i].quantity, expected);
        assert_sum_text(&sum, expected);
    }
    assert_all_totals(f, quantity, 1);
}

static void promise_4_an_amended_record_counts_in_each_hour_as_if_posted_so(void **state)
{
    static const char *const quantities[] = { "100", "0.000000000000000000000000000001", LARGEST, "744.5", NULL, "7.7",
                                              "0" };
    struct usage_fixture *f = *state;
    post_month(f, "month", "33.333333333333333333333333333333");
    for (size_t i = 0; i < COUNT_OF(quantities); i++) {
        clock_manual_advance(&f->base.clock, 13 * NS_PER_HOUR);
        correct_well(f, "month", quantities[i]);
        assert_counts_for(f, quantities[i] != NULL ? quantities[i] : "0");
    }
}

static void promise_4_a_sum_that_would_not_fit_refuses_the_correction(void **state)
{
    struct usage_fixture *f = *state;
    char id[16];
    struct post post = post_good();
    post.id = id;
    post.quantity = "0";
    for (int i = 0; i < 4; i++) {
        (void)snprintf(id, sizeof id, "\"r%d\"", i);
        usage_post_accepted(f, &post);
    }
    correct_well(f, "r0", LARGEST);
    correct_well(f, "r1", LARGEST);
    correct_well(f, "r2", LARGEST);
    uint64_t before = last_sequence(f);
    const struct correction *refused = correct(f, "r3", LARGEST);
    assert_int_equal(refused->failure.code, ERROR_QUANTITY_OUT_OF_RANGE);
    assert_string_equal(refused->failure.target, "quantity");
    assert_int_equal(last_sequence(f), before);
    /* In the next hour the row is another one, and the way back is as long. */
    clock_manual_advance(&f->base.clock, 24 * NS_PER_HOUR);
    correct_well(f, "r3", LARGEST);
    for (int i = 0; i < 3; i++) {
        (void)snprintf(id, sizeof id, "r%d", i);
        correct_well(f, id, NULL);
    }
    assert_all_totals(f, LARGEST, 4);
}

/* What the runs of a row hold are parts of its sum, in no order: some of them together may be beyond what fits. */
static void promise_4_a_row_that_went_up_and_down_is_exact_in_whatever_order_its_parts_are_added(void **state)
{
    enum { ROUNDS = 12, RECORDS = 3 };
    struct usage_fixture *f = *state;
    char quoted[16], id[16];
    struct post post = post_good();
    post.id = quoted;
    post.quantity = LARGEST;
    for (int i = 0; i <= ROUNDS; i++) {
        for (int r = 0; r < RECORDS; r++) {
            (void)snprintf(quoted, sizeof quoted, "\"u%d-%d\"", i, r);
            usage_post_accepted(f, &post);
        }
        for (int r = 0; r < RECORDS && i < ROUNDS; r++) {
            (void)snprintf(id, sizeof id, "u%d-%d", i, r);
            correct_well(f, id, NULL);
        }
    }
    assert_all_totals(f, "2999999999999999999999999999.999999999999999999999999999997", (ROUNDS + 1) * RECORDS);
    /* The row is as full as it was: nothing more fits in. */
    post.id = "\"one more\"";
    assert_verdict(usage_post(f, &post), VERDICT_REJECTED);
}

/* --- sending again --- */

static void a_correction_to_the_state_it_is_in_changes_nothing(void **state)
{
    struct usage_fixture *f = *state;
    struct post post = post_good();
    usage_post_accepted(f, &post);
    /* To what was posted, in another spelling: the answer is about the record. */
    const struct correction *same = correct_well(f, "record-1", "4.250");
    assert_false(same->changed);
    assert_int_equal(same->sequence, 1);
    assert_decimal_text(&same->difference, "0");
    const struct correction *first = correct_well(f, "record-1", "3");
    assert_true(first->changed);
    assert_int_equal(first->sequence, 2);
    clock_manual_advance(&f->base.clock, NS_PER_DAY);
    const struct correction *again = correct_well(f, "record-1", "\"3.0\"");
    assert_false(again->changed);
    assert_int_equal(again->sequence, first->sequence);
    assert_int_equal(again->reported_ns, first->reported_ns);
    assert_decimal_text(&again->difference, "-1.25");
    assert_true(correct_well(f, "record-1", NULL)->changed);
    assert_false(correct_well(f, "record-1", NULL)->changed);
    assert_int_equal(store_fixture_state(&f->base).corrections, 2);
    assert_all_totals(f, "0", 1);
}

static void an_amend_after_a_void_counts_again(void **state)
{
    struct usage_fixture *f = *state;
    struct post post = post_good();
    usage_post_accepted(f, &post);
    correct_well(f, "record-1", NULL);
    const struct correction *again = correct_well(f, "record-1", "4.25");
    assert_true(again->changed);
    assert_decimal_text(&again->difference, "4.25");
    assert_all_totals(f, "4.25", 1);
    /* Void and amended to 0 are two things, though they count alike. */
    correct_well(f, "record-1", NULL);
    assert_true(correct_well(f, "record-1", "0")->changed);
    assert_false(correct_well(f, "record-1", "0")->changed);
    assert_true(correct_well(f, "record-1", NULL)->changed);
    assert_all_totals(f, "0", 1);
}

static void promise_2_the_original_stays_known_as_it_was_posted(void **state)
{
    struct usage_fixture *f = *state;
    struct post post = post_good();
    usage_post_accepted(f, &post);
    correct_well(f, "record-1", "3");
    assert_verdict(usage_post(f, &post), VERDICT_DUPLICATE);
    post.quantity = "3";
    assert_verdict(usage_post(f, &post), VERDICT_CONFLICT);
    assert_all_totals(f, "3", 1);
}

static void signal_batch(struct store_job *job)
{
    sem_post(((struct ingest_batch *)job)->owner);
}

static void signal_corrections(struct store_job *job)
{
    sem_post(((struct correction_batch *)job)->owner);
}

static void a_correction_sees_its_record_and_corrections_of_the_same_commit(void **state)
{
    struct usage_fixture *f = *state;
    struct gate_job gate;
    struct post post = post_good();
    struct record_limits limits = usage_limits(f);
    struct ingest_batch *batch = usage_batch(f, &limits);
    struct ingest_producer party = { TEXT("operator"), &usage_any_source, 1 };
    struct text list = arena_format(f->arena, "[%s,%s,%s]", correction_text(f, "record-1", "9").ptr,
                                    correction_text(f, "record-1", "2").ptr, correction_text(f, "record-1", "2").ptr);
    struct correction_batch *corrections = corrections_parsed(f, &party, list);
    assert_ok(ingest_parse(batch, INGEST_JSON, usage_post_text(f, &post), NULL));
    gate_close(&gate, f->base.store);
    sem_t done;
    sem_init(&done, 0, 0);
    batch->owner = corrections->owner = &done;
    assert_ok(ingest_submit(batch, f->base.store, signal_batch));
    assert_ok(correction_submit(corrections, f->base.store, signal_corrections));
    gate_open(&gate);
    sem_wait(&done);
    sem_wait(&done);
    sem_destroy(&done);
    assert_ok(corrections->job.error);
    assert_true(corrections->is_list);
    assert_decimal_text(&corrections->corrections[0].difference, "4.75");
    assert_decimal_text(&corrections->corrections[1].difference, "-7");
    assert_false(corrections->corrections[2].changed);
    assert_int_equal(last_sequence(f), 3);
    assert_all_totals(f, "2", 1);
    assert_int_equal(store_counters(f->base.store).commits, 2);
}

/* --- who and what --- */

static void promise_8_a_producer_corrects_its_own_sources_only(void **state)
{
    static const struct text own = { "Microsoft.Storage", 17 };
    struct usage_fixture *f = *state;
    struct post post = post_good();
    usage_post_accepted(f, &post);
    struct ingest_producer party = { TEXT("storage"), &own, 1 };
    const struct correction *foreign = &correct_as(f, &party, correction_text(f, "record-1", "1"))->corrections[0];
    const struct correction *unknown = &correct_as(f, &party, correction_text(f, "nowhere", "1"))->corrections[0];
    assert_int_equal(foreign->failure.code, ERROR_RECORD_NOT_FOUND);
    assert_int_equal(unknown->failure.code, ERROR_RECORD_NOT_FOUND);
    assert_string_equal(foreign->failure.message, unknown->failure.message);
    assert_int_equal(correct(f, "nowhere", "1")->failure.code, ERROR_RECORD_NOT_FOUND);
    assert_int_equal(last_sequence(f), 1);
    post.source = "\"Microsoft.Storage\"";
    usage_post_accepted(f, &post);
    struct text mine = TEXT("{\"source\":\"Microsoft.Storage\",\"id\":\"record-1\",\"action\":\"void\","
                            "\"reason\":\"x\",\"quantity\":null}");
    assert_true(correct_as(f, &party, mine)->corrections[0].changed);
}

static void what_is_wrong_is_named_and_leaves_the_others_alone(void **state)
{
    static const struct {
        const char *json, *target;
        err_t code;
    } cases[] = {
        { "7", "", ERROR_INVALID_PROPERTY },
        { "{}", "source", ERROR_INVALID_PROPERTY },
        { "{\"source\":\"Microsoft.Compute\",\"action\":\"void\",\"reason\":\"r\"}", "id", ERROR_INVALID_PROPERTY },
        { "{\"source\":\"Microsoft.Compute\",\"id\":7,\"action\":\"void\",\"reason\":\"r\"}", "id",
          ERROR_INVALID_PROPERTY },
        { "{\"source\":\"Microsoft.Compute\",\"id\":\"a\",\"id\":\"record-1\",\"action\":\"void\",\"reason\":\"r\"}",
          "id", ERROR_INVALID_PROPERTY },
        { "{\"source\":\"Microsoft.Compute\",\"id\":\"record-1\",\"reason\":\"r\"}", "action", ERROR_INVALID_PROPERTY },
        { "{\"source\":\"Microsoft.Compute\",\"id\":\"record-1\",\"action\":\"delete\",\"reason\":\"r\"}", "action",
          ERROR_INVALID_PROPERTY },
        { "{\"source\":\"Microsoft.Compute\",\"id\":\"record-1\",\"action\":\"amend\",\"reason\":\"r\"}", "quantity",
          ERROR_INVALID_PROPERTY },
        { "{\"source\":\"Microsoft.Compute\",\"id\":\"record-1\",\"action\":\"void\",\"quantity\":1,"
          "\"reason\":\"r\"}",
          "quantity", ERROR_INVALID_PROPERTY },
        { "{\"source\":\"Microsoft.Compute\",\"id\":\"record-1\",\"action\":\"amend\",\"quantity\":-1,"
          "\"reason\":\"r\"}",
          "quantity", ERROR_QUANTITY_OUT_OF_RANGE },
        { "{\"source\":\"Microsoft.Compute\",\"id\":\"record-1\",\"action\":\"amend\",\"quantity\":1e27,"
          "\"reason\":\"r\"}",
          "quantity", ERROR_QUANTITY_OUT_OF_RANGE },
        { "{\"source\":\"Microsoft.Compute\",\"id\":\"record-1\",\"action\":\"amend\",\"quantity\":\"one\","
          "\"reason\":\"r\"}",
          "quantity", ERROR_INVALID_PROPERTY },
        { "{\"source\":\"Microsoft.Compute\",\"id\":\"record-1\",\"action\":\"amend\",\"quantity\":true,"
          "\"reason\":\"r\"}",
          "quantity", ERROR_INVALID_PROPERTY },
        { "{\"source\":\"Microsoft.Compute\",\"id\":\"record-1\",\"action\":\"void\"}", "reason",
          ERROR_INVALID_PROPERTY },
        { "{\"source\":\"Microsoft.Compute\",\"id\":\"record-1\",\"action\":\"void\",\"reason\":\"  \"}", "reason",
          ERROR_INVALID_PROPERTY },
        { "{\"source\":\"Microsoft.Compute\",\"id\":\"record-1\",\"action\":\"void\",\"reason\":\"a\\nb\"}", "reason",
          ERROR_INVALID_PROPERTY },
    };
    struct usage_fixture *f = *state;
    struct post post = post_good();
    struct buffer body = { 0 };
    usage_post_accepted(f, &post);
    buffer_append_char(&body, '[');
    for (size_t i = 0; i < COUNT_OF(cases); i++)
        buffer_append_format(&body, "%s,", cases[i].json);
    buffer_append_text(&body, correction_text(f, "record-1", "5"));
    buffer_append_char(&body, ']');
    struct correction_batch *batch = correct_body(f, buffer_text(&body));
    buffer_free(&body);
    assert_int_equal(batch->count, COUNT_OF(cases) + 1);
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        const struct error_info *failure = &batch->corrections[i].failure;
        if (failure->code != cases[i].code || strcmp(failure->target, cases[i].target) != 0)
            fail_msg("%s: %s, target %s", cases[i].json, error_wire_code(failure->code), failure->target);
        assert_true(failure->message[0] != '\0');
    }
    assert_true(batch->corrections[COUNT_OF(cases)].changed);
    assert_int_equal(last_sequence(f), 2);
}

static void the_reason_has_a_bound(void **state)
{
    struct usage_fixture *f = *state;
    struct post post = post_good();
    char reason[CORRECTION_REASON_SIZE_MAX + 2];
    usage_post_accepted(f, &post);
    for (size_t size = CORRECTION_REASON_SIZE_MAX + 1; size >= CORRECTION_REASON_SIZE_MAX; size--) {
        memset(reason, 'r', size);
        reason[size] = '\0';
        struct text body = arena_format(f->arena,
                                        "{\"source\":\"Microsoft.Compute\",\"id\":\"record-1\","
                                        "\"action\":\"void\",\"reason\":\"%s\"}",
                                        reason);
        const struct correction *correction = &correct_body(f, body)->corrections[0];
        assert_int_equal(correction->failure.code,
                         size > CORRECTION_REASON_SIZE_MAX ? ERROR_INVALID_PROPERTY : ERROR_OK);
    }
}

static void a_body_that_is_no_correction_fails_whole(void **state)
{
    struct usage_fixture *f = *state;
    struct ingest_producer party = { TEXT("operator"), &usage_any_source, 1 };
    static const char *const bodies[] = { "", "7", "\"void\"", "{", "null", "[{}" };
    for (size_t i = 0; i < COUNT_OF(bodies); i++) {
        struct correction_batch *batch = correction_new(f->arena, &party, store_hash_key(f->base.store));
        struct error_info info = { 0 };
        assert_error(correction_parse(batch, text_of(bodies[i]), &info), ERROR_INVALID_REQUEST_CONTENT);
        assert_true(info.message[0] != '\0');
    }
    struct buffer body = { 0 };
    for (int i = 0; i <= CORRECTIONS_PER_REQUEST_MAX; i++)
        buffer_append_format(&body, "%s", i == 0 ? "[0" : ",0");
    buffer_append_char(&body, ']');
    struct correction_batch *batch = correction_new(f->arena, &party, store_hash_key(f->base.store));
    assert_error(correction_parse(batch, buffer_text(&body), NULL), ERROR_INVALID_REQUEST_CONTENT);
    buffer_free(&body);
    assert_int_equal(correct_body(f, TEXT("[]"))->count, 0);
}

static void the_number_of_corrections_of_a_record_has_a_bound_and_a_way_out(void **state)
{
    struct usage_fixture *f = *state;
    struct post post = post_good();
    char quantity[16];
    usage_post_accepted(f, &post);
    for (int i = 1; i <= CORRECTIONS_PER_RECORD_MAX; i++) {
        (void)snprintf(quantity, sizeof quantity, "%d", i);
        assert_true(correct_well(f, "record-1", quantity)->changed);
    }
    assert_int_equal(correct(f, "record-1", "7")->failure.code, ERROR_TOO_MANY_CORRECTIONS);
    assert_true(correct_well(f, "record-1", NULL)->changed);
    assert_false(correct_well(f, "record-1", NULL)->changed);
    assert_int_equal(correct(f, "record-1", "7")->failure.code, ERROR_TOO_MANY_CORRECTIONS);
    assert_all_totals(f, "0", 1);
}

/* --- where it is counted --- */

static struct record_counted *counted_of(struct usage_fixture *f, const char *id, size_t *count)
{
    struct kv_txn *txn = store_fixture_read(&f->base);
    struct journal_entry entry;
    struct record_correction *corrections;
    struct record_counted *counted;
    uint64_t sequence;
    size_t correction_count;
    assert_ok(record_find(f->base.store, txn, TEXT("Microsoft.Compute"), text_of(id), &sequence));
    assert_ok(journal_get(txn, sequence, &entry));
    assert_ok(record_corrections(txn, f->arena, sequence, &corrections, &correction_count));
    assert_ok(record_counted(f->arena, &entry.record, corrections, correction_count, &counted, count));
    store_read_end(txn);
    return counted;
}

static void assert_counted(const struct record_counted *counted, const char *reported, const char *usage,
                           const char *quantity)
{
    assert_int_equal(hour_start_ns(counted->reported_hour), test_instant(reported));
    assert_int_equal(hour_start_ns(counted->usage_hour), test_instant(usage));
    assert_sum_text(&counted->quantity, quantity);
}

static void a_record_tells_where_it_and_its_corrections_were_counted(void **state)
{
    struct usage_fixture *f = *state;
    struct post post = post_good();
    size_t count;
    post.start = "\"2026-01-31T10:30:00Z\"";
    post.quantity = "3";
    usage_post_accepted(f, &post);
    correct_well(f, "record-1", "6"); /* in the hour of the record itself */
    clock_manual_advance(&f->base.clock, 2 * NS_PER_HOUR);
    correct_well(f, "record-1", "1");
    correct_well(f, "record-1", "6");
    clock_manual_advance(&f->base.clock, NS_PER_HOUR);
    correct_well(f, "record-1", NULL);
    const struct record_counted *counted = counted_of(f, "record-1", &count);
    assert_int_equal(count, 6);
    assert_counted(&counted[0], "2026-01-31T12:00:00Z", "2026-01-31T10:00:00Z", "2");
    assert_counted(&counted[1], "2026-01-31T12:00:00Z", "2026-01-31T11:00:00Z", "4");
    assert_counted(&counted[2], "2026-01-31T14:00:00Z", "2026-01-31T10:00:00Z", "0");
    assert_counted(&counted[3], "2026-01-31T14:00:00Z", "2026-01-31T11:00:00Z", "0");
    assert_counted(&counted[4], "2026-01-31T15:00:00Z", "2026-01-31T10:00:00Z", "-2");
    assert_counted(&counted[5], "2026-01-31T15:00:00Z", "2026-01-31T11:00:00Z", "-4");
}

/* --- named regression cases --- */

static struct usage_rows rows_reported(struct usage_fixture *f, const char *from, const char *to, bool daily)
{
    struct listing_query query = {
        .daily = daily, .details = true, .start_ns = test_instant(from), .end_ns = test_instant(to)
    };
    return usage_list(f, &query);
}

/* "Usage older than two closed periods": an adjustment of its own in the open period, not silence, and what was read
 * of the closed ones stays as it was. */
static void regression_usage_older_than_two_closed_periods(void **state)
{
    struct usage_fixture *f = *state;
    struct post post = post_good();
    usage_post_accepted(f, &post);
    clock_manual_set_wall(&f->base.clock, test_instant("2026-05-02T08:10:00Z"));
    post.id = "\"late\"";
    post.start = "\"2026-01-31T10:00:00Z\"";
    post.end = "\"2026-01-31T11:00:00Z\"";
    usage_post_accepted(f, &post);
    correct_well(f, "record-1", "1.25");
    struct usage_rows closed = rows_reported(f, "2026-01-01T00:00:00Z", "2026-05-01T00:00:00Z", true);
    assert_int_equal(closed.count, 1);
    assert_sum_text(&closed.rows[0].quantity, "4.25");
    struct usage_rows open = rows_reported(f, "2026-05-02T08:00:00Z", "2026-05-02T09:00:00Z", false);
    assert_int_equal(open.count, 2);
    assert_int_equal(open.rows[0].start_ns, test_instant("2026-01-31T10:00:00Z"));
    assert_sum_text(&open.rows[0].quantity, "4.25");
    assert_int_equal(open.rows[1].start_ns, test_instant("2026-01-31T11:00:00Z"));
    assert_sum_text(&open.rows[1].quantity, "-3");
    assert_int_equal(open.rows[1].records, 0);
    assert_all_totals(f, "5.5", 2);
}

/* "Last hour of a period arrives after the period ended": it is in the next reported period, marked by its usage hour,
 * and so is its correction. */
static void regression_last_hour_of_a_period_arrives_after_the_period_ended(void **state)
{
    struct usage_fixture *f = *state;
    struct post post = post_good();
    clock_manual_set_wall(&f->base.clock, test_instant("2026-02-01T00:00:00Z"));
    post.start = "\"2026-01-31T23:00:00Z\"";
    post.end = "\"2026-02-01T00:00:00Z\"";
    usage_post_accepted(f, &post);
    correct_well(f, "record-1", "4");
    assert_int_equal(rows_reported(f, "2026-01-01T00:00:00Z", "2026-02-01T00:00:00Z", true).count, 0);
    struct usage_rows rows = rows_reported(f, "2026-02-01T00:00:00Z", "2026-03-01T00:00:00Z", true);
    assert_int_equal(rows.count, 1);
    assert_int_equal(rows.rows[0].start_ns, test_instant("2026-01-31T00:00:00Z"));
    assert_sum_text(&rows.rows[0].quantity, "4");
}

/* An hour whose rows add up to nothing was reported nevertheless, so it is listed: with 0, not left out (promise 6). */
static void promise_6_a_row_voided_within_its_hour_is_listed_as_zero(void **state)
{
    struct usage_fixture *f = *state;
    struct post post = post_good();
    usage_post_accepted(f, &post);
    correct_well(f, "record-1", NULL);
    struct usage_rows rows = rows_reported(f, "2026-01-31T12:00:00Z", "2026-01-31T13:00:00Z", false);
    assert_int_equal(rows.count, 1);
    assert_sum_text(&rows.rows[0].quantity, "0");
    assert_int_equal(rows.rows[0].records, 1);
}

/* --- failing writes and restarts --- */

static void promise_1_nothing_of_a_failed_correction_stays_and_its_retry_counts_once(void **state)
{
    struct usage_fixture *f = *state;
    struct post post = post_good();
    uint64_t failures = 0;
    post.start = "\"2026-01-31T09:20:00Z\"";
    usage_post_accepted(f, &post);
    for (uint64_t n = 1;; n++) {
        struct ingest_producer party = { TEXT("operator"), &usage_any_source, 1 };
        struct text body = correction_text(f, "record-1", "7");
        struct correction_batch *batch = corrections_parsed(f, &party, body);
        store_fail_write(f->base.store, n, ERROR_IO);
        err_t error = correction_submit(batch, f->base.store, NULL);
        store_fail_write(f->base.store, 0, ERROR_OK);
        if (error == ERROR_OK)
            break;
        failures++;
        assert_all_totals(f, "4.25", 1);
        assert_int_equal(last_sequence(f), 1);
        if (failures % 5 == 0)
            store_fixture_reopen(&f->base);
    }
    assert_true(failures > 2);
    assert_false(correct_well(f, "record-1", "7")->changed);
    store_fixture_reopen(&f->base);
    assert_false(correct_well(f, "record-1", "7")->changed);
    assert_true(correct_well(f, "record-1", NULL)->changed);
    assert_all_totals(f, "0", 1);
}

/* --- promise 5 at random --- */

enum { RANDOM_RECORDS = 12 };

struct random_record {
    bool posted;
    struct decimal counted;
};

static void random_amount(struct prng *prng, char out[32])
{
    (void)snprintf(out, 32, "%d.%09d", (int)prng_below(prng, 1000), (int)prng_below(prng, 1000000000));
}

static void post_random(struct usage_fixture *f, struct prng *prng, int number, struct random_record *record)
{
    char quantity[32], from[INSTANT_TEXT_SIZE], to[INSTANT_TEXT_SIZE];
    struct post post = post_good();
    int64_t end_ns = store_now_ns(f->base.store) - (int64_t)prng_below(prng, 40) * NS_PER_HOUR;
    int64_t length_ns = prng_below(prng, 3) == 0 ? 1 + (int64_t)prng_below(prng, RECORD_INTERVAL_NS_MAX) : NS_PER_HOUR;
    random_amount(prng, quantity);
    instant_print(end_ns - length_ns, from);
    instant_print(end_ns, to);
    post.id = arena_format(f->arena, "\"r%d\"", number).ptr;
    post.start = arena_format(f->arena, "\"%s\"", from).ptr;
    post.end = arena_format(f->arena, "\"%s\"", to).ptr;
    post.resource_uri = arena_format(f->arena, "\"/r/%d\"", (int)prng_below(prng, 3)).ptr;
    post.quantity = quantity;
    usage_post_accepted(f, &post);
    record->posted = true;
    assert_ok(decimal_parse(text_of(quantity), &record->counted));
}

static void random_step(struct usage_fixture *f, struct prng *prng, struct random_record *records)
{
    char id[8], quantity[32];
    int number = (int)prng_below(prng, RANDOM_RECORDS);
    (void)snprintf(id, sizeof id, "r%d", number);
    if (prng_below(prng, 4) == 0)
        clock_manual_advance(&f->base.clock, (int64_t)prng_below(prng, 30) * NS_PER_HOUR);
    if (prng_below(prng, 25) == 0)
        store_fixture_reopen(&f->base);
    random_amount(prng, quantity);
    bool is_void = prng_below(prng, 3) == 0;
    if (!records[number].posted && prng_below(prng, 2) == 0) {
        post_random(f, prng, number, &records[number]);
    } else if (!records[number].posted) {
        assert_int_equal(correct(f, id, quantity)->failure.code, ERROR_RECORD_NOT_FOUND);
    } else {
        correct_well(f, id, is_void ? NULL : quantity);
        assert_ok(decimal_parse(is_void ? TEXT("0") : text_of(quantity), &records[number].counted));
    }
}

static void promise_5_records_and_corrections_are_hours_are_days_are_rollups(void **state)
{
    struct usage_fixture *f = *state;
    struct prng prng = test_prng("unit-usage-correction");
    struct random_record records[RANDOM_RECORDS] = { 0 };
    for (int step = 0; step < (test_is_long() ? 600 : 80); step++) {
        random_step(f, &prng, records);
        struct decimal_sum sum = { { 0 } };
        char text[DECIMAL_TEXT_SIZE];
        uint64_t posted = 0;
        for (int i = 0; i < RANDOM_RECORDS; i++) {
            decimal_sum_add(&sum, &records[i].counted);
            posted += records[i].posted;
        }
        decimal_sum_print(&sum, text);
        assert_all_totals(f, text, posted);
    }
}

TESTS(WITH_USAGE(promise_4_a_void_gives_back_every_hour_and_day_exactly),
      WITH_USAGE(promise_4_an_amended_record_counts_in_each_hour_as_if_posted_so),
      WITH_USAGE(promise_4_a_sum_that_would_not_fit_refuses_the_correction),
      WITH_USAGE(promise_4_a_row_that_went_up_and_down_is_exact_in_whatever_order_its_parts_are_added),
      WITH_USAGE(a_correction_to_the_state_it_is_in_changes_nothing), WITH_USAGE(an_amend_after_a_void_counts_again),
      WITH_USAGE(promise_2_the_original_stays_known_as_it_was_posted),
      WITH_USAGE(a_correction_sees_its_record_and_corrections_of_the_same_commit),
      WITH_USAGE(promise_8_a_producer_corrects_its_own_sources_only),
      WITH_USAGE(what_is_wrong_is_named_and_leaves_the_others_alone), WITH_USAGE(the_reason_has_a_bound),
      WITH_USAGE(a_body_that_is_no_correction_fails_whole),
      WITH_USAGE(the_number_of_corrections_of_a_record_has_a_bound_and_a_way_out),
      WITH_USAGE(a_record_tells_where_it_and_its_corrections_were_counted),
      WITH_USAGE(regression_usage_older_than_two_closed_periods),
      WITH_USAGE(regression_last_hour_of_a_period_arrives_after_the_period_ended),
      WITH_USAGE(promise_6_a_row_voided_within_its_hour_is_listed_as_zero),
      WITH_USAGE(promise_1_nothing_of_a_failed_correction_stays_and_its_retry_counts_once),
      WITH_USAGE(promise_5_records_and_corrections_are_hours_are_days_are_rollups))
