/* Batches of changes to customers, worked out in memory. See customers_plan.h. */
#include "registration/customers_plan.h"

#include <string.h>

#include "base/hash.h"

#define SLOTS_MIN 64 /* a power of two, as all sizes of the table */
#define ARENA_SIZE ((size_t)8 * 1024)
#define SPARE_STRETCHES 4 /* in the first copy of a timeline */

/* --- stretches --- */

static bool same_payer(const struct customer_stretch *a, const struct customer_stretch *b)
{
    return a->mapped == b->mapped && guid_equal(&a->customer_id, &b->customer_id);
}

static bool same_stretch(const struct customer_stretch *a, const struct customer_stretch *b)
{
    return a->start_ns == b->start_ns && same_payer(a, b);
}

/* The last one that begins at that time or before; the first one if none does. */
static size_t index_at(const struct stretches *stretches, int64_t time_ns)
{
    size_t low = 0, high = stretches->count;
    while (high - low > 1) {
        size_t middle = low + (high - low) / 2;
        if (stretches->items[middle].start_ns <= time_ns)
            low = middle;
        else
            high = middle;
    }
    return low;
}

const struct customer_stretch *stretch_at(const struct stretches *stretches, int64_t time_ns)
{
    return &stretches->items[index_at(stretches, time_ns)];
}

/* Items of its own, with room for one more. */
static err_t make_room(struct plan *plan, struct stretches *stretches)
{
    struct customer_stretch *items;
    if (stretches->capacity == 0) {
        size_t capacity = stretches->count + SPARE_STRETCHES;
        items = arena_array(plan->arena, capacity, sizeof *items);
        if (items == NULL)
            return ERROR_NO_MEMORY;
        memcpy(items, stretches->items, stretches->count * sizeof *items);
        stretches->capacity = capacity;
    } else {
        items = arena_grow(plan->arena, stretches->items, stretches->count, &stretches->capacity, sizeof *items);
        if (items == NULL)
            return ERROR_NO_MEMORY;
    }
    stretches->items = items;
    return ERROR_OK;
}

err_t timeline_set(struct plan *plan, struct timeline *timeline, const struct customer_stretch *stretch, bool *changed)
{
    struct stretches *now = &timeline->now;
    size_t kept = index_at(now, stretch->start_ns);
    *changed = !same_payer(&now->items[kept], stretch);
    if (!*changed)
        return ERROR_OK;
    err_t error = make_room(plan, now);
    if (error != ERROR_OK)
        return error;
    kept += now->items[kept].start_ns < stretch->start_ns ? 1 : 0;
    now->count = kept;
    /* The neighbour of the same payer grows instead. */
    if (kept == 0 || !same_payer(&now->items[kept - 1], stretch))
        now->items[now->count++] = *stretch;
    return ERROR_OK;
}

static bool is_of(const struct customer_stretch *stretch, const struct guid *customer_id)
{
    return stretch->mapped && guid_equal(&stretch->customer_id, customer_id);
}

/* Neighbours of the same payer as one; those before 'from' are known to differ. */
static void join(struct stretches *stretches, size_t from)
{
    size_t kept = from;
    for (size_t i = from; i < stretches->count; i++)
        if (kept == 0 || !same_payer(&stretches->items[kept - 1], &stretches->items[i]))
            stretches->items[kept++] = stretches->items[i];
    stretches->count = kept;
}

err_t timeline_remove(struct plan *plan, struct timeline *timeline, int64_t start_ns, const struct guid *customer_id,
                      bool *changed)
{
    struct stretches *now = &timeline->now;
    size_t first = index_at(now, start_ns);
    while (first < now->count && !is_of(&now->items[first], customer_id))
        first++;
    *changed = first < now->count;
    if (!*changed)
        return ERROR_OK;
    err_t error = make_room(plan, now);
    if (error != ERROR_OK)
        return error;
    struct customer_stretch *items = now->items;
    if (items[first].start_ns < start_ns) { /* what is before stays */
        first++;
        memmove(&items[first + 1], &items[first], (now->count - first) * sizeof *items);
        items[first] = (struct customer_stretch){ .start_ns = start_ns };
        now->count++;
    }
    for (size_t i = first; i < now->count; i++)
        if (is_of(&items[i], customer_id))
            items[i] = (struct customer_stretch){ .start_ns = items[i].start_ns };
    join(now, first);
    return ERROR_OK;
}

/* --- what has become of them --- */

static bool find_difference(const struct timeline *timeline, int64_t *from_ns)
{
    const struct stretches *old = &timeline->before, *new = &timeline->now;
    size_t i = 0;
    while (i < old->count && i < new->count &&same_stretch(&old->items[i], &new->items[i]))
        i++;
    if (i == old->count && i == new->count)
        return false;
    int64_t old_ns = i < old->count ? old->items[i].start_ns : INT64_MAX;
    int64_t new_ns = i < new->count ? new->items[i].start_ns : INT64_MAX;
    *from_ns = old_ns < new_ns ? old_ns : new_ns;
    return true;
}

/* How many changes plan_write appends. */
static size_t change_count(const struct timeline *timeline)
{
    return timeline->now.count - index_at(&timeline->now, timeline->from_ns);
}

void plan_compare(struct plan *plan)
{
    for (struct timeline *timeline = plan->first; timeline != NULL; timeline = timeline->next) {
        timeline->differs = find_difference(timeline, &timeline->from_ns);
        timeline->full = timeline->differs && timeline->last_change + change_count(timeline) > CUSTOMER_CHANGES_MAX;
    }
}

/* --- loading --- */

err_t plan_open(struct plan *plan, struct kv_txn *txn, uint64_t registration, int64_t from_ns)
{
    *plan = (struct plan){ .txn = txn, .registration = registration, .from_ns = from_ns, .slot_count = SLOTS_MIN };
    plan->tail = &plan->first;
    plan->arena = arena_new(ARENA_SIZE, 0);
    if (plan->arena != NULL)
        plan->slots = arena_array(plan->arena, plan->slot_count, sizeof *plan->slots);
    if (plan->slots != NULL)
        return ERROR_OK;
    plan_close(plan);
    return ERROR_NO_MEMORY;
}

void plan_close(struct plan *plan)
{
    arena_free(plan->arena);
}

static struct timeline **slot_of(struct timeline **slots, size_t slot_count, const struct guid *tenant_id)
{
    size_t i = hash64(tenant_id->bytes, sizeof tenant_id->bytes, 0) & (slot_count - 1);
    while (slots[i] != NULL && !guid_equal(&slots[i]->tenant_id, tenant_id))
        i = (i + 1) & (slot_count - 1);
    return &slots[i];
}

static err_t grow(struct plan *plan)
{
    size_t slot_count = plan->slot_count * 2;
    struct timeline **slots = arena_array(plan->arena, slot_count, sizeof *slots);
    if (slots == NULL)
        return ERROR_NO_MEMORY;
    for (struct timeline *timeline = plan->first; timeline != NULL; timeline = timeline->next)
        *slot_of(slots, slot_count, &timeline->tenant_id) = timeline;
    plan->slots = slots;
    plan->slot_count = slot_count;
    return ERROR_OK;
}

static err_t load(struct plan *plan, struct timeline *timeline)
{
    struct stretches *before = &timeline->before;
    size_t max = PLAN_STRETCHES_MAX - plan->stretch_count;
    err_t error = customer_stretches(plan->txn, plan->arena, plan->registration, &timeline->tenant_id, plan->from_ns,
                                     max, &before->items, &before->count, &timeline->last_change);
    if (error != ERROR_OK)
        return error;
    if (before->count > max) /* the one that is made where there is none */
        return ERROR_CONFLICT;
    plan->stretch_count += before->count;
    timeline->now = *before;
    return ERROR_OK;
}

err_t plan_timeline(struct plan *plan, const struct guid *tenant_id, struct timeline **out)
{
    struct timeline **slot = slot_of(plan->slots, plan->slot_count, tenant_id);
    *out = *slot;
    if (*out != NULL)
        return ERROR_OK;
    struct timeline *timeline = arena_zalloc(plan->arena, sizeof *timeline);
    if (timeline == NULL)
        return ERROR_NO_MEMORY;
    timeline->tenant_id = *tenant_id;
    err_t error = load(plan, timeline);
    if (error != ERROR_OK)
        return error;
    *slot = *out = timeline;
    *plan->tail = timeline;
    plan->tail = &timeline->next;
    return ++plan->used * 2 > plan->slot_count ? grow(plan) : ERROR_OK;
}

/* --- writing --- */

static err_t write_timeline(struct plan *plan, const struct timeline *timeline, const struct customer_change *shared)
{
    struct customer_change change = *shared;
    const struct stretches *now = &timeline->now;
    err_t error = ERROR_OK;
    change.number = timeline->last_change;
    for (size_t i = index_at(now, timeline->from_ns); i < now->count && error == ERROR_OK; i++) {
        const struct customer_stretch *stretch = &now->items[i];
        change.number++;
        change.effective_ns = stretch->start_ns > timeline->from_ns ? stretch->start_ns : timeline->from_ns;
        change.mapped = stretch->mapped;
        change.customer_id = stretch->customer_id;
        error = customer_change_write(plan->txn, plan->registration, &timeline->tenant_id, &change);
    }
    return error;
}

err_t plan_write(struct plan *plan, const struct customer_change *change)
{
    err_t error = ERROR_OK;
    for (struct timeline *timeline = plan->first; timeline != NULL && error == ERROR_OK; timeline = timeline->next)
        if (timeline->differs)
            error = write_timeline(plan, timeline, change);
    return error;
}
