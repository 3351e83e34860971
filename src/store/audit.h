/* The audit log: who changed what, when, to what, and by which request. An entry is written in the transaction of the
 * change it tells of, so there is no change without its entry and no entry without its change. Entries are numbered
 * upwards from 1, numbers are never reused, and nothing rewrites one; only retention removes the oldest.
 * Actions are named "thing.verb" ("token.create", "reject.replay"). No secrets: details are shown to operators. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/attributes.h"
#include "base/error.h"
#include "base/text.h"
#include "store/store.h"

/* A longer text is cut: an entry names what happened, it is no copy of it. */
#define AUDIT_TEXT_SIZE_MAX 512
#define AUDIT_DETAIL_SIZE_MAX 4096
#define AUDIT_PAGE_ENTRIES_MAX 1000

/* Who acts when no identity does. */
#define AUDIT_BY_COMMAND TEXT("command line") /* somebody with access to the data directory */
#define AUDIT_BY_SYSTEM TEXT("stampmeter")

struct audit_entry {
    uint64_t number; /* set when written or read */
    int64_t time_ns; /* the reported time of the commit; set when written or read */
    struct text by;  /* name of the identity, or one of the above */
    struct text action;
    struct text subject; /* what it was done to, as the API names it */
    struct text detail;  /* JSON object, or ptr NULL */
    struct text request; /* id of the HTTP request, or ptr NULL */
};

/* Writer thread. Sets number and time. A detail that is longer than the bound is left out. */
MUST_CHECK err_t audit_write(struct store_write *write, struct audit_entry *entry);

/* Any snapshot: at most 'max' entries with number > after, ascending, texts in the arena. *more: others follow. */
MUST_CHECK err_t audit_list(struct kv_txn *txn, struct arena *arena, uint64_t after, size_t max,
                            struct audit_entry **out, size_t *count, bool *more);

/* The same the other way round: entries with number < before, descending; UINT64_MAX begins with the newest. */
MUST_CHECK err_t audit_list_newest(struct kv_txn *txn, struct arena *arena, uint64_t before, size_t max,
                                   struct audit_entry **out, size_t *count, bool *more);

/* Retention, writer's transaction: removes entries older than before_ns, oldest first, at most 'budget' a call. */
MUST_CHECK err_t audit_drop(struct kv_txn *txn, int64_t before_ns, size_t budget, bool *left);

/* A job that does what another job does and writes the entry in the same transaction: for changes whose own code knows
 * nothing of requests. The texts of the entry are borrowed until the job is done.
 *
 *   struct audited_job audited;
 *   audited_job_init(&audited, &create.job, &entry, NULL);
 *   store_run(store, &audited.job);                           // or write_call_start(&call, &audited.job, ...)
 */
struct audited_job {
    struct store_job job; /* first member */
    struct store_job *wanted;
    struct audit_entry entry;
    /* Whether the wanted job changed anything, asked after it has run; may complete the entry. NULL: it always does. */
    bool (*happened)(struct audited_job *audited);
};
void audited_job_init(struct audited_job *audited, struct store_job *wanted, const struct audit_entry *entry,
                      bool (*happened)(struct audited_job *audited));
