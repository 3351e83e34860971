/* Changing customers: the jobs for the writer. A job works out in a plan what its lines come to (customers_plan.h) and
 * then appends what is different. It may run twice (store.h), so everything is made anew at each run. */
#include "registration/customers.h"

#include <stdlib.h>

#include "base/instant.h"
#include "registration/customers_plan.h"
#include "store/write.h"

#define PASSES_MAX 4

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

/* Whether the registration still has customers; those who take none away need the approval, too. */
static err_t check_registration(struct customer_job *job, struct kv_txn *txn, const struct registration *registration,
                                bool maps)
{
    bool approved = true;
    if (maps && job->read_approved != NULL) {
        err_t error = job->read_approved(txn, job->arena, job->registration, &approved);
        if (error != ERROR_OK)
            return error;
    }
    job->refusal = customer_check_approval(registration, approved, &job->info);
    return ERROR_OK;
}

/* Refusals are no errors: the caller looks at job->refusal. maps: the job gives somebody a subscription. customer_id:
 * what the precondition is about, or NULL. */
static err_t begin(struct customer_job *job, struct kv_txn *txn, bool maps, const struct guid *customer_id,
                   int64_t now_ns)
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
    if (error == ERROR_OK)
        error = check_registration(job, txn, &registration, maps);
    if (error != ERROR_OK || job->refusal != ERROR_OK || customer_id == NULL)
        return error;
    return check_precondition(job, txn, customer_id, now_ns);
}

static void note_effect(struct customer_job *job, const struct timeline *timeline)
{
    const struct customer_stretch *before = stretch_at(&timeline->before, timeline->from_ns);
    const struct customer_stretch *after = stretch_at(&timeline->now, timeline->from_ns);
    job->effects[job->effect_count++] = (struct customer_effect){ .tenant_id = timeline->tenant_id,
                                                                  .effective_ns = timeline->from_ns,
                                                                  .was_mapped = before->mapped,
                                                                  .is_mapped = after->mapped,
                                                                  .before = before->customer_id,
                                                                  .after = after->customer_id };
}

/* After plan_compare: tells the effects and, unless that is not wanted, makes them. */
static err_t finish(struct customer_job *job, struct store_write *write, struct plan *plan)
{
    job->effects = arena_array(job->arena, plan->used + 1, sizeof *job->effects);
    if (job->effects == NULL)
        return ERROR_NO_MEMORY;
    for (struct timeline *timeline = plan->first; timeline != NULL; timeline = timeline->next)
        if (timeline->differs)
            note_effect(job, timeline);
    if (job->dry_run)
        return ERROR_OK;
    const struct customer_change change = { .recorded_ns = write_reported_ns(write),
                                            .by = job->by,
                                            .request = job->request };
    return plan_write(plan, &change);
}

/* What a plan has no room for is refused, and no error. */
static err_t refuse_too_many_stretches(struct customer_job *job, err_t error)
{
    if (error != ERROR_CONFLICT)
        return error;
    job->refusal = error_set(&job->info, ERROR_CONFLICT, NULL,
                             "the tenants that this is about have more than %d periods from its first hour on; change "
                             "fewer of them at once, or from a later hour on",
                             PLAN_STRETCHES_MAX);
    return ERROR_OK;
}

/* --- lines --- */

/* Tells of each line which one before it, in the order of their application, has the same subscription: if that line
 * took it from everybody else, its tenant is the only one that can have it from then on, and the store need not be
 * asked again. */
struct step {
    struct customer_line *line;
    size_t position;          /* in the file */
    struct step *same_before; /* NULL: the first of its subscription */
    bool changed;
    bool alone; /* from its hour on nobody but its tenant has the subscription */
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

/* Of the lines that are not refused. */
static err_t make_steps(struct customer_apply *apply, struct plan *plan, struct step **out, size_t *count)
{
    struct step *steps = arena_array(plan->arena, apply->line_count + 1, sizeof *steps);
    struct step **sorted = arena_array(plan->arena, apply->line_count + 1, sizeof *sorted);
    *count = 0;
    if (steps == NULL || sorted == NULL)
        return ERROR_NO_MEMORY;
    for (size_t i = 0; i < apply->line_count; i++)
        if (!apply->lines[i].refused)
            steps[(*count)++] = (struct step){ .line = &apply->lines[i], .position = i };
    qsort(steps, *count, sizeof *steps, by_time);
    for (size_t i = 0; i < *count; i++)
        sorted[i] = &steps[i];
    qsort(sorted, *count, sizeof *sorted, by_customer);
    for (size_t i = 1; i < *count; i++)
        if (sorted[i]->line->mapped && sorted[i - 1]->line->mapped &&
            guid_equal(&sorted[i]->line->customer_id, &sorted[i - 1]->line->customer_id))
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
    const struct step *before = step->same_before;
    struct customer_stretch stretch = { .start_ns = line->effective_ns, .mapped = line->mapped };
    struct timeline *timeline;
    if (line->mapped)
        stretch.customer_id = line->customer_id;
    err_t error = plan_timeline(plan, &line->tenant_id, &timeline);
    if (error == ERROR_OK)
        error = timeline_set(plan, timeline, &stretch, &step->changed);
    if (error != ERROR_OK || !line->mapped)
        return error;
    bool was_alone = before != NULL && before->alone;
    if (!step->changed) {
        /* Others may have it later, as scheduled. */
        step->alone = was_alone && guid_equal(&before->line->tenant_id, &line->tenant_id);
        return ERROR_OK;
    }
    struct removal removal = { plan, &line->customer_id, &line->tenant_id, line->effective_ns, false };
    step->alone = true;
    return was_alone ? remove_from(&removal, &before->line->tenant_id)
                     : customer_tenants_of(plan->txn, plan->registration, &line->customer_id, remove_from, &removal);
}

/* Those that give a tenant a subscription; what takes one away passes, so that nobody has to pay for ever. Whether
 * there were any. */
static err_t refuse_lines_of_full_tenants(struct customer_apply *apply, struct plan *plan, const struct step *steps,
                                          size_t count, bool *any)
{
    *any = false;
    for (size_t i = 0; i < count; i++) {
        struct customer_line *line = steps[i].line;
        struct timeline *timeline;
        if (!line->mapped || !steps[i].changed)
            continue;
        err_t error = plan_timeline(plan, &line->tenant_id, &timeline);
        if (error != ERROR_OK)
            return error;
        line->refused = timeline->full;
        *any |= timeline->full;
        apply->refused_count += timeline->full ? 1 : 0;
    }
    return ERROR_OK;
}

static err_t note_changed(struct customer_apply *apply, struct plan *plan, const struct step *steps, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        struct timeline *timeline;
        err_t error = plan_timeline(plan, &steps[i].line->tenant_id, &timeline);
        if (error != ERROR_OK)
            return error;
        steps[i].line->changed = steps[i].changed && timeline->differs;
        apply->changed_count += steps[i].line->changed ? 1 : 0;
    }
    return ERROR_OK;
}

/* Applies the lines that are not refused. *again: it did nothing but refuse some of them. */
static err_t run_lines(struct customer_apply *apply, struct plan *plan, struct store_write *write, bool *again)
{
    struct step *steps;
    size_t count;
    err_t error = make_steps(apply, plan, &steps, &count);
    for (size_t i = 0; i < count && error == ERROR_OK; i++)
        error = run_step(plan, &steps[i]);
    if (error != ERROR_OK)
        return error;
    plan_compare(plan);
    error = refuse_lines_of_full_tenants(apply, plan, steps, count, again);
    if (error != ERROR_OK || *again)
        return error;
    error = finish(&apply->base, write, plan);
    return error == ERROR_OK ? note_changed(apply, plan, steps, count) : error;
}

/* What a refused line would have taken away stays, so everything is worked out anew without it; that may fill another
 * tenant, which is as rare as can be. */
static err_t run_passes(struct customer_apply *apply, struct store_write *write, int64_t from_ns)
{
    bool again = true;
    for (int pass = 0; again && pass < PASSES_MAX; pass++) {
        struct plan plan;
        err_t error = plan_open(&plan, write_txn(write), apply->base.registration, from_ns);
        if (error != ERROR_OK)
            return error;
        error = run_lines(apply, &plan, write, &again);
        plan_close(&plan);
        if (error != ERROR_OK)
            return refuse_too_many_stretches(&apply->base, error);
    }
    if (again)
        apply->base.refusal = error_set(&apply->base.info, ERROR_CONFLICT, NULL,
                                        "too many tenants have had %d changes; leave them out", CUSTOMER_CHANGES_MAX);
    return ERROR_OK;
}

static err_t read_result(struct customer_apply *apply, struct kv_txn *txn)
{
    const struct customer_line *line = &apply->lines[0];
    const struct customer_job *base = &apply->base;
    if (apply->line_count == 0 || !line->mapped || line->refused || base->dry_run || base->refusal != ERROR_OK)
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
    bool maps = false;
    apply->changed_count = apply->refused_count = 0;
    for (size_t i = 0; i < apply->line_count; i++) {
        apply->lines[i].changed = apply->lines[i].refused = false;
        maps |= apply->lines[i].mapped;
    }
    err_t error = begin(&apply->base, write_txn(write), maps, one, now_ns);
    if (error != ERROR_OK || apply->base.refusal != ERROR_OK)
        return error;
    for (size_t i = 0; i < apply->line_count; i++) {
        int64_t *effective_ns = &apply->lines[i].effective_ns;
        if (*effective_ns == INT64_MIN)
            *effective_ns = hour_start_ns(instant_hour(now_ns));
        from_ns = *effective_ns < from_ns ? *effective_ns : from_ns;
    }
    error = run_passes(apply, write, from_ns);
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
    err_t error = begin(&delete_job->base, write_txn(write), false, &delete_job->customer_id, now_ns);
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
    plan_compare(&plan);
    if (error == ERROR_OK)
        error = finish(&delete_job->base, write, &plan);
    plan_close(&plan);
    return refuse_too_many_stretches(&delete_job->base, error);
}

void customer_delete_init(struct customer_delete *delete_job, const struct guid *customer_id)
{
    *delete_job = (struct customer_delete){ .base.job = { .run = run_delete, .weight = 1 },
                                            .customer_id = *customer_id,
                                            .effective_ns = INT64_MIN };
}
