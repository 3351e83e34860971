/* GET /v1/summary and /v1/meters. JSON comes in pages; CSV is streamed whole: the summary is computed once on a
 * worker and rendered some rows at a time, each with a snapshot of its own, so that a slow reader holds none. */
#include <string.h>

#include "api/api_internal.h"
#include "base/members.h"
#include "base/csv.h"
#include "base/instant.h"
#include "usage/summary.h"

#define CSV_ROWS_PER_PULL 2000

struct summary_call {
    struct read_job job; /* first member */
    struct summary_query query;
    struct hash128 scope;
    bool has_position;
    uint8_t position[PAGE_POSITION_SIZE];
    int64_t now_ns;
    /* CSV only */
    bool csv;
    struct summary *summary;
    size_t next_row;
    struct buffer first; /* rows that were ready before the headers went out */
};

/* --- parameters --- */

static bool read_time(struct http_exchange *exchange, const char *name, int64_t fallback_ns, int64_t *out_ns)
{
    bool found;
    struct text text = http_query(http_request(exchange), text_of(name), &found);
    *out_ns = fallback_ns;
    if (!found || text.len == 0)
        return true;
    if (instant_parse_lenient(text, out_ns) == ERROR_OK && *out_ns >= 0)
        return true;
    respond_error(exchange, ERROR_INVALID_PROPERTY, name, "%s must be a time such as 2026-01-31T13:00:00Z", name);
    return false;
}

static bool read_granularity(struct http_exchange *exchange, enum summary_granularity *granularity)
{
    bool found;
    struct text text = http_query(http_request(exchange), TEXT("granularity"), &found);
    if (!found || text.len == 0 || text_equal_nocase(text, TEXT("total")))
        *granularity = SUMMARY_TOTAL;
    else if (text_equal_nocase(text, TEXT("daily")))
        *granularity = SUMMARY_DAILY;
    else if (text_equal_nocase(text, TEXT("hourly")))
        *granularity = SUMMARY_HOURLY;
    else {
        respond_error(exchange, ERROR_INVALID_PROPERTY, "granularity", "granularity is hourly, daily or total");
        return false;
    }
    return true;
}

static bool read_axis(struct http_exchange *exchange, bool *reported)
{
    bool found;
    struct text text = http_query(http_request(exchange), TEXT("axis"), &found);
    *reported = text_equal_nocase(text, TEXT("reported"));
    if (*reported || !found || text.len == 0 || text_equal_nocase(text, TEXT("usage")))
        return true;
    respond_error(exchange, ERROR_INVALID_PROPERTY, "axis", "axis is usage or reported");
    return false;
}

/* Without from and to: the last 24 hours, the current one included. */
static bool read_window(struct http_exchange *exchange, struct summary_call *call)
{
    struct summary_query *query = &call->query;
    int64_t unit_ns = query->granularity == SUMMARY_DAILY ? NS_PER_DAY : NS_PER_HOUR;
    int64_t end_ns = call->now_ns / unit_ns * unit_ns + unit_ns;
    if (!read_time(exchange, "to", end_ns, &query->to_ns) ||
        !read_time(exchange, "from", query->to_ns > NS_PER_DAY ? query->to_ns - NS_PER_DAY : 0, &query->from_ns))
        return false;
    const char *target = query->from_ns % unit_ns != 0 ? "from" : query->to_ns % unit_ns != 0 ? "to" : NULL;
    if (target != NULL) {
        respond_error(exchange, ERROR_INVALID_PROPERTY, target,
                      unit_ns == NS_PER_DAY ? "%s must be UTC midnight with daily granularity"
                                            : "%s must be a full hour (UTC)",
                      target);
        return false;
    }
    if (query->to_ns > query->from_ns)
        return true;
    respond_error(exchange, ERROR_INVALID_PROPERTY, "to", "to must be later than from");
    return false;
}

/* A tenant's own subscription is a filter that can't be lifted; asking for another one finds nothing there. */
static void restrict_tenant(struct http_exchange *exchange, struct summary_query *query, char text[GUID_TEXT_SIZE])
{
    const struct call *call = call_of(exchange);
    if (call->identity.role != ROLE_TENANT)
        return;
    guid_print(&call->identity.subscription, text);
    query->filters[query->filter_count++] =
        (struct summary_filter){ .member = SUMMARY_SUBSCRIPTION, .value = { text, GUID_TEXT_LEN } };
}

static bool read_groups_and_filter(struct http_exchange *exchange, struct summary_query *query)
{
    struct error_info info = { 0 };
    bool found;
    struct text text = http_query(http_request(exchange), TEXT("groupBy"), &found);
    err_t error = summary_read_group_by(text, query, &info);
    if (error == ERROR_OK) {
        text = http_query_plus_space(exchange, TEXT("filter"), &found);
        error = summary_read_filter(http_arena(exchange), text, query, &info);
    }
    if (error == ERROR_OK && query->filter_count == SUMMARY_FILTERS_MAX)
        error = error_set(&info, ERROR_INVALID_PROPERTY, "filter", "at most %d comparisons", SUMMARY_FILTERS_MAX - 1);
    if (error == ERROR_OK)
        return true;
    respond_info(exchange, &info);
    return false;
}

static void hash_text(struct siphash *state, struct text text)
{
    siphash_update_sized(state, text.ptr, text.len);
}

static void make_scope(struct summary_call *call)
{
    const struct summary_query *q = &call->query;
    struct siphash state;
    siphash_init(&state, store_hash_key(call->job.api->options.store));
    hash_text(&state, TEXT("summary 2")); /* the form of positions */
    const uint64_t numbers[] = { (uint64_t)q->from_ns, (uint64_t)q->to_ns, q->reported_axis, (uint64_t)q->granularity,
                                 q->by_subscription,   q->by_meter,        q->by_resource,   q->by_location,
                                 q->by_source,         q->tag_count,       q->filter_count };
    for (size_t i = 0; i < COUNT_OF(numbers); i++)
        siphash_update_u64(&state, numbers[i]);
    for (size_t i = 0; i < q->tag_count; i++)
        hash_text(&state, q->tags[i]);
    for (size_t i = 0; i < q->filter_count; i++) {
        siphash_update_u64(&state, (uint64_t)q->filters[i].member);
        hash_text(&state, q->filters[i].tag);
        hash_text(&state, q->filters[i].value);
    }
    call->scope = siphash_finish(&state);
}

static bool read_token(struct http_exchange *exchange, struct summary_call *call)
{
    bool found;
    struct text token = http_query(http_request(exchange), TEXT("continuationToken"), &found);
    make_scope(call);
    call->has_position = found && token.len > 0;
    if (!call->has_position ||
        page_token_read(store_hash_key(call->job.api->options.store), &call->scope, token, call->position) == ERROR_OK)
        return true;
    respond_error(exchange, ERROR_INVALID_PROPERTY, "continuationToken",
                  "the continuationToken does not belong to this request; begin again without it");
    return false;
}

/* --- JSON --- */

static void put_tags(struct json_writer *json, const struct summary_query *query, const struct summary_row *row)
{
    if (query->tag_count == 0)
        return;
    json_name(json, "tags");
    json_begin_object(json);
    for (size_t i = 0; i < query->tag_count; i++) {
        char name[256];
        size_t length = query->tags[i].len < sizeof name - 1 ? query->tags[i].len : sizeof name - 1;
        memcpy(name, query->tags[i].ptr, length);
        name[length] = '\0';
        json_name(json, name);
        if (row->tags[i].ptr != NULL)
            json_put_text(json, row->tags[i]);
        else
            json_put_null(json);
    }
    json_end_object(json);
}

static void put_row(struct json_writer *json, const struct summary_query *query, const struct summary_row *row)
{
    json_begin_object(json);
    put_time_member(json, "start", row->start_ns);
    put_time_member(json, "end", row->end_ns);
    if (row->has_subscription)
        put_guid_member(json, "subscriptionId", &row->subscription);
    put_member_if(json, "meterId", row->meter_id);
    put_member_if(json, "meterName", row->meter_name);
    put_member_if(json, "unit", row->unit);
    put_member_if(json, "resourceUri", row->resource_uri);
    put_member_if(json, "location", row->location);
    put_member_if(json, "source", row->source);
    put_tags(json, query, row);
    put_quantity_member(json, "quantity", &row->quantity);
    put_number_member(json, "records", row->records);
    json_end_object(json);
}

static err_t put_rows(struct summary_call *call, struct kv_txn *txn, struct json_writer *json,
                      const struct summary *summary)
{
    size_t count = summary_count(summary);
    size_t first = call->has_position ? summary_after(summary, call->position) : 0;
    size_t end = count - first > SUMMARY_PAGE_ROWS ? first + SUMMARY_PAGE_ROWS : count;
    struct summary_row row;
    json_name(json, "value");
    json_begin_array(json);
    for (size_t i = first; i < end; i++) {
        err_t error = summary_row(summary, i, &row);
        if (error != ERROR_OK)
            return error;
        put_row(json, &call->query, &row);
    }
    json_end_array(json);
    err_t error = put_completeness(json, call->job.api->options.store, txn, &call->query, call->now_ns,
                                   call_is_operator(call->job.exchange));
    if (error != ERROR_OK || end == count)
        return error;
    char token[PAGE_TOKEN_TEXT_SIZE];
    page_token_make(store_hash_key(call->job.api->options.store), &call->scope, row.position, token);
    struct text link = link_with(call->job.exchange, TEXT("continuationToken"), text_of(token));
    put_member_if(json, "nextLink", link);
    return link.ptr != NULL ? ERROR_OK : ERROR_NO_MEMORY;
}

static err_t read_json(struct read_job *job, struct kv_txn *txn)
{
    struct summary_call *call = (struct summary_call *)job;
    struct summary *summary;
    err_t error = summary_run(job->api->options.store, txn, job->api->meters, &call->query, &summary, &job->info);
    if (error != ERROR_OK)
        return error;
    struct json_writer json = json_writer(&job->body);
    json_begin_object(&json);
    error = put_rows(call, txn, &json, summary);
    if (error == ERROR_OK)
        json_end_object(&json);
    summary_free(summary);
    return error;
}

/* --- CSV --- */

static void put_csv_header(const struct summary_query *query, struct buffer *out)
{
    const struct {
        bool present;
        const char *names;
    } columns[] = { { true, "start,end" },
                    { query->by_subscription, ",subscriptionId" },
                    { true, ",meterId,meterName,unit" },
                    { query->by_resource, ",resourceUri" },
                    { query->by_location, ",location" },
                    { query->by_source, ",source" } };
    for (size_t i = 0; i < COUNT_OF(columns); i++)
        if (columns[i].present)
            buffer_append_text(out, text_of(columns[i].names));
    for (size_t i = 0; i < query->tag_count; i++) {
        buffer_append_literal(out, ",tag:");
        buffer_append_text(out, query->tags[i]);
    }
    buffer_append_literal(out, ",quantity,records");
    csv_end_record(out);
}

static void put_csv_row(const struct summary_query *query, const struct summary_row *row, struct buffer *out)
{
    char text[DECIMAL_TEXT_SIZE];
    csv_put_plain(out, (struct text){ text, instant_print(row->start_ns, text) }, true);
    csv_put_plain(out, (struct text){ text, instant_print(row->end_ns, text) }, false);
    if (query->by_subscription) {
        guid_print(&row->subscription, text);
        csv_put_plain(out, text_of(text), false);
    }
    csv_put(out, row->meter_id, false);
    csv_put(out, row->meter_name, false);
    csv_put(out, row->unit, false);
    if (query->by_resource)
        csv_put(out, row->resource_uri, false);
    if (query->by_location)
        csv_put(out, row->location, false);
    if (query->by_source)
        csv_put(out, row->source, false);
    for (size_t i = 0; i < query->tag_count; i++)
        csv_put(out, row->tags[i], false);
    csv_put_plain(out, (struct text){ text, decimal_sum_print(&row->quantity, text) }, false);
    buffer_append_char(out, ',');
    buffer_append_u64(out, row->records);
    csv_end_record(out);
}

static err_t read_csv(struct read_job *job, struct kv_txn *txn)
{
    struct summary_call *call = (struct summary_call *)job;
    if (call->summary == NULL) {
        err_t error =
            summary_run(job->api->options.store, txn, job->api->meters, &call->query, &call->summary, &job->info);
        if (error != ERROR_OK)
            return error;
        put_csv_header(&call->query, &job->body);
    }
    summary_set_snapshot(call->summary, txn);
    size_t count = summary_count(call->summary), end = call->next_row + CSV_ROWS_PER_PULL;
    for (; call->next_row < count && call->next_row < end; call->next_row++) {
        struct summary_row row;
        err_t error = summary_row(call->summary, call->next_row, &row);
        if (error != ERROR_OK)
            return error;
        put_csv_row(&call->query, &row, &job->body);
    }
    return job->body.failed ? ERROR_NO_MEMORY : ERROR_OK;
}

static void csv_chunk_ready(struct read_job *job)
{
    if (job->error != ERROR_OK) {
        buffer_free(&job->body);
        http_stream_abort(job->exchange);
        return;
    }
    http_stream_write(job->exchange, &job->body);
}

static void csv_pull(void *context, struct http_exchange *exchange)
{
    struct summary_call *call = context;
    if (buffer_len(&call->first) > 0) {
        http_stream_write(exchange, &call->first);
        return;
    }
    if (call->next_row == summary_count(call->summary)) {
        http_stream_end(exchange);
        return;
    }
    read_job_start(&call->job, exchange);
}

static void csv_stop(void *context)
{
    (void)context; /* the summary goes with the exchange's arena */
}

static void free_summary(void *context)
{
    struct summary_call *call = context;
    buffer_free(&call->first);
    summary_free(call->summary);
}

/* The first rows are there: errors can still be told with a status; the rest follows by pull. */
static void csv_first_ready(struct read_job *job)
{
    struct summary_call *call = (struct summary_call *)job;
    if (job->error != ERROR_OK) {
        buffer_free(&job->body);
        if (job->info.code == ERROR_OK)
            error_set(&job->info, job->error, NULL, NULL);
        respond_info(job->exchange, &job->info);
        return;
    }
    http_set_header(job->exchange, TEXT("Content-Disposition"), TEXT("attachment; filename=\"usage.csv\""));
    if (call->next_row == summary_count(call->summary)) {
        http_respond(job->exchange, 200, MEDIA_CSV, &job->body);
        return;
    }
    struct http_stream stream = { csv_pull, csv_stop, call };
    call->first = job->body;
    job->body = (struct buffer){ 0 };
    job->answer = csv_chunk_ready;
    http_respond_stream(job->exchange, 200, MEDIA_CSV, &stream);
}

void handle_summary(struct http_exchange *exchange, void *context)
{
    struct api *api = context;
    struct summary_call *call = arena_zalloc(http_arena(exchange), sizeof *call);
    char *tenant = arena_alloc(http_arena(exchange), GUID_TEXT_SIZE);
    if (call == NULL || tenant == NULL || !arena_on_free(http_arena(exchange), free_summary, call)) {
        respond_error(exchange, ERROR_NO_MEMORY, NULL, NULL);
        return;
    }
    call->job.api = api;
    call->now_ns = store_now_ns(api->options.store);
    if (!read_granularity(exchange, &call->query.granularity) || !read_axis(exchange, &call->query.reported_axis) ||
        !read_window(exchange, call) || !read_groups_and_filter(exchange, &call->query))
        return;
    restrict_tenant(exchange, &call->query, tenant);
    call->csv = wants_csv(exchange);
    if (call->csv) {
        call->job.read = read_csv;
        call->job.answer = csv_first_ready;
    } else {
        if (!read_token(exchange, call))
            return;
        call->job.read = read_json;
    }
    read_job_start(&call->job, exchange);
}

/* --- the catalogue --- */

void handle_meters(struct http_exchange *exchange, void *context)
{
    struct api *api = context;
    struct buffer body = { 0 };
    struct json_writer json = json_writer(&body);
    size_t count;
    const struct meter *meters = meters_all(api->meters, &count);
    begin_value_list(&json);
    for (size_t i = 0; i < count; i++) {
        json_begin_object(&json);
        put_member_if(&json, "meterId", meters[i].id);
        put_member_if(&json, "name", meters[i].name);
        put_member_if(&json, "category", meters[i].category);
        put_member_if(&json, "unit", meters[i].unit);
        put_member_if(&json, "resourceProvider", meters[i].resource_provider);
        json_end_object(&json);
    }
    end_value_list(&json);
    respond_json(exchange, 200, &body);
}
