/* /v1/commerce/customers and /v1/commerce/payer: who pays for which tenant, at any time and as known at any time,
 * and who changed it when. */
#include "api/customer_calls.h"

#include "base/csv.h"
#include "base/instant.h"
#include "base/members.h"
#include "registration/payer.h"

#define CUSTOMERS_LIMIT_DEFAULT 100

struct customers_call {
    struct read_job job; /* first member */
    struct registration_query registration;
    bool has_cloud_id, has_tenant, has_after, csv;
    struct guid cloud_id, tenant_id, after;
    uint64_t after_change;
    int64_t time_ns, known_ns;
    size_t limit;
};

static struct customers_call *new_call(struct http_exchange *exchange)
{
    struct customers_call *call = arena_zalloc(http_arena(exchange), sizeof *call);
    if (call == NULL)
        respond_error(exchange, ERROR_NO_MEMORY, NULL, NULL);
    return call;
}

/* A GUID of the query, if it is given. */
static bool read_query_guid(struct http_exchange *exchange, const char *name, struct guid *out, bool *given)
{
    bool found;
    struct text text = http_query(http_request(exchange), text_of(name), &found);
    *given = text.len > 0;
    if (!*given || guid_parse(text, out))
        return true;
    respond_error(exchange, ERROR_INVALID_PROPERTY, name, "%s must be a GUID", name);
    return false;
}

static void put_guid_or_null(struct json_writer *json, const char *name, const struct guid *id)
{
    json_name(json, name);
    if (guid_is_zero(id))
        json_put_null(json);
    else
        json_put_guid(json, id);
}

/* --- list --- */

static void put_customer(struct json_writer *json, const struct customer *customer)
{
    json_begin_object(json);
    put_guid_member(json, "tenantId", &customer->tenant_id);
    put_guid_member(json, "customerSubscriptionId", &customer->customer_id);
    put_time_member(json, "effectiveFrom", customer->effective_ns);
    put_time_member(json, "recorded", customer->recorded_ns);
    put_member(json, "by", customer->by);
    json_end_object(json);
}

/* What import takes. */
static void put_csv(struct buffer *out, const struct customer *customers, size_t count)
{
    buffer_append_literal(out, "tenantId,customerSubscriptionId,effectiveFrom\r\n");
    for (size_t i = 0; i < count; i++) {
        char tenant[GUID_TEXT_SIZE], subscription[GUID_TEXT_SIZE], from[INSTANT_TEXT_SIZE];
        guid_print(&customers[i].tenant_id, tenant);
        guid_print(&customers[i].customer_id, subscription);
        csv_put_plain(out, text_of(tenant), true);
        csv_put_plain(out, text_of(subscription), false);
        csv_put_plain(out, (struct text){ from, instant_print(customers[i].effective_ns, from) }, false);
        csv_end_record(out);
    }
}

static struct text next_link(const struct customers_call *call, const struct customer *last)
{
    char id[GUID_TEXT_SIZE];
    guid_print(&last->customer_id, id);
    struct text after = arena_text(http_arena(call->job.exchange), text_of(id));
    return after.ptr != NULL ? link_with(call->job.exchange, TEXT("after"), after) : after;
}

static err_t read_customers(struct customers_call *call, struct kv_txn *txn, struct customer **out, size_t *count,
                            bool *more)
{
    struct arena *arena = http_arena(call->job.exchange);
    uint64_t registration;
    err_t error = find_registration_number(txn, arena, &call->registration, &registration, &call->job.info);
    if (error != ERROR_OK)
        return error;
    if (!call->has_tenant)
        return customer_list(txn, arena, registration, call->time_ns, call->known_ns,
                             call->has_after ? &call->after : NULL, call->limit, out, count, more);
    *more = false;
    *out = arena_zalloc(arena, sizeof **out);
    if (*out == NULL)
        return ERROR_NO_MEMORY;
    error = customer_of_tenant(txn, arena, registration, &call->tenant_id, call->time_ns, call->known_ns, *out);
    *count = error == ERROR_OK ? 1 : 0;
    return error == ERROR_NOT_FOUND ? ERROR_OK : error;
}

static err_t read_list(struct read_job *job, struct kv_txn *txn)
{
    struct customers_call *call = (struct customers_call *)job;
    struct customer *customers;
    size_t count;
    bool more;
    err_t error = read_customers(call, txn, &customers, &count, &more);
    if (error != ERROR_OK)
        return error;
    struct text next = more ? next_link(call, &customers[count - 1]) : TEXT_NONE;
    if (more && next.ptr == NULL)
        return ERROR_NO_MEMORY;
    if (call->csv && more)
        return error_set(&job->info, ERROR_INVALID_PROPERTY, "Accept",
                         "there are more than %d customers, which do not fit into one file for import; read them as "
                         "JSON, page by page",
                         CUSTOMER_BATCH_MAX);
    if (call->csv) {
        job->content_type = MEDIA_CSV;
        put_csv(&job->body, customers, count);
        return ERROR_OK;
    }
    struct json_writer json = json_writer(&job->body);
    begin_value_list(&json);
    for (size_t i = 0; i < count; i++)
        put_customer(&json, &customers[i]);
    json_end_array(&json);
    put_member_if(&json, "nextLink", next);
    json_end_object(&json);
    return ERROR_OK;
}

void handle_customers_get(struct http_exchange *exchange, void *context)
{
    struct api *api = context;
    struct customers_call *call = new_call(exchange);
    if (call == NULL || !require_registration_query(exchange, &call->registration) ||
        !read_query_guid(exchange, "tenantId", &call->tenant_id, &call->has_tenant) ||
        !read_query_guid(exchange, "after", &call->after, &call->has_after) ||
        !read_query_time(exchange, "at", store_now_ns(api->options.store), &call->time_ns) ||
        !read_query_time(exchange, "knownAt", INT64_MAX, &call->known_ns) ||
        !read_page_limit(exchange, CUSTOMERS_LIMIT_DEFAULT, CUSTOMERS_PAGE_MAX, &call->limit))
        return;
    call->csv = wants_csv(exchange);
    if (call->csv) { /* whole, as import takes it */
        call->limit = CUSTOMER_BATCH_MAX;
        call->has_after = false;
    }
    call->job.read = read_list;
    read_job_start(&call->job, exchange);
}

/* --- history --- */

static void put_change(struct json_writer *json, const struct customer_change *change)
{
    json_begin_object(json);
    put_number_member(json, "number", change->number);
    put_guid_or_null(json, "customerSubscriptionId", &change->customer_id);
    put_time_member(json, "effectiveFrom", change->effective_ns);
    put_time_member(json, "recorded", change->recorded_ns);
    put_member(json, "by", change->by);
    if (change->request.len > 0)
        put_member(json, "requestId", change->request);
    json_end_object(json);
}

static err_t read_history(struct read_job *job, struct kv_txn *txn)
{
    struct customers_call *call = (struct customers_call *)job;
    struct arena *arena = http_arena(job->exchange);
    struct customer_change *changes;
    uint64_t registration;
    size_t count;
    bool more;
    err_t error = find_registration_number(txn, arena, &call->registration, &registration, &job->info);
    if (error == ERROR_OK)
        error = customer_history(txn, arena, registration, &call->tenant_id, call->after_change, call->limit, &changes,
                                 &count, &more);
    if (error != ERROR_OK)
        return error;
    struct json_writer json = json_writer(&job->body);
    begin_value_list(&json);
    for (size_t i = 0; i < count; i++)
        put_change(&json, &changes[i]);
    json_end_array(&json);
    if (more) {
        struct text last = arena_format(arena, "%llu", (unsigned long long)changes[count - 1].number);
        struct text next = link_with(job->exchange, TEXT("after"), last);
        if (last.ptr == NULL || next.ptr == NULL)
            return ERROR_NO_MEMORY;
        put_member(&json, "nextLink", next);
    }
    json_end_object(&json);
    return ERROR_OK;
}

void handle_customers_history(struct http_exchange *exchange, void *context)
{
    (void)context;
    bool found;
    struct error_info info = { 0 };
    struct customers_call *call = new_call(exchange);
    if (call == NULL || !require_registration_query(exchange, &call->registration) ||
        !read_page_parameters(exchange, CUSTOMERS_PAGE_MAX, CUSTOMERS_PAGE_MAX, &call->after_change, &call->limit))
        return;
    struct text tenant = http_query(http_request(exchange), TEXT("tenantId"), &found);
    if (customer_tenant_parse(tenant, "tenantId", &call->tenant_id, &info) != ERROR_OK) {
        respond_info(exchange, &info);
        return;
    }
    call->job.read = read_history;
    read_job_start(&call->job, exchange);
}

/* --- payer --- */

static void put_payer(struct json_writer *json, struct arena *arena, const struct customers_call *call,
                      const struct payer *payer)
{
    json_begin_object(json);
    put_guid_member(json, "cloudId", &call->cloud_id);
    put_guid_or_null(json, "tenantId", &call->tenant_id);
    put_time_member(json, "time", call->time_ns);
    if (call->known_ns != INT64_MAX)
        put_time_member(json, "knownAt", call->known_ns);
    put_member(json, "kind", text_of(payer_kind_name(payer->kind)));
    put_guid_or_null(json, "subscriptionId", &payer->subscription_id);
    if (payer->kind != PAYER_NONE) {
        put_member(json, "registration", payer->path.name);
        put_number_member(json, "registrationNumber", payer->registration);
        put_resource_id(json, "registrationId", arena, &payer->path);
        put_member(json, "billingModel", text_of(billing_model_name(payer->model)));
        put_bool_member(json, "usageReporting", payer->usage_reporting);
    }
    put_bool_member(json, "charged", payer->charged);
    put_time_member(json, "since", payer->since_ns);
    json_end_object(json);
}

static err_t read_payer(struct read_job *job, struct kv_txn *txn)
{
    struct customers_call *call = (struct customers_call *)job;
    struct arena *arena = http_arena(job->exchange);
    struct registration registration;
    struct payer payer;
    err_t error = ERROR_OK;
    if (!call->has_cloud_id) {
        error = find_registration(txn, arena, &call->registration, &registration, &job->info);
        if (error == ERROR_OK)
            call->cloud_id = registration.cloud_id;
    }
    if (error == ERROR_OK)
        error = payer_resolve(txn, arena, &call->cloud_id, &call->tenant_id, call->time_ns, call->known_ns, &payer);
    if (error != ERROR_OK)
        return error;
    struct json_writer json = json_writer(&job->body);
    put_payer(&json, arena, call, &payer);
    return ERROR_OK;
}

void handle_payer_get(struct http_exchange *exchange, void *context)
{
    struct api *api = context;
    struct customers_call *call = new_call(exchange);
    if (call == NULL || !read_query_guid(exchange, "cloudId", &call->cloud_id, &call->has_cloud_id) ||
        !read_query_guid(exchange, "tenantId", &call->tenant_id, &call->has_tenant) ||
        !read_query_time(exchange, "time", store_now_ns(api->options.store), &call->time_ns) ||
        !read_query_time(exchange, "knownAt", INT64_MAX, &call->known_ns) ||
        (!call->has_cloud_id && !require_registration_query(exchange, &call->registration)))
        return;
    call->job.read = read_payer;
    read_job_start(&call->job, exchange);
}
