/* A record as it was posted, found by its (source, id), with its corrections and where they were counted. Read back
 * from the journal; any thread with a snapshot. Source: interface.md section 3, GET /v1/records/{source}/{id}. */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/attributes.h"
#include "base/decimal.h"
#include "base/error.h"
#include "base/guid.h"
#include "base/text.h"
#include "store/journal.h"
#include "store/store.h"
#include "usage/correction.h"

/* Texts live as long as the transaction, id as long as the journal entry it was read from. */
struct record_view {
    const struct journal_record *record;
    struct text source, producer, meter_id;
    struct guid subscription;
    struct instance instance;
};

/* The names behind the ids. ERROR_STORE_CORRUPT when one is missing. */
MUST_CHECK err_t record_view_read(struct kv_txn *txn, const struct journal_record *record, struct record_view *out);

/* The sequence under which a record was accepted. ERROR_NOT_FOUND. It may be that of a record which retention has
 * dropped from the journal: then journal_get does not find it. */
MUST_CHECK err_t record_find(struct store *store, struct kv_txn *txn, struct text source, struct text id,
                             uint64_t *sequence);

/* A correction with its texts copied into an arena. */
struct record_correction {
    uint64_t sequence;
    int64_t reported_ns;
    struct journal_correction entry;
};
/* All corrections of a record, in order. */
MUST_CHECK err_t record_corrections(struct kv_txn *txn, struct arena *arena, uint64_t original,
                                    struct record_correction **out, size_t *count);

/* What a record and its corrections have added to a usage hour in a reported hour. */
struct record_counted {
    uint32_t reported_hour, usage_hour;
    struct decimal_sum quantity;
};
/* In the order of reported and usage hours; what was counted and taken back within one reported hour is there as 0.
 * At most RECORD_SHARES_MAX * (CORRECTIONS_STORED_MAX + 1) entries. */
MUST_CHECK err_t record_counted(struct arena *arena, const struct journal_record *record,
                                const struct record_correction *corrections, size_t correction_count,
                                struct record_counted **out, size_t *count);
