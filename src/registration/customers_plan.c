/* Batches of changes to customers, worked out in memory. See customers_plan.h. */
#include "registration/customers_plan.h"

#include "base/hash.h"

#define SLOTS_MIN 64 /* a power of two, as all sizes of the table */
#define ARENA_SIZE ((size_t)8 * 1024)

/* --- stretches --- */

static bool same_payer(const struct stretch *a, const struct stretch *b)
{
    return a->mapped == b->mapped && guid_equal(&a->customer_id, &b->customer_id);
}

const struct stretch *stretch_at(const struct stretches *stretches, int64_t time_ns)
{
    size_t i = stretches->count - 1;
    while (i > 0 && stretches->items[i].start_ns > time_ns)
        i--;
    return &stretches->items[i];
}

/* Adds one at the end; a neighbour of the same payer grows instead. There is room. */
static void append(struct stretches *stretches, const struct stretch *stretch)
{
    if (stretches->count == 0 || !same_payer(&stretches->items[stretches->count - 1], stretch))
        stretches->items[stretches->count++] = *stretch;
}

err_t timeline_set(struct plan *plan, struct timeline *timeline, const struct stretch *stretch, bool *changed)
{
    const struct stretches *old = &timeline->now;
    struct stretches new = { arena_array(plan->arena, old->count + 1, sizeof *new.items), 0 };
    if (new.items == NULL)
        return ERROR_NO_MEMORY;
    for (size_t i = 0; i < old->count && old->items[i].start_ns < stretch->start_ns; i++)
        append(&new, &old->items[i]);
    size_t kept = new.count;
    append(&new, stretch);
    bool same = old->count == new.count &&
                (new.count == kept || (new.items[kept].start_ns ==
                                       old->items[kept].start_ns &&same_payer(&new.items[kept], &old->items[kept])));
    *changed = !same;
    timeline->now = new;
    return ERROR_OK;
}

err_t timeline_remove(struct plan *plan, struct timeline *timeline, int64_t start_ns, const struct guid *customer_id,
                      bool *changed)
{
    const struct stretches *old = &timeline->now;
    struct stretches new = { arena_array(plan->arena, 2 * old->count, sizeof *new.items), 0 };
    *changed = false;
    if (new.items == NULL)
        return ERROR_NO_MEMORY;
    for (size_t i = 0; i < old->count; i++) {
        const struct stretch *stretch = &old->items[i];
        bool ends_later = i + 1 == old->count || old->items[i + 1].start_ns > start_ns;
        if (!stretch->mapped || !ends_later || !guid_equal(&stretch->customer_id, customer_id)) {
            append(&new, stretch);
            continue;
        }
        *changed = true;
        if (stretch->start_ns < start_ns)
            append(&new, stretch);
        const struct stretch none = { .start_ns = stretch->start_ns < start_ns ? start_ns : stretch->start_ns };
        append(&new, &none);
    }
    timeline->now = new;
    return ERROR_OK;
}

bool timeline_differs(const struct timeline *timeline, int64_t *from_ns)
{
    const struct stretches *old = &timeline->before, *new = &timeline->now;
    size_t i = 0;
    while (i < old->count && i < new->count &&
           old->items[i].start_ns == new->items[i].start_ns &&same_payer(&old->items[i], &new->items[i]))
        i++;
    if (i == old->count && i == new->count)
        return false;
    int64_t old_ns = i < old->count ? old->items[i].start_ns : INT64_MAX;
    int64_t new_ns = i < new->count ? new->items[i].start_ns : INT64_MAX;
    *from_ns = old_ns < new_ns ? old_ns : new_ns;
    return true;
}

size_t timeline_change_count(const struct timeline *timeline)
{
    int64_t from_ns;
    if (!timeline_differs(timeline, &from_ns))
        return 0;
    size_t later = timeline->now.count;
    while (later > 0 && timeline->now.items[later - 1].start_ns > from_ns)
        later--;
    return 1 + timeline->now.count - later;
}

/* --- loading --- */

err_t plan_open(struct plan *plan, struct kv_txn *txn, uint64_t registration, int64_t from_ns)
{
    *plan = (struct plan){ .txn = txn, .registration = registration, .from_ns = from_ns, .slot_count = SLOTS_MIN };
    plan->tail = &plan->first;
    plan->arena = arena_new(ARENA_SIZE, 0);
    plan->scratch = arena_new(ARENA_SIZE, 0);
    if (plan->arena != NULL && plan->scratch != NULL)
        plan->slots = arena_array(plan->arena, plan->slot_count, sizeof *plan->slots);
    if (plan->slots != NULL)
        return ERROR_OK;
    plan_close(plan);
    return ERROR_NO_MEMORY;
}

void plan_close(struct plan *plan)
{
    arena_free(plan->arena);
    arena_free(plan->scratch);
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

/* Newest first: a change holds from its hour up to the earliest one of those recorded after it. The stretches come
 * out last first. */
static err_t read_stretches(struct plan *plan, struct timeline *timeline, struct stretches *reversed)
{
    struct customer_changes changes;
    struct customer_change change;
    int64_t until_ns = INT64_MAX;
    size_t capacity = 0;
    err_t error = customer_changes_open(&changes, plan->txn, plan->scratch, plan->registration, &timeline->tenant_id);
    if (error != ERROR_OK)
        return error;
    while (until_ns > plan->from_ns) {
        struct arena_mark mark = arena_mark(plan->scratch);
        if ((error = customer_changes_next(&changes, &change)) != ERROR_OK)
            break;
        arena_rewind(plan->scratch, mark);
        if (timeline->last_change == 0)
            timeline->last_change = change.number;
        if (change.effective_ns >= until_ns)
            continue;
        if (reversed->count == capacity) {
            size_t wanted = capacity == 0 ? 4 : 2 * capacity;
            struct stretch *items =
                arena_resize(plan->arena, reversed->items, capacity * sizeof *items, wanted * sizeof *items);
            if (items == NULL) {
                error = ERROR_NO_MEMORY;
                break;
            }
            reversed->items = items;
            capacity = wanted;
        }
        until_ns = change.effective_ns < plan->from_ns ? plan->from_ns : change.effective_ns;
        reversed->items[reversed->count++] = (struct stretch){ until_ns, change.mapped, change.customer_id };
    }
    customer_changes_close(&changes);
    return error == ERROR_NOT_FOUND ? ERROR_OK : error;
}

static err_t load(struct plan *plan, struct timeline *timeline)
{
    struct stretches reversed = { 0 };
    err_t error = read_stretches(plan, timeline, &reversed);
    struct stretches *before = &timeline->before;
    before->items = arena_array(plan->arena, reversed.count + 1, sizeof *before->items);
    if (error != ERROR_OK || before->items == NULL)
        return error != ERROR_OK ? error : ERROR_NO_MEMORY;
    if (reversed.count == 0 || reversed.items[reversed.count - 1].start_ns > plan->from_ns)
        append(before, &(struct stretch){ .start_ns = plan->from_ns });
    for (size_t i = reversed.count; i > 0; i--)
        append(before, &reversed.items[i - 1]);
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

static err_t write_timeline(struct plan *plan, const struct timeline *timeline, int64_t from_ns,
                            const struct customer_change *shared)
{
    struct customer_change change = *shared;
    const struct stretch *stretch = stretch_at(&timeline->now, from_ns);
    const struct stretch *end = timeline->now.items + timeline->now.count;
    err_t error = ERROR_OK;
    change.number = timeline->last_change;
    for (int64_t start_ns = from_ns; error == ERROR_OK; start_ns = stretch->start_ns) {
        change.number++;
        change.effective_ns = start_ns;
        change.mapped = stretch->mapped;
        change.customer_id = stretch->customer_id;
        error = customer_change_write(plan->txn, plan->registration, &timeline->tenant_id, &change);
        if (++stretch == end)
            break;
    }
    return error;
}

err_t plan_write(struct plan *plan, const struct customer_change *change)
{
    err_t error = ERROR_OK;
    int64_t from_ns;
    for (struct timeline *timeline = plan->first; timeline != NULL && error == ERROR_OK; timeline = timeline->next)
        if (timeline_differs(timeline, &from_ns))
            error = write_timeline(plan, timeline, from_ns, change);
    return error;
}
