/* What was refused is kept as it was posted, once however often it comes, within bounds; fixed, replayed, dismissed. */
#include <stdio.h>

#include "store/audit.h"
#include "store/write.h"
#include "support/usage_fixture.h"
#include "usage/rejects_internal.h"

struct kept {
    struct usage_fixture *fixture;
    struct reject entries[64];
    size_t count;
    uint64_t last;
    bool more;
};

static err_t take(void *context, const struct reject *reject)
{
    struct kept *kept = context;
    assert_true(kept->count < COUNT_OF(kept->entries));
    struct reject *copy = &kept->entries[kept->count++];
    *copy = *reject;
    copy->producer = usage_copy(kept->fixture, reject->producer);
    copy->source = usage_copy(kept->fixture, reject->source);
    copy->id = usage_copy(kept->fixture, reject->id);
    copy->target = usage_copy(kept->fixture, reject->target);
    copy->message = usage_copy(kept->fixture, reject->message);
    copy->raw = usage_copy(kept->fixture, reject->raw);
    return ERROR_OK;
}

static struct kept list_with(struct usage_fixture *f, const struct reject_query *query)
{
    struct kept kept = { .fixture = f };
    struct kv_txn *txn = store_fixture_read(&f->base);
    assert_ok(reject_list(txn, query, take, &kept, &kept.last, &kept.more));
    store_read_end(txn);
    return kept;
}

static struct kept list_state(struct usage_fixture *f, enum reject_state state)
{
    struct reject_query query = { .limit = 50 };
    query.states[state] = true;
    return list_with(f, &query);
}

static struct kept list(struct usage_fixture *f)
{
    return list_state(f, REJECT_OPEN);
}

static struct reject_totals totals(struct usage_fixture *f)
{
    struct reject_totals result;
    struct kv_txn *txn = store_fixture_read(&f->base);
    assert_ok(reject_read_totals(txn, &result, NULL));
    store_read_end(txn);
    return result;
}

static struct post bad(const char *id)
{
    struct post post = post_good();
    post.id = id;
    post.quantity = "\"much\"";
    return post;
}

/* --- keeping --- */

static void a_rejected_record_is_kept_as_it_was_posted(void **state)
{
    struct usage_fixture *f = *state;
    struct post post = bad("\"a\"");
    post.more = ",\"own\" : [1,  2]"; /* blanks and all */
    struct text text = usage_post_text(f, &post);
    assert_verdict(usage_post(f, &post), VERDICT_REJECTED);
    struct kept kept = list(f);
    assert_int_equal(kept.count, 1);
    struct reject *reject = &kept.entries[0];
    assert_int_equal(reject->number, 1);
    assert_int_equal(reject->verdict, VERDICT_REJECTED);
    assert_int_equal(reject->code, ERROR_INVALID_PROPERTY);
    assert_true(text_equal(reject->target, TEXT("quantity")));
    assert_true(text_equal(reject->id, TEXT("a")));
    assert_true(text_equal(reject->producer, TEXT("producer")));
    assert_true(text_equal(reject->raw, text));
    assert_int_equal(reject->received_ns, test_instant(FIXTURE_NOW));
    assert_int_equal(reject->count, 1);
}

static void what_is_taken_leaves_nothing(void **state)
{
    struct usage_fixture *f = *state;
    struct post post = post_good();
    usage_post_accepted(f, &post);
    assert_verdict(usage_post(f, &post), VERDICT_DUPLICATE);
    assert_int_equal(list(f).count, 0);
}

static void a_conflict_is_kept_with_the_sequence_of_what_stands(void **state)
{
    struct usage_fixture *f = *state;
    struct post post = post_good();
    usage_post_accepted(f, &post);
    post.quantity = "99";
    struct text text = usage_post_text(f, &post);
    assert_verdict(usage_post(f, &post), VERDICT_CONFLICT);
    struct kept kept = list(f);
    assert_int_equal(kept.count, 1);
    assert_int_equal(kept.entries[0].code, ERROR_RECORD_CONFLICT);
    assert_int_equal(kept.entries[0].original_sequence, 1);
    assert_true(text_equal(kept.entries[0].raw, text));
}

static void lines_that_are_no_json_are_kept(void **state)
{
    struct usage_fixture *f = *state;
    usage_ingest(f, INGEST_NDJSON, TEXT("{\"id\":\n\xff\xfe\n[1]\n"));
    struct kept kept = list(f);
    assert_int_equal(kept.count, 3);
    assert_true(text_equal(kept.entries[0].raw, TEXT("{\"id\":")));
    assert_true(text_equal(kept.entries[1].raw, TEXT("\xff\xfe")));
    assert_true(text_equal(kept.entries[2].raw, TEXT("[1]")));
}

static void a_record_that_is_too_large_is_cut(void **state)
{
    struct usage_fixture *f = *state;
    struct buffer more = { 0 };
    struct post post = post_good();
    buffer_append_literal(&more, ",\"tail\":\"");
    for (int i = 0; i < 70000; i++)
        buffer_append_char(&more, 'x');
    buffer_append(&more, "\"", 2);
    post.more = more.data;
    struct text text = usage_post_text(f, &post);
    assert_verdict(usage_post(f, &post), VERDICT_REJECTED);
    buffer_free(&more);
    struct kept kept = list(f);
    assert_int_equal(kept.entries[0].code, ERROR_RECORD_TOO_LARGE);
    assert_int_equal(kept.entries[0].posted_size, text.len);
    assert_int_equal(kept.entries[0].raw.len, REJECT_RAW_SIZE_MAX);
}

static void a_request_that_fails_as_a_whole_leaves_nothing(void **state)
{
    struct usage_fixture *f = *state;
    struct record_limits limits = usage_limits(f);
    struct ingest_batch *batch = usage_batch(f, &limits);
    struct error_info info;
    assert_error(ingest_parse(batch, INGEST_JSON, TEXT("[{\"id\":1},"), &info), ERROR_INVALID_REQUEST_CONTENT);
    assert_int_equal(list(f).count, 0);
}

static void a_producer_that_retries_for_ever_fills_nothing(void **state)
{
    struct usage_fixture *f = *state;
    struct post post = bad("\"a\"");
    usage_post(f, &post);
    uint64_t bytes = totals(f).bytes;
    for (int i = 0; i < 20; i++) {
        clock_manual_advance(&f->base.clock, NS_PER_SECOND);
        usage_post(f, &post);
    }
    struct kept kept = list(f);
    assert_int_equal(kept.count, 1);
    assert_int_equal(kept.entries[0].count, 21);
    assert_int_equal(kept.entries[0].received_ns, test_instant(FIXTURE_NOW));
    assert_int_equal(kept.entries[0].last_received_ns, test_instant(FIXTURE_NOW) + 20 * NS_PER_SECOND);
    assert_int_equal(totals(f).bytes, bytes);
}

static void other_bytes_are_another_entry(void **state)
{
    struct usage_fixture *f = *state;
    struct post first = bad("\"a\""), second = bad("\"b\"");
    usage_post(f, &first);
    usage_post(f, &second);
    assert_int_equal(list(f).count, 2);
}

/* 'count' lines of JSON that differ. */
static struct text many_lines(struct usage_fixture *f, size_t count, size_t offset)
{
    struct buffer body = { 0 };
    for (size_t i = 0; i < count; i++)
        buffer_append_format(&body, "{\"n\":%zu}\n", i + offset);
    struct text text = usage_copy(f, buffer_text(&body));
    buffer_free(&body);
    return text;
}

static void one_batch_keeps_so_many_and_counts_the_rest(void **state)
{
    struct usage_fixture *f = *state;
    usage_ingest(f, INGEST_NDJSON, many_lines(f, REJECTS_PER_BATCH_MAX + 7, 0));
    assert_int_equal(totals(f).states[REJECT_OPEN], REJECTS_PER_BATCH_MAX);
    assert_int_equal(totals(f).not_kept, 7);
}

/* Pretends that there are so many entries more, all of them dismissed. */
struct pretend_job {
    struct store_job job; /* first member */
    uint64_t entries;
};

static err_t run_pretend(struct store_write *write, struct store_job *job)
{
    struct tally tally;
    err_t error = tally_read(write_txn(write), &tally);
    tally.totals.states[REJECT_DISMISSED] += ((struct pretend_job *)job)->entries;
    return error == ERROR_OK ? tally_write(write_txn(write), &tally) : error;
}

static void the_oldest_go_first_when_there_are_too_many(void **state)
{
    struct usage_fixture *f = *state;
    usage_ingest(f, INGEST_NDJSON, many_lines(f, 5, 0));
    struct pretend_job pretend = { .job = { .run = run_pretend, .weight = 1 }, .entries = REJECTS_ENTRIES_MAX - 5 };
    assert_ok(store_run(f->base.store, &pretend.job));
    assert_int_equal(totals(f).evicted, 0);
    usage_ingest(f, INGEST_NDJSON, many_lines(f, 3, 100));
    assert_int_equal(totals(f).evicted, 3);
    struct kept kept = list(f);
    assert_int_equal(kept.count, 5);
    assert_int_equal(kept.entries[0].number, 4);
    /* The first three are forgotten altogether: posted again they are new. */
    usage_ingest(f, INGEST_NDJSON, many_lines(f, 1, 0));
    assert_int_equal(totals(f).evicted, 4);
    assert_int_equal(list(f).entries[4].number, 9);
}

static void a_failed_commit_keeps_nothing(void **state)
{
    struct usage_fixture *f = *state;
    struct post post = bad("\"a\"");
    struct record_limits limits = usage_limits(f);
    struct ingest_batch *batch = usage_batch(f, &limits);
    struct error_info info;
    assert_ok(ingest_parse(batch, INGEST_JSON, usage_post_text(f, &post), &info));
    store_fail_write(f->base.store, 2, ERROR_INSUFFICIENT_STORAGE);
    assert_error(ingest_submit(batch, f->base.store, NULL), ERROR_INSUFFICIENT_STORAGE);
    store_fail_write(f->base.store, 0, ERROR_OK);
    assert_int_equal(list(f).count, 0);
    assert_int_equal(totals(f).bytes, 0);
}

/* --- listing --- */

static void lists_are_asked_by_source_producer_and_code(void **state)
{
    struct usage_fixture *f = *state;
    struct post post = bad("\"a\"");
    usage_post(f, &post);
    post.source = "\"Other\"";
    usage_post(f, &post);
    post.end = "\"2030-01-01T00:00:00Z\"";
    post.start = "\"2029-12-31T23:00:00Z\"";
    post.quantity = "1";
    usage_post(f, &post);
    struct reject_query query = { .limit = 10, .source = TEXT("Other"), .states = { true } };
    assert_int_equal(list_with(f, &query).count, 2);
    query.code = TEXT("UsageInFuture");
    assert_int_equal(list_with(f, &query).count, 1);
    query.producer = TEXT("somebody");
    assert_int_equal(list_with(f, &query).count, 0);
}

static void pages_of_rejects_neither_skip_nor_repeat(void **state)
{
    struct usage_fixture *f = *state;
    usage_ingest(f, INGEST_NDJSON, many_lines(f, 40, 0));
    struct reject_query query = { .limit = 7, .states = { true } };
    uint64_t seen = 0;
    for (bool more = true; more;) {
        struct kept kept = list_with(f, &query);
        for (size_t i = 0; i < kept.count; i++)
            assert_int_equal(kept.entries[i].number, ++seen);
        more = kept.more;
        query.after = kept.last;
    }
    assert_int_equal(seen, 40);
}

/* --- replaying --- */

static struct reject_replay replay(struct usage_fixture *f, uint64_t number, struct text record, int64_t age_ns_max)
{
    struct record_limits limits = usage_limits(f);
    limits.age_ns_max = age_ns_max;
    struct ingest_batch *batch = usage_batch(f, &limits);
    assert_ok(ingest_add(batch, record, NULL));
    assert_ok(ingest_prepare(batch));
    struct reject_replay job;
    reject_replay_init(&job, batch, number);
    job.by = TEXT("anna");
    assert_ok(store_run(f->base.store, &job.job));
    return job;
}

static void a_corrected_record_is_counted_once_and_closes_its_entry(void **state)
{
    struct usage_fixture *f = *state;
    struct post post = bad("\"a\"");
    usage_post(f, &post);
    post.quantity = "4";
    struct reject_replay first = replay(f, 1, usage_post_text(f, &post), NS_PER_DAY);
    assert_int_equal(first.refused, ERROR_OK);
    assert_int_equal(first.batch->results[0].verdict, VERDICT_ACCEPTED);
    assert_int_equal(list(f).count, 0);
    struct kept replayed = list_state(f, REJECT_REPLAYED);
    assert_int_equal(replayed.count, 1);
    assert_int_equal(replayed.entries[0].replayed_sequence, 1);
    /* Not even under another id: two people who fix the same entry at the same moment must not count it twice. */
    post.id = "\"b\"";
    struct reject_replay second = replay(f, 1, usage_post_text(f, &post), NS_PER_DAY);
    assert_int_equal(second.refused, ERROR_CONFLICT);
    assert_usage_total(f, "4", 1);
}

static void what_is_refused_again_stays_open_and_is_not_kept_twice(void **state)
{
    struct usage_fixture *f = *state;
    struct post post = bad("\"a\"");
    usage_post(f, &post);
    struct reject_replay again = replay(f, 1, usage_post_text(f, &post), NS_PER_DAY);
    assert_int_equal(again.batch->results[0].verdict, VERDICT_REJECTED);
    struct kept kept = list(f);
    assert_int_equal(kept.count, 1);
    assert_int_equal(kept.entries[0].count, 1);
}

static void an_entry_that_is_not_there_is_not_replayed(void **state)
{
    struct usage_fixture *f = *state;
    struct post post = post_good();
    assert_int_equal(replay(f, 7, usage_post_text(f, &post), NS_PER_DAY).refused, ERROR_NOT_FOUND);
    assert_usage_total(f, "0", 0);
}

static void a_dismissed_entry_stays_closed_when_it_comes_again(void **state)
{
    struct usage_fixture *f = *state;
    struct post post = bad("\"a\"");
    usage_post(f, &post);
    struct reject_dismiss dismiss;
    reject_dismiss_init(&dismiss, 1);
    dismiss.by = TEXT("anna");
    assert_ok(store_run(f->base.store, &dismiss.job));
    assert_int_equal(dismiss.refused, ERROR_OK);
    assert_ok(store_run(f->base.store, &dismiss.job));
    assert_int_equal(dismiss.refused, ERROR_CONFLICT);
    usage_post(f, &post);
    assert_int_equal(list(f).count, 0);
    assert_int_equal(list_state(f, REJECT_DISMISSED).entries[0].count, 2);
}

static void replays_and_dismissals_are_in_the_audit_log(void **state)
{
    struct usage_fixture *f = *state;
    struct post first = bad("\"a\""), second = bad("\"b\"");
    usage_post(f, &first);
    usage_post(f, &second);
    first.quantity = "1";
    replay(f, 1, usage_post_text(f, &first), NS_PER_DAY);
    struct reject_dismiss dismiss;
    reject_dismiss_init(&dismiss, 2);
    dismiss.by = TEXT("otto");
    assert_ok(store_run(f->base.store, &dismiss.job));
    struct audit_entry *entries;
    size_t count;
    bool more;
    struct kv_txn *txn = store_fixture_read(&f->base);
    assert_ok(audit_list(txn, f->arena, 0, 10, &entries, &count, &more));
    store_read_end(txn);
    assert_int_equal(count, 2);
    assert_true(text_equal(entries[0].action, TEXT("reject.replay")));
    assert_true(text_equal(entries[0].subject, TEXT("rejects/1")));
    assert_true(text_equal(entries[0].by, TEXT("anna")));
    assert_true(text_equal(entries[1].action, TEXT("reject.dismiss")));
    assert_true(text_equal(entries[1].by, TEXT("otto")));
}

/* The regression case of the same name: one hopeless event kept a whole pipeline from going on. */
static void one_event_71_days_old_stays_unprocessed(void **state)
{
    struct usage_fixture *f = *state;
    struct record_limits limits = usage_limits(f);
    limits.age_ns_max = 40 * NS_PER_DAY;
    struct post old = post_good(), fresh = post_good();
    old.id = "\"old\"";
    old.start = "\"2025-11-21T11:00:00Z\"";
    old.end = "\"2025-11-21T12:00:00Z\"";
    assert_verdict(usage_post_with(f, &limits, &old), VERDICT_REJECTED);
    usage_post_accepted(f, &fresh);
    assert_verdict(usage_post_with(f, &limits, &old), VERDICT_REJECTED);
    struct kept kept = list(f);
    assert_int_equal(kept.count, 1);
    assert_int_equal(kept.entries[0].code, ERROR_USAGE_TOO_OLD);
    assert_int_equal(kept.entries[0].count, 2);
    /* The one way in: an operator's word. It lands in the open reported hour, and only once. */
    struct reject_replay job = replay(f, 1, usage_post_text(f, &old), -1);
    assert_int_equal(job.batch->results[0].verdict, VERDICT_ACCEPTED);
    assert_verdict(usage_post_with(f, &limits, &old), VERDICT_REJECTED);
    assert_int_equal(list(f).count, 0);
    struct listing_query query = usage_everything(false);
    struct usage_rows rows = usage_list(f, &query);
    assert_int_equal(rows.count, 2);
}

/* --- retention --- */

struct drop_job {
    struct store_job job;
    int64_t before_ns;
    size_t budget;
    uint64_t position;
    bool left;
    size_t calls;
};

static err_t run_drop(struct store_write *write, struct store_job *job)
{
    struct drop_job *drop = (struct drop_job *)job;
    drop->calls++;
    return rejects_drop(write_txn(write), drop->before_ns, drop->budget, &drop->position, &drop->left);
}

static void old_entries_go_and_those_that_still_come_stay(void **state)
{
    struct usage_fixture *f = *state;
    usage_ingest(f, INGEST_NDJSON, many_lines(f, 10, 0));
    clock_manual_advance(&f->base.clock, NS_PER_DAY);
    usage_ingest(f, INGEST_NDJSON, many_lines(f, 1, 4)); /* the fifth comes again */
    usage_ingest(f, INGEST_NDJSON, many_lines(f, 1, 100));
    struct drop_job drop = { .job = { .run = run_drop, .weight = 1 },
                             .before_ns = test_instant(FIXTURE_NOW) + NS_PER_HOUR,
                             .budget = 3 };
    do
        assert_ok(store_run(f->base.store, &drop.job));
    while (drop.left && drop.calls < 10);
    assert_uint_in_range(drop.calls, 3, 5);
    struct kept kept = list(f);
    assert_int_equal(kept.count, 2);
    assert_int_equal(kept.entries[0].number, 5);
    assert_int_equal(kept.entries[1].number, 11);
    assert_int_equal(totals(f).states[REJECT_OPEN], 2);
    drop.before_ns = INT64_MAX;
    assert_ok(store_run(f->base.store, &drop.job));
    assert_int_equal(totals(f).bytes, 0);
}

TESTS(WITH_USAGE(a_rejected_record_is_kept_as_it_was_posted), WITH_USAGE(what_is_taken_leaves_nothing),
      WITH_USAGE(a_conflict_is_kept_with_the_sequence_of_what_stands), WITH_USAGE(lines_that_are_no_json_are_kept),
      WITH_USAGE(a_record_that_is_too_large_is_cut), WITH_USAGE(a_request_that_fails_as_a_whole_leaves_nothing),
      WITH_USAGE(a_producer_that_retries_for_ever_fills_nothing), WITH_USAGE(other_bytes_are_another_entry),
      WITH_USAGE(one_batch_keeps_so_many_and_counts_the_rest), WITH_USAGE(the_oldest_go_first_when_there_are_too_many),
      WITH_USAGE(a_failed_commit_keeps_nothing), WITH_USAGE(lists_are_asked_by_source_producer_and_code),
      WITH_USAGE(pages_of_rejects_neither_skip_nor_repeat),
      WITH_USAGE(a_corrected_record_is_counted_once_and_closes_its_entry),
      WITH_USAGE(what_is_refused_again_stays_open_and_is_not_kept_twice),
      WITH_USAGE(an_entry_that_is_not_there_is_not_replayed),
      WITH_USAGE(a_dismissed_entry_stays_closed_when_it_comes_again),
      WITH_USAGE(replays_and_dismissals_are_in_the_audit_log), WITH_USAGE(one_event_71_days_old_stays_unprocessed),
      WITH_USAGE(old_entries_go_and_those_that_still_come_stay))
