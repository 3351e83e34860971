/* Arithmetic modulo 2^192 and 2^64; see fingerprint.h. */
#include "usage/fingerprint.h"

#include <string.h>

#include "base/checksum.h"

/* words += factor * value, all modulo 2^192; negative values are in two's complement, which that respects. */
static void add_product(uint64_t words[3], uint64_t factor, const uint64_t value[3])
{
    __extension__ typedef unsigned __int128 u128;
    uint64_t carry = 0;
    for (size_t i = 0; i < 3; i++) {
        u128 sum = (u128)factor * value[i] + words[i] + carry;
        words[i] = (uint64_t)sum;
        carry = (uint64_t)(sum >> 64);
    }
}

void fingerprint_add(struct fingerprint *fingerprint, uint64_t seed, const void *key, size_t key_size,
                     const struct decimal *quantity, uint32_t records)
{
    uint64_t factor = checksum64(seed, key, key_size) | 1;
    add_product(fingerprint->words, factor, quantity->words);
    fingerprint->counts += (checksum64(~seed, key, key_size) | 1) * records;
    fingerprint->records += records;
    decimal_sum_add(&fingerprint->quantity, quantity);
}

void fingerprint_add_item(struct fingerprint *fingerprint, uint64_t seed, const void *bytes, size_t size)
{
    uint64_t value[3] = { checksum64(seed, bytes, size), checksum64(seed + 1, bytes, size),
                          checksum64(seed + 2, bytes, size) };
    add_product(fingerprint->words, 1, value);
    fingerprint->records++;
}

bool fingerprint_equal(const struct fingerprint *a, const struct fingerprint *b)
{
    return memcmp(a->words, b->words, sizeof a->words) == 0 && a->counts == b->counts && a->records == b->records &&
           decimal_sum_compare(&a->quantity, &b->quantity) == 0;
}
