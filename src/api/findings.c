/* GET /v1/findings: accepted usage that cannot be right (usage/sanity.h): what was found on arrival, or with check=sums
 * the hours in which a resource has more than an hour can hold. */
#include <stdio.h>

#include "api/api_internal.h"
#include "base/members.h"
#include "base/encode.h"
#include "base/instant.h"
#include "usage/sanity.h"

#define LIMIT_DEFAULT 100
#define LIMIT_MAX 1000
#define DAYS_DEFAULT 7
#define SUMS_DAYS_MAX 31

struct findings_call {
    struct read_job job; /* first member */
    int64_t from_ns, to_ns;
    size_t limit;
    struct finding_position position;
    struct json_writer json;
};

static void put_sequence(struct json_writer *json, const char *name, uint64_t value)
{
    char text[24];
    (void)snprintf(text, sizeof text, "%llu", (unsigned long long)value);
    put_member(json, name, text_of(text));
}

static err_t put_finding(void *context, const struct finding *finding)
{
    struct json_writer *json = &((struct findings_call *)context)->json;
    json_begin_object(json);
    put_member(json, "kind", text_of(finding_kind_name(finding->kind)));
    put_time_member(json, "firstTime", finding->first_ns);
    put_time_member(json, "lastTime", finding->last_ns);
    put_number_member(json, "count", finding->count);
    put_guid_member(json, "subscriptionId", &finding->subscription);
    put_member(json, "meterId", finding->meter_id);
    put_member(json, "resourceUri", finding->resource_uri);
    put_member(json, "source", finding->source);
    put_member(json, "producer", finding->producer);
    put_sequence(json, "recordSequence", finding->sequence);
    put_member(json, "message", finding->message);
    json_end_object(json);
    return ERROR_OK;
}

static err_t read_findings(struct read_job *job, struct kv_txn *txn)
{
    struct findings_call *call = (struct findings_call *)job;
    bool more;
    call->json = json_writer(&job->body);
    json_begin_object(&call->json);
    json_name(&call->json, "value");
    json_begin_array(&call->json);
    err_t error = finding_list(txn, instant_day(call->from_ns), instant_day(call->to_ns - 1) + 1, call->limit,
                               &call->position, put_finding, call, &more);
    json_end_array(&call->json);
    if (error == ERROR_OK && more) {
        char token[2 * FINDING_KEY_SIZE + 1];
        hex_encode(call->position.key, FINDING_KEY_SIZE, token);
        put_member(&call->json, "nextLink", link_with(job->exchange, TEXT("continuationToken"), text_of(token)));
    }
    json_end_object(&call->json);
    return error;
}

static err_t put_sum(void *context, const struct sanity_sum *sum)
{
    struct json_writer *json = &((struct findings_call *)context)->json;
    struct decimal_sum limit = { { 0 } };
    decimal_sum_add(&limit, &sum->limit);
    json_begin_object(json);
    put_member(json, "kind", TEXT("over-window"));
    put_time_member(json, "reportedHour", hour_start_ns(sum->reported_hour));
    put_time_member(json, "usageHour", hour_start_ns(sum->usage_hour));
    put_guid_member(json, "subscriptionId", &sum->subscription);
    put_member(json, "meterId", sum->meter_id);
    put_member(json, "unit", sum->unit);
    put_member(json, "resourceUri", sum->resource_uri);
    put_quantity_member(json, "quantity", &sum->quantity);
    put_quantity_member(json, "limit", &limit);
    json_end_object(json);
    return ERROR_OK;
}

static err_t read_sums(struct read_job *job, struct kv_txn *txn)
{
    struct findings_call *call = (struct findings_call *)job;
    bool more;
    err_t error = retention_check_window(txn, false, call->from_ns, "from", &job->info);
    if (error != ERROR_OK)
        return error;
    call->json = json_writer(&job->body);
    json_begin_object(&call->json);
    json_name(&call->json, "value");
    json_begin_array(&call->json);
    error = sanity_report(job->api->options.store, txn, job->api->meters, (uint32_t)instant_hour(call->from_ns),
                          (uint32_t)(instant_hour(call->to_ns - 1) + 1), call->limit, put_sum, call, &more);
    json_end_array(&call->json);
    json_name(&call->json, "more");
    json_put_bool(&call->json, more);
    json_end_object(&call->json);
    return error == ERROR_INVALID_PROPERTY
               ? error_set(&job->info, error, "from", "the window holds too many rows; ask for a shorter one")
               : error;
}

/* --- parameters --- */

static bool invalid(struct http_exchange *exchange, const char *name, const char *what)
{
    respond_error(exchange, ERROR_INVALID_PROPERTY, name, "%s %s", name, what);
    return false;
}

static bool read_time(struct http_exchange *exchange, const char *name, int64_t absent_ns, int64_t *out_ns)
{
    bool found;
    struct text text = http_query(http_request(exchange), text_of(name), &found);
    *out_ns = absent_ns;
    if (!found || (instant_parse_lenient(text, out_ns) == ERROR_OK && *out_ns >= 0))
        return true;
    return invalid(exchange, name, "must be a time such as 2026-01-31T00:00:00Z");
}

static bool read_window(struct http_exchange *exchange, struct findings_call *call, bool sums)
{
    int64_t now_ns = store_now_ns(api_of(exchange)->options.store);
    if (!read_time(exchange, "to", now_ns + 1, &call->to_ns) ||
        !read_time(exchange, "from", call->to_ns - DAYS_DEFAULT * NS_PER_DAY, &call->from_ns))
        return false;
    if (call->from_ns < 0)
        call->from_ns = 0;
    if (call->from_ns >= call->to_ns)
        return invalid(exchange, "to", "must lie after from");
    if (sums && call->to_ns - call->from_ns > SUMS_DAYS_MAX * NS_PER_DAY)
        return invalid(exchange, "to", "must lie at most 31 days after from for check=sums");
    return true;
}

static bool read_check(struct http_exchange *exchange, bool *sums)
{
    bool found;
    struct text text = http_query(http_request(exchange), TEXT("check"), &found);
    *sums = found && text_equal_nocase(text, TEXT("sums"));
    return !found || *sums || text_equal_nocase(text, TEXT("arrival")) ||
           invalid(exchange, "check", "is arrival or sums");
}

static bool read_token(struct http_exchange *exchange, struct findings_call *call)
{
    bool found;
    struct text text = http_query(http_request(exchange), TEXT("continuationToken"), &found);
    if (!found || (text.len == (size_t)2 * FINDING_KEY_SIZE && hex_decode(text, call->position.key, FINDING_KEY_SIZE)))
        return true;
    return invalid(exchange, "continuationToken", "must be taken from a nextLink");
}

void handle_findings(struct http_exchange *exchange, void *context)
{
    (void)context;
    uint64_t after;
    bool sums;
    struct findings_call *call = arena_zalloc(http_arena(exchange), sizeof *call);
    if (call == NULL) {
        respond_error(exchange, ERROR_NO_MEMORY, NULL, NULL);
        return;
    }
    if (!read_check(exchange, &sums) || !read_window(exchange, call, sums) || !read_token(exchange, call) ||
        !read_page_parameters(exchange, LIMIT_DEFAULT, LIMIT_MAX, &after, &call->limit))
        return;
    call->job.read = sums ? read_sums : read_findings;
    read_job_start(&call->job, exchange);
}

/* --- metrics --- */

err_t put_findings_metrics(struct buffer *out, struct kv_txn *txn)
{
    struct finding_totals totals;
    err_t error = finding_read_totals(txn, &totals);
    if (error != ERROR_OK)
        return error;
    buffer_append_literal(out, "# HELP stampmeter_suspicious_records_total Accepted records that sanity checks found.\n"
                               "# TYPE stampmeter_suspicious_records_total counter\n");
    for (int k = 0; k < FINDING_KIND_COUNT; k++)
        buffer_append_format(out, "stampmeter_suspicious_records_total{kind=\"%s\"} %llu\n",
                             finding_kind_name((enum finding_kind)k), (unsigned long long)totals.records[k]);
    return ERROR_OK;
}
