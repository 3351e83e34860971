/* Microsoft.AzureBridge.Admin/activations (spec 6.7, wire-contracts 4.5): the stamp takes the activation key of its
 * registration. There is one activation, "default", in whatever resource group is asked for (azurestack-activation by
 * custom). */
#include "registration/activation.h"

#include "api/api_internal.h"
#include "api/arm_resource.h"
#include "base/members.h"
#include "registration/registration.h"

#define NAME TEXT("default")
#define NAMESPACE_TYPE "Microsoft.AzureBridge.Admin/activations"
/* What the identity of the stamp is answered as elsewhere, too (arm.c). */
#define IDENTITY_SYSTEM TEXT("ADFS")

static const char *const versions[] = { "2016-01-01", NULL };

struct activation_call {
    struct read_job job; /* first member, for reads */
    struct write_call write;
    struct activation_put put;
    struct activation_delete delete_job;
    struct text etag; /* of what was read; ptr NULL: nothing */
};

/* --- what all of them ask for first --- */

/* The call, or NULL after an answer. */
static struct activation_call *new_call(struct http_exchange *exchange)
{
    struct guid subscription;
    if (!require_subscription(exchange, &subscription) || !require_api_version(exchange, versions))
        return NULL;
    struct activation_call *call = arena_zalloc(http_arena(exchange), sizeof *call);
    if (call == NULL)
        respond_error(exchange, ERROR_NO_MEMORY, NULL, NULL);
    return call;
}

static bool is_default(struct http_exchange *exchange)
{
    return text_equal_nocase(http_request(exchange)->parameters[2], NAME);
}

static err_t not_found(struct error_info *info)
{
    return error_set(
        info, ERROR_RESOURCE_NOT_FOUND, NULL,
        "this stamp has no such activation; the only one is 'default', there once an activation key was put");
}

/* --- the resource --- */

static struct text etag_of(struct arena *arena, const struct activation *activation)
{
    return arena_format(arena, "%llu", (unsigned long long)activation->etag);
}

static err_t put_resource(struct json_writer *json, struct http_exchange *exchange, const struct activation *activation)
{
    const struct http_request *request = http_request(exchange);
    const struct activation_key *key = &activation->key;
    const struct registration_path path = { key->subscription_id, key->resource_group, key->registration_name };
    struct arena *arena = http_arena(exchange);
    struct text registration = registration_resource_id(arena, &path), etag = etag_of(arena, activation);
    struct text id = arena_format(arena, "/subscriptions/%.*s/resourceGroups/%.*s/providers/" NAMESPACE_TYPE "/default",
                                  TEXT_ARGS(request->parameters[0]), TEXT_ARGS(request->parameters[1]));
    if (id.ptr == NULL || registration.ptr == NULL || etag.ptr == NULL)
        return ERROR_NO_MEMORY;
    json_begin_object(json);
    put_member(json, "id", id);
    put_member(json, "name", NAME);
    put_member(json, "type", TEXT(NAMESPACE_TYPE));
    put_member(json, "location", TEXT("local"));
    put_member(json, "etag", etag);
    json_name(json, "properties");
    json_begin_object(json);
    put_member(json, "displayName", TEXT("Activation of this stamp"));
    put_member(json, "azureRegistrationResourceIdentifier", registration);
    put_member(json, "provisioningState", TEXT("Succeeded"));
    put_expiry_member(json, "expiration", key->expires_ns);
    put_bool_member(json, "marketplaceSyndicationEnabled", key->marketplace_syndication);
    put_bool_member(json, "usageReportingEnabled", key->usage_reporting);
    json_end_object(json);
    json_end_object(json);
    return ERROR_OK;
}

/* --- reading --- */

static err_t read_list(struct read_job *job, struct kv_txn *txn)
{
    struct activation activation;
    struct json_writer json = json_writer(&job->body);
    begin_value_list(&json);
    err_t error = activation_get(txn, http_arena(job->exchange), &activation);
    if (error == ERROR_OK)
        error = put_resource(&json, job->exchange, &activation);
    end_value_list(&json);
    return error == ERROR_NOT_FOUND ? ERROR_OK : error;
}

static err_t read_one(struct read_job *job, struct kv_txn *txn)
{
    struct activation activation;
    struct json_writer json = json_writer(&job->body);
    err_t error = activation_get(txn, http_arena(job->exchange), &activation);
    if (error != ERROR_OK)
        return error == ERROR_NOT_FOUND ? not_found(&job->info) : error;
    ((struct activation_call *)job)->etag = etag_of(http_arena(job->exchange), &activation);
    return put_resource(&json, job->exchange, &activation);
}

static void answer_one(struct read_job *job)
{
    if (job->error == ERROR_OK) {
        set_etag_header(job->exchange, ((struct activation_call *)job)->etag);
        respond_json(job->exchange, 200, &job->body);
        return;
    }
    buffer_free(&job->body);
    if (job->info.code == ERROR_OK)
        (void)error_set(&job->info, job->error, NULL, NULL);
    respond_info(job->exchange, &job->info);
}

void handle_activations_get(struct http_exchange *exchange, void *context)
{
    (void)context;
    struct activation_call *call = new_call(exchange);
    if (call == NULL)
        return;
    call->job.read = read_list;
    read_job_start(&call->job, exchange);
}

void handle_activation_get(struct http_exchange *exchange, void *context)
{
    (void)context;
    struct error_info info = { 0 };
    struct activation_call *call = new_call(exchange);
    if (call == NULL)
        return;
    if (!is_default(exchange)) {
        (void)not_found(&info);
        respond_info(exchange, &info);
        return;
    }
    call->job.read = read_one;
    call->job.answer = answer_one;
    read_job_start(&call->job, exchange);
}

/* DeviceConfiguration of wire-contracts 4.3: what a marketplace wants to know of the stamp. */
void handle_activation_configuration(struct http_exchange *exchange, void *context)
{
    struct api *api = context;
    struct error_info info = { 0 };
    struct buffer body = { 0 };
    if (new_call(exchange) == NULL)
        return;
    if (!is_default(exchange)) {
        (void)not_found(&info);
        respond_info(exchange, &info);
        return;
    }
    struct json_writer json = json_writer(&body);
    json_begin_object(&json);
    put_member(&json, "deviceVersion", text_of(api->options.version));
    put_member(&json, "identitySystem", IDENTITY_SYSTEM);
    json_end_object(&json);
    respond_json(exchange, 200, &body);
}

/* --- activating --- */

static void put_done(struct write_call *write)
{
    struct activation_call *call = CONTAINER_OF(write, struct activation_call, write);
    struct buffer body = { 0 };
    struct json_writer json = json_writer(&body);
    if (call->put.refusal != ERROR_OK) {
        respond_info(write->exchange, &call->put.info);
        return;
    }
    if (put_resource(&json, write->exchange, &call->put.result) != ERROR_OK)
        body.failed = true;
    set_etag_header(write->exchange, etag_of(http_arena(write->exchange), &call->put.result));
    respond_json(write->exchange, 200, &body);
}

void handle_activation_put(struct http_exchange *exchange, void *context)
{
    struct api *api = context;
    struct text key_text;
    struct activation_call *call = new_call(exchange);
    const struct json *body;
    if (call == NULL)
        return;
    if (!is_default(exchange)) {
        respond_error(exchange, ERROR_INVALID_PROPERTY, "activationName",
                      "a stamp has one activation, and its name is 'default'");
        return;
    }
    if ((body = require_json_body(exchange)) == NULL)
        return;
    if (!json_member_string(json_member(body, TEXT("properties")), TEXT("activationKey"), &key_text) ||
        key_text.len == 0) {
        respond_error(exchange, ERROR_INVALID_PROPERTY, "properties.activationKey",
                      "properties.activationKey is missing; it is the text that getactivationkey of the registration "
                      "answers");
        return;
    }
    activation_put_init(&call->put, http_arena(exchange), key_text, call_of(exchange)->identity.name);
    call->put.trusted_key_id = api->options.trusted_key_id;
    call->put.precondition = request_precondition(exchange);
    const struct audit_entry entry = { .action = TEXT("activation.put"), .subject = TEXT("activations/default") };
    write_call_start_audited(&call->write, &call->put.job, exchange, &entry, activation_was_put, put_done);
}

/* --- and no more --- */

static void delete_done(struct write_call *write)
{
    const struct activation_call *call = CONTAINER_OF(write, struct activation_call, write);
    if (call->delete_job.refusal != ERROR_OK)
        respond_info(write->exchange, &call->delete_job.info);
    else
        http_respond_empty(write->exchange, call->delete_job.changed ? 200 : 204);
}

void handle_activation_delete(struct http_exchange *exchange, void *context)
{
    (void)context;
    bool found;
    struct activation_call *call = new_call(exchange);
    if (call == NULL)
        return;
    struct text forget = http_query(http_request(exchange), TEXT("forgetSigner"), &found);
    if (found && !text_equal_nocase(forget, TEXT("true")) && !text_equal_nocase(forget, TEXT("false"))) {
        respond_error(exchange, ERROR_INVALID_PROPERTY, "forgetSigner", "forgetSigner is true or false");
        return;
    }
    if (!is_default(exchange)) {
        http_respond_empty(exchange, 204);
        return;
    }
    bool forget_signer = found && text_equal_nocase(forget, TEXT("true"));
    activation_delete_init(&call->delete_job, forget_signer);
    call->delete_job.precondition = request_precondition(exchange);
    const struct audit_entry entry = { .action = TEXT("activation.delete"),
                                       .subject = TEXT("activations/default"),
                                       .detail = forget_signer ? TEXT("{\"forgetSigner\":true}") : TEXT_NONE };
    write_call_start_audited(&call->write, &call->delete_job.job, exchange, &entry, activation_was_deleted,
                             delete_done);
}
