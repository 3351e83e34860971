/* Health, readiness, metrics (Prometheus text format 0.0.4), status for the console, and the demo's clock. */
#include <stdio.h>

#include "api/api_internal.h"
#include "api/registration_health.h"
#include "base/members.h"
#include "base/instant.h"
#include "base/log.h"
#include "store/head.h"

#define MEDIA_METRICS TEXT("text/plain; version=0.0.4; charset=utf-8")
#define MEDIA_PLAIN TEXT("text/plain; charset=utf-8")

void handle_healthz(struct http_exchange *exchange, void *context)
{
    (void)context;
    http_respond_static(exchange, 200, MEDIA_PLAIN, TEXT("ok\n"));
}

static bool is_ready(struct api *api)
{
    return !api->draining && !store_counters(api->options.store).degraded;
}

void handle_readyz(struct http_exchange *exchange, void *context)
{
    struct api *api = context;
    if (is_ready(api))
        http_respond_static(exchange, 200, MEDIA_PLAIN, TEXT("ready\n"));
    else if (api->draining)
        http_respond_static(exchange, 503, MEDIA_PLAIN, TEXT("shutting down\n"));
    else
        http_respond_static(exchange, 503, MEDIA_PLAIN, TEXT("no space: usage is refused, reads go on\n"));
}

/* --- metrics --- */

struct metric {
    const char *name, *type, *help, *labels;
    double value;
};

/* One family's lines follow each other; its head is written with the first. */
static void put_metric(struct buffer *out, const struct metric *metric, const struct metric *before)
{
    if (before == NULL || before->name != metric->name)
        buffer_append_format(out, "# HELP %s %s\n# TYPE %s %s\n", metric->name, metric->help, metric->name,
                             metric->type);
    buffer_append_format(out, "%s%s %.17g\n", metric->name, metric->labels, metric->value);
}

/* Zeros before the first seal. */
static err_t newest_head(struct kv_txn *txn, struct head *head)
{
    *head = (struct head){ 0 };
    err_t error = head_newest(txn, head);
    return error == ERROR_NOT_FOUND ? ERROR_OK : error;
}

static err_t read_metrics(struct read_job *job, struct kv_txn *txn)
{
    struct api *api = job->api;
    struct store_counters store = store_counters(api->options.store);
    struct kv_stats stats;
    struct store_state state;
    struct head head;
    err_t error = store_stats(api->options.store, &stats);
    if (error == ERROR_OK)
        error = store_read_state(txn, &state);
    if (error == ERROR_OK)
        error = newest_head(txn, &head);
    if (error != ERROR_OK)
        return error;
    struct server_stats net = api->server != NULL ? server_stats(api->server) : (struct server_stats){ 0 };
    static const char records[] = "stampmeter_records_total", records_help[] = "Posted usage records by verdict.";
    static const char responses[] = "stampmeter_http_responses_total",
                      responses_help[] = "HTTP answers by class of status.";
    const struct metric metrics[] = {
        { records, "counter", records_help, "{verdict=\"accepted\"}", (double)api->counters.accepted },
        { records, "counter", records_help, "{verdict=\"duplicate\"}", (double)api->counters.duplicate },
        { records, "counter", records_help, "{verdict=\"conflict\"}", (double)api->counters.conflict },
        { records, "counter", records_help, "{verdict=\"rejected\"}", (double)api->counters.rejected },
        { responses, "counter", responses_help, "{class=\"2xx\"}", (double)api->counters.responses[2] },
        { responses, "counter", responses_help, "{class=\"3xx\"}", (double)api->counters.responses[3] },
        { responses, "counter", responses_help, "{class=\"4xx\"}", (double)api->counters.responses[4] },
        { responses, "counter", responses_help, "{class=\"5xx\"}", (double)api->counters.responses[5] },
        { "stampmeter_connections", "gauge", "Open connections.", "", (double)net.connections_open },
        { "stampmeter_connections_total", "counter", "Connections accepted.", "", (double)net.connections_total },
        { "stampmeter_tls_handshake_failures_total", "counter", "TLS handshakes that failed.", "",
          (double)net.handshakes_failed_total },
        { "stampmeter_received_bytes_total", "counter", "Bytes received from clients.", "",
          (double)net.bytes_in_total },
        { "stampmeter_sent_bytes_total", "counter", "Bytes sent to clients.", "", (double)net.bytes_out_total },
        { "stampmeter_commits_total", "counter", "Durable commits.", "", (double)store.commits },
        { "stampmeter_commit_failures_total", "counter", "Commits that failed.", "", (double)store.commit_failures },
        { "stampmeter_last_commit_seconds", "gauge", "Duration of the last commit.", "",
          (double)store.last_commit_duration_ns / 1e9 },
        { "stampmeter_queued_records", "gauge", "Records that wait for the writer.", "", (double)store.queued_weight },
        { "stampmeter_clock_went_back_total", "counter", "Times the wall clock was found behind reported time.", "",
          (double)store.clock_went_back_count },
        { "stampmeter_journal_sequence", "gauge", "Sequence of the last journal entry.", "",
          (double)state.last_sequence },
        { "stampmeter_head_sequence", "gauge", "Sequence of the last signed head of the journal.", "",
          (double)head.sequence },
        { "stampmeter_sealed_until_seconds", "gauge", "End of the last sealed hour, Unix time.", "",
          state.sealed_hour < 0 ? 0.0 : (double)state.sealed_hour * (NS_PER_HOUR / NS_PER_SECOND) },
        { "stampmeter_seals_total", "counter", "Seals written.", "", (double)store.seals },
        { "stampmeter_upkeep_slices_total", "counter", "Transactions of upkeep alone.", "",
          (double)store.upkeep_slices },
        { "stampmeter_upkeep_left", "gauge", "1 while merges or deletions wait.", "", store.upkeep_left ? 1.0 : 0.0 },
        { "stampmeter_store_file_bytes", "gauge", "Size of the store's file.", "", (double)stats.file_size_bytes },
        { "stampmeter_store_map_bytes", "gauge", "Size that the store's file may reach.", "",
          (double)stats.map_size_bytes },
        { "stampmeter_log_lines_dropped_total", "counter", "Log lines dropped because stderr was blocked.", "",
          (double)log_dropped_count() },
        { "stampmeter_ready", "gauge", "1 when usage can be accepted.", "", is_ready(api) ? 1.0 : 0.0 },
        { "stampmeter_start_time_seconds", "gauge", "When the process started, Unix time.", "",
          (double)api->started_wall_ns / 1e9 },
    };
    for (size_t i = 0; i < COUNT_OF(metrics); i++)
        put_metric(&job->body, &metrics[i], i > 0 ? &metrics[i - 1] : NULL);
    error = put_producer_metrics(&job->body, txn, store_now_ns(api->options.store));
    if (error == ERROR_OK)
        error = put_rejects_metrics(&job->body, txn);
    if (error == ERROR_OK)
        error = put_findings_metrics(&job->body, txn);
    return error == ERROR_OK ? put_registration_metrics(&job->body, api, txn) : error;
}

static void start_read(struct http_exchange *exchange, err_t (*read)(struct read_job *job, struct kv_txn *txn),
                       struct text content_type)
{
    struct read_job *job = arena_zalloc(http_arena(exchange), sizeof *job);
    if (job == NULL) {
        respond_error(exchange, ERROR_NO_MEMORY, NULL, NULL);
        return;
    }
    job->read = read;
    job->content_type = content_type;
    read_job_start(job, exchange);
}

void handle_metrics(struct http_exchange *exchange, void *context)
{
    (void)context;
    start_read(exchange, read_metrics, MEDIA_METRICS);
}

/* --- status --- */

/* The first bucket of the hourly rows is where reported time begins. */
static err_t first_reported(struct api *api, struct kv_txn *txn, int64_t *out_ns)
{
    const struct rows_engine *rows = store_rows(api->options.store);
    uint8_t start[ROW_KEY_SIZE] = { 0 };
    const uint8_t *key, *value;
    struct rows_cursor *cursor;
    *out_ns = INT64_MIN;
    err_t error = rows->open(txn, ROWS_HOURLY, start, false, &cursor);
    if (error != ERROR_OK)
        return error;
    error = rows->next(cursor, &key, &value);
    if (error == ERROR_OK)
        *out_ns = hour_start_ns((int64_t)row_key_decode(key).bucket);
    rows->close(cursor);
    return error == ERROR_NOT_FOUND ? ERROR_OK : error;
}

struct store_status {
    struct kv_stats stats;
    struct store_state state;
    struct store_counters counters;
    struct head head;
    int64_t first_ns, last_ns; /* reported */
};

static err_t read_store_status(struct api *api, struct kv_txn *txn, struct store_status *status)
{
    status->counters = store_counters(api->options.store);
    err_t error = store_stats(api->options.store, &status->stats);
    if (error == ERROR_OK)
        error = store_read_state(txn, &status->state);
    if (error == ERROR_OK)
        error = newest_head(txn, &status->head);
    if (error == ERROR_OK)
        error = first_reported(api, txn, &status->first_ns);
    return error == ERROR_OK ? store_newest_reported(txn, &status->last_ns) : error;
}

static void put_store_status(struct json_writer *json, const struct store_status *status)
{
    const struct kv_stats *stats = &status->stats;
    const struct store_state *state = &status->state;
    int64_t sealed_ns = state->sealed_hour < 0 ? INT64_MIN : hour_start_ns(state->sealed_hour);
    json_name(json, "store");
    json_begin_object(json);
    put_number_member(json, "fileSizeBytes", stats->file_size_bytes);
    put_number_member(json, "usedSizeBytes", stats->used_size_bytes);
    put_number_member(json, "mapSizeBytes", stats->map_size_bytes);
    put_number_member(json, "sequence", state->last_sequence);
    put_time_member(json, "lastReportedTime", status->last_ns);
    put_time_member(json, "firstReportedTime", status->first_ns);
    put_time_member(json, "sealedUntil", sealed_ns);
    put_number_member(json, "headSequence", status->head.sequence);
    put_number_member(json, "seals", status->counters.seals);
    put_number_member(json, "clockWentBack", (uint64_t)status->counters.clock_went_back_count);
    json_end_object(json);
}

static void put_ingest_status(struct json_writer *json, const struct api_counters *counters,
                              const struct store_counters *store)
{
    json_name(json, "ingest");
    json_begin_object(json);
    put_number_member(json, "accepted", counters->accepted);
    put_number_member(json, "duplicate", counters->duplicate);
    put_number_member(json, "conflict", counters->conflict);
    put_number_member(json, "rejected", counters->rejected);
    put_number_member(json, "commits", store->commits);
    put_number_member(json, "queuedRecords", store->queued_weight);
    char milliseconds[32];
    int length = snprintf(milliseconds, sizeof milliseconds, "%.3f", (double)store->last_commit_duration_ns / 1e6);
    json_name(json, "lastCommitMs");
    json_put_raw(json, (struct text){ milliseconds, (size_t)length });
    json_end_object(json);
}

static void put_net_status(struct json_writer *json, const struct server_stats *net)
{
    json_name(json, "net");
    json_begin_object(json);
    put_number_member(json, "connections", net->connections_open);
    put_number_member(json, "requests", net->requests_total);
    put_number_member(json, "bytesIn", net->bytes_in_total);
    put_number_member(json, "bytesOut", net->bytes_out_total);
    json_end_object(json);
}

/* As server.role has it. */
static const char *role_of_process(const struct api *api)
{
    if (api->options.without_stamp)
        return "commerce";
    return api->options.without_commerce ? "stamp" : "both";
}

static err_t read_status(struct read_job *job, struct kv_txn *txn)
{
    struct api *api = job->api;
    struct store_status store;
    err_t error = read_store_status(api, txn, &store);
    if (error != ERROR_OK)
        return error;
    struct server_stats net = api->server != NULL ? server_stats(api->server) : (struct server_stats){ 0 };
    int64_t uptime_ns = clock_monotonic_ns(api->options.clock) - api->started_monotonic_ns;
    struct json_writer json = json_writer(&job->body);
    json_begin_object(&json);
    json_name(&json, "version");
    json_put_cstring(&json, api->options.version);
    put_member(&json, "role", text_of(role_of_process(api)));
    put_time_member(&json, "now", clock_wall_ns(api->options.clock));
    put_time_member(&json, "startedAt", api->started_wall_ns);
    put_number_member(&json, "uptimeSeconds", (uint64_t)(uptime_ns / NS_PER_SECOND));
    json_name(&json, "demo");
    json_put_bool(&json, api->options.advance_clock != NULL);
    json_name(&json, "ready");
    json_put_bool(&json, is_ready(api));
    put_store_status(&json, &store);
    put_ingest_status(&json, &api->counters, &store.counters);
    put_net_status(&json, &net);
    error = put_producer_status(&json, txn, store_now_ns(api->options.store));
    if (error != ERROR_OK)
        return error;
    error = put_registration_status(&json, api, txn);
    if (error != ERROR_OK)
        return error;
    json_name(&json, "rejects");
    error = put_rejects_status(&json, txn);
    if (error != ERROR_OK)
        return error;
    json_name(&json, "retention");
    error = put_retention_status(&json, api->options.store, txn);
    if (error != ERROR_OK)
        return error;
    json_end_object(&json);
    return ERROR_OK;
}

void handle_status(struct http_exchange *exchange, void *context)
{
    (void)context;
    start_read(exchange, read_status, MEDIA_JSON);
}

/* --- the demo's clock --- */

static void answer_clock(struct http_exchange *exchange, void *context)
{
    const int64_t *now_ns = context;
    struct buffer body = { 0 };
    struct json_writer json = json_writer(&body);
    json_begin_object(&json);
    put_time_member(&json, "now", *now_ns);
    json_end_object(&json);
    respond_json(exchange, 200, &body);
}

/* Who has fallen silent meanwhile is part of what falls due. */
static void clock_advanced(void *context, int64_t now_ns)
{
    struct http_exchange *exchange = context;
    int64_t *kept = arena_alloc(http_arena(exchange), sizeof *kept);
    if (kept == NULL) {
        respond_error(exchange, ERROR_NO_MEMORY, NULL, NULL);
        return;
    }
    *kept = now_ns;
    watch_then(exchange, answer_clock, kept);
}

void handle_clock(struct http_exchange *exchange, void *context)
{
    struct api *api = context;
    struct text text;
    int64_t delta_ns;
    const struct json *body = require_json_body(exchange);
    if (body == NULL)
        return;
    if (!json_member_string(body, TEXT("advance"), &text) || instant_parse_duration(text, &delta_ns) != ERROR_OK) {
        respond_error(exchange, ERROR_INVALID_PROPERTY, "advance", "advance must be a duration such as PT1H or P1D");
        return;
    }
    api->options.advance_clock(api->options.advance_context, delta_ns, clock_advanced, exchange);
}
