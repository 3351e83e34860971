/* The heap, with one seam: tests make the n-th request of the calling thread fail, so that every path
 * taken when memory is short can be walked. Product code of the other layers uses arena or buffer
 * rather than this; whoever does use it frees with memory_free. Thread-safe as malloc is. */
#pragma once

#include <stddef.h>

#include "base/attributes.h"

MUST_CHECK void *memory_alloc(size_t size_bytes);
/* Zeroed, count * item_size_bytes checked against overflow. */
MUST_CHECK void *memory_zalloc(size_t count, size_t item_size_bytes);
/* As realloc; size_bytes > 0. On NULL the old memory is untouched. */
MUST_CHECK void *memory_realloc(void *memory, size_t size_bytes);
void memory_free(void *memory);

/* Tests: of the calling thread's requests the n-th from now (1: the next) and all later ones fail;
 * 0 ends it. Returns whether a request failed since the last call. */
_Bool memory_fail_from(unsigned long n);
