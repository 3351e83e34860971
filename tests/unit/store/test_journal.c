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
    f->writer.next_sequence = 1;
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
    int length = mixed % 4 == 0 ? snprintf(id, 64, "9a7c0000-0000-4000-8000-%012llx", (unsigned long long)sequence)
                                : snprintf(id, 64, "%.*s%llu", (int)(mixed % 40),
                                           "----------------------------------------", (unsigned long long)sequence);
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
        struct journal_entry entry = { .kind = JOURNAL_RECORD, .record = make_record(sequence, id) };
        assert_ok(journal_add(&f->writer, f->txn, &entry));
        assert_int_equal(entry.sequence, sequence);
        assert_int_equal(entry.record.sequence, sequence);
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
    struct journal_entry entry;
    assert_ok(journal_open(f->txn, from, &reader));
    for (uint64_t sequence = first; sequence <= last; sequence++) {
        char id[64];
        struct journal_record expected = make_record(sequence, id);
        assert_ok(journal_next(&reader, &entry));
        assert_int_equal(entry.kind, JOURNAL_RECORD);
        assert_int_equal(entry.sequence, sequence);
        assert_int_equal(entry.reported_ns, entry.record.reported_ns);
        assert_same_record(&entry.record, &expected);
    }
    assert_error(journal_next(&reader, &entry), ERROR_NOT_FOUND);
    assert_error(journal_next(&reader, &entry), ERROR_NOT_FOUND);
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
    struct journal_entry entry;
    assert_ok(journal_flush(&f->writer, f->txn));
    assert_int_equal(count_segments(f), 0);
    assert_reads_from(f, 0, 1, 0);
    assert_reads_from(f, 9, 1, 0);
    assert_error(journal_get(f->txn, 1, &entry), ERROR_NOT_FOUND);
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
    struct journal_entry entry;
    for (uint64_t sequence = 1; sequence <= LAST; sequence++) {
        char id[64];
        struct journal_record expected = make_record(sequence, id);
        assert_ok(journal_get(f->txn, sequence, &entry));
        assert_same_record(&entry.record, &expected);
    }
    assert_error(journal_get(f->txn, 0, &entry), ERROR_NOT_FOUND);
    assert_error(journal_get(f->txn, LAST + 1, &entry), ERROR_NOT_FOUND);
    assert_error(journal_get(f->txn, UINT64_MAX, &entry), ERROR_NOT_FOUND);
}

/* Adds a record with that id as a commit of its own and reads it back; returns the size of its segment. */
static size_t size_of_id(struct fixture *f, struct text id)
{
    struct journal_entry entry = { .kind = JOURNAL_RECORD, .record = { .id = id, .end_ns = 1 } }, found;
    assert_ok(journal_add(&f->writer, f->txn, &entry));
    assert_ok(journal_flush(&f->writer, f->txn));
    assert_ok(journal_get(f->txn, entry.sequence, &found));
    assert_true(text_equal(found.record.id, id));
    uint8_t key[JOURNAL_KEY_SIZE];
    struct text value;
    put_u64be(key, entry.sequence);
    assert_ok(kv_get(f->txn, KV_JOURNAL, BYTES(key), &value));
    return value.len;
}

static void the_longest_id_fits(void **state)
{
    static char id[1024];
    memset(id, 'i', sizeof id);
    (void)size_of_id(*state, (struct text){ id, sizeof id });
}

/* Only those that print as they came are packed: an id is given back as posted. */
static void ids_that_are_guids_in_lower_case_take_sixteen_bytes(void **state)
{
    struct fixture *f = *state;
    size_t plain = size_of_id(f, TEXT("9a7c1f00-1234-4abc-8def-00112233445x"));
    assert_int_equal(size_of_id(f, TEXT("9a7c1f00-1234-4abc-8def-001122334455")), plain - 20);
    assert_int_equal(size_of_id(f, TEXT("9A7C1F00-1234-4ABC-8DEF-001122334455")), plain);
    assert_int_equal(size_of_id(f, TEXT("9a7c1f00-1234-4abc-8def-00112233445A")), plain);
    assert_int_equal(size_of_id(f, TEXT("0123456789abcdef")), plain - 20);
}

/* --- other kinds --- */

static void add_entry(struct fixture *f, struct journal_entry entry)
{
    assert_ok(journal_add(&f->writer, f->txn, &entry));
}

static struct decimal decimal_of(const char *text)
{
    struct decimal value;
    assert_ok(decimal_parse(text_of(text), &value));
    return value;
}

static const struct journal_correction a_correction = {
    .original = UINT64_C(1) << 40,
    .action = CORRECTION_AMEND,
    .reason = { "counted twice: \"x\"", 18 },
    .by = { "operator", 8 },
};

static void add_one_of_each_kind(struct fixture *f)
{
    struct journal_correction amend = a_correction, cancel = { .original = 1, .action = CORRECTION_VOID };
    char id[64];
    amend.quantity = decimal_of("4.5");
    amend.difference = decimal_of("-995.5");
    cancel.difference = decimal_of("-1");
    f->writer.reported_ns = 5 * NS_PER_HOUR;
    add_entry(f, (struct journal_entry){ .kind = JOURNAL_RECORD, .record = make_record(1, id) });
    add_entry(f, (struct journal_entry){ .kind = JOURNAL_CORRECTION, .correction = amend });
    add_entry(f, (struct journal_entry){ .kind = JOURNAL_CORRECTION, .correction = cancel });
    add_entry(f, (struct journal_entry){ .kind = JOURNAL_SEAL, .seal = { 4, UINT32_MAX, UINT64_MAX } });
    add_entry(f, (struct journal_entry){ .kind = JOURNAL_NOTE });
    assert_ok(journal_flush(&f->writer, f->txn));
}

static void every_kind_comes_back(void **state)
{
    struct fixture *f = *state;
    struct journal_entry entry;
    add_one_of_each_kind(f);
    assert_ok(journal_get(f->txn, 1, &entry));
    assert_int_equal(entry.kind, JOURNAL_RECORD);
    assert_ok(journal_get(f->txn, 2, &entry));
    assert_int_equal(entry.kind, JOURNAL_CORRECTION);
    assert_int_equal(entry.reported_ns, 5 * NS_PER_HOUR);
    assert_int_equal(entry.correction.original, a_correction.original);
    assert_int_equal(entry.correction.action, CORRECTION_AMEND);
    struct decimal quantity = decimal_of("4.5"), difference = decimal_of("-995.5");
    assert_int_equal(decimal_compare(&entry.correction.quantity, &quantity), 0);
    assert_int_equal(decimal_compare(&entry.correction.difference, &difference), 0);
    assert_true(text_equal(entry.correction.reason, a_correction.reason));
    assert_true(text_equal(entry.correction.by, a_correction.by));
    assert_ok(journal_get(f->txn, 3, &entry));
    assert_int_equal(entry.correction.action, CORRECTION_VOID);
    assert_int_equal(entry.correction.reason.len + entry.correction.by.len, 0);
    assert_ok(journal_get(f->txn, 4, &entry));
    assert_int_equal(entry.kind, JOURNAL_SEAL);
    assert_int_equal(entry.seal.first_hour, 4);
    assert_int_equal(entry.seal.end_hour, UINT32_MAX);
    assert_int_equal(entry.seal.first_sequence, UINT64_MAX);
    assert_ok(journal_get(f->txn, 5, &entry));
    assert_int_equal(entry.kind, JOURNAL_NOTE);
    assert_error(journal_get(f->txn, 6, &entry), ERROR_NOT_FOUND);
}

static void a_seal_ends_its_segment(void **state)
{
    struct fixture *f = *state;
    add_one_of_each_kind(f);
    assert_int_equal(count_segments(f), 2);
}

/* --- definitions --- */

struct defined {
    uint32_t count, last_id;
    struct journal_definition last;
};

static err_t note_definition(void *context, const struct journal_definition *definition)
{
    struct defined *defined = context;
    defined->count++;
    defined->last_id = definition->id;
    defined->last = *definition;
    return ERROR_OK;
}

static void define_instance(struct fixture *f, uint32_t id, struct text text)
{
    struct journal_definition definition = { .kind = DICTIONARY_INSTANCE, .id = id, .text = text };
    memset(definition.identity.bytes, (int)(id & 0xFF), sizeof definition.identity.bytes);
    assert_ok(journal_define(&f->writer, f->txn, &definition));
}

/* Texts of every size, so that segments close between a definition and its record, too. */
static void definitions_are_handed_out_before_their_first_use(void **state)
{
    struct fixture *f = *state;
    enum { COUNT = 3000 };
    static char text[200];
    memset(text, 't', sizeof text);
    for (uint32_t id = 1; id <= COUNT; id++) {
        define_instance(f, id, (struct text){ text, id % sizeof text });
        add_entry(f, (struct journal_entry){ .kind = JOURNAL_RECORD, .record = { .instance = id, .end_ns = 1 } });
    }
    assert_ok(journal_flush(&f->writer, f->txn));
    assert_true(count_segments(f) > 3);
    struct defined defined = { 0 };
    struct journal_reader reader;
    struct journal_entry entry;
    assert_ok(journal_open(f->txn, 0, &reader));
    reader.define = note_definition;
    reader.context = &defined;
    for (uint32_t id = 1; id <= COUNT; id++) {
        assert_ok(journal_next(&reader, &entry));
        assert_int_equal(entry.record.instance, id);
        assert_true(defined.last_id >= id && defined.count == defined.last_id);
        assert_int_equal(defined.last.kind, DICTIONARY_INSTANCE);
        assert_int_equal(defined.last.text.len, defined.last_id % sizeof text);
        assert_int_equal(defined.last.identity.bytes[15], defined.last_id & 0xFF);
    }
    assert_error(journal_next(&reader, &entry), ERROR_NOT_FOUND);
    assert_int_equal(defined.count, COUNT);
    journal_close(&reader);
}

/* Texts were interned for a record that was then kept out. */
static void definitions_alone_make_a_note(void **state)
{
    struct fixture *f = *state;
    struct defined defined = { 0 };
    struct journal_reader reader;
    struct journal_entry entry;
    add_records(f, 1, 1);
    add_entry(f, (struct journal_entry){ .kind = JOURNAL_RECORD, .record = { .end_ns = 1 } });
    define_instance(f, 7, TEXT("seven"));
    assert_ok(journal_flush(&f->writer, f->txn)); /* in a segment that has an entry */
    assert_int_equal(f->writer.next_sequence, 4);
    define_instance(f, 8, TEXT("eight"));
    assert_ok(journal_flush(&f->writer, f->txn)); /* and in one of its own */
    add_records(f, 5, 6);
    assert_ok(journal_open(f->txn, 3, &reader));
    reader.define = note_definition;
    reader.context = &defined;
    assert_ok(journal_next(&reader, &entry));
    assert_int_equal(entry.kind, JOURNAL_NOTE);
    assert_int_equal(entry.sequence, 3);
    assert_true(defined.count == 1 && text_equal(defined.last.text, TEXT("seven")));
    assert_ok(journal_next(&reader, &entry));
    assert_int_equal(entry.kind, JOURNAL_NOTE);
    assert_true(defined.count == 2 && text_equal(defined.last.text, TEXT("eight")));
    assert_ok(journal_next(&reader, &entry));
    assert_int_equal(entry.kind, JOURNAL_RECORD);
    journal_close(&reader);
}

static err_t refuse_definition(void *context, const struct journal_definition *definition)
{
    (void)context;
    (void)definition;
    return ERROR_NO_MEMORY;
}

static void an_error_of_the_reader_of_definitions_comes_back(void **state)
{
    struct fixture *f = *state;
    struct journal_reader reader;
    struct journal_entry entry;
    define_instance(f, 1, TEXT("one"));
    assert_ok(journal_flush(&f->writer, f->txn));
    assert_ok(journal_open(f->txn, 0, &reader));
    reader.define = refuse_definition;
    assert_error(journal_next(&reader, &entry), ERROR_NO_MEMORY);
    journal_close(&reader);
}

/* --- a failed commit --- */

/* All that was added is forgotten: the journal goes on as if it had never been tried. */
static void what_a_failed_commit_added_is_forgotten(void **state)
{
    struct fixture *f = *state;
    uint8_t head[SHA256_SIZE], broken_off[SHA256_SIZE];
    add_records(f, 1, 10);
    memcpy(head, f->writer.head, sizeof head);
    assert_ok(kv_commit(f->txn));
    assert_ok(kv_write_begin(f->kv, &f->txn));
    define_instance(f, 9, TEXT("nine"));
    add_records(f, 11, 3000);
    memcpy(broken_off, f->writer.head, sizeof broken_off);
    add_entry(f, (struct journal_entry){ .kind = JOURNAL_NOTE });
    kv_abort(f->txn);
    journal_undo(&f->writer, 11, head);
    assert_ok(kv_write_begin(f->kv, &f->txn));
    add_records(f, 11, 20);
    assert_reads_from(f, 1, 1, 20);
    assert_memory_not_equal(f->writer.head, broken_off, sizeof broken_off);
    struct text key, value;
    struct kv_cursor *cursor;
    assert_ok(kv_cursor_open(f->txn, KV_JOURNAL, &cursor));
    assert_ok(kv_cursor_last(cursor, &key, &value));
    assert_memory_equal(value.ptr + 13, head, sizeof head); /* the new segment follows the last that stayed */
    kv_cursor_close(cursor);
}

/* --- damage --- */

/* Reads everything there is; returns how it ended. */
static err_t read_all(struct fixture *f, uint64_t *count)
{
    struct journal_reader reader;
    struct journal_entry entry;
    *count = 0;
    err_t error = journal_open(f->txn, 0, &reader);
    if (error != ERROR_OK)
        return error;
    while ((error = journal_next(&reader, &entry)) == ERROR_OK)
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

/* A segment of all that an item can be, under sequence 1; as many entries as it returns. */
static uint64_t add_all_kinds(struct fixture *f)
{
    struct journal_correction correction = a_correction;
    char id[64];
    correction.difference = decimal_of("-3");
    f->writer.reported_ns = 77 * NS_PER_DAY;
    for (uint64_t sequence = 1; sequence <= 12; sequence++) {
        define_instance(f, (uint32_t)sequence, TEXT("an instance"));
        add_entry(f, (struct journal_entry){ .kind = JOURNAL_RECORD, .record = make_record(sequence, id) });
    }
    add_entry(f, (struct journal_entry){ .kind = JOURNAL_CORRECTION, .correction = correction });
    add_entry(f, (struct journal_entry){ .kind = JOURNAL_NOTE });
    add_entry(f, (struct journal_entry){ .kind = JOURNAL_SEAL, .seal = { 1, 2, 3 } });
    return 15;
}

static void a_cut_segment_is_corruption(void **state)
{
    struct fixture *f = *state;
    static uint8_t whole[JOURNAL_SEGMENT_SIZE_BYTES * 2];
    uint64_t all = add_all_kinds(f);
    size_t size = copy_segment(f, 1, whole);
    uint64_t count;
    for (size_t cut = 0; cut < size; cut++) {
        put_segment(f, 1, whole, cut);
        assert_error(read_all(f, &count), ERROR_STORE_CORRUPT);
    }
    put_segment(f, 1, whole, size);
    assert_error(read_all(f, &count), ERROR_NOT_FOUND);
    assert_int_equal(count, all);
    whole[size] = 0; /* something follows the last entry */
    put_segment(f, 1, whole, size + 1);
    assert_error(read_all(f, &count), ERROR_STORE_CORRUPT);
}

/* A changed byte is corruption or another value of some field, but never another number of entries. */
static void a_changed_byte_does_no_harm(void **state)
{
    struct fixture *f = *state;
    static uint8_t whole[JOURNAL_SEGMENT_SIZE_BYTES * 2];
    uint64_t all = add_all_kinds(f);
    size_t size = copy_segment(f, 1, whole);
    for (size_t at = 0; at < size; at++) {
        uint8_t before = whole[at];
        for (int change = 1; change < 256; change++) {
            uint64_t count;
            whole[at] = (uint8_t)(before ^ change);
            put_segment(f, 1, whole, size);
            err_t error = read_all(f, &count);
            if (error == ERROR_NOT_FOUND)
                assert_int_equal(count, all);
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

/* --- the chain --- */

/* Walks it; returns the first sequence of the first segment whose link is broken. */
static uint64_t broken_at(struct fixture *f, uint64_t expected_first)
{
    uint64_t first, broken;
    uint8_t head[SHA256_SIZE];
    assert_ok(journal_check_chain(f->txn, &first, head, &broken));
    assert_int_equal(first, expected_first);
    if (broken == 0)
        assert_memory_equal(head, f->writer.head, sizeof head);
    return broken;
}

static void promise_7_an_untouched_chain_holds(void **state)
{
    struct fixture *f = *state;
    assert_int_equal(broken_at(f, 0), 0);
    add_records(f, 1, 1);
    assert_int_equal(broken_at(f, 1), 0);
    add_records(f, 2, 3000);
    add_records(f, 3001, 3001);
    assert_int_equal(broken_at(f, 1), 0);
}

/* Named case "Chain cut at the tail", and any other change: each byte of the first two segments of three, in turn. */
static void promise_7_a_changed_byte_breaks_the_chain(void **state)
{
    struct fixture *f = *state;
    static uint8_t whole[JOURNAL_SEGMENT_SIZE_BYTES * 2];
    add_records(f, 1, 5);
    add_records(f, 6, 9);
    add_records(f, 10, 12);
    for (uint64_t segment = 1; segment <= 6; segment += 5) {
        size_t size = copy_segment(f, segment, whole);
        for (size_t at = 0; at < size; at++) {
            whole[at] ^= 0x40;
            put_segment(f, segment, whole, size);
            assert_true(broken_at(f, segment == 1 && at == 0 ? 6 : 1) != 0);
            whole[at] ^= 0x40;
        }
        put_segment(f, segment, whole, size);
    }
    assert_int_equal(broken_at(f, 1), 0);
}

static void delete_segment(struct fixture *f, uint64_t sequence)
{
    uint8_t key[JOURNAL_KEY_SIZE];
    put_u64be(key, sequence);
    assert_ok(kv_delete(f->txn, KV_JOURNAL, BYTES(key)));
}

static void promise_7_a_missing_segment_breaks_the_chain_but_at_its_ends(void **state)
{
    struct fixture *f = *state;
    for (uint64_t sequence = 1; sequence <= 4; sequence++)
        add_records(f, sequence, sequence);
    delete_segment(f, 1); /* as retention does */
    assert_int_equal(broken_at(f, 2), 0);
    delete_segment(f, 3);
    assert_int_equal(broken_at(f, 2), 2);
    delete_segment(f, 4); /* a cut tail is seen by its head alone */
    uint64_t first, broken;
    uint8_t head[SHA256_SIZE];
    assert_ok(journal_check_chain(f->txn, &first, head, &broken));
    assert_int_equal(broken, 0);
    assert_memory_not_equal(head, f->writer.head, sizeof head);
}

static void what_is_no_segment_breaks_the_chain(void **state)
{
    struct fixture *f = *state;
    add_records(f, 1, 2);
    assert_ok(kv_put(f->txn, KV_JOURNAL, TEXT("a"), TEXT("b")));
    uint64_t first, broken;
    uint8_t head[SHA256_SIZE];
    assert_ok(journal_check_chain(f->txn, &first, head, &broken));
    assert_int_equal(broken, UINT64_MAX);
}

static void heads_belong_to_the_ends_of_segments(void **state)
{
    struct fixture *f = *state;
    uint8_t first[SHA256_SIZE], second[SHA256_SIZE], head[SHA256_SIZE];
    assert_error(journal_head_at(f->txn, 1, head), ERROR_NOT_FOUND);
    add_records(f, 1, 5);
    memcpy(first, f->writer.head, sizeof first);
    add_records(f, 6, 7);
    memcpy(second, f->writer.head, sizeof second);
    assert_ok(journal_head_at(f->txn, 5, head));
    assert_memory_equal(head, first, sizeof head);
    assert_ok(journal_head_at(f->txn, 7, head));
    assert_memory_equal(head, second, sizeof head);
    static const uint64_t others[] = { 0, 1, 4, 6, 8, UINT64_MAX };
    for (size_t i = 0; i < COUNT_OF(others); i++)
        assert_error(journal_head_at(f->txn, others[i], head), ERROR_NOT_FOUND);
}

static void retention_drops_whole_segments_from_the_front(void **state)
{
    struct fixture *f = *state;
    bool left;
    for (uint64_t sequence = 1; sequence <= 21; sequence += 3)
        add_records(f, sequence, sequence + 2);
    assert_ok(journal_drop(f->txn, 12, 100, &left)); /* 10..12 holds an entry that stays */
    assert_false(left);
    assert_reads_from(f, 0, 10, 21);
    assert_int_equal(broken_at(f, 10), 0);
    assert_ok(journal_drop(f->txn, 19, 2, &left));
    assert_true(left);
    assert_reads_from(f, 0, 16, 21);
    assert_ok(journal_drop(f->txn, 19, 1, &left));
    assert_false(left);
    struct journal_entry entry;
    assert_error(journal_get(f->txn, 18, &entry), ERROR_NOT_FOUND);
    assert_ok(journal_drop(f->txn, UINT64_MAX, 100, &left));
    assert_false(left);
    assert_reads_from(f, 0, 1, 0);
    add_records(f, 22, 23); /* it goes on */
    assert_reads_from(f, 0, 22, 23);
}

TESTS(WITH_STORE(every_field_comes_back), WITH_STORE(an_empty_journal_has_nothing),
      WITH_STORE(big_commits_make_several_segments), WITH_STORE(commits_make_segments_of_their_own),
      WITH_STORE(reads_from_any_sequence), WITH_STORE(each_sequence_can_be_looked_up), WITH_STORE(the_longest_id_fits),
      WITH_STORE(ids_that_are_guids_in_lower_case_take_sixteen_bytes), WITH_STORE(every_kind_comes_back),
      WITH_STORE(a_seal_ends_its_segment), WITH_STORE(definitions_are_handed_out_before_their_first_use),
      WITH_STORE(definitions_alone_make_a_note), WITH_STORE(an_error_of_the_reader_of_definitions_comes_back),
      WITH_STORE(what_a_failed_commit_added_is_forgotten), WITH_STORE(a_cut_segment_is_corruption),
      WITH_STORE(a_changed_byte_does_no_harm), WITH_STORE(a_missing_segment_is_corruption),
      WITH_STORE(a_foreign_key_or_version_is_corruption), WITH_STORE(promise_7_an_untouched_chain_holds),
      WITH_STORE(promise_7_a_changed_byte_breaks_the_chain),
      WITH_STORE(promise_7_a_missing_segment_breaks_the_chain_but_at_its_ends),
      WITH_STORE(what_is_no_segment_breaks_the_chain), WITH_STORE(heads_belong_to_the_ends_of_segments),
      WITH_STORE(retention_drops_whole_segments_from_the_front))
