/* The reader that believes nothing: sound files of any history pass, and a changed byte is noticed, by it or by the
 * checksums, or is one that nothing depends on. */
#include "support/testing.h"

#include <fcntl.h>
#include <sys/stat.h>

#include "base/checksum.h"
#include "base/encode.h"
#include "store/file_check.h"
#include "store/keys.h"
#include "store/kv.h"
#include "support/folder.h"

#define FLIPS 2000
#define FILE_SIZE_MAX ((size_t)1 << 20)

struct fixture {
    struct test_folder folder;
    struct kv *kv;
    struct prng prng;
    int fd;
    size_t size;
    uint8_t *bytes, *uses;
    char fault[256]; /* the first one */
};

static void open_store(struct fixture *f)
{
    struct error_info info = { 0 };
    struct kv_options options = { .folder = f->folder.path, .map_size_bytes = (size_t)1 << 28 };
    if (kv_open(&options, &f->kv, &info) != ERROR_OK)
        fail_msg("kv_open: %s", info.message);
}

static int set_up(void **state)
{
    struct fixture *f = calloc(1, sizeof *f);
    assert_non_null(f);
    test_folder_make(&f->folder);
    f->prng = test_prng("unit-store-file_check");
    f->fd = -1;
    open_store(f);
    *state = f;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *f = *state;
    kv_close(f->kv);
    if (f->fd >= 0)
        close(f->fd);
    test_folder_remove(&f->folder);
    free(f->bytes);
    free(f->uses);
    free(f);
    return 0;
}

#define WITH_FILE(function) cmocka_unit_test_setup_teardown(function, set_up, tear_down)

static void note_fault(void *context, const char *sentence)
{
    struct fixture *f = context;
    if (f->fault[0] == '\0')
        (void)snprintf(f->fault, sizeof f->fault, "%s", sentence);
}

static struct file_check_report check(struct fixture *f, uint64_t txn_id, uint8_t *uses)
{
    struct file_check_report report;
    struct file_check_options options = {
        .fd = f->fd, .txn_id = txn_id, .all_tables = true, .fault = note_fault, .context = f, .uses = uses
    };
    f->fault[0] = '\0';
    assert_ok(file_check(&options, &report));
    return report;
}

static void open_file(struct fixture *f)
{
    char path[TEST_PATH_SIZE];
    struct stat status;
    test_folder_path(&f->folder, "data.mdb", path);
    if (f->fd < 0)
        f->fd = open(path, O_RDWR);
    assert_int_equal(fstat(f->fd, &status), 0);
    f->size = (size_t)status.st_size;
}

/* Puts and deletes with keys and values of all sizes. */
static void write_randomly(struct fixture *f, size_t operations, size_t value_size_max)
{
    static char value[200 * 1024];
    struct kv_txn *txn;
    assert_ok(kv_write_begin(f->kv, &txn));
    for (size_t i = 0; i < operations; i++) {
        uint8_t key[200];
        size_t key_size = 2 + prng_below(&f->prng, prng_below(&f->prng, 4) == 0 ? sizeof key - 2 : 3);
        for (size_t b = 0; b < key_size; b++)
            key[b] = (uint8_t)prng_below(&f->prng, b < 2 ? 6 : 256);
        size_t size = prng_below(&f->prng, prng_below(&f->prng, 8) == 0 ? value_size_max : 100);
        for (size_t b = 0; b < size; b += 3)
            value[b] = (char)prng_next(&f->prng);
        enum kv_table table = (enum kv_table)prng_below(&f->prng, KV_TABLE_COUNT);
        struct text name = { (const char *)key, key_size };
        if (prng_below(&f->prng, 3) != 0) {
            assert_ok(kv_put(txn, table, name, (struct text){ value, size }));
        } else {
            struct kv_cursor *cursor; /* whatever follows that key */
            struct text found, unused;
            assert_ok(kv_cursor_open(txn, table, &cursor));
            err_t error = kv_cursor_seek(cursor, name, &found, &unused);
            if (error == ERROR_OK)
                memcpy(key, found.ptr, name.len = found.len);
            kv_cursor_close(cursor);
            if (error == ERROR_OK)
                assert_ok(kv_delete(txn, table, name));
        }
    }
    if (prng_below(&f->prng, 8) == 0)
        kv_abort(txn);
    else
        assert_ok(kv_commit(txn));
}

static void sound_files_of_any_history_pass(void **state)
{
    struct fixture *f = *state;
    open_file(f);
    struct file_check_report report = check(f, 0, NULL);
    assert_int_equal(report.faults, 0);
    for (int round = 0; round < 150; round++) {
        struct kv_stats stats;
        write_randomly(f, 1 + prng_below(&f->prng, 300), 200 * 1024);
        report = check(f, 0, NULL);
        if (report.faults != 0)
            fail_msg("round %d: %s", round, f->fault);
        assert_int_equal(report.leaked_pages, 0);
        assert_ok(kv_stats(f->kv, &stats));
        for (int t = 0; t < KV_TABLE_COUNT; t++)
            assert_int_equal(report.tables[t].entries, stats.entries[t]);
        assert_int_equal(report.pages * report.page_size, stats.used_size_bytes);
    }
}

static void a_snapshot_that_is_held_can_be_checked_while_writes_go_on(void **state)
{
    struct fixture *f = *state;
    struct kv_txn *reader;
    open_file(f);
    write_randomly(f, 300, 20000);
    assert_ok(kv_read_begin(f->kv, &reader));
    uint64_t id = kv_snapshot_id(reader);
    struct file_check_report report = check(f, id, NULL);
    assert_int_equal(report.faults, 0);
    struct kv_txn *txn;
    assert_ok(kv_write_begin(f->kv, &txn));
    assert_ok(kv_put(txn, KV_SETTINGS, TEXT("a"), TEXT("b")));
    assert_ok(kv_commit(txn));
    struct file_check_report again = check(f, id, NULL);
    assert_int_equal(again.faults, 0);
    assert_memory_equal(&report.tables, &again.tables, sizeof report.tables);
    kv_read_end(reader);
    struct file_check_options options = { .fd = f->fd, .txn_id = id + 17, .fault = note_fault, .context = f };
    assert_error(file_check(&options, &report), ERROR_NOT_FOUND);
}

/* --- damage --- */

/* All keys and values, hashed. */
static uint64_t dump(struct kv *kv, bool *intact)
{
    struct kv_txn *txn;
    uint64_t sum = 0;
    *intact = false;
    if (kv_read_begin(kv, &txn) != ERROR_OK)
        return 0;
    *intact = true;
    for (int t = 0; t < KV_TABLE_COUNT; t++) {
        struct kv_cursor *cursor;
        struct text key, value;
        uint64_t entries, damaged;
        assert_ok(kv_cursor_open(txn, (enum kv_table)t, &cursor));
        err_t error;
        while ((error = kv_cursor_next(cursor, &key, &value)) == ERROR_OK)
            sum = checksum64(checksum64(sum + (uint64_t)t, key.ptr, key.len), value.ptr, value.len);
        kv_cursor_close(cursor);
        *intact = *intact && error == ERROR_NOT_FOUND &&
                  kv_check(txn, (enum kv_table)t, &entries, &damaged) == ERROR_OK && damaged == 0;
    }
    kv_read_end(txn);
    return sum;
}

/* Opens what file_check has passed. False: refused. */
static bool dump_file(struct fixture *f, uint64_t *sum)
{
    struct kv_options options = { .folder = f->folder.path, .map_size_bytes = (size_t)1 << 28, .read_only = true };
    struct kv *kv;
    bool intact;
    if (kv_open(&options, &kv, NULL) != ERROR_OK)
        return false;
    *sum = dump(kv, &intact);
    kv_close(kv);
    return intact;
}

static void make_small_file(struct fixture *f)
{
    for (uint64_t i = 0; i < 12 + prng_below(&f->prng, 8); i++)
        write_randomly(f, 60, 9000);
    struct kv_txn *txn; /* deep enough for branch pages */
    assert_ok(kv_write_begin(f->kv, &txn));
    for (uint32_t i = 0; i < 400; i++) {
        uint8_t key[40] = { 0 };
        put_u32be(key, i);
        assert_ok(kv_put(txn, KV_HOURLY, BYTES(key), BYTES(key)));
    }
    assert_ok(kv_commit(txn));
    kv_close(f->kv);
    f->kv = NULL;
    open_file(f);
    assert_true(f->size < FILE_SIZE_MAX);
    f->bytes = malloc(f->size);
    f->uses = calloc(1, f->size);
    assert_int_equal(pread(f->fd, f->bytes, f->size, 0), f->size);
    assert_int_equal(check(f, 0, f->uses).faults, 0);
}

/* Flips a bit; whoever notices. */
static void flip(struct fixture *f, size_t at, uint8_t mask, uint64_t sound)
{
    uint8_t changed = f->bytes[at] ^ mask;
    uint64_t sum = 0;
    assert_int_equal(pwrite(f->fd, &changed, 1, (off_t)at), 1);
    struct file_check_report report = check(f, 0, NULL);
    if (report.faults == 0 && dump_file(f, &sum)) {
        if (sum != sound)
            fail_msg("byte %zu of page %zu (use %d, mask %02x): a change of content goes unnoticed", at % 4096,
                     at / 4096, f->uses[at], mask);
        if (f->uses[at] == FILE_STRUCTURE || f->uses[at] == FILE_KEY || f->uses[at] == FILE_VALUE)
            fail_msg("byte %zu of page %zu (use %d, mask %02x): goes unnoticed", at % 4096, at / 4096, f->uses[at],
                     mask);
    }
    assert_int_equal(pwrite(f->fd, &f->bytes[at], 1, (off_t)at), 1);
}

static void a_flipped_byte_anywhere_is_noticed_or_without_consequence(void **state)
{
    struct fixture *f = *state;
    uint64_t sound;
    make_small_file(f);
    assert_true(dump_file(f, &sound));
    if (test_is_long()) {
        for (size_t at = 0; at < f->size; at++)
            flip(f, at, (uint8_t)(1u << prng_below(&f->prng, 8)), sound);
        return;
    }
    for (size_t i = 0; i < FLIPS; i++) /* half of them where structure is dense: the begin of a page */
        flip(f, i % 2 == 0 ? prng_below(&f->prng, f->size) : prng_below(&f->prng, f->size / 4096) * 4096 + i / 2 % 64,
             (uint8_t)(1 + prng_below(&f->prng, 255)), sound);
    for (size_t at = 0; at < 2 * 4096; at += at % 4096 < 160 ? 1 : 500) /* the meta pages whole */
        flip(f, at, (uint8_t)(1u << prng_below(&f->prng, 8)), sound);
    for (size_t bit = 0; bit < 8; bit++) /* numbers of transactions: an older snapshot may not pass for the newest */
        for (size_t page = 0; page < 2; page++)
            flip(f, page * 4096 + 144, (uint8_t)(1u << bit), sound);
}

/* As a lost or misdirected write leaves it. */
static void a_page_of_another_place_or_of_zeros_is_noticed(void **state)
{
    struct fixture *f = *state;
    uint64_t sound, sum;
    make_small_file(f);
    assert_true(dump_file(f, &sound));
    for (int i = 0; i < 200; i++) {
        size_t from = prng_below(&f->prng, f->size / 4096), to = prng_below(&f->prng, f->size / 4096);
        uint8_t page[4096] = { 0 };
        if (i % 2 == 0)
            memcpy(page, f->bytes + from * 4096, sizeof page);
        assert_int_equal(pwrite(f->fd, page, sizeof page, (off_t)(to * 4096)), sizeof page);
        struct file_check_report report = check(f, 0, NULL);
        if (report.faults == 0 && dump_file(f, &sum) && sum != sound)
            fail_msg("page %zu over page %zu goes unnoticed", from, to);
        assert_int_equal(pwrite(f->fd, f->bytes + to * 4096, 4096, (off_t)(to * 4096)), 4096);
    }
}

static void a_cut_file_is_noticed(void **state)
{
    struct fixture *f = *state;
    make_small_file(f);
    for (size_t size = f->size / 2;; size /= 2) { /* the very last pages may be free, and then need not be there */
        assert_int_equal(ftruncate(f->fd, (off_t)size), 0);
        assert_true(check(f, 0, NULL).faults > 0);
        if (size == 0)
            break;
    }
}

/* Small trees made by hand, which the fuzzer begins with: one is sound, the others each have one fault. */
static void files_made_by_hand_are_judged_rightly(void **state)
{
    static const struct {
        const char *name;
        bool sound;
    } files[] = { { "new", true },    { "trees", true },  { "order", false },
                  { "twice", false }, { "cycle", false }, { "cut", false } };
    struct fixture *f = *state;
    for (size_t i = 0; i < COUNT_OF(files); i++) {
        char path[100];
        struct file_check_report report;
        (void)snprintf(path, sizeof path, "tests/fuzz/corpus/file_check/%s", files[i].name);
        int fd = open(path, O_RDONLY);
        assert_true(fd >= 0);
        struct file_check_options options = { .fd = fd, .fault = note_fault, .context = f };
        f->fault[0] = '\0';
        assert_ok(file_check(&options, &report));
        if ((report.faults == 0) != files[i].sound)
            fail_msg("%s: %s", files[i].name, f->fault);
        close(fd);
    }
}

TESTS(WITH_FILE(sound_files_of_any_history_pass), WITH_FILE(files_made_by_hand_are_judged_rightly),
      WITH_FILE(a_snapshot_that_is_held_can_be_checked_while_writes_go_on),
      WITH_FILE(a_flipped_byte_anywhere_is_noticed_or_without_consequence),
      WITH_FILE(a_page_of_another_place_or_of_zeros_is_noticed), WITH_FILE(a_cut_file_is_noticed))
