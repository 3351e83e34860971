/* What Azure clients look for around the usage APIs: discovery, subscriptions, provider registration,
 * operations (wire-contracts.md 3 and 5). */
#include <stdio.h>
#include <string.h>

#include "api/arm_resource.h"
#include "base/members.h"
#include "commerce/catalogue.h"
#include "usage/subscription_history.h"

#define ENDPOINTS_LIST_FROM "2019-05-01" /* from this api-version on the answer is a list of clouds */

#define SUBSCRIPTIONS_PAGE_SIZE 1000 /* of the commercial side's */

static const char *const operations_versions[] = { "2015-06-01-preview", NULL };

/* --- discovery, without credentials --- */

static void put_authentication(struct json_writer *json, struct text url, bool list)
{
    json_name(json, "authentication");
    json_begin_object(json);
    put_member(json, "loginEndpoint", url);
    json_name(json, "audiences");
    json_begin_array(json);
    json_put_text(json, url);
    json_end_array(json);
    if (list) {
        put_member(json, "tenant", TEXT("common"));
        put_member(json, "identityProvider", TEXT("ADFS"));
    }
    json_end_object(json);
}

static void put_cloud(struct json_writer *json, struct text url)
{
    json_begin_array(json);
    json_begin_object(json);
    put_member(json, "name", TEXT("AzureStack"));
    put_member(json, "resourceManager", url);
    put_member(json, "portal", url);
    put_authentication(json, url, true);
    json_name(json, "suffixes");
    json_begin_object(json);
    json_end_object(json);
    json_end_object(json);
    json_end_array(json);
}

static void put_endpoints(struct json_writer *json, struct text url)
{
    json_begin_object(json);
    put_member(json, "galleryEndpoint", url);
    put_member(json, "graphEndpoint", url);
    put_member(json, "portalEndpoint", url);
    put_authentication(json, url, false);
    json_end_object(json);
}

void handle_metadata_endpoints(struct http_exchange *exchange, void *context)
{
    (void)context;
    bool found;
    struct text version = http_query(http_request(exchange), TEXT("api-version"), &found);
    if (!found || version.len == 0) {
        respond_error(exchange, ERROR_NO_API_VERSION, "api-version",
                      "the query parameter api-version is required; use api-version=2015-01-01");
        return;
    }
    struct buffer body = { 0 };
    struct json_writer json = json_writer(&body);
    if (text_compare(version, TEXT(ENDPOINTS_LIST_FROM)) >= 0)
        put_cloud(&json, base_url(exchange));
    else
        put_endpoints(&json, base_url(exchange));
    respond_json(exchange, 200, &body);
}

/* --- subscriptions as ARM shows them --- */

static void put_subscription(struct json_writer *json, const struct subscription *s)
{
    char id[GUID_TEXT_SIZE], path[80];
    guid_print(&s->id, id);
    snprintf(path, sizeof path, "/subscriptions/%s", id);
    json_begin_object(json);
    put_member(json, "id", text_of(path));
    put_member(json, "subscriptionId", text_of(id));
    put_guid_member(json, "tenantId", &s->tenant_id);
    put_member(json, "displayName", s->display_name);
    put_member(json, "state", text_of(subscription_state_name(s->state)));
    put_member(json, "offerId", s->offer_id);
    json_name(json, "subscriptionPolicies");
    json_begin_object(json);
    put_member(json, "locationPlacementId", TEXT(""));
    put_member(json, "quotaId", TEXT(""));
    put_member(json, "spendingLimit", TEXT("Off"));
    json_end_object(json);
    json_end_object(json);
}

static bool caller_owns(struct http_exchange *exchange, struct guid *id)
{
    const struct call *call = call_of(exchange);
    if (call->identity.role == ROLE_OPERATOR)
        *id = call->api->operator_subscription;
    else if (call->identity.role == ROLE_TENANT)
        *id = call->identity.subscription;
    else
        return false;
    return true;
}

/* The caller's own: the operator's default provider subscription, or a tenant's. */
static err_t read_own(struct read_job *job, struct kv_txn *txn)
{
    struct guid id;
    struct subscription subscription;
    struct json_writer json = json_writer(&job->body);
    begin_value_list(&json);
    if (caller_owns(job->exchange, &id)) {
        err_t error = subscription_get(job->api->options.store, txn, http_arena(job->exchange), &id, &subscription);
        if (error == ERROR_OK)
            put_subscription(&json, &subscription);
        else if (error != ERROR_NOT_FOUND)
            return error;
    }
    end_value_list(&json);
    return ERROR_OK;
}

struct subscription_read {
    struct read_job job; /* first member */
    struct guid id;
};

static err_t read_one(struct read_job *job, struct kv_txn *txn)
{
    struct subscription subscription;
    err_t error = subscription_get(job->api->options.store, txn, http_arena(job->exchange),
                                   &((struct subscription_read *)job)->id, &subscription);
    if (error == ERROR_NOT_FOUND) {
        struct text id = http_request(job->exchange)->parameters[0];
        return error_set(&job->info, ERROR_SUBSCRIPTION_NOT_FOUND, NULL, "The subscription '%.*s' could not be found.",
                         (int)(id.len < 64 ? id.len : 64), id.ptr);
    }
    if (error != ERROR_OK)
        return error;
    struct json_writer json = json_writer(&job->body);
    put_subscription(&json, &subscription);
    return ERROR_OK;
}

/* The commercial side has no list of subscriptions but those that stamps are registered under. Whose they are is in the
 * catalogue, where somebody entered them; else tenantId is all zeros. */
static err_t put_registered(struct json_writer *json, struct kv_txn *txn, struct arena *arena, const struct guid *id)
{
    struct subscription subscription = { .id = *id, .state = SUBSCRIPTION_ENABLED };
    struct commercial_subscription known;
    subscription.display_name = subscription.owner = subscription.offer_id = TEXT("");
    err_t error = catalogue_get(txn, arena, id, &known);
    if (error == ERROR_OK)
        subscription.tenant_id = known.tenant_id;
    put_subscription(json, &subscription);
    return error == ERROR_NOT_FOUND ? ERROR_OK : error;
}

/* Theirs, by pages. */
static err_t read_registered(struct read_job *job, struct kv_txn *txn)
{
    const struct guid *after = &((struct subscription_read *)job)->id; /* zeros come before all others */
    struct arena *arena = http_arena(job->exchange);
    struct guid *ids;
    size_t count, first = 0;
    err_t error = registration_subscriptions(txn, arena, &ids, &count);
    if (error != ERROR_OK)
        return error;
    while (first < count && memcmp(ids[first].bytes, after->bytes, sizeof after->bytes) <= 0)
        first++;
    size_t end = count - first > SUBSCRIPTIONS_PAGE_SIZE ? first + SUBSCRIPTIONS_PAGE_SIZE : count;
    struct json_writer json = json_writer(&job->body);
    begin_value_list(&json);
    for (size_t i = first; i < end && error == ERROR_OK; i++)
        error = put_registered(&json, txn, arena, &ids[i]);
    json_end_array(&json);
    if (end < count)
        put_guid_next_link(&json, job->exchange, &ids[end - 1]);
    json_end_object(&json);
    return error;
}

static err_t read_registered_one(struct read_job *job, struct kv_txn *txn)
{
    const struct guid *id = &((struct subscription_read *)job)->id;
    struct registration *found;
    size_t count;
    bool more;
    err_t error = registration_page(txn, http_arena(job->exchange), id, TEXT_NONE, NULL, 1, &found, &count, &more);
    if (error != ERROR_OK)
        return error;
    struct json_writer json = json_writer(&job->body);
    if (count == 0)
        return error_set(&job->info, ERROR_SUBSCRIPTION_NOT_FOUND, NULL, "No stamp is registered under it.");
    return put_registered(&json, txn, http_arena(job->exchange), id);
}

static bool is_commerce(struct http_exchange *exchange)
{
    return call_of(exchange)->identity.role == ROLE_COMMERCE;
}

static void start_read(struct http_exchange *exchange, err_t (*read)(struct read_job *job, struct kv_txn *txn),
                       const struct guid *id)
{
    struct subscription_read *call = arena_zalloc(http_arena(exchange), sizeof *call);
    if (call == NULL) {
        respond_error(exchange, ERROR_NO_MEMORY, NULL, NULL);
        return;
    }
    call->job.read = read;
    if (id != NULL)
        call->id = *id;
    read_job_start(&call->job, exchange);
}

void handle_arm_subscriptions(struct http_exchange *exchange, void *context)
{
    (void)context;
    bool has_after;
    struct guid id = { { 0 } };
    if (is_commerce(exchange) && !require_skip_guid(exchange, &id, &has_after))
        return;
    start_read(exchange, is_commerce(exchange) ? read_registered : read_own, &id);
}

void handle_arm_subscription(struct http_exchange *exchange, void *context)
{
    (void)context;
    struct guid id;
    if (require_subscription(exchange, &id))
        start_read(exchange, is_commerce(exchange) ? read_registered_one : read_one, &id);
}

/* The admin list that collectors join owners from (spec 3.5): rows without an ARM envelope. */
static err_t read_admin_list(struct read_job *job, struct kv_txn *txn)
{
    struct subscription *all;
    size_t count;
    err_t error = subscription_list_at(txn, http_arena(job->exchange), store_now_ns(job->api->options.store), INT64_MAX,
                                       &all, NULL, &count);
    if (error != ERROR_OK)
        return error;
    struct json_writer json = json_writer(&job->body);
    begin_value_list(&json);
    for (size_t i = 0; i < count; i++) {
        const struct guid *provider = subscription_is_direct(&all[i], &job->api->operator_subscription)
                                          ? &job->api->operator_subscription
                                          : &all[i].provider_subscription_id;
        json_begin_object(&json);
        put_guid_member(&json, "subscriptionId", &all[i].id);
        put_guid_member(&json, "tenantId", &all[i].tenant_id);
        put_member(&json, "owner", all[i].owner);
        put_member(&json, "displayName", all[i].display_name);
        put_guid_member(&json, "delegatedProviderSubscriptionId", provider);
        put_member(&json, "offerId", all[i].offer_id);
        put_member(&json, "state", text_of(subscription_state_name(all[i].state)));
        json_end_object(&json);
    }
    end_value_list(&json);
    return ERROR_OK;
}

void handle_admin_subscriptions(struct http_exchange *exchange, void *context)
{
    (void)context;
    start_read(exchange, read_admin_list, NULL);
}

/* --- provider registration: always registered, so that no client waits --- */

static const char *const namespaces[] = { "Microsoft.Commerce", "Microsoft.Commerce.Admin",
                                          "Microsoft.Subscriptions.Admin", "Microsoft.AzureStack" };

static void put_provider(struct json_writer *json, struct text subscription, struct text name)
{
    char id[256];
    snprintf(id, sizeof id, "/subscriptions/%.*s/providers/%.*s", TEXT_ARGS(subscription), TEXT_ARGS(name));
    json_begin_object(json);
    put_member(json, "id", text_of(id));
    put_member(json, "namespace", name);
    put_member(json, "registrationState", TEXT("Registered"));
    json_end_object(json);
}

void handle_provider(struct http_exchange *exchange, void *context)
{
    (void)context;
    struct guid id;
    if (!require_subscription(exchange, &id))
        return;
    const struct http_request *request = http_request(exchange);
    struct buffer body = { 0 };
    struct json_writer json = json_writer(&body);
    struct text name = request->parameters[1];
    if (name.len > 64)
        name.len = 64;
    put_provider(&json, request->parameters[0], name);
    respond_json(exchange, 200, &body);
}

void handle_provider_register(struct http_exchange *exchange, void *context)
{
    handle_provider(exchange, context);
}

void handle_providers(struct http_exchange *exchange, void *context)
{
    (void)context;
    struct guid id;
    if (!require_subscription(exchange, &id))
        return;
    struct buffer body = { 0 };
    struct json_writer json = json_writer(&body);
    begin_value_list(&json);
    for (size_t i = 0; i < COUNT_OF(namespaces); i++)
        put_provider(&json, http_request(exchange)->parameters[0], text_of(namespaces[i]));
    end_value_list(&json);
    respond_json(exchange, 200, &body);
}

/* --- operations --- */

static void put_operation(struct json_writer *json, const char *name, const char *resource, const char *operation,
                          const char *description)
{
    json_begin_object(json);
    put_member(json, "name", text_of(name));
    json_name(json, "display");
    json_begin_object(json);
    put_member(json, "provider", TEXT("Microsoft Commerce Service"));
    put_member(json, "resource", text_of(resource));
    put_member(json, "operation", text_of(operation));
    put_member(json, "description", text_of(description));
    json_end_object(json);
    json_end_object(json);
}

void handle_operations(struct http_exchange *exchange, void *context)
{
    (void)context;
    if (!require_api_version(exchange, operations_versions))
        return;
    struct buffer body = { 0 };
    struct json_writer json = json_writer(&body);
    begin_value_list(&json);
    put_operation(&json, "Microsoft.Commerce.Admin/updateEncryption/action", "updateEncryption", "Update encryption",
                  "Protects the stored usage anew after a change of the encryption settings");
    put_operation(&json, "Microsoft.Commerce.Admin/operations/read", "operations", "List operations",
                  "Lists the operations of this provider");
    end_value_list(&json);
    respond_json(exchange, 200, &body);
}

/* The store keeps no encrypted columns whose key could have changed, so there is nothing to protect anew. */
void handle_update_encryption(struct http_exchange *exchange, void *context)
{
    (void)context;
    struct guid id;
    if (require_subscription(exchange, &id) && require_api_version(exchange, operations_versions))
        http_respond_empty(exchange, 200);
}
