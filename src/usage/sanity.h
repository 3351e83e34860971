/* Sanity checks: accepted usage that cannot be right, or that somebody should look at. Nothing is kept out for it,
 * since money must not be lost over a suspicion; it is counted and listed as a finding. Only what is certain is found:
 *
 *   over-window      more than the interval's hours times a level that is known for sure: one virtual machine (meters
 *                    in "VM hours"), one disk ("Count of Disks*hours" or "*month"), or the number of cores that the
 *                    record's own additionalInfo gives (meters in core hours). A millionth more is taken for rounding.
 *   after-deletion   the interval begins after its subscription was deleted
 *   unknown-meter    the meter is not in the catalogue
 *
 * Findings are one per day, kind and subject, counting up, so that a producer which is wrong for ever fills nothing.
 * They lie in KV_REJECTS, not among the alerts: an alert is a state that ends, a finding is about records that stay,
 * and it is looked at by the same people and goes with the same age as what was refused. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/attributes.h"
#include "base/error.h"
#include "base/text.h"
#include "store/journal.h"
#include "store/store.h"
#include "usage/meters.h"
#include "usage/record.h"

#define FINDINGS_PER_DAY_MAX 1000

enum finding_kind { FINDING_OVER_WINDOW, FINDING_AFTER_DELETION, FINDING_UNKNOWN_METER, FINDING_KIND_COUNT };
const char *finding_kind_name(enum finding_kind kind); /* "over-window", ... */

struct finding {
    enum finding_kind kind;
    int64_t day; /* of reported time */
    int64_t first_ns, last_ns;
    uint64_t count;
    uint64_t sequence; /* of the first record */
    struct guid subscription;
    struct text meter_id, resource_uri, source, producer; /* of the first record; for unknown meters the resource is an
                                                             example */
    struct text message;
};

/* --- on arrival (writer thread) --- */

/* What is remembered of meters and deleted subscriptions, so that a record that is fine costs next to nothing. */
struct sanity;
/* meters outlive it. NULL: no memory. */
MUST_CHECK struct sanity *sanity_new(const struct meters *meters);
void sanity_free(struct sanity *sanity);

/* Before the records of a batch. */
MUST_CHECK err_t sanity_begin(struct sanity *sanity, struct store_write *write);
/* Looks at an accepted record. */
MUST_CHECK err_t sanity_check(struct sanity *sanity, struct store_write *write, const struct usage_record *record,
                              const struct journal_record *entry, struct text producer);

/* --- reading (any snapshot) --- */

struct finding_totals {
    uint64_t records[FINDING_KIND_COUNT]; /* suspicious ones ever accepted */
    uint64_t not_listed;                  /* of them, beyond FINDINGS_PER_DAY_MAX subjects a day */
};
MUST_CHECK err_t finding_read_totals(struct kv_txn *txn, struct finding_totals *out);

/* Where a page of findings ends; zeros to begin with. */
#define FINDING_KEY_SIZE 22
struct finding_position {
    uint8_t key[FINDING_KEY_SIZE];
};
/* Calls visit for at most 'limit' findings of the days [first_day, end_day) behind *position, which moves. Texts live
 * as long as the snapshot. */
MUST_CHECK err_t finding_list(struct kv_txn *txn, int64_t first_day, int64_t end_day, size_t limit,
                              struct finding_position *position,
                              err_t (*visit)(void *context, const struct finding *finding), void *context, bool *more);

/* Retention: removes findings of days that ended before before_ns, at most 'budget' a call. */
MUST_CHECK err_t findings_drop(struct kv_txn *txn, int64_t before_ns, size_t budget, bool *left);

/* --- as a report --- */

/* Sums that say the same of whole hours, corrections included: the rows of the reported hours [first_hour, end_hour) in
 * which one resource has more of a meter in a usage hour than an hour can hold. */
struct sanity_sum {
    uint32_t reported_hour, usage_hour;
    struct guid subscription;
    struct text meter_id, unit, resource_uri;
    struct decimal_sum quantity;
    struct decimal limit;
};
#define SANITY_REPORT_ROWS_MAX 20000000
/* ERROR_INVALID_PROPERTY: more rows than that; ask for less. Stops after 'limit' with *more. */
MUST_CHECK err_t sanity_report(struct store *store, struct kv_txn *txn, const struct meters *meters,
                               uint32_t first_hour, uint32_t end_hour, size_t limit,
                               err_t (*visit)(void *context, const struct sanity_sum *sum), void *context, bool *more);
