/* Actions on a registration: its activation key, remote management (wire-contracts 4.1, spec 6.6). */
#include "api/registrations.h"

#include "base/check.h"
#include "base/files.h"
#include "base/log.h"
#include "base/members.h"
#include "base/url.h"
#include "net/tls.h"
#include "registration/activation_key.h"

/* Audiences and marketplace as the real service names them (spec 6.6): a stamp compares them with what it knows,
 * nothing here is called. */
#define USAGE_RESOURCE_URI TEXT("https://usage.microsoftazurestack.com")
#define MARKETPLACE_ENDPOINT TEXT("https://management.azure.com")
#define CERTIFICATE_SIZE_MAX ((size_t)1 << 20)
#define MARKETPLACE_RESOURCE_URI TEXT("https://marketplace.microsoftazurestack.com")

/* --- activation key --- */

struct key_call {
    struct write_call write;
    struct registration_key_facts facts;
    struct read_job sign; /* signing takes a millisecond, and a file is read: on a worker */
};

static bool certificate_names(const char *file, struct text authority)
{
    struct buffer pem = { 0 };
    bool named = file != NULL && file_read(file, CERTIFICATE_SIZE_MAX, &pem, NULL) == ERROR_OK &&
                 tls_certificate_names(buffer_text(&pem), authority);
    buffer_free(&pem);
    return named;
}

/* Where the stamp is to send its usage. It is signed, so it is what was configured, or else how the caller reached this
 * server, provided that the certificate or the listen address says that this is here: anybody can write any Host. */
static struct text usage_endpoint(struct http_exchange *exchange)
{
    const struct api *api = api_of(exchange);
    struct text url = text_of(api->options.commerce_public_url), host = http_request(exchange)->host;
    if (url.len == 0)
        url = base_url(exchange);
    if (text_of(api->options.commerce_public_url).len == 0 && !text_equal_nocase(host, server_address(api->server)) &&
        (!certificate_names(api->options.certificate_file, host) || !https_url_is_valid(url))) {
        url = text_of(api->options.own_url);
        log_warning("registration", "a key names this server's own address; set commerce.public_url",
                    LOG_TEXT("host", host), LOG_TEXT("url", url));
    }
    while (url.len > 0 && url.ptr[url.len - 1] == '/')
        url.len--;
    return url;
}

static err_t sign_key(struct read_job *job, struct kv_txn *txn)
{
    (void)txn;
    const struct key_call *call = CONTAINER_OF(job, struct key_call, sign);
    const struct registration *r = &call->facts.registration;
    struct activation_key key = {
        .subscription_id = r->path.subscription_id,
        .resource_group = r->path.resource_group,
        .registration_name = r->path.name,
        .cloud_id = r->cloud_id,
        .object_id = r->object_id,
        .model = r->model,
        .usage_endpoint = usage_endpoint(job->exchange),
        .usage_resource_uri = USAGE_RESOURCE_URI,
        .marketplace_endpoint = MARKETPLACE_ENDPOINT,
        .marketplace_resource_uri = MARKETPLACE_RESOURCE_URI,
        .usage_reporting = r->usage_reporting,
        .marketplace_syndication = r->marketplace_syndication,
        .issued_ns = call->facts.issued_ns,
        .expires_ns = r->expires_ns == INT64_MAX ? ACTIVATION_NEVER_EXPIRES : r->expires_ns,
        .issuer = TEXT("Stampmeter"),
        .version = TEXT("1.0"),
    };
    struct buffer text = { 0 };
    err_t error = activation_key_sign(&key, store_signature_key(job->api->options.store), &text);
    if (error == ERROR_OK) {
        struct json_writer json = json_writer(&job->body);
        json_begin_object(&json);
        put_member(&json, "activationKey", buffer_text(&text));
        json_end_object(&json);
    }
    buffer_free(&text);
    return error;
}

static void facts_done(struct write_call *write)
{
    struct key_call *call = CONTAINER_OF(write, struct key_call, write);
    if (call->facts.refusal != ERROR_OK) {
        respond_info(write->exchange, &call->facts.info);
        return;
    }
    call->sign.read = sign_key;
    call->sign.without_snapshot = true;
    read_job_start(&call->sign, write->exchange);
}

static bool was_read(struct audited_job *audited)
{
    return ((const struct registration_key_facts *)audited->wanted)->refusal == ERROR_OK;
}

void handle_arm_registration_activation_key(struct http_exchange *exchange, void *context)
{
    (void)context;
    struct key_call *call = arena_zalloc(http_arena(exchange), sizeof *call);
    if (call == NULL) {
        respond_error(exchange, ERROR_NO_MEMORY, NULL, NULL);
        return;
    }
    if (!require_registration_path(exchange, &call->facts.path) || !require_api_version(exchange, azurestack_versions))
        return;
    call->facts.arena = http_arena(exchange);
    registration_key_facts_init(&call->facts);
    struct audit_entry entry = { .action = TEXT("registration.activationKey"),
                                 .subject = registration_subject(exchange, &call->facts.path) };
    write_call_start_audited(&call->write, &call->facts.job, exchange, &entry, was_read, facts_done);
}

/* --- remote management --- */

struct remote_call {
    struct write_call write;
    struct registration_remote_management enable;
};

static bool was_enabled(struct audited_job *audited)
{
    const struct registration_remote_management *enable =
        (const struct registration_remote_management *)audited->wanted;
    return enable->refusal == ERROR_OK && !enable->unchanged;
}

static void enable_done(struct write_call *write)
{
    const struct remote_call *call = CONTAINER_OF(write, struct remote_call, write);
    if (call->enable.refusal != ERROR_OK)
        respond_info(write->exchange, &call->enable.info);
    else
        http_respond_empty(write->exchange, 200);
}

/* The Python client sends no api-version here (wire-contracts 4.1). */
static bool version_is_fine(struct http_exchange *exchange)
{
    bool found;
    (void)http_query(http_request(exchange), TEXT("api-version"), &found);
    return !found || require_api_version(exchange, azurestack_versions);
}

void handle_arm_registration_remote_management(struct http_exchange *exchange, void *context)
{
    (void)context;
    struct remote_call *call = arena_zalloc(http_arena(exchange), sizeof *call);
    if (call == NULL) {
        respond_error(exchange, ERROR_NO_MEMORY, NULL, NULL);
        return;
    }
    if (!require_registration_path(exchange, &call->enable.path) || !version_is_fine(exchange))
        return;
    call->enable.by = call_of(exchange)->identity.name;
    call->enable.by_user = call_of(exchange)->by_cookie;
    call->enable.arena = http_arena(exchange);
    registration_remote_management_init(&call->enable);
    struct audit_entry entry = { .action = TEXT("registration.remoteManagement"),
                                 .subject = registration_subject(exchange, &call->enable.path) };
    write_call_start_audited(&call->write, &call->enable.job, exchange, &entry, was_enabled, enable_done);
}
