/* The ordered tables: values, order, cursors at their edges, snapshots, full maps, damaged files, injected failures. */
#include "support/testing.h"

#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
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

static void open_between(struct fixture *f, size_t map_size_bytes, size_t map_size_max_bytes)
{
    struct error_info info = { 0 };
    struct kv_options options = { .folder = f->folder.path,
                                  .map_size_bytes = map_size_bytes,
                                  .map_size_max_bytes = map_size_max_bytes };
    f->kv = NULL;
    if (kv_open(&options, &f->kv, &info) != ERROR_OK)
        fail_msg("kv_open: %s", info.message);
}

static void open_with(struct fixture *f, size_t map_size_bytes)
{
    open_between(f, map_size_bytes, map_size_bytes);
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

static err_t store_block(struct fixture *f, const char *name)
{
    static char block[64 * 1024];
    struct kv_txn *txn = write_begin(f);
    err_t error = kv_put(txn, KV_SETTINGS, text_of(name), (struct text){ block, sizeof block });
    if (error == ERROR_OK)
        return kv_commit(txn);
    kv_abort(txn);
    return error;
}

static err_t fill(struct fixture *f, const char *prefix, size_t *stored)
{
    for (*stored = 0; *stored < 100000; ++*stored) {
        char name[32];
        (void)snprintf(name, sizeof name, "%s%zu", prefix, *stored);
        err_t error = store_block(f, name);
        while (error != ERROR_OK && kv_can_grow(f->kv))
            error = store_block(f, name);
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

static void data_path(struct fixture *f, char path[TEST_PATH_SIZE])
{
    test_folder_path(&f->folder, "data.mdb", path);
}

static void many(struct fixture *f, enum kv_table table, size_t count, size_t size)
{
    static char value[64 * 1024];
    struct kv_txn *txn = write_begin(f);
    for (uint32_t i = 0; i < count; i++) {
        uint8_t key[4];
        put_u32be(key, i);
        assert_ok(kv_put(txn, table, BYTES(key), (struct text){ value, size }));
    }
    assert_ok(kv_commit(txn));
}

/* It would begin anew, and everything that was known would be forgotten. */
static void an_emptied_file_is_not_a_new_store(void **state)
{
    struct fixture *f = *state;
    char path[TEST_PATH_SIZE];
    put(f, KV_SETTINGS, "a", "1");
    kv_close(f->kv);
    f->kv = NULL;
    data_path(f, path);
    assert_int_equal(truncate(path, 0), 0);
    assert_refused(f, ERROR_STORE_CORRUPT);
    struct stat status;
    assert_int_equal(stat(path, &status), 0);
    assert_int_equal(status.st_size, 0);
}

static void a_file_that_is_cut_anywhere_is_refused(void **state)
{
    struct fixture *f = *state;
    char path[TEST_PATH_SIZE];
    struct stat status;
    many(f, KV_BLOCKS, 20, 40000);
    many(f, KV_SETTINGS, 2000, 100);
    kv_close(f->kv);
    f->kv = NULL;
    data_path(f, path);
    assert_int_equal(stat(path, &status), 0);
    for (off_t size = status.st_size - 1; size > 0; size -= size > 50000 ? 40961 : 1111) {
        assert_int_equal(truncate(path, size), 0);
        assert_refused(f, ERROR_STORE_CORRUPT);
    }
}

/* --- checksums --- */

/* Changes each byte of the entry, where it lies in the file, and tells how a read and the check take it. */
static void flip_value(struct fixture *f, enum kv_table table, err_t read_error)
{
    static const char marker[] = "a value that is found again";
    char path[TEST_PATH_SIZE];
    static char file[1 << 20];
    put(f, table, "key", marker);
    kv_close(f->kv);
    data_path(f, path);
    int fd = open(path, O_RDWR);
    ssize_t size = pread(fd, file, sizeof file, 0);
    char *at = memmem(file, (size_t)size, marker, sizeof marker - 1);
    assert_non_null(at);
    off_t offset = at - file;
    assert_null(memmem(at + 1, (size_t)(file + size - at - 1), marker, sizeof marker - 1));
    for (off_t i = -3; i < (off_t)sizeof marker - 1 + 8; i++) { /* key, value, checksum */
        char flipped = (char)(file[offset + i] ^ 4);
        assert_int_equal(pwrite(fd, &flipped, 1, offset + i), 1);
        open_with(f, MAP_SIZE_BYTES);
        struct kv_txn *txn = read_begin(f);
        struct kv_cursor *cursor;
        struct text key, value;
        uint64_t entries, damaged;
        assert_ok(kv_cursor_open(txn, table, &cursor));
        assert_error(kv_cursor_last(cursor, &key, &value), read_error);
        if (i >= 0)
            assert_error(kv_get(txn, table, TEXT("key"), &value), read_error);
        kv_cursor_close(cursor);
        assert_ok(kv_check(txn, table, &entries, &damaged));
        assert_int_equal(entries, 1);
        assert_int_equal(damaged, 1);
        kv_read_end(txn);
        kv_close(f->kv);
        assert_int_equal(pwrite(fd, file + offset + i, 1, offset + i), 1);
    }
    close(fd);
    open_with(f, MAP_SIZE_BYTES);
    assert_stored(f, table, "key", marker);
}

static void a_flipped_byte_in_a_small_table_is_noticed_by_the_read(void **state)
{
    flip_value(*state, KV_TOKENS, ERROR_STORE_CORRUPT);
}

static void a_flipped_byte_in_a_large_table_is_noticed_by_the_check(void **state)
{
    flip_value(*state, KV_JOURNAL, ERROR_OK);
}

/* --- a map that grows --- */

struct growth_reader {
    struct kv *kv;
    pthread_t thread;
    atomic_bool *stop;
    atomic_uint *reads;
};

static void *read_on(void *argument)
{
    struct growth_reader *reader = argument;
    while (!atomic_load(reader->stop)) {
        struct kv_txn *txn;
        struct kv_cursor *cursor;
        struct text key, value;
        assert_ok(kv_read_begin(reader->kv, &txn));
        assert_ok(kv_cursor_open(txn, KV_SETTINGS, &cursor));
        unsigned sum = 0;
        err_t error = kv_cursor_last(cursor, &key, &value);
        for (int i = 0; i < 20 && error == ERROR_OK; i++) {
            for (size_t b = 0; b < value.len; b += 512) /* touches the pages */
                sum += (unsigned char)value.ptr[b];
            error = kv_cursor_previous(cursor, &key, &value);
        }
        assert_true((error == ERROR_OK || error == ERROR_NOT_FOUND) && sum == 0);
        kv_cursor_close(cursor);
        kv_read_end(txn);
        atomic_fetch_add(reader->reads, 1);
    }
    return NULL;
}

static void the_map_grows_from_1_mib_to_64_while_readers_run(void **state)
{
    struct fixture *f = *state;
    struct growth_reader readers[3];
    atomic_bool stop = false;
    atomic_uint reads = 0;
    size_t stored;
    kv_close(f->kv);
    open_between(f, (size_t)1 << 20, (size_t)64 << 20);
    put(f, KV_SETTINGS, "a", "");
    for (size_t i = 0; i < COUNT_OF(readers); i++) {
        readers[i] = (struct growth_reader){ .kv = f->kv, .stop = &stop, .reads = &reads };
        assert_int_equal(pthread_create(&readers[i].thread, NULL, read_on, &readers[i]), 0);
    }
    err_t error = fill(f, "a", &stored);
    while (atomic_load(&reads) == 0)
        sched_yield();
    atomic_store(&stop, true);
    for (size_t i = 0; i < COUNT_OF(readers); i++)
        assert_int_equal(pthread_join(readers[i].thread, NULL), 0);
    assert_error(error, ERROR_INSUFFICIENT_STORAGE);
    assert_false(kv_can_grow(f->kv));
    assert_uint_in_range(stored, 800, 1024);
    struct kv_stats stats;
    assert_ok(kv_stats(f->kv, &stats));
    assert_int_equal(stats.map_size_bytes, (size_t)64 << 20);
    assert_int_equal(stats.entries[KV_SETTINGS], stored + 1);
}

/* A reader that does not end keeps the map where it is; writes go on while there is room, and afterwards. */
static void a_long_reader_only_delays_growth(void **state)
{
    struct fixture *f = *state;
    struct kv_stats stats;
    kv_close(f->kv);
    open_between(f, (size_t)1 << 20, (size_t)64 << 20);
    struct kv_txn *reader = read_begin(f);
    many(f, KV_SETTINGS, 14, 64 * 1024 - 100);
    put(f, KV_SETTINGS, "a", "1");
    assert_ok(kv_stats(f->kv, &stats));
    assert_int_equal(stats.map_size_bytes, (size_t)1 << 20);
    kv_read_end(reader);
    for (int i = 0; i < 70; i++) /* it does not try each time */
        put(f, KV_SETTINGS, "a", "2");
    assert_ok(kv_stats(f->kv, &stats));
    assert_int_equal(stats.map_size_bytes, (size_t)2 << 20);
}

/* A transaction larger than the map fails once, says why, and goes through when it is tried again. */
static void a_large_transaction_makes_the_map_grow_until_it_fits(void **state)
{
    static char value[64 * 1024];
    struct fixture *f = *state;
    kv_close(f->kv);
    open_between(f, (size_t)1 << 20, (size_t)64 << 20);
    err_t error = ERROR_INSUFFICIENT_STORAGE;
    for (int tries = 0; error != ERROR_OK; tries++) {
        assert_true(tries < 6);
        assert_true(tries == 0 || kv_can_grow(f->kv));
        struct kv_txn *txn = write_begin(f);
        error = ERROR_OK;
        for (uint32_t i = 0; i < 128 && error == ERROR_OK; i++) {
            uint8_t key[4];
            put_u32be(key, i);
            error = kv_put(txn, KV_BLOCKS, BYTES(key), (struct text){ value, sizeof value });
        }
        if (error == ERROR_OK) {
            error = kv_commit(txn);
        } else {
            assert_int_equal(error, ERROR_INSUFFICIENT_STORAGE);
            kv_abort(txn);
        }
    }
    struct kv_stats stats;
    assert_ok(kv_stats(f->kv, &stats));
    assert_int_equal(stats.entries[KV_BLOCKS], 128);
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
      WITH_STORE(a_damaged_file_is_a_clear_error), WITH_STORE(an_emptied_file_is_not_a_new_store),
      WITH_STORE(a_file_that_is_cut_anywhere_is_refused),
      WITH_STORE(a_flipped_byte_in_a_small_table_is_noticed_by_the_read),
      WITH_STORE(a_flipped_byte_in_a_large_table_is_noticed_by_the_check),
      WITH_STORE(the_map_grows_from_1_mib_to_64_while_readers_run), WITH_STORE(a_long_reader_only_delays_growth),
      WITH_STORE(a_large_transaction_makes_the_map_grow_until_it_fits), WITH_STORE(statistics_count_entries))
