/* Who pays: how the stamp was registered at that time, and whose mapping the tenant had under that registration. See
 * payer.h. */
#include "registration/payer.h"

#include <stdlib.h>

#include "base/memory.h"
#include "registration/customers.h"

const char *payer_kind_name(enum payer_kind kind)
{
    static const char *const names[] = { "none", "default", "customer" };
    return names[kind];
}

static void pay_by_customer(struct payer *payer, const struct guid *customer_id)
{
    payer->kind = PAYER_CUSTOMER;
    payer->subscription_id = *customer_id;
}

/* The tenant's mapping in place of the default, where it has one. */
static err_t apply_customer(struct kv_txn *txn, struct arena *arena, const struct guid *tenant_id, int64_t time_ns,
                            int64_t known_ns, struct payer *payer)
{
    struct customer_change change;
    err_t error = customer_change_at(txn, arena, payer->registration, tenant_id, time_ns, known_ns, &change);
    if (error != ERROR_OK)
        return error == ERROR_NOT_FOUND ? ERROR_OK : error;
    if (change.effective_ns > payer->since_ns)
        payer->since_ns = change.effective_ns;
    if (change.mapped)
        pay_by_customer(payer, &change.customer_id);
    return ERROR_OK;
}

err_t payer_resolve(struct kv_txn *txn, struct arena *arena, const struct guid *cloud_id, const struct guid *tenant_id,
                    int64_t time_ns, int64_t known_ns, struct payer *out)
{
    struct registration_change change;
    *out = (struct payer){ .kind = PAYER_NONE, .since_ns = INT64_MIN };
    err_t error = registration_at(txn, arena, cloud_id, time_ns, known_ns, &change);
    if (error != ERROR_OK)
        return error == ERROR_NOT_FOUND ? ERROR_OK : error;
    out->since_ns = change.effective_ns;
    if (!change.registered)
        return ERROR_OK;
    out->kind = PAYER_DEFAULT;
    out->subscription_id = change.path.subscription_id;
    out->registration = change.registration;
    out->path = change.path;
    out->model = change.model;
    out->usage_reporting = change.usage_reporting;
    out->charged = billing_model_charges_usage(change.model);
    if (guid_is_zero(tenant_id) || !billing_model_allows_customers(change.model))
        return ERROR_OK;
    return apply_customer(txn, arena, tenant_id, time_ns, known_ns, out);
}

/* --- a window --- */

/* A tenant's mapping under one registration, gone through forwards. */
struct mapping {
    uint64_t registration;
    struct customer_stretch *stretches;
    size_t count, at;
};

struct window {
    struct kv_txn *txn;
    struct arena *arena;
    const struct guid *cloud_id, *tenant_id;
    int64_t from_ns, to_ns;
    int64_t *times; /* at which the registration may be another one, in order; the first is from_ns. memory_free */
    size_t time_count;
    struct mapping *mappings; /* as many as there are times, at most */
    size_t mapping_count;
    struct payer_period *periods;
    size_t period_count, period_capacity;
};

static int compare_times(const void *a, const void *b)
{
    int64_t left = *(const int64_t *)a, right = *(const int64_t *)b;
    return (left > right) - (left < right);
}

/* Windows of many tenants share an arena, so the history does not stay in it. */
static err_t find_times(struct window *window)
{
    struct registration_change *changes;
    size_t count = 0, kept = 0;
    struct arena_mark mark = arena_mark(window->arena);
    err_t error = registration_history(window->txn, window->arena, window->cloud_id, &changes, &count);
    if (error == ERROR_OK && (window->times = memory_zalloc(count + 1, sizeof *window->times)) == NULL)
        error = ERROR_NO_MEMORY;
    if (error == ERROR_OK)
        window->times[window->time_count++] = window->from_ns;
    for (size_t i = 0; i < count && error == ERROR_OK; i++)
        if (changes[i].effective_ns > window->from_ns && changes[i].effective_ns < window->to_ns)
            window->times[window->time_count++] = changes[i].effective_ns;
    arena_rewind(window->arena, mark);
    if (error != ERROR_OK)
        return error;
    qsort(window->times, window->time_count, sizeof *window->times, compare_times);
    for (size_t i = 0; i < window->time_count; i++)
        if (kept == 0 || window->times[i] != window->times[kept - 1])
            window->times[kept++] = window->times[i];
    window->time_count = kept;
    window->mappings = arena_array(window->arena, kept, sizeof *window->mappings);
    return window->mappings != NULL ? ERROR_OK : ERROR_NO_MEMORY;
}

static bool same_payer(const struct payer *a, const struct payer *b)
{
    return a->kind == b->kind && a->registration == b->registration &&
           guid_equal(&a->subscription_id, &b->subscription_id) && a->model == b->model && a->charged == b->charged;
}

/* From payer->since_ns on, unless the period before goes on. */
static err_t add_period(struct window *window, const struct payer *payer)
{
    struct payer_period *last = window->period_count > 0 ? &window->periods[window->period_count - 1] : NULL;
    if (last != NULL && same_payer(&last->payer, payer))
        return ERROR_OK;
    if (last != NULL)
        last->to_ns = payer->since_ns;
    struct payer_period *periods =
        arena_grow(window->arena, window->periods, window->period_count, &window->period_capacity, sizeof *periods);
    if (periods == NULL)
        return ERROR_NO_MEMORY;
    window->periods = periods;
    window->periods[window->period_count++] = (struct payer_period){ *payer, payer->since_ns, window->to_ns };
    return ERROR_OK;
}

static err_t find_mapping(struct window *window, uint64_t registration, struct mapping **out)
{
    uint64_t last_change;
    for (size_t i = 0; i < window->mapping_count; i++)
        if (window->mappings[i].registration == registration) {
            *out = &window->mappings[i];
            return ERROR_OK;
        }
    *out = &window->mappings[window->mapping_count++];
    (*out)->registration = registration;
    return customer_stretches(window->txn, window->arena, registration, window->tenant_id, window->from_ns, SIZE_MAX,
                              &(*out)->stretches, &(*out)->count, &last_change);
}

/* The mapping's stretches between two changes of the registration. */
static err_t add_customers(struct window *window, const struct payer *base, int64_t from_ns, int64_t to_ns)
{
    struct mapping *mapping;
    err_t error = find_mapping(window, base->registration, &mapping);
    if (error != ERROR_OK)
        return error;
    while (mapping->at + 1 < mapping->count && mapping->stretches[mapping->at + 1].start_ns <= from_ns)
        mapping->at++;
    for (size_t i = mapping->at; i < mapping->count && error == ERROR_OK; i++) {
        const struct customer_stretch *stretch = &mapping->stretches[i];
        struct payer payer = *base;
        if (stretch->start_ns >= to_ns)
            break;
        mapping->at = i;
        payer.since_ns = stretch->start_ns > from_ns ? stretch->start_ns : from_ns;
        if (stretch->mapped)
            pay_by_customer(&payer, &stretch->customer_id);
        error = add_period(window, &payer);
    }
    return error;
}

static err_t add_registration(struct window *window, int64_t from_ns, int64_t to_ns)
{
    static const struct guid nobody = { { 0 } };
    struct payer base;
    err_t error = payer_resolve(window->txn, window->arena, window->cloud_id, &nobody, from_ns, INT64_MAX, &base);
    if (error != ERROR_OK)
        return error;
    base.since_ns = from_ns;
    return base.kind == PAYER_NONE || guid_is_zero(window->tenant_id) || !billing_model_allows_customers(base.model)
               ? add_period(window, &base)
               : add_customers(window, &base, from_ns, to_ns);
}

/* Later periods begin with the change that decides them; the first one's may be before the window. */
static err_t find_first_since(struct window *window)
{
    struct payer payer;
    err_t error = payer_resolve(window->txn, window->arena, window->cloud_id, window->tenant_id, window->from_ns,
                                INT64_MAX, &payer);
    if (error == ERROR_OK)
        window->periods[0].payer.since_ns = payer.since_ns;
    return error;
}

err_t payer_periods(struct kv_txn *txn, struct arena *arena, const struct guid *cloud_id, const struct guid *tenant_id,
                    int64_t from_ns, int64_t to_ns, struct payer_period **out, size_t *count)
{
    struct window window = {
        .txn = txn, .arena = arena, .cloud_id = cloud_id, .tenant_id = tenant_id, .from_ns = from_ns, .to_ns = to_ns
    };
    err_t error = find_times(&window);
    for (size_t i = 0; i < window.time_count && error == ERROR_OK; i++)
        error = add_registration(&window, window.times[i], i + 1 < window.time_count ? window.times[i + 1] : to_ns);
    memory_free(window.times);
    if (error == ERROR_OK)
        error = find_first_since(&window);
    *out = window.periods;
    *count = window.period_count;
    return error;
}
