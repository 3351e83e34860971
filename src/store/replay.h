/* Making a store's file anew: the segments of an older one copied byte for byte, and whatever follows from them written
 * by the functions that the writer itself uses, so that rebuilt and grown stores are the same. Works in
 * FOLDER/data.rebuild beside the present file and leaves that alone until replay_finish puts the new one in its place.
 * What journal entries mean is the caller's knowledge. One thread. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/attributes.h"
#include "base/error.h"
#include "store/store.h"
#include "store/write.h"

#define REPLAY_FOLDER "data.rebuild"

struct replay;

struct replay_options {
    const char *folder;             /* of the store; locked by the caller, who also removes it from other uses */
    const struct rows_engine *rows; /* NULL: the default engine */
    size_t map_size_bytes;          /* 0: the default */
};

/* What an entry adds to, as flags; all of it unless the journal's beginning is gone. */
enum replay_part { REPLAY_CLAIM = 1, REPLAY_HOURLY = 2, REPLAY_DAILY = 4, REPLAY_ALL = 7 };

MUST_CHECK err_t replay_open(const struct replay_options *options, struct replay **out, struct error_info *info);
/* Drops what is not finished. NULL is fine. */
void replay_close(struct replay *replay);

/* The open transaction: for tables that are carried over, and to read what was written. Commits change it. */
struct kv_txn *replay_txn(struct replay *replay);
const struct rows_engine *replay_rows(const struct replay *replay);

/* A segment as it is. ERROR_STORE_CORRUPT when it does not begin with the hash of the one before (but for the
 * first). */
MUST_CHECK err_t replay_segment(struct replay *replay, struct text key, struct text value);
/* A segment of a journal that had no chain: entries are added one by one, under new sequences if need be. */
MUST_CHECK err_t replay_entry(struct replay *replay, struct journal_entry *entry);
/* Begins a commit of its own reported time, for replay_entry; the one before is closed. */
MUST_CHECK err_t replay_begin_commit(struct replay *replay, int64_t reported_ns);
/* Interns as the writer does, with its definition in the journal; for replay_entry. */
MUST_CHECK err_t replay_intern(struct replay *replay, enum dictionary_kind kind, struct text identity, struct text text,
                               uint32_t *id);
/* The store's secret, before the first replay_intern. */
MUST_CHECK err_t replay_set_hash_key(struct replay *replay, const uint8_t *hash_key);

MUST_CHECK err_t replay_define(struct replay *replay, const struct journal_definition *definition);
/* Entries in the order of the journal; 'record' with sequence and reported time. */
MUST_CHECK err_t replay_record(struct replay *replay, const struct journal_record *record,
                               const struct hash128 *identity, uint64_t content_hash, uint32_t resource,
                               const struct write_share *shares, size_t share_count, unsigned parts);
/* 'original' with its own sequence and the reported time of the correction. */
MUST_CHECK err_t replay_correction(struct replay *replay, const struct journal_record *original, uint32_t resource,
                                   uint64_t sequence, const struct write_share *shares, size_t share_count,
                                   unsigned parts);
MUST_CHECK err_t replay_seal(struct replay *replay, const struct journal_entry *entry);
/* A row that cannot be computed any more and is taken as it was; ascending keys per family. */
MUST_CHECK err_t replay_row(struct replay *replay, enum row_family family, const uint8_t *key, const uint8_t *value);

/* The state as of the last entry; what the journal does not tell may be set before replay_finish. */
struct store_state *replay_state(struct replay *replay);

/* Commits, brings the rows into good shape, and puts the file in the place of the present one (see data_file_replace).
 * The replay can only be closed afterwards. */
MUST_CHECK err_t replay_finish(struct replay *replay, struct error_info *info);
