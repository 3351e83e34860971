/* Growable byte buffer on the heap with a read cursor: bytes are appended at the end and consumed
 * from the start. One owner; not thread-safe. */
#pragma once

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/attributes.h"
#include "base/text.h"

struct buffer {
    char *data;   /* owned, NULL while empty and never grown */
    size_t start; /* first unconsumed byte */
    size_t end;   /* one past the last byte */
    size_t capacity;
    bool failed; /* an append found no memory; content is incomplete, checked once at the end */
};

/* A zeroed struct buffer is valid and empty. */
void buffer_free(struct buffer *buffer);
static inline size_t buffer_len(const struct buffer *b)
{
    return b->end - b->start;
}
static inline struct text buffer_text(const struct buffer *b)
{
    return (struct text){ b->data != NULL ? b->data + b->start : "", b->end - b->start };
}
/* Room for at least 'size' more bytes at data + end; NULL when memory is short (sets failed). The
 * caller then writes and adds to end. */
MUST_CHECK char *buffer_reserve(struct buffer *buffer, size_t size);
/* Appends set failed when memory is short and are no-ops from then on. */
void buffer_append(struct buffer *buffer, const void *bytes, size_t size);
void buffer_append_text(struct buffer *buffer, struct text text);
void buffer_append_char(struct buffer *buffer, char c);
void buffer_append_u64(struct buffer *buffer, uint64_t value);
void buffer_append_i64(struct buffer *buffer, int64_t value);
void buffer_append_format(struct buffer *buffer, const char *format, ...) PRINTF_LIKE(2, 3);
#define buffer_append_literal(buffer, literal) buffer_append((buffer), "" literal, sizeof(literal) - 1)
/* Drops bytes from the start; size <= buffer_len. Memory is kept. */
void buffer_consume(struct buffer *buffer, size_t size);
/* Empties it, keeps the memory, clears failed. */
void buffer_clear(struct buffer *buffer);
