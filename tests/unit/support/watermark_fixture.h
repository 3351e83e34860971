/* Producers that report hour by hour, on a clock that the test steers. Hours count from HOUR_ZERO. For tests linked
 * with src/usage. */
#pragma once

#include "support/usage_fixture.h"
#include "usage/alerts.h"
#include "usage/watermarks.h"

#define HOUR_ZERO "2026-01-30T00:00:00Z"

static inline int64_t hour_ns(int hour, int minute)
{
    return test_instant(HOUR_ZERO) + hour * NS_PER_HOUR + minute * NS_PER_MINUTE;
}

static inline uint32_t hour_number(int hour)
{
    return (uint32_t)instant_hour(hour_ns(hour, 0));
}

/* It is now minute past hour. */
static inline void go(struct usage_fixture *f, int hour, int minute)
{
    clock_manual_set_wall(&f->base.clock, hour_ns(hour, minute));
}

static inline struct ingest_batch *reporter_batch(struct usage_fixture *f, const char *producer,
                                                  const struct record_limits *limits)
{
    struct ingest_producer who = { text_of(producer), &usage_any_source, 1 };
    struct ingest_batch *batch = ingest_new(f->arena, &who, limits, store_hash_key(f->base.store));
    assert_non_null(batch);
    return batch;
}

/* A record of its own over [hour, hour + span). */
static inline void reporter_add(struct usage_fixture *f, struct ingest_batch *batch, const char *source, int hour,
                                int span, const char *reported)
{
    static unsigned number;
    char start[INSTANT_TEXT_SIZE], end[INSTANT_TEXT_SIZE];
    instant_print(hour_ns(hour, 0), start);
    instant_print(hour_ns(hour + span, 0), end);
    struct post post = post_good();
    post.id = arena_format(f->arena, "\"report-%u\"", number++).ptr;
    post.source = arena_format(f->arena, "\"%s\"", source).ptr;
    post.start = arena_format(f->arena, "\"%s\"", start).ptr;
    post.end = arena_format(f->arena, "\"%s\"", end).ptr;
    if (reported != NULL)
        post.reported = arena_format(f->arena, "\"%s\"", reported).ptr;
    assert_ok(ingest_add(batch, usage_post_text(f, &post), NULL));
}

static inline void reporter_submit(struct usage_fixture *f, struct ingest_batch *batch)
{
    assert_ok(ingest_submit(batch, f->base.store, NULL));
    for (size_t i = 0; i < batch->count; i++)
        assert_verdict(&batch->results[i], VERDICT_ACCEPTED);
}

static inline void report_span(struct usage_fixture *f, const char *producer, const char *source, int hour, int span)
{
    struct record_limits limits = usage_limits(f);
    struct ingest_batch *batch = reporter_batch(f, producer, &limits);
    reporter_add(f, batch, source, hour, span, NULL);
    reporter_submit(f, batch);
}

static inline void report(struct usage_fixture *f, const char *source, int hour)
{
    report_span(f, "producer", source, hour, 1);
}

/* Each of the hours [from, to) six minutes after its end. */
static inline void report_hourly(struct usage_fixture *f, const char *source, int from, int to)
{
    for (int hour = from; hour < to; hour++) {
        go(f, hour + 1, 6);
        report(f, source, hour);
    }
}

static inline uint32_t dictionary_id(struct usage_fixture *f, enum dictionary_kind kind, const char *text)
{
    struct kv_txn *txn = store_fixture_read(&f->base);
    uint32_t id = 0;
    assert_ok(dictionary_find(store_dictionary(f->base.store), txn, kind, text_of(text), &id));
    store_read_end(txn);
    return id;
}

static inline struct watermark watermark_of(struct usage_fixture *f, const char *producer, const char *source)
{
    uint32_t producer_id = dictionary_id(f, DICTIONARY_PRODUCER, producer);
    uint32_t source_id = dictionary_id(f, DICTIONARY_SOURCE, source);
    struct kv_txn *txn = store_fixture_read(&f->base);
    struct watermark watermark;
    assert_ok(watermark_get(txn, producer_id, source_id, &watermark));
    store_read_end(txn);
    return watermark;
}

/* A letter per hour of [from, to): c, o, s, or '-' where nothing is listed. */
static inline void read_states(struct usage_fixture *f, const char *source, int from, int to, char *out)
{
    struct watermark watermark = watermark_of(f, "producer", source);
    uint32_t first = hour_number(from), end = hour_number(to);
    int64_t now_ns = store_now_ns(f->base.store);
    memset(out, '-', (size_t)(to - from));
    out[to - from] = '\0';
    watermark_hours_clip(&watermark, now_ns, &first, &end);
    struct kv_txn *txn = store_fixture_read(&f->base);
    struct watermark_hours hours;
    struct watermark_hour hour;
    assert_ok(watermark_hours_open(txn, &watermark, first, now_ns, &hours));
    for (uint32_t h = first; h < end; h++) {
        assert_ok(watermark_hours_get(&hours, h, &hour));
        out[h - hour_number(from)] = watermark_state_name(hour.state)[0];
    }
    watermark_hours_close(&hours);
    store_read_end(txn);
}

static inline void assert_states(struct usage_fixture *f, const char *source, int from, const char *expected)
{
    char states[1024];
    assert_true(strlen(expected) < sizeof states);
    read_states(f, source, from, from + (int)strlen(expected), states);
    assert_string_equal(states, expected);
}

static inline void declare_complete(struct usage_fixture *f, const char *source, int hour)
{
    struct watermark_declare declare;
    watermark_declare_init(&declare, TEXT("producer"), text_of(source), hour_number(hour));
    assert_ok(store_run(f->base.store, &declare.job));
}

static inline struct watermark_put put_of(struct usage_fixture *f, const char *source)
{
    struct watermark_put put;
    watermark_put_init(&put, dictionary_id(f, DICTIONARY_PRODUCER, "producer"),
                       dictionary_id(f, DICTIONARY_SOURCE, source));
    return put;
}

static inline void set_cadence(struct usage_fixture *f, const char *source, uint32_t hours)
{
    struct watermark_put put = put_of(f, source);
    put.has_cadence = true;
    put.cadence_hours = hours;
    assert_ok(store_run(f->base.store, &put.job));
    assert_false(put.missing);
}

static inline void set_retired(struct usage_fixture *f, const char *source, bool retired)
{
    struct watermark_put put = put_of(f, source);
    put.has_retired = true;
    put.retired = retired;
    assert_ok(store_run(f->base.store, &put.job));
}

/* Lets the watch do what is needed, as the server does; returns how many alerts were raised and resolved. */
static inline void watch(struct usage_fixture *f, int64_t since_ns, uint32_t raised, uint32_t resolved)
{
    struct kv_txn *txn = store_fixture_read(&f->base);
    bool needed;
    assert_ok(watermarks_watch_needed(txn, store_now_ns(f->base.store), since_ns, &needed));
    store_read_end(txn);
    struct watermarks_watch job;
    watermarks_watch_init(&job, since_ns);
    assert_ok(store_run(f->base.store, &job.job));
    assert_int_equal(job.raised, raised);
    assert_int_equal(job.resolved, resolved);
    assert_int_equal(needed, raised + resolved > 0);
}

static inline struct alert_counts count_alerts(struct usage_fixture *f)
{
    struct alert_counts counts;
    struct kv_txn *txn = store_fixture_read(&f->base);
    assert_ok(alerts_count(txn, &counts));
    store_read_end(txn);
    return counts;
}
