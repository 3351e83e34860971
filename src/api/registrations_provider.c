/* What else Microsoft.AzureStack answers: operations, and the parts of the real service that have nothing behind them
 * here. Lists of those are empty, single ones are not found, and what would have to be signed by the maker of the stamp
 * is refused as not implemented, so that nobody takes an empty answer for a licence (wire-contracts 4.3 to 4.5). */
#include "api/registrations.h"

#include "base/members.h"

static const char *const linked_versions[] = { "2020-06-01-preview", NULL };
static const char *const license_versions[] = { "2022-06-01", NULL };

static void respond_empty_list(struct http_exchange *exchange)
{
    http_respond_static(exchange, 200, MEDIA_JSON, TEXT("{\"value\":[]}"));
}

/* --- operations --- */

void handle_azurestack_operations(struct http_exchange *exchange, void *context)
{
    (void)context;
    static const struct {
        const char *name, *resource, *operation, *description;
    } operations[] = {
        { "Microsoft.AzureStack/register/action", "Subscription", "Register", "Registers the subscription" },
        { "Microsoft.AzureStack/Operations/read", "Operations", "Read", "Lists the operations of this provider" },
        { "Microsoft.AzureStack/cloudManifestFiles/read", "Cloud manifest file", "Read", "Gets the cloud manifest" },
        { "Microsoft.AzureStack/registrations/read", "Registration", "Read", "Gets registrations" },
        { "Microsoft.AzureStack/registrations/write", "Registration", "Write", "Registers a stamp, or renews it" },
        { "Microsoft.AzureStack/registrations/delete", "Registration", "Delete", "Deletes a registration" },
        { "Microsoft.AzureStack/registrations/getActivationKey/action", "Registration", "Get activation key",
          "Makes the key that a stamp is activated with" },
        { "Microsoft.AzureStack/registrations/products/read", "Product", "Read", "Gets products" },
        { "Microsoft.AzureStack/registrations/products/listDetails/action", "Product", "List details",
          "Gets the details of a product" },
        { "Microsoft.AzureStack/registrations/customerSubscriptions/read", "Customer subscription", "Read",
          "Gets customer subscriptions" },
        { "Microsoft.AzureStack/registrations/customerSubscriptions/write", "Customer subscription", "Write",
          "Adds a customer subscription" },
        { "Microsoft.AzureStack/registrations/customerSubscriptions/delete", "Customer subscription", "Delete",
          "Deletes a customer subscription" },
    };
    if (!require_api_version(exchange, azurestack_versions))
        return;
    struct buffer body = { 0 };
    struct json_writer json = json_writer(&body);
    begin_value_list(&json);
    for (size_t i = 0; i < COUNT_OF(operations); i++) {
        json_begin_object(&json);
        put_member(&json, "name", text_of(operations[i].name));
        json_name(&json, "display");
        json_begin_object(&json);
        put_member(&json, "provider", TEXT("Azure Stack"));
        put_member(&json, "resource", text_of(operations[i].resource));
        put_member(&json, "operation", text_of(operations[i].operation));
        put_member(&json, "description", text_of(operations[i].description));
        json_end_object(&json);
        json_end_object(&json);
    }
    end_value_list(&json);
    respond_json(exchange, 200, &body);
}

/* --- products: there are none, but the registration must be there --- */

struct products_call {
    struct read_job job; /* first member */
    struct registration_path path;
    bool list;
};

static err_t read_products(struct read_job *job, struct kv_txn *txn)
{
    const struct products_call *call = (const struct products_call *)job;
    struct registration registration;
    err_t error = registration_find(txn, http_arena(job->exchange), &call->path, &registration, &job->info);
    if (error != ERROR_OK)
        return error;
    if (call->list) {
        buffer_append_literal(&job->body, "{\"value\":[]}");
        return ERROR_OK;
    }
    struct text product = http_request(job->exchange)->parameters[3];
    return error_set(&job->info, ERROR_RESOURCE_NOT_FOUND, NULL,
                     "there is no product '%.*s': no marketplace is connected, so lists of products are empty",
                     (int)(product.len < 64 ? product.len : 64), product.ptr);
}

static void start_products(struct http_exchange *exchange, bool list)
{
    struct products_call *call = arena_zalloc(http_arena(exchange), sizeof *call);
    if (call == NULL) {
        respond_error(exchange, ERROR_NO_MEMORY, NULL, NULL);
        return;
    }
    if (!require_registration_path(exchange, &call->path) || !require_api_version(exchange, azurestack_versions))
        return;
    call->list = list;
    call->job.read = read_products;
    read_job_start(&call->job, exchange);
}

void handle_products_list(struct http_exchange *exchange, void *context)
{
    (void)context;
    start_products(exchange, true);
}

void handle_product(struct http_exchange *exchange, void *context)
{
    (void)context;
    start_products(exchange, false);
}

/* listProducts and getProducts: "_all" stands for a list, anything else for a product. */
void handle_product_list_action(struct http_exchange *exchange, void *context)
{
    (void)context;
    start_products(exchange, text_equal_nocase(http_request(exchange)->parameters[3], TEXT("_all")));
}

/* --- linked subscriptions: remote management has nothing to connect to --- */

void handle_linked_subscriptions(struct http_exchange *exchange, void *context)
{
    (void)context;
    struct guid id;
    if (require_path_subscription(exchange, &id) && require_api_version(exchange, linked_versions))
        respond_empty_list(exchange);
}

void handle_linked_subscription(struct http_exchange *exchange, void *context)
{
    (void)context;
    struct guid id;
    if (!require_path_subscription(exchange, &id) || !require_api_version(exchange, linked_versions))
        return;
    enum http_method method = http_request(exchange)->method;
    if (method == HTTP_DELETE)
        http_respond_empty(exchange, 204);
    else if (method == HTTP_GET || method == HTTP_HEAD)
        respond_error(exchange, ERROR_RESOURCE_NOT_FOUND, NULL, "there are no linked subscriptions here");
    else
        respond_error(exchange, ERROR_NOT_IMPLEMENTED, NULL,
                      "linked subscriptions are for remote management, which is not offered here");
}

/* --- cloud manifest and deployment licence --- */

void handle_cloud_manifest(struct http_exchange *exchange, void *context)
{
    (void)context;
    if (!require_api_version(exchange, azurestack_versions))
        return;
    if (http_request(exchange)->parameter_count == 0)
        respond_empty_list(exchange);
    else
        respond_error(exchange, ERROR_RESOURCE_NOT_FOUND, NULL, "there are no cloud manifest files here");
}

void handle_deployment_license(struct http_exchange *exchange, void *context)
{
    (void)context;
    struct guid id;
    if (require_path_subscription(exchange, &id) && require_api_version(exchange, license_versions))
        respond_error(exchange, ERROR_NOT_IMPLEMENTED, NULL,
                      "deployment licences come from the maker of the stamp; none are made here");
}
