/* Signed heads: kept, listed, exported as text and read back, and what one kept elsewhere says about a journal. */
#include "support/store_fixture.h"

#include "base/encode.h"
#include "store/head.h"
#include "store/journal.h"
#include "store/keys.h"
#include "store/write.h"
#include "support/settle.h"

struct define_job {
    struct store_job job; /* first member */
    const char *name;
};

static err_t run_define(struct store_write *write, struct store_job *job)
{
    uint32_t id;
    struct text name = text_of(((struct define_job *)job)->name);
    return write_intern(write, DICTIONARY_SOURCE, name, name, &id);
}

/* An entry in the open hour; then the hour passes and is sealed. */
static void pass_an_hour(struct store_fixture *f, const char *name)
{
    struct define_job job = { .job = { .run = run_define, .weight = 1 }, .name = name };
    assert_ok(store_run(f->store, &job.job));
    clock_manual_advance(&f->clock, NS_PER_HOUR);
    test_settle(f->store, hour_start_ns(instant_hour(store_now_ns(f->store))));
}

static void pass_hours(struct store_fixture *f, int hours)
{
    for (int i = 0; i < hours; i++) {
        char name[16];
        (void)snprintf(name, sizeof name, "source %d", i);
        pass_an_hour(f, name);
    }
}

/* The head of the i-th seal, as one line. */
static void export_head(struct store_fixture *f, size_t index, struct buffer *line)
{
    struct head heads[16];
    size_t count;
    struct kv_txn *txn = store_fixture_read(f);
    assert_ok(head_list(txn, 0, heads, COUNT_OF(heads), &count));
    store_read_end(txn);
    assert_true(index < count);
    buffer_clear(line);
    head_write(&heads[index], store_signature_key(f->store)->key_id, line);
    assert_false(line->failed);
}

static enum head_verdict check_with(struct store_fixture *f, const struct signature_key *key, struct text line,
                                    char sentence[HEAD_SENTENCE_SIZE])
{
    enum head_verdict verdict;
    struct kv_txn *txn = store_fixture_read(f);
    assert_ok(head_check_exported(txn, key, line, &verdict, sentence));
    store_read_end(txn);
    assert_true(strlen(sentence) > 20);
    return verdict;
}

static enum head_verdict check(struct store_fixture *f, struct text line)
{
    char sentence[HEAD_SENTENCE_SIZE];
    return check_with(f, store_signature_key(f->store), line, sentence);
}

/* --- keeping and listing --- */

static void assert_same_head(const struct head *a, const struct head *b)
{
    assert_int_equal(a->sequence, b->sequence);
    assert_int_equal(a->end_hour, b->end_hour);
    assert_int_equal(a->reported_ns, b->reported_ns);
    assert_memory_equal(a->hash, b->hash, sizeof a->hash);
    assert_memory_equal(a->signature, b->signature, sizeof a->signature);
}

static void heads_are_listed_in_order_and_by_page(void **state)
{
    struct store_fixture *f = *state;
    struct head heads[16], newest, one;
    size_t count;
    struct kv_txn *txn = store_fixture_read(f);
    assert_error(head_newest(txn, &newest), ERROR_NOT_FOUND);
    assert_ok(head_list(txn, 0, heads, 16, &count));
    assert_int_equal(count, 0);
    store_read_end(txn);
    pass_hours(f, 5);
    txn = store_fixture_read(f);
    assert_ok(head_list(txn, 0, heads, 16, &count));
    assert_int_equal(count, 5);
    for (size_t i = 0; i < count; i++) {
        assert_int_equal(heads[i].sequence, 2 * (i + 1)); /* a note, a seal */
        assert_ok(head_get(txn, heads[i].sequence, &one));
        assert_same_head(&one, &heads[i]);
    }
    assert_ok(head_newest(txn, &newest));
    assert_same_head(&newest, &heads[4]);
    struct head page[2];
    assert_ok(head_list(txn, 4, page, 2, &count));
    assert_int_equal(count, 2);
    assert_same_head(&page[0], &heads[2]);
    assert_same_head(&page[1], &heads[3]);
    assert_ok(head_list(txn, heads[4].sequence, page, 2, &count));
    assert_int_equal(count, 0);
    assert_ok(head_list(txn, UINT64_MAX, page, 2, &count));
    assert_int_equal(count, 0);
    assert_error(head_get(txn, 3, &one), ERROR_NOT_FOUND);
    store_read_end(txn);
}

static void the_key_stays_the_stores(void **state)
{
    struct store_fixture *f = *state;
    struct signature_key before = *store_signature_key(f->store);
    store_fixture_reopen(f);
    assert_memory_equal(store_signature_key(f->store), &before, sizeof before);
}

/* --- as text --- */

static void what_is_written_is_read_back(void **state)
{
    (void)state;
    struct head head = { .sequence = UINT64_MAX, .end_hour = 491520, .reported_ns = INT64_C(1769472000123456789) }, got;
    char key_id[SIGNATURE_KEY_ID_SIZE];
    struct buffer line = { 0 };
    for (size_t i = 0; i < SIGNATURE_SIZE; i++)
        head.signature[i] = (uint8_t)(i * 7);
    memset(head.hash, 0xA5, sizeof head.hash);
    memset(&got, 0, sizeof got);
    head_write(&head, "0123456789012345678901234567890123456789012", &line);
    assert_null(memchr(line.data, '\n', line.end));
    assert_ok(head_read(buffer_text(&line), &got, key_id, NULL));
    assert_same_head(&got, &head);
    assert_string_equal(key_id, "0123456789012345678901234567890123456789012");
    buffer_free(&line);
}

static void what_is_no_head_is_refused_by_name(void **state)
{
    (void)state;
    static const struct {
        const char *line, *names;
    } wrong[] = {
        { "", "JSON" },
        { "[]", "sequence" },
        { "{\"sequence\":1}", "sequence" },
        { "{\"sequence\":\"1\",\"endHour\":\"2026-01-31T13:30:00Z\"}", "endHour" },
        { "{\"sequence\":\"1\",\"endHour\":\"2026-01-31T13:00:00Z\",\"reportedTime\":\"now\"}", "reportedTime" },
        { "{\"sequence\":\"1\",\"endHour\":\"2026-01-31T13:00:00Z\",\"reportedTime\":\"2026-01-31T13:00:00Z\","
          "\"hash\":\"a5\"}",
          "hash" },
    };
    for (size_t i = 0; i < COUNT_OF(wrong); i++) {
        struct head head;
        char key_id[SIGNATURE_KEY_ID_SIZE];
        struct error_info info = { 0 };
        assert_error(head_read(text_of(wrong[i].line), &head, key_id, &info), ERROR_INVALID_PROPERTY);
        assert_non_null(strstr(info.message, wrong[i].names));
    }
}

/* --- against a journal --- */

static void promise_7_heads_kept_elsewhere_agree_with_an_untouched_journal(void **state)
{
    struct store_fixture *f = *state;
    struct buffer line = { 0 };
    pass_hours(f, 4);
    store_fixture_reopen(f);
    for (size_t i = 0; i < 4; i++) {
        export_head(f, i, &line);
        assert_int_equal(check(f, buffer_text(&line)), HEAD_HOLDS);
    }
    assert_int_equal(check(f, TEXT("{}")), HEAD_MALFORMED);
    buffer_free(&line);
}

/* Changes to the closed store's file, below everything that keeps it right. */
static void with_raw_store(struct store_fixture *f, void (*change)(struct kv_txn *txn))
{
    struct kv *kv;
    struct kv_txn *txn;
    struct kv_options options = { .folder = f->folder.path, .map_size_bytes = (size_t)1 << 28 };
    store_close(f->store);
    f->store = NULL;
    assert_ok(kv_open(&options, &kv, NULL));
    assert_ok(kv_write_begin(kv, &txn));
    change(txn);
    assert_ok(kv_commit(txn));
    kv_close(kv);
    store_fixture_open(f);
}

/* The state as it was after the second of four seals, and nothing beyond it in the journal and among the heads. */
static uint8_t state_after_two[256];
static size_t state_size;

static void keep_state(struct kv_txn *txn)
{
    struct text value;
    assert_ok(kv_get(txn, KV_META, TEXT("state"), &value));
    assert_true(value.len <= sizeof state_after_two);
    memcpy(state_after_two, value.ptr, value.len);
    state_size = value.len;
}

static void cut_after_two(struct kv_txn *txn)
{
    for (uint64_t sequence = 5; sequence <= 8; sequence++) {
        uint8_t key[JOURNAL_KEY_SIZE];
        put_u64be(key, sequence);
        assert_ok(kv_delete(txn, KV_JOURNAL, BYTES(key)));
        if (sequence % 2 == 0)
            assert_ok(kv_delete(txn, KV_HEADS, BYTES(key)));
    }
    assert_ok(kv_put(txn, KV_META, TEXT("state"), (struct text){ (const char *)state_after_two, state_size }));
}

/* Named case "Chain cut at the tail": inside, all fits together; only the head elsewhere knows. */
static void promise_7_chain_cut_at_the_tail(void **state)
{
    struct store_fixture *f = *state;
    struct buffer second = { 0 }, fourth = { 0 };
    pass_hours(f, 2);
    with_raw_store(f, keep_state);
    pass_an_hour(f, "third");
    pass_an_hour(f, "fourth");
    export_head(f, 1, &second);
    export_head(f, 3, &fourth);
    assert_int_equal(check(f, buffer_text(&fourth)), HEAD_HOLDS);
    with_raw_store(f, cut_after_two);
    struct kv_txn *txn = store_fixture_read(f);
    struct store_state now;
    uint8_t head[SHA256_SIZE];
    uint64_t first, broken;
    assert_ok(store_read_state(txn, &now));
    assert_ok(journal_check_chain(txn, &first, head, &broken));
    assert_int_equal(broken, 0);
    assert_memory_equal(head, now.head, sizeof head);
    store_read_end(txn);
    assert_int_equal(check(f, buffer_text(&second)), HEAD_HOLDS);
    assert_int_equal(check(f, buffer_text(&fourth)), HEAD_CUT);
    /* It grows again past that point: then it is another journal. */
    clock_manual_advance(&f->clock, NS_PER_HOUR);
    pass_hours(f, 5);
    pass_an_hour(f, "other third");
    assert_int_equal(check(f, buffer_text(&fourth)), HEAD_REWRITTEN);
    assert_int_equal(check(f, buffer_text(&second)), HEAD_HOLDS);
    buffer_free(&second);
    buffer_free(&fourth);
}

/* One byte of the first segment changed, and the whole chain after it made right again by somebody who has the store
 * but not its key. */
static void rewrite_chain(struct kv_txn *txn)
{
    uint8_t before[SHA256_SIZE] = { 0 };
    for (uint64_t sequence = 1; sequence <= 8; sequence++) {
        uint8_t key[JOURNAL_KEY_SIZE], copy[512];
        struct text value;
        put_u64be(key, sequence);
        assert_ok(kv_get(txn, KV_JOURNAL, BYTES(key), &value));
        assert_true(value.len <= sizeof copy);
        memcpy(copy, value.ptr, value.len);
        if (sequence == 3)
            copy[8] ^= 1; /* a nanosecond of its reported time */
        memcpy(copy + 13, before, sizeof before);
        sha256_of(copy, value.len, before);
        assert_ok(kv_put(txn, KV_JOURNAL, BYTES(key), (struct text){ (const char *)copy, value.len }));
    }
}

static void promise_7_a_rewritten_journal_is_noticed(void **state)
{
    struct store_fixture *f = *state;
    struct buffer first = { 0 }, second = { 0 };
    pass_hours(f, 4);
    export_head(f, 0, &first);
    export_head(f, 1, &second);
    with_raw_store(f, rewrite_chain);
    struct kv_txn *txn = store_fixture_read(f);
    uint8_t head[SHA256_SIZE];
    uint64_t oldest, broken;
    assert_ok(journal_check_chain(txn, &oldest, head, &broken));
    assert_int_equal(broken, 0);
    store_read_end(txn);
    assert_int_equal(check(f, buffer_text(&first)), HEAD_HOLDS);
    assert_int_equal(check(f, buffer_text(&second)), HEAD_REWRITTEN);
    buffer_free(&first);
    buffer_free(&second);
}

static void promise_7_a_head_of_another_store_or_a_forged_one_proves_nothing(void **state)
{
    struct store_fixture *f = *state, other;
    struct buffer line = { 0 };
    char sentence[HEAD_SENTENCE_SIZE];
    store_fixture_make(&other);
    pass_hours(f, 1);
    pass_hours(&other, 1);
    export_head(&other, 0, &line);
    assert_int_equal(check(f, buffer_text(&line)), HEAD_OTHER_KEY);
    /* Signed by another key under this store's name. */
    struct signature_key forged = *store_signature_key(other.store);
    struct head head;
    struct kv_txn *txn = store_fixture_read(f);
    assert_ok(head_newest(txn, &head));
    store_read_end(txn);
    assert_ok(head_sign(&head, &forged));
    buffer_clear(&line);
    head_write(&head, store_signature_key(f->store)->key_id, &line);
    assert_int_equal(check_with(f, store_signature_key(f->store), buffer_text(&line), sentence), HEAD_FORGED);
    assert_non_null(strstr(sentence, "sequence 2"));
    store_fixture_free(&other);
    buffer_free(&line);
}

static void drop_first_half(struct kv_txn *txn)
{
    bool left;
    assert_ok(journal_drop(txn, 5, 100, &left));
    assert_false(left);
}

static void a_head_outlives_the_journal_of_its_time(void **state)
{
    struct store_fixture *f = *state;
    struct buffer first = { 0 }, third = { 0 };
    pass_hours(f, 4);
    export_head(f, 0, &first);
    export_head(f, 2, &third);
    with_raw_store(f, drop_first_half);
    assert_int_equal(check(f, buffer_text(&first)), HEAD_DROPPED);
    assert_int_equal(check(f, buffer_text(&third)), HEAD_HOLDS);
    buffer_free(&first);
    buffer_free(&third);
}

TESTS(WITH_STORE_FIXTURE(heads_are_listed_in_order_and_by_page), WITH_STORE_FIXTURE(the_key_stays_the_stores),
      cmocka_unit_test(what_is_written_is_read_back), cmocka_unit_test(what_is_no_head_is_refused_by_name),
      WITH_STORE_FIXTURE(promise_7_heads_kept_elsewhere_agree_with_an_untouched_journal),
      WITH_STORE_FIXTURE(promise_7_chain_cut_at_the_tail), WITH_STORE_FIXTURE(promise_7_a_rewritten_journal_is_noticed),
      WITH_STORE_FIXTURE(promise_7_a_head_of_another_store_or_a_forged_one_proves_nothing),
      WITH_STORE_FIXTURE(a_head_outlives_the_journal_of_its_time))
