/* The journal: what goes in comes out, from any sequence, over any number of segments; damage is noticed. */
#include "support/testing.h"

#include "base/encode.h"
#include "store/journal.h"
#include "store/keys.h"
#include "support/folder.h"

struct fixture {
    struct test_folder folder;
    struct kv *kv;
    struct kv_txn *txn;
    struct journal_writer writer;
};

static int set_up(void **state)
{
    struct fixture *f = calloc(1, sizeof *f);
    assert_non_null(f);
    test_folder_make(&f->folder);
    struct kv_options options = { .folder = f->folder.path, .map_size_bytes = (size_t)1 << 28 };
    assert_ok(kv_open(&options, &f->kv, NULL));
    assert_ok(kv_write_begin(f->kv, &f->txn));
    *state = f;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *f = *state;
    buffer_free(&f->writer.segment);
    kv_abort(f->txn);
    kv_close(f->kv);
    test_folder_remove(&f->folder);
    free(f);
    return 0;
}

#define WITH_STORE(function) cmocka_unit_test_setup_teardown(function, set_up, tear_down)

/* Fields that follow from the sequence, so that a reader can be checked anywhere. */
static struct journal_record make_record(uint64_t sequence, char id[64])
{
    static const char *const quantities[] = { "0",
                                              "1",
                                              "0.000000000000000000000000000001",
                                              "123456.789",
                                              "999999999999999999999999999.999999999999999999999999999999",
                                              "-4.25" };
    struct journal_record record = { .sequence = sequence };
    uint32_t mixed = (uint32_t)(sequence * 2654435761u);
    record.producer = mixed % 3 == 0 ? UINT32_MAX : mixed % 7;
    record.source = mixed % 11;
    record.subscription = mixed;
    record.meter = mixed >> 8;
    record.instance = mixed >> 16;
    record.start_ns = (int64_t)sequence * NS_PER_HOUR + (int64_t)(mixed % 1000);
    record.end_ns = record.start_ns + 1 + (int64_t)(mixed % 31) * NS_PER_DAY;
    record.quantity_is_number = mixed % 2 == 0;
    record.history = mixed % 5 == 0;
    record.reported_ns = record.history ? (int64_t)mixed * 1000 - 5 : 77 * NS_PER_DAY;
    assert_ok(decimal_parse(text_of(quantities[mixed % COUNT_OF(quantities)]), &record.quantity));
    int length = snprintf(id, 64, "%.*s%llu", (int)(mixed % 40), "----------------------------------------",
                          (unsigned long long)sequence);
    record.id = (struct text){ id, (size_t)length };
    return record;
}

static void assert_same_record(const struct journal_record *a, const struct journal_record *b)
{
    assert_int_equal(a->sequence, b->sequence);
    assert_int_equal(a->reported_ns, b->reported_ns);
    assert_int_equal(a->producer, b->producer);
    assert_int_equal(a->source, b->source);
    assert_int_equal(a->subscription, b->subscription);
    assert_int_equal(a->meter, b->meter);
    assert_int_equal(a->instance, b->instance);
    assert_true(text_equal(a->id, b->id));
    assert_int_equal(a->start_ns, b->start_ns);
    assert_int_equal(a->end_ns, b->end_ns);
    assert_int_equal(decimal_compare(&a->quantity, &b->quantity), 0);
    assert_int_equal(a->quantity_is_number, b->quantity_is_number);
    assert_int_equal(a->history, b->history);
}

static void add_records(struct fixture *f, uint64_t first, uint64_t last)
{
    f->writer.reported_ns = 77 * NS_PER_DAY;
    for (uint64_t sequence = first; sequence <= last; sequence++) {
        char id[64];
        struct journal_record record = make_record(sequence, id);
        assert_ok(journal_add(&f->writer, f->txn, &record));
    }
    assert_ok(journal_flush(&f->writer, f->txn));
}

static size_t count_segments(struct fixture *f)
{
    struct kv_cursor *cursor;
    struct text key, value;
    size_t count = 0;
    assert_ok(kv_cursor_open(f->txn, KV_JOURNAL, &cursor));
    for (; kv_cursor_next(cursor, &key, &value) == ERROR_OK; count++)
        assert_true(value.len <= JOURNAL_SEGMENT_SIZE_BYTES + 1200);
    kv_cursor_close(cursor);
    return count;
}

static void assert_reads_from(struct fixture *f, uint64_t from, uint64_t first, uint64_t last)
{
    struct journal_reader reader;
    struct journal_record record;
    assert_ok(journal_open(f->txn, from, &reader));
    for (uint64_t sequence = first; sequence <= last; sequence++) {
        char id[64];
        struct journal_record expected = make_record(sequence, id);
        assert_ok(journal_next(&reader, &record));
        assert_same_record(&record, &expected);
    }
    assert_error(journal_next(&reader, &record), ERROR_NOT_FOUND);
    assert_error(journal_next(&reader, &record), ERROR_NOT_FOUND);
    journal_close(&reader);
}

static void every_field_comes_back(void **state)
{
    struct fixture *f = *state;
    add_records(f, 1, 300);
    assert_reads_from(f, 1, 1, 300);
}

static void an_empty_journal_has_nothing(void **state)
{
    struct fixture *f = *state;
    struct journal_record record;
    assert_ok(journal_flush(&f->writer, f->txn));
    assert_int_equal(count_segments(f), 0);
    assert_reads_from(f, 0, 1, 0);
    assert_reads_from(f, 9, 1, 0);
    assert_error(journal_get(f->txn, 1, &record), ERROR_NOT_FOUND);
}

static void big_commits_make_several_segments(void **state)
{
    struct fixture *f = *state;
    add_records(f, 1, 5000);
    assert_true(count_segments(f) >= 4);
    assert_reads_from(f, 0, 1, 5000);
}

static void commits_make_segments_of_their_own(void **state)
{
    struct fixture *f = *state;
    add_records(f, 1, 1);
    add_records(f, 2, 3);
    add_records(f, 4, 4);
    assert_int_equal(count_segments(f), 3);
    assert_reads_from(f, 1, 1, 4);
}

static void reads_from_any_sequence(void **state)
{
    struct fixture *f = *state;
    enum { LAST = 2600 };
    add_records(f, 1, 2500);
    add_records(f, 2501, 2501);
    add_records(f, 2502, LAST);
    for (uint64_t from = 0; from <= LAST + 2; from += from < 2490 && from > 3 ? 37 : 1)
        assert_reads_from(f, from, from == 0 ? 1 : from, LAST);
    assert_reads_from(f, UINT64_MAX, 1, 0);
}

static void each_sequence_can_be_looked_up(void **state)
{
    struct fixture *f = *state;
    enum { LAST = 1500 };
    add_records(f, 1, 1400);
    add_records(f, 1401, LAST);
    struct journal_record record;
    for (uint64_t sequence = 1; sequence <= LAST; sequence++) {
        char id[64];
        struct journal_record expected = make_record(sequence, id);
        assert_ok(journal_get(f->txn, sequence, &record));
        assert_same_record(&record, &expected);
    }
    assert_error(journal_get(f->txn, 0, &record), ERROR_NOT_FOUND);
    assert_error(journal_get(f->txn, LAST + 1, &record), ERROR_NOT_FOUND);
    assert_error(journal_get(f->txn, UINT64_MAX, &record), ERROR_NOT_FOUND);
}

static void the_longest_id_fits(void **state)
{
    struct fixture *f = *state;
    static char id[1024];
    memset(id, 'i', sizeof id);
    struct journal_record record = { .sequence = 1, .id = { id, sizeof id }, .end_ns = 1 }, found;
    assert_ok(journal_add(&f->writer, f->txn, &record));
    assert_ok(journal_flush(&f->writer, f->txn));
    assert_ok(journal_get(f->txn, 1, &found));
    assert_true(text_equal(found.id, record.id));
}

static void add_with_a_gap(void *context)
{
    struct fixture *f = context;
    char id[64];
    struct journal_record first = make_record(1, id), third = make_record(3, id);
    assert_ok(journal_add(&f->writer, f->txn, &first));
    assert_ok(journal_add(&f->writer, f->txn, &third));
}

static void sequences_have_no_gaps(void **state)
{
    assert_true(aborts(add_with_a_gap, *state));
}

/* --- damage --- */

/* Reads everything there is; returns how it ended. */
static err_t read_all(struct fixture *f, uint64_t *count)
{
    struct journal_reader reader;
    struct journal_record record;
    *count = 0;
    err_t error = journal_open(f->txn, 0, &reader);
    if (error != ERROR_OK)
        return error;
    while ((error = journal_next(&reader, &record)) == ERROR_OK)
        ++*count;
    journal_close(&reader);
    return error;
}

static void put_segment(struct fixture *f, uint64_t sequence, const uint8_t *bytes, size_t size)
{
    uint8_t key[JOURNAL_KEY_SIZE];
    put_u64be(key, sequence);
    /* A copy of exactly this size, so that the sanitizers see a step over its end. */
    uint8_t *copy = malloc(size + 1);
    assert_non_null(copy);
    memcpy(copy, bytes, size);
    assert_ok(kv_put(f->txn, KV_JOURNAL, BYTES(key), (struct text){ (const char *)copy, size }));
    free(copy);
}

static size_t copy_segment(struct fixture *f, uint64_t sequence, uint8_t *out)
{
    uint8_t key[JOURNAL_KEY_SIZE];
    struct text value;
    put_u64be(key, sequence);
    assert_ok(kv_get(f->txn, KV_JOURNAL, BYTES(key), &value));
    memcpy(out, value.ptr, value.len);
    return value.len;
}

static void a_cut_segment_is_corruption(void **state)
{
    struct fixture *f = *state;
    static uint8_t whole[JOURNAL_SEGMENT_SIZE_BYTES * 2];
    add_records(f, 1, 20);
    size_t size = copy_segment(f, 1, whole);
    uint64_t count;
    for (size_t cut = 0; cut < size; cut++) {
        put_segment(f, 1, whole, cut);
        assert_error(read_all(f, &count), ERROR_STORE_CORRUPT);
    }
    put_segment(f, 1, whole, size);
    assert_error(read_all(f, &count), ERROR_NOT_FOUND);
    assert_int_equal(count, 20);
    whole[size] = 0; /* something follows the last record */
    put_segment(f, 1, whole, size + 1);
    assert_error(read_all(f, &count), ERROR_STORE_CORRUPT);
}

/* A changed byte is corruption or another value of some field, but never another number of records. */
static void a_changed_byte_does_no_harm(void **state)
{
    struct fixture *f = *state;
    static uint8_t whole[JOURNAL_SEGMENT_SIZE_BYTES * 2];
    add_records(f, 1, 12);
    size_t size = copy_segment(f, 1, whole);
    for (size_t at = 0; at < size; at++) {
        uint8_t before = whole[at];
        for (int change = 1; change < 256; change++) {
            uint64_t count;
            whole[at] = (uint8_t)(before ^ change);
            put_segment(f, 1, whole, size);
            err_t error = read_all(f, &count);
            if (error == ERROR_NOT_FOUND)
                assert_int_equal(count, 12);
            else
                assert_int_equal(error, ERROR_STORE_CORRUPT);
        }
        whole[at] = before;
    }
}

static void a_missing_segment_is_corruption(void **state)
{
    struct fixture *f = *state;
    uint64_t count;
    uint8_t key[JOURNAL_KEY_SIZE];
    add_records(f, 1, 5);
    add_records(f, 6, 9);
    add_records(f, 10, 12);
    put_u64be(key, 6);
    assert_ok(kv_delete(f->txn, KV_JOURNAL, BYTES(key)));
    assert_error(read_all(f, &count), ERROR_STORE_CORRUPT);
    assert_int_equal(count, 5);
}

static void a_foreign_key_or_version_is_corruption(void **state)
{
    struct fixture *f = *state;
    static uint8_t whole[JOURNAL_SEGMENT_SIZE_BYTES * 2];
    uint64_t count;
    add_records(f, 1, 3);
    size_t size = copy_segment(f, 1, whole);
    whole[0] = JOURNAL_VERSION + 1;
    put_segment(f, 1, whole, size);
    assert_error(read_all(f, &count), ERROR_STORE_CORRUPT);
    whole[0] = JOURNAL_VERSION;
    put_segment(f, 1, whole, size);
    assert_ok(kv_put(f->txn, KV_JOURNAL, TEXT("a"), TEXT("b")));
    assert_error(read_all(f, &count), ERROR_STORE_CORRUPT);
}

TESTS(WITH_STORE(every_field_comes_back), WITH_STORE(an_empty_journal_has_nothing),
      WITH_STORE(big_commits_make_several_segments), WITH_STORE(commits_make_segments_of_their_own),
      WITH_STORE(reads_from_any_sequence), WITH_STORE(each_sequence_can_be_looked_up), WITH_STORE(the_longest_id_fits),
      WITH_STORE(sequences_have_no_gaps), WITH_STORE(a_cut_segment_is_corruption),
      WITH_STORE(a_changed_byte_does_no_harm), WITH_STORE(a_missing_segment_is_corruption),
      WITH_STORE(a_foreign_key_or_version_is_corruption))
