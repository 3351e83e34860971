/* The two usage APIs: tenant UsageAggregates and operator subscriberUsageAggregates (wire-contracts.md 1 and 3).
 * Parameters are read here, rows come from usage/listing.h on a worker. */
#include "api/api_internal.h"
#include "base/members.h"
#include "api/usage_rows.h"
#include "base/encode.h"
#include "base/instant.h"
#include "usage/listing.h"
#include "usage/page_token.h"
#include "usage/provider_tree.h"
#include "usage/subscriptions.h"

static const char *const commerce_versions[] = { "2015-06-01-preview", NULL };

struct usage_list {
    struct read_job job; /* first member */
    struct listing_query query;
    struct listing_position position;
    struct guid path_subscription;
    bool operator_form; /* subscriberUsageAggregates: path_subscription is the provider */
    struct provider_view view;
    struct hash128 scope;
    struct json_writer json;
    struct usage_rows *rows;
};

/* --- parameters --- */

static bool read_time(struct http_exchange *exchange, const char *name, int64_t *out_ns)
{
    bool found;
    struct text text = http_query(http_request(exchange), text_of(name), &found);
    if (found && text.len > 0 && instant_parse_lenient(text, out_ns) == ERROR_OK)
        return true;
    respond_error(exchange, ERROR_INVALID_PROPERTY, name,
                  found ? "%s must be a time such as 2026-01-31T13:00:00Z" : "%s is required", name);
    return false;
}

static bool read_granularity(struct http_exchange *exchange, bool *daily)
{
    bool found;
    struct text text = http_query(http_request(exchange), TEXT("aggregationGranularity"), &found);
    *daily = !found || text.len == 0 || text_equal_nocase(text, TEXT("Daily"));
    if (*daily || text_equal_nocase(text, TEXT("Hourly")))
        return true;
    respond_error(exchange, ERROR_INVALID_GRANULARITY, "aggregationGranularity", NULL);
    return false;
}

static bool on_boundary(struct http_exchange *exchange, const char *name, int64_t instant_ns, bool daily)
{
    if (instant_ns % (daily ? NS_PER_DAY : NS_PER_HOUR) == 0)
        return true;
    respond_error(exchange, ERROR_INVALID_PROPERTY, name,
                  daily ? "%s must be UTC midnight with daily granularity" : "%s must be a full hour (UTC)", name);
    return false;
}

static bool read_window(struct http_exchange *exchange, struct listing_query *query)
{
    if (!read_time(exchange, "reportedStartTime", &query->start_ns) ||
        !read_time(exchange, "reportedEndTime", &query->end_ns) || !read_granularity(exchange, &query->daily))
        return false;
    if (query->end_ns > store_now_ns(api_of(exchange)->options.store)) {
        respond_error(exchange, ERROR_END_TIME_IN_FUTURE, "reportedEndTime", NULL);
        return false;
    }
    if (query->end_ns <= query->start_ns) {
        respond_error(exchange, ERROR_INVALID_PROPERTY, "reportedEndTime",
                      "reportedEndTime must be later than reportedStartTime");
        return false;
    }
    if (!on_boundary(exchange, "reportedStartTime", query->start_ns, query->daily) ||
        !on_boundary(exchange, "reportedEndTime", query->end_ns, query->daily))
        return false;
    if (query->start_ns < 0) /* nothing was reported before 1970 */
        query->start_ns = 0;
    if (query->end_ns < 0)
        query->end_ns = 0;
    return true;
}

static bool read_show_details(struct http_exchange *exchange, bool *details)
{
    bool found;
    struct text text = http_query(http_request(exchange), TEXT("showDetails"), &found);
    *details = !(found && text_equal_nocase(text, TEXT("false")));
    if (*details && found && text.len > 0 && !text_equal_nocase(text, TEXT("true"))) {
        respond_error(exchange, ERROR_INVALID_PROPERTY, "showDetails", "showDetails is true or false");
        return false;
    }
    return true;
}

/* A token is good for the very same question only. */
static void make_scope(struct usage_list *list)
{
    const struct listing_query *query = &list->query;
    struct siphash state;
    siphash_init(&state, store_hash_key(list->job.api->options.store));
    siphash_update_u64(&state, list->operator_form);
    siphash_update(&state, list->path_subscription.bytes, sizeof list->path_subscription.bytes);
    siphash_update_u64(&state, query->one_subscription);
    siphash_update(&state, query->subscription.bytes, sizeof query->subscription.bytes);
    siphash_update_u64(&state, (uint64_t)query->start_ns);
    siphash_update_u64(&state, (uint64_t)query->end_ns);
    siphash_update_u64(&state, query->daily);
    siphash_update_u64(&state, query->details);
    list->scope = siphash_finish(&state);
}

static bool read_token(struct http_exchange *exchange, struct usage_list *list)
{
    bool found;
    struct text token = http_query(http_request(exchange), TEXT("continuationToken"), &found);
    make_scope(list);
    if (!found || token.len == 0)
        return true;
    uint8_t position[PAGE_POSITION_SIZE];
    if (page_token_read(store_hash_key(list->job.api->options.store), &list->scope, token, position) != ERROR_OK) {
        respond_error(exchange, ERROR_INVALID_PROPERTY, "continuationToken",
                      "the continuationToken does not belong to this request; begin again without it");
        return false;
    }
    list->position = (struct listing_position){ get_u32be(position), get_u32be(position + 4), get_u32be(position + 8),
                                                get_u32be(position + 12) };
    return true;
}

/* --- rows --- */

static err_t emit_row(void *context, const struct listing_row *row)
{
    struct usage_list *list = context;
    return usage_rows_put(list->rows, row);
}

static err_t put_next_link(struct usage_list *list)
{
    char token[PAGE_TOKEN_TEXT_SIZE];
    uint8_t position[PAGE_POSITION_SIZE];
    put_u32be(position, list->position.subscription);
    put_u32be(position + 4, list->position.period);
    put_u32be(position + 8, list->position.meter);
    put_u32be(position + 12, list->position.resource);
    page_token_make(store_hash_key(list->job.api->options.store), &list->scope, position, token);
    struct text link = link_with(list->job.exchange, TEXT("continuationToken"), text_of(token));
    if (link.ptr == NULL)
        return ERROR_NO_MEMORY;
    put_member(&list->json, "nextLink", link);
    return ERROR_OK;
}

/* --- on a worker --- */

/* A provider's list leaves out what others sold, at whatever time (spec 3.2). */
static err_t shows_direct(void *context, struct kv_txn *txn, const struct guid *subscription, int64_t time_ns,
                          int64_t *from_ns, int64_t *to_ns)
{
    return provider_view_span(context, txn, subscription, time_ns, from_ns, to_ns);
}

/* Whoever was ever a direct tenant may be asked about. What nobody described and nobody used is nobody's. */
static err_t check_subscriber(struct usage_list *list, struct kv_txn *txn)
{
    struct subscription subscription;
    int64_t from_ns = INT64_MAX, to_ns;
    err_t error = subscription_get(list->job.api->options.store, txn, http_arena(list->job.exchange),
                                   &list->query.subscription, &subscription);
    if (error == ERROR_OK)
        error = provider_view_span(&list->view, txn, &list->query.subscription, INT64_MIN, &from_ns, &to_ns);
    if (error != ERROR_OK && error != ERROR_NOT_FOUND)
        return error;
    return from_ns != INT64_MAX ? ERROR_OK : error_set(&list->job.info, ERROR_NOT_DIRECT_TENANT, "subscriberId", NULL);
}

/* Rows of one provider's direct tenants. */
static err_t restrict_to_provider(struct usage_list *list, struct kv_txn *txn)
{
    struct listing_query *query = &list->query;
    uint32_t *members = NULL;
    err_t error = query->one_subscription
                      ? check_subscriber(list, txn)
                      : provider_view_members(&list->view, list->job.api->options.store, txn,
                                              http_arena(list->job.exchange), &members, &query->included_count);
    query->included = members;
    query->shows = shows_direct;
    query->shows_context = &list->view;
    return error;
}

static err_t put_page(struct usage_list *list, struct kv_txn *txn)
{
    struct read_job *job = &list->job;
    struct arena *arena = http_arena(job->exchange);
    bool more;
    list->json = json_writer(&job->body);
    json_begin_object(&list->json);
    json_name(&list->json, "value");
    json_begin_array(&list->json);
    list->rows = usage_rows_begin(arena, &job->body, &list->path_subscription, list->operator_form, job->api->meters);
    if (list->rows == NULL)
        return ERROR_NO_MEMORY;
    err_t error =
        listing_page(job->api->options.store, txn, arena, &list->query, &list->position, emit_row, list, &more);
    usage_rows_end(list->rows);
    json_end_array(&list->json);
    if (error == ERROR_OK && more)
        error = put_next_link(list);
    json_end_object(&list->json);
    if (error == ERROR_INVALID_PROPERTY)
        return error_set(&job->info, error, "reportedStartTime",
                         "the window holds too many hours; ask for a shorter one");
    return error;
}

static err_t read_page(struct read_job *job, struct kv_txn *txn)
{
    struct usage_list *list = (struct usage_list *)job;
    err_t error = retention_check_window(txn, list->query.daily, list->query.start_ns, "reportedStartTime", &job->info);
    if (error != ERROR_OK || !list->operator_form)
        return error == ERROR_OK ? put_page(list, txn) : error;
    error = provider_view_init(&list->view, &list->path_subscription, &job->api->operator_subscription);
    if (error == ERROR_OK)
        error = restrict_to_provider(list, txn);
    if (error == ERROR_OK)
        error = put_page(list, txn);
    provider_view_free(&list->view);
    return error;
}

/* --- handlers --- */

static struct usage_list *new_list(struct http_exchange *exchange, struct api *api, bool operator_form)
{
    struct usage_list *list = arena_zalloc(http_arena(exchange), sizeof *list);
    if (list == NULL) {
        respond_error(exchange, ERROR_NO_MEMORY, NULL, NULL);
        return NULL;
    }
    list->operator_form = operator_form;
    list->job.api = api;
    list->job.read = read_page;
    list->query.details = true;
    return list;
}

static void start(struct usage_list *list, struct http_exchange *exchange)
{
    if (read_window(exchange, &list->query) && read_show_details(exchange, &list->query.details) &&
        read_token(exchange, list))
        read_job_start_settled(&list->job, exchange, list->query.end_ns);
}

void handle_usage_aggregates(struct http_exchange *exchange, void *context)
{
    struct usage_list *list;
    struct guid subscription;
    if (!require_subscription(exchange, &subscription) || !require_api_version(exchange, commerce_versions) ||
        (list = new_list(exchange, context, false)) == NULL)
        return;
    list->path_subscription = list->query.subscription = subscription;
    list->query.one_subscription = true;
    start(list, exchange);
}

static bool read_subscriber(struct http_exchange *exchange, struct listing_query *query)
{
    bool found;
    struct text text = http_query(http_request(exchange), TEXT("subscriberId"), &found);
    query->one_subscription = found && text.len > 0;
    if (!query->one_subscription || guid_parse(text, &query->subscription))
        return true;
    respond_error(exchange, ERROR_INVALID_PROPERTY, "subscriberId", "subscriberId must be a subscription's GUID");
    return false;
}

static void list_subscribers(struct http_exchange *exchange, const struct guid *provider)
{
    struct usage_list *list;
    if (!require_api_version(exchange, commerce_versions) ||
        (list = new_list(exchange, api_of(exchange), true)) == NULL)
        return;
    list->path_subscription = *provider;
    if (read_subscriber(exchange, &list->query))
        start(list, exchange);
}

/* A tenant that wants to ask as a provider. */
struct provider_call {
    struct read_job job; /* first member */
    bool named;
};

static err_t read_provider(struct read_job *job, struct kv_txn *txn)
{
    return provider_is_named(txn, http_arena(job->exchange), &call_of(job->exchange)->identity.subscription,
                             &((struct provider_call *)job)->named);
}

static void provider_known(struct read_job *job)
{
    struct guid subscription;
    if (job->error != ERROR_OK)
        respond_error(job->exchange, job->error, NULL, NULL);
    else if (!((struct provider_call *)job)->named) /* as on any other route that is not for tenants (api.c) */
        respond_error(job->exchange, ERROR_AUTHORIZATION_FAILED, NULL, "the role '%s' may not use this address",
                      role_name(ROLE_TENANT));
    else if (require_subscription(job->exchange, &subscription))
        list_subscribers(job->exchange, &subscription);
}

/* For the operator, and for delegated providers, which are tenants (spec 3.2). */
void handle_subscriber_usage_aggregates(struct http_exchange *exchange, void *context)
{
    struct api *api = context;
    struct guid subscription;
    if (!call_is_operator(exchange)) {
        struct provider_call *call = arena_zalloc(http_arena(exchange), sizeof *call);
        if (call == NULL) {
            respond_error(exchange, ERROR_NO_MEMORY, NULL, NULL);
            return;
        }
        call->job.read = read_provider;
        call->job.answer = provider_known;
        read_job_start(&call->job, exchange);
        return;
    }
    if (!require_subscription(exchange, &subscription))
        return;
    if (guid_equal(&subscription, &api->operator_subscription)) {
        list_subscribers(exchange, &subscription);
        return;
    }
    struct text text = http_request(exchange)->parameters[0];
    respond_error(exchange, ERROR_SUBSCRIPTION_NOT_FOUND, NULL, "The subscription '%.*s' could not be found.",
                  TEXT_ARGS(text));
}

void handle_usage_without_subscription(struct http_exchange *exchange, void *context)
{
    (void)context;
    respond_error(exchange, ERROR_SUBSCRIPTION_ID_MISSING, NULL, NULL);
}
