/* What the files of customer subscriptions share: reading dates, the registration by name, the audit log's words. */
#pragma once

#include "api/registrations.h"
#include "api/subscription_lookup.h"
#include "registration/customers.h"

/* A registration as /v1/commerce/... names it in its query: registration=NAME, with subscriptionId= and resourceGroup=
 * where names repeat; or registrationId=NUMBER, which also finds one that has been deleted. */
struct registration_query {
    uint64_t number; /* 0: by name */
    struct text name, resource_group;
    struct guid subscription_id;
    bool has_subscription;
};
/* Answers InvalidProperty and returns false when the parameters are none of that. */
bool require_registration_query(struct http_exchange *exchange, struct registration_query *out);
/* Any thread. ERROR_REGISTRATION_NOT_FOUND; ERROR_CONFLICT, which asks for the subscription or the group. */
MUST_CHECK err_t find_registration(struct kv_txn *txn, struct arena *arena, const struct registration_query *query,
                                   struct registration *out, struct error_info *info);
/* The same where a deleted one will do: only its number. */
MUST_CHECK err_t find_registration_number(struct kv_txn *txn, struct arena *arena,
                                          const struct registration_query *query, uint64_t *out,
                                          struct error_info *info);

/* An instant in the query; 'absent_ns' when it is not given. Answers and returns false. */
bool read_query_time(struct http_exchange *exchange, const char *name, int64_t absent_ns, int64_t *out_ns);

/* For audited_job.happened: whether the job changed anything, with what it changed as the entry's detail. Writer
 * thread. The job is a struct customer_apply or customer_delete. */
bool customers_changed(struct audited_job *audited);
/* Who and by which request, into a job. False, and it is answered: no memory. */
bool fill_customer_job(struct customer_job *job, struct http_exchange *exchange, uint64_t registration);

/* Looks up the base subscription and 'count' customers behind it (ids[0] is set here), then calls done on the loop;
 * when the look-up fails it answers itself. 'ids' has room for count + 1. */
struct customer_lookup {
    struct subscription_lookup lookup;
    const struct registration *registration;
    bool approved;
    void (*done)(struct customer_lookup *lookup);
};
void customer_lookup_start(struct customer_lookup *lookup, struct http_exchange *exchange, struct guid *ids,
                           size_t count);
/* customer_check of the index-th customer, from 0. */
MUST_CHECK err_t customer_lookup_check(const struct customer_lookup *lookup, size_t index, struct error_info *info);
/* Whether multitenancy of the registration is approved. Any thread. */
MUST_CHECK err_t read_approved(struct kv_txn *txn, struct arena *arena, uint64_t registration, bool *approved);
