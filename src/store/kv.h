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
    KV_META,            /* name -> value: schema, store key, sequence state */
    KV_JOURNAL,         /* sequence -> encoded segment of one commit */
    KV_DEDUPE,          /* plain engine: identity -> content hash, sequence */
    KV_HOURLY,          /* plain engine: row key -> sum */
    KV_DAILY,           /* plain engine: row key -> sum */
    KV_DICTIONARY,      /* kind, hash -> id */
    KV_DICTIONARY_TEXT, /* kind, id -> text */
    KV_SUBSCRIPTIONS,   /* subscription id -> JSON */
    KV_TOKENS,          /* token hash -> JSON */
    KV_USERS,           /* user name -> JSON */
    KV_SETTINGS,        /* name -> JSON, for what commands and the demo remember */
    KV_TABLE_COUNT
};

struct kv;
struct kv_txn;
struct kv_cursor;

struct kv_options {
    const char *folder;    /* exists; holds data.mdb and lock.mdb */
    size_t map_size_bytes; /* address space, not disk; the file grows as it is used */
    bool read_only;
};

/* ERROR_STORE_CORRUPT, ERROR_IO, ERROR_NO_MEMORY with a message. Refuses network file systems. */
MUST_CHECK err_t kv_open(const struct kv_options *options, struct kv **out, struct error_info *info);
void kv_close(struct kv *kv);

/* Writer thread. ERROR_INSUFFICIENT_STORAGE when the disk or the map is full. */
MUST_CHECK err_t kv_write_begin(struct kv *kv, struct kv_txn **out);
/* Durable when it returns ERROR_OK; the transaction is gone either way. */
MUST_CHECK err_t kv_commit(struct kv_txn *txn);
void kv_abort(struct kv_txn *txn);

/* A snapshot. Transactions are kept and reused: begin is cheap. */
MUST_CHECK err_t kv_read_begin(struct kv *kv, struct kv_txn **out);
void kv_read_end(struct kv_txn *txn);

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

struct kv_stats {
    uint64_t file_size_bytes, map_size_bytes, used_size_bytes;
    uint64_t entries[KV_TABLE_COUNT];
};
MUST_CHECK err_t kv_stats(struct kv *kv, struct kv_stats *out);
const char *kv_table_name(enum kv_table table);

/* Tests: the n-th write from now (put, append, delete or commit) fails with 'error'; 0 switches it off. */
void kv_fail_write(struct kv *kv, uint64_t nth, err_t error);
