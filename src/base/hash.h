/* A keyed 64-bit hash for tables in memory. Identities in the store use siphash.h, secrets crypto.h.
 * Pure, any thread. */
#pragma once

#include <stddef.h>
#include <stdint.h>

/* Fast, not for secrets, stable across runs and machines. With a random seed per process nobody who
 * chooses the bytes can fill one bucket of a table. */
uint64_t hash64(const void *bytes, size_t size, uint64_t seed);
