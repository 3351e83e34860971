/* GET /v1/tenants: who uses the stamp, how much, and who pays (commerce/tenants.h). CSV comes whole, in the order of
 * the report: one line per sum, rendered some at a time from what the worker has added up. JSON comes in pages, in the
 * order of ids: whether a tenant is mapped and how much it used changes between two pages, and with it a place in the
 * report, so that following pages in that order would miss tenants. */
#include "commerce/tenants.h"

#include <stdlib.h>
#include <string.h>

#include "api/api_internal.h"
#include "base/csv.h"
#include "base/encode.h"
#include "base/instant.h"
#include "base/members.h"
#include "registration/billing_model.h"
#include "usage/page_token.h"

#define TENANTS_PAGE_DEFAULT 100
#define TENANTS_PAGE_MAX 1000
#define CSV_TENANTS_PER_PULL 50

enum mapped_filter { MAPPED_ALL, MAPPED_ONLY, UNMAPPED_ONLY };

/* A tenant of one stamp, and the order of pages. The token of a page is a page token that holds the tenant, with the
 * stamp as part of what it is bound to, and the stamp's id behind it. */
struct tenant_position {
    struct guid tenant_id, cloud_id;
};

_Static_assert(sizeof((struct guid *)0)->bytes == PAGE_POSITION_SIZE, "a tenant is a position");
#define CLOUD_TEXT_LEN BASE64URL_LEN(sizeof((struct guid *)0)->bytes)
#define TENANTS_TOKEN_TEXT_SIZE (PAGE_TOKEN_TEXT_SIZE + CLOUD_TEXT_LEN)

struct tenants_call {
    struct read_job job; /* first member */
    struct tenants_query query;
    struct tenants tenants;
    enum mapped_filter filter;
    size_t limit;
    bool has_position;
    struct tenant_position position; /* of the last entry of the page before */
    size_t next;                     /* CSV: the entry to begin with */
};

/* --- parameters --- */

static bool read_hour(struct http_exchange *exchange, const char *name, int64_t fallback_ns, int64_t *out_ns)
{
    bool found;
    struct text text = http_query(http_request(exchange), text_of(name), &found);
    *out_ns = fallback_ns;
    if (!found || text.len == 0)
        return true;
    if (instant_parse_lenient(text, out_ns) == ERROR_OK && *out_ns >= 0 && *out_ns % NS_PER_HOUR == 0)
        return true;
    respond_error(exchange, ERROR_INVALID_PROPERTY, name, "%s must be a full hour (UTC) such as 2026-01-31T13:00:00Z",
                  name);
    return false;
}

static int64_t month_start_ns(int64_t time_ns)
{
    struct civil_date date = civil_from_days(time_ns / NS_PER_DAY);
    date.day = 1;
    return day_start_ns(days_from_civil(date));
}

/* Without from and to: this month, up to the hour that runs now. */
static bool read_window(struct http_exchange *exchange, struct tenants_query *query)
{
    int64_t end_ns = query->now_ns / NS_PER_HOUR * NS_PER_HOUR + NS_PER_HOUR;
    if (!read_hour(exchange, "to", end_ns, &query->to_ns) ||
        !read_hour(exchange, "from", query->to_ns > 0 ? month_start_ns(query->to_ns - 1) : 0, &query->from_ns))
        return false;
    if (query->to_ns > query->from_ns)
        return true;
    respond_error(exchange, ERROR_INVALID_PROPERTY, "to", "to must be later than from");
    return false;
}

static bool read_mapped(struct http_exchange *exchange, struct tenants_call *call)
{
    bool found;
    struct text text = http_query(http_request(exchange), TEXT("mapped"), &found);
    if (!found || text.len == 0)
        return true;
    call->filter = text_equal_nocase(text, TEXT("true")) ? MAPPED_ONLY : UNMAPPED_ONLY;
    if (call->filter == UNMAPPED_ONLY && !text_equal_nocase(text, TEXT("false"))) {
        respond_error(exchange, ERROR_INVALID_PROPERTY, "mapped", "mapped is true or false");
        return false;
    }
    if (call->query.with_mapping)
        return true;
    respond_error(exchange, ERROR_INVALID_PROPERTY, "mapped",
                  "this process has no commerce role and does not know who is mapped; ask there");
    return false;
}

static bool read_cloud_id(struct http_exchange *exchange, struct tenants_query *query)
{
    bool found;
    struct text text = http_query(http_request(exchange), TEXT("cloudId"), &found);
    if (!found || text.len == 0)
        return true;
    query->has_cloud_id = guid_parse(text, &query->cloud_id);
    if (query->has_cloud_id)
        return true;
    respond_error(exchange, ERROR_INVALID_PROPERTY, "cloudId", "cloudId must be a GUID");
    return false;
}

static struct hash128 scope_of(const struct tenants_call *call, const struct guid *position_cloud_id)
{
    const struct tenants_query *query = &call->query;
    struct siphash state;
    siphash_init(&state, store_hash_key(call->job.api->options.store));
    siphash_update_sized(&state, "tenants 2", 9);
    const uint64_t numbers[] = { (uint64_t)query->from_ns, (uint64_t)query->to_ns, (uint64_t)call->filter,
                                 query->has_cloud_id };
    for (size_t i = 0; i < COUNT_OF(numbers); i++)
        siphash_update_u64(&state, numbers[i]);
    siphash_update_sized(&state, (const char *)query->cloud_id.bytes, sizeof query->cloud_id.bytes);
    siphash_update_sized(&state, (const char *)position_cloud_id->bytes, sizeof position_cloud_id->bytes);
    return siphash_finish(&state);
}

static void make_token(const struct tenants_call *call, const struct tenant_entry *last,
                       char out[TENANTS_TOKEN_TEXT_SIZE])
{
    struct hash128 scope = scope_of(call, &last->cloud_id);
    page_token_make(store_hash_key(call->job.api->options.store), &scope, last->tenant_id.bytes, out);
    base64url_encode(last->cloud_id.bytes, sizeof last->cloud_id.bytes, out + strlen(out));
}

static err_t read_token(struct tenants_call *call, struct text token)
{
    struct guid *cloud_id = &call->position.cloud_id;
    size_t size;
    if (token.len <= CLOUD_TEXT_LEN)
        return ERROR_INVALID_PROPERTY;
    token.len -= CLOUD_TEXT_LEN;
    if (!base64url_decode((struct text){ token.ptr + token.len, CLOUD_TEXT_LEN }, cloud_id->bytes,
                          sizeof cloud_id->bytes, &size) ||
        size != sizeof cloud_id->bytes)
        return ERROR_INVALID_PROPERTY;
    struct hash128 scope = scope_of(call, cloud_id);
    return page_token_read(store_hash_key(call->job.api->options.store), &scope, token, call->position.tenant_id.bytes);
}

static bool read_page(struct http_exchange *exchange, struct tenants_call *call)
{
    bool found;
    unsigned long long limit = TENANTS_PAGE_DEFAULT;
    struct text text = http_query(http_request(exchange), TEXT("limit"), &found);
    if (text.len > 0 && (!text_to_u64(text, &limit) || limit < 1 || limit > TENANTS_PAGE_MAX)) {
        respond_error(exchange, ERROR_INVALID_PROPERTY, "limit", "limit is a number from 1 to %d", TENANTS_PAGE_MAX);
        return false;
    }
    call->limit = (size_t)limit;
    text = http_query(http_request(exchange), TEXT("continuationToken"), &found);
    call->has_position = text.len > 0;
    if (!call->has_position || read_token(call, text) == ERROR_OK)
        return true;
    respond_error(exchange, ERROR_INVALID_PROPERTY, "continuationToken",
                  "the continuationToken does not belong to this request; begin again without it");
    return false;
}

/* --- JSON --- */

static void put_quantities(struct json_writer *json, const struct tenant_quantity *quantities, size_t count)
{
    json_name(json, "quantities");
    json_begin_array(json);
    for (size_t i = 0; i < count; i++) {
        json_begin_object(json);
        put_member(json, "meterId", quantities[i].meter_id);
        put_member_if(json, "meterName", quantities[i].meter_name);
        put_member_if(json, "unit", quantities[i].unit);
        put_quantity_member(json, "quantity", &quantities[i].quantity);
        put_number_member(json, "records", quantities[i].records);
        json_end_object(json);
    }
    json_end_array(json);
}

/* Who pays is not known where the commercial side is another process. */
static const char *kind_name(const struct tenants_call *call, enum payer_kind kind)
{
    return call->query.with_mapping ? payer_kind_name(kind) : "unknown";
}

static void put_payer(const struct tenants_call *call, struct json_writer *json, const struct tenant_payer *payer)
{
    json_begin_object(json);
    put_member(json, "kind", text_of(kind_name(call, payer->payer.kind)));
    if (payer->payer.kind != PAYER_NONE) {
        put_guid_member(json, "subscriptionId", &payer->payer.subscription_id);
        put_member(json, "registration", payer->payer.path.name);
        put_member(json, "billingModel", text_of(billing_model_name(payer->payer.model)));
        put_bool_member(json, "charged", payer->payer.charged);
    }
    put_time_member(json, "from", payer->from_ns);
    put_time_member(json, "to", payer->to_ns);
    if (call->query.with_mapping && payer->payer.kind != PAYER_NONE)
        put_time_member(json, "since", payer->payer.since_ns);
    put_number_member(json, "records", payer->records);
    put_quantities(json, payer->quantities, payer->quantity_count);
    json_end_object(json);
}

static void put_subscription(struct json_writer *json, const struct subscription *subscription)
{
    json_begin_object(json);
    put_guid_member(json, "subscriptionId", &subscription->id);
    put_member(json, "displayName", subscription->display_name);
    put_member(json, "state", text_of(subscription_state_name(subscription->state)));
    put_guid_member_if(json, "providerSubscriptionId", &subscription->provider_subscription_id);
    json_end_object(json);
}

static void put_entry(const struct tenants_call *call, struct json_writer *json, const struct tenant_entry *entry)
{
    json_begin_object(json);
    json_name(json, "tenantId");
    if (guid_is_zero(&entry->tenant_id))
        json_put_null(json);
    else
        json_put_guid(json, &entry->tenant_id);
    put_member(json, "displayName", entry->display_name);
    put_guid_member_if(json, "cloudId", &entry->cloud_id);
    json_name(json, "mapped");
    if (call->query.with_mapping)
        json_put_bool(json, entry->mapped);
    else
        json_put_null(json);
    json_name(json, "subscriptions");
    json_begin_array(json);
    for (size_t i = 0; i < entry->subscription_count; i++)
        put_subscription(json, &entry->subscriptions[i]);
    json_end_array(json);
    json_name(json, "payers");
    json_begin_array(json);
    for (size_t i = 0; i < entry->payer_count; i++)
        put_payer(call, json, &entry->payers[i]);
    json_end_array(json);
    put_number_member(json, "records", entry->records);
    json_end_object(json);
}

static void put_totals(const struct tenants_call *call, struct json_writer *json)
{
    json_name(json, "totals");
    json_begin_object(json);
    for (int kind = 0; kind <= (call->query.with_mapping ? PAYER_CUSTOMER : PAYER_NONE); kind++) {
        const struct tenants_total *total = &call->tenants.totals[kind];
        json_name(json, kind_name(call, (enum payer_kind)kind));
        json_begin_object(json);
        put_number_member(json, "tenants", total->tenants);
        put_number_member(json, "records", total->records);
        put_quantities(json, total->quantities, total->quantity_count);
        json_end_object(json);
    }
    json_end_object(json);
}

static bool is_wanted(const struct tenants_call *call, const struct tenant_entry *entry)
{
    return call->filter == MAPPED_ALL || entry->mapped == (call->filter == MAPPED_ONLY);
}

static int compare_positions(const struct tenant_entry *entry, const struct guid *tenant_id,
                             const struct guid *cloud_id)
{
    int order = memcmp(entry->tenant_id.bytes, tenant_id->bytes, sizeof tenant_id->bytes);
    return order != 0 ? order : memcmp(entry->cloud_id.bytes, cloud_id->bytes, sizeof cloud_id->bytes);
}

static int compare_entries(const void *a, const void *b)
{
    const struct tenant_entry *right = b;
    return compare_positions(a, &right->tenant_id, &right->cloud_id);
}

static bool is_on_earlier_page(const struct tenants_call *call, const struct tenant_entry *entry)
{
    return call->has_position && compare_positions(entry, &call->position.tenant_id, &call->position.cloud_id) <= 0;
}

static err_t put_entries(struct tenants_call *call, struct json_writer *json)
{
    const struct tenants *tenants = &call->tenants;
    size_t shown = 0, i = 0;
    const struct tenant_entry *last = NULL;
    if (tenants->count > 0)
        qsort(tenants->entries, tenants->count, sizeof *tenants->entries, compare_entries);
    json_name(json, "value");
    json_begin_array(json);
    for (; i < tenants->count; i++) {
        if (!is_wanted(call, &tenants->entries[i]) || is_on_earlier_page(call, &tenants->entries[i]))
            continue;
        if (shown++ == call->limit)
            break;
        last = &tenants->entries[i];
        put_entry(call, json, last);
    }
    json_end_array(json);
    if (i == tenants->count)
        return ERROR_OK;
    char token[TENANTS_TOKEN_TEXT_SIZE];
    make_token(call, last, token);
    struct text link = link_with(call->job.exchange, TEXT("continuationToken"), text_of(token));
    put_member_if(json, "nextLink", link);
    return link.ptr != NULL ? ERROR_OK : ERROR_NO_MEMORY;
}

static err_t put_usage_state(struct tenants_call *call, struct kv_txn *txn, struct json_writer *json)
{
    if (!call->tenants.with_usage) { /* how complete this stamp's usage is says nothing about another one's */
        put_member(json, "usage", TEXT("not forwarded yet"));
        return ERROR_OK;
    }
    const struct summary_query window = { .from_ns = call->query.from_ns, .to_ns = call->query.to_ns };
    return put_completeness(json, call->job.api->options.store, txn, &window, call->query.now_ns,
                            call_is_operator(call->job.exchange));
}

static err_t run(struct tenants_call *call, struct kv_txn *txn)
{
    struct read_job *job = &call->job;
    return tenants_run(job->api->options.store, txn, http_arena(job->exchange), job->api->meters, &call->query,
                       &call->tenants, &job->info);
}

static err_t read_json(struct read_job *job, struct kv_txn *txn)
{
    struct tenants_call *call = (struct tenants_call *)job;
    struct json_writer json = json_writer(&job->body);
    err_t error = run(call, txn);
    if (error != ERROR_OK)
        return error;
    json_begin_object(&json);
    put_time_member(&json, "from", call->query.from_ns);
    put_time_member(&json, "to", call->query.to_ns);
    error = put_entries(call, &json);
    if (error != ERROR_OK)
        return error;
    put_totals(call, &json);
    error = put_usage_state(call, txn, &json);
    json_end_object(&json);
    return error;
}

/* --- CSV --- */

static void put_csv_guid(struct buffer *out, const struct guid *id, bool first)
{
    char text[GUID_TEXT_SIZE] = "";
    if (!guid_is_zero(id))
        guid_print(id, text);
    csv_put_plain(out, text_of(text), first);
}

static void put_csv_time(struct buffer *out, int64_t time_ns)
{
    char text[INSTANT_TEXT_SIZE];
    csv_put_plain(out, (struct text){ text, instant_print(time_ns, text) }, false);
}

/* A line per sum; one without a sum for a payer of nothing, so that each tenant is there. */
static void put_csv_line(const struct tenants_call *call, const struct tenant_entry *entry,
                         const struct tenant_payer *payer, const struct tenant_quantity *quantity, struct buffer *out)
{
    char number[DECIMAL_TEXT_SIZE];
    put_csv_guid(out, &entry->tenant_id, true);
    csv_put(out, entry->display_name, false);
    csv_put_plain(out, call->query.with_mapping ? entry->mapped ? TEXT("true") : TEXT("false") : TEXT(""), false);
    csv_put_plain(out, text_of(kind_name(call, payer->payer.kind)), false);
    put_csv_guid(out, &payer->payer.subscription_id, false);
    put_csv_time(out, payer->from_ns);
    put_csv_time(out, payer->to_ns);
    csv_put(out, quantity != NULL ? quantity->meter_id : TEXT(""), false);
    csv_put(out, quantity != NULL ? quantity->meter_name : TEXT(""), false);
    csv_put(out, quantity != NULL ? quantity->unit : TEXT(""), false);
    size_t length = quantity != NULL ? decimal_sum_print(&quantity->quantity, number) : 0;
    csv_put_plain(out, (struct text){ number, length }, false);
    buffer_append_char(out, ',');
    buffer_append_u64(out, quantity != NULL ? quantity->records : 0);
    csv_end_record(out);
}

static void put_csv_entry(const struct tenants_call *call, const struct tenant_entry *entry, struct buffer *out)
{
    for (size_t p = 0; p < entry->payer_count; p++) {
        const struct tenant_payer *payer = &entry->payers[p];
        if (payer->quantity_count == 0)
            put_csv_line(call, entry, payer, NULL, out);
        for (size_t q = 0; q < payer->quantity_count; q++)
            put_csv_line(call, entry, payer, &payer->quantities[q], out);
    }
}

static void put_csv(struct tenants_call *call, struct buffer *out)
{
    for (size_t put = 0; call->next < call->tenants.count && put < CSV_TENANTS_PER_PULL; call->next++) {
        if (!is_wanted(call, &call->tenants.entries[call->next]))
            continue;
        put_csv_entry(call, &call->tenants.entries[call->next], out);
        put++;
    }
}

static err_t read_csv(struct read_job *job, struct kv_txn *txn)
{
    struct tenants_call *call = (struct tenants_call *)job;
    err_t error = run(call, txn);
    if (error != ERROR_OK)
        return error;
    buffer_append_literal(&job->body, "tenantId,displayName,mapped,payer,payerSubscriptionId,from,to,meterId,meterName,"
                                      "unit,quantity,records");
    csv_end_record(&job->body);
    return job->body.failed ? ERROR_NO_MEMORY : ERROR_OK;
}

static void csv_pull(void *context, struct http_exchange *exchange)
{
    struct tenants_call *call = context;
    struct buffer piece = call->job.body; /* the header first */
    call->job.body = (struct buffer){ 0 };
    put_csv(call, &piece);
    if (piece.failed) {
        buffer_free(&piece);
        http_stream_abort(exchange);
    } else if (buffer_len(&piece) == 0) {
        http_stream_end(exchange);
    } else {
        http_stream_write(exchange, &piece);
    }
}

static void csv_stop(void *context)
{
    buffer_free(&((struct tenants_call *)context)->job.body);
}

static void csv_ready(struct read_job *job)
{
    if (job->error != ERROR_OK) {
        buffer_free(&job->body);
        if (job->info.code == ERROR_OK)
            error_set(&job->info, job->error, NULL, NULL);
        respond_info(job->exchange, &job->info);
        return;
    }
    struct http_stream stream = { csv_pull, csv_stop, job };
    http_set_header(job->exchange, TEXT("Content-Disposition"), TEXT("attachment; filename=\"tenants.csv\""));
    http_respond_stream(job->exchange, 200, MEDIA_CSV, &stream);
}

void handle_tenants(struct http_exchange *exchange, void *context)
{
    struct api *api = context;
    struct tenants_call *call = arena_zalloc(http_arena(exchange), sizeof *call);
    if (call == NULL) {
        respond_error(exchange, ERROR_NO_MEMORY, NULL, NULL);
        return;
    }
    call->job.api = api;
    call->query.now_ns = store_now_ns(api->options.store);
    call->query.with_usage = !api->options.without_stamp;
    call->query.with_mapping = !api->options.without_commerce;
    if (!read_window(exchange, &call->query) || !read_mapped(exchange, call) ||
        !read_cloud_id(exchange, &call->query) || !read_page(exchange, call))
        return;
    call->job.read = read_json;
    if (wants_csv(exchange)) {
        call->job.read = read_csv;
        call->job.answer = csv_ready;
    }
    read_job_start(&call->job, exchange);
}
