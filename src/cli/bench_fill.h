/* A store full of usage for `bench query`, written straight into it: a month of a stamp on which every resource
 * reports once an hour. Blocking. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/attributes.h"
#include "base/error.h"
#include "store/store.h"

#define BENCH_FILL_HOURS (31 * 24)
#define BENCH_FILL_SUBSCRIPTIONS 100
#define BENCH_FILL_METERS 10

/* Puts about 'records' records (a whole number of resources, at least one a subscription) into the BENCH_FILL_HOURS
 * hours before first_hour + BENCH_FILL_HOURS, each reported in the hour after its usage. A store that holds records
 * already is left as it is. *first_hour: the first reported hour, in or out. 'progress': tell on stderr. */
MUST_CHECK err_t bench_fill(struct store *store, uint64_t records, bool progress, uint32_t *first_hour,
                            struct error_info *info);
/* The n-th subscription of it. */
struct guid bench_fill_subscription(uint32_t number);
