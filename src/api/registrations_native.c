/* /v1/commerce: registrations as the console shows them, how each stamp was registered when, and the key that
 * activation keys are signed with. */
#include "api/registrations.h"

#include <stdio.h>

#include "base/members.h"

#define NATIVE_PAGE_SIZE 1000

struct native_call {
    struct read_job job; /* first member */
    struct registration_path after;
    bool has_after;
    struct guid cloud_id;
    uint64_t number;
    int64_t now_ns;
};

static struct native_call *new_call(struct http_exchange *exchange)
{
    struct native_call *call = arena_zalloc(http_arena(exchange), sizeof *call);
    if (call == NULL)
        respond_error(exchange, ERROR_NO_MEMORY, NULL, NULL);
    else
        call->now_ns = store_now_ns(api_of(exchange)->options.store);
    return call;
}

static void put_path(struct json_writer *json, struct arena *arena, const struct registration_path *path)
{
    put_resource_id(json, "resourceId", arena, path);
    put_guid_member(json, "subscriptionId", &path->subscription_id);
    put_member(json, "resourceGroup", path->resource_group);
    put_member(json, "name", path->name);
}

static void put_number_text(struct json_writer *json, const char *name, uint64_t number)
{
    char text[24];
    (void)snprintf(text, sizeof text, "%llu", (unsigned long long)number);
    put_member(json, name, text_of(text));
}

/* The members, without the braces. */
static void put_native(struct json_writer *json, struct arena *arena, const struct registration *r, int64_t now_ns)
{
    char etag[REGISTRATION_ETAG_SIZE];
    registration_etag(r, etag);
    put_number_text(json, "id", r->number);
    put_path(json, arena, &r->path);
    put_guid_member(json, "cloudId", &r->cloud_id);
    put_guid_member_if(json, "objectId", &r->object_id);
    put_member(json, "billingModel", text_of(billing_model_name(r->model)));
    put_bool_member(json, "usageReporting", r->usage_reporting);
    put_bool_member(json, "marketplaceSyndication", r->marketplace_syndication);
    put_bool_member(json, "remoteManagement", r->remote_management);
    put_member(json, "agreementNumber", r->agreement_number);
    put_member(json, "msAssetTag", r->ms_asset_tag);
    put_member(json, "stampVersion", r->stamp_version);
    put_member(json, "publicKeyId", text_of(r->public_key_id));
    put_number_member(json, "cores", r->cores);
    put_time_member(json, "created", r->created_ns);
    put_member(json, "createdBy", r->created_by);
    put_time_member(json, "changed", r->changed_ns);
    put_member(json, "changedBy", r->changed_by);
    put_time_member(json, "registered", r->registered_ns);
    put_time_member(json, "expires", r->expires_ns == INT64_MAX ? INT64_MIN : r->expires_ns); /* null: never */
    put_member(json, "state", registration_is_expired(r, now_ns) ? TEXT("Expired") : TEXT("Active"));
    put_member(json, "etag", text_of(etag));
    if (r->tags.len > 0) {
        json_name(json, "tags");
        json_put_raw(json, r->tags);
    }
}

/* --- list --- */

static err_t read_list(struct read_job *job, struct kv_txn *txn)
{
    const struct native_call *call = (const struct native_call *)job;
    struct arena *arena = http_arena(job->exchange);
    struct registration *found;
    size_t count;
    bool more;
    err_t error = registration_page(txn, arena, NULL, TEXT_NONE, call->has_after ? &call->after : NULL,
                                    NATIVE_PAGE_SIZE, &found, &count, &more);
    if (error != ERROR_OK)
        return error;
    struct json_writer json = json_writer(&job->body);
    begin_value_list(&json);
    for (size_t i = 0; i < count; i++) {
        json_begin_object(&json);
        put_native(&json, arena, &found[i], call->now_ns);
        json_end_object(&json);
    }
    json_end_array(&json);
    if (more)
        put_registration_next_link(&json, job->exchange, &found[count - 1]);
    json_end_object(&json);
    return ERROR_OK;
}

void handle_commerce_registrations(struct http_exchange *exchange, void *context)
{
    (void)context;
    struct native_call *call = new_call(exchange);
    if (call == NULL || !require_skip_registration(exchange, &call->after, &call->has_after))
        return;
    call->job.read = read_list;
    read_job_start(&call->job, exchange);
}

/* --- one, with what its stamp said --- */

static err_t read_one(struct read_job *job, struct kv_txn *txn)
{
    const struct native_call *call = (const struct native_call *)job;
    struct arena *arena = http_arena(job->exchange);
    struct registration found;
    struct text facts;
    err_t error = registration_get(txn, arena, call->number, &found);
    if (error == ERROR_NOT_FOUND)
        return error_set(&job->info, ERROR_REGISTRATION_NOT_FOUND, NULL,
                         "there is no registration with the id %llu (now); GET /v1/commerce/registrations lists them",
                         (unsigned long long)call->number);
    if (error == ERROR_OK)
        error = registration_facts(txn, arena, call->number, &facts);
    if (error != ERROR_OK)
        return error;
    struct json_writer json = json_writer(&job->body);
    json_begin_object(&json);
    put_native(&json, arena, &found, call->now_ns);
    json_name(&json, "token");
    json_put_raw(&json, facts);
    json_end_object(&json);
    return ERROR_OK;
}

void handle_commerce_registration(struct http_exchange *exchange, void *context)
{
    (void)context;
    unsigned long long number;
    struct native_call *call = new_call(exchange);
    if (call == NULL)
        return;
    if (!text_to_u64(http_request(exchange)->parameters[0], &number)) {
        respond_error(exchange, ERROR_INVALID_PROPERTY, "id", "the id of a registration is a number, as lists show it");
        return;
    }
    call->number = number;
    call->job.read = read_one;
    read_job_start(&call->job, exchange);
}

/* --- history --- */

static err_t read_history(struct read_job *job, struct kv_txn *txn)
{
    const struct native_call *call = (const struct native_call *)job;
    struct arena *arena = http_arena(job->exchange);
    struct registration_change *changes;
    size_t count;
    err_t error = registration_history(txn, arena, &call->cloud_id, &changes, &count);
    if (error != ERROR_OK)
        return error;
    struct json_writer json = json_writer(&job->body);
    begin_value_list(&json);
    for (size_t i = 0; i < count; i++) {
        json_begin_object(&json);
        put_number_text(&json, "number", changes[i].number);
        put_time_member(&json, "effective", changes[i].effective_ns);
        put_time_member(&json, "recorded", changes[i].recorded_ns);
        put_member(&json, "by", changes[i].by);
        put_bool_member(&json, "registered", changes[i].registered);
        put_number_text(&json, "registration", changes[i].registration);
        put_path(&json, arena, &changes[i].path);
        put_member(&json, "billingModel", text_of(billing_model_name(changes[i].model)));
        put_bool_member(&json, "usageReporting", changes[i].usage_reporting);
        json_end_object(&json);
    }
    end_value_list(&json);
    return ERROR_OK;
}

void handle_commerce_registration_history(struct http_exchange *exchange, void *context)
{
    (void)context;
    bool found;
    struct native_call *call = new_call(exchange);
    if (call == NULL)
        return;
    if (!guid_parse(http_query(http_request(exchange), TEXT("cloudId"), &found), &call->cloud_id)) {
        respond_error(exchange, ERROR_INVALID_PROPERTY, "cloudId",
                      "the query parameter cloudId must be a stamp's GUID");
        return;
    }
    call->job.read = read_history;
    read_job_start(&call->job, exchange);
}

/* --- the key --- */

void handle_commerce_key(struct http_exchange *exchange, void *context)
{
    handle_heads_key(exchange, context);
}
