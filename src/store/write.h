/* Inside a write transaction: what store jobs may do. Writer thread only. Rows and identities collect in
 * memory and go to the engine in key order when the transaction ends, so a job sees its own and earlier
 * claims of the same transaction through write_claim. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/attributes.h"
#include "base/decimal.h"
#include "base/error.h"
#include "base/siphash.h"
#include "store/dictionary.h"
#include "store/journal.h"
#include "store/keys.h"
#include "store/kv.h"
#include "store/store.h"

struct store_write;

/* For small tables (tokens, users, subscriptions): plain puts in this transaction. */
struct kv_txn *write_txn(struct store_write *write);
/* The reported time of this commit. */
int64_t write_reported_ns(const struct store_write *write);
/* The store has been told of that time: once it is opened again no commit is given an earlier one. */
void write_time_reached(struct store_write *write, int64_t time_ns);
/* State as of now, earlier jobs of this transaction included. */
struct store_state write_state(const struct store_write *write);

/* How many transactions this process had to undo. What is remembered from one transaction to the next, dictionary ids
 * say, is void when it has changed. */
uint64_t write_undone(const struct store_write *write);

MUST_CHECK err_t write_intern(struct store_write *write, enum dictionary_kind kind, struct text identity,
                              struct text text, uint32_t *id);

/* See dictionary_recall. */
bool write_recall(const struct store_write *write, const struct hash128 *names, struct dictionary_ids *ids);
void write_expect(const struct store_write *write, const struct hash128 *names);
void write_remember(struct store_write *write, const struct hash128 *names, const struct dictionary_ids *ids);

/* Identities that a job announced (struct store_job) were looked up for the whole group in one sorted pass; others
 * are looked up here. */
enum claim { CLAIM_NEW, CLAIM_SAME, CLAIM_OTHER };
/* Looks up identity; CLAIM_NEW changes nothing yet: write_record makes the claim. */
MUST_CHECK err_t write_claim(struct store_write *write, const struct hash128 *identity, uint64_t content_hash,
                             enum claim *claim, uint64_t *original_sequence);

/* A journal entry as of now, those of this transaction included. Texts live until the next write. ERROR_NOT_FOUND. */
MUST_CHECK err_t write_entry(struct store_write *write, uint64_t sequence, struct journal_entry *entry);

/* One hour's part of a record, or of the difference that a correction makes (then it may be negative). */
struct write_share {
    uint32_t hour; /* usage hour since the epoch */
    struct decimal quantity;
};
/* False in *fits when a sum would not fit; nothing has changed then. Else the record is journaled (its
 * sequence and, unless history, reported time are set), its identity claimed and its shares added to the
 * hourly and daily rows of its reported hour and day. 'resource' is the instance's resource id. */
MUST_CHECK err_t write_record(struct store_write *write, struct journal_record *record, const struct hash128 *identity,
                              uint64_t content_hash, uint32_t resource, const struct write_share *shares,
                              size_t share_count, bool *fits);

/* A correction: journaled, indexed under its original, its shares added to the rows of the open reported hour and day
 * (with no record counted). 'original' as read from the journal, 'resource' its instance's resource id. False in *fits
 * as above. *sequence is its own. */
MUST_CHECK err_t write_correction(struct store_write *write, const struct journal_record *original, uint32_t resource,
                                  const struct journal_correction *correction, const struct write_share *shares,
                                  size_t share_count, bool *fits, uint64_t *sequence);
