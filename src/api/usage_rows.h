/* Usage rows as the two usage APIs print them. Part of usage_lists.c: a page has 1,000 of them, so this is written for
 * speed; the bytes are those that a JSON writer would make. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/attributes.h"
#include "base/buffer.h"
#include "base/error.h"
#include "base/guid.h"
#include "base/instant.h"
#include "usage/listing.h"
#include "usage/meters.h"

#define USAGE_ROWS_NAME_SLOTS 64
#define USAGE_ROWS_INSTANCE_SLOTS 2048

/* Bytes of an earlier row that may be needed again. */
struct usage_rows_seen {
    uint32_t subscription, meter; /* or instance, 0; 0, 0: empty */
    size_t offset, length;        /* in the output */
};

struct usage_rows {
    struct buffer *out;
    struct arena *arena;         /* scratch for look-ups */
    const struct meters *meters; /* tenants' form */
    bool operator_form;
    char scope[GUID_TEXT_SIZE]; /* subscription in the path */
    size_t count;
    struct buffer inner; /* scratch: text in text */
    int64_t start_ns;
    char period[2 * INSTANT_TEXT_SIZE + 32]; /* of start_ns */
    size_t period_length;
    struct usage_rows_seen heads[USAGE_ROWS_NAME_SLOTS], tails[USAGE_ROWS_NAME_SLOTS];
    struct usage_rows_seen instances[USAGE_ROWS_INSTANCE_SLOTS];
};

/* In the arena; NULL when memory is short. The rows go to the end of 'out', which is otherwise left alone until
 * usage_rows_end. Worker thread. */
MUST_CHECK struct usage_rows *usage_rows_begin(struct arena *arena, struct buffer *out, const struct guid *scope,
                                               bool operator_form, const struct meters *meters);
/* An element of the array "value", with the comma before it. */
MUST_CHECK err_t usage_rows_put(struct usage_rows *rows, const struct listing_row *row);
void usage_rows_end(struct usage_rows *rows);
