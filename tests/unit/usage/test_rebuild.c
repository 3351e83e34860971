/* Promise 5, second half: a store made anew from its journal holds the same. */
#include "support/life.h"

#include <fcntl.h>
#include <sys/stat.h>

#include "base/files.h"
#include "store/data_file.h"
#include "store/file_check.h"
#include "store/replay.h"
#include "store/write.h"
#include "usage/rebuild.h"

#define STEPS 120

static void close_store(struct usage_fixture *f)
{
    store_close(f->base.store);
    f->base.store = NULL;
}

static struct rebuild_result rebuild_with(struct usage_fixture *f, const struct rows_engine *rows)
{
    struct rebuild_options options = {
        .folder = f->base.folder.path, .rows = rows, .to_reported_ns = INT64_MAX, .map_size_bytes = (size_t)1 << 30
    };
    struct rebuild_result result;
    struct error_info info = { 0 };
    close_store(f);
    if (rebuild_run(&options, &result, &info) != ERROR_OK)
        fail_msg("rebuild: %s", info.message);
    store_fixture_open(&f->base);
    return result;
}

static void promise_5_rebuild_gives_the_same_bytes(void **state)
{
    struct usage_fixture *f = *state;
    struct life life = life_begin(f, "unit-usage-rebuild");
    for (int round = 0; round < 2; round++) {
        life_go_on(&life, STEPS);
        struct picture before = picture_take(f);
        struct rebuild_result result = rebuild_with(f, NULL);
        struct picture after = picture_take(f);
        assert_same_picture(&before, &after);
        assert_int_equal(result.first_sequence, 1);
        assert_int_equal(result.last_sequence, before.state.last_sequence);
        assert_int_equal(result.entries, before.state.last_sequence);
        assert_int_equal(result.records, before.state.records);
        assert_int_equal(result.corrections, before.state.corrections);
        assert_int_equal(result.rows_given, 0);
        assert_false(result.cut);
    }
}

static void the_old_file_is_kept_and_nothing_else_lies_about(void **state)
{
    struct usage_fixture *f = *state;
    struct life life = life_begin(f, "unit-usage-rebuild");
    char path[TEST_PATH_SIZE];
    life_go_on(&life, 20);
    (void)rebuild_with(f, NULL);
    test_folder_path(&f->base.folder, DATA_FILE_BEFORE, path);
    assert_true(file_exists(path));
    test_folder_path(&f->base.folder, REPLAY_FOLDER, path);
    assert_false(file_exists(path));
    (void)rebuild_with(f, NULL); /* in the place of the older one */
}

static void rows_of_one_engine_become_rows_of_another(void **state)
{
    struct usage_fixture *f = *state;
    struct life life = life_begin(f, "unit-usage-rebuild");
    life_go_on(&life, STEPS);
    struct picture before = picture_take(f);
    f->base.options.rows = &rows_plain;
    (void)rebuild_with(f, &rows_plain);
    struct picture plain = picture_take(f);
    plain.tables[KV_META] = before.tables[KV_META]; /* the engine's name */
    assert_same_picture(&before, &plain);
    f->base.options.rows = NULL;
    (void)rebuild_with(f, &rows_runs);
    struct picture after = picture_take(f);
    assert_same_picture(&before, &after);
}

/* From as full as a row can be to as negative: more in one step of the rebuild than fits, but for the row it does. */
static void a_row_that_went_all_the_way_down_is_rebuilt_exactly(void **state)
{
    static const char *const ids[] = { "a0", "a1", "a2", "b0", "b1", "b2" };
    struct usage_fixture *f = *state;
    char quoted[8];
    struct post post = post_good();
    post.id = quoted;
    post.quantity = "999999999999999999999999999";
    for (size_t i = 0; i < COUNT_OF(ids); i++) {
        (void)snprintf(quoted, sizeof quoted, "\"%s\"", ids[i]);
        if (i == 3) { /* another hour of the same day */
            post.start = "\"2026-01-31T10:00:00Z\"";
            post.end = "\"2026-01-31T11:00:00Z\"";
        }
        usage_post_accepted(f, &post);
        if (i % 3 == 2)
            clock_manual_advance(&f->base.clock, i == 2 ? NS_PER_DAY : NS_PER_HOUR);
    }
    for (size_t i = 0; i < COUNT_OF(ids); i++)
        correct_well(f, ids[i], NULL);
    struct picture before = picture_take(f);
    (void)rebuild_with(f, NULL);
    struct picture after = picture_take(f);
    assert_same_picture(&before, &after);
    assert_all_totals(f, "0", COUNT_OF(ids));
}

static void an_empty_store_is_rebuilt_too(void **state)
{
    struct usage_fixture *f = *state;
    struct picture before = picture_take(f);
    struct rebuild_result result = rebuild_with(f, NULL);
    struct picture after = picture_take(f);
    assert_same_picture(&before, &after);
    assert_int_equal(result.entries, 0);
}

/* Retention has dropped the beginning: what it explained is taken as it was. */
static void what_the_journal_cannot_give_any_more_stays_as_it_was(void **state)
{
    struct usage_fixture *f = *state;
    struct life life = life_begin(f, "unit-usage-rebuild");
    life_go_on(&life, STEPS);
    uint64_t middle = store_fixture_state(&f->base).last_sequence / 2;
    life_go_on(&life, STEPS);
    drop_journal_before(f, middle);
    struct picture before = picture_take(f);
    struct rebuild_result result = rebuild_with(f, NULL);
    struct picture after = picture_take(f);
    /* retention drops the index of corrections of records that are gone, drop_journal_before does not */
    after.tables[KV_CORRECTIONS] = before.tables[KV_CORRECTIONS];
    assert_same_picture(&before, &after);
    assert_true(result.first_sequence > 1 && result.rows_given > 0);
    life_go_on(&life, STEPS);
    before = picture_take(f);
    (void)rebuild_with(f, NULL);
    after = picture_take(f);
    assert_same_picture(&before, &after);
}

static void a_rebuilt_store_goes_on_as_the_old_one_would(void **state)
{
    struct usage_fixture *f = *state;
    struct life life = life_begin(f, "unit-usage-rebuild");
    struct post post = post_good();
    usage_post_accepted(f, &post);
    life_go_on(&life, 50);
    (void)rebuild_with(f, NULL);
    assert_verdict(usage_post(f, &post), VERDICT_DUPLICATE);
    post.quantity = "\"77\"";
    assert_verdict(usage_post(f, &post), VERDICT_CONFLICT);
    post.id = "\"another\"";
    usage_post_accepted(f, &post);
}

static void count_fault(void *context, const char *sentence)
{
    (void)sentence;
    ++*(int *)context;
}

/* Overwrites the root page of a table with noise. */
static void damage_table(struct usage_fixture *f, enum kv_table table)
{
    char path[TEST_PATH_SIZE];
    struct file_check_report report;
    int faults = 0;
    test_folder_path(&f->base.folder, DATA_FILE_NAME, path);
    int fd = open(path, O_RDWR);
    struct file_check_options options = { .fd = fd, .fault = count_fault, .context = &faults };
    assert_ok(file_check(&options, &report));
    assert_int_equal(faults, 0);
    uint8_t noise[4096];
    memset(noise, 0x5A, sizeof noise);
    assert_int_equal(pwrite(fd, noise, sizeof noise, (off_t)(report.tables[table].root * 4096)), sizeof noise);
    close(fd);
}

static void damage_outside_of_the_journal_is_repaired(void **state)
{
    static const enum kv_table tables[] = { KV_BLOCKS,          KV_RUNS,  KV_DICTIONARY,
                                            KV_DICTIONARY_TEXT, KV_SPANS, KV_USAGE_TIMES };
    struct usage_fixture *f = *state;
    struct life life = life_begin(f, "unit-usage-rebuild");
    life_go_on(&life, 100);
    struct picture before = picture_take(f);
    for (size_t i = 0; i < COUNT_OF(tables); i++) {
        close_store(f);
        damage_table(f, tables[i]);
        (void)rebuild_with(f, NULL);
        struct picture after = picture_take(f);
        assert_same_picture(&before, &after);
    }
}

static void damage_of_the_journal_is_refused_and_nothing_changes(void **state)
{
    struct usage_fixture *f = *state;
    struct life life = life_begin(f, "unit-usage-rebuild");
    struct rebuild_result result;
    struct error_info info = { 0 };
    struct rebuild_options options = { .folder = f->base.folder.path,
                                       .to_reported_ns = INT64_MAX,
                                       .map_size_bytes = (size_t)1 << 30 };
    char path[TEST_PATH_SIZE];
    life_go_on(&life, 20);
    close_store(f);
    damage_table(f, KV_JOURNAL);
    assert_error(rebuild_run(&options, &result, &info), ERROR_STORE_CORRUPT);
    assert_non_null(strstr(info.message, "restore a backup"));
    test_folder_path(&f->base.folder, DATA_FILE_BEFORE, path);
    assert_false(file_exists(path));
}

static void a_store_in_use_or_none_is_refused(void **state)
{
    struct usage_fixture *f = *state;
    struct rebuild_result result;
    struct error_info info = { 0 };
    struct rebuild_options options = { .folder = f->base.folder.path, .to_reported_ns = INT64_MAX };
    assert_error(rebuild_run(&options, &result, &info), ERROR_STORE_IN_USE);
    options.folder = "/nowhere/at/all";
    assert_error(rebuild_run(&options, &result, &info), ERROR_NOT_FOUND);
}

TESTS(WITH_USAGE(promise_5_rebuild_gives_the_same_bytes), WITH_USAGE(the_old_file_is_kept_and_nothing_else_lies_about),
      WITH_USAGE(rows_of_one_engine_become_rows_of_another),
      WITH_USAGE(a_row_that_went_all_the_way_down_is_rebuilt_exactly), WITH_USAGE(an_empty_store_is_rebuilt_too),
      WITH_USAGE(what_the_journal_cannot_give_any_more_stays_as_it_was),
      WITH_USAGE(a_rebuilt_store_goes_on_as_the_old_one_would), WITH_USAGE(damage_outside_of_the_journal_is_repaired),
      WITH_USAGE(damage_of_the_journal_is_refused_and_nothing_changes), WITH_USAGE(a_store_in_use_or_none_is_refused))
