/* All key layouts of the store in one place. Big-endian, so that byte order is meaning. */
#pragma once

#include <stdbool.h>
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

/* --- journal: sequence of the segment's first entry --- */
#define JOURNAL_KEY_SIZE 8

/* --- dictionary: kind + hash -> id; kind + id -> text --- */
#define DICTIONARY_KEY_SIZE 17
#define DICTIONARY_TEXT_KEY_SIZE 5

/* --- usage hour, reported hour -> nothing --- */
#define USAGE_TIME_KEY_SIZE 8

/* --- reported hour -> first and last sequence (8 bytes each) --- */
#define SPAN_KEY_SIZE 4

/* --- sequence of the record, sequence of the correction -> nothing --- */
#define CORRECTION_KEY_SIZE 16

/* --- runs of sorted rows: (family u8, bucket u32, run u64) -> header; with a row's key -> block of rows; filters by
 * (run u64, part u32). In a block a row of a bucketed family leaves out its bucket, and so does a block's key. --- */
#define RUN_KEY_SIZE 13
#define BLOCK_KEY_SIZE_MAX (RUN_KEY_SIZE + ROW_KEY_SIZE - 4)
#define FILTER_KEY_SIZE 12

static inline void run_key_encode(uint8_t family, uint32_t bucket, uint64_t run, uint8_t out[RUN_KEY_SIZE])
{
    out[0] = family;
    put_u32be(out + 1, bucket);
    put_u64be(out + 5, run);
}

static inline void filter_key_encode(uint64_t run, uint32_t part, uint8_t out[FILTER_KEY_SIZE])
{
    put_u64be(out, run);
    put_u32be(out + 8, part);
}

/* --- what is to be done to runs: kind u8 first --- */
enum task_kind {
    TASK_SEALED,     /* family u8 -> first bucket not sealed (u32) */
    TASK_DELETE,     /* family u8, bucket u32, run u64 -> nothing: a run that nobody reads any more */
    TASK_MERGE,      /* level u8, family u8, bucket u32 -> sources, target, progress */
    TASK_FINAL,      /* family u8, bucket u32 -> nothing: to become a single run */
    TASK_FINAL_IDLE, /* the same, when there is nothing else to do */
};
#define TASK_SEALED_KEY_SIZE 2
#define TASK_DELETE_KEY_SIZE (1 + RUN_KEY_SIZE)
#define TASK_MERGE_KEY_SIZE 7
#define TASK_FINAL_KEY_SIZE 6

static inline void task_merge_key(uint8_t level, uint8_t family, uint32_t bucket, uint8_t out[TASK_MERGE_KEY_SIZE])
{
    out[0] = TASK_MERGE;
    out[1] = level;
    out[2] = family;
    put_u32be(out + 3, bucket);
}

static inline void task_final_key(bool idle, uint8_t family, uint32_t bucket, uint8_t out[TASK_FINAL_KEY_SIZE])
{
    out[0] = idle ? TASK_FINAL_IDLE : TASK_FINAL;
    out[1] = family;
    put_u32be(out + 2, bucket);
}

_Static_assert(ROW_KEY_SIZE <= KV_KEY_SIZE_MAX, "row keys fit");
_Static_assert(DICTIONARY_KEY_SIZE <= KV_KEY_SIZE_MAX, "dictionary keys fit");

#define BYTES(array) ((struct text){ (const char *)(array), sizeof(array) })
