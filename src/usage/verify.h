/* Proof of a store, as two answers. Integrity: nothing that is stored has been changed or damaged (file structure,
 * checksums, hash chain, signed heads, dictionary, row engine). Completeness: everything that follows from the journal
 * is there and nothing else (promise 5: records and corrections = hours = days = rollups, dedupe index, lookups,
 * counts).
 *
 * Memory is bounded: sums are compared by fingerprints (usage/fingerprint.h), one per reported hour and day, so that a
 * pass over the journal and one over the rows do, whatever their size. Needs one snapshot throughout: pages freed
 * meanwhile are not reused. Any thread. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/attributes.h"
#include "base/buffer.h"
#include "base/error.h"
#include "base/signature.h"
#include "base/text.h"
#include "store/rows.h"

enum verify_part {
    VERIFY_FILE,
    VERIFY_CHECKSUMS,
    VERIFY_CHAIN,
    VERIFY_HEADS,
    VERIFY_DICTIONARY,
    VERIFY_ROWS,     /* row engine: order, counts, filters */
    VERIFY_EXPORTED, /* heads kept elsewhere */
    /* completeness from here on */
    VERIFY_SUMS,
    VERIFY_DEDUPE,
    VERIFY_LOOKUPS, /* spans, usage times, index of corrections */
    VERIFY_COUNTS,
    VERIFY_PART_COUNT
};
#define VERIFY_COMPLETENESS_FIRST VERIFY_SUMS

/* Kept per part; more are only counted. */
#define VERIFY_FINDINGS_MAX 20
#define VERIFY_SENTENCE_SIZE 320
#define VERIFY_BRANCHES_MAX 16 /* the oldest ones */

struct verify_findings {
    bool done; /* false: could not be looked at, because of what was found before */
    uint64_t count;
    char (*sentences)[VERIFY_SENTENCE_SIZE]; /* as many as were kept */
};

struct verify_result {
    struct verify_findings parts[VERIFY_PART_COUNT];
    uint64_t file_size_bytes, pages, free_pages;
    uint64_t entries, records, corrections, seals, segments, heads;
    uint64_t first_sequence, last_sequence;
    char quantity[96]; /* sum of records and corrections that was proven, decimal */
    uint64_t rows[ROWS_FAMILY_COUNT];
    /* Where restores began new branches: the last sequence that the store has in common with the one backed up. */
    uint64_t branches[VERIFY_BRANCHES_MAX];
    size_t branch_count;
    /* What could not be proven: the journal begins later, retention dropped rows. */
    uint64_t given_rows;
    uint32_t first_hour; /* reported hours before it are taken as given; 0: none */
};

struct verify_options {
    const char *folder;             /* whose data.mdb is read */
    struct kv *kv;                  /* the open store, or NULL: it is opened for reading once its structure is sound */
    const struct rows_engine *rows; /* NULL: as the store says */
    struct text heads;              /* exported heads, a line each; ptr NULL: none */
    size_t map_size_bytes;
    void (*progress)(void *context, const char *what, uint64_t done, uint64_t total); /* may be NULL */
    void *context;
};

/* Whatever is wrong with the store is a finding. ERROR_NO_MEMORY, ERROR_IO, ERROR_NOT_FOUND, ERROR_STORE_NEWER with a
 * message: it could not be looked at. */
MUST_CHECK err_t verify_run(const struct verify_options *options, struct verify_result *result,
                            struct error_info *info);
void verify_free(struct verify_result *result);

bool verify_has_findings(const struct verify_result *result, bool completeness);
const char *verify_part_name(enum verify_part part); /* "file", ... */
/* One JSON object, whose member "text" is what the second one writes: sentences for a person. */
void verify_write_json(const struct verify_result *result, struct buffer *out);
void verify_write_text(const struct verify_result *result, struct buffer *out);
