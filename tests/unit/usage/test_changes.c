/* The change feed: everything once, in order, whatever happens meanwhile; and what it says when it cannot go on. */
#include "support/correction_fixture.h"

#include "usage/changes.h"

struct seen {
    struct usage_fixture *fixture;
    struct buffer text; /* a line per change */
    uint64_t last;
    size_t count;
};

static err_t see(void *context, const struct change *change)
{
    struct seen *seen = context;
    const struct journal_entry *entry = change->entry;
    char quantity[DECIMAL_TEXT_SIZE];
    assert_true(entry->sequence > seen->last);
    seen->last = entry->sequence;
    seen->count++;
    buffer_append_format(&seen->text, "%llu ", (unsigned long long)entry->sequence);
    switch (entry->kind) {
    case JOURNAL_RECORD:
        assert_true(change->kept);
        decimal_print(&entry->record.quantity, quantity);
        buffer_append_format(&seen->text, "record %.*s %.*s %s\n", TEXT_ARGS(change->record.source),
                             TEXT_ARGS(change->record.record->id), quantity);
        break;
    case JOURNAL_CORRECTION:
        decimal_print(&entry->correction.difference, quantity);
        buffer_append_format(&seen->text, "%s %s of %llu %.*s by %.*s: %.*s\n",
                             correction_action_name(entry->correction.action), quantity,
                             (unsigned long long)entry->correction.original,
                             TEXT_ARGS(change->kept ? change->record.record->id : TEXT("?")),
                             TEXT_ARGS(entry->correction.by), TEXT_ARGS(entry->correction.reason));
        break;
    case JOURNAL_SEAL:
        buffer_append_format(&seen->text, "seal\n");
        break;
    case JOURNAL_NOTE:
        fail_msg("a note came out");
    }
    return ERROR_OK;
}

static err_t page_of(struct usage_fixture *f, struct seen *seen, uint64_t *after, size_t limit, bool *more,
                     struct error_info *info)
{
    struct kv_txn *txn = store_fixture_read(&f->base);
    err_t error = changes_page(txn, after, limit, see, seen, more, info);
    store_read_end(txn);
    return error;
}

static void assert_changes(struct usage_fixture *f, uint64_t after, const char *expected)
{
    struct seen seen = { .fixture = f };
    bool more;
    assert_ok(page_of(f, &seen, &after, CHANGES_LIMIT_MAX, &more, NULL));
    assert_false(more);
    assert_text(buffer_text(&seen.text), expected);
    buffer_free(&seen.text);
}

static void post_some(struct usage_fixture *f, const char *id, const char *quantity)
{
    struct post post = post_good();
    post.id = arena_format(f->arena, "\"%s\"", id).ptr;
    post.quantity = quantity;
    usage_post_accepted(f, &post);
}

static void records_and_corrections_come_in_the_order_of_the_journal(void **state)
{
    struct usage_fixture *f = *state;
    assert_changes(f, 0, "");
    post_some(f, "a", "1");
    correct_well(f, "a", "3");
    post_some(f, "b", "2");
    correct_well(f, "a", NULL);
    assert_changes(f, 0,
                   "1 record Microsoft.Compute a 1\n"
                   "2 amend 2 of 1 a by operator: meter was wrong\n"
                   "3 record Microsoft.Compute b 2\n"
                   "4 void -3 of 1 a by operator: was never used\n");
    assert_changes(f, 3, "4 void -3 of 1 a by operator: was never used\n");
    assert_changes(f, 4, "");
}

/* A record that is kept out may leave an entry without content behind, which is nobody's business. */
static void notes_are_passed_over(void **state)
{
    struct usage_fixture *f = *state;
    struct post post = post_good();
    post.quantity = "999999999999999999999999999";
    for (int i = 0; i < 3; i++) {
        post.id = arena_format(f->arena, "\"%d\"", i).ptr;
        usage_post_accepted(f, &post);
    }
    post.id = "\"too much\"";
    post.tags = "{\"never\":\"seen\"}";
    post.location = "\"elsewhere\"";
    (void)usage_post(f, &post);
    post_some(f, "b", "0");
    struct seen seen = { .fixture = f };
    uint64_t after = 0;
    bool more;
    assert_ok(page_of(f, &seen, &after, CHANGES_LIMIT_MAX, &more, NULL));
    assert_int_equal(seen.count, 4);
    assert_int_equal(after, store_fixture_state(&f->base).last_sequence);
    buffer_free(&seen.text);
}

/* Pages of any size, while usage arrives and the server restarts: neither skipped nor repeated. */
static void pages_hold_everything_once_while_writes_go_on(void **state)
{
    struct usage_fixture *f = *state;
    struct prng prng = test_prng("unit-usage-changes");
    struct seen seen = { .fixture = f };
    uint64_t after = 0, written = 0;
    bool more = false;
    for (int step = 0; step < 300 || more; step++) {
        if (step < 300 && prng_below(&prng, 2) == 0) {
            struct text id = arena_format(f->arena, "r%llu", (unsigned long long)written);
            if (written > 0 && prng_below(&prng, 3) == 0)
                correct_well(f, "r0", arena_format(f->arena, "%llu.5", (unsigned long long)written % 90).ptr);
            else
                post_some(f, id.ptr, "1");
            written = store_fixture_state(&f->base).last_sequence;
        }
        if (step % 100 == 99)
            store_fixture_reopen(&f->base);
        assert_ok(page_of(f, &seen, &after, 1 + prng_below(&prng, 5), &more, NULL));
        assert_true(after <= written && (more || after == written));
        if (written > 90) /* r0 takes 100 corrections */
            break;
    }
    while (more)
        assert_ok(page_of(f, &seen, &after, 7, &more, NULL));
    assert_int_equal(seen.count, written);
    buffer_free(&seen.text);
}

static void an_after_beyond_the_end_is_an_error(void **state)
{
    struct usage_fixture *f = *state;
    post_some(f, "a", "1");
    static const uint64_t beyond[] = { 2, 1000, UINT64_MAX - 1, UINT64_MAX };
    for (size_t i = 0; i < COUNT_OF(beyond); i++) {
        struct seen seen = { .fixture = f };
        struct error_info info = { 0 };
        uint64_t after = beyond[i];
        bool more;
        assert_error(page_of(f, &seen, &after, 10, &more, &info), ERROR_INVALID_PROPERTY);
        assert_string_equal(info.target, "after");
    }
}

static void what_retention_has_dropped_is_named(void **state)
{
    struct usage_fixture *f = *state;
    for (int i = 0; i < 5; i++)
        post_some(f, arena_format(f->arena, "r%d", i).ptr, "1");
    correct_well(f, "r0", "2");
    drop_journal_before(f, 4);
    struct seen seen = { .fixture = f };
    struct error_info info = { 0 };
    bool more;
    uint64_t after = 0;
    assert_error(page_of(f, &seen, &after, 10, &more, &info), ERROR_CHANGES_NOT_KEPT);
    assert_non_null(strstr(info.message, "first one still kept is 4"));
    assert_non_null(strstr(info.message, "after=3"));
    after = 2;
    assert_error(page_of(f, &seen, &after, 10, &more, &info), ERROR_CHANGES_NOT_KEPT);
    assert_changes(f, 3,
                   "4 record Microsoft.Compute r3 1\n"
                   "5 record Microsoft.Compute r4 1\n"
                   "6 amend 1 of 1 ? by operator: meter was wrong\n");
    /* The record was counted and stays known; it can neither be shown nor corrected. */
    assert_int_equal(correct(f, "r0", "3")->failure.code, ERROR_RECORD_NOT_KEPT);
    assert_all_totals(f, "6", 5);
    buffer_free(&seen.text);
}

TESTS(WITH_USAGE(records_and_corrections_come_in_the_order_of_the_journal), WITH_USAGE(notes_are_passed_over),
      WITH_USAGE(pages_hold_everything_once_while_writes_go_on), WITH_USAGE(an_after_beyond_the_end_is_an_error),
      WITH_USAGE(what_retention_has_dropped_is_named))
