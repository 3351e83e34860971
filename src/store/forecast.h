/* How large the store is, class by class, how it grows, and what that comes to: for status, stat and doctor. Growth is
 * measured between samples that the writer takes once a day, the last FORECAST_SAMPLES of them; before there are two it
 * is the size over the age of what is stored. A forecast, not a promise: it takes the next days to be like the last. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/attributes.h"
#include "base/error.h"
#include "base/json.h"
#include "store/kv.h"
#include "store/retention.h"
#include "store/rows.h"
#include "store/store.h"

#define FORECAST_SAMPLES 8
/* What is kept for ever is forecast as of so many days from now. */
#define FORECAST_DAYS 365

enum forecast_part {
    FORECAST_JOURNAL, /* the first ones as in enum retention_class */
    FORECAST_HOURLY,
    FORECAST_DAILY,
    FORECAST_REJECTS,
    FORECAST_AUDIT,
    FORECAST_DEDUPE,
    FORECAST_DICTIONARY,
    FORECAST_PART_COUNT
};
const char *forecast_part_name(enum forecast_part part); /* "journal", ... */

struct forecast_size {
    uint64_t bytes, bytes_per_day;
    int64_t keep_days;      /* 0: for ever */
    int64_t days_until_due; /* until as much goes as comes: 0 now, -1 never */
    uint64_t bytes_then;    /* by then; kept for ever: in FORECAST_DAYS */
};

struct forecast {
    struct forecast_size parts[FORECAST_PART_COUNT];
    uint64_t bytes, bytes_per_day, bytes_then;
    uint64_t file_bytes, map_bytes;
    uint64_t disk_free_bytes;
    int64_t days_until_full; /* disk or map, whichever is first; -1: not within FORECAST_DAYS_MAX */
    struct retention_state retention;
    bool held; /* retention waits until the clock is trusted */
};
#define FORECAST_DAYS_MAX 36500

/* Any thread, with a snapshot. The second form is for commands that have no open store; folder: the data directory. */
MUST_CHECK err_t forecast_make(struct store *store, struct kv_txn *txn, struct forecast *out);
MUST_CHECK err_t forecast_compute(struct kv_txn *txn, const struct rows_engine *rows, const struct kv_stats *stats,
                                  const struct retention_policy *policy, const char *folder, struct forecast *out);

/* {"journal":{"bytes","bytesPerDay","keepDays"?,"daysUntilDue"?,"bytesThen"},...,"total":{...}} */
void forecast_to_json(const struct forecast *forecast, struct json_writer *json);

/* Writer: notes the sizes of today if that hasn't been done (part of retention's slices). */
MUST_CHECK err_t forecast_sample(struct kv_txn *txn, const struct rows_engine *rows, int64_t reference_hour);
