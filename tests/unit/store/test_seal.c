/* Seals: hours and days that pass, long absences, clocks that are set back, also across restarts, failing writes; and
 * that a window which somebody was told is complete never grows. */
#include "support/store_fixture.h"

#include <semaphore.h>

#include "store/head.h"
#include "store/journal.h"
#include "store/rows.h"
#include "store/seal.h"
#include "store/write.h"
#include "support/gate.h"
#include "support/settle.h"

/* --- a job that writes one record --- */

struct record_job {
    struct store_job job; /* first member */
    uint64_t number;      /* its identity */
    bool history;
    int64_t reported_ns; /* out, for history in */
};

static err_t run_record(struct store_write *write, struct store_job *job)
{
    struct record_job *r = (struct record_job *)job;
    struct hash128 identity = { { 0 } };
    memcpy(identity.bytes, &r->number, sizeof r->number);
    struct journal_record record = {
        .id = TEXT("id"), .end_ns = NS_PER_HOUR, .history = r->history, .reported_ns = r->reported_ns
    };
    struct write_share share = { .hour = 7, .quantity = decimal_from_i64(1) };
    enum claim claim;
    uint64_t original;
    bool fits;
    err_t error = write_claim(write, &identity, 1, &claim, &original);
    if (error != ERROR_OK || claim != CLAIM_NEW)
        return error;
    error = write_record(write, &record, &identity, 1, 1, &share, 1, &fits);
    r->reported_ns = record.reported_ns;
    return error;
}

static err_t try_record(struct store_fixture *f, uint64_t number, int64_t *reported_ns)
{
    struct record_job job = { .job = { .run = run_record, .weight = 1 }, .number = number };
    err_t error = store_run(f->store, &job.job);
    *reported_ns = job.reported_ns;
    return error;
}

static int64_t post(struct store_fixture *f, uint64_t number)
{
    int64_t reported_ns;
    assert_ok(try_record(f, number, &reported_ns));
    return reported_ns;
}

static void set_clock(struct store_fixture *f, const char *instant)
{
    clock_manual_set_wall(&f->clock, test_instant(instant));
}

/* Every hour that has ended is sealed when this returns. */
static void settle(struct store_fixture *f)
{
    test_settle(f->store, hour_start_ns(instant_hour(store_now_ns(f->store))));
}

static int64_t hour_of(const char *instant)
{
    return instant_hour(test_instant(instant));
}

static size_t read_heads(struct store_fixture *f, struct head heads[50])
{
    size_t count;
    struct kv_txn *txn = store_fixture_read(f);
    assert_ok(head_list(txn, 0, heads, 50, &count));
    store_read_end(txn);
    return count;
}

/* Walks the journal: seals follow each other without a gap from start_hour to the state's sealed hour, what was
 * reported lies in the hours that it says, and each seal has its signed head. Returns how many seals there are. */
static size_t assert_sealed(struct store_fixture *f, int64_t start_hour)
{
    struct kv_txn *txn = store_fixture_read(f);
    struct journal_reader reader;
    struct journal_entry entry;
    struct store_state state;
    struct head head;
    uint8_t message[HEAD_MESSAGE_SIZE], hash[SHA256_SIZE];
    int64_t sealed_hour = start_hour;
    uint64_t after = 0;
    size_t seals = 0;
    err_t error;
    assert_ok(store_read_state(txn, &state));
    assert_ok(journal_open(txn, 0, &reader));
    while ((error = journal_next(&reader, &entry)) == ERROR_OK) {
        if (entry.kind == JOURNAL_RECORD && !entry.record.history)
            assert_true(instant_hour(entry.reported_ns) == sealed_hour);
        if (entry.kind != JOURNAL_SEAL)
            continue;
        assert_int_equal(entry.seal.first_hour, sealed_hour);
        assert_true(entry.seal.end_hour > entry.seal.first_hour);
        assert_int_equal(entry.seal.end_hour, instant_hour(entry.reported_ns));
        assert_int_equal(entry.seal.first_sequence, after + 1);
        sealed_hour = entry.seal.end_hour;
        after = entry.sequence;
        seals++;
        assert_ok(head_get(txn, entry.sequence, &head));
        assert_int_equal(head.end_hour, entry.seal.end_hour);
        assert_int_equal(head.reported_ns, entry.reported_ns);
        assert_ok(journal_head_at(txn, entry.sequence, hash));
        assert_memory_equal(head.hash, hash, sizeof hash);
        head_message(&head, message);
        assert_true(
            signature_verify(store_signature_key(f->store)->public_key, message, sizeof message, head.signature));
    }
    assert_error(error, ERROR_NOT_FOUND);
    assert_int_equal(state.sealed_hour, sealed_hour);
    journal_close(&reader);
    store_read_end(txn);
    return seals;
}

/* --- hours and days --- */

static void sealing_starts_at_the_hour_of_the_first_commit(void **state)
{
    struct store_fixture *f = *state;
    assert_int_equal(store_fixture_state(f).sealed_hour, -1);
    store_tick(f->store); /* nothing to seal, so nothing is written */
    post(f, 1);
    struct store_state now = store_fixture_state(f);
    assert_int_equal(now.sealed_hour, hour_of(FIXTURE_NOW));
    assert_int_equal(now.last_sequence, 1); /* no entry is needed for it */
    assert_int_equal(assert_sealed(f, hour_of(FIXTURE_NOW)), 0);
    assert_int_equal(store_counters(f->store).seals, 0);
}

static void each_hour_is_sealed_when_the_next_begins(void **state)
{
    struct store_fixture *f = *state;
    for (uint64_t i = 1; i <= 5; i++) {
        post(f, i);
        clock_manual_advance(&f->clock, NS_PER_HOUR);
        settle(f);
        assert_int_equal(assert_sealed(f, hour_of(FIXTURE_NOW)), i);
        assert_int_equal(store_counters(f->store).seals, i);
    }
    assert_int_equal(store_fixture_state(f).last_sequence, 10);
}

/* The commit that finds the hour over begins with the seal. */
static void a_commit_begins_with_the_seal_that_is_due(void **state)
{
    struct store_fixture *f = *state;
    post(f, 1);
    clock_manual_advance(&f->clock, NS_PER_HOUR);
    post(f, 2);
    struct kv_txn *txn = store_fixture_read(f);
    struct journal_entry entry;
    assert_ok(journal_get(txn, 2, &entry));
    assert_int_equal(entry.kind, JOURNAL_SEAL);
    assert_ok(journal_get(txn, 3, &entry));
    assert_int_equal(entry.kind, JOURNAL_RECORD);
    store_read_end(txn);
    assert_int_equal(assert_sealed(f, hour_of(FIXTURE_NOW)), 1);
}

/* Without any commit or reader, by the tick alone. */
static void the_tick_seals_an_hour_in_which_nothing_happens(void **state)
{
    struct store_fixture *f = *state;
    post(f, 1);
    set_clock(f, "2026-01-31T13:00:00Z");
    store_tick(f->store);
    store_close(f->store); /* runs what was asked for */
    f->store = NULL;
    store_fixture_open(f);
    assert_int_equal(assert_sealed(f, hour_of(FIXTURE_NOW)), 1);
    assert_int_equal(store_fixture_state(f).sealed_hour, hour_of("2026-01-31T13:00:00Z"));
}

static void ten_days_of_being_switched_off_are_one_seal(void **state)
{
    struct store_fixture *f = *state;
    post(f, 1);
    store_close(f->store);
    f->store = NULL;
    clock_manual_advance(&f->clock, 10 * NS_PER_DAY);
    store_fixture_open(f);
    settle(f);
    assert_int_equal(assert_sealed(f, hour_of(FIXTURE_NOW)), 1);
    assert_int_equal(store_fixture_state(f).sealed_hour, hour_of("2026-02-10T12:00:00Z"));
    struct head heads[50];
    assert_int_equal(read_heads(f, heads), 1);
    assert_int_equal(store_counters(f->store).clock_went_back_count, 0);
}

/* --- what the row engine is told --- */

static struct {
    uint32_t end_buckets[ROWS_FAMILY_COUNT];
    int calls[ROWS_FAMILY_COUNT];
} told;

static err_t note_seal(struct kv_txn *txn, enum row_family family, uint32_t end_bucket)
{
    (void)txn;
    told.end_buckets[family] = end_bucket;
    told.calls[family]++;
    return ERROR_OK;
}

static void the_row_engine_is_told_hours_and_days(void **state)
{
    struct store_fixture *f = *state;
    struct rows_engine engine = *store_rows(f->store);
    engine.seal = note_seal;
    store_close(f->store);
    f->options.rows = &engine;
    memset(&told, 0, sizeof told);
    store_fixture_open(f);
    post(f, 1);
    set_clock(f, "2026-01-31T23:59:59Z");
    settle(f);
    assert_int_equal(told.end_buckets[ROWS_HOURLY], hour_of("2026-01-31T23:00:00Z"));
    assert_int_equal(told.calls[ROWS_HOURLY], 1);
    assert_int_equal(told.calls[ROWS_DAILY] + told.calls[ROWS_ROLLUP] + told.calls[ROWS_DEDUPE], 0);
    set_clock(f, "2026-02-01T00:00:00Z");
    settle(f);
    uint32_t day = (uint32_t)instant_day(test_instant("2026-02-01T00:00:00Z"));
    assert_int_equal(told.end_buckets[ROWS_HOURLY], day * HOURS_PER_DAY);
    assert_int_equal(told.end_buckets[ROWS_DAILY], day);
    assert_int_equal(told.end_buckets[ROWS_ROLLUP], day);
    assert_int_equal(told.calls[ROWS_DAILY], 1);
    set_clock(f, "2026-02-04T01:30:00Z");
    settle(f);
    assert_int_equal(told.end_buckets[ROWS_DAILY], day + 3);
    assert_int_equal(told.calls[ROWS_HOURLY], 3);
    store_fixture_reopen(f);
    f->options.rows = NULL;
}

/* --- history --- */

static void history_is_no_live_usage_and_may_lie_in_sealed_hours(void **state)
{
    struct store_fixture *f = *state;
    struct record_job old = { .job = { .run = run_record, .weight = 1 },
                              .number = 1,
                              .history = true,
                              .reported_ns = test_instant("2025-06-01T00:30:00Z") };
    assert_ok(store_run(f->store, &old.job));
    assert_int_equal(store_fixture_state(f).sealed_hour, hour_of(FIXTURE_NOW));
    clock_manual_advance(&f->clock, 3 * NS_PER_HOUR);
    settle(f);
    old.number = 2;
    old.reported_ns = test_instant("2026-01-31T13:30:00Z");
    assert_ok(store_run(f->store, &old.job));
    assert_int_equal(store_fixture_state(f).first_live_hour, -1);
    assert_int_equal(assert_sealed(f, hour_of(FIXTURE_NOW)), 1);
    clock_manual_advance(&f->clock, NS_PER_HOUR);
    settle(f);
    assert_int_equal(assert_sealed(f, hour_of(FIXTURE_NOW)), 2);
}

/* --- clocks that are set back --- */

static void a_clock_set_back_is_counted_once_and_time_stands_still(void **state)
{
    struct store_fixture *f = *state;
    int64_t before_ns = post(f, 1);
    clock_manual_advance(&f->clock, -2 * NS_PER_HOUR);
    for (uint64_t i = 2; i <= 4; i++)
        assert_int_equal(post(f, i), before_ns);
    assert_int_equal(store_counters(f->store).clock_went_back_count, 1);
    clock_manual_advance(&f->clock, 3 * NS_PER_HOUR); /* caught up */
    assert_int_equal(post(f, 5), before_ns + NS_PER_HOUR);
    assert_int_equal(store_counters(f->store).clock_went_back_count, 1);
    clock_manual_advance(&f->clock, -NS_PER_SECOND);
    post(f, 6);
    assert_int_equal(store_counters(f->store).clock_went_back_count, 2);
    assert_int_equal(assert_sealed(f, hour_of(FIXTURE_NOW)), 1);
}

static void a_clock_set_back_while_switched_off_is_noticed(void **state)
{
    struct store_fixture *f = *state;
    int64_t before_ns = post(f, 1);
    store_close(f->store);
    f->store = NULL;
    clock_manual_advance(&f->clock, -NS_PER_DAY);
    store_fixture_open(f);
    assert_int_equal(store_now_ns(f->store), before_ns);
    assert_int_equal(post(f, 2), before_ns);
    assert_int_equal(store_counters(f->store).clock_went_back_count, 1);
}

/* Nothing was ever reported after the seal, so only the seal itself remembers the time. */
static void a_seal_alone_keeps_time_from_going_back(void **state)
{
    struct store_fixture *f = *state;
    post(f, 1);
    set_clock(f, "2026-01-31T15:10:00Z");
    settle(f);
    store_close(f->store);
    f->store = NULL;
    set_clock(f, "2026-01-31T14:10:00Z");
    store_fixture_open(f);
    assert_true(post(f, 2) >= test_instant("2026-01-31T15:00:00Z"));
    assert_int_equal(assert_sealed(f, hour_of(FIXTURE_NOW)), 1);
}

/* --- windows that somebody was told are complete --- */

static uint64_t records_before(struct store_fixture *f, int64_t end_ns)
{
    struct kv_txn *txn = store_fixture_read(f);
    struct rows_cursor *cursor;
    const uint8_t *key, *value, from[ROW_KEY_SIZE] = { 0 };
    uint64_t count = 0;
    assert_ok(store_rows(f->store)->open(txn, ROWS_HOURLY, from, false, &cursor));
    while (store_rows(f->store)->next(cursor, &key, &value) == ERROR_OK)
        if (hour_start_ns(row_key_decode(key).bucket) < end_ns)
            count += row_sum_decode(value).records;
    store_rows(f->store)->close(cursor);
    store_read_end(txn);
    return count;
}

/* Random commits, clock steps either way, kills (a snapshot of the file is what a kill leaves: all that was committed)
 * and readers: what a reader was told about a window is true for good. */
static void promise_9_a_window_told_complete_never_grows(void **state)
{
    struct store_fixture *f = *state;
    struct prng prng = test_prng("unit-store-seal");
    enum { TOLD_MAX = 64 };
    struct {
        int64_t end_ns;
        uint64_t records;
    } windows[TOLD_MAX];
    size_t count = 0;
    post(f, 0);
    for (uint64_t i = 1; i <= (test_is_long() ? 4000u : 200u); i++) {
        int64_t step_ns = (int64_t)prng_below(&prng, 4 * NS_PER_HOUR) - NS_PER_HOUR;
        clock_manual_advance(&f->clock, step_ns);
        if (prng_below(&prng, 4) > 0)
            post(f, i);
        if (prng_below(&prng, 3) == 0) {
            int64_t end_ns = hour_start_ns(instant_hour(store_now_ns(f->store)));
            test_settle(f->store, end_ns);
            size_t slot = count < TOLD_MAX ? count++ : (size_t)prng_below(&prng, TOLD_MAX);
            windows[slot].end_ns = end_ns;
            windows[slot].records = records_before(f, end_ns);
        }
        if (prng_below(&prng, 8) == 0) {
            clock_manual_advance(&f->clock, -(int64_t)prng_below(&prng, 3 * NS_PER_DAY));
            store_fixture_reopen(f);
        }
        for (size_t w = 0; w < count && i % 20 == 0; w++)
            assert_int_equal(records_before(f, windows[w].end_ns), windows[w].records);
    }
    assert_true(count > 20);
    (void)assert_sealed(f, hour_of(FIXTURE_NOW));
}

/* The very first window of a store without any commit. */
static void a_window_of_an_empty_store_is_settled_for_good_too(void **state)
{
    struct store_fixture *f = *state;
    settle(f);
    assert_int_equal(store_fixture_state(f).last_sequence, 0);
    store_close(f->store);
    f->store = NULL;
    clock_manual_advance(&f->clock, -5 * NS_PER_HOUR);
    store_fixture_open(f);
    assert_int_equal(post(f, 1), test_instant("2026-01-31T12:00:00Z"));
}

/* --- failing writes --- */

/* The n-th write fails, for each n: the seal is there as a whole or not at all, waiters are released either way, and
 * the next attempt goes through. */
static void a_seal_that_fails_leaves_nothing_and_is_made_up_for(void **state)
{
    (void)state;
    static const err_t errors[] = { ERROR_INSUFFICIENT_STORAGE, ERROR_IO };
    uint64_t failures = 0;
    for (uint64_t n = 1, before = 1; before != failures; n++) {
        struct store_fixture f;
        before = failures;
        store_fixture_make(&f);
        post(&f, 1);
        set_clock(&f, "2026-02-01T00:10:00Z");
        store_fail_write(f.store, n, errors[n % 2]);
        settle(&f); /* comes back in any case */
        store_fail_write(f.store, 0, ERROR_OK);
        if (store_fixture_state(&f).sealed_hour == hour_of(FIXTURE_NOW)) {
            failures++;
            struct head heads[50];
            assert_int_equal(store_fixture_state(&f).last_sequence, 1);
            assert_int_equal(read_heads(&f, heads), 0);
            if (n % 2 == 0)
                store_fixture_reopen(&f);
            settle(&f);
        }
        assert_int_equal(assert_sealed(&f, hour_of(FIXTURE_NOW)), 1);
        assert_int_equal(store_fixture_state(&f).last_sequence, 2);
        store_fixture_free(&f);
    }
    assert_true(failures >= 4); /* segment, head, state, commit at least */
}

/* While no seal can be written this process keeps the window closed. */
static void a_window_stays_closed_where_no_seal_can_be_written(void **state)
{
    struct store_fixture *f = *state;
    int64_t reported_ns;
    post(f, 1);
    set_clock(f, "2026-01-31T13:10:00Z");
    store_fail_write(f->store, 1, ERROR_INSUFFICIENT_STORAGE);
    settle(f);
    assert_true(store_counters(f->store).degraded);
    set_clock(f, "2026-01-31T12:50:00Z");
    assert_ok(try_record(f, 2, &reported_ns));
    assert_true(reported_ns >= test_instant("2026-01-31T13:00:00Z"));
}

/* The clock is set back after a reader has asked and before the writer comes to it. */
static void promise_9_a_clock_set_back_while_a_reader_waits(void **state)
{
    struct store_fixture *f = *state;
    struct gate_job gate;
    struct test_waiter waiter = { .waiter.settled = test_waiter_called };
    int64_t end_ns = test_instant("2026-01-31T13:00:00Z");
    post(f, 1);
    sem_init(&waiter.called, 0, 0);
    gate_close(&gate, f->store);
    set_clock(f, "2026-01-31T13:10:00Z");
    assert_false(store_settled(f->store, end_ns, &waiter.waiter));
    set_clock(f, "2026-01-31T12:50:00Z");
    gate_open(&gate);
    sem_wait(&waiter.called);
    sem_destroy(&waiter.called);
    assert_int_equal(store_fixture_state(f).sealed_hour, instant_hour(end_ns));
    store_fixture_reopen(f);
    assert_true(post(f, 2) >= end_ns);
}

/* A record and the seal before it are one commit: the record fails, and the seal with it. */
static void promise_1_a_failed_commit_takes_its_seal_back(void **state)
{
    struct store_fixture *f = *state;
    bool accepted = false;
    for (uint64_t n = 1; !accepted; n++) {
        int64_t reported_ns;
        clock_manual_advance(&f->clock, NS_PER_HOUR);
        struct store_state before = store_fixture_state(f);
        store_fail_write(f->store, n, ERROR_IO);
        accepted = try_record(f, n, &reported_ns) == ERROR_OK;
        store_fail_write(f->store, 0, ERROR_OK);
        struct store_state after = store_fixture_state(f);
        if (!accepted) {
            assert_memory_equal(&before, &after, sizeof after);
            if (n % 5 == 0)
                store_fixture_reopen(f);
            assert_true(post(f, n + 1000) > 0);
        }
        (void)assert_sealed(f, hour_of(FIXTURE_NOW) + 1);
        assert_true(n < 100);
    }
}

TESTS(WITH_STORE_FIXTURE(sealing_starts_at_the_hour_of_the_first_commit),
      WITH_STORE_FIXTURE(each_hour_is_sealed_when_the_next_begins),
      WITH_STORE_FIXTURE(a_commit_begins_with_the_seal_that_is_due),
      WITH_STORE_FIXTURE(the_tick_seals_an_hour_in_which_nothing_happens),
      WITH_STORE_FIXTURE(ten_days_of_being_switched_off_are_one_seal),
      WITH_STORE_FIXTURE(the_row_engine_is_told_hours_and_days),
      WITH_STORE_FIXTURE(history_is_no_live_usage_and_may_lie_in_sealed_hours),
      WITH_STORE_FIXTURE(a_clock_set_back_is_counted_once_and_time_stands_still),
      WITH_STORE_FIXTURE(a_clock_set_back_while_switched_off_is_noticed),
      WITH_STORE_FIXTURE(a_seal_alone_keeps_time_from_going_back),
      WITH_STORE_FIXTURE(promise_9_a_window_told_complete_never_grows),
      WITH_STORE_FIXTURE(a_window_of_an_empty_store_is_settled_for_good_too),
      cmocka_unit_test(a_seal_that_fails_leaves_nothing_and_is_made_up_for),
      WITH_STORE_FIXTURE(a_window_stays_closed_where_no_seal_can_be_written),
      WITH_STORE_FIXTURE(promise_9_a_clock_set_back_while_a_reader_waits),
      WITH_STORE_FIXTURE(promise_1_a_failed_commit_takes_its_seal_back))
