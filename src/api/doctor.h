/* What is wrong with an appliance, in words, and what to do about it: quick checks of the data directory from outside,
 * then of the open store. For the command 'doctor' and its route. Blocking: a worker or a command. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/attributes.h"
#include "base/buffer.h"
#include "base/error.h"
#include "base/text.h"
#include "store/store.h"

#define DOCTOR_FINDINGS_MAX 32
#define DOCTOR_SENTENCE_SIZE 320

/* attention: something should be done some time; problem: now. */
enum doctor_state { DOCTOR_OK, DOCTOR_ATTENTION, DOCTOR_PROBLEM };

struct doctor_finding {
    const char *check; /* "disk", ... */
    enum doctor_state state;
    char message[DOCTOR_SENTENCE_SIZE], remedy[DOCTOR_SENTENCE_SIZE]; /* remedy: "" when ok */
};

struct doctor {
    struct doctor_finding findings[DOCTOR_FINDINGS_MAX];
    size_t count;
};

/* Folder, permissions, disk, structure of the file. */
void doctor_look_outside(struct doctor *doctor, const char *folder, int64_t now_ns);
/* A certificate's PEM file. */
void doctor_look_at_certificate(struct doctor *doctor, const char *file, int64_t now_ns);
/* The open store: clock, map, seals, retention, registration (trusted_key_id: registration.trusted_key_id), silent
 * producers, rejects, space. 'now_ns' is the wall clock; 'live': a server that seals as time goes by. */
MUST_CHECK err_t doctor_look_inside(struct doctor *doctor, struct store *store, struct kv_txn *txn,
                                    struct text trusted_key_id, int64_t now_ns, bool live);
/* For what the caller finds itself. */
void doctor_find(struct doctor *doctor, const char *check, enum doctor_state state, const char *remedy,
                 const char *format, ...) PRINTF_LIKE(5, 6);

/* Whether something needs doing. */
bool doctor_has_findings(const struct doctor *doctor);
/* {"healthy":false,"findings":[{"check","state","message","remedy"?}],"text":"..."} */
void doctor_write(const struct doctor *doctor, struct buffer *out);
