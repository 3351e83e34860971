/* Changing customers: the jobs for the writer. A job works out in a plan what its lines come to (customers_plan.h) and
 * then appends what is different. It may run twice (store.h), so everything is made anew at each run. */
#include "registration/customers.h"

#include <stdlib.h>

#include "base/instant.h"
#include "registration/customers_plan.h"
#include "store/write.h"

/* --- what may be done --- */

/* The subscription's mapping as it holds now against If-Match and If-None-Match. */
static err_t check_precondition(struct customer_job *job, struct kv_txn *txn, const struct guid *customer_id,
                                int64_t now_ns)
{
    struct customer customer;
    char etag[CUSTOMER_ETAG_SIZE];
    if (job->precondition.if_match.ptr == NULL && job->precondition.if_none_match.ptr == NULL)
        return ERROR_OK;
    err_t error = customer_get(txn, job->arena, job->registration, customer_id, now_ns, INT64_MAX, &customer);
    if (error != ERROR_OK && error != ERROR_NOT_FOUND)
        return error;
    bool exists = error == ERROR_OK;
    if (exists)
        customer_etag(&customer, etag);
    job->refusal = precondition_check(&job->precondition, exists ? text_of(etag) : TEXT_NONE, &job->info);
    return ERROR_OK;
}

/* Refusals are no errors: the caller looks at job->refusal. */
static err_t begin(struct customer_job *job, struct kv_txn *txn, const struct guid *customer_id, int64_t now_ns)
{
    struct registration registration;
    job->refusal = ERROR_OK;
    job->effects = NULL;
    job->effect_count = 0;
    err_t error = registration_get(txn, job->arena, job->registration, &registration);
    if (error == ERROR_NOT_FOUND) {
        job->refusal = error_set(&job->info, ERROR_REGISTRATION_NOT_FOUND, NULL,
                                 "the registration has been deleted meanwhile; look up what is there now");
        return ERROR_OK;
    }
    return error == ERROR_OK && customer_id != NULL ? check_precondition(job, txn, customer_id, now_ns) : error;
}

static void note_effect(struct customer_job *job, const struct timeline *timeline, int64_t from_ns)
{
    const struct stretch *before = stretch_at(&timeline->before, from_ns);
    const struct stretch *after = stretch_at(&timeline->now, from_ns);
    job->effects[job->effect_count++] = (struct customer_effect){ .tenant_id = timeline->tenant_id,
                                                                  .effective_ns = from_ns,
                                                                  .was_mapped = before->mapped,
                                                                  .is_mapped = after->mapped,
                                                                  .before = before->customer_id,
                                                                  .after = after->customer_id };
    if (timeline->last_change + timeline_change_count(timeline) > CUSTOMER_CHANGES_MAX)
        job->refusal = error_set(&job->info, ERROR_CONFLICT, NULL,
                                 "a tenant of this registration has had %d changes, and no more can be kept",
                                 CUSTOMER_CHANGES_MAX);
}

/* Tells the effects and, unless that is refused or not wanted, makes them. */
static err_t finish(struct customer_job *job, struct store_write *write, struct plan *plan)
{
    int64_t from_ns;
    job->effects = arena_array(job->arena, plan->used + 1, sizeof *job->effects);
    if (job->effects == NULL)
        return ERROR_NO_MEMORY;
    for (struct timeline *timeline = plan->first; timeline != NULL; timeline = timeline->next)
        if (timeline_differs(timeline, &from_ns))
            note_effect(job, timeline, from_ns);
    if (job->refusal != ERROR_OK)
        job->effect_count = 0;
    if (job->refusal != ERROR_OK || job->dry_run)
        return ERROR_OK;
    const struct customer_change change = { .recorded_ns = write_reported_ns(write),
                                            .by = job->by,
                                            .request = job->request };
    return plan_write(plan, &change);
}

/* --- lines --- */

/* Tells of each line which one before it, in the order of their application, has the same subscription: that line's
 * tenant is the only one that can have it from then on, so the store is asked for the first one alone. */
struct step {
    struct customer_line *line;
    size_t position;          /* in the file */
    struct step *same_before; /* NULL: the first of its subscription */
    bool changed;
};

static int by_time(const void *a, const void *b)
{
    const struct step *left = a, *right = b;
    if (left->line->effective_ns != right->line->effective_ns)
        return left->line->effective_ns < right->line->effective_ns ? -1 : 1;
    return left->position < right->position ? -1 : left->position > right->position;
}

static int by_customer(const void *a, const void *b)
{
    const struct step *left = *(struct step *const *)a, *right = *(struct step *const *)b;
    int order = memcmp(left->line->customer_id.bytes, right->line->customer_id.bytes, sizeof(struct guid));
    return order != 0 ? order : left < right ? -1 : left > right;
}

static err_t make_steps(struct customer_apply *apply, struct plan *plan, struct step **out)
{
    struct step *steps = arena_array(plan->arena, apply->line_count + 1, sizeof *steps);
    struct step **sorted = arena_array(plan->arena, apply->line_count + 1, sizeof *sorted);
    if (steps == NULL || sorted == NULL)
        return ERROR_NO_MEMORY;
    for (size_t i = 0; i < apply->line_count; i++)
        steps[i] = (struct step){ .line = &apply->lines[i], .position = i };
    qsort(steps, apply->line_count, sizeof *steps, by_time);
    for (size_t i = 0; i < apply->line_count; i++)
        sorted[i] = &steps[i];
    qsort(sorted, apply->line_count, sizeof *sorted, by_customer);
    for (size_t i = 1; i < apply->line_count; i++)
        if (guid_equal(&sorted[i]->line->customer_id, &sorted[i - 1]->line->customer_id))
            sorted[i]->same_before = sorted[i - 1];
    *out = steps;
    return ERROR_OK;
}

/* Whoever has the subscription from some hour on loses it then, but for one tenant. */
struct removal {
    struct plan *plan;
    const struct guid *customer_id, *except;
    int64_t start_ns;
    bool changed;
};

static err_t remove_from(void *context, const struct guid *tenant_id)
{
    struct removal *removal = context;
    struct timeline *timeline;
    bool changed;
    if (removal->except != NULL && guid_equal(tenant_id, removal->except))
        return ERROR_OK;
    err_t error = plan_timeline(removal->plan, tenant_id, &timeline);
    if (error == ERROR_OK)
        error = timeline_remove(removal->plan, timeline, removal->start_ns, removal->customer_id, &changed);
    if (error == ERROR_OK)
        removal->changed |= changed;
    return error;
}

static err_t run_step(struct plan *plan, struct step *step)
{
    const struct customer_line *line = step->line;
    struct stretch stretch = { .start_ns = line->effective_ns, .mapped = line->mapped };
    struct timeline *timeline;
    if (line->mapped)
        stretch.customer_id = line->customer_id;
    err_t error = plan_timeline(plan, &line->tenant_id, &timeline);
    if (error == ERROR_OK)
        error = timeline_set(plan, timeline, &stretch, &step->changed);
    if (error != ERROR_OK || !step->changed || !line->mapped)
        return error;
    struct removal removal = { plan, &line->customer_id, &line->tenant_id, line->effective_ns, false };
    return step->same_before != NULL && step->same_before->line->mapped
               ? remove_from(&removal, &step->same_before->line->tenant_id)
               : customer_tenants_of(plan->txn, plan->registration, &line->customer_id, remove_from, &removal);
}

static err_t run_lines(struct customer_apply *apply, struct plan *plan, struct store_write *write)
{
    struct step *steps;
    struct timeline *timeline;
    int64_t from_ns;
    err_t error = make_steps(apply, plan, &steps);
    for (size_t i = 0; i < apply->line_count && error == ERROR_OK; i++)
        error = run_step(plan, &steps[i]);
    if (error == ERROR_OK)
        error = finish(&apply->base, write, plan);
    for (size_t i = 0; i < apply->line_count && error == ERROR_OK && apply->base.refusal == ERROR_OK; i++) {
        struct customer_line *line = steps[i].line;
        error = plan_timeline(plan, &line->tenant_id, &timeline);
        line->changed = error == ERROR_OK && steps[i].changed && timeline_differs(timeline, &from_ns);
        apply->changed_count += line->changed ? 1 : 0;
    }
    return error;
}

static err_t read_result(struct customer_apply *apply, struct kv_txn *txn)
{
    const struct customer_line *line = &apply->lines[0];
    const struct customer_job *base = &apply->base;
    if (apply->line_count == 0 || !line->mapped || base->dry_run || base->refusal != ERROR_OK)
        return ERROR_OK;
    err_t error = customer_of_tenant(txn, base->arena, base->registration, &line->tenant_id, line->effective_ns,
                                     INT64_MAX, &apply->result);
    return error == ERROR_NOT_FOUND ? ERROR_OK : error;
}

static err_t run_apply(struct store_write *write, struct store_job *job)
{
    struct customer_apply *apply = (struct customer_apply *)job;
    int64_t now_ns = write_reported_ns(write), from_ns = INT64_MAX;
    const struct guid *one = apply->line_count == 1 ? &apply->lines[0].customer_id : NULL;
    struct plan plan;
    apply->changed_count = 0;
    err_t error = begin(&apply->base, write_txn(write), one, now_ns);
    if (error != ERROR_OK || apply->base.refusal != ERROR_OK)
        return error;
    for (size_t i = 0; i < apply->line_count; i++) {
        int64_t *effective_ns = &apply->lines[i].effective_ns;
        if (*effective_ns == INT64_MIN)
            *effective_ns = hour_start_ns(instant_hour(now_ns));
        from_ns = *effective_ns < from_ns ? *effective_ns : from_ns;
    }
    error = plan_open(&plan, write_txn(write), apply->base.registration, from_ns);
    if (error != ERROR_OK)
        return error;
    error = run_lines(apply, &plan, write);
    plan_close(&plan);
    return error == ERROR_OK ? read_result(apply, write_txn(write)) : error;
}

void customer_apply_init(struct customer_apply *apply, struct customer_line *lines, size_t line_count)
{
    *apply = (struct customer_apply){ .base.job = { .run = run_apply, .weight = line_count > 0 ? line_count : 1 },
                                      .lines = lines,
                                      .line_count = line_count };
}

/* --- deleting --- */

static err_t run_delete(struct store_write *write, struct store_job *job)
{
    struct customer_delete *delete_job = (struct customer_delete *)job;
    int64_t now_ns = write_reported_ns(write);
    struct plan plan;
    delete_job->missing = false;
    err_t error = begin(&delete_job->base, write_txn(write), &delete_job->customer_id, now_ns);
    if (error != ERROR_OK || delete_job->base.refusal != ERROR_OK)
        return error;
    if (delete_job->effective_ns == INT64_MIN)
        delete_job->effective_ns = hour_start_ns(instant_hour(now_ns));
    error = plan_open(&plan, write_txn(write), delete_job->base.registration, delete_job->effective_ns);
    if (error != ERROR_OK)
        return error;
    struct removal removal = { &plan, &delete_job->customer_id, NULL, delete_job->effective_ns, false };
    error = customer_tenants_of(plan.txn, plan.registration, removal.customer_id, remove_from, &removal);
    delete_job->missing = !removal.changed;
    if (error == ERROR_OK)
        error = finish(&delete_job->base, write, &plan);
    plan_close(&plan);
    return error;
}

void customer_delete_init(struct customer_delete *delete_job, const struct guid *customer_id)
{
    *delete_job = (struct customer_delete){ .base.job = { .run = run_delete, .weight = 1 },
                                            .customer_id = *customer_id,
                                            .effective_ns = INT64_MIN };
}
