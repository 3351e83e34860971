/* The journal: everything that was ever accepted, in order, for good. A segment holds the entries of one commit
 * (large commits make several) under the sequence of its first entry; all rows and the dictionary can be rebuilt
 * from it. Segments are immutable and form a hash chain (promise 7): each begins with the hash of the one before, and
 * since the texts behind dictionary ids are defined in the segment that first uses them, the chain covers every field
 * of every record in one canonical form. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/attributes.h"
#include "base/buffer.h"
#include "base/crypto.h"
#include "base/decimal.h"
#include "base/error.h"
#include "base/guid.h"
#include "base/siphash.h"
#include "base/text.h"
#include "store/dictionary.h"
#include "store/kv.h"

#define JOURNAL_VERSION 2
/* A segment is closed above this, so that LMDB never hunts for long spans of free pages. */
#define JOURNAL_SEGMENT_SIZE_BYTES (60 * 1024)

enum journal_kind {
    JOURNAL_RECORD = 1,
    JOURNAL_CORRECTION,
    JOURNAL_SEAL,
    JOURNAL_NOTE /* nothing but definitions: texts that were interned for records which were then kept out */
};

/* A usage record. */
struct journal_record {
    uint64_t sequence;
    int64_t reported_ns;
    uint32_t producer, source, subscription, meter, instance; /* dictionary ids */
    struct text id;
    int64_t start_ns, end_ns;
    struct decimal quantity;
    bool quantity_is_number; /* as posted: JSON number, else string */
    bool history;            /* imported with its own reported time */
};

enum correction_action { CORRECTION_VOID = 1, CORRECTION_AMEND };

/* A signed difference to an earlier record; the original stays as it is. */
struct journal_correction {
    uint64_t original; /* sequence of the record */
    enum correction_action action;
    struct decimal quantity;   /* what the record counts for from now on; void: 0 */
    struct decimal difference; /* to what it counted for before */
    struct text reason, by;    /* by: name of who asked for it */
};

/* All hours from first_hour (inclusive) to end_hour (exclusive) of reported time are closed. */
struct journal_seal {
    uint32_t first_hour, end_hour;
    uint64_t first_sequence; /* of what was reported since the seal before; the seal's own sequence if nothing was */
};

struct journal_entry {
    enum journal_kind kind;
    uint64_t sequence;
    int64_t reported_ns;
    union {
        struct journal_record record; /* its sequence and reported time are set, too */
        struct journal_correction correction;
        struct journal_seal seal;
    };
    char guid_text[GUID_TEXT_SIZE]; /* where record.id may point: an entry is not to be copied */
};

/* A dictionary text, defined in the segment that first uses its id. */
struct journal_definition {
    enum dictionary_kind kind;
    uint32_t id;
    struct hash128 identity; /* keyed hash under which it is found */
    struct text text;
};

/* --- writing (writer thread) --- */

struct journal_writer {
    struct buffer segment;
    uint64_t next_sequence; /* of the next entry; set before the first commit */
    uint64_t first_sequence;
    int64_t reported_ns; /* of the commit; set before its first entry */
    uint32_t count;
    bool defined; /* definitions since the last entry: the one that uses them goes into the same segment */
    int64_t start_ns, duration_ns; /* of the record before: times are stored as differences */
    uint8_t head[SHA256_SIZE];     /* hash of the newest segment; zeros before the first */
    uint64_t bytes;                /* of all segments closed in this commit */
};
/* The definition of a new text; before the entry that uses it. */
MUST_CHECK err_t journal_define(struct journal_writer *writer, struct kv_txn *txn,
                                const struct journal_definition *definition);
/* Adds an entry and sets its sequence (record.sequence, too), one more than the last. Its reported time is the
 * commit's, but for history. Closes a full segment into the table. */
MUST_CHECK err_t journal_add(struct journal_writer *writer, struct kv_txn *txn, struct journal_entry *entry);
/* Writes what is left of the commit; writer->head is the head then. The buffer is kept for the next commit. */
MUST_CHECK err_t journal_flush(struct journal_writer *writer, struct kv_txn *txn);
/* The commit has failed: forget what it added. */
void journal_undo(struct journal_writer *writer, uint64_t next_sequence, const uint8_t head[SHA256_SIZE]);

/* --- reading (any snapshot; texts live as long as the transaction) --- */

struct journal_reader {
    struct kv_cursor *cursor;
    const uint8_t *next, *end;
    uint64_t sequence;
    int64_t reported_ns;
    uint32_t left;
    int64_t start_ns, duration_ns;
    /* Called for each definition met, if set: for rebuild and verify. */
    err_t (*define)(void *context, const struct journal_definition *definition);
    void *context;
};
/* Positions before the entry with that sequence, or the next higher one. Sets every member; 'define' afterwards. */
MUST_CHECK err_t journal_open(struct kv_txn *txn, uint64_t from_sequence, struct journal_reader *reader);
/* ERROR_NOT_FOUND at the end, ERROR_STORE_CORRUPT when a segment does not decode or one is missing. */
MUST_CHECK err_t journal_next(struct journal_reader *reader, struct journal_entry *entry);
void journal_close(struct journal_reader *reader);
/* One entry. ERROR_NOT_FOUND, also when retention has dropped it. */
MUST_CHECK err_t journal_get(struct kv_txn *txn, uint64_t sequence, struct journal_entry *entry);

/* --- the chain --- */

/* Walks segments and compares each with the hash that the next one holds, and its end with where the next begins.
 * *first_sequence: of the oldest segment, 0: none; *head: of the newest (zeros if none). At the first link that does
 * not hold *broken_sequence is the first sequence of the earlier segment of the two (it was changed, or one behind it
 * is missing), else 0. Whether the newest is the last one written is told by store_state.head. Errors: storage only. */
MUST_CHECK err_t journal_check_chain(struct kv_txn *txn, uint64_t *first_sequence, uint8_t head[SHA256_SIZE],
                                     uint64_t *broken_sequence);
/* The head as of the end of the segment that ends with 'sequence', for comparison with heads kept elsewhere.
 * ERROR_NOT_FOUND when no segment ends there (any more). */
MUST_CHECK err_t journal_head_at(struct kv_txn *txn, uint64_t sequence, uint8_t head[SHA256_SIZE]);

/* Retention, writer thread: removes whole segments all of whose entries lie before the sequence, at most 'budget'
 * segments a call; *left when more could go. */
MUST_CHECK err_t journal_drop(struct kv_txn *txn, uint64_t before_sequence, size_t budget, bool *left);
