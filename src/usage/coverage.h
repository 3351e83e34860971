/* What the journal can still prove. Retention may have dropped its beginning, and then the oldest rows cannot be
 * computed from it any more: they are taken as given. So are the buckets of a correction whose record is gone. Rows
 * that retention was told to drop are not asked for. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/attributes.h"
#include "base/error.h"
#include "store/dictionary.h"
#include "store/kv.h"

struct coverage {
    uint64_t first_sequence;                   /* of the journal; 0: it is empty */
    uint32_t first_hour, first_day;            /* reported buckets from here on follow from the journal */
    uint32_t hourly_end, daily_end;            /* rows before were to be dropped */
    uint32_t first_ids[DICTIONARY_KIND_COUNT]; /* ids before were defined in what is gone; 0: all of them */
    uint32_t *given_hours;                     /* in between that do not, ascending */
    size_t given_count, given_capacity;        /* at most the hours since the journal begins */
};

/* Reads the journal once if its beginning is gone. ERROR_STORE_CORRUPT where it cannot be read, ERROR_NO_MEMORY. */
MUST_CHECK err_t coverage_read(struct kv_txn *txn, struct coverage *out);
void coverage_free(struct coverage *coverage);

/* Whether the rows of a bucket follow from the journal. */
bool coverage_has_hour(const struct coverage *coverage, uint32_t reported_hour);
bool coverage_has_day(const struct coverage *coverage, uint32_t reported_day);
/* Whether the journal defines that id. */
bool coverage_has_id(const struct coverage *coverage, enum dictionary_kind kind, uint32_t id);
/* Everything does. */
bool coverage_is_whole(const struct coverage *coverage);
