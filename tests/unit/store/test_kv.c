/* The ordered tables: values, order, cursors at their edges, snapshots, full maps, damaged files, injected failures. */
#include "support/testing.h"

#include <fcntl.h>
#include <sys/stat.h>

#include "base/encode.h"
#include "store/keys.h"
#include "store/kv.h"
#include "support/folder.h"

#define MAP_SIZE_BYTES ((size_t)1 << 28)

struct fixture {
    struct test_folder folder;
    struct kv *kv;
};

static void open_with(struct fixture *f, size_t map_size_bytes)
{
    struct error_info info = { 0 };
    struct kv_options options = { .folder = f->folder.path, .map_size_bytes = map_size_bytes };
    f->kv = NULL;
    if (kv_open(&options, &f->kv, &info) != ERROR_OK)
        fail_msg("kv_open: %s", info.message);
}

static int set_up(void **state)
{
    struct fixture *f = calloc(1, sizeof *f);
    assert_non_null(f);
    test_folder_make(&f->folder);
    open_with(f, MAP_SIZE_BYTES);
    *state = f;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *f = *state;
    kv_close(f->kv);
    test_folder_remove(&f->folder);
    free(f);
    return 0;
}

#define WITH_STORE(function) cmocka_unit_test_setup_teardown(function, set_up, tear_down)

static struct kv_txn *write_begin(struct fixture *f)
{
    struct kv_txn *txn;
    assert_ok(kv_write_begin(f->kv, &txn));
    return txn;
}

static struct kv_txn *read_begin(struct fixture *f)
{
    struct kv_txn *txn;
    assert_ok(kv_read_begin(f->kv, &txn));
    return txn;
}

static void put(struct fixture *f, enum kv_table table, const char *key, const char *value)
{
    struct kv_txn *txn = write_begin(f);
    assert_ok(kv_put(txn, table, text_of(key), text_of(value)));
    assert_ok(kv_commit(txn));
}

static void assert_stored(struct fixture *f, enum kv_table table, const char *key, const char *value)
{
    struct text found;
    struct kv_txn *txn = read_begin(f);
    err_t error = kv_get(txn, table, text_of(key), &found);
    if (value == NULL) {
        assert_int_equal(error, ERROR_NOT_FOUND);
    } else {
        assert_ok(error);
        assert_text(found, value);
    }
    kv_read_end(txn);
}

/* --- values --- */

static void keeps_what_was_committed_and_nothing_else(void **state)
{
    struct fixture *f = *state;
    put(f, KV_SETTINGS, "a", "1");
    struct kv_txn *txn = write_begin(f);
    assert_ok(kv_put(txn, KV_SETTINGS, TEXT("a"), TEXT("2")));
    assert_ok(kv_put(txn, KV_SETTINGS, TEXT("b"), TEXT("3")));
    kv_abort(txn);
    assert_stored(f, KV_SETTINGS, "a", "1");
    assert_stored(f, KV_SETTINGS, "b", NULL);
    assert_stored(f, KV_USERS, "a", NULL);
    kv_close(f->kv);
    open_with(f, MAP_SIZE_BYTES);
    assert_stored(f, KV_SETTINGS, "a", "1");
}

static void a_snapshot_does_not_move(void **state)
{
    struct fixture *f = *state;
    put(f, KV_SETTINGS, "a", "old");
    struct kv_txn *before = read_begin(f);
    put(f, KV_SETTINGS, "a", "new");
    struct text value;
    assert_ok(kv_get(before, KV_SETTINGS, TEXT("a"), &value));
    assert_text(value, "old");
    kv_read_end(before);
    /* the same transaction object, taken again, sees the present */
    assert_stored(f, KV_SETTINGS, "a", "new");
}

static void deletes(void **state)
{
    struct fixture *f = *state;
    put(f, KV_TOKENS, "a", "1");
    struct kv_txn *txn = write_begin(f);
    assert_ok(kv_delete(txn, KV_TOKENS, TEXT("a")));
    assert_error(kv_delete(txn, KV_TOKENS, TEXT("a")), ERROR_NOT_FOUND);
    assert_error(kv_delete(txn, KV_TOKENS, TEXT("never")), ERROR_NOT_FOUND);
    assert_ok(kv_commit(txn));
    assert_stored(f, KV_TOKENS, "a", NULL);
}

static void values_may_be_empty_or_large(void **state)
{
    struct fixture *f = *state;
    size_t size = (size_t)3 << 20;
    char *large = malloc(size);
    assert_non_null(large);
    memset(large, 'x', size);
    struct kv_txn *txn = write_begin(f);
    assert_ok(kv_put(txn, KV_SETTINGS, TEXT("empty"), TEXT("")));
    assert_ok(kv_put(txn, KV_SETTINGS, TEXT("large"), (struct text){ large, size }));
    assert_ok(kv_commit(txn));
    assert_stored(f, KV_SETTINGS, "empty", "");
    txn = read_begin(f);
    struct text value;
    assert_ok(kv_get(txn, KV_SETTINGS, TEXT("large"), &value));
    assert_true(text_equal(value, (struct text){ large, size }));
    kv_read_end(txn);
    free(large);
}

static void put_key_of_size(struct fixture *f, size_t size)
{
    char key[KV_KEY_SIZE_MAX + 1];
    memset(key, 'k', sizeof key);
    struct kv_txn *txn = write_begin(f);
    assert_ok(kv_put(txn, KV_SETTINGS, (struct text){ key, size }, TEXT("v")));
    assert_ok(kv_commit(txn));
}

static void put_empty_key(void *f)
{
    put_key_of_size(f, 0);
}

static void put_long_key(void *f)
{
    put_key_of_size(f, KV_KEY_SIZE_MAX + 1);
}

static void keys_have_1_to_511_bytes(void **state)
{
    put_key_of_size(*state, 1);
    put_key_of_size(*state, KV_KEY_SIZE_MAX);
    assert_true(aborts(put_empty_key, *state));
    assert_true(aborts(put_long_key, *state));
}

static void append_takes_only_growing_keys(void **state)
{
    struct fixture *f = *state;
    struct kv_txn *txn = write_begin(f);
    assert_ok(kv_append(txn, KV_JOURNAL, TEXT("b"), TEXT("1")));
    assert_ok(kv_append(txn, KV_JOURNAL, TEXT("c"), TEXT("2")));
    assert_error(kv_append(txn, KV_JOURNAL, TEXT("c"), TEXT("3")), ERROR_EXISTS);
    assert_error(kv_append(txn, KV_JOURNAL, TEXT("a"), TEXT("3")), ERROR_EXISTS);
    kv_abort(txn);
}

/* --- cursors --- */

static void assert_at(err_t error, struct text key, struct text value, const char *expected)
{
    if (expected == NULL) {
        assert_int_equal(error, ERROR_NOT_FOUND);
        return;
    }
    assert_ok(error);
    assert_text(key, expected);
    assert_text(value, expected);
}

#define ASSERT_SEEK(from, expected) assert_at(kv_cursor_seek(cursor, TEXT(from), &key, &value), key, value, expected)
#define ASSERT_NEXT(expected) assert_at(kv_cursor_next(cursor, &key, &value), key, value, expected)
#define ASSERT_PREVIOUS(expected) assert_at(kv_cursor_previous(cursor, &key, &value), key, value, expected)
#define ASSERT_LAST(expected) assert_at(kv_cursor_last(cursor, &key, &value), key, value, expected)

static void check_empty_table(struct kv_txn *txn)
{
    struct kv_cursor *cursor;
    struct text key, value;
    assert_ok(kv_cursor_open(txn, KV_USERS, &cursor));
    ASSERT_NEXT(NULL);
    ASSERT_PREVIOUS(NULL);
    ASSERT_LAST(NULL);
    ASSERT_SEEK("a", NULL);
    ASSERT_NEXT(NULL);
    ASSERT_PREVIOUS(NULL);
    kv_cursor_close(cursor);
}

static void check_three_entries(struct kv_txn *txn)
{
    struct kv_cursor *cursor;
    struct text key, value;
    assert_ok(kv_cursor_open(txn, KV_SETTINGS, &cursor));
    ASSERT_NEXT("b"); /* fresh: the first */
    ASSERT_PREVIOUS(NULL);
    ASSERT_SEEK("a", "b");
    ASSERT_SEEK("b", "b");
    ASSERT_NEXT("d");
    ASSERT_NEXT("f");
    ASSERT_NEXT(NULL);
    ASSERT_PREVIOUS("f"); /* at the end: the last */
    ASSERT_PREVIOUS("d");
    ASSERT_SEEK("e", "f");
    ASSERT_PREVIOUS("d");
    ASSERT_PREVIOUS("b");
    ASSERT_PREVIOUS(NULL);
    ASSERT_SEEK("g", NULL);
    ASSERT_PREVIOUS("f");
    ASSERT_SEEK("g", NULL);
    ASSERT_NEXT(NULL);
    ASSERT_LAST("f");
    ASSERT_NEXT(NULL);
    ASSERT_LAST("f");
    ASSERT_PREVIOUS("d");
    kv_cursor_close(cursor);
    assert_ok(kv_cursor_open(txn, KV_SETTINGS, &cursor));
    ASSERT_PREVIOUS("f"); /* fresh: the last */
    kv_cursor_close(cursor);
}

static void cursors_at_their_edges(void **state)
{
    struct fixture *f = *state;
    put(f, KV_SETTINGS, "b", "b");
    put(f, KV_SETTINGS, "d", "d");
    put(f, KV_SETTINGS, "f", "f");
    struct kv_txn *txn = read_begin(f);
    check_empty_table(txn);
    check_three_entries(txn);
    kv_read_end(txn);
    txn = write_begin(f);
    check_empty_table(txn);
    check_three_entries(txn);
    kv_abort(txn);
}

/* The same edges where entries fill many pages: the last entry is not on the page where the tree begins. */
static void cursors_walk_many_pages_both_ways(void **state)
{
    enum { COUNT = 5000 };
    struct fixture *f = *state;
    struct kv_txn *txn = write_begin(f);
    for (uint32_t i = 0; i < COUNT; i++) {
        uint8_t bytes[4];
        put_u32be(bytes, 2 * i);
        assert_ok(kv_append(txn, KV_HOURLY, BYTES(bytes), BYTES(bytes)));
    }
    assert_ok(kv_commit(txn));
    txn = read_begin(f);
    struct kv_cursor *cursor;
    struct text key, value;
    assert_ok(kv_cursor_open(txn, KV_HOURLY, &cursor));
    for (uint32_t i = 0; i < COUNT; i++) {
        assert_ok(kv_cursor_next(cursor, &key, &value));
        assert_int_equal(get_u32be((const uint8_t *)key.ptr), 2 * i);
    }
    ASSERT_NEXT(NULL);
    ASSERT_NEXT(NULL);
    for (uint32_t i = COUNT; i-- > 0;) {
        assert_ok(kv_cursor_previous(cursor, &key, &value));
        assert_int_equal(get_u32be((const uint8_t *)key.ptr), 2 * i);
    }
    ASSERT_PREVIOUS(NULL);
    for (uint32_t i = 0; i + 1 < COUNT; i++) {
        uint8_t between[4];
        put_u32be(between, 2 * i + 1);
        assert_ok(kv_cursor_seek(cursor, BYTES(between), &key, &value));
        assert_int_equal(get_u32be((const uint8_t *)key.ptr), 2 * i + 2);
        assert_ok(kv_cursor_previous(cursor, &key, &value));
        assert_int_equal(get_u32be((const uint8_t *)key.ptr), 2 * i);
    }
    ASSERT_SEEK("\xFF", NULL);
    ASSERT_NEXT(NULL);
    assert_ok(kv_cursor_previous(cursor, &key, &value));
    assert_int_equal(get_u32be((const uint8_t *)key.ptr), 2 * (COUNT - 1));
    kv_cursor_close(cursor);
    kv_read_end(txn);
}

/* --- readers --- */

static void readers_are_bounded_and_reused(void **state)
{
    struct fixture *f = *state;
    struct kv_txn *txns[KV_READERS_MAX], *one_more;
    for (int round = 0; round < 3; round++) {
        for (size_t i = 0; i < KV_READERS_MAX; i++)
            assert_ok(kv_read_begin(f->kv, &txns[i]));
        assert_error(kv_read_begin(f->kv, &one_more), ERROR_SERVICE_UNAVAILABLE);
        for (size_t i = 0; i < KV_READERS_MAX; i++)
            kv_read_end(txns[i]);
    }
}

/* --- storage that runs out --- */

static err_t fill(struct fixture *f, const char *prefix, size_t *stored)
{
    static char block[64 * 1024];
    for (*stored = 0; *stored < 100000; ++*stored) {
        char name[32];
        (void)snprintf(name, sizeof name, "%s%zu", prefix, *stored);
        struct kv_txn *txn = write_begin(f);
        err_t error = kv_put(txn, KV_SETTINGS, text_of(name), (struct text){ block, sizeof block });
        if (error == ERROR_OK) {
            error = kv_commit(txn);
        } else {
            kv_abort(txn);
        }
        if (error != ERROR_OK)
            return error;
    }
    return ERROR_OK;
}

static void a_full_map_is_insufficient_storage_and_reads_go_on(void **state)
{
    struct fixture *f = *state;
    kv_close(f->kv);
    open_with(f, (size_t)1 << 20); /* smaller than what is halved down to when address space is short */
    size_t stored, more;
    assert_error(fill(f, "a", &stored), ERROR_INSUFFICIENT_STORAGE);
    assert_uint_in_range(stored, 5, 16);
    assert_error(fill(f, "b", &more), ERROR_INSUFFICIENT_STORAGE);
    struct text value;
    struct kv_txn *txn = read_begin(f);
    assert_ok(kv_get(txn, KV_SETTINGS, TEXT("a0"), &value));
    assert_int_equal(value.len, 64 * 1024);
    kv_read_end(txn);
    kv_close(f->kv);
    open_with(f, MAP_SIZE_BYTES); /* more room, and it goes on */
    put(f, KV_SETTINGS, "c", "1");
}

static void the_nth_write_fails_on_demand(void **state)
{
    struct fixture *f = *state;
    for (uint64_t n = 1; n <= 4; n++) {
        kv_fail_write(f->kv, n, ERROR_INSUFFICIENT_STORAGE);
        struct kv_txn *txn = write_begin(f);
        err_t error = kv_put(txn, KV_SETTINGS, TEXT("a"), TEXT("1"));
        if (error == ERROR_OK)
            error = kv_append(txn, KV_JOURNAL, TEXT("a"), TEXT("1"));
        if (error == ERROR_OK)
            error = kv_delete(txn, KV_SETTINGS, TEXT("a"));
        if (error == ERROR_OK)
            assert_error(kv_commit(txn), ERROR_INSUFFICIENT_STORAGE);
        else
            kv_abort(txn);
        kv_fail_write(f->kv, 0, ERROR_OK);
        assert_stored(f, KV_JOURNAL, "a", NULL);
    }
}

/* --- opening --- */

static void write_file(struct fixture *f, const char *name, size_t offset, const void *bytes, size_t size)
{
    char path[TEST_PATH_SIZE];
    test_folder_path(&f->folder, name, path);
    int fd = open(path, O_RDWR | O_CREAT, 0600);
    assert_true(fd >= 0);
    assert_int_equal(pwrite(fd, bytes, size, (off_t)offset), size);
    close(fd);
}

static void assert_refused(struct fixture *f, err_t expected)
{
    struct error_info info = { 0 };
    struct kv *kv = NULL;
    struct kv_options options = { .folder = f->folder.path, .map_size_bytes = MAP_SIZE_BYTES };
    assert_error(kv_open(&options, &kv, &info), expected);
    assert_int_equal(info.code, expected);
    assert_non_null(strstr(info.message, f->folder.path));
    assert_null(kv);
    assert_error(kv_open(&options, &kv, NULL), expected);
}

static void a_damaged_file_is_a_clear_error(void **state)
{
    struct fixture *f = *state;
    put(f, KV_SETTINGS, "a", "1");
    kv_close(f->kv);
    f->kv = NULL;
    uint8_t garbage[8192];
    memset(garbage, 0xA5, sizeof garbage);
    write_file(f, "data.mdb", 0, garbage, sizeof garbage);
    assert_refused(f, ERROR_STORE_CORRUPT);
    char path[TEST_PATH_SIZE];
    test_folder_path(&f->folder, "data.mdb", path);
    assert_int_equal(truncate(path, 100), 0);
    assert_refused(f, ERROR_STORE_CORRUPT);
    assert_int_equal(unlink(path), 0);
    assert_int_equal(mkdir(path, 0700), 0);
    assert_refused(f, ERROR_IO);
}

static void statistics_count_entries(void **state)
{
    struct fixture *f = *state;
    put(f, KV_SETTINGS, "a", "1");
    put(f, KV_SETTINGS, "b", "1");
    struct kv_stats stats;
    assert_ok(kv_stats(f->kv, &stats));
    assert_int_equal(stats.entries[KV_SETTINGS], 2);
    assert_int_equal(stats.entries[KV_USERS], 0);
    assert_int_equal(stats.map_size_bytes, MAP_SIZE_BYTES);
    assert_true(stats.used_size_bytes > 0 && stats.used_size_bytes < MAP_SIZE_BYTES);
    assert_true(stats.file_size_bytes > 0);
    for (int t = 0; t < KV_TABLE_COUNT; t++)
        assert_non_null(kv_table_name((enum kv_table)t));
}

TESTS(WITH_STORE(keeps_what_was_committed_and_nothing_else), WITH_STORE(a_snapshot_does_not_move), WITH_STORE(deletes),
      WITH_STORE(values_may_be_empty_or_large), WITH_STORE(keys_have_1_to_511_bytes),
      WITH_STORE(append_takes_only_growing_keys), WITH_STORE(cursors_at_their_edges),
      WITH_STORE(cursors_walk_many_pages_both_ways), WITH_STORE(readers_are_bounded_and_reused),
      WITH_STORE(a_full_map_is_insufficient_storage_and_reads_go_on), WITH_STORE(the_nth_write_fails_on_demand),
      WITH_STORE(a_damaged_file_is_a_clear_error), WITH_STORE(statistics_count_entries))
