/* Exact quantities. A decimal is a signed 192-bit integer counting units of 10^-30, so every decimal
 * text of at most 30 places is held without loss (architecture section 3, promise 4). Values that
 * producers may post lie in [0, 10^27); sums of them may reach just above 3.1 * 10^27, where
 * decimal_add refuses. Sums over many rows use decimal_sum (256 bits), which can't overflow with fewer
 * than 2^63 addends. Never goes through a double. Pure functions, any thread. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/attributes.h"
#include "base/error.h"
#include "base/text.h"

#define DECIMAL_PLACES 30
/* Sign, 29 integer digits, point, 30 decimals, NUL; also enough for decimal_sum (48 + 30 digits). */
#define DECIMAL_TEXT_SIZE 96
#define DECIMAL_ENCODED_SIZE 24

/* Two's complement, least significant word first. */
struct decimal {
    uint64_t words[3];
};

struct decimal_sum {
    uint64_t words[4];
};

/* Reads the grammar of a JSON number (RFC 8259 section 6), exponents included, from number or string
 * values alike. ERROR_INVALID_PROPERTY: not such a text. ERROR_QUANTITY_OUT_OF_RANGE: |value| not below
 * 10^27, or a nonzero digit after the 30th decimal. Negative values are read; the caller decides.
 * Bounded work for any input length and exponent. */
MUST_CHECK err_t decimal_parse(struct text text, struct decimal *out);
/* Shortest plain decimal text (no exponent, no trailing zeros, "0" for zero), NUL-terminated; returns
 * its length. */
size_t decimal_print(const struct decimal *value, char out[DECIMAL_TEXT_SIZE]);
size_t decimal_sum_print(const struct decimal_sum *value, char out[DECIMAL_TEXT_SIZE]);

struct decimal decimal_from_i64(int64_t value);
bool decimal_is_zero(const struct decimal *value);
bool decimal_is_negative(const struct decimal *value);
int decimal_compare(const struct decimal *a, const struct decimal *b);
struct decimal decimal_negate(const struct decimal *value);
/* False when the sum does not fit; *out is then unchanged. out may alias a or b. */
MUST_CHECK bool decimal_add(const struct decimal *a, const struct decimal *b, struct decimal *out);
/* The sum modulo 2^192. For parts of a total that fits: whatever order they are added in, the last sum is the total,
 * even where some of the parts together would not fit. out may alias a or b. */
void decimal_add_part(const struct decimal *a, const struct decimal *b, struct decimal *out);
MUST_CHECK bool decimal_subtract(const struct decimal *a, const struct decimal *b, struct decimal *out);
/* floor(value * numerator / denominator) at the 30th decimal, exact in between; value >= 0,
 * numerator <= denominator, denominator > 0 (else REQUIRE fails). */
struct decimal decimal_share(const struct decimal *value, uint64_t numerator, uint64_t denominator);

void decimal_sum_add(struct decimal_sum *sum, const struct decimal *value);
void decimal_sum_add_sum(struct decimal_sum *sum, const struct decimal_sum *value);
int decimal_sum_compare(const struct decimal_sum *a, const struct decimal_sum *b);
/* False when the sum does not fit into 192 bits. */
MUST_CHECK bool decimal_sum_to_decimal(const struct decimal_sum *sum, struct decimal *out);

/* Big-endian two's complement with the sign bit flipped, so that byte order is numeric order. */
void decimal_encode(const struct decimal *value, uint8_t out[DECIMAL_ENCODED_SIZE]);
struct decimal decimal_decode(const uint8_t in[DECIMAL_ENCODED_SIZE]);
