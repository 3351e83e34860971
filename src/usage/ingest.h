/* One request's records on their way into the store: parsed and checked wherever the caller likes, written by
 * the store's writer, answered with a verdict per record. One bad record never fails its batch (promise 3).
 *
 * Ownership: a batch and everything in it lives in the arena given, its texts also in the body that was parsed; both
 * must stay until the answer is written. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/attributes.h"
#include "base/buffer.h"
#include "base/error.h"
#include "base/text.h"
#include "store/store.h"
#include "usage/record.h"

struct sanity;

enum verdict { VERDICT_PENDING, VERDICT_ACCEPTED, VERDICT_DUPLICATE, VERDICT_CONFLICT, VERDICT_REJECTED };
const char *verdict_name(enum verdict verdict);

enum ingest_format { INGEST_JSON, INGEST_NDJSON, INGEST_CLOUDEVENT, INGEST_CLOUDEVENTS_BATCH };
/* From a Content-Type value, parameters ignored; false for any other type. */
MUST_CHECK bool ingest_format_of(struct text content_type, enum ingest_format *format);

/* Who posts. sources: the allowed ones; "*" allows any. */
struct ingest_producer {
    struct text name;
    const struct text *sources;
    size_t source_count;
};

struct ingest_result {
    struct usage_record record;
    enum verdict verdict;
    enum verdict parsed_verdict; /* as left by parsing: PENDING or REJECTED; a run may be repeated */
    err_t code;
    struct text target, message; /* arena or static */
    uint64_t sequence;           /* accepted: its own; duplicate and conflict: the original's */
    struct text raw;             /* as posted, borrowed from the body; ptr NULL: not at hand */
    bool raw_is_event;           /* raw is a CloudEvent with the record as its data */
};

struct ingest_counts {
    size_t received, accepted, duplicate, conflict, rejected;
};

struct ingest_batch {
    struct store_job job; /* first member */
    struct arena *arena;
    struct ingest_producer producer;
    struct record_limits limits;
    const uint8_t *hash_key;
    struct ingest_result *results;
    size_t count, capacity;
    uint64_t last_sequence;        /* of the store after the commit */
    uint8_t *instance_bytes;       /* scratch of the writer */
    uint32_t producer_id;          /* 0: not interned yet in this run */
    void *owner;                   /* the caller's, for its done function */
    struct ingest_counts counts;   /* when the job has run: spares a walk over the results */
    bool is_replay;                /* of a reject: what is refused again is kept already */
    struct sanity *sanity;         /* looks at what is accepted (usage/sanity.h), or NULL */
    bool teaches_watermarks;       /* history only: it counts as the producer's own reports; live usage always does */
    struct watermark_notes *notes; /* while the job runs; NULL: not for watermarks */
};

/* NULL when memory is short. producer's texts are borrowed. */
MUST_CHECK struct ingest_batch *ingest_new(struct arena *arena, const struct ingest_producer *producer,
                                           const struct record_limits *limits, const uint8_t *hash_key);
/* Parses a body into the batch. An error fails the whole request and nothing may be submitted:
 * ERROR_INVALID_REQUEST_CONTENT, ERROR_NO_MEMORY. */
MUST_CHECK err_t ingest_parse(struct ingest_batch *batch, enum ingest_format format, struct text body,
                              struct error_info *info);
/* Adds one record; for importers that make records themselves. The text stays until the job is done. */
MUST_CHECK err_t ingest_add(struct ingest_batch *batch, struct text record_json,
                            const struct record_envelope *envelope);
/* Adds a record that could not even be read; it takes its place in the count and the answer. */
MUST_CHECK err_t ingest_add_rejected(struct ingest_batch *batch, const struct error_info *info);

/* Makes batch->job ready to be run, by ingest_submit or as part of another job. ERROR_NO_MEMORY. */
MUST_CHECK err_t ingest_prepare(struct ingest_batch *batch);
/* Hands the batch to the writer; done(job) as in store_job. When nothing is left to write the job is still
 * run, so that the answer's sequence is that of a commit. */
MUST_CHECK err_t ingest_submit(struct ingest_batch *batch, struct store *store, void (*done)(struct store_job *job));

struct ingest_counts ingest_counts(const struct ingest_batch *batch);

enum ingest_detail { INGEST_DETAIL_FAILED, INGEST_DETAIL_ALL, INGEST_DETAIL_NONE };
/* The answer of interface.md section 3. For conflicts the member that differs is looked up in the journal
 * (for the first INGEST_CONFLICTS_EXPLAINED_MAX); txn is a snapshot taken after the commit. */
#define INGEST_CONFLICTS_EXPLAINED_MAX 100
void ingest_write_answer(const struct ingest_batch *batch, struct kv_txn *txn, enum ingest_detail detail,
                         struct buffer *out);
