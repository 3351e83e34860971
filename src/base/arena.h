/* Bump allocator. One arena per request, batch or page of work; everything in it dies together.
 * Not thread-safe: an arena belongs to one thread at a time and may be handed over whole.
 * Blocks double from 'first_block_size' up to 1 MiB; a larger allocation gets a block of its own. A bounded number of
 * 1 MiB blocks that were freed stays with the process, for all threads. */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "base/attributes.h"
#include "base/text.h"

#define ARENA_BLOCK_SIZE_MAX ((size_t)1 << 20)
#define ARENA_SPARE_BLOCKS_MAX 16

struct arena;

/* 'limit_bytes' bounds the sum of all blocks (0: no bound). NULL when memory is short. */
struct arena *arena_new(size_t first_block_size, size_t limit_bytes);
/* Runs the cleanups in reverse order and frees everything, the arena included. NULL is fine. */
void arena_free(struct arena *arena);
/* Runs the cleanups and keeps the first block for use again. */
void arena_reset(struct arena *arena);

/* 16-byte aligned, not zeroed; NULL when memory is short or the limit is reached. */
MUST_CHECK void *arena_alloc(struct arena *arena, size_t size_bytes);
MUST_CHECK void *arena_zalloc(struct arena *arena, size_t size_bytes);
/* count * size with overflow check, zeroed. */
MUST_CHECK void *arena_array(struct arena *arena, size_t count, size_t item_size_bytes);
/* A copy that is also NUL-terminated; ptr is NULL when memory is short. */
MUST_CHECK struct text arena_text(struct arena *arena, struct text source);
/* Formatted text, NUL-terminated; ptr is NULL when memory is short. */
MUST_CHECK struct text arena_format(struct arena *arena, const char *format, ...) PRINTF_LIKE(2, 3);
/* Changes the size of the newest allocation in place where its block has room (also to give back what
 * was not needed); otherwise copies it. memory NULL with old size 0 allocates. NULL: nothing changed
 * (never when it shrinks). Not for memory allocated before a mark that is still to be rewound to. */
MUST_CHECK void *arena_resize(struct arena *arena, void *memory, size_t old_size_bytes, size_t size_bytes);
/* Room for one more item of an array that grows in the arena: 'items' as it is (NULL at first) while count < *capacity,
 * else moved and twice as large. New items are not zeroed. NULL: no memory, nothing changed. As arena_resize for all
 * else. */
MUST_CHECK void *arena_grow(struct arena *arena, void *items, size_t count, size_t *capacity, size_t item_size_bytes);
/* Calls function(context) when the arena is reset or freed. Returns false when memory is short. */
MUST_CHECK _Bool arena_on_free(struct arena *arena, void (*function)(void *context), void *context);
/* Bytes held in blocks now. */
size_t arena_size_bytes(const struct arena *arena);

/* A position to return to: everything allocated after the mark is given back (cleanups registered
 * after it run). Marks nest. */
struct arena_mark {
    void *block;
    size_t used;
    void *large;
    void *cleanup;
};
struct arena_mark arena_mark(const struct arena *arena);
void arena_rewind(struct arena *arena, struct arena_mark mark);
