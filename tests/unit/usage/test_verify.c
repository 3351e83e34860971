/* Promise 5, first half: verify proves a sound store and notices whatever is not as it should be. */
#include "support/life.h"

#include <fcntl.h>
#include <sched.h>
#include <sys/stat.h>

#include "base/files.h"
#include "store/data_file.h"
#include "store/file_check.h"
#include "store/head.h"
#include "store/journal.h"
#include "store/write.h"
#include "usage/rebuild.h"
#include "usage/verify.h"

#define STEPS 120
#define FLIPS 400

static struct verify_result verify_store(struct usage_fixture *f, struct text heads)
{
    struct verify_options options = { .folder = f->base.folder.path,
                                      .heads = heads,
                                      .map_size_bytes = (size_t)1 << 30 };
    struct verify_result result;
    struct error_info info = { 0 };
    if (f->base.store != NULL)
        options.kv = store_kv(f->base.store);
    if (verify_run(&options, &result, &info) != ERROR_OK)
        fail_msg("verify: %s", info.message);
    return result;
}

static void assert_proven(struct usage_fixture *f)
{
    struct verify_result result = verify_store(f, TEXT_NONE);
    struct buffer text = { 0 };
    verify_write_text(&result, &text);
    if (verify_has_findings(&result, false) || verify_has_findings(&result, true))
        fail_msg("%.*s", TEXT_ARGS(buffer_text(&text)));
    for (int part = 0; part < VERIFY_PART_COUNT; part++)
        if (part != VERIFY_EXPORTED)
            assert_true(result.parts[part].done);
    buffer_free(&text);
    verify_free(&result);
}

static void assert_found(struct usage_fixture *f, enum verify_part part)
{
    struct verify_result result = verify_store(f, TEXT_NONE);
    if (result.parts[part].count == 0)
        fail_msg("nothing found in part %s", verify_part_name(part));
    assert_true(strlen(result.parts[part].sentences[0]) > 20);
    verify_free(&result);
}

static void close_store(struct usage_fixture *f)
{
    store_close(f->base.store);
    f->base.store = NULL;
}

/* --- sound stores --- */

static void promise_5_records_hours_days_and_rollups_are_proven_the_same(void **state)
{
    struct usage_fixture *f = *state;
    assert_proven(f);
    struct life life = life_begin(f, "unit-usage-verify");
    assert_proven(f);
    for (int round = 0; round < 3; round++) {
        life_go_on(&life, STEPS);
        assert_proven(f); /* running */
        close_store(f);
        assert_proven(f); /* stopped */
        store_fixture_open(&f->base);
    }
    struct verify_result result = verify_store(f, TEXT_NONE);
    struct store_state now = store_fixture_state(&f->base);
    assert_int_equal(result.records, now.records);
    assert_int_equal(result.corrections, now.corrections);
    assert_int_equal(result.last_sequence, now.last_sequence);
    assert_true(result.heads > 0 && result.heads == result.seals);
    uint64_t counted;
    struct decimal_sum sum = family_sum(f, ROWS_HOURLY, 0, UINT32_MAX, &counted);
    assert_sum_text(&sum, result.quantity);
    verify_free(&result);
}

static void a_store_of_the_plain_engine_is_proven_too(void **state)
{
    struct usage_fixture *f = *state;
    close_store(f);
    test_folder_remove(&f->base.folder);
    test_folder_make(&f->base.folder);
    f->base.options.rows = &rows_plain;
    store_fixture_open(&f->base);
    struct life life = life_begin(f, "unit-usage-verify");
    life_go_on(&life, STEPS);
    assert_proven(f);
}

static void what_retention_has_dropped_is_not_missed(void **state)
{
    struct usage_fixture *f = *state;
    struct life life = life_begin(f, "unit-usage-verify");
    life_go_on(&life, STEPS);
    uint64_t middle = store_fixture_state(&f->base).last_sequence / 2;
    life_go_on(&life, STEPS);
    drop_journal_before(f, middle);
    assert_proven(f);
    struct verify_result result = verify_store(f, TEXT_NONE);
    struct buffer text = { 0 };
    verify_write_text(&result, &text);
    assert_true(result.first_sequence > 1 && result.given_rows > 0 && result.first_hour > 0);
    assert_non_null(memmem(text.data, buffer_len(&text), "Retention has dropped", 21));
    buffer_free(&text);
    verify_free(&result);
}

static err_t run_nothing(struct store_write *write, struct store_job *job)
{
    (void)write;
    (void)job;
    return ERROR_OK;
}

static void usage_barrier(struct usage_fixture *f)
{
    struct store_job nothing = { .run = run_nothing, .weight = 1 };
    assert_ok(store_run(f->base.store, &nothing));
}

/* Until the writer has nothing left to merge or to drop. */
static void let_it_rest(struct usage_fixture *f)
{
    store_tick(f->base.store);
    usage_barrier(f);
    while (store_counters(f->base.store).upkeep_left)
        sched_yield();
}

/* Weeks go by with retention of different classes; whatever is gone, the rest is proven, and rebuilt the same. */
static void promise_5_holds_for_what_retention_leaves(void **state)
{
    static const int64_t kept_days[][3] = { { 5, 12, 30 }, { 12, 5, 9 }, { 0, 4, 8 } };
    struct usage_fixture *f = *state;
    for (size_t i = 0; i < COUNT_OF(kept_days); i++) {
        close_store(f);
        test_folder_remove(&f->base.folder);
        test_folder_make(&f->base.folder);
        clock_manual_set_wall(&f->base.clock, test_instant(FIXTURE_NOW));
        for (int c = 0; c < 3; c++)
            f->base.options.retention.keep_hours[c] = kept_days[i][c] * HOURS_PER_DAY;
        store_fixture_open(&f->base);
        struct life life = life_begin(f, "unit-usage-verify");
        for (int day = 0; day < 30; day++) {
            life_go_on(&life, 5);
            clock_manual_advance(&f->base.clock, 20 * NS_PER_HOUR);
            let_it_rest(f);
        }
        assert_proven(f);
        struct verify_result result = verify_store(f, TEXT_NONE);
        assert_true(kept_days[i][0] == 0 || result.first_sequence > 1);
        verify_free(&result);
        struct picture before = picture_take(f);
        struct rebuild_options options = { .folder = f->base.folder.path,
                                           .to_reported_ns = INT64_MAX,
                                           .map_size_bytes = (size_t)1 << 28 };
        struct rebuild_result rebuilt;
        close_store(f);
        assert_ok(rebuild_run(&options, &rebuilt, NULL));
        store_fixture_open(&f->base);
        struct picture after = picture_take(f);
        assert_same_picture(&before, &after);
        assert_proven(f);
    }
}

static void verify_runs_while_usage_is_posted(void **state)
{
    struct usage_fixture *f = *state;
    struct life life = life_begin(f, "unit-usage-verify");
    for (int round = 0; round < 5; round++) {
        life_go_on(&life, 20);
        assert_proven(f);
    }
}

/* --- tampering that keeps checksums right --- */

/* A change of the store's tables, made with the server stopped. */
static void tamper(struct usage_fixture *f, void (*change)(struct kv_txn *txn))
{
    struct kv_options options = { .folder = f->base.folder.path, .map_size_bytes = (size_t)1 << 30 };
    struct kv *kv;
    struct kv_txn *txn;
    close_store(f);
    assert_ok(kv_open(&options, &kv, NULL));
    assert_ok(kv_write_begin(kv, &txn));
    change(txn);
    assert_ok(kv_commit(txn));
    kv_close(kv);
}

static void make_plain_store(struct usage_fixture *f)
{
    close_store(f);
    test_folder_remove(&f->base.folder);
    test_folder_make(&f->base.folder);
    f->base.options.rows = &rows_plain;
    store_fixture_open(&f->base);
    struct life life = life_begin(f, "unit-usage-verify");
    life_go_on(&life, 80);
    struct post post = post_good();
    usage_post_accepted(f, &post);
    post.id = "\"second\"";
    usage_post_accepted(f, &post);
    correct_well(f, "second", "9");
    clock_manual_advance(&f->base.clock, 3 * NS_PER_HOUR);
    post.id = "\"third\"";
    usage_post_accepted(f, &post);
}

/* The n-th entry of a table, copied. */
static void nth(struct kv_txn *txn, enum kv_table table, size_t n, uint8_t *key, size_t *key_size, uint8_t *value,
                size_t *value_size)
{
    struct kv_cursor *cursor;
    struct text k, v;
    assert_ok(kv_cursor_open(txn, table, &cursor));
    for (size_t i = 0; i <= n; i++)
        assert_ok(kv_cursor_next(cursor, &k, &v));
    memcpy(key, k.ptr, *key_size = k.len);
    if (v.len > 0)
        memcpy(value, v.ptr, v.len);
    *value_size = v.len;
    kv_cursor_close(cursor);
}

static uint8_t key[512], value[1 << 17], other_key[512], other_value[1 << 17];
static size_t key_size, value_size, other_key_size, other_value_size;

static void put_back(struct kv_txn *txn, enum kv_table table)
{
    assert_ok(kv_put(txn, table, (struct text){ (char *)key, key_size }, (struct text){ (char *)value, value_size }));
}

static void load(struct kv_txn *txn, enum kv_table table, size_t n)
{
    nth(txn, table, n, key, &key_size, value, &value_size);
}

static void drop(struct kv_txn *txn, enum kv_table table)
{
    load(txn, table, 1);
    assert_ok(kv_delete(txn, table, (struct text){ (char *)key, key_size }));
}

static void lose_an_hourly_row(struct kv_txn *txn)
{
    drop(txn, KV_HOURLY);
}
static void lose_a_daily_row(struct kv_txn *txn)
{
    drop(txn, KV_DAILY);
}
static void lose_a_rollup(struct kv_txn *txn)
{
    drop(txn, KV_ROLLUP);
}
static void add_an_hourly_row(struct kv_txn *txn)
{
    load(txn, KV_HOURLY, 1);
    key[23] ^= 0x40;
    put_back(txn, KV_HOURLY);
}
static void change_a_sum(struct kv_txn *txn)
{
    load(txn, KV_HOURLY, 2);
    value[10] ^= 1;
    put_back(txn, KV_HOURLY);
}
static void change_a_count(struct kv_txn *txn)
{
    load(txn, KV_DAILY, 2);
    value[value_size - 1] ^= 1;
    put_back(txn, KV_DAILY);
}
/* All sums stay the same: one tenant pays for another. */
static void swap_two_rows(struct kv_txn *txn)
{
    for (size_t n = 0;; n++) {
        load(txn, KV_HOURLY, n);
        nth(txn, KV_HOURLY, n + 1, other_key, &other_key_size, other_value, &other_value_size);
        if (memcmp(key, other_key, 4) == 0 && memcmp(value, other_value, value_size) != 0)
            break;
    }
    assert_ok(kv_put(txn, KV_HOURLY, (struct text){ (char *)key, key_size },
                     (struct text){ (char *)other_value, other_value_size }));
    assert_ok(kv_put(txn, KV_HOURLY, (struct text){ (char *)other_key, other_key_size },
                     (struct text){ (char *)value, value_size }));
}
static void forget_an_identity(struct kv_txn *txn)
{
    drop(txn, KV_DEDUPE);
}
static void claim_an_identity(struct kv_txn *txn)
{
    load(txn, KV_DEDUPE, 1);
    key[3] ^= 1;
    put_back(txn, KV_DEDUPE);
}
static void change_a_content_hash(struct kv_txn *txn)
{
    load(txn, KV_DEDUPE, 1);
    value[3] ^= 1;
    put_back(txn, KV_DEDUPE);
}
static void lose_a_span(struct kv_txn *txn)
{
    drop(txn, KV_SPANS);
}
static void shorten_a_span(struct kv_txn *txn)
{
    load(txn, KV_SPANS, 1);
    value[15] ^= 1;
    put_back(txn, KV_SPANS);
}
static void lose_a_usage_time(struct kv_txn *txn)
{
    drop(txn, KV_USAGE_TIMES);
}
static void add_a_usage_time(struct kv_txn *txn)
{
    load(txn, KV_USAGE_TIMES, 1);
    key[2] ^= 1;
    put_back(txn, KV_USAGE_TIMES);
}
static void lose_a_correction(struct kv_txn *txn)
{
    load(txn, KV_CORRECTIONS, 0);
    assert_ok(kv_delete(txn, KV_CORRECTIONS, (struct text){ (char *)key, key_size }));
}
static void change_a_text(struct kv_txn *txn)
{
    load(txn, KV_DICTIONARY_TEXT, 2);
    value[0] ^= 1;
    put_back(txn, KV_DICTIONARY_TEXT);
}
static void lose_a_text(struct kv_txn *txn)
{
    drop(txn, KV_DICTIONARY);
}
static void add_a_text(struct kv_txn *txn)
{
    load(txn, KV_DICTIONARY, 2);
    key[5] ^= 1;
    put_back(txn, KV_DICTIONARY);
}
static void rewrite_a_record(struct kv_txn *txn)
{
    load(txn, KV_JOURNAL, 2);
    value[value_size - 3] ^= 1;
    put_back(txn, KV_JOURNAL);
}
static void cut_the_journal(struct kv_txn *txn)
{
    struct kv_cursor *cursor;
    struct text k, v;
    assert_ok(kv_cursor_open(txn, KV_JOURNAL, &cursor));
    assert_ok(kv_cursor_last(cursor, &k, &v));
    memcpy(key, k.ptr, key_size = k.len);
    kv_cursor_close(cursor);
    assert_ok(kv_delete(txn, KV_JOURNAL, (struct text){ (char *)key, key_size }));
}
static void lose_a_segment(struct kv_txn *txn)
{
    load(txn, KV_JOURNAL, 3);
    assert_ok(kv_delete(txn, KV_JOURNAL, (struct text){ (char *)key, key_size }));
}
static void forge_a_head(struct kv_txn *txn)
{
    load(txn, KV_HEADS, 0);
    value[20] ^= 1;
    put_back(txn, KV_HEADS);
}
static void miscount(struct kv_txn *txn)
{
    struct text state;
    assert_ok(kv_get(txn, KV_META, TEXT("state"), &state));
    memcpy(value, state.ptr, state.len);
    value[39] ^= 1;
    assert_ok(kv_put(txn, KV_META, TEXT("state"), (struct text){ (char *)value, state.len }));
}

static void whatever_is_tampered_with_is_found(void **state)
{
    static const struct {
        void (*change)(struct kv_txn *txn);
        enum verify_part part;
    } changes[] = {
        { lose_an_hourly_row, VERIFY_SUMS },   { lose_a_daily_row, VERIFY_SUMS },
        { lose_a_rollup, VERIFY_SUMS },        { add_an_hourly_row, VERIFY_SUMS },
        { change_a_sum, VERIFY_SUMS },         { change_a_count, VERIFY_SUMS },
        { swap_two_rows, VERIFY_SUMS },        { forget_an_identity, VERIFY_DEDUPE },
        { claim_an_identity, VERIFY_DEDUPE },  { change_a_content_hash, VERIFY_DEDUPE },
        { lose_a_span, VERIFY_LOOKUPS },       { shorten_a_span, VERIFY_LOOKUPS },
        { lose_a_usage_time, VERIFY_LOOKUPS }, { add_a_usage_time, VERIFY_LOOKUPS },
        { lose_a_correction, VERIFY_LOOKUPS }, { change_a_text, VERIFY_DICTIONARY },
        { lose_a_text, VERIFY_DICTIONARY },    { add_a_text, VERIFY_DICTIONARY },
        { rewrite_a_record, VERIFY_CHAIN },    { cut_the_journal, VERIFY_CHAIN },
        { lose_a_segment, VERIFY_CHAIN },      { forge_a_head, VERIFY_HEADS },
        { miscount, VERIFY_COUNTS },
    };
    struct usage_fixture *f = *state;
    struct buffer sound = { 0 };
    char path[TEST_PATH_SIZE];
    make_plain_store(f);
    assert_proven(f);
    close_store(f);
    test_folder_path(&f->base.folder, DATA_FILE_NAME, path);
    assert_ok(file_read(path, (size_t)64 << 20, &sound, NULL));
    for (size_t i = 0; i < COUNT_OF(changes); i++) {
        assert_ok(file_write_durable(path, buffer_text(&sound), 0600, NULL));
        tamper(f, changes[i].change);
        (void)fprintf(stderr, "# change %zu\n", i);
        assert_found(f, changes[i].part);
    }
    buffer_free(&sound);
}

/* --- heads kept elsewhere --- */

static void heads_kept_elsewhere_are_compared(void **state)
{
    struct usage_fixture *f = *state;
    struct life life = life_begin(f, "unit-usage-verify");
    struct buffer exported = { 0 };
    struct head head;
    life_go_on(&life, STEPS);
    clock_manual_advance(&f->base.clock, 2 * NS_PER_HOUR);
    life_go_on(&life, 20);
    struct kv_txn *txn = store_fixture_read(&f->base);
    assert_ok(head_newest(txn, &head));
    store_read_end(txn);
    head_write(&head, store_signature_key(f->base.store)->key_id, &exported);
    buffer_append_char(&exported, '\n');
    struct verify_result result = verify_store(f, buffer_text(&exported));
    assert_int_equal(result.parts[VERIFY_EXPORTED].count, 0);
    assert_true(result.parts[VERIFY_EXPORTED].done);
    verify_free(&result);
    tamper(f, cut_the_journal);
    result = verify_store(f, buffer_text(&exported));
    assert_true(verify_has_findings(&result, false));
    verify_free(&result);
    result = verify_store(f, TEXT("{\"no\":\"head\"}\n"));
    assert_int_equal(result.parts[VERIFY_EXPORTED].count, 1);
    verify_free(&result);
    buffer_free(&exported);
}

/* --- damage --- */

static void ignore_fault(void *context, const char *sentence)
{
    (void)context;
    (void)sentence;
}

static bool is_noticed(struct usage_fixture *f)
{
    struct verify_options options = { .folder = f->base.folder.path, .map_size_bytes = (size_t)1 << 28 };
    struct verify_result result;
    err_t error = verify_run(&options, &result, NULL);
    bool noticed = error != ERROR_OK || verify_has_findings(&result, false) || verify_has_findings(&result, true);
    verify_free(&result);
    return noticed;
}

static void promise_9_a_flipped_byte_anywhere_is_noticed_or_of_no_consequence(void **state)
{
    struct usage_fixture *f = *state;
    struct life life = life_begin(f, "unit-usage-verify");
    char path[TEST_PATH_SIZE];
    struct stat status;
    life_go_on(&life, 60);
    struct picture before = picture_take(f);
    close_store(f);
    test_folder_path(&f->base.folder, DATA_FILE_NAME, path);
    int fd = open(path, O_RDWR);
    assert_int_equal(fstat(fd, &status), 0);
    uint8_t *bytes = malloc((size_t)status.st_size), *uses = calloc(1, (size_t)status.st_size);
    assert_int_equal(pread(fd, bytes, (size_t)status.st_size, 0), status.st_size);
    struct file_check_report report;
    struct file_check_options options = { .fd = fd, .fault = ignore_fault, .uses = uses };
    assert_ok(file_check(&options, &report));
    size_t flips = test_is_long() ? 50 * FLIPS : FLIPS, spared = 0;
    for (size_t i = 0; i < flips; i++) {
        size_t at = prng_below(&life.prng, (uint64_t)status.st_size);
        uint8_t changed = bytes[at] ^ (uint8_t)(1u << prng_below(&life.prng, 8));
        bool matters = uses[at] == FILE_STRUCTURE || uses[at] == FILE_KEY || uses[at] == FILE_VALUE;
        if (!matters && i % 8 != 0)
            continue;
        assert_int_equal(pwrite(fd, &changed, 1, (off_t)at), 1);
        bool noticed = is_noticed(f);
        if (!noticed && matters)
            fail_msg("byte %zu of page %zu goes unnoticed", at % 4096, at / 4096);
        if (!noticed && spared++ < 40) {
            store_fixture_open(&f->base);
            struct picture after = picture_take(f);
            assert_same_picture(&before, &after);
            close_store(f);
            assert_int_equal(pwrite(fd, bytes, (size_t)status.st_size, 0),
                             status.st_size); /* upkeep may have written */
        }
        assert_int_equal(pwrite(fd, &bytes[at], 1, (off_t)at), 1);
    }
    assert_false(is_noticed(f));
    close(fd);
    free(bytes);
    free(uses);
}

static void a_file_that_is_cut_or_empty_or_missing(void **state)
{
    struct usage_fixture *f = *state;
    struct verify_options options = { .folder = f->base.folder.path, .map_size_bytes = (size_t)1 << 28 };
    struct verify_result result;
    struct error_info info = { 0 };
    char path[TEST_PATH_SIZE];
    struct life life = life_begin(f, "unit-usage-verify");
    life_go_on(&life, 60);
    close_store(f);
    test_folder_path(&f->base.folder, DATA_FILE_NAME, path);
    for (off_t size = 50000; size >= 0; size -= 10000) {
        assert_int_equal(truncate(path, size), 0);
        assert_true(is_noticed(f));
    }
    assert_int_equal(unlink(path), 0);
    assert_error(verify_run(&options, &result, &info), ERROR_NOT_FOUND);
    verify_free(&result);
}

TESTS(WITH_USAGE(promise_5_records_hours_days_and_rollups_are_proven_the_same),
      WITH_USAGE(a_store_of_the_plain_engine_is_proven_too), WITH_USAGE(what_retention_has_dropped_is_not_missed),
      WITH_USAGE(promise_5_holds_for_what_retention_leaves), WITH_USAGE(verify_runs_while_usage_is_posted),
      WITH_USAGE(whatever_is_tampered_with_is_found), WITH_USAGE(heads_kept_elsewhere_are_compared),
      WITH_USAGE(promise_9_a_flipped_byte_anywhere_is_noticed_or_of_no_consequence),
      WITH_USAGE(a_file_that_is_cut_or_empty_or_missing))
