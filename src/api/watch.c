/* The watch that notices silent producers, by the clock; and what metrics and status tell of producers and alerts. The
 * loop thread looks at a snapshot and asks the writer only when an alert has to be raised or resolved. */
#include "api/api_internal.h"
#include "base/members.h"
#include "base/instant.h"
#include "base/log.h"
#include "usage/alerts.h"
#include "usage/watermarks.h"

#define WATCH_MS 5000
/* The wall clock moved that much more than the monotonic one: the machine was suspended, or its clock set. */
#define SUSPENDED_NS (10 * NS_PER_MINUTE)
/* Series of producers that /metrics shows; those heard of first come first. */
#define METRICS_PRODUCERS_MAX 200

/* --- the watch --- */

static bool watch_is_needed(struct api *api)
{
    struct kv_txn *txn;
    bool needed = false;
    if (store_read_begin(api->options.store, &txn) != ERROR_OK)
        return false;
    if (watermarks_watch_needed(txn, store_now_ns(api->options.store), api->watch.since_ns, &needed) != ERROR_OK)
        needed = false;
    store_read_end(txn);
    return needed;
}

/* On the writer thread. A failure is tried again with the next turn of the timer; the store tells of it itself. */
static void watch_done(struct store_job *job)
{
    struct api_watch *watch = CONTAINER_OF(job, struct api_watch, job.job);
    if (job->error != ERROR_OK)
        log_debug("alert", "silence could not be noted", LOG_CSTR("cause", error_text(job->error)));
    atomic_store(&watch->busy, false);
}

static void notice_suspension(struct api *api)
{
    int64_t wall_ns = clock_wall_ns(api->options.clock), monotonic_ns = clock_monotonic_ns(api->options.clock);
    struct api_watch *watch = &api->watch;
    bool suspended = (wall_ns - watch->wall_ns) - (monotonic_ns - watch->monotonic_ns) > SUSPENDED_NS;
    watch->wall_ns = wall_ns;
    watch->monotonic_ns = monotonic_ns;
    /* A simulated clock is meant to jump, and its producers jump along. */
    if (suspended && api->options.clock == clock_system())
        watch->since_ns = store_now_ns(api->options.store);
}

static void on_watch(void *context)
{
    struct api *api = context;
    struct api_watch *watch = &api->watch;
    loop_timer_start(watch->timer, WATCH_MS);
    notice_suspension(api);
    if (api->draining || atomic_load(&watch->busy) || !watch_is_needed(api))
        return;
    watermarks_watch_init(&watch->job, watch->since_ns);
    watch->job.job.done = watch_done;
    atomic_store(&watch->busy, true);
    if (store_submit(api->options.store, &watch->job.job) != ERROR_OK)
        atomic_store(&watch->busy, false); /* a full queue: next time */
}

void watch_start(struct api *api)
{
    struct api_watch *watch = &api->watch;
    watch->since_ns = store_now_ns(api->options.store);
    watch->wall_ns = clock_wall_ns(api->options.clock);
    watch->monotonic_ns = clock_monotonic_ns(api->options.clock);
    watch->timer = loop_timer_new(api->options.loop, on_watch, api);
    loop_timer_start(watch->timer, WATCH_MS);
}

struct watch_call {
    struct write_call write; /* first member */
    struct watermarks_watch job;
    void (*then)(struct http_exchange *exchange, void *context);
    void *context;
};

static void watched(struct write_call *write)
{
    struct watch_call *call = (struct watch_call *)write;
    call->then(write->exchange, call->context);
}

void watch_then(struct http_exchange *exchange, void (*then)(struct http_exchange *exchange, void *context),
                void *context)
{
    struct api *api = api_of(exchange);
    if (!watch_is_needed(api)) {
        then(exchange, context);
        return;
    }
    struct watch_call *call = arena_zalloc(http_arena(exchange), sizeof *call);
    if (call == NULL) {
        respond_error(exchange, ERROR_NO_MEMORY, NULL, NULL);
        return;
    }
    call->then = then;
    call->context = context;
    watermarks_watch_init(&call->job, api->watch.since_ns);
    write_call_start(&call->write, &call->job.job, exchange, watched);
}

/* --- metrics and status --- */

/* The text format escapes backslash, quote and line feed in the values of labels. */
static void put_label(struct buffer *out, const char *name, struct text value)
{
    buffer_append_format(out, "%s=\"", name);
    for (size_t i = 0; i < value.len; i++) {
        if (value.ptr[i] == '\n') {
            buffer_append_literal(out, "\\n");
            continue;
        }
        if (value.ptr[i] == '\\' || value.ptr[i] == '"')
            buffer_append_char(out, '\\');
        buffer_append_char(out, value.ptr[i]);
    }
    buffer_append_char(out, '"');
}

static err_t put_series(struct buffer *out, struct kv_txn *txn, const struct watermark *w, const char *name)
{
    struct text producer, source;
    err_t error = dictionary_text(txn, DICTIONARY_PRODUCER, w->producer, &producer);
    if (error == ERROR_OK)
        error = dictionary_text(txn, DICTIONARY_SOURCE, w->source, &source);
    if (error != ERROR_OK)
        return error == ERROR_NOT_FOUND ? ERROR_STORE_CORRUPT : error;
    buffer_append_format(out, "%s{", name);
    put_label(out, "producer", producer);
    buffer_append_char(out, ',');
    put_label(out, "source", source);
    buffer_append_literal(out, "} ");
    return ERROR_OK;
}

static void put_family(struct buffer *out, const char *name, const char *help)
{
    buffer_append_format(out, "# HELP %s %s\n# TYPE %s gauge\n", name, help, name);
}

/* One family after the other, as the format wants it: two passes over the same few producers. */
static err_t put_producers(struct buffer *out, struct kv_txn *txn, int64_t now_ns, bool silent)
{
    const char *name = silent ? "stampmeter_producer_silent" : "stampmeter_producer_last_usage_timestamp_seconds";
    struct watermark w = { 0 };
    size_t count = 0;
    err_t error;
    put_family(out, name,
               silent ? "1 when usage of the producer is overdue."
                      : "End of the last hour of which the producer reported usage, Unix time.");
    while ((error = watermark_at_or_after(txn, w.producer, w.source, &w)) == ERROR_OK &&
           count++ < METRICS_PRODUCERS_MAX) {
        error = put_series(out, txn, &w, name);
        if (error != ERROR_OK)
            return error;
        if (silent)
            buffer_append_format(out, "%d\n", watermark_is_silent(&w, now_ns));
        else
            buffer_append_format(out, "%lld\n", w.last_hour == 0 ? 0 : ((long long)w.last_hour + 1) * 3600);
        w.source++;
    }
    return error == ERROR_NOT_FOUND ? ERROR_OK : error;
}

err_t put_producer_metrics(struct buffer *out, struct kv_txn *txn, int64_t now_ns)
{
    static const char name[] = "stampmeter_alerts_open";
    struct alert_counts counts;
    bool any_silent = false;
    err_t error = put_producers(out, txn, now_ns, true);
    if (error == ERROR_OK)
        error = put_producers(out, txn, now_ns, false);
    if (error == ERROR_OK)
        error = alerts_count(txn, &counts);
    if (error != ERROR_OK)
        return error;
    put_family(out, name, "Alerts that are not resolved, acknowledged ones included.");
    for (size_t i = 0; i < counts.kind_count; i++) {
        any_silent = any_silent || text_equal(counts.kinds[i].kind, TEXT(ALERT_PRODUCER_SILENT));
        buffer_append_format(out, "%s{", name);
        put_label(out, "kind", counts.kinds[i].kind);
        buffer_append_format(out, "} %llu\n", (unsigned long long)counts.kinds[i].open);
    }
    if (!any_silent)
        buffer_append_format(out, "%s{kind=\"%s\"} 0\n", name, ALERT_PRODUCER_SILENT);
    return ERROR_OK;
}

err_t put_producer_status(struct json_writer *json, struct kv_txn *txn, int64_t now_ns)
{
    uint64_t total = 0, silent = 0, retired = 0;
    struct watermark w = { 0 };
    struct alert_counts counts;
    err_t error;
    while ((error = watermark_at_or_after(txn, w.producer, w.source, &w)) == ERROR_OK) {
        total++;
        silent += watermark_is_silent(&w, now_ns);
        retired += w.retired;
        w.source++;
    }
    if (error == ERROR_NOT_FOUND)
        error = alerts_count(txn, &counts);
    if (error != ERROR_OK)
        return error;
    json_name(json, "producers");
    json_begin_object(json);
    put_number_member(json, "total", total);
    put_number_member(json, "silent", silent);
    put_number_member(json, "retired", retired);
    json_end_object(json);
    json_name(json, "alerts");
    json_begin_object(json);
    for (size_t i = 0; i < ALERT_STATE_COUNT; i++)
        put_number_member(json, alert_state_name((enum alert_state)i), counts.states[i]);
    json_end_object(json);
    return ERROR_OK;
}
