/* Opening and closing, and what a write transaction promises: all of it or nothing, durable when done is called. */
#include "support/store_fixture.h"

#include <fcntl.h>

#include "base/files.h"
#include "store/journal.h"
#include "store/write.h"

/* --- a job that writes one record of one or two hours --- */

struct record_job {
    struct store_job job; /* first member */
    const char *id;
    const char *quantities[2];
    size_t share_count;
    bool history;
    int64_t reported_ns;
    /* out */
    enum claim claim;
    uint64_t sequence;
    bool fits;
};

static struct hash128 identity_of(const char *id)
{
    static const uint8_t key[SIPHASH_KEY_SIZE];
    struct siphash state;
    siphash_init(&state, key);
    siphash_update(&state, id, strlen(id));
    return siphash_finish(&state);
}

static err_t run_record(struct store_write *write, struct store_job *job)
{
    struct record_job *r = (struct record_job *)job;
    struct hash128 identity = identity_of(r->id);
    uint64_t content_hash = strlen(r->quantities[0]);
    err_t error = write_claim(write, &identity, content_hash, &r->claim, &r->sequence);
    if (error != ERROR_OK || r->claim != CLAIM_NEW)
        return error;
    struct journal_record record = { .id = text_of(r->id), .history = r->history, .reported_ns = r->reported_ns };
    error = write_intern(write, DICTIONARY_METER, TEXT("m"), TEXT("m"), &record.meter);
    if (error == ERROR_OK)
        error = write_intern(write, DICTIONARY_SUBSCRIPTION, TEXT("s"), TEXT("s"), &record.subscription);
    if (error != ERROR_OK)
        return error;
    uint32_t hour = (uint32_t)instant_hour(test_instant("2026-01-31T10:00:00Z"));
    struct write_share shares[2];
    for (size_t i = 0; i < r->share_count; i++) {
        shares[i].hour = hour + (uint32_t)i;
        assert_ok(decimal_parse(text_of(r->quantities[i]), &shares[i].quantity));
    }
    record.start_ns = hour_start_ns(hour);
    record.end_ns = hour_start_ns(hour + 1);
    error = write_record(write, &record, &identity, content_hash, 1, shares, r->share_count, &r->fits);
    r->sequence = record.sequence;
    return error;
}

static err_t write_one(struct store_fixture *f, struct record_job *job)
{
    job->job = (struct store_job){ .run = run_record, .weight = 1 };
    return store_run(f->store, &job->job);
}

static struct record_job record_of(const char *id, const char *quantity)
{
    return (struct record_job){ .id = id, .quantities = { quantity }, .share_count = 1 };
}

static void assert_rows(struct store_fixture *f, enum row_family family, size_t rows, const char *total,
                        uint32_t records)
{
    struct kv_txn *txn = store_fixture_read(f);
    struct rows_cursor *cursor;
    const uint8_t *key, *value;
    uint8_t from[ROW_KEY_SIZE] = { 0 };
    struct decimal sum = { { 0 } };
    uint32_t counted = 0;
    size_t seen = 0;
    assert_ok(store_rows(f->store)->open(txn, family, from, false, &cursor));
    for (; store_rows(f->store)->next(cursor, &key, &value) == ERROR_OK; seen++) {
        struct row_sum row = row_sum_decode(value);
        assert_true(decimal_add(&sum, &row.quantity, &sum));
        counted += row.records;
    }
    store_rows(f->store)->close(cursor);
    store_read_end(txn);
    char text[DECIMAL_TEXT_SIZE];
    decimal_print(&sum, text);
    assert_string_equal(text, total);
    assert_int_equal(seen, rows);
    assert_int_equal(counted, records);
}

/* --- opening --- */

static void a_new_store_is_empty(void **state)
{
    struct store_fixture *f = *state;
    struct store_state now = store_fixture_state(f);
    assert_int_equal(now.last_sequence, 0);
    assert_int_equal(now.last_reported_ns, INT64_MIN);
    assert_int_equal(now.first_live_hour, -1);
    assert_string_equal(store_folder(f->store), f->folder.path);
    struct kv_stats stats;
    assert_ok(store_stats(f->store, &stats));
    assert_int_equal(stats.entries[KV_JOURNAL], 0);
}

static err_t open_again(struct store_fixture *f, const char *folder, bool create, struct error_info *info)
{
    struct store_options options = f->options;
    struct store *store = NULL;
    *info = (struct error_info){ 0 };
    options.folder = folder;
    options.create = create;
    err_t error = store_open(&options, &store, info);
    assert_true((error == ERROR_OK) == (store != NULL));
    assert_int_equal(info->code, error);
    if (error != ERROR_OK)
        assert_true(strlen(info->message) > 10);
    store_close(store);
    return error;
}

static void a_second_opening_is_refused_and_the_first_goes_on(void **state)
{
    struct store_fixture *f = *state;
    struct error_info info;
    struct record_job job = record_of("a", "1");
    assert_error(open_again(f, f->folder.path, true, &info), ERROR_STORE_IN_USE);
    assert_non_null(strstr(info.message, f->folder.path));
    assert_ok(write_one(f, &job));
    store_close(f->store);
    f->store = NULL;
    assert_ok(open_again(f, f->folder.path, true, &info));
}

static void an_absent_store_is_only_made_when_asked(void **state)
{
    struct store_fixture *f = *state;
    struct error_info info;
    char path[TEST_PATH_SIZE];
    test_folder_path(&f->folder, "other", path);
    assert_error(open_again(f, path, false, &info), ERROR_NOT_FOUND);
    assert_non_null(strstr(info.message, path));
    assert_false(file_exists(path));
    assert_ok(open_again(f, path, true, &info));
    assert_ok(open_again(f, path, false, &info));
}

static void a_path_that_is_too_long_is_refused(void **state)
{
    struct error_info info;
    char path[5000];
    memset(path, 'p', sizeof path - 1);
    path[sizeof path - 1] = '\0';
    assert_error(open_again(*state, path, true, &info), ERROR_IO);
}

static void set_meta(struct store_fixture *f, struct text key, struct text value)
{
    struct kv *kv;
    struct kv_txn *txn;
    struct kv_options options = { .folder = f->folder.path, .map_size_bytes = (size_t)1 << 28 };
    assert_ok(kv_open(&options, &kv, NULL));
    assert_ok(kv_write_begin(kv, &txn));
    assert_ok(kv_put(txn, KV_META, key, value));
    assert_ok(kv_commit(txn));
    kv_close(kv);
}

static void a_newer_schema_is_refused_by_name(void **state)
{
    struct store_fixture *f = *state;
    struct error_info info;
    store_close(f->store);
    f->store = NULL;
    uint8_t version[4];
    put_u32be(version, STORE_SCHEMA_VERSION + 1);
    set_meta(f, TEXT("schema"), BYTES(version));
    assert_error(open_again(f, f->folder.path, true, &info), ERROR_STORE_NEWER);
    char schema[16];
    (void)snprintf(schema, sizeof schema, "schema %d", STORE_SCHEMA_VERSION + 1);
    assert_non_null(strstr(info.message, schema));
}

static void damaged_meta_entries_are_refused(void **state)
{
    static const char *const names[] = { "state", "hash_key", "schema" };
    struct store_fixture *f = *state;
    struct error_info info;
    store_close(f->store);
    f->store = NULL;
    for (size_t i = 0; i < COUNT_OF(names); i++) {
        set_meta(f, text_of(names[i]), TEXT("odd"));
        assert_error(open_again(f, f->folder.path, false, &info), ERROR_STORE_CORRUPT);
        assert_non_null(strstr(info.message, f->folder.path));
    }
}

/* It would otherwise be taken for a new store and get another secret, under which no identity is known. */
static void a_store_that_lost_its_schema_is_not_a_new_one(void **state)
{
    struct store_fixture *f = *state;
    struct error_info info;
    struct kv *kv;
    struct kv_txn *txn;
    struct kv_options options = { .folder = f->folder.path, .map_size_bytes = (size_t)1 << 28 };
    struct record_job job = record_of("a", "1");
    assert_ok(write_one(f, &job));
    store_close(f->store);
    f->store = NULL;
    assert_ok(kv_open(&options, &kv, NULL));
    assert_ok(kv_write_begin(kv, &txn));
    assert_ok(kv_delete(txn, KV_META, TEXT("schema")));
    assert_ok(kv_commit(txn));
    kv_close(kv);
    assert_error(open_again(f, f->folder.path, true, &info), ERROR_STORE_CORRUPT);
}

static void a_damaged_file_is_a_clear_error(void **state)
{
    struct store_fixture *f = *state;
    struct error_info info;
    char path[TEST_PATH_SIZE], garbage[8192];
    store_close(f->store);
    f->store = NULL;
    test_folder_path(&f->folder, "data.mdb", path);
    memset(garbage, 'g', sizeof garbage);
    int fd = open(path, O_WRONLY);
    assert_int_equal(pwrite(fd, garbage, sizeof garbage, 0), sizeof garbage);
    close(fd);
    assert_error(open_again(f, f->folder.path, false, &info), ERROR_STORE_CORRUPT);
    assert_non_null(strstr(info.message, f->folder.path));
}

static void keeps_its_secret_and_its_state(void **state)
{
    struct store_fixture *f = *state;
    uint8_t key[SIPHASH_KEY_SIZE];
    static const uint8_t zeros[SIPHASH_KEY_SIZE];
    struct record_job job = record_of("a", "1");
    memcpy(key, store_hash_key(f->store), sizeof key);
    assert_memory_not_equal(key, zeros, sizeof key);
    assert_ok(write_one(f, &job));
    struct store_state before = store_fixture_state(f);
    store_fixture_reopen(f);
    assert_memory_equal(store_hash_key(f->store), key, sizeof key);
    struct store_state after = store_fixture_state(f);
    assert_memory_equal(&before, &after, sizeof before);
    assert_int_equal(after.last_sequence, 1);
    assert_int_equal(after.last_reported_ns, test_instant(FIXTURE_NOW));
    assert_int_equal(after.first_live_hour, instant_hour(test_instant(FIXTURE_NOW)));
}

/* --- the write transaction --- */

static void a_claim_is_seen_by_whoever_comes_later(void **state)
{
    struct store_fixture *f = *state;
    struct record_job first = record_of("a", "1"), same = record_of("a", "2"), other = record_of("a", "22");
    assert_ok(write_one(f, &first));
    assert_int_equal(first.claim, CLAIM_NEW);
    assert_ok(write_one(f, &same)); /* equal content by this test's hash */
    assert_int_equal(same.claim, CLAIM_SAME);
    assert_int_equal(same.sequence, first.sequence);
    store_fixture_reopen(f);
    assert_ok(write_one(f, &other));
    assert_int_equal(other.claim, CLAIM_OTHER);
    assert_int_equal(other.sequence, first.sequence);
    assert_rows(f, ROWS_HOURLY, 1, "1", 1);
}

static void a_record_counts_once_in_its_first_hour(void **state)
{
    struct store_fixture *f = *state;
    struct record_job job = { .id = "a", .quantities = { "1.5", "2.25" }, .share_count = 2 };
    assert_ok(write_one(f, &job));
    assert_rows(f, ROWS_HOURLY, 2, "3.75", 1);
    assert_rows(f, ROWS_DAILY, 1, "3.75", 1);
}

#define LARGEST "999999999999999999999999999.999999999999999999999999999999"

static void a_sum_that_would_not_fit_changes_nothing(void **state)
{
    struct store_fixture *f = *state;
    char id[2] = "a";
    for (int i = 0; i < 3; i++, id[0]++) {
        struct record_job job = record_of(id, LARGEST);
        assert_ok(write_one(f, &job));
        assert_true(job.fits);
    }
    struct store_state before = store_fixture_state(f);
    for (int i = 0; i < 2; i++) {
        struct record_job refused = record_of("refused", LARGEST);
        assert_ok(write_one(f, &refused));
        assert_int_equal(refused.claim, CLAIM_NEW);
        assert_false(refused.fits);
        store_fixture_reopen(f);
    }
    struct store_state after = store_fixture_state(f);
    assert_memory_equal(&before, &after, sizeof before);
    assert_rows(f, ROWS_HOURLY, 1, "2999999999999999999999999999.999999999999999999999999999997", 3);
    struct record_job small = record_of("small", "0.000000000000000000000000000003");
    assert_ok(write_one(f, &small));
    assert_true(small.fits);
    assert_rows(f, ROWS_DAILY, 1, "3000000000000000000000000000", 4);
}

/* Sums stay so far below what a decimal holds that any number of small quantities fits, which nobody checks. */
static void sums_leave_room_for_small_quantities(void **state)
{
    struct store_fixture *f = *state;
    char id[2] = "a";
    for (int i = 0; i < 3; i++, id[0]++) {
        struct record_job job = record_of(id, LARGEST);
        assert_ok(write_one(f, &job));
    }
    struct record_job above =
        record_of("above", "135000000000000000000000000"); /* 3.135 * 10^27: a decimal would hold it */
    struct record_job below = record_of("below", "130000000000000000000000000");
    assert_ok(write_one(f, &above));
    assert_false(above.fits);
    assert_ok(write_one(f, &below));
    assert_true(below.fits);
}

/* The day is fuller than any of its hours. */
static void the_sum_of_a_day_is_checked_too(void **state)
{
    struct store_fixture *f = *state;
    struct record_job two = { .id = "a", .quantities = { LARGEST, LARGEST }, .share_count = 2 };
    struct record_job one = record_of("b", LARGEST), refused = record_of("c", LARGEST);
    assert_ok(write_one(f, &two));
    assert_ok(write_one(f, &one));
    assert_ok(write_one(f, &refused));
    assert_true(two.fits && one.fits && !refused.fits);
    assert_rows(f, ROWS_HOURLY, 2, "2999999999999999999999999999.999999999999999999999999999997", 2);
}

static void history_keeps_its_own_reported_time(void **state)
{
    struct store_fixture *f = *state;
    struct record_job history = record_of("old", "5"), live = record_of("new", "7");
    history.history = true;
    history.reported_ns = test_instant("2025-06-01T00:30:00Z");
    assert_ok(write_one(f, &history));
    assert_int_equal(store_fixture_state(f).first_live_hour, -1);
    assert_int_equal(store_fixture_state(f).last_reported_ns, INT64_MIN);
    assert_ok(write_one(f, &live));
    struct kv_txn *txn = store_fixture_read(f);
    struct journal_entry entry;
    assert_ok(journal_get(txn, 1, &entry));
    assert_int_equal(entry.reported_ns, history.reported_ns);
    assert_true(entry.record.history);
    assert_ok(journal_get(txn, 2, &entry));
    assert_int_equal(entry.reported_ns, test_instant(FIXTURE_NOW));
    assert_false(entry.record.history);
    store_read_end(txn);
    assert_rows(f, ROWS_HOURLY, 2, "12", 2);
}

/* The n-th write fails, for each n until none is left to fail: nothing of the job is visible, also not after the store
 * was closed and opened, and the same job goes through afterwards. */
static void promise_1_a_failed_write_leaves_nothing_behind(void **state)
{
    (void)state;
    static const err_t errors[] = { ERROR_INSUFFICIENT_STORAGE, ERROR_IO };
    for (size_t e = 0; e < COUNT_OF(errors); e++) {
        struct store_fixture f;
        store_fixture_make(&f);
        uint64_t n = 0;
        for (err_t error = errors[e]; error != ERROR_OK; n++) {
            struct record_job job = { .id = "a", .quantities = { "1.5", "2" }, .share_count = 2 };
            store_fail_write(f.store, n + 1, errors[e]);
            error = write_one(&f, &job);
            store_fail_write(f.store, 0, ERROR_OK);
            if (error == ERROR_OK)
                break;
            assert_error(error, errors[e]);
            if (n % 4 == 0)
                store_fixture_reopen(&f);
            assert_int_equal(store_fixture_state(&f).last_sequence, 0);
            assert_rows(&f, ROWS_HOURLY, 0, "0", 0);
            assert_rows(&f, ROWS_DAILY, 0, "0", 0);
            assert_rows(&f, ROWS_DEDUPE, 0, "0", 0);
            struct kv_stats stats;
            assert_ok(store_stats(f.store, &stats));
            for (int table = KV_JOURNAL; table < KV_TABLE_COUNT; table++)
                assert_int_equal(stats.entries[table], 0);
        }
        assert_true(n >= 10); /* 2 names of 2 entries, segment, claims, hours, days, state, commit at least */
        assert_rows(&f, ROWS_HOURLY, 2, "3.5", 1);
        store_fixture_free(&f);
    }
}

TESTS(WITH_STORE_FIXTURE(a_new_store_is_empty), WITH_STORE_FIXTURE(a_second_opening_is_refused_and_the_first_goes_on),
      WITH_STORE_FIXTURE(an_absent_store_is_only_made_when_asked),
      WITH_STORE_FIXTURE(a_path_that_is_too_long_is_refused), WITH_STORE_FIXTURE(a_newer_schema_is_refused_by_name),
      WITH_STORE_FIXTURE(damaged_meta_entries_are_refused),
      WITH_STORE_FIXTURE(a_store_that_lost_its_schema_is_not_a_new_one),
      WITH_STORE_FIXTURE(a_damaged_file_is_a_clear_error), WITH_STORE_FIXTURE(keeps_its_secret_and_its_state),
      WITH_STORE_FIXTURE(a_claim_is_seen_by_whoever_comes_later),
      WITH_STORE_FIXTURE(a_record_counts_once_in_its_first_hour),
      WITH_STORE_FIXTURE(a_sum_that_would_not_fit_changes_nothing),
      WITH_STORE_FIXTURE(sums_leave_room_for_small_quantities), WITH_STORE_FIXTURE(the_sum_of_a_day_is_checked_too),
      WITH_STORE_FIXTURE(history_keeps_its_own_reported_time),
      cmocka_unit_test(promise_1_a_failed_write_leaves_nothing_behind))
