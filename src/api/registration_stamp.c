/* /v1/registration: whether this stamp is registered and activated, and the token that it is registered with. The
 * activation itself is an ARM resource (activations.c). */
#include "api/registration_stamp.h"

#include <string.h>

#include "api/api_internal.h"
#include "base/log.h"
#include "base/members.h"
#include "registration/activation.h"
#include "registration/registration.h"
#include "registration/stamp.h"

#define TEXT_SIZE_MAX 256
#define ARENA_BLOCK_SIZE ((size_t)16 * 1024)

/* --- the state --- */

static struct text resource_id_of(struct arena *arena, const struct activation_key *key)
{
    const struct registration_path path = { key->subscription_id, key->resource_group, key->registration_name };
    return registration_resource_id(arena, &path);
}

static err_t put_activation(struct json_writer *json, struct arena *arena, const struct activation *activation)
{
    const struct activation_key *key = &activation->key;
    struct text id = resource_id_of(arena, key);
    if (id.ptr == NULL)
        return ERROR_NO_MEMORY;
    json_name(json, "activation");
    json_begin_object(json);
    put_member(json, "registrationResourceId", id);
    put_guid_member(json, "subscriptionId", &key->subscription_id);
    put_member(json, "resourceGroup", key->resource_group);
    put_member(json, "registrationName", key->registration_name);
    put_member(json, "billingModel", text_of(billing_model_name(key->model)));
    put_bool_member(json, "usageReporting", key->usage_reporting);
    put_bool_member(json, "marketplaceSyndication", key->marketplace_syndication);
    put_member(json, "usageEndpoint", key->usage_endpoint);
    put_time_member(json, "issued", key->issued_ns);
    put_time_member(json, "expires", key->expires_ns == ACTIVATION_NEVER_EXPIRES ? INT64_MIN : key->expires_ns);
    put_time_member(json, "activatedTime", activation->activated_ns);
    put_member(json, "by", activation->by);
    put_member(json, "signerKeyId", text_of(key->key_id));
    json_end_object(json);
    return ERROR_OK;
}

err_t put_registration_state(struct json_writer *json, struct arena *arena, struct kv_txn *txn,
                             const struct stamp_facts *facts)
{
    struct stamp stamp;
    struct activation activation;
    struct text signer;
    err_t error = stamp_get(txn, &stamp);
    if (error == ERROR_OK)
        error = activation_signer(txn, arena, &signer);
    if (error != ERROR_OK)
        return error;
    error = activation_get(txn, arena, &activation);
    if (error != ERROR_OK && error != ERROR_NOT_FOUND)
        return error;
    const struct activation *there = error == ERROR_OK ? &activation : NULL;
    if (facts->trusted_key_id.len > 0)
        signer = facts->trusted_key_id;
    json_begin_object(json);
    enum activation_state state = activation_state_of(there, facts->trusted_key_id, facts->now_ns);
    put_member(json, "state", text_of(activation_state_name(state)));
    put_guid_member(json, "cloudId", &stamp.cloud_id);
    put_guid_member(json, "deploymentId", &stamp.deployment_id);
    put_member(json, "stampVersion", facts->version);
    put_member(json, "publicKeyId", text_of(facts->key->key_id));
    if (signer.len > 0)
        put_member(json, "trustedSigner", signer);
    error = there != NULL ? put_activation(json, arena, there) : ERROR_OK;
    json_end_object(json);
    return error;
}

static struct stamp_facts facts_of(const struct api *api)
{
    return (struct stamp_facts){ .version = text_of(api->options.version),
                                 .trusted_key_id = api->options.trusted_key_id,
                                 .key = store_signature_key(api->options.store),
                                 .now_ns = store_now_ns(api->options.store) };
}

static err_t read_state(struct read_job *job, struct kv_txn *txn)
{
    struct json_writer json = json_writer(&job->body);
    struct stamp_facts facts = facts_of(job->api);
    return put_registration_state(&json, http_arena(job->exchange), txn, &facts);
}

void handle_registration_get(struct http_exchange *exchange, void *context)
{
    (void)context;
    struct read_job *job = arena_zalloc(http_arena(exchange), sizeof *job);
    if (job == NULL) {
        respond_error(exchange, ERROR_NO_MEMORY, NULL, NULL);
        return;
    }
    job->read = read_state;
    read_job_start(job, exchange);
}

void warn_of_untrusted_activation(struct store *store, struct text trusted_key_id)
{
    struct activation activation;
    struct kv_txn *txn;
    struct arena *arena = trusted_key_id.len > 0 ? arena_new(ARENA_BLOCK_SIZE, 0) : NULL;
    if (arena == NULL || store_read_begin(store, &txn) != ERROR_OK) {
        arena_free(arena);
        return;
    }
    if (activation_get(txn, arena, &activation) == ERROR_OK &&
        activation_state_of(&activation, trusted_key_id, store_now_ns(store)) == ACTIVATION_UNTRUSTED)
        log_warning("registration", "the activation is of a signer that registration.trusted_key_id does not trust",
                    LOG_CSTR("signer", activation.key.key_id), LOG_TEXT("trusted", trusted_key_id));
    store_read_end(txn);
    arena_free(arena);
}

/* --- the token --- */

err_t registration_token_wanted(const struct json *body, struct registration_token *out, struct error_info *info)
{
    struct text model;
    bool wanted = false;
    *out = (struct registration_token){ .issuer = REGISTRATION_TOKEN_ISSUER, .version = REGISTRATION_TOKEN_VERSION };
    err_t error = read_text_member(body, "billingModel", TEXT_SIZE_MAX, &model, info);
    if (error == ERROR_OK && !billing_model_parse(model, &out->model))
        error = error_set(info, ERROR_INVALID_PROPERTY, "billingModel",
                          "billingModel is PayAsYouUse, Capacity, Development, Custom or Ruggedized");
    if (error == ERROR_OK)
        error = read_bool_member(body, "usageReporting", billing_model_reports_by_default(out->model), &wanted, info);
    if (error == ERROR_OK)
        error = read_bool_member(body, "marketplaceSyndication", false, &out->marketplace_syndication, info);
    if (error == ERROR_OK)
        error = read_text_member(body, "agreementNumber", TEXT_SIZE_MAX, &out->agreement_number, info);
    if (error == ERROR_OK)
        error = read_text_member(body, "msAssetTag", TEXT_SIZE_MAX, &out->ms_asset_tag, info);
    out->usage_reporting = billing_model_reports(out->model, wanted);
    return error == ERROR_OK ? billing_model_check(out->model, out->agreement_number, out->ms_asset_tag, info) : error;
}

err_t put_registration_token(struct json_writer *json, struct arena *arena, struct kv_txn *txn,
                             const struct stamp_facts *facts, struct registration_token *token)
{
    struct stamp stamp;
    struct buffer text = { 0 };
    err_t error = stamp_get(txn, &stamp);
    token->nodes = arena_zalloc(arena, sizeof *token->nodes);
    if (error == ERROR_OK)
        error = token->nodes == NULL ? ERROR_NO_MEMORY : stamp_hardware(arena, "", token->nodes);
    if (error != ERROR_OK)
        return error;
    token->node_count = 1;
    token->cloud_id = stamp.cloud_id;
    token->stamp_version = facts->version;
    token->has_public_key = true;
    memcpy(token->public_key, facts->key->public_key, sizeof token->public_key);
    registration_token_write(token, &text);
    json_begin_object(json);
    put_member(json, "registrationToken", buffer_text(&text));
    registration_token_put_members(token, json);
    json_end_object(json);
    error = text.failed ? ERROR_NO_MEMORY : ERROR_OK;
    buffer_free(&text);
    return error;
}

struct text describe_registration_token(const struct registration_token *token, struct arena *arena)
{
    struct buffer text = { 0 };
    struct json_writer json = json_writer(&text);
    json_begin_object(&json);
    put_member(&json, "billingModel", text_of(billing_model_name(token->model)));
    put_bool_member(&json, "usageReporting", token->usage_reporting);
    put_bool_member(&json, "marketplaceSyndication", token->marketplace_syndication);
    put_member_if(&json, "agreementNumber", token->agreement_number);
    put_member_if(&json, "msAssetTag", token->ms_asset_tag);
    json_end_object(&json);
    struct text copy = text.failed ? TEXT_NONE : arena_text(arena, buffer_text(&text));
    buffer_free(&text);
    return copy;
}

/* First it is written down that a token is made, then a worker makes it. */
struct token_call {
    struct read_job job; /* first member */
    struct write_call write;
    struct stamp_make make; /* all that there is to write beside the entry, and mostly there already */
    struct registration_token token;
};

static err_t read_token(struct read_job *job, struct kv_txn *txn)
{
    struct json_writer json = json_writer(&job->body);
    struct stamp_facts facts = facts_of(job->api);
    return put_registration_token(&json, http_arena(job->exchange), txn, &facts, &((struct token_call *)job)->token);
}

static void token_noted(struct write_call *write)
{
    struct token_call *call = CONTAINER_OF(write, struct token_call, write);
    read_job_start(&call->job, write->exchange);
}

void handle_registration_token(struct http_exchange *exchange, void *context)
{
    (void)context;
    struct error_info info = { 0 };
    const struct json *body = require_json_body(exchange);
    if (body == NULL)
        return;
    struct token_call *call = arena_zalloc(http_arena(exchange), sizeof *call);
    if (call == NULL) {
        respond_error(exchange, ERROR_NO_MEMORY, NULL, NULL);
        return;
    }
    if (registration_token_wanted(body, &call->token, &info) != ERROR_OK) {
        respond_info(exchange, &info);
        return;
    }
    call->job.read = read_token;
    stamp_make_init(&call->make, NULL);
    struct audit_entry entry = { .action = TEXT("registration.token"),
                                 .subject = TEXT("registration"),
                                 .detail = describe_registration_token(&call->token, http_arena(exchange)) };
    write_call_start_audited(&call->write, &call->make.job, exchange, &entry, NULL, token_noted);
}
