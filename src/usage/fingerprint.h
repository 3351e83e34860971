/* Whether two sets of rows are the same, told from two numbers: each row's sum is multiplied by a number that its key
 * gives, and all are added up. Adding is what rows do anyway, so the order and the number of differences that make a
 * row do not matter, and neither sorting nor memory is needed: a record's share counts at once.
 *
 * The factors are odd 64-bit hashes of the keys under a seed drawn for each run, so nobody can prepare rows that cancel
 * out. Sets that differ have the same fingerprint with a probability below 2^-60 (for sums below 10^8 units each; a sum
 * is also compared exactly). What it does not see: a row that sums up to nothing and counts no record. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/decimal.h"

struct fingerprint {
    uint64_t words[3]; /* of the sums, modulo 2^192 */
    uint64_t counts;   /* of the records, modulo 2^64 */
    uint64_t records;
    struct decimal_sum quantity; /* exact */
};

void fingerprint_add(struct fingerprint *fingerprint, uint64_t seed, const void *key, size_t key_size,
                     const struct decimal *quantity, uint32_t records);
/* Of things that are there or not, in any order. */
void fingerprint_add_item(struct fingerprint *fingerprint, uint64_t seed, const void *bytes, size_t size);
bool fingerprint_equal(const struct fingerprint *a, const struct fingerprint *b);
