/* The heap as LMDB sees it: its build names these in the place of malloc and free (build.zig). A commit takes a few
 * dozen blocks of 64 KiB for new values and frees them again; given back to the system each time, page faults and
 * unmapping took an eighth of the writer's time. Thread-safe. */
#pragma once

#include <stddef.h>

/* As malloc and free; memory of calloc, realloc and strdup may be freed here, too. */
void *kv_memory_alloc(size_t size_bytes);
void kv_memory_free(void *memory);
