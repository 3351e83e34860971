/* What only the engine of sorted runs has: slices, filters, single runs of sealed buckets, checks. */
#include "support/rows_fixture.h"

#include "base/files.h"
#include "store/run_merge.h"

/* --- runs of many blocks --- */

#define IDS_A_COMMIT 4096

/* So many ids, a run for each commit; value: number of the id. */
static void add_ids(struct fixture *f, int commits)
{
    const size_t size = DEDUPE_KEY_SIZE + DEDUPE_VALUE_SIZE;
    uint8_t *rows = calloc(IDS_A_COMMIT, size);
    assert_non_null(rows);
    for (int c = 0; c < commits; c++) {
        for (size_t i = 0; i < IDS_A_COMMIT; i++) {
            put_u64be(rows + i * size + DEDUPE_KEY_SIZE, f->ids);
            id_key(f->ids++, rows + i * size);
        }
        qsort(rows, IDS_A_COMMIT, size, compare_ids);
        begin(&f->runs);
        assert_ok(rows_runs.add(f->runs.txn, ROWS_DEDUPE, rows, IDS_A_COMMIT));
        commit(&f->runs);
    }
    free(rows);
}

static struct rows_stats stats_of(struct fixture *f, enum row_family family)
{
    struct rows_stats stats;
    struct kv_txn *txn;
    assert_ok(kv_read_begin(f->runs.kv, &txn));
    assert_ok(rows_runs.stats(txn, family, &stats));
    kv_read_end(txn);
    return stats;
}

/* Each id is found with its own value, none that was not added. */
static void assert_ids_known(struct fixture *f)
{
    const size_t count = 5000;
    uint8_t *keys = calloc(count, DEDUPE_KEY_SIZE), *values = calloc(count, DEDUPE_VALUE_SIZE), key[DEDUPE_KEY_SIZE];
    bool *found = calloc(count, sizeof *found);
    struct kv_txn *txn;
    assert_true(keys != NULL && values != NULL && found != NULL);
    for (size_t i = 0; i < count; i++)
        id_key(i % 2 == 0 ? prng_below(&f->prng, f->ids) : f->ids + 1 + i, keys + i * DEDUPE_KEY_SIZE);
    qsort(keys, count, DEDUPE_KEY_SIZE, compare_ids);
    assert_ok(kv_read_begin(f->runs.kv, &txn));
    assert_ok(rows_runs.find(txn, ROWS_DEDUPE, keys, count, values, found));
    kv_read_end(txn);
    size_t known = 0;
    for (size_t i = 0; i < count; i++) {
        if (!found[i])
            continue;
        known++;
        id_key(get_u64be(values + i * DEDUPE_VALUE_SIZE), key);
        assert_memory_equal(key, keys + i * DEDUPE_KEY_SIZE, DEDUPE_KEY_SIZE);
    }
    assert_int_equal(known, count / 2);
    free(keys);
    free(values);
    free(found);
}

/* All rows of a family in order; returns how many. */
static uint64_t count_rows(struct kv_txn *txn, enum row_family family)
{
    uint8_t from[ROW_KEY_SIZE] = { 0 }, last[ROW_KEY_SIZE];
    struct rows_cursor *cursor;
    const uint8_t *key, *value;
    uint64_t count = 0;
    err_t error;
    assert_ok(rows_runs.open(txn, family, from, false, &cursor));
    for (; (error = rows_runs.next(cursor, &key, &value)) == ERROR_OK; count++) {
        assert_true(count == 0 || memcmp(last, key, rows_key_size(family)) < 0);
        memcpy(last, key, rows_key_size(family));
    }
    assert_int_equal(error, ERROR_NOT_FOUND);
    rows_runs.close(cursor);
    return count;
}

static void assert_sound(struct fixture *f)
{
    struct kv_txn *txn;
    assert_ok(kv_read_begin(f->runs.kv, &txn));
    for (int family = 0; family < ROWS_FAMILY_COUNT; family++)
        assert_ok(rows_runs.check(txn, (enum row_family)family, show_fault, f));
    assert_int_equal(f->faults, 0);
    kv_read_end(txn);
}

static void upkeep_to_the_end(struct fixture *f, bool idle)
{
    bool left = true;
    for (int slice = 0; left && (idle || slice < 50); slice++) { /* what waits for idleness is left */
        begin(&f->runs);
        assert_ok(rows_runs.upkeep(f->runs.txn, 1 + prng_below(&f->prng, 20000), idle, &left));
        commit(&f->runs);
    }
}

/* Filters of several parts, blocks by the dozen, each slice a transaction that may be the last before a restart. */
static void promise_2_ids_stay_known_while_runs_are_merged(void **state)
{
    struct fixture *f = *state;
    f->prng = test_prng("unit-store-rows_runs");
    add_ids(f, 17);
    assert_int_equal(stats_of(f, ROWS_DEDUPE).merges_under_way, 1);
    for (int slice = 0; slice < 12; slice++) {
        bool left;
        begin(&f->runs);
        assert_ok(rows_runs.upkeep(f->runs.txn, 1 + prng_below(&f->prng, 9000), false, &left));
        commit(&f->runs);
        if (slice % 3 == 0)
            assert_ids_known(f);
        if (slice % 4 == 0)
            reopen(f);
        assert_sound(f);
    }
    upkeep_to_the_end(f, false);
    struct rows_stats stats = stats_of(f, ROWS_DEDUPE);
    assert_int_equal(stats.runs, 2);
    assert_int_equal(stats.rows, f->ids);
    assert_int_equal(stats.merges_under_way, 0);
    assert_ids_known(f);
    assert_sound(f);
    struct kv_txn *txn;
    assert_ok(kv_read_begin(f->runs.kv, &txn));
    assert_int_equal(count_rows(txn, ROWS_DEDUPE), f->ids);
    kv_read_end(txn);
}

/* A reader that began before sees all rows where they were. */
static void a_snapshot_outlives_the_runs_it_reads(void **state)
{
    struct fixture *f = *state;
    struct kv_txn *txn;
    prng_seed(&f->prng, 1);
    add_ids(f, 16);
    assert_ok(kv_read_begin(f->runs.kv, &txn));
    upkeep_to_the_end(f, true);
    add_ids(f, 3);
    assert_int_equal(count_rows(txn, ROWS_DEDUPE), 16 * IDS_A_COMMIT);
    kv_read_end(txn);
}

/* --- slices --- */

static bool first_merge(struct kv_txn *txn, struct run_merge *merge)
{
    const uint8_t from[1] = { TASK_MERGE };
    struct kv_cursor *cursor;
    struct text key, value;
    assert_ok(kv_cursor_open(txn, KV_MERGES, &cursor));
    err_t error = kv_cursor_seek(cursor, BYTES(from), &key, &value);
    bool is_merge = error == ERROR_OK && key.ptr[0] == TASK_MERGE;
    if (is_merge)
        assert_ok(run_merge_decode(key, value, merge));
    kv_cursor_close(cursor);
    return is_merge;
}

#define LARGE_RUN_ROWS 3000

/* As many runs of a few blocks, all with the same keys, as are merged. */
static void add_large_runs(struct fixture *f, uint32_t bucket)
{
    const size_t size = row_size_of(ROWS_DAILY);
    uint8_t *rows = calloc(LARGE_RUN_ROWS, size);
    assert_non_null(rows);
    for (uint32_t i = 0; i < LARGE_RUN_ROWS; i++) {
        row_key_encode(&(struct row_key){ bucket, 1, bucket, 1, i, i }, rows + i * size);
        row_sum_encode(&(struct row_sum){ decimal_from_i64(i), 1 }, rows + i * size + ROW_KEY_SIZE);
    }
    begin(&f->runs);
    for (unsigned add = 0; add < run_fan_in(ROWS_DAILY); add++)
        assert_ok(rows_runs.add(f->runs.txn, ROWS_DAILY, rows, LARGE_RUN_ROWS));
    commit(&f->runs);
    free(rows);
}

/* Also where many rows are added up to few. */
static void a_slice_takes_at_most_a_block_more_than_its_budget(void **state)
{
    struct fixture *f = *state;
    prng_seed(&f->prng, 7);
    add_ids(f, 16);
    add_large_runs(f, 5);
    struct run_merge merge;
    int slices = 0;
    begin(&f->runs);
    for (; first_merge(f->runs.txn, &merge); slices++) {
        size_t budget = 1 + prng_below(&f->prng, 3000), consumed;
        bool complete;
        assert_ok(run_merge_slice(f->runs.txn, &merge, budget, &consumed, &complete));
        assert_true(consumed <= budget + run_block_rows(merge.family) + 32);
        assert_true(consumed >= budget || complete);
    }
    commit(&f->runs);
    assert_true(slices > 40);
    assert_int_equal(stats_of(f, ROWS_DAILY).rows, LARGE_RUN_ROWS);
    upkeep_to_the_end(f, false);
    assert_sound(f);
}

/* --- sealed buckets --- */

static void add_sum_rows(struct fixture *f, enum row_family family, uint32_t bucket, uint32_t count)
{
    uint8_t row[ROW_KEY_SIZE + ROW_SUM_SIZE];
    for (uint32_t i = 0; i < count; i++) {
        row_key_encode(&(struct row_key){ bucket, 1, bucket, 1, i % 3, i % 3 }, row);
        row_sum_encode(&(struct row_sum){ decimal_from_i64(1), 1 }, row + ROW_KEY_SIZE);
        begin(&f->runs);
        assert_ok(rows_runs.add(f->runs.txn, family, row, 1));
        commit(&f->runs);
    }
}

static void a_sealed_bucket_becomes_a_single_run(void **state)
{
    struct fixture *f = *state;
    prng_seed(&f->prng, 3);
    for (uint32_t bucket = 10; bucket <= 12; bucket++)
        add_sum_rows(f, ROWS_HOURLY, bucket, 5);
    upkeep_to_the_end(f, true);
    assert_int_equal(stats_of(f, ROWS_HOURLY).runs, 15);
    begin(&f->runs);
    assert_ok(rows_runs.seal(f->runs.txn, ROWS_HOURLY, 12));
    commit(&f->runs);
    upkeep_to_the_end(f, false);
    assert_int_equal(stats_of(f, ROWS_HOURLY).runs, 1 + 1 + 5);
    /* Imports into a sealed bucket wait until nothing else does. */
    add_sum_rows(f, ROWS_HOURLY, 10, 2);
    upkeep_to_the_end(f, false);
    assert_int_equal(stats_of(f, ROWS_HOURLY).runs, 3 + 1 + 5);
    upkeep_to_the_end(f, true);
    assert_int_equal(stats_of(f, ROWS_HOURLY).runs, 1 + 1 + 5);
    assert_int_equal(stats_of(f, ROWS_HOURLY).rows, 3 + 3 + 5);
    /* Seals don't go back. */
    begin(&f->runs);
    assert_ok(rows_runs.seal(f->runs.txn, ROWS_HOURLY, 3));
    commit(&f->runs);
    add_sum_rows(f, ROWS_HOURLY, 11, 1);
    upkeep_to_the_end(f, true);
    assert_int_equal(stats_of(f, ROWS_HOURLY).runs, 1 + 1 + 5);
    assert_sound(f);
}

static uint64_t entries_of(struct fixture *f, enum kv_table table)
{
    uint64_t count;
    struct kv_txn *txn;
    assert_ok(kv_read_begin(f->runs.kv, &txn));
    assert_ok(kv_count(txn, table, &count));
    kv_read_end(txn);
    return count;
}

/* Nothing is left behind, merges under way and their targets included. */
static void retention_gives_all_space_back(void **state)
{
    struct fixture *f = *state;
    bool left = true;
    prng_seed(&f->prng, 5);
    add_large_runs(f, 7);
    add_sum_rows(f, ROWS_DAILY, 8, 3);
    begin(&f->runs);
    assert_ok(rows_runs.upkeep(f->runs.txn, 2000, false, &left));
    commit(&f->runs);
    assert_true(stats_of(f, ROWS_DAILY).rows_to_merge > 0);
    for (int calls = 0; left; calls++) {
        assert_true(calls < 1000);
        begin(&f->runs);
        assert_ok(rows_runs.drop(f->runs.txn, ROWS_DAILY, 9, 64, &left));
        commit(&f->runs);
    }
    assert_int_equal(entries_of(f, KV_RUNS), 0);
    assert_int_equal(entries_of(f, KV_BLOCKS), 0);
    assert_int_equal(entries_of(f, KV_MERGES), 0);
    /* Ids are for all time. */
    add_ids(f, 1);
    begin(&f->runs);
    assert_ok(rows_runs.drop(f->runs.txn, ROWS_DEDUPE, UINT32_MAX, 1000, &left));
    commit(&f->runs);
    assert_false(left);
    assert_ids_known(f);
}

/* --- filters --- */

static void few_new_ids_pass_a_filter(void **state)
{
    struct fixture *f = *state;
    const uint64_t ids = 60000;
    struct filter_builder builder;
    struct filter_reader reader;
    struct kv_cursor *cursor;
    struct text lines;
    uint8_t *keys = calloc(ids, DEDUPE_KEY_SIZE), key[DEDUPE_KEY_SIZE];
    assert_non_null(keys);
    for (uint64_t i = 0; i < ids; i++)
        id_key(i, keys + i * DEDUPE_KEY_SIZE);
    qsort(keys, ids, DEDUPE_KEY_SIZE, compare_ids);
    begin(&f->runs);
    assert_ok(filter_begin(&builder, f->runs.txn, 1, ids));
    for (uint64_t i = 0; i < ids; i++)
        assert_ok(filter_add(&builder, keys + i * DEDUPE_KEY_SIZE));
    assert_ok(filter_finish(&builder, &lines));
    assert_int_equal(lines.len, 0);
    assert_true(entries_of(f, KV_FILTERS) == 0); /* not committed yet */
    uint64_t passed = 0;
    assert_ok(kv_cursor_open(f->runs.txn, KV_FILTERS, &cursor));
    for (uint64_t i = 0; i < 2 * ids; i++) {
        id_key(i, key);
        filter_reader_init(&reader, cursor, 1, builder.line_count, TEXT_NONE);
        uint64_t line = filter_line_of(filter_id_of(key), builder.line_count);
        assert_ok(filter_reader_load(&reader, line));
        bool has = filter_line_has(filter_line_at(&reader, line), filter_id_of(key));
        assert_true(has || i >= ids);
        passed += has && i >= ids;
    }
    assert_true(passed < ids / 400);
    kv_cursor_close(cursor);
    filter_free(&builder);
    kv_abort(f->runs.txn);
    free(keys);
}

/* --- damage --- */

struct stored_value {
    enum row_family family;
    uint8_t *bytes;
    size_t size;
};

#define STORED_MAX 64

static void collect_values(struct kv_txn *txn, enum kv_table table, struct stored_value *values, size_t *count)
{
    struct kv_cursor *cursor;
    struct text key, value;
    assert_ok(kv_cursor_open(txn, table, &cursor));
    while (kv_cursor_next(cursor, &key, &value) == ERROR_OK && *count < STORED_MAX) {
        struct stored_value *to = &values[(*count)++];
        to->family = table == KV_FILTERS ? ROWS_DEDUPE : (enum row_family)key.ptr[0];
        to->size = value.len;
        to->bytes = malloc(value.len);
        assert_non_null(to->bytes);
        memcpy(to->bytes, value.ptr, value.len);
    }
    kv_cursor_close(cursor);
}

/* Flips the byte wherever the file has the value (a page that was rewritten leaves its old self behind). */
static void flip(struct buffer *file, const struct stored_value *value, size_t at)
{
    char *from = file->data + file->start, *end = file->data + file->end, *found;
    int places = 0;
    while ((found = memmem(from, (size_t)(end - from), value->bytes, value->size)) != NULL) {
        found[at] ^= 0x10;
        from = found + 1;
        places++;
    }
    assert_true(places > 0);
}

static void write_file(const char *path, const struct buffer *content)
{
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    struct text bytes = buffer_text(content);
    assert_int_equal(fwrite(bytes.ptr, 1, bytes.len, file), bytes.len);
    assert_int_equal(fclose(file), 0);
}

/* Opening may refuse the file; else the check has to say something. */
static bool is_noticed(struct fixture *f, const char *path, const struct buffer *damaged, enum row_family family)
{
    struct kv_options options = { .folder = f->runs.folder.path, .map_size_bytes = (size_t)1 << 30 };
    struct kv_txn *txn;
    write_file(path, damaged);
    f->faults = 0;
    if (kv_open(&options, &f->runs.kv, NULL) != ERROR_OK)
        return true;
    assert_ok(kv_read_begin(f->runs.kv, &txn));
    assert_ok(rows_runs.check(txn, family, note_fault, f));
    kv_read_end(txn);
    kv_close(f->runs.kv);
    return f->faults > 0;
}

static void a_flipped_byte_is_noticed(void **state)
{
    struct fixture *f = *state;
    struct stored_value values[STORED_MAX];
    size_t count = 0;
    struct kv_txn *txn;
    struct buffer file = { 0 };
    char path[TEST_PATH_SIZE];
    f->prng = test_prng("unit-store-rows_runs");
    add_ids(f, 2);
    add_sum_rows(f, ROWS_HOURLY, 3, 20);
    assert_ok(kv_read_begin(f->runs.kv, &txn));
    collect_values(txn, KV_RUNS, values, &count);
    collect_values(txn, KV_BLOCKS, values, &count);
    collect_values(txn, KV_FILTERS, values, &count);
    kv_read_end(txn);
    kv_close(f->runs.kv);
    assert_true(count > 10);
    test_folder_path(&f->runs.folder, "data.mdb", path);
    assert_ok(file_read(path, (size_t)1 << 30, &file, NULL));
    assert_false(is_noticed(f, path, &file, ROWS_DEDUPE));
    assert_false(is_noticed(f, path, &file, ROWS_HOURLY));
    for (int i = 0; i < (test_is_long() ? 2000 : 60); i++) {
        const struct stored_value *value = &values[prng_below(&f->prng, count)];
        size_t at = i % 4 == 0 ? 0 : prng_below(&f->prng, value->size);
        struct buffer damaged = { 0 };
        buffer_append_text(&damaged, buffer_text(&file));
        flip(&damaged, value, at);
        if (!is_noticed(f, path, &damaged, value->family))
            fail_msg("byte %zu of a value of %zu bytes", at, value->size);
        buffer_free(&damaged);
    }
    for (size_t i = 0; i < count; i++)
        free(values[i].bytes);
    write_file(path, &file);
    buffer_free(&file);
    side_open(&f->runs);
}

/* What no checksum would tell: values that are whole, but do not belong together. */
static void what_does_not_fit_together_is_noticed(void **state)
{
    struct fixture *f = *state;
    uint8_t key[RUN_KEY_SIZE] = { 0 };
    struct kv_cursor *cursor;
    struct text found, value;
    add_ids(f, 2);
    for (int deletion = 0; deletion < 3; deletion++) {
        const enum kv_table tables[] = { KV_BLOCKS, KV_FILTERS, KV_RUNS };
        uint8_t copy[BLOCK_KEY_SIZE_MAX];
        f->faults = 0;
        begin(&f->runs);
        assert_ok(kv_cursor_open(f->runs.txn, tables[deletion], &cursor));
        assert_ok(kv_cursor_seek(cursor, BYTES(key), &found, &value));
        memcpy(copy, found.ptr, found.len);
        struct text copied = { (const char *)copy, found.len };
        kv_cursor_close(cursor);
        assert_ok(kv_delete(f->runs.txn, tables[deletion], copied));
        assert_ok(rows_runs.check(f->runs.txn, ROWS_DEDUPE, note_fault, f));
        kv_abort(f->runs.txn);
        assert_true(f->faults > 0);
    }
    f->faults = 0;
    assert_sound(f);
}

/* A merge must not give damaged rows a new checksum. */
static void a_merge_refuses_a_damaged_block(void **state)
{
    struct fixture *f = *state;
    struct stored_value values[STORED_MAX];
    size_t count = 0;
    struct kv_txn *txn;
    struct buffer file = { 0 };
    char path[TEST_PATH_SIZE];
    bool left;
    add_ids(f, 16);
    assert_ok(kv_read_begin(f->runs.kv, &txn));
    collect_values(txn, KV_BLOCKS, values, &count);
    kv_read_end(txn);
    kv_close(f->runs.kv);
    test_folder_path(&f->runs.folder, "data.mdb", path);
    assert_ok(file_read(path, (size_t)1 << 30, &file, NULL));
    flip(&file, &values[count / 2], values[count / 2].size - 1);
    write_file(path, &file);
    buffer_free(&file);
    side_open(&f->runs);
    begin(&f->runs);
    assert_error(rows_runs.upkeep(f->runs.txn, 1000000, false, &left), ERROR_STORE_CORRUPT);
    kv_abort(f->runs.txn);
    for (size_t i = 0; i < count; i++)
        free(values[i].bytes);
}

TESTS(WITH_SIDES(promise_2_ids_stay_known_while_runs_are_merged), WITH_SIDES(a_snapshot_outlives_the_runs_it_reads),
      WITH_SIDES(a_slice_takes_at_most_a_block_more_than_its_budget), WITH_SIDES(a_sealed_bucket_becomes_a_single_run),
      WITH_SIDES(retention_gives_all_space_back), WITH_SIDES(few_new_ids_pass_a_filter),
      WITH_SIDES(a_flipped_byte_is_noticed), WITH_SIDES(what_does_not_fit_together_is_noticed),
      WITH_SIDES(a_merge_refuses_a_damaged_block))
