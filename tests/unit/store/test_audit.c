/* The audit log: numbered, in the transaction of the change, cut to its bounds, dropped from the oldest. */
#include <stdio.h>

#include "base/arena.h"
#include "store/audit.h"
#include "store/write.h"
#include "support/store_fixture.h"

struct change {
    struct store_job job; /* first member */
    struct audit_entry entry;
    bool fails;
};

static err_t run_change(struct store_write *write, struct store_job *job)
{
    struct change *change = (struct change *)job;
    err_t error = kv_put(write_txn(write), KV_SETTINGS, TEXT("colour"), change->entry.subject);
    if (error == ERROR_OK)
        error = audit_write(write, &change->entry);
    return error == ERROR_OK && change->fails ? ERROR_IO : error;
}

static err_t submit(struct store_fixture *f, struct text subject, bool fails)
{
    struct change change = { .job = { .run = run_change, .weight = 1 },
                             .entry = { .by = TEXT("anna"), .action = TEXT("colour.set"), .subject = subject },
                             .fails = fails };
    return store_run(f->store, &change.job);
}

static struct audit_entry *list(struct store_fixture *f, struct arena *arena, uint64_t after, size_t max, size_t *count,
                                bool *more)
{
    struct audit_entry *entries;
    struct kv_txn *txn = store_fixture_read(f);
    assert_ok(audit_list(txn, arena, after, max, &entries, count, more));
    store_read_end(txn);
    return entries;
}

static void an_entry_is_read_as_written(void **state)
{
    struct store_fixture *f = *state;
    struct arena *arena = arena_new(4096, 0);
    size_t count;
    bool more;
    assert_ok(submit(f, TEXT("red"), false));
    clock_manual_advance(&f->clock, NS_PER_HOUR);
    assert_ok(submit(f, TEXT("green"), false));
    struct audit_entry *entries = list(f, arena, 0, 10, &count, &more);
    assert_int_equal(count, 2);
    assert_false(more);
    assert_int_equal(entries[0].number, 1);
    assert_int_equal(entries[1].number, 2);
    assert_true(text_equal(entries[1].subject, TEXT("green")));
    assert_true(text_equal(entries[1].by, TEXT("anna")));
    assert_true(text_equal(entries[1].action, TEXT("colour.set")));
    assert_null(entries[1].detail.ptr);
    assert_int_equal(entries[1].time_ns - entries[0].time_ns, NS_PER_HOUR);
    arena_free(arena);
}

static void entries_are_listed_newest_first_page_by_page(void **state)
{
    struct store_fixture *f = *state;
    struct arena *arena = arena_new(4096, 0);
    struct audit_entry *entries;
    uint64_t before = UINT64_MAX;
    size_t count;
    bool more = true;
    for (int i = 0; i < 5; i++)
        assert_ok(submit(f, TEXT("red"), false));
    for (uint64_t expected = 5; expected > 0;) {
        struct kv_txn *txn = store_fixture_read(f);
        assert_true(more);
        assert_ok(audit_list_newest(txn, arena, before, 2, &entries, &count, &more));
        store_read_end(txn);
        assert_int_equal(count, expected > 1 ? 2 : 1);
        for (size_t i = 0; i < count; i++)
            assert_int_equal(entries[i].number, expected--);
        before = entries[count - 1].number;
    }
    assert_false(more);
    struct kv_txn *txn = store_fixture_read(f);
    assert_ok(audit_list_newest(txn, arena, 1, 2, &entries, &count, &more));
    store_read_end(txn);
    assert_int_equal(count, 0);
    assert_false(more);
    arena_free(arena);
}

static void a_change_that_is_undone_leaves_no_entry(void **state)
{
    struct store_fixture *f = *state;
    struct arena *arena = arena_new(4096, 0);
    size_t count;
    bool more;
    assert_error(submit(f, TEXT("red"), true), ERROR_IO);
    assert_ok(submit(f, TEXT("green"), false));
    struct audit_entry *entries = list(f, arena, 0, 10, &count, &more);
    assert_int_equal(count, 1);
    assert_int_equal(entries[0].number, 1);
    assert_true(text_equal(entries[0].subject, TEXT("green")));
    arena_free(arena);
}

static void pages_neither_skip_nor_repeat(void **state)
{
    struct store_fixture *f = *state;
    struct arena *arena = arena_new(4096, 0);
    uint64_t after = 0, seen = 0;
    bool more = true;
    for (int i = 0; i < 25; i++)
        assert_ok(submit(f, TEXT("red"), false));
    while (more) {
        size_t count;
        struct audit_entry *entries = list(f, arena, after, 10, &count, &more);
        for (size_t i = 0; i < count; i++)
            assert_int_equal(entries[i].number, ++seen);
        after = seen;
    }
    assert_int_equal(seen, 25);
    arena_free(arena);
}

static void long_texts_are_cut_between_characters(void **state)
{
    struct store_fixture *f = *state;
    struct arena *arena = arena_new(4096, 0);
    char text[AUDIT_TEXT_SIZE_MAX + 10];
    size_t count;
    bool more;
    memset(text, 'x', sizeof text);
    memcpy(text + AUDIT_TEXT_SIZE_MAX - 1, "\xc3\xa9", 2); /* e acute, half of it beyond the bound */
    assert_ok(submit(f, (struct text){ text, sizeof text }, false));
    struct audit_entry *entries = list(f, arena, 0, 10, &count, &more);
    assert_int_equal(entries[0].subject.len, AUDIT_TEXT_SIZE_MAX - 1);
    assert_true(text_is_utf8(entries[0].subject));
    arena_free(arena);
}

struct drop_job {
    struct store_job job;
    int64_t before_ns;
    size_t budget;
    bool left;
};

static err_t run_drop(struct store_write *write, struct store_job *job)
{
    struct drop_job *drop = (struct drop_job *)job;
    return audit_drop(write_txn(write), drop->before_ns, drop->budget, &drop->left);
}

static void the_oldest_go_and_numbers_go_on(void **state)
{
    struct store_fixture *f = *state;
    struct arena *arena = arena_new(4096, 0);
    size_t count;
    bool more;
    for (int i = 0; i < 6; i++) {
        assert_ok(submit(f, TEXT("red"), false));
        clock_manual_advance(&f->clock, NS_PER_HOUR);
    }
    struct drop_job drop = { .job = { .run = run_drop, .weight = 1 },
                             .before_ns = test_instant(FIXTURE_NOW) + 4 * NS_PER_HOUR,
                             .budget = 3 };
    assert_ok(store_run(f->store, &drop.job));
    assert_true(drop.left);
    assert_ok(store_run(f->store, &drop.job));
    assert_false(drop.left);
    struct audit_entry *entries = list(f, arena, 0, 10, &count, &more);
    assert_int_equal(count, 2);
    assert_int_equal(entries[0].number, 5);
    drop.before_ns = INT64_MAX;
    assert_ok(store_run(f->store, &drop.job));
    assert_ok(submit(f, TEXT("red"), false));
    entries = list(f, arena, 0, 10, &count, &more);
    assert_int_equal(count, 1);
    assert_int_equal(entries[0].number, 7);
    arena_free(arena);
}

static bool never(struct audited_job *audited)
{
    (void)audited;
    return false;
}

static void a_job_that_changed_nothing_is_not_told_of(void **state)
{
    struct store_fixture *f = *state;
    struct arena *arena = arena_new(4096, 0);
    struct change change = { .job = { .run = run_change, .weight = 1 },
                             .entry = { .by = TEXT("anna"), .action = TEXT("a.b"), .subject = TEXT("inner") } };
    struct audit_entry entry = { .by = TEXT("otto"), .action = TEXT("c.d"), .subject = TEXT("outer") };
    struct audited_job audited;
    size_t count;
    bool more;
    audited_job_init(&audited, &change.job, &entry, NULL);
    assert_ok(store_run(f->store, &audited.job));
    audited_job_init(&audited, &change.job, &entry, never);
    assert_ok(store_run(f->store, &audited.job));
    struct audit_entry *entries = list(f, arena, 0, 10, &count, &more);
    assert_int_equal(count, 3);
    assert_true(text_equal(entries[0].subject, TEXT("inner")));
    assert_true(text_equal(entries[1].subject, TEXT("outer")));
    assert_true(text_equal(entries[2].subject, TEXT("inner")));
    arena_free(arena);
}

TESTS(WITH_STORE_FIXTURE(an_entry_is_read_as_written), WITH_STORE_FIXTURE(entries_are_listed_newest_first_page_by_page),
      WITH_STORE_FIXTURE(a_change_that_is_undone_leaves_no_entry), WITH_STORE_FIXTURE(pages_neither_skip_nor_repeat),
      WITH_STORE_FIXTURE(long_texts_are_cut_between_characters), WITH_STORE_FIXTURE(the_oldest_go_and_numbers_go_on),
      WITH_STORE_FIXTURE(a_job_that_changed_nothing_is_not_told_of))
