/* Ordered key-value tables in one file: the only part that knows LMDB, and the seam where tests inject
 * failing writes. Keys at most KV_KEY_SIZE_MAX bytes, compared bytewise; values of any size below 1 GiB.
 *
 * Threads: write transactions are for one thread at a time (the writer); read transactions for any thread,
 * each transaction for one thread at a time. Values returned point into the map: valid until the
 * transaction ends (or, in a write transaction, until the next write), and unaligned. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/attributes.h"
#include "base/error.h"
#include "base/text.h"

#define KV_KEY_SIZE_MAX 511
#define KV_READERS_MAX 64

enum kv_table {
    KV_META,                 /* name -> value: schema, store key, sequence state */
    KV_JOURNAL,              /* sequence -> encoded segment of one commit */
    KV_DEDUPE,               /* plain engine: identity -> content hash, sequence */
    KV_HOURLY,               /* plain engine: row key -> sum */
    KV_DAILY,                /* plain engine: row key -> sum */
    KV_DICTIONARY,           /* kind, hash -> id */
    KV_DICTIONARY_TEXT,      /* kind, id -> text */
    KV_SUBSCRIPTIONS,        /* subscription id -> JSON */
    KV_TOKENS,               /* token hash -> JSON */
    KV_USERS,                /* user name -> JSON */
    KV_SETTINGS,             /* name -> JSON, for what commands and the demo remember */
    KV_ROLLUP,               /* plain engine: row key -> sum */
    KV_RUNS,                 /* runs engine: family, bucket, run -> header */
    KV_BLOCKS,               /* runs engine: family, bucket, run, first key -> rows */
    KV_FILTERS,              /* runs engine: run, part -> bits */
    KV_MERGES,               /* runs engine: merges and deletions under way */
    KV_USAGE_TIMES,          /* usage hour, reported hour: where usage of an hour was reported */
    KV_SPANS,                /* reported hour -> first and last sequence reported in it */
    KV_HEADS,                /* sequence of a seal -> signed head of the journal */
    KV_CORRECTIONS,          /* original sequence, correction's sequence */
    KV_REJECTS,              /* number -> what was kept out, and why */
    KV_WATERMARKS,           /* producer, source -> what is known of its reporting */
    KV_WATERMARK_HOURS,      /* producer, source, usage hour -> records */
    KV_ALERTS,               /* kind, subject -> open alerts */
    KV_AUDIT,                /* number -> who did what and when */
    KV_SUBSCRIPTION_CHANGES, /* subscription, change -> JSON: whose it was, and which provider's, from when on */
    KV_REGISTRATIONS,        /* number -> JSON; path, cloud id -> number (registration_internal.h) */
    KV_REGISTRATION_CHANGES, /* cloud id, change -> JSON: how the stamp was registered from when on */
    KV_CUSTOMERS,            /* who pays for a tenant from when on -> JSON; see registration/customers_internal.h */
    KV_PARTNERS,             /* partner id -> JSON */
    KV_CATALOGUE,            /* commercial subscription id -> JSON */
    KV_APPROVALS,            /* registration -> JSON: multitenancy */
    KV_TABLE_COUNT
};

struct kv;
struct kv_txn;
struct kv_cursor;

struct kv_options {
    const char *folder; /* exists; holds data.mdb and lock.mdb */
    size_t
        /* address space to start with, not disk; the file grows as it is used. 0: KV_MAP_SIZE_BYTES_DEFAULT */
        map_size_bytes;
    size_t map_size_max_bytes; /* how far it may grow; 0: KV_MAP_SIZE_BYTES_MAX */
    bool read_only;            /* tables that are not there are empty */
    bool raw;                  /* with read_only: values have no checksums, as in schema 1 */
};
#define KV_MAP_SIZE_BYTES_DEFAULT ((size_t)64 << 30)
/* Of the 128 TiB that a process has. */
#define KV_MAP_SIZE_BYTES_MAX ((size_t)32 << 40)

/* ERROR_STORE_CORRUPT, ERROR_IO, ERROR_NO_MEMORY, ERROR_NOT_FOUND (read only) with a message. Refuses network file
 * systems, a file that is cut or empty (one that was never written is not there at all), and one whose first pages are
 * damaged. */
MUST_CHECK err_t kv_open(const struct kv_options *options, struct kv **out, struct error_info *info);
void kv_close(struct kv *kv);

/* Writer thread. When the map is more than three quarters full it grows first, which waits a moment for readers to
 * end, and holds new ones off; if they don't, a later transaction tries again. Writes fail with
 * ERROR_INSUFFICIENT_STORAGE when the disk or the map is full. */
MUST_CHECK err_t kv_write_begin(struct kv *kv, struct kv_txn **out);
/* After such a failure: whether it was the map, and it may grow: then the same again, in a new transaction, can do. */
bool kv_can_grow(const struct kv *kv);
/* Durable when it returns ERROR_OK; the transaction is gone either way. */
MUST_CHECK err_t kv_commit(struct kv_txn *txn);
void kv_abort(struct kv_txn *txn);

/* A snapshot. Transactions are kept and reused: begin is cheap. */
MUST_CHECK err_t kv_read_begin(struct kv *kv, struct kv_txn **out);
void kv_read_end(struct kv_txn *txn);
/* Number of the commit that made the snapshot. */
uint64_t kv_snapshot_id(struct kv_txn *txn);

/* Values are kept with a checksum over table, key and value. Reading a small table checks it each time
 * (ERROR_STORE_CORRUPT); values of the large ones (journal, rows, blocks, filters, dictionary texts) are checked by
 * kv_check alone, for speed. A value that is put may not point into the map. */

/* ERROR_NOT_FOUND is an ordinary answer. */
MUST_CHECK err_t kv_get(struct kv_txn *txn, enum kv_table table, struct text key, struct text *value);
MUST_CHECK err_t kv_put(struct kv_txn *txn, enum kv_table table, struct text key, struct text value);
/* The key must be greater than all others of the table. */
MUST_CHECK err_t kv_append(struct kv_txn *txn, enum kv_table table, struct text key, struct text value);
/* ERROR_NOT_FOUND when there is nothing to delete. */
MUST_CHECK err_t kv_delete(struct kv_txn *txn, enum kv_table table, struct text key);

/* Cursors live at most as long as their transaction. */
MUST_CHECK err_t kv_cursor_open(struct kv_txn *txn, enum kv_table table, struct kv_cursor **out);
void kv_cursor_close(struct kv_cursor *cursor);
/* First entry with key >= 'key'; ERROR_NOT_FOUND at the end. */
MUST_CHECK err_t kv_cursor_seek(struct kv_cursor *cursor, struct text key, struct text *found_key, struct text *value);
MUST_CHECK err_t kv_cursor_next(struct kv_cursor *cursor, struct text *key, struct text *value);
/* The entry before the current one, or the last entry when the cursor is fresh or at the end. */
MUST_CHECK err_t kv_cursor_previous(struct kv_cursor *cursor, struct text *key, struct text *value);
MUST_CHECK err_t kv_cursor_last(struct kv_cursor *cursor, struct text *key, struct text *value);

/* Whether a value, as a read of this table gave it, is the one that was put under the key. */
bool kv_is_intact(enum kv_table table, struct text key, struct text value);
/* Checks every value of a table: how many entries, how many of them damaged. */
MUST_CHECK err_t kv_check(struct kv_txn *txn, enum kv_table table, uint64_t *entries, uint64_t *damaged);

/* Entries in a table. */
MUST_CHECK err_t kv_count(struct kv_txn *txn, enum kv_table table, uint64_t *count);
/* Bytes of its pages. */
MUST_CHECK err_t kv_size(struct kv_txn *txn, enum kv_table table, uint64_t *size_bytes);

struct kv_stats {
    uint64_t file_size_bytes, map_size_bytes, used_size_bytes;
    uint64_t entries[KV_TABLE_COUNT];
};
MUST_CHECK err_t kv_stats(struct kv *kv, struct kv_stats *out);
const char *kv_table_name(enum kv_table table);
/* Whether each read checks the value; else kv_check alone does. */
bool kv_table_is_checked(enum kv_table table);

/* Where the pages of the file are. Walks the list of free pages; for stat and doctor, not for every request. */
struct kv_space {
    uint64_t page_size_bytes, free_pages, map_size_max_bytes;
    uint64_t pages[KV_TABLE_COUNT];
};
MUST_CHECK err_t kv_space(struct kv *kv, struct kv_txn *txn, struct kv_space *out);

/* A consistent copy of the present as 'folder'/data.mdb, without free pages, while writes go on. Durable when the
 * caller has synced it. ERROR_INSUFFICIENT_STORAGE, ERROR_IO. The map cannot grow meanwhile. */
MUST_CHECK err_t kv_copy(struct kv *kv, const char *folder);

/* Tests: the n-th write from now (put, append, delete or commit) fails with 'error'; 0 switches it off. */
void kv_fail_write(struct kv *kv, uint64_t nth, err_t error);
