/* The change feed: the journal's entries in order, for whoever keeps a copy of the usage elsewhere. Sequences are
 * given out and become visible in the same order, so a reader that goes on after the last one it has seen misses
 * nothing. Notes (entries without content) are skipped. Any thread with a snapshot.
 * Source: interface.md section 3, GET /v1/changes. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/attributes.h"
#include "base/error.h"
#include "store/journal.h"
#include "store/store.h"
#include "usage/record_view.h"

#define CHANGES_LIMIT_DEFAULT 1000
#define CHANGES_LIMIT_MAX 10000
/* Entries passed over for a page. */
#define CHANGES_ENTRIES_MAX 100000
/* Texts of a page; reached, it ends early. */
#define CHANGES_TEXT_BYTES_MAX ((size_t)8 * 1024 * 1024)

struct change {
    const struct journal_entry *entry; /* record, correction or seal */
    /* Of the record, or of a correction's record; kept is false when retention has dropped that. */
    bool kept;
    struct record_view record;
};

/* Calls emit for at most 'limit' changes after *after and moves *after to the last entry passed; stops at emit's first
 * error. A change lives until emit returns. *more: there are others already.
 * ERROR_CHANGES_NOT_KEPT (the message names the first sequence still kept), ERROR_INVALID_PROPERTY when *after lies
 * beyond the end of the journal. */
MUST_CHECK err_t changes_page(struct kv_txn *txn, uint64_t *after, size_t limit,
                              err_t (*emit)(void *context, const struct change *change), void *context, bool *more,
                              struct error_info *info);
