/* All key layouts of the store in one place. Big-endian, so that byte order is meaning. */
#pragma once

#include <stdint.h>

#include "base/encode.h"
#include "base/siphash.h"
#include "base/text.h"
#include "store/kv.h"

/* --- rows of sums: (bucket, subscription, usage period, meter, resource, instance) ---
 * bucket: hour or day of reported time; usage period: hour or day of usage time; the rest are dictionary
 * ids. The first five make a row of the usage APIs; instance (source, location, tags, additional info as
 * posted) keeps records of one resource apart for summaries, so that no attribute is guessed. */
#define ROW_KEY_SIZE 24

struct row_key {
    uint32_t bucket, subscription, period, meter, resource, instance;
};

static inline void row_key_encode(const struct row_key *key, uint8_t out[ROW_KEY_SIZE])
{
    put_u32be(out, key->bucket);
    put_u32be(out + 4, key->subscription);
    put_u32be(out + 8, key->period);
    put_u32be(out + 12, key->meter);
    put_u32be(out + 16, key->resource);
    put_u32be(out + 20, key->instance);
}

static inline struct row_key row_key_decode(const uint8_t in[ROW_KEY_SIZE])
{
    return (struct row_key){ get_u32be(in),      get_u32be(in + 4),  get_u32be(in + 8),
                             get_u32be(in + 12), get_u32be(in + 16), get_u32be(in + 20) };
}

/* --- dedupe: 16-byte identity -> content hash, sequence --- */
#define DEDUPE_KEY_SIZE 16
#define DEDUPE_VALUE_SIZE 16

/* --- journal: sequence of the segment's first record --- */
#define JOURNAL_KEY_SIZE 8

/* --- dictionary: kind + hash -> id; kind + id -> text --- */
#define DICTIONARY_KEY_SIZE 17
#define DICTIONARY_TEXT_KEY_SIZE 5

_Static_assert(ROW_KEY_SIZE <= KV_KEY_SIZE_MAX, "row keys fit");
_Static_assert(DICTIONARY_KEY_SIZE <= KV_KEY_SIZE_MAX, "dictionary keys fit");

#define BYTES(array) ((struct text){ (const char *)(array), sizeof(array) })
