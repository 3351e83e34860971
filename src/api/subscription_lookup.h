/* What is known of commercial subscriptions, wherever it is known: the catalogue of this store, or the external
 * resolver when commerce.subscription_resolver_url is set (HTTPS with timeout, retry and cache). Loop thread. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "api/api_internal.h"
#include "registration/customers.h"

/* Subscriptions in one lookup; a CSV file has no more lines. */
#define SUBSCRIPTION_LOOKUP_MAX (CUSTOMER_BATCH_MAX + 1)

/* In the exchange's arena, zeroed but for the first four. The arena is a worker's until done. */
struct subscription_lookup {
    struct http_exchange *exchange;
    const struct guid *ids; /* may repeat; the caller's; zeros are nobody's subscription */
    size_t count;
    void (*done)(struct subscription_lookup *lookup); /* once, on the loop, never from inside start */
    /* Filled for done, in the exchange's arena: */
    struct commercial_subscription *found; /* one per id */
    bool *known;                           /* one per id; false: nobody knows it */
    err_t error; /* ERROR_OK, ERROR_METADATA_RESOLVER_BAD_GATEWAY, ERROR_TOO_MANY_REQUESTS, or of the store; then info
                    is filled and the two above are not */
    struct error_info info;
    struct read_job job; /* private */
};
void subscription_lookup_start(struct subscription_lookup *lookup);
