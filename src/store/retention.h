/* Retention: what is older than its class is to be kept goes, in small slices on the writer thread between commits.
 * Each class has its own age (0: kept for ever); the dedupe index, signed heads, dictionary and settings always stay.
 *
 * Time: ages count back from the newest seal, never from the clock, and only buckets that lie before it are dropped.
 * Seals follow the clock, so a clock that jumped far ahead by mistake would seal the future, too; therefore retention
 * trusts a seal only after time has gone on in ordinary steps (at most RETENTION_STEP_HOURS_MAX) for
 * RETENTION_TRUST_HOURS since the last larger one, or an operator has said that the clock is right. Nothing can be
 * dropped because of one wrong reading; the price is that after a long stand-still dropping begins some days later.
 *
 * Before the first row of a class goes, the time up to which it is gone is written down in the same transaction: a
 * reader is told that a window isn't kept any more instead of being given less than was reported. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/attributes.h"
#include "base/error.h"
#include "store/kv.h"
#include "store/rows.h"

#define RETENTION_STEP_HOURS_MAX (7 * 24)
#define RETENTION_TRUST_HOURS 72
/* What one slice does at most: about the work of a small batch. */
#define RETENTION_SLICE_ROWS 8192
#define RETENTION_SLICE_SEGMENTS 32
#define RETENTION_SLICE_ENTRIES 1024

enum retention_class {
    RETENTION_JOURNAL, /* segments, and what only points into them */
    RETENTION_HOURLY,
    RETENTION_DAILY, /* rollup included */
    RETENTION_REJECTS,
    RETENTION_AUDIT,
    RETENTION_CLASS_COUNT
};
const char *retention_class_name(enum retention_class retention_class); /* "journal", ... */

/* Removes what is older, looking at about 'budget' entries a call. *position is the callee's between calls (0 to begin
 * with), *left tells whether to call again. */
typedef err_t retention_drop(struct kv_txn *txn, int64_t before_ns, size_t budget, uint64_t *position, bool *left);

struct retention_policy {
    int64_t keep_hours[RETENTION_CLASS_COUNT]; /* 0: for ever */
    /* Parts that the layers above own; NULL: none. */
    retention_drop *drop_rejects;
    retention_drop *drop_watermarks; /* goes with the hourly rows */
};

/* --- what is gone (any snapshot) --- */

struct retention_state {
    int64_t reference_hour; /* sealed hour that was last followed; -1: none yet */
    int64_t trusted_hour;   /* time has gone on in ordinary steps since */
    uint32_t hourly_end;    /* hourly rows of reported hours before it may be gone; 0: all are there */
    uint32_t daily_end;     /* days */
    uint64_t journal_first; /* entries before it may be gone; 0: all are there */
};
MUST_CHECK err_t retention_read(struct kv_txn *txn, struct retention_state *out);
/* Something is due but waits until the clock is trusted. */
bool retention_is_held(const struct retention_policy *policy, const struct retention_state *state);

/* ERROR_USAGE_NOT_KEPT with a message and 'target', when rows reported from start_ns on are not all there. */
MUST_CHECK err_t retention_check_window(struct kv_txn *txn, bool daily, int64_t start_ns, const char *target,
                                        struct error_info *info);

/* --- dropping (writer thread) --- */

struct retention {
    struct retention_policy policy;
    /* Done for this reference hour; forgotten with the process. */
    int64_t done_hour[RETENTION_CLASS_COUNT + 2];
    uint64_t position[RETENTION_CLASS_COUNT + 2];
};
void retention_init(struct retention *retention, const struct retention_policy *policy);

/* One slice in a transaction of its own. *left: there is more to do now. *pairs_gone: pairs of usage and reported hour
 * were removed, so what is remembered of them is void. */
MUST_CHECK err_t retention_slice(struct retention *retention, const struct rows_engine *rows, struct kv_txn *txn,
                                 int64_t sealed_hour, uint64_t last_sequence, bool *left, bool *pairs_gone);
/* An operator says that the clock is right. *held tells whether it was in doubt. */
MUST_CHECK err_t retention_trust(struct kv_txn *txn, bool *held);

struct store_write;
/* Remembers what is configured; an entry in the audit log tells when it was something else at the start before. */
MUST_CHECK err_t retention_note_policy(struct store_write *write, const struct retention_policy *policy);
