/* Microsoft.AzureStack/registrations/customerSubscriptions: list, get, put, delete (wire-contracts 4.2, spec 7.5). PUT
 * goes to a worker (the registration, its approval), to whoever knows subscriptions, and to the writer. Ours beyond the
 * documentation: effectiveFrom, as a property of PUT and in the query of DELETE, dates a change. */
#include "api/customer_calls.h"

#include "base/members.h"

struct customer_call {
    struct read_job job; /* first member */
    struct write_call write;
    struct customer_lookup lookup;
    struct registration_path path;
    struct registration registration;
    struct customer customer;
    /* list */
    struct guid after;
    bool has_after;
    /* put, delete */
    const struct json *body;
    struct text effective;
    struct guid ids[2]; /* base, customer */
    struct customer_line line;
    struct customer_apply apply;
    struct customer_delete delete_job;
};

static struct customer_call *new_call(struct http_exchange *exchange)
{
    struct customer_call *call = arena_zalloc(http_arena(exchange), sizeof *call);
    if (call == NULL) {
        respond_error(exchange, ERROR_NO_MEMORY, NULL, NULL);
        return NULL;
    }
    return require_registration_path(exchange, &call->path) && require_api_version(exchange, azurestack_versions)
               ? call
               : NULL;
}

/* --- the resource --- */

static void put_customer(struct json_writer *json, struct arena *arena, const struct registration *registration,
                         const struct customer *customer)
{
    char id[GUID_TEXT_SIZE], etag[CUSTOMER_ETAG_SIZE];
    guid_print(&customer->customer_id, id);
    customer_etag(customer, etag);
    struct text parent = registration_resource_id(arena, &registration->path);
    struct text whole = arena_format(arena, "%.*s/customerSubscriptions/%s", TEXT_ARGS(parent), id);
    struct text name = arena_format(arena, "%.*s/%s", TEXT_ARGS(registration->path.name), id);
    if (parent.ptr == NULL || whole.ptr == NULL || name.ptr == NULL) {
        json->out->failed = true;
        return;
    }
    json_begin_object(json);
    put_member(json, "id", whole);
    put_member(json, "name", name);
    put_member(json, "type", TEXT("Microsoft.AzureStack/registrations/customerSubscriptions"));
    put_member(json, "etag", text_of(etag));
    json_name(json, "properties");
    json_begin_object(json);
    put_guid_member(json, "tenantId", &customer->tenant_id);
    put_time_member(json, "effectiveFrom", customer->effective_ns);
    json_end_object(json);
    json_end_object(json);
}

static void respond_customer(struct http_exchange *exchange, const struct registration *registration,
                             const struct customer *customer)
{
    char etag[CUSTOMER_ETAG_SIZE];
    struct buffer body = { 0 };
    struct json_writer json = json_writer(&body);
    customer_etag(customer, etag);
    set_etag_header(exchange, text_of(etag));
    put_customer(&json, http_arena(exchange), registration, customer);
    respond_json(exchange, 200, &body);
}

/* What all calls refuse in this order: no such registration, an id that is none, a model without customers. */
static err_t find_parent(struct customer_call *call, struct kv_txn *txn, bool with_id)
{
    struct read_job *job = &call->job;
    err_t error = registration_find(txn, http_arena(job->exchange), &call->path, &call->registration, &job->info);
    if (error == ERROR_OK && with_id)
        error = customer_id_parse(http_request(job->exchange)->parameters[3], &call->ids[1], &job->info);
    return error == ERROR_OK ? customer_check_model(&call->registration, &job->info) : error;
}

/* --- list --- */

static err_t read_list(struct read_job *job, struct kv_txn *txn)
{
    struct customer_call *call = (struct customer_call *)job;
    struct arena *arena = http_arena(job->exchange);
    struct customer *customers;
    size_t count;
    bool more;
    err_t error = find_parent(call, txn, false);
    if (error == ERROR_OK)
        error = customer_list(txn, arena, call->registration.number, store_now_ns(job->api->options.store), INT64_MAX,
                              call->has_after ? &call->after : NULL, ARM_PAGE_SIZE, &customers, &count, &more);
    if (error != ERROR_OK)
        return error;
    struct json_writer json = json_writer(&job->body);
    begin_value_list(&json);
    for (size_t i = 0; i < count; i++)
        put_customer(&json, arena, &call->registration, &customers[i]);
    json_end_array(&json);
    if (more)
        put_guid_next_link(&json, job->exchange, &customers[count - 1].customer_id);
    json_end_object(&json);
    return ERROR_OK;
}

void handle_customer_subscriptions_list(struct http_exchange *exchange, void *context)
{
    (void)context;
    struct customer_call *call = new_call(exchange);
    if (call == NULL || !require_skip_guid(exchange, &call->after, &call->has_after))
        return;
    call->job.read = read_list;
    read_job_start(&call->job, exchange);
}

/* --- get --- */

static err_t read_one(struct read_job *job, struct kv_txn *txn)
{
    struct customer_call *call = (struct customer_call *)job;
    err_t error = find_parent(call, txn, true);
    if (error != ERROR_OK)
        return error;
    error = customer_get(txn, http_arena(job->exchange), call->registration.number, &call->ids[1],
                         store_now_ns(job->api->options.store), INT64_MAX, &call->customer);
    return error == ERROR_NOT_FOUND ? customer_not_found(&call->registration, &call->ids[1], &job->info) : error;
}

static void answer_one(struct read_job *job)
{
    const struct customer_call *call = (const struct customer_call *)job;
    if (job->error != ERROR_OK)
        read_job_answer(job);
    else
        respond_customer(job->exchange, &call->registration, &call->customer);
}

void handle_customer_subscription_get(struct http_exchange *exchange, void *context)
{
    (void)context;
    struct customer_call *call = new_call(exchange);
    if (call == NULL)
        return;
    call->job.read = read_one;
    call->job.answer = answer_one;
    read_job_start(&call->job, exchange);
}

/* --- put and delete --- */

static struct text subject_of(struct http_exchange *exchange, const struct customer_call *call)
{
    char id[GUID_TEXT_SIZE];
    guid_print(&call->ids[1], id);
    struct text parent = registration_subject(exchange, &call->registration.path);
    struct text whole = arena_format(http_arena(exchange), "%.*s/customerSubscriptions/%s", TEXT_ARGS(parent), id);
    return whole.ptr != NULL ? whole : parent;
}

static void put_done(struct write_call *write)
{
    struct customer_call *call = CONTAINER_OF(write, struct customer_call, write);
    struct error_info *info = &call->apply.base.info;
    if (call->apply.base.refusal != ERROR_OK ||
        (call->line.refused && customer_too_many_changes(&call->line.tenant_id, info) != ERROR_OK))
        respond_info(write->exchange, info);
    else
        respond_customer(write->exchange, &call->registration, &call->apply.result);
}

static void write_put(struct customer_lookup *lookup)
{
    struct customer_call *call = CONTAINER_OF(lookup, struct customer_call, lookup);
    struct http_exchange *exchange = call->job.exchange;
    struct error_info info = { 0 };
    if (customer_lookup_check(lookup, 0, &info) != ERROR_OK) {
        respond_info(exchange, &info);
        return;
    }
    call->line.mapped = true;
    call->line.customer_id = call->ids[1];
    customer_apply_init(&call->apply, &call->line, 1);
    call->apply.base.precondition = request_precondition(exchange);
    if (!fill_customer_job(&call->apply.base, exchange, call->registration.number))
        return;
    const struct audit_entry entry = { .action = TEXT("customer.put"), .subject = subject_of(exchange, call) };
    write_call_start_audited(&call->write, &call->apply.base.job, exchange, &entry, customers_changed, put_done);
}

/* {"properties":{"tenantId","effectiveFrom"?}}. The documentation knows PUT without a body: that lacks the tenant. */
static err_t read_body(struct customer_call *call, struct error_info *info)
{
    const struct json *properties = json_member(call->body, TEXT("properties"));
    const struct json *effective = json_member(properties, TEXT("effectiveFrom"));
    struct text tenant = TEXT(""), from = TEXT("");
    if (properties != NULL && json_type(properties) != JSON_NULL && json_type(properties) != JSON_OBJECT)
        return error_set(info, ERROR_INVALID_PROPERTY, "properties", "properties must be an object");
    if (!json_member_string(properties, TEXT("tenantId"), &tenant))
        tenant = json_member(properties, TEXT("tenantId")) != NULL ? TEXT("?") : TEXT("");
    if (effective != NULL && json_type(effective) != JSON_NULL &&
        !json_member_string(properties, TEXT("effectiveFrom"), &from))
        from = TEXT("?");
    err_t error = customer_tenant_parse(tenant, "properties.tenantId", &call->line.tenant_id, info);
    return error == ERROR_OK
               ? customer_effective_parse(from, "properties.effectiveFrom", &call->line.effective_ns, info)
               : error;
}

static err_t prepare_put(struct read_job *job, struct kv_txn *txn)
{
    struct customer_call *call = (struct customer_call *)job;
    err_t error = find_parent(call, txn, true);
    if (error == ERROR_OK)
        error = read_body(call, &job->info);
    if (error == ERROR_OK)
        error = read_approved(txn, http_arena(job->exchange), call->registration.number, &call->lookup.approved);
    /* Before anybody outside is asked about subscriptions. */
    return error == ERROR_OK ? customer_check_approval(&call->registration, call->lookup.approved, &job->info) : error;
}

static void put_prepared(struct read_job *job)
{
    struct customer_call *call = (struct customer_call *)job;
    if (job->error != ERROR_OK) {
        read_job_answer(job);
        return;
    }
    call->lookup.registration = &call->registration;
    call->lookup.done = write_put;
    customer_lookup_start(&call->lookup, job->exchange, call->ids, 1);
}

void handle_customer_subscription_put(struct http_exchange *exchange, void *context)
{
    (void)context;
    struct customer_call *call = new_call(exchange);
    if (call == NULL)
        return;
    if (text_trim(http_request(exchange)->body).len > 0 && (call->body = require_json_body(exchange)) == NULL)
        return;
    call->job.read = prepare_put;
    call->job.answer = put_prepared;
    read_job_start(&call->job, exchange);
}

static void delete_done(struct write_call *write)
{
    const struct customer_call *call = CONTAINER_OF(write, struct customer_call, write);
    if (call->delete_job.base.refusal != ERROR_OK)
        respond_info(write->exchange, &call->delete_job.base.info);
    else
        http_respond_empty(write->exchange, call->delete_job.missing ? 204 : 200);
}

static err_t prepare_delete(struct read_job *job, struct kv_txn *txn)
{
    struct customer_call *call = (struct customer_call *)job;
    err_t error = find_parent(call, txn, true);
    return error == ERROR_OK
               ? customer_effective_parse(call->effective, "effectiveFrom", &call->line.effective_ns, &job->info)
               : error;
}

static void delete_prepared(struct read_job *job)
{
    struct customer_call *call = (struct customer_call *)job;
    struct http_exchange *exchange = job->exchange;
    if (job->error != ERROR_OK) {
        read_job_answer(job);
        return;
    }
    customer_delete_init(&call->delete_job, &call->ids[1]);
    call->delete_job.effective_ns = call->line.effective_ns;
    call->delete_job.base.precondition = request_precondition(exchange);
    if (!fill_customer_job(&call->delete_job.base, exchange, call->registration.number))
        return;
    const struct audit_entry entry = { .action = TEXT("customer.delete"), .subject = subject_of(exchange, call) };
    write_call_start_audited(&call->write, &call->delete_job.base.job, exchange, &entry, customers_changed,
                             delete_done);
}

void handle_customer_subscription_delete(struct http_exchange *exchange, void *context)
{
    (void)context;
    bool found;
    struct customer_call *call = new_call(exchange);
    if (call == NULL)
        return;
    call->effective = http_query(http_request(exchange), TEXT("effectiveFrom"), &found);
    call->job.read = prepare_delete;
    call->job.answer = delete_prepared;
    read_job_start(&call->job, exchange);
}
