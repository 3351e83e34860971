/* Alerts: what an operator should look at, one row per occurrence. A kind ("ProducerSilent") and a subject (which
 * producer, which disk) name what is wrong; while that has an open alert, raising it again changes nothing but the
 * text and when it was last seen. Whoever raises a kind also resolves it; people only acknowledge. Any part may raise
 * kinds of its own: names are texts, in the manner of error codes.
 *
 * KV_ALERTS holds an index of what is open (prefix 1, kind, NUL, subject -> id) and the alerts themselves (prefix 2,
 * id), resolved ones included as long as there is room: at most ALERTS_MAX, the oldest resolved ones go first.
 *
 * Changes run on the writer thread inside a job's transaction, so an alert and what caused it are stored together.
 * Reads take any snapshot. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/attributes.h"
#include "base/error.h"
#include "base/text.h"
#include "store/store.h"

#define ALERT_KIND_SIZE_MAX 32
#define ALERT_SUBJECT_SIZE_MAX 400
#define ALERT_TEXT_SIZE_MAX 500
#define ALERTS_MAX 2000
#define ALERT_KINDS_MAX 32
/* An alert that is raised again and again is written at most so often. */
#define ALERT_SEEN_NS (10 * 60 * INT64_C(1000000000))

#define ALERT_PRODUCER_SILENT "ProducerSilent"

enum alert_state { ALERT_OPEN, ALERT_ACKNOWLEDGED, ALERT_RESOLVED, ALERT_STATE_COUNT };
const char *alert_state_name(enum alert_state state); /* "open", ... */
MUST_CHECK bool alert_state_parse(struct text text, enum alert_state *state);

struct alert {
    uint64_t id; /* counts up from 1 */
    enum alert_state state;
    struct text kind, subject, text, acknowledged_by; /* as long as the transaction, or its next write */
    int64_t since_ns, seen_ns;
    int64_t acknowledged_ns, resolved_ns; /* INT64_MIN: not */
};

/* Opens an alert, or refreshes the one that is open for this kind and subject (it stays acknowledged). Longer subjects
 * and texts are cut. When ALERTS_MAX are open nothing is raised: more would help nobody. */
MUST_CHECK err_t alert_raise(struct store_write *write, struct text kind, struct text subject, struct text text);
/* Resolves the open alert of this kind and subject; nothing happens when there is none. */
MUST_CHECK err_t alert_resolve(struct store_write *write, struct text kind, struct text subject);

struct alert_acknowledge {
    struct store_job job; /* first member */
    uint64_t id;
    struct text by; /* borrowed until the job is done */
    /* out */
    bool missing, resolved; /* no such alert; one that is over already (nothing changed) */
};
void alert_acknowledge_init(struct alert_acknowledge *acknowledge, uint64_t id, struct text by);

/* ERROR_NOT_FOUND. */
MUST_CHECK err_t alert_get(struct kv_txn *txn, uint64_t id, struct alert *out);
/* Newest first: alerts with an id below before_id (UINT64_MAX: from the newest) whose state's bit is set in 'states'
 * (1 << ALERT_OPEN | ...), until visit returns false. */
MUST_CHECK err_t alerts_list(struct kv_txn *txn, uint64_t before_id, unsigned states,
                             bool (*visit)(void *context, const struct alert *alert), void *context);

/* For metrics and status: how many of which state, and how many of each kind are not resolved. Kinds beyond
 * ALERT_KINDS_MAX are left out of the list. */
struct alert_counts {
    uint64_t states[ALERT_STATE_COUNT];
    size_t kind_count;
    struct {
        struct text kind;
        uint64_t open; /* acknowledged ones included */
    } kinds[ALERT_KINDS_MAX];
};
MUST_CHECK err_t alerts_count(struct kv_txn *txn, struct alert_counts *out);
