/* GET /v1/providers: the whole tree of providers, for the operator alone; with from and to, how much the direct tenants
 * of each used (interface.md section 5). A view of its own and no group of the summary's: whose a row is depends on its
 * hour, which groups of the summary do not. */
#include "usage/provider_report.h"

#include "api/api_internal.h"
#include "base/instant.h"
#include "base/members.h"

struct tree_call {
    struct read_job job; /* first member */
    struct provider_report_query query;
    int64_t now_ns;
};

/* --- parameters --- */

static bool read_time(struct http_exchange *exchange, const char *name, int64_t *out_ns, bool *given)
{
    struct text text = http_query(http_request(exchange), text_of(name), given);
    *given = *given && text.len > 0;
    if (!*given || instant_parse_lenient(text, out_ns) == ERROR_OK)
        return true;
    respond_error(exchange, ERROR_INVALID_PROPERTY, name, "%s must be a time such as 2026-01-31T13:00:00Z", name);
    return false;
}

static bool read_window(struct http_exchange *exchange, struct provider_report_query *query)
{
    bool has_to;
    if (!read_time(exchange, "from", &query->from_ns, &query->with_usage) ||
        !read_time(exchange, "to", &query->to_ns, &has_to))
        return false;
    const char *target = NULL, *problem = "from and to are given together";
    if (query->with_usage != has_to)
        target = has_to ? "from" : "to";
    else if (has_to && (query->from_ns < 0 || query->from_ns % NS_PER_HOUR != 0 || query->to_ns % NS_PER_HOUR != 0)) {
        target = query->from_ns < 0 || query->from_ns % NS_PER_HOUR != 0 ? "from" : "to";
        problem = "from and to must be full hours (UTC)";
    } else if (has_to && query->to_ns <= query->from_ns) {
        target = "to";
        problem = "to must be later than from";
    }
    if (target != NULL)
        respond_error(exchange, ERROR_INVALID_PROPERTY, target, "%s", problem);
    return target == NULL;
}

/* --- the answer --- */

static void put_tenant(struct json_writer *json, const struct provider_tenant *tenant)
{
    const struct subscription *subscription = tenant->subscription;
    json_begin_object(json);
    put_guid_member(json, "subscriptionId", &subscription->id);
    put_member(json, "displayName", subscription->display_name);
    put_guid_member_if(json, "tenantId", &subscription->tenant_id);
    put_member(json, "state", text_of(subscription_state_name(subscription->state)));
    if (tenant->since_ns != INT64_MIN)
        put_time_member(json, "since", tenant->since_ns);
    json_end_object(json);
}

static void put_quantity(struct json_writer *json, const struct provider_quantity *quantity)
{
    json_begin_object(json);
    put_member_if(json, "meterId", quantity->meter_id);
    put_member_if(json, "meterName", quantity->meter_name);
    put_member_if(json, "unit", quantity->unit);
    put_quantity_member(json, "quantity", &quantity->quantity);
    put_number_member(json, "records", quantity->records);
    json_end_object(json);
}

static void put_node(struct json_writer *json, const struct provider_node *node, bool with_usage)
{
    json_begin_object(json);
    put_guid_member(json, "providerSubscriptionId", &node->id);
    put_member(json, "displayName", node->display_name);
    put_member(json, "state", text_of(subscription_state_name(node->state)));
    if (node->level != PROVIDER_LEVEL_NONE)
        put_number_member(json, "level", node->level);
    put_guid_member_if(json, "parentSubscriptionId", &node->parent);
    json_name(json, "tenants");
    json_begin_array(json);
    for (size_t i = 0; i < node->tenant_count; i++)
        put_tenant(json, &node->tenants[i]);
    json_end_array(json);
    if (with_usage) {
        json_name(json, "usage");
        json_begin_array(json);
        for (size_t i = 0; i < node->quantity_count; i++)
            put_quantity(json, &node->quantities[i]);
        json_end_array(json);
    }
    json_end_object(json);
}

static err_t read_tree(struct read_job *job, struct kv_txn *txn)
{
    const struct tree_call *call = (struct tree_call *)job;
    const struct provider_report_query *query = &call->query;
    struct provider_report report;
    err_t error = provider_report_run(job->api->options.store, txn, http_arena(job->exchange), job->api->meters, query,
                                      &report, &job->info);
    if (error != ERROR_OK)
        return error;
    struct json_writer json = json_writer(&job->body);
    begin_value_list(&json);
    for (size_t i = 0; i < report.count; i++)
        put_node(&json, &report.nodes[i], query->with_usage);
    json_end_array(&json);
    put_time_member(&json, "at", query->at_ns);
    if (query->with_usage) {
        struct summary_query window = { .from_ns = query->from_ns, .to_ns = query->to_ns };
        put_time_member(&json, "from", query->from_ns);
        put_time_member(&json, "to", query->to_ns);
        error = put_completeness(&json, job->api->options.store, txn, &window, call->now_ns, true);
    }
    json_end_object(&json);
    return error;
}

void handle_provider_tree(struct http_exchange *exchange, void *context)
{
    const struct api *api = context;
    bool given;
    struct tree_call *call = arena_zalloc(http_arena(exchange), sizeof *call);
    if (call == NULL) {
        respond_error(exchange, ERROR_NO_MEMORY, NULL, NULL);
        return;
    }
    call->query.operator_id = api->operator_subscription;
    call->query.at_ns = call->now_ns = store_now_ns(api->options.store);
    call->job.read = read_tree;
    if (read_time(exchange, "at", &call->query.at_ns, &given) && read_window(exchange, &call->query))
        read_job_start(&call->job, exchange);
}
