/* The demo's past: 35 days of simulated usage written straight into the store as history, the way `import --history`
 * does it; and the point in simulated time that the store remembers for it. Not for the loop thread, except
 * demo_position_put_init. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/attributes.h"
#include "base/error.h"
#include "cli/demo_stamp.h"
#include "store/store.h"

struct demo_history_counts {
    uint64_t accepted, duplicate, conflict, rejected;
};

/* The last 'hours' (at most DEMO_HISTORY_HOURS) before the start. Blocks for some
 * seconds; tells its progress on a terminal. Writing it again changes nothing. */
MUST_CHECK err_t demo_history_write(struct store *store, const struct demo_stamp *stamp, int64_t hours,
                                    struct demo_history_counts *counts, struct error_info *info);

/* How far the demo has come. */
struct demo_position {
    int64_t now_ns;
    int64_t posting_hour; /* the next whose reports are to be posted */
    bool regular_done;    /* of that hour: only the late, repeated and wrong ones are left */
};

/* ERROR_NOT_FOUND for a store that is not a demo's. */
MUST_CHECK err_t demo_position_get(struct kv_txn *txn, struct demo_position *out);
struct demo_position_put {
    struct store_job job; /* first member */
    struct demo_position position;
};
void demo_position_put_init(struct demo_position_put *put, const struct demo_position *position);
