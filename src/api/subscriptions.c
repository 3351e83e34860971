/* /v1/subscriptions: what the stamp knows of its subscriptions, now and at other times (interface.md section 5). */
#include "api/api_internal.h"
#include "base/instant.h"
#include "base/members.h"
#include "usage/subscription_history.h"

struct subscription_call {
    struct read_job job; /* first member, for reads */
    struct write_call write;
    struct guid id;
    int64_t at_ns, known_ns; /* reads: as of when, as known when */
    struct subscription_put put;
    struct subscription_delete delete_job;
};

static struct subscription_call *new_call(struct http_exchange *exchange)
{
    struct subscription_call *call = arena_zalloc(http_arena(exchange), sizeof *call);
    if (call == NULL)
        respond_error(exchange, ERROR_NO_MEMORY, NULL, NULL);
    return call;
}

static err_t not_found(struct error_info *info, struct http_exchange *exchange)
{
    struct text id = http_request(exchange)->parameters[0];
    return error_set(info, ERROR_SUBSCRIPTION_NOT_FOUND, NULL, "The subscription '%.*s' could not be found.",
                     (int)(id.len < 64 ? id.len : 64), id.ptr);
}

static bool visible(struct http_exchange *exchange, const struct subscription *subscription)
{
    const struct call *call = call_of(exchange);
    return call->identity.role == ROLE_OPERATOR || guid_equal(&subscription->id, &call->identity.subscription);
}

/* A time of the query; absent_ns without one. */
static bool read_time(struct http_exchange *exchange, const char *name, int64_t absent_ns, int64_t *out_ns)
{
    bool found;
    struct text text = http_query(http_request(exchange), text_of(name), &found);
    *out_ns = absent_ns;
    if (!found || text.len == 0 || instant_parse_lenient(text, out_ns) == ERROR_OK)
        return true;
    respond_error(exchange, ERROR_INVALID_PROPERTY, name, "%s must be a time such as 2026-01-31T13:00:00Z", name);
    return false;
}

static void start_read(struct http_exchange *exchange, const struct guid *id,
                       err_t (*read)(struct read_job *job, struct kv_txn *txn))
{
    struct subscription_call *call = new_call(exchange);
    if (call == NULL || !read_time(exchange, "at", store_now_ns(api_of(exchange)->options.store), &call->at_ns) ||
        !read_time(exchange, "knownAt", INT64_MAX, &call->known_ns))
        return;
    if (id != NULL)
        call->id = *id;
    call->job.read = read;
    read_job_start(&call->job, exchange);
}

static err_t read_list(struct read_job *job, struct kv_txn *txn)
{
    const struct subscription_call *call = (struct subscription_call *)job;
    struct subscription *all;
    size_t count;
    err_t error = subscription_list_at(txn, http_arena(job->exchange), call->at_ns, call->known_ns, &all, NULL, &count);
    if (error != ERROR_OK)
        return error;
    struct json_writer json = json_writer(&job->body);
    begin_value_list(&json);
    for (size_t i = 0; i < count; i++)
        if (visible(job->exchange, &all[i]))
            subscription_to_json(&all[i], &json);
    end_value_list(&json);
    return ERROR_OK;
}

/* ERROR_NOT_FOUND: neither described nor seen in usage. */
static err_t get_at(struct read_job *job, struct kv_txn *txn, struct subscription *out)
{
    const struct subscription_call *call = (struct subscription_call *)job;
    struct arena *arena = http_arena(job->exchange);
    err_t error = subscription_at(txn, arena, &call->id, call->at_ns, call->known_ns, out);
    if (error == ERROR_NOT_FOUND)
        error = subscription_get(job->api->options.store, txn, arena, &call->id, out);
    return error == ERROR_NOT_FOUND ? not_found(&job->info, job->exchange) : error;
}

static err_t read_one(struct read_job *job, struct kv_txn *txn)
{
    struct subscription subscription;
    err_t error = get_at(job, txn, &subscription);
    if (error != ERROR_OK)
        return error;
    struct json_writer json = json_writer(&job->body);
    subscription_to_json(&subscription, &json);
    return ERROR_OK;
}

static void put_time_or_null(struct json_writer *json, const char *name, int64_t time_ns)
{
    if (time_ns != INT64_MIN) {
        put_time_member(json, name, time_ns);
        return;
    }
    json_name(json, name);
    json_put_null(json);
}

static void put_change(struct json_writer *json, const struct subscription_change *change)
{
    json_begin_object(json);
    put_number_member(json, "change", change->number);
    put_time_or_null(json, "effectiveFrom", change->effective_ns);
    put_time_or_null(json, "recordedTime", change->recorded_ns);
    put_member(json, "by", change->by);
    put_guid_member_if(json, "tenantId", &change->tenant_id);
    put_guid_member_if(json, "providerSubscriptionId", &change->provider_subscription_id);
    put_member(json, "state", text_of(subscription_state_name(change->state)));
    json_end_object(json);
}

static err_t read_history(struct read_job *job, struct kv_txn *txn)
{
    struct subscription subscription;
    struct subscription_change *changes;
    size_t count;
    err_t error = get_at(job, txn, &subscription);
    if (error == ERROR_OK)
        error = subscription_history(txn, http_arena(job->exchange), &subscription.id, &changes, &count);
    if (error != ERROR_OK)
        return error;
    struct json_writer json = json_writer(&job->body);
    begin_value_list(&json);
    for (size_t i = 0; i < count; i++)
        put_change(&json, &changes[i]);
    end_value_list(&json);
    return ERROR_OK;
}

void handle_subscriptions_get(struct http_exchange *exchange, void *context)
{
    (void)context;
    start_read(exchange, NULL, read_list);
}

void handle_subscription_get(struct http_exchange *exchange, void *context)
{
    (void)context;
    struct guid id;
    if (require_subscription(exchange, &id))
        start_read(exchange, &id, read_one);
}

void handle_subscription_history(struct http_exchange *exchange, void *context)
{
    (void)context;
    struct guid id;
    if (require_subscription(exchange, &id))
        start_read(exchange, &id, read_history);
}

/* --- what the audit log is told --- */

static struct text subject(struct http_exchange *exchange, const struct guid *id)
{
    char text[GUID_TEXT_SIZE];
    guid_print(id, text);
    struct text whole = arena_format(http_arena(exchange), "subscriptions/%s", text);
    return whole.ptr != NULL ? whole : TEXT("subscriptions");
}

static struct text describe(struct http_exchange *exchange, const struct subscription *subscription,
                            int64_t effective_ns)
{
    struct buffer text = { 0 };
    struct json_writer json = json_writer(&text);
    json_begin_object(&json);
    subscription_put_members(subscription, &json);
    if (effective_ns != INT64_MIN)
        put_time_member(&json, "effectiveFrom", effective_ns);
    json_end_object(&json);
    struct text copy = text.failed ? TEXT_NONE : arena_text(http_arena(exchange), buffer_text(&text));
    buffer_free(&text);
    return copy;
}

static bool was_put(struct audited_job *audited)
{
    return ((const struct subscription_put *)audited->wanted)->refusal == ERROR_OK;
}

static bool was_deleted(struct audited_job *audited)
{
    const struct subscription_delete *delete_job = (const struct subscription_delete *)audited->wanted;
    return !delete_job->missing && delete_job->refusal == ERROR_OK;
}

/* --- changing one --- */

static void put_done(struct write_call *write)
{
    struct subscription_call *call = CONTAINER_OF(write, struct subscription_call, write);
    struct buffer body = { 0 };
    struct json_writer json = json_writer(&body);
    if (call->put.refusal != ERROR_OK) {
        respond_info(write->exchange, &call->put.info);
        return;
    }
    subscription_to_json(&call->put.now, &json);
    respond_json(write->exchange, call->put.created ? 201 : 200, &body);
}

static bool require_guid(struct http_exchange *exchange, struct guid *id)
{
    if (guid_parse(http_request(exchange)->parameters[0], id))
        return true;
    respond_error(exchange, ERROR_INVALID_PROPERTY, "subscriptionId", "subscriptionId must be a GUID");
    return false;
}

/* Whole hours, because usage is kept by the hour. */
static err_t read_effective(const struct json *body, int64_t *effective_ns, struct error_info *info)
{
    err_t error = read_time_member(body, "effectiveFrom", INT64_MIN, effective_ns, info);
    if (error == ERROR_OK && *effective_ns != INT64_MIN && *effective_ns % NS_PER_HOUR != 0)
        return error_set(info, ERROR_INVALID_PROPERTY, "effectiveFrom", "effectiveFrom must be a full hour (UTC)");
    return error;
}

void handle_subscription_put(struct http_exchange *exchange, void *context)
{
    (void)context;
    struct guid id;
    struct subscription subscription;
    struct error_info info = { 0 };
    int64_t effective_ns;
    const struct json *body;
    if (!require_guid(exchange, &id) || (body = require_json_body(exchange)) == NULL)
        return;
    struct subscription_call *call = new_call(exchange);
    if (call == NULL)
        return;
    if (subscription_from_json(body, &id, &subscription, &info) != ERROR_OK ||
        read_effective(body, &effective_ns, &info) != ERROR_OK) {
        respond_info(exchange, &info);
        return;
    }
    subscription_put_init(&call->put, &subscription);
    call->put.effective_ns = effective_ns;
    call->put.by = call_of(exchange)->identity.name;
    struct audit_entry entry = { .action = TEXT("subscription.put"),
                                 .subject = subject(exchange, &id),
                                 .detail = describe(exchange, &subscription, effective_ns) };
    write_call_start_audited(&call->write, &call->put.job, exchange, &entry, was_put, put_done);
}

static void delete_done(struct write_call *write)
{
    struct subscription_call *call = CONTAINER_OF(write, struct subscription_call, write);
    if (call->delete_job.refusal != ERROR_OK)
        respond_info(write->exchange, &call->delete_job.info);
    else if (call->delete_job.missing)
        http_respond_empty(write->exchange, 204);
    else
        http_respond_empty(write->exchange, 200);
}

void handle_subscription_delete(struct http_exchange *exchange, void *context)
{
    struct api *api = context;
    struct guid id;
    struct subscription_call *call;
    if (!require_guid(exchange, &id) || (call = new_call(exchange)) == NULL)
        return;
    if (guid_equal(&id, &api->operator_subscription)) {
        respond_error(exchange, ERROR_CONFLICT, NULL, "the operator's own subscription can't be deleted");
        return;
    }
    subscription_delete_init(&call->delete_job, &id);
    call->delete_job.by = call_of(exchange)->identity.name;
    struct audit_entry entry = { .action = TEXT("subscription.delete"), .subject = subject(exchange, &id) };
    write_call_start_audited(&call->write, &call->delete_job.job, exchange, &entry, was_deleted, delete_done);
}
