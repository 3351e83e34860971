/* GET /openapi.json: OpenAPI 3.1 of every route, made from the route table, so that it can't fall behind. What a
 * route is for stands here beside its handler; a handler without a line aborts at the first request, which a
 * test makes. */
#include <string.h>

#include "api/api_internal.h"
#include "base/check.h"

struct about {
    void (*handle)(struct http_exchange *exchange, void *context);
    const char *tag, *summary;
    const char *query; /* names of query parameters, blank separated; a required one ends with ! */
};

static const struct about abouts[] = {
    { handle_usage_post, "Usage", "Post usage records; answers a verdict per record", "results history" },
    { handle_summary, "Usage", "Sums of usage by any of its attributes",
      "from to axis granularity groupBy filter continuationToken" },
    { handle_meters, "Usage", "The meter catalogue", "" },
    { handle_tenants, "Usage", "Usage of a window per tenant and who pays for it; those without a mapping first",
      "from to mapped cloudId limit continuationToken" },
    { handle_corrections_post, "Usage", "Voids or amends records; the originals stay", "" },
    { handle_record_get, "Usage", "A record, its corrections and where it was counted", "" },
    { handle_explain, "Usage", "The records and corrections behind a row",
      "subscriptionId! meterId! resourceUri usageHour reportedHour usageDay reportedDay continuationToken" },
    { handle_changes, "Usage", "The journal's entries in order, for copies elsewhere", "after limit" },
    { handle_usage_aggregates, "Azure", "Usage of one subscription (Microsoft.Commerce)",
      "api-version! reportedStartTime! reportedEndTime! aggregationGranularity showDetails continuationToken" },
    { handle_subscriber_usage_aggregates, "Azure", "Usage of the direct tenants (Microsoft.Commerce.Admin)",
      "api-version! reportedStartTime! reportedEndTime! aggregationGranularity subscriberId showDetails "
      "continuationToken" },
    { handle_usage_without_subscription, "Azure", "Answers that the subscription id is missing", "" },
    { handle_watermarks_get, "Producers", "Usage hours per producer and source: complete, open or silent",
      "from to source producer state continuationToken" },
    { handle_watermarks_post, "Producers", "Declares every usage hour before a time complete", "" },
    { handle_watermark_put, "Producers", "Sets the expected cadence, or that a producer has left", "" },
    { handle_producers_get, "Producers", "How far each producer has come and what is expected of it",
      "source producer continuationToken" },
    { handle_alerts_get, "Producers", "Alerts, newest first", "state before" },
    { handle_alert_acknowledge, "Producers", "Says that somebody looks after an alert", "" },
    { handle_metadata_endpoints, "Azure", "Discovery of endpoints", "api-version!" },
    { handle_arm_subscriptions, "Azure", "The caller's own subscriptions", "api-version" },
    { handle_arm_subscription, "Azure", "One subscription", "api-version" },
    { handle_admin_subscriptions, "Azure", "Every subscription of the stamp with its owner", "api-version" },
    { handle_providers, "Azure", "Resource providers", "api-version" },
    { handle_provider, "Azure", "One resource provider", "api-version" },
    { handle_provider_register, "Azure", "Registers a resource provider; they always are", "api-version" },
    { handle_operations, "Azure", "Operations of the provider", "api-version!" },
    { handle_update_encryption, "Azure", "Protects stored usage anew", "api-version!" },
    { handle_subscriptions_get, "Subscriptions", "Every subscription, unknown ones included", "at knownAt" },
    { handle_subscription_get, "Subscriptions", "One subscription", "at knownAt" },
    { handle_subscription_put, "Subscriptions", "Describes a subscription", "" },
    { handle_subscription_delete, "Subscriptions", "Marks a subscription as deleted; its usage stays", "" },
    { handle_subscription_history, "Subscriptions", "Whose it was and which provider's, from when on, and who said so",
      "" },
    { handle_provider_tree, "Subscriptions", "Providers and their direct tenants, with what those used in a window",
      "at from to" },
    { handle_partners_get, "Commerce", "The partners, by id", "limit after" },
    { handle_partner_get, "Commerce", "One partner", "" },
    { handle_partner_put, "Commerce", "Enters or changes a partner", "" },
    { handle_partner_delete, "Commerce", "Deletes a partner that nothing refers to", "" },
    { handle_commerce_subscriptions_get, "Commerce", "The commercial subscriptions, by id",
      "partnerId tenantId limit after" },
    { handle_commerce_subscription_get, "Commerce", "One commercial subscription", "" },
    { handle_commerce_subscription_put, "Commerce", "Enters or changes a commercial subscription", "" },
    { handle_commerce_subscription_delete, "Commerce", "Deletes a commercial subscription", "" },
    { handle_approvals_get, "Commerce", "Registrations and whether they may have customers",
      "subscriptionId resourceGroup limit after" },
    { handle_approval_get, "Commerce", "One registration's approval", "subscriptionId resourceGroup" },
    { handle_approval_put, "Commerce", "Lets a registration have customers, or no longer",
      "subscriptionId resourceGroup" },
    { handle_approval_request, "Commerce", "Asks for the approval of a registration", "subscriptionId resourceGroup" },
    { handle_registration_get, "Registration", "Whether this stamp is registered and activated", "" },
    { handle_registration_token, "Registration", "Makes the token that the stamp is registered with", "" },
    { handle_activations_get, "Registration", "The activations of the stamp: one or none", "api-version!" },
    { handle_activation_get, "Registration", "The activation", "api-version!" },
    { handle_activation_put, "Registration", "Activates the stamp with the key of its registration", "api-version!" },
    { handle_activation_delete, "Registration", "Ends the activation", "api-version! forgetSigner" },
    { handle_activation_configuration, "Registration", "Version and identity system of the stamp", "api-version!" },
    { handle_registrations_list, "Registration", "Registrations of a subscription, or of a resource group",
      "api-version! $skipToken" },
    { handle_arm_registration_get, "Registration", "One registration", "api-version!" },
    { handle_arm_registration_put, "Registration", "Registers a stamp by its token, or renews that", "api-version!" },
    { handle_arm_registration_patch, "Registration", "Renews a registration, or changes its tags", "api-version!" },
    { handle_arm_registration_delete, "Registration", "Deletes a registration and frees its cloud id", "api-version!" },
    { handle_arm_registration_activation_key, "Registration", "The signed key that the stamp is activated with",
      "api-version!" },
    { handle_arm_registration_remote_management, "Registration", "Notes that remote management is wanted",
      "api-version" },
    { handle_azurestack_operations, "Registration", "Operations of Microsoft.AzureStack", "api-version!" },
    { handle_products_list, "Registration", "Products: none", "api-version!" },
    { handle_product, "Registration", "One product: not found", "api-version!" },
    { handle_product_list_action, "Registration", "Products of _all: none", "api-version!" },
    { handle_linked_subscriptions, "Registration", "Linked subscriptions: none", "api-version!" },
    { handle_linked_subscription, "Registration", "One linked subscription: not offered", "api-version!" },
    { handle_cloud_manifest, "Registration", "Cloud manifest files: none", "api-version!" },
    { handle_deployment_license, "Registration", "Deployment licences: not offered", "api-version!" },
    { handle_commerce_registrations, "Commerce", "Every registration with all that is known of it", "$skipToken" },
    { handle_commerce_registration, "Commerce", "One of them, with what the stamp's token said", "" },
    { handle_commerce_registration_history, "Commerce", "How a stamp was registered from when on", "cloudId!" },
    { handle_commerce_key, "Commerce", "The public key of activation keys, as JWK", "" },
    { handle_customer_subscriptions_list, "Azure", "Customer subscriptions of a registration",
      "api-version! $skipToken" },
    { handle_customer_subscription_get, "Azure", "One customer subscription", "api-version!" },
    { handle_customer_subscription_put, "Azure", "Maps a tenant to a customer subscription", "api-version!" },
    { handle_customer_subscription_delete, "Azure", "Ends the mapping; the registration's own subscription pays",
      "api-version! effectiveFrom" },
    { handle_customers_get, "Commerce", "Mappings at a time, as known at a time; as CSV what import takes",
      "registration! registrationId subscriptionId resourceGroup tenantId at knownAt after limit" },
    { handle_customers_history, "Commerce", "Who changed the mapping of a tenant, when, and from when on",
      "registration! registrationId subscriptionId resourceGroup tenantId! after limit" },
    { handle_customers_import, "Commerce", "Many mappings as CSV; a verdict per line",
      "registration! registrationId subscriptionId resourceGroup dryRun" },
    { handle_payer_get, "Commerce", "Who pays for usage of a tenant of a stamp at a time",
      "cloudId registration registrationId subscriptionId resourceGroup tenantId time knownAt" },
    { handle_session_post, "Identity", "Signs in to the console", "" },
    { handle_session_get, "Identity", "Who is signed in", "" },
    { handle_session_delete, "Identity", "Signs out", "" },
    { handle_tokens_get, "Identity", "Tokens, without their texts", "" },
    { handle_tokens_post, "Identity", "Makes a token; its text is shown once", "" },
    { handle_token_delete, "Identity", "Revokes a token", "" },
    { handle_users_get, "Identity", "Local users", "" },
    { handle_users_post, "Identity", "Adds a local user", "" },
    { handle_user_disable, "Identity", "Disables a local user", "" },
    { handle_rejects_get, "Rejects", "Records that were refused, with what was posted",
      "after source producer code state limit" },
    { handle_reject_get, "Rejects", "One of them", "" },
    { handle_reject_replay, "Rejects", "Posts it again, as kept or corrected; answers like a batch of one",
      "allowOld" },
    { handle_reject_delete, "Rejects", "Takes it off the open list", "" },
    { handle_findings, "Rejects", "Accepted usage that cannot be right", "from to check limit continuationToken" },
    { handle_audit, "Operating", "Who changed what, when and by which request", "after before limit" },
    { handle_retention_get, "Operating", "What is kept how long, what is gone, sizes and their forecast", "" },
    { handle_retention_post, "Operating", "Says that the clock is right after it made a leap", "" },
    { handle_verify, "Proofs", "Proves the store: integrity and completeness as two answers", "" },
    { handle_backups_post, "Operating", "Copies the running store into a folder of the server's machine", "" },
    { handle_stat, "Operating", "Where the space of the store goes", "" },
    { handle_doctor, "Operating", "What is wrong, in words, and what to do", "" },
    { handle_heads, "Proofs", "Signed heads of the journal, to be kept elsewhere", "after limit" },
    { handle_heads_key, "Proofs", "The public key that they are checked with, as JWK", "" },
    { handle_healthz, "Operating", "The process is alive", "" },
    { handle_readyz, "Operating", "Usage can be accepted", "" },
    { handle_metrics, "Operating", "Metrics in the Prometheus text format", "" },
    { handle_openapi, "Operating", "This document", "" },
    { handle_status, "Operating", "State of store, ingest and network", "" },
    { handle_clock, "Operating", "Moves the demo's clock (demo only)", "" },
};

static const struct about *about_route(const struct route *route)
{
    for (size_t i = 0; i < COUNT_OF(abouts); i++)
        if (abouts[i].handle == route->handle)
            return &abouts[i];
    REQUIREF(false, "route %s is not documented", route->pattern);
    return NULL;
}

static void put_parameter(struct json_writer *json, struct text name, const char *in, bool required)
{
    json_begin_object(json);
    json_name(json, "name");
    json_put_text(json, name);
    json_name(json, "in");
    json_put_cstring(json, in);
    json_name(json, "required");
    json_put_bool(json, required);
    json_name(json, "schema");
    json_put_raw(json, TEXT("{\"type\":\"string\"}"));
    json_end_object(json);
}

static void put_parameters(struct json_writer *json, const struct route *route, const struct about *about)
{
    json_name(json, "parameters");
    json_begin_array(json);
    for (const char *open = strchr(route->pattern, '{'); open != NULL; open = strchr(open + 1, '{')) {
        const char *close = strchr(open, '}');
        put_parameter(json, (struct text){ open + 1, (size_t)(close - open - 1) }, "path", true);
    }
    struct text rest = text_of(about->query), name;
    while (text_cut(&rest, ' ', &name)) {
        bool required = name.len > 0 && name.ptr[name.len - 1] == '!';
        name.len -= required ? 1 : 0;
        if (name.len > 0)
            put_parameter(json, name, "query", required);
    }
    json_end_array(json);
}

static void put_operation(struct json_writer *json, const struct route *route)
{
    static const char *const methods[HTTP_METHOD_COUNT] = {
        "get", "head", "post", "put", "patch", "delete", "options"
    };
    const struct about *about = about_route(route);
    json_name(json, methods[route->method]);
    json_begin_object(json);
    json_name(json, "summary");
    json_put_cstring(json, about->summary);
    json_name(json, "tags");
    json_begin_array(json);
    json_put_cstring(json, about->tag);
    json_end_array(json);
    put_parameters(json, route, about);
    if (route->flags & FOR_ANYONE) {
        json_name(json, "security");
        json_put_raw(json, TEXT("[]"));
    }
    json_name(json, "responses");
    json_put_raw(json, TEXT("{\"default\":{\"$ref\":\"#/components/responses/Error\"},"
                            "\"200\":{\"description\":\"done\"}}"));
    json_end_object(json);
}

/* Operations of one path belong into one object, wherever their routes stand in the table. */
static void put_paths(struct json_writer *json)
{
    json_name(json, "paths");
    json_begin_object(json);
    for (size_t i = 0; i < api_routes_count; i++) {
        bool first = true;
        for (size_t before = 0; before < i && first; before++)
            first = strcmp(api_routes[before].pattern, api_routes[i].pattern) != 0;
        if (!first)
            continue;
        json_name(json, api_routes[i].pattern);
        json_begin_object(json);
        for (size_t same = i; same < api_routes_count; same++)
            if (strcmp(api_routes[same].pattern, api_routes[i].pattern) == 0)
                put_operation(json, &api_routes[same]);
        json_end_object(json);
    }
    json_end_object(json);
}

void handle_openapi(struct http_exchange *exchange, void *context)
{
    struct api *api = context;
    struct buffer body = { 0 };
    struct json_writer json = json_writer(&body);
    json_begin_object(&json);
    json_name(&json, "openapi");
    json_put_cstring(&json, "3.1.0");
    json_name(&json, "info");
    json_begin_object(&json);
    json_name(&json, "title");
    json_put_cstring(&json, "Stampmeter");
    json_name(&json, "version");
    json_put_cstring(&json, api->options.version);
    json_end_object(&json);
    json_name(&json, "security");
    json_put_raw(&json, TEXT("[{\"token\":[]}]"));
    put_paths(&json);
    json_name(&json, "components");
    json_put_raw(&json, TEXT("{\"securitySchemes\":{\"token\":{\"type\":\"http\",\"scheme\":\"bearer\"}},"
                             "\"responses\":{\"Error\":{\"description\":\"an error\",\"content\":{\"application/json\":"
                             "{\"schema\":{\"type\":\"object\",\"properties\":{\"error\":{\"type\":\"object\","
                             "\"properties\":{\"code\":{\"type\":\"string\"},\"message\":{\"type\":\"string\"},"
                             "\"target\":{\"type\":\"string\"}}}}}}}}}}"));
    json_end_object(&json);
    respond_json(exchange, 200, &body);
}
