/* GET /v1/explain: the records and corrections behind a row of a usage list (interface.md section 3). The search reads
 * the journal on a worker, a bounded part per page; the page token says where to go on. */
#include "api/api_internal.h"
#include "base/members.h"
#include "api/record_members.h"
#include "base/encode.h"
#include "base/instant.h"
#include "usage/explain.h"
#include "usage/page_token.h"
#include "usage/record.h"

struct explain_call {
    struct read_job job; /* first member */
    struct explain_query query;
    struct explain_position position;
    struct hash128 scope;
    struct json_writer json;
    bool with_producer;
};

/* --- parameters --- */

static bool read_text(struct http_exchange *exchange, const char *name, bool required, struct text *out)
{
    bool found;
    *out = http_query(http_request(exchange), text_of(name), &found);
    if (found && out->len > 0)
        return true;
    *out = TEXT_NONE;
    if (required)
        respond_error(exchange, ERROR_INVALID_PROPERTY, name, "%s is required", name);
    return !required;
}

/* An hour or day by its start, counted from the epoch. */
static bool read_period(struct http_exchange *exchange, const char *name, bool daily, uint32_t *out)
{
    struct text text;
    int64_t instant_ns, unit_ns = daily ? NS_PER_DAY : NS_PER_HOUR;
    if (!read_text(exchange, name, true, &text))
        return false;
    if (instant_parse_lenient(text, &instant_ns) != ERROR_OK || instant_ns < 0 || instant_ns % unit_ns != 0) {
        respond_error(exchange, ERROR_INVALID_PROPERTY, name,
                      daily ? "%s must be a day such as 2026-01-31"
                            : "%s must be a full hour such as "
                              "2026-01-31T13:00:00Z",
                      name);
        return false;
    }
    *out = (uint32_t)(instant_ns / unit_ns);
    return true;
}

static bool is_given(struct http_exchange *exchange, struct text name)
{
    bool found;
    return http_query(http_request(exchange), name, &found).len > 0;
}

static bool read_periods(struct http_exchange *exchange, struct explain_query *query)
{
    query->daily = is_given(exchange, TEXT("usageDay"));
    const char *unfit = query->daily ? "reportedHour" : "reportedDay";
    if (query->daily && is_given(exchange, TEXT("usageHour")))
        unfit = "usageHour";
    if (is_given(exchange, text_of(unfit))) {
        respond_error(exchange, ERROR_INVALID_PROPERTY, unfit,
                      "name usageHour and reportedHour, or usageDay and reportedDay");
        return false;
    }
    if (!read_period(exchange, query->daily ? "usageDay" : "usageHour", query->daily, &query->usage_period))
        return false;
    const char *reported = query->daily ? "reportedDay" : "reportedHour";
    query->any_reported = !is_given(exchange, text_of(reported));
    return query->any_reported || read_period(exchange, reported, query->daily, &query->reported_period);
}

/* Another tenant's subscription is answered like one that does not exist (promise 8). */
static bool read_subscription(struct http_exchange *exchange, struct guid *subscription)
{
    const struct identity *identity = &call_of(exchange)->identity;
    struct text text;
    if (!read_text(exchange, "subscriptionId", true, &text))
        return false;
    if (!guid_parse(text, subscription)) {
        respond_error(exchange, ERROR_INVALID_PROPERTY, "subscriptionId", "subscriptionId must be a GUID");
        return false;
    }
    if (identity->role != ROLE_TENANT || guid_equal(subscription, &identity->subscription))
        return true;
    respond_error(exchange, ERROR_SUBSCRIPTION_NOT_FOUND, NULL, "The subscription '%.*s' could not be found.",
                  TEXT_ARGS(text));
    return false;
}

static bool read_names(struct http_exchange *exchange, struct explain_query *query)
{
    if (!read_subscription(exchange, &query->subscription) || !read_text(exchange, "meterId", true, &query->meter_id) ||
        !read_text(exchange, "resourceUri", false, &query->resource_uri))
        return false;
    if (query->meter_id.len <= RECORD_METER_ID_SIZE_MAX)
        return true;
    respond_error(exchange, ERROR_INVALID_PROPERTY, "meterId", "meterId is too long");
    return false;
}

static void make_scope(struct explain_call *call)
{
    const struct explain_query *query = &call->query;
    struct siphash state;
    siphash_init(&state, store_hash_key(call->job.api->options.store));
    siphash_update_sized(&state, "explain", 7);
    siphash_update(&state, query->subscription.bytes, sizeof query->subscription.bytes);
    siphash_update_sized(&state, query->meter_id.ptr, query->meter_id.len);
    siphash_update_u64(&state, query->resource_uri.ptr != NULL);
    siphash_update_sized(&state, query->resource_uri.ptr, query->resource_uri.len);
    siphash_update_u64(&state, query->daily);
    siphash_update_u64(&state, query->usage_period);
    siphash_update_u64(&state, query->any_reported);
    siphash_update_u64(&state, query->reported_period);
    call->scope = siphash_finish(&state);
}

static bool read_token(struct http_exchange *exchange, struct explain_call *call)
{
    bool found;
    uint8_t position[PAGE_POSITION_SIZE];
    struct text token = http_query(http_request(exchange), TEXT("continuationToken"), &found);
    make_scope(call);
    if (token.len == 0)
        return true;
    if (page_token_read(store_hash_key(call->job.api->options.store), &call->scope, token, position) != ERROR_OK) {
        respond_error(exchange, ERROR_INVALID_PROPERTY, "continuationToken",
                      "the continuationToken does not belong to this request; begin again without it");
        return false;
    }
    call->position = (struct explain_position){ get_u32be(position), get_u64be(position + 8) };
    return true;
}

/* --- the answer --- */

static err_t emit_item(void *context, const struct explain_item *item)
{
    struct explain_call *call = context;
    struct json_writer *json = &call->json;
    const struct journal_entry *correction = item->correction;
    json_begin_object(json);
    json_name(json, "kind");
    json_put_cstring(json, correction == NULL ? "record" : "correction");
    if (correction == NULL) {
        put_record_members(json, &item->record, call->with_producer);
    } else {
        put_sequence_member(json, "sequence", correction->sequence);
        put_time_member(json, "reportedTime", correction->reported_ns);
        put_sequence_member(json, "original", correction->correction.original);
        put_member(json, "source", item->record.source);
        put_member(json, "id", item->record.record->id);
        put_correction_members(json, &correction->correction);
    }
    put_decimal_member(json, "share", &item->share);
    json_end_object(json);
    return call->job.body.failed ? ERROR_NO_MEMORY : ERROR_OK;
}

static err_t put_next_link(struct explain_call *call)
{
    char token[PAGE_TOKEN_TEXT_SIZE];
    uint8_t position[PAGE_POSITION_SIZE] = { 0 };
    put_u32be(position, call->position.reported_hour);
    put_u64be(position + 8, call->position.sequence);
    page_token_make(store_hash_key(call->job.api->options.store), &call->scope, position, token);
    struct text link = link_with(call->job.exchange, TEXT("continuationToken"), text_of(token));
    put_member_if(&call->json, "nextLink", link);
    return link.ptr != NULL ? ERROR_OK : ERROR_NO_MEMORY;
}

/* Nothing reported and a sum of nothing differ (promise 6): the first has no quantity. */
static void put_sums(struct json_writer *json, const struct explain_result *result)
{
    if (result->found)
        put_quantity_member(json, "quantity", &result->quantity);
    else {
        json_name(json, "quantity");
        json_put_null(json);
    }
    put_number_member(json, "records", result->records);
    put_quantity_member(json, "explained", &result->explained);
    if (result->incomplete) {
        json_name(json, "incomplete");
        json_put_bool(json, true);
    }
}

static err_t read_page(struct read_job *job, struct kv_txn *txn)
{
    struct explain_call *call = (struct explain_call *)job;
    struct explain_result result;
    call->json = json_writer(&job->body);
    json_begin_object(&call->json);
    json_name(&call->json, "value");
    json_begin_array(&call->json);
    err_t error = explain_page(job->api->options.store, txn, http_arena(job->exchange), &call->query, &call->position,
                               emit_item, call, &result);
    json_end_array(&call->json);
    put_sums(&call->json, &result);
    if (error == ERROR_OK && result.more)
        error = put_next_link(call);
    json_end_object(&call->json);
    if (error == ERROR_INVALID_PROPERTY)
        return error_set(&job->info, error, call->query.daily ? "reportedDay" : "reportedHour",
                         "usage of that time was reported in too many hours; name the reported one");
    return error;
}

void handle_explain(struct http_exchange *exchange, void *context)
{
    struct explain_call *call = arena_zalloc(http_arena(exchange), sizeof *call);
    if (call == NULL) {
        respond_error(exchange, ERROR_NO_MEMORY, NULL, NULL);
        return;
    }
    call->job.api = context;
    call->job.read = read_page;
    call->with_producer = call_is_operator(exchange);
    if (read_names(exchange, &call->query) && read_periods(exchange, &call->query) && read_token(exchange, call))
        read_job_start(&call->job, exchange);
}
