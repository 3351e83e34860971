/* The two usage APIs: tenant UsageAggregates and operator subscriberUsageAggregates (wire-contracts.md 1 and 3).
 * Parameters are read here, rows come from usage/listing.h on a worker. */
#include <stdio.h>

#include "api/api_internal.h"
#include "api/members.h"
#include "base/encode.h"
#include "base/instant.h"
#include "usage/listing.h"
#include "usage/page_token.h"
#include "usage/record.h"
#include "usage/subscriptions.h"

static const char *const commerce_versions[] = { "2015-06-01-preview", NULL };

struct usage_list {
    struct read_job job; /* first member */
    struct listing_query query;
    struct listing_position position;
    struct guid path_subscription;
    bool operator_form; /* subscriberUsageAggregates */
    struct hash128 scope;
    struct json_writer json;
    struct buffer instance_data;
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

static void put_row_names(struct usage_list *list, const struct listing_row *row, struct text meter_id)
{
    char subscription[GUID_TEXT_SIZE], scope[GUID_TEXT_SIZE], name[GUID_TEXT_SIZE + RECORD_METER_ID_SIZE_MAX + 2],
        id[320];
    guid_print(&row->subscription, subscription);
    guid_print(&list->path_subscription, scope);
    snprintf(name, sizeof name, "%s-%.*s", subscription, TEXT_ARGS(meter_id));
    snprintf(id, sizeof id, "/subscriptions/%s/providers/Microsoft.Commerce/UsageAggregate/%s", scope, name);
    json_name(&list->json, "id");
    json_put_cstring(&list->json, id);
    json_name(&list->json, "name");
    json_put_cstring(&list->json, name);
    json_name(&list->json, "type");
    json_put_cstring(&list->json, "Microsoft.Commerce/UsageAggregate");
}

/* Public Azure's rows name their meter and unit, a stamp's do not; tenants are spared the join by hand. */
static void put_meter_names(struct usage_list *list, struct text meter_id)
{
    struct text key = meter_fold(http_arena(list->job.exchange), meter_id);
    const struct meter *meter = key.ptr != NULL ? meters_find(list->job.api->meters, key) : NULL;
    if (meter == NULL)
        return;
    put_member(&list->json, "meterName", meter->name);
    put_member(&list->json, "meterCategory", meter->category);
    put_member(&list->json, "unit", meter->unit);
}

static void put_properties(struct usage_list *list, const struct listing_row *row)
{
    struct json_writer *json = &list->json;
    char subscription[GUID_TEXT_SIZE];
    struct text meter_id = row->meter_id;
    put_guid_member(json, "subscriptionId", &row->subscription);
    put_offset_time_member(json, "usageStartTime", row->start_ns);
    put_offset_time_member(json, "usageEndTime", row->end_ns);
    if (row->has_instance) {
        buffer_clear(&list->instance_data);
        listing_write_instance_data(&row->instance, &list->instance_data);
        put_member(json, "instanceData", buffer_text(&list->instance_data));
    }
    put_quantity_member(json, "quantity", &row->quantity);
    put_member(json, "meterId", meter_id);
    if (list->operator_form) {
        char name[GUID_TEXT_SIZE + RECORD_METER_ID_SIZE_MAX + 2];
        guid_print(&row->subscription, subscription);
        snprintf(name, sizeof name, "%s-%.*s", subscription, TEXT_ARGS(meter_id));
        json_name(json, "name");
        json_put_cstring(json, name);
    } else {
        put_meter_names(list, meter_id);
    }
}

static err_t emit_row(void *context, const struct listing_row *row)
{
    struct usage_list *list = context;
    json_begin_object(&list->json);
    put_row_names(list, row, row->meter_id);
    json_name(&list->json, "properties");
    json_begin_object(&list->json);
    put_properties(list, row);
    json_end_object(&list->json);
    json_end_object(&list->json);
    return list->job.body.failed ? ERROR_NO_MEMORY : ERROR_OK;
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

/* The operator's list leaves out what delegated providers sold (spec 3.2). */
static err_t exclude_indirect(struct usage_list *list, struct kv_txn *txn)
{
    struct store *store = list->job.api->options.store;
    struct arena *arena = http_arena(list->job.exchange);
    struct subscription *all;
    size_t count;
    err_t error = subscription_list(txn, arena, &all, &count);
    uint32_t *excluded = arena_array(arena, count + 1, sizeof *excluded);
    if (error != ERROR_OK || excluded == NULL)
        return error != ERROR_OK ? error : ERROR_NO_MEMORY;
    size_t used = 0;
    for (size_t i = 0; i < count; i++) {
        uint32_t id;
        struct text guid = { (const char *)all[i].id.bytes, sizeof all[i].id.bytes };
        if (subscription_is_direct(&all[i], &list->job.api->operator_subscription) ||
            dictionary_find(store_dictionary(store), txn, DICTIONARY_SUBSCRIPTION, guid, &id) != ERROR_OK)
            continue;
        size_t at = used++;
        for (; at > 0 && excluded[at - 1] > id; at--) /* few: insertion keeps them in order */
            excluded[at] = excluded[at - 1];
        excluded[at] = id;
    }
    list->query.excluded = excluded;
    list->query.excluded_count = used;
    return ERROR_OK;
}

static err_t check_subscriber(struct usage_list *list, struct kv_txn *txn)
{
    struct subscription subscription;
    err_t error = subscription_get(list->job.api->options.store, txn, http_arena(list->job.exchange),
                                   &list->query.subscription, &subscription);
    if (error == ERROR_OK && subscription_is_direct(&subscription, &list->job.api->operator_subscription))
        return ERROR_OK;
    if (error != ERROR_OK && error != ERROR_NOT_FOUND)
        return error;
    return error_set(&list->job.info, ERROR_NOT_DIRECT_TENANT, "subscriberId", NULL);
}

static err_t read_page(struct read_job *job, struct kv_txn *txn)
{
    struct usage_list *list = (struct usage_list *)job;
    err_t error = ERROR_OK;
    if (list->operator_form)
        error = list->query.one_subscription ? check_subscriber(list, txn) : exclude_indirect(list, txn);
    if (error != ERROR_OK)
        return error;
    bool more;
    list->json = json_writer(&job->body);
    json_begin_object(&list->json);
    json_name(&list->json, "value");
    json_begin_array(&list->json);
    error = listing_page(job->api->options.store, txn, http_arena(job->exchange), &list->query, &list->position,
                         emit_row, list, &more);
    json_end_array(&list->json);
    if (error == ERROR_OK && more)
        error = put_next_link(list);
    json_end_object(&list->json);
    buffer_free(&list->instance_data);
    if (error == ERROR_INVALID_PROPERTY)
        return error_set(&job->info, error, "reportedStartTime",
                         "the window holds too many hours; ask for a shorter one");
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

void handle_subscriber_usage_aggregates(struct http_exchange *exchange, void *context)
{
    struct api *api = context;
    struct usage_list *list;
    struct guid subscription;
    if (!require_subscription(exchange, &subscription))
        return;
    if (!guid_equal(&subscription, &api->operator_subscription)) {
        struct text text = http_request(exchange)->parameters[0];
        respond_error(exchange, ERROR_SUBSCRIPTION_NOT_FOUND, NULL, "The subscription '%.*s' could not be found.",
                      TEXT_ARGS(text));
        return;
    }
    if (!require_api_version(exchange, commerce_versions) || (list = new_list(exchange, api, true)) == NULL)
        return;
    list->path_subscription = subscription;
    if (read_subscriber(exchange, &list->query))
        start(list, exchange);
}

void handle_usage_without_subscription(struct http_exchange *exchange, void *context)
{
    (void)context;
    respond_error(exchange, ERROR_SUBSCRIPTION_ID_MISSING, NULL, NULL);
}
