/* The fields of a write transaction, for write.c and writer.c only. */
#pragma once

#include "store/journal.h"
#include "store/pending.h"
#include "store/write.h"

struct store_write {
    struct kv_txn *txn;
    const struct rows_engine *rows;
    struct dictionary *dictionary;
    int64_t reported_ns;
    struct store_state state;
    struct journal_writer journal;
    struct pending claims, hourly, daily;
};
