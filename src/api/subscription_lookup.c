/* See subscription_lookup.h. */
#include "api/subscription_lookup.h"

#include "api/subscription_resolver.h"
#include "base/check.h"
#include "commerce/catalogue.h"

/* --- in the catalogue: on a worker --- */

static err_t read_catalogue(struct read_job *job, struct kv_txn *txn)
{
    struct subscription_lookup *lookup = CONTAINER_OF(job, struct subscription_lookup, job);
    struct arena *arena = http_arena(lookup->exchange);
    lookup->found = arena_array(arena, lookup->count + 1, sizeof *lookup->found);
    lookup->known = arena_array(arena, lookup->count + 1, sizeof *lookup->known);
    if (lookup->found == NULL || lookup->known == NULL)
        return ERROR_NO_MEMORY;
    for (size_t i = 0; i < lookup->count; i++) {
        err_t error = catalogue_get(txn, arena, &lookup->ids[i], &lookup->found[i]);
        lookup->known[i] = error == ERROR_OK;
        if (error != ERROR_OK && error != ERROR_NOT_FOUND)
            return error;
    }
    return ERROR_OK;
}

static void catalogue_read(struct read_job *job)
{
    struct subscription_lookup *lookup = CONTAINER_OF(job, struct subscription_lookup, job);
    lookup->error = job->error;
    if (job->error != ERROR_OK)
        error_set(&lookup->info, job->error, NULL, NULL);
    lookup->done(lookup);
}

void subscription_lookup_start(struct subscription_lookup *lookup)
{
    struct subscription_resolver *resolver = api_of(lookup->exchange)->options.resolver;
    REQUIRE(lookup->count <= SUBSCRIPTION_LOOKUP_MAX);
    if (resolver != NULL) {
        subscription_resolver_start(resolver, lookup);
        return;
    }
    lookup->job.read = read_catalogue;
    lookup->job.answer = catalogue_read;
    read_job_start(&lookup->job, lookup->exchange);
}
