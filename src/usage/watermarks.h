/* How far each producer has come: per producer and source, which usage hours are complete, open or silent. An hour in
 * which a producer said nothing is silent, not zero (architecture promise 6).
 *
 * State of an hour, computed when it is asked for:
 *   complete  the producer declared it ("complete up to"), or its usage is here and usage that starts in a later
 *             hour has arrived since. Never becomes anything else again. Declared without records it is a true zero.
 *   open      may still come: it is not due yet, or usage is here but nothing says that it is all.
 *   silent    due, and nothing came; also a hole between hours that have usage. Late usage can still fill it.
 * An hour that has not ended is never complete. Hours before a producer's first usage are nobody's concern.
 *
 * A record counts in the hour in which it starts but covers all its hours, so a daily record covers 24.
 *
 * Cadence: every how many hours a producer reports. Learnt from its last WATERMARK_SAMPLES reports that told something
 * new: how many hours each came further than the one before. The median of at least WATERMARK_SAMPLES_MIN of them is
 * the cadence; so a burst after an outage, a doubled report or a long pause does not shift it, and backfills, which
 * come no further, do not count at all. A set cadence goes before the learnt one. A report that comes at most one
 * cadence further than the one before covers what lies between (one record a day says all of a day when that is the
 * rhythm).
 *
 * Due: what is expected next ends one cadence after the newest hour heard of; it is due when that has ended and the
 * usual delay of this producer's reports (upper quartile of the samples) and a slack of half the cadence (half an hour
 * at least, six hours at most) have passed. While no cadence is known nothing is due but holes.
 *
 * What counts: records that producers post, replayed ones included. History that an operator imports does not: it
 * closes hours of an older system, and nobody is to be expected from an importer (ingest_batch.teaches_watermarks).
 *
 * Kept in KV_WATERMARKS and KV_WATERMARK_HOURS, changed in the transaction of the batch. Reads take any snapshot. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/attributes.h"
#include "base/error.h"
#include "base/text.h"
#include "store/journal.h"
#include "store/store.h"

/* Producers and sources that are watched. A gateway ('*') that makes up sources is counted in full beyond that, but no
 * source more is expected to report: every list and every look at the clock walks them all. */
#define WATERMARK_PAIRS_MAX 4096
#define WATERMARK_SAMPLES 8
#define WATERMARK_SAMPLES_MIN 3
#define WATERMARK_CADENCE_HOURS_MAX (31 * 24)

enum watermark_state { WATERMARK_COMPLETE, WATERMARK_OPEN, WATERMARK_SILENT, WATERMARK_STATE_COUNT };
const char *watermark_state_name(enum watermark_state state); /* "complete", ... */
MUST_CHECK bool watermark_state_parse(struct text text, enum watermark_state *state);

/* What is known of a producer and source. Hours count from the epoch; 0: none. */
struct watermark {
    uint32_t producer, source; /* DICTIONARY_PRODUCER, DICTIONARY_SOURCE */
    uint32_t first_hour;       /* of usage, or of what was declared first */
    uint32_t last_hour;        /* newest hour that usage covers */
    uint32_t last_start_hour;  /* newest hour in which usage starts */
    uint32_t heard_hour;       /* newest hour that usage covers or that was declared */
    uint32_t complete_hour;    /* every hour before it was declared complete */
    uint32_t kept_hour;        /* hours before it were dropped by retention */
    uint32_t span_hours_max;   /* longest span of a row of KV_WATERMARK_HOURS */
    uint32_t set_cadence_hours;
    uint64_t records;
    int64_t last_reported_ns; /* INT64_MIN: only declared so far */
    bool retired;             /* has left: nothing is expected after last_hour until it reports a later hour */
    bool alerted;             /* its alert is open */
    uint8_t sample_count, sample_next;
    uint16_t steps_hours[WATERMARK_SAMPLES], delays_minutes[WATERMARK_SAMPLES];
};

/* Set or learnt, in hours; 0: not known yet. */
uint32_t watermark_cadence_hours(const struct watermark *watermark);
uint32_t watermark_learnt_cadence_hours(const struct watermark *watermark);
/* When an hour of which nothing is known becomes silent; INT64_MAX: never. */
int64_t watermark_due_ns(const struct watermark *watermark, uint32_t hour);
/* Whether what should have come next is overdue: the producer is silent from heard_hour + 1 on. */
bool watermark_is_silent(const struct watermark *watermark, int64_t now_ns);
/* The state of an hour from first_hour on; 'covered': usage covers it. */
enum watermark_state watermark_state_of(const struct watermark *watermark, uint32_t hour, bool covered, int64_t now_ns);

/* --- reading --- */

/* ERROR_NOT_FOUND. */
MUST_CHECK err_t watermark_get(struct kv_txn *txn, uint32_t producer, uint32_t source, struct watermark *out);
/* The first one at or after (producer, source) in order of ids. ERROR_NOT_FOUND. */
MUST_CHECK err_t watermark_at_or_after(struct kv_txn *txn, uint32_t producer, uint32_t source, struct watermark *out);

/* Hours of one producer and source in ascending order. */
struct watermark_hour {
    uint32_t hour;
    enum watermark_state state;
    uint64_t records;         /* that start in it */
    int64_t last_reported_ns; /* of usage that starts in it; INT64_MIN: none */
};
struct watermark_hours { /* private */
    const struct watermark *watermark;
    struct kv_cursor *cursor;
    int64_t now_ns;
    uint32_t covered_until;
    bool has_row;
    uint32_t row_hour, row_span;
    uint64_t row_records;
    int64_t row_reported_ns;
};
/* first_hour: the first that will be asked for. 'watermark' is borrowed. Close it in any case that opened it. */
MUST_CHECK err_t watermark_hours_open(struct kv_txn *txn, const struct watermark *watermark, uint32_t first_hour,
                                      int64_t now_ns, struct watermark_hours *hours);
/* Each call asks for a later hour than the one before. */
MUST_CHECK err_t watermark_hours_get(struct watermark_hours *hours, uint32_t hour, struct watermark_hour *out);
void watermark_hours_close(struct watermark_hours *hours);
/* The hours that a list shows, [*first, *end), of those asked for: from the first one known to the one that runs now
 * (for a retired producer: to its last). */
void watermark_hours_clip(const struct watermark *watermark, int64_t now_ns, uint32_t *first, uint32_t *end);

/* Whether the usage of [first_hour, end_hour) is all there. */
struct watermark_window {
    uint32_t first_hour, end_hour;
    uint32_t only_source; /* 0: every source */
    int64_t now_ns;
    /* Called for each run of silent hours [first, end), in order of producer, source and hour; may be NULL. False: no
     * more of them. */
    bool (*silent)(void *context, const struct watermark *watermark, uint32_t first, uint32_t end);
    void *context;
};
/* *complete_hour: every hour from first_hour up to it (exclusive) is complete for every producer that is not retired.
 * At most end_hour, which means that nothing is missing, and at most the hour that runs now. */
MUST_CHECK err_t watermarks_window(struct kv_txn *txn, const struct watermark_window *window, uint32_t *complete_hour);

/* "Microsoft.Compute/Microsoft.Compute": the subject of a producer's alert. */
#define WATERMARK_SUBJECT_SIZE 512
MUST_CHECK err_t watermark_subject(struct kv_txn *txn, const struct watermark *watermark,
                                   char out[WATERMARK_SUBJECT_SIZE]);

/* --- changing; writer thread --- */

#define WATERMARK_NOTE_SLOTS 64
#define WATERMARK_PAIR_SLOTS 8

/* What a batch says, collected so that each hour and producer is written once. Lives on the job's stack. */
struct watermark_notes {
    struct store_write *write;
    int64_t reported_ns; /* of the report being collected */
    size_t last;         /* slot of the record before */
    struct watermark_note {
        uint32_t producer, source, hour, span_hours, records; /* records 0: empty */
    } slots[WATERMARK_NOTE_SLOTS];
    struct watermark_pair {
        bool used, unwatched; /* unwatched: one too many */
        struct watermark watermark;
        uint32_t heard_before, first_new_hour;
    } pairs[WATERMARK_PAIR_SLOTS];
};
void watermark_notes_begin(struct watermark_notes *notes, struct store_write *write);
/* An accepted record, its ids and reported time set. */
MUST_CHECK err_t watermark_note(struct watermark_notes *notes, const struct journal_record *record);
/* Writes what is left. Resolves the alert of a producer that is heard of again. */
MUST_CHECK err_t watermark_notes_end(struct watermark_notes *notes);

/* "Every usage hour before complete_hour is complete", said by the producer, or by an operator who settles what it left
 * open (which teaches no cadence and brings nobody back from retirement). Never taken back: an earlier one changes
 * nothing. */
struct watermark_declare {
    struct store_job job; /* first member */
    struct text producer, source;
    uint32_t complete_hour;
    bool by_operator;
    struct watermark watermark; /* out */
};
void watermark_declare_init(struct watermark_declare *declare, struct text producer, struct text source,
                            uint32_t complete_hour);

/* Changes what is expected of a producer. Also resolves its alert when it is not silent any more. */
struct watermark_put {
    struct store_job job; /* first member */
    uint32_t producer, source;
    bool has_cadence, has_retired;
    uint32_t cadence_hours; /* 0: learn it again */
    bool retired;
    /* out */
    bool missing;
    struct watermark watermark;
};
void watermark_put_init(struct watermark_put *put, uint32_t producer, uint32_t source);

/* Raises the alert of each producer that has become silent and resolves those that are not any more. Alerts wait for
 * one cadence and slack after since_ns, when this appliance came up: while it was off nobody could post, and producers
 * try again. INT64_MIN: no such wait. The states of hours do not wait: what did not come is unknown. */
struct watermarks_watch {
    struct store_job job; /* first member */
    int64_t since_ns;
    /* out */
    uint32_t raised, resolved;
};
void watermarks_watch_init(struct watermarks_watch *watch, int64_t since_ns);
/* Whether a watch would change anything; cheap, so that the writer need not be asked in vain. Any snapshot. */
MUST_CHECK err_t watermarks_watch_needed(struct kv_txn *txn, int64_t now_ns, int64_t since_ns, bool *needed);

/* A retention_drop: forgets the single hours before before_ns (at most 'budget' rows). They are not listed afterwards
 * and count as complete. *position is not used: what is left is found by its key. */
MUST_CHECK err_t watermarks_drop(struct kv_txn *txn, int64_t before_ns, size_t budget, uint64_t *position, bool *left);
