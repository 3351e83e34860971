/* The tenants report's adding up: the window is cut where anything about a subscription's tenant or a tenant's payer
 * changes, and once more at midnights, so that whole days come from daily sums. Within a piece nothing changes, so each
 * sum of the summary belongs to one payer of one tenant as a whole. */
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "base/hash.h"
#include "base/instant.h"
#include "base/memory.h"
#include "commerce/tenants_internal.h"
#include "usage/summary.h"

#define CELLS_MIN ((size_t)1024)
#define METERS_MIN ((size_t)64)

/* The sum of one meter for one payer of a tenant, or (entry TOTAL) for one kind of payer. */
#define TOTAL UINT32_MAX
struct cell {
    uint32_t entry, payer, meter;
    uint64_t records;
    struct decimal_sum quantity;
};

struct sums {
    struct tenants_work *work;
    int64_t cuts[TENANTS_CUTS_MAX + 2]; /* from, ..., to */
    size_t cut_count;
    struct cell *cells;
    uint32_t *slots; /* index + 1; twice the capacity */
    size_t cell_count, capacity;
    struct tenant_quantity *meters; /* id, name and unit; in the order seen */
    uint32_t *meter_slots;
    size_t meter_count, meter_capacity;
};

/* --- cuts --- */

static int compare_times(const void *a, const void *b)
{
    int64_t left = *(const int64_t *)a, right = *(const int64_t *)b;
    return (left > right) - (left < right);
}

static void keep_distinct(struct sums *sums)
{
    qsort(sums->cuts, sums->cut_count, sizeof *sums->cuts, compare_times);
    size_t kept = 0;
    for (size_t i = 0; i < sums->cut_count; i++)
        if (kept == 0 || sums->cuts[i] != sums->cuts[kept - 1])
            sums->cuts[kept++] = sums->cuts[i];
    sums->cut_count = kept;
}

static err_t add_cut(struct sums *sums, int64_t time_ns)
{
    const struct tenants_query *query = sums->work->query;
    if (time_ns <= query->from_ns || time_ns >= query->to_ns)
        return ERROR_OK;
    if (sums->cut_count == COUNT_OF(sums->cuts)) {
        keep_distinct(sums);
        if (sums->cut_count == COUNT_OF(sums->cuts))
            return error_set(sums->work->info, ERROR_INVALID_PROPERTY, "from",
                             "who pays changes at more than %d hours of this window; ask for less time",
                             TENANTS_CUTS_MAX);
    }
    sums->cuts[sums->cut_count++] = time_ns;
    return ERROR_OK;
}

static err_t find_cuts(struct sums *sums)
{
    const struct tenants_work *work = sums->work;
    err_t error = ERROR_OK;
    sums->cuts[0] = work->query->from_ns;
    sums->cuts[1] = work->query->to_ns;
    sums->cut_count = 2;
    for (size_t i = 0; i < work->out->count && error == ERROR_OK; i++)
        for (size_t p = 1; p < work->out->entries[i].payer_count && error == ERROR_OK; p++)
            error = add_cut(sums, work->out->entries[i].payers[p].from_ns);
    for (size_t i = 0; i < work->subscription_count && error == ERROR_OK; i++)
        for (size_t p = 1; p < work->subscriptions[i].period_count && error == ERROR_OK; p++)
            error = add_cut(sums, work->subscriptions[i].periods[p].from_ns);
    keep_distinct(sums);
    return error;
}

/* --- meters and cells --- */

static size_t meter_slot(const struct sums *sums, struct text id)
{
    size_t mask = sums->meter_capacity * 2 - 1, slot = (size_t)hash64(id.ptr, id.len, 0) & mask;
    while (sums->meter_slots[slot] != 0 && !text_equal(sums->meters[sums->meter_slots[slot] - 1].meter_id, id))
        slot = (slot + 1) & mask;
    return slot;
}

static err_t grow_meters(struct sums *sums)
{
    size_t capacity = sums->meter_capacity == 0 ? METERS_MIN : sums->meter_capacity * 2;
    struct tenant_quantity *meters = memory_realloc(sums->meters, capacity * sizeof *meters);
    if (meters == NULL)
        return ERROR_NO_MEMORY;
    sums->meters = meters;
    uint32_t *slots = memory_zalloc(capacity * 2, sizeof *slots);
    if (slots == NULL)
        return ERROR_NO_MEMORY;
    memory_free(sums->meter_slots);
    sums->meter_slots = slots;
    sums->meter_capacity = capacity;
    for (size_t i = 0; i < sums->meter_count; i++)
        sums->meter_slots[meter_slot(sums, sums->meters[i].meter_id)] = (uint32_t)(i + 1);
    return ERROR_OK;
}

static bool copy_text(struct arena *arena, struct text source, struct text *out)
{
    *out = source.ptr != NULL ? arena_text(arena, source) : TEXT_NONE;
    return source.ptr == NULL || out->ptr != NULL;
}

/* A meter has one name and one unit, so its id is enough to tell them apart. */
static err_t find_meter(struct sums *sums, const struct summary_row *row, uint32_t *index)
{
    if (sums->meter_count == sums->meter_capacity) {
        err_t error = grow_meters(sums);
        if (error != ERROR_OK)
            return error;
    }
    size_t slot = meter_slot(sums, row->meter_id);
    if (sums->meter_slots[slot] == 0) {
        struct arena *arena = sums->work->arena;
        struct tenant_quantity meter = { 0 };
        if (!copy_text(arena, row->meter_id, &meter.meter_id) ||
            !copy_text(arena, row->meter_name, &meter.meter_name) || !copy_text(arena, row->unit, &meter.unit))
            return ERROR_NO_MEMORY;
        sums->meters[sums->meter_count] = meter;
        sums->meter_slots[slot] = (uint32_t)++sums->meter_count;
    }
    *index = sums->meter_slots[slot] - 1;
    return ERROR_OK;
}

static size_t cell_slot(const struct sums *sums, const struct cell *cell)
{
    const uint32_t key[] = { cell->entry, cell->payer, cell->meter };
    size_t mask = sums->capacity * 2 - 1, slot = (size_t)hash64(key, sizeof key, 0) & mask;
    for (; sums->slots[slot] != 0; slot = (slot + 1) & mask) {
        const struct cell *other = &sums->cells[sums->slots[slot] - 1];
        if (other->entry == cell->entry && other->payer == cell->payer && other->meter == cell->meter)
            break;
    }
    return slot;
}

static err_t grow_cells(struct sums *sums)
{
    if (sums->capacity >= TENANTS_SUMS_MAX)
        return error_set(sums->work->info, ERROR_INVALID_PROPERTY, "from",
                         "more than %d sums of tenants, payers and meters; ask for less time", TENANTS_SUMS_MAX);
    size_t capacity = sums->capacity == 0 ? CELLS_MIN : sums->capacity * 2;
    struct cell *cells = memory_realloc(sums->cells, capacity * sizeof *cells);
    if (cells == NULL)
        return ERROR_NO_MEMORY;
    sums->cells = cells;
    uint32_t *slots = memory_zalloc(capacity * 2, sizeof *slots);
    if (slots == NULL)
        return ERROR_NO_MEMORY;
    memory_free(sums->slots);
    sums->slots = slots;
    sums->capacity = capacity;
    for (size_t i = 0; i < sums->cell_count; i++)
        sums->slots[cell_slot(sums, &sums->cells[i])] = (uint32_t)(i + 1);
    return ERROR_OK;
}

static err_t add_to_cell(struct sums *sums, struct cell key, const struct summary_row *row)
{
    if (sums->cell_count == sums->capacity) {
        err_t error = grow_cells(sums);
        if (error != ERROR_OK)
            return error;
    }
    size_t slot = cell_slot(sums, &key);
    if (sums->slots[slot] == 0) {
        sums->cells[sums->cell_count] = key;
        sums->slots[slot] = (uint32_t)++sums->cell_count;
    }
    struct cell *cell = &sums->cells[sums->slots[slot] - 1];
    cell->records += row->records;
    decimal_sum_add_sum(&cell->quantity, &row->quantity);
    return ERROR_OK;
}

/* --- whose a sum is --- */

static const struct owned_subscription *find_subscription(const struct tenants_work *work, const struct guid *id)
{
    size_t low = 0, high = work->subscription_count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        int order = memcmp(id->bytes, work->subscriptions[middle].subscription.id.bytes, sizeof id->bytes);
        if (order == 0)
            return &work->subscriptions[middle];
        if (order < 0)
            high = middle;
        else
            low = middle + 1;
    }
    return NULL;
}

static err_t add_row(struct sums *sums, const struct summary_row *row, int64_t time_ns)
{
    struct tenants_work *work = sums->work;
    const struct owned_subscription *owned = find_subscription(work, &row->subscription);
    if (owned == NULL || !row->has_subscription)
        return ERROR_STORE_CORRUPT; /* whoever has usage is in the list of subscriptions */
    size_t period = owned->period_count - 1;
    while (period > 0 && owned->periods[period].from_ns > time_ns)
        period--;
    struct tenant_entry *entry = &work->out->entries[owned->periods[period].entry];
    size_t payer = entry->payer_count - 1;
    while (payer > 0 && entry->payers[payer].from_ns > time_ns)
        payer--;
    struct cell cell = { .entry = (uint32_t)(entry - work->out->entries), .payer = (uint32_t)payer };
    err_t error = find_meter(sums, row, &cell.meter);
    if (error == ERROR_OK)
        error = add_to_cell(sums, cell, row);
    struct cell total = { .entry = TOTAL, .payer = (uint32_t)entry->payers[payer].payer.kind, .meter = cell.meter };
    return error == ERROR_OK ? add_to_cell(sums, total, row) : error;
}

/* The window may begin and end with days and still need hours: where a payer changes inside of a day. */
static err_t not_kept(struct error_info *info, int64_t from_ns, int64_t to_ns)
{
    char from[INSTANT_TEXT_SIZE], to[INSTANT_TEXT_SIZE];
    instant_print(from_ns, from);
    instant_print(to_ns, to);
    return error_set(info, ERROR_USAGE_NOT_KEPT, "from",
                     "the usage from %s to %s would have to be told apart, because the window or a change of who pays "
                     "begins or ends there, and retention has dropped it at that detail; begin later, or change who "
                     "pays at midnight (UTC)",
                     from, to);
}

static err_t add_piece(struct sums *sums, int64_t from_ns, int64_t to_ns)
{
    struct tenants_work *work = sums->work;
    if (from_ns >= to_ns)
        return ERROR_OK;
    const struct summary_query query = {
        .from_ns = from_ns, .to_ns = to_ns, .by_subscription = true, .by_meter = true
    };
    struct summary *summary;
    err_t error = summary_run(work->store, work->txn, work->meters, &query, &summary, work->info);
    if (error == ERROR_USAGE_NOT_KEPT)
        return not_kept(work->info, from_ns, to_ns);
    if (error != ERROR_OK)
        return error;
    size_t count = summary_count(summary);
    for (size_t i = 0; i < count && error == ERROR_OK; i++) {
        struct summary_row row;
        error = summary_row(summary, i, &row);
        if (error == ERROR_OK)
            error = add_row(sums, &row, from_ns);
    }
    summary_free(summary);
    return error;
}

/* Whole days by themselves: they are summed up already. */
static err_t add_between(struct sums *sums, int64_t from_ns, int64_t to_ns)
{
    int64_t first_ns = (from_ns + NS_PER_DAY - 1) / NS_PER_DAY * NS_PER_DAY;
    int64_t last_ns = to_ns / NS_PER_DAY * NS_PER_DAY;
    if (first_ns >= last_ns)
        return add_piece(sums, from_ns, to_ns);
    err_t error = add_piece(sums, from_ns, first_ns);
    if (error == ERROR_OK)
        error = add_piece(sums, first_ns, last_ns);
    return error == ERROR_OK ? add_piece(sums, last_ns, to_ns) : error;
}

/* --- cells to quantities --- */

/* qsort hands no context to its comparison, so meters are put in order first and cells compare by their places. */
static int compare_meters(const void *a, const void *b)
{
    const struct tenant_quantity *left = a, *right = b;
    int order = text_compare(left->meter_name, right->meter_name);
    return order != 0 ? order : text_compare(left->meter_id, right->meter_id);
}

static int compare_cells(const void *a, const void *b)
{
    const struct cell *left = a, *right = b;
    if (left->entry != right->entry)
        return left->entry < right->entry ? -1 : 1;
    if (left->payer != right->payer)
        return left->payer < right->payer ? -1 : 1;
    return left->meter < right->meter ? -1 : left->meter > right->meter;
}

static err_t order_cells(struct sums *sums)
{
    uint32_t *places = memory_alloc((sums->meter_count + 1) * sizeof *places);
    if (places == NULL)
        return ERROR_NO_MEMORY;
    /* 'records' is not used in this list: it remembers the old place. */
    for (size_t i = 0; i < sums->meter_count; i++)
        sums->meters[i].records = i;
    if (sums->meter_count > 0)
        qsort(sums->meters, sums->meter_count, sizeof *sums->meters, compare_meters);
    for (size_t i = 0; i < sums->meter_count; i++)
        places[sums->meters[i].records] = (uint32_t)i;
    for (size_t i = 0; i < sums->cell_count; i++)
        sums->cells[i].meter = places[sums->cells[i].meter];
    memory_free(places);
    if (sums->cell_count > 0)
        qsort(sums->cells, sums->cell_count, sizeof *sums->cells, compare_cells);
    return ERROR_OK;
}

static err_t copy_quantities(struct sums *sums)
{
    struct tenants *out = sums->work->out;
    struct tenant_quantity *all = arena_array(sums->work->arena, sums->cell_count + 1, sizeof *all);
    if (all == NULL)
        return ERROR_NO_MEMORY;
    for (size_t i = 0; i < sums->cell_count; i++) {
        const struct cell *cell = &sums->cells[i];
        bool first = i == 0 || cell->entry != cell[-1].entry || cell->payer != cell[-1].payer;
        all[i] = sums->meters[cell->meter];
        all[i].quantity = cell->quantity;
        all[i].records = cell->records;
        struct tenant_payer *payer = cell->entry != TOTAL ? &out->entries[cell->entry].payers[cell->payer] : NULL;
        struct tenants_total *total = cell->entry == TOTAL ? &out->totals[cell->payer] : NULL;
        struct tenant_quantity **quantities = payer != NULL ? &payer->quantities : &total->quantities;
        *quantities = first ? &all[i] : *quantities;
        *(payer != NULL ? &payer->quantity_count : &total->quantity_count) += 1;
        *(payer != NULL ? &payer->records : &total->records) += cell->records;
    }
    return ERROR_OK;
}

static void count_records(struct tenants *out)
{
    for (size_t i = 0; i < out->count; i++) {
        struct tenant_entry *entry = &out->entries[i];
        bool counted[PAYER_CUSTOMER + 1] = { false };
        for (size_t p = 0; p < entry->payer_count; p++) {
            entry->records += entry->payers[p].records;
            enum payer_kind kind = entry->payers[p].payer.kind;
            if (entry->payers[p].records > 0 && !counted[kind]) {
                counted[kind] = true;
                out->totals[kind].tenants++;
            }
        }
    }
}

static err_t add_usage(struct sums *sums)
{
    err_t error = find_cuts(sums);
    for (size_t i = 0; i + 1 < sums->cut_count && error == ERROR_OK; i++)
        error = add_between(sums, sums->cuts[i], sums->cuts[i + 1]);
    if (error == ERROR_OK)
        error = order_cells(sums);
    if (error == ERROR_OK)
        error = copy_quantities(sums);
    if (error == ERROR_OK)
        count_records(sums->work->out);
    return error;
}

err_t tenants_add_usage(struct tenants_work *work)
{
    struct sums *sums = memory_zalloc(1, sizeof *sums);
    if (sums == NULL)
        return ERROR_NO_MEMORY;
    sums->work = work;
    err_t error = add_usage(sums);
    memory_free(sums->cells);
    memory_free(sums->slots);
    memory_free(sums->meters);
    memory_free(sums->meter_slots);
    memory_free(sums);
    return error;
}
