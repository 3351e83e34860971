/* The window is cut at the hours at which some subscription moves. In each piece every subscription has one provider,
 * so a summary by subscription and meter tells whose its rows are. */
#include "usage/provider_report.h"

#include <stdlib.h>
#include <string.h>

#include "usage/summary.h"

struct work {
    struct store *store;
    struct kv_txn *txn;
    struct arena *arena;
    const struct meters *meters;
    const struct provider_report_query *query;
    struct error_info *info;
    struct subscription *subscriptions; /* described ones by id, then others */
    struct subscription_periods *periods;
    size_t count, described;
    struct provider_node *nodes; /* by id until they are put in order */
    size_t node_count;
};

static int compare_guids(const void *a, const void *b)
{
    return memcmp(a, b, sizeof(struct guid));
}

static const struct guid *provider_of(const struct work *w, const struct subscription_period *period)
{
    return guid_is_zero(&period->provider_subscription_id) ? &w->query->operator_id : &period->provider_subscription_id;
}

static int64_t end_of(const struct subscription_periods *periods, size_t i)
{
    return i + 1 < periods->count ? periods->items[i + 1].start_ns : INT64_MAX;
}

/* --- subscriptions and providers --- */

static err_t read_subscriptions(struct work *w)
{
    err_t error =
        subscription_list_at(w->txn, w->arena, w->query->at_ns, INT64_MAX, &w->subscriptions, &w->periods, &w->count);
    if (error != ERROR_OK)
        return error;
    while (w->described < w->count && (w->described == 0 || compare_guids(&w->subscriptions[w->described - 1].id,
                                                                          &w->subscriptions[w->described].id) < 0))
        w->described++;
    return ERROR_OK;
}

/* NULL: nobody described it. */
static const struct subscription *find_subscription(const struct work *w, const struct guid *id)
{
    return w->described > 0 ? bsearch(id, w->subscriptions, w->described, sizeof *w->subscriptions, compare_guids)
                            : NULL;
}

static const struct subscription_periods *periods_of(const struct work *w, const struct subscription *subscription)
{
    return &w->periods[subscription - w->subscriptions];
}

/* Whether the period has a part in the answer. */
static bool is_told(const struct provider_report_query *query, const struct subscription_periods *periods, size_t i)
{
    const struct subscription_period *period = &periods->items[i];
    return period == subscription_period_at(periods, query->at_ns) ||
           (query->with_usage && period->start_ns < query->to_ns && end_of(periods, i) > query->from_ns);
}

static struct provider_node *find_node(const struct work *w, const struct guid *id)
{
    return bsearch(id, w->nodes, w->node_count, sizeof *w->nodes, compare_guids);
}

/* Ids of the providers, each once; the operator is always one. */
static err_t find_providers(struct work *w)
{
    size_t total = 1, count = 0;
    for (size_t s = 0; s < w->count; s++)
        total += w->periods[s].count;
    struct guid *ids = arena_array(w->arena, total, sizeof *ids);
    if (ids == NULL)
        return ERROR_NO_MEMORY;
    ids[count++] = w->query->operator_id;
    for (size_t s = 0; s < w->count; s++)
        for (size_t i = 0; i < w->periods[s].count; i++)
            if (is_told(w->query, &w->periods[s], i) &&
                !guid_equal(provider_of(w, &w->periods[s].items[i]), &ids[count - 1]))
                ids[count++] = *provider_of(w, &w->periods[s].items[i]);
    qsort(ids, count, sizeof *ids, compare_guids);
    w->nodes = arena_array(w->arena, count, sizeof *w->nodes);
    if (w->nodes == NULL)
        return ERROR_NO_MEMORY;
    for (size_t i = 0; i < count; i++)
        if (i == 0 || !guid_equal(&ids[i], &ids[i - 1]))
            w->nodes[w->node_count++].id = ids[i];
    return ERROR_OK;
}

static struct guid parent_of(const struct work *w, const struct guid *id)
{
    const struct subscription *own = find_subscription(w, id);
    if (guid_equal(id, &w->query->operator_id))
        return (struct guid){ { 0 } };
    if (own == NULL || guid_is_zero(&own->provider_subscription_id))
        return w->query->operator_id;
    return own->provider_subscription_id;
}

static uint32_t level_of(const struct work *w, const struct guid *id)
{
    struct guid one = *id;
    for (uint32_t level = 0; level <= w->node_count; level++) {
        if (guid_equal(&one, &w->query->operator_id))
            return level;
        one = parent_of(w, &one);
    }
    return PROVIDER_LEVEL_NONE;
}

static void describe_providers(struct work *w)
{
    for (size_t i = 0; i < w->node_count; i++) {
        struct provider_node *node = &w->nodes[i];
        const struct subscription *own = find_subscription(w, &node->id);
        node->display_name = own != NULL ? own->display_name : TEXT("");
        node->state = own != NULL ? own->state : SUBSCRIPTION_UNKNOWN;
        node->parent = parent_of(w, &node->id);
        node->level = level_of(w, &node->id);
    }
}

/* --- tenants --- */

static int64_t since(const struct work *w, const struct subscription_periods *periods)
{
    size_t i = (size_t)(subscription_period_at(periods, w->query->at_ns) - periods->items);
    while (i > 0 && guid_equal(provider_of(w, &periods->items[i - 1]), provider_of(w, &periods->items[i])))
        i--;
    return periods->items[i].start_ns;
}

static err_t add_tenant(struct work *w, struct provider_node *node, const struct subscription *subscription)
{
    struct provider_tenant *tenants =
        arena_grow(w->arena, node->tenants, node->tenant_count, &node->tenant_capacity, sizeof *tenants);
    if (tenants == NULL)
        return ERROR_NO_MEMORY;
    node->tenants = tenants;
    node->tenants[node->tenant_count++] =
        (struct provider_tenant){ subscription, since(w, periods_of(w, subscription)) };
    return ERROR_OK;
}

static err_t add_tenants(struct work *w)
{
    err_t error = ERROR_OK;
    for (size_t s = 0; s < w->count && error == ERROR_OK; s++) {
        const struct subscription *one = &w->subscriptions[s];
        if (guid_equal(&one->id, &w->query->operator_id)) /* nobody's tenant, though its own usage is its own */
            continue;
        error =
            add_tenant(w, find_node(w, provider_of(w, subscription_period_at(&w->periods[s], w->query->at_ns))), one);
    }
    return error;
}

/* --- quantities --- */

static bool same_text(struct text a, struct text b)
{
    return (a.ptr == NULL) == (b.ptr == NULL) && text_equal(a, b);
}

static struct text keep(struct work *w, struct text text, err_t *error)
{
    struct text copy = text.ptr != NULL ? arena_text(w->arena, text) : TEXT_NONE;
    if (text.ptr != NULL && copy.ptr == NULL)
        *error = ERROR_NO_MEMORY;
    return copy;
}

/* Meters are some dozens, so they are looked for one by one. */
static err_t find_quantity(struct work *w, struct provider_node *node, const struct summary_row *row,
                           struct provider_quantity **out)
{
    for (size_t i = 0; i < node->quantity_count; i++) {
        *out = &node->quantities[i];
        if (same_text((*out)->meter_id, row->meter_id) && same_text((*out)->unit, row->unit))
            return ERROR_OK;
    }
    struct provider_quantity *quantities =
        arena_grow(w->arena, node->quantities, node->quantity_count, &node->quantity_capacity, sizeof *quantities);
    if (quantities == NULL)
        return ERROR_NO_MEMORY;
    node->quantities = quantities;
    err_t error = ERROR_OK;
    *out = &node->quantities[node->quantity_count++];
    **out = (struct provider_quantity){ .records = 0 };
    (*out)->meter_id = keep(w, row->meter_id, &error);
    (*out)->meter_name = keep(w, row->meter_name, &error);
    (*out)->unit = keep(w, row->unit, &error);
    return error;
}

static err_t add_row(struct work *w, const struct summary_row *row, int64_t start_ns)
{
    const struct subscription *subscription = find_subscription(w, &row->subscription);
    const struct guid *provider = &w->query->operator_id;
    if (subscription != NULL)
        provider = provider_of(w, subscription_period_at(periods_of(w, subscription), start_ns));
    struct provider_quantity *quantity;
    err_t error = find_quantity(w, find_node(w, provider), row, &quantity);
    if (error == ERROR_OK) {
        decimal_sum_add_sum(&quantity->quantity, &row->quantity);
        quantity->records += row->records;
    }
    return error;
}

static err_t add_piece(struct work *w, int64_t from_ns, int64_t to_ns)
{
    struct summary *summary;
    struct summary_query query = { .from_ns = from_ns, .to_ns = to_ns, .by_subscription = true, .by_meter = true };
    err_t error = summary_run(w->store, w->txn, w->meters, &query, &summary, w->info);
    if (error != ERROR_OK)
        return error;
    size_t count = summary_count(summary);
    for (size_t i = 0; i < count && error == ERROR_OK; i++) {
        struct summary_row row;
        error = summary_row(summary, i, &row);
        if (error == ERROR_OK)
            error = add_row(w, &row, from_ns);
    }
    summary_free(summary);
    return error;
}

static int compare_times(const void *a, const void *b)
{
    const int64_t *x = a, *y = b;
    return (*x > *y) - (*x < *y);
}

/* The hours at which some subscription moves to another provider within the window, ascending. */
static err_t find_cuts(struct work *w, int64_t cuts[PROVIDER_CUTS_MAX], size_t *count)
{
    *count = 0;
    for (size_t s = 0; s < w->count; s++) {
        for (size_t i = 1; i < w->periods[s].count; i++) {
            const struct subscription_period *period = &w->periods[s].items[i];
            if (period->start_ns <= w->query->from_ns || period->start_ns >= w->query->to_ns ||
                guid_equal(provider_of(w, period), provider_of(w, period - 1)) ||
                (*count > 0 && bsearch(&period->start_ns, cuts, *count, sizeof *cuts, compare_times) != NULL))
                continue;
            if (*count == PROVIDER_CUTS_MAX)
                return error_set(w->info, ERROR_INVALID_PROPERTY, "to",
                                 "subscriptions moved at more than %d different hours of this window; ask for a "
                                 "shorter one",
                                 PROVIDER_CUTS_MAX);
            cuts[(*count)++] = period->start_ns;
            qsort(cuts, *count, sizeof *cuts, compare_times);
        }
    }
    return ERROR_OK;
}

static err_t add_quantities(struct work *w)
{
    int64_t cuts[PROVIDER_CUTS_MAX], from_ns = w->query->from_ns;
    size_t count;
    err_t error = find_cuts(w, cuts, &count);
    for (size_t i = 0; i <= count && error == ERROR_OK; i++) {
        int64_t to_ns = i < count ? cuts[i] : w->query->to_ns;
        error = add_piece(w, from_ns, to_ns);
        from_ns = to_ns;
    }
    return error;
}

/* --- */

static int compare_nodes(const void *a, const void *b)
{
    const struct provider_node *x = a, *y = b;
    return x->level != y->level ? (x->level < y->level ? -1 : 1) : compare_guids(&x->id, &y->id);
}

err_t provider_report_run(struct store *store, struct kv_txn *txn, struct arena *arena, const struct meters *meters,
                          const struct provider_report_query *query, struct provider_report *out,
                          struct error_info *info)
{
    struct work w = { .store = store, .txn = txn, .arena = arena, .meters = meters, .query = query, .info = info };
    err_t error = read_subscriptions(&w);
    if (error == ERROR_OK)
        error = find_providers(&w);
    if (error != ERROR_OK)
        return error;
    describe_providers(&w);
    error = add_tenants(&w);
    if (error == ERROR_OK && query->with_usage)
        error = add_quantities(&w);
    qsort(w.nodes, w.node_count, sizeof *w.nodes, compare_nodes);
    *out = (struct provider_report){ w.nodes, w.node_count };
    return error;
}
