/* Hashing, key derivation, randomness and comparison without timing. The hash functions use contexts of
 * their own (mbedtls_sha256_*), never PSA, so they may run on any thread. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/attributes.h"
#include "base/error.h"
#include "base/text.h"

#define SHA256_SIZE 32
/* Space for the library's context; checked at compile time in crypto.c. */
struct sha256 {
    _Alignas(16) unsigned char opaque[128];
};
void sha256_init(struct sha256 *hash);
void sha256_update(struct sha256 *hash, const void *bytes, size_t size);
void sha256_finish(struct sha256 *hash, uint8_t out[SHA256_SIZE]);
void sha256_of(const void *bytes, size_t size, uint8_t out[SHA256_SIZE]);
void hmac_sha256(const void *key, size_t key_size, const void *bytes, size_t size, uint8_t out[SHA256_SIZE]);

/* RFC 8018 PBKDF2-HMAC-SHA-256. Slow by design: never on the loop thread. */
void pbkdf2_sha256(struct text password, const void *salt, size_t salt_size, uint32_t iterations, uint8_t *out,
                   size_t out_size);

/* Same length required; takes the same time whatever differs. */
bool equal_constant_time(const void *a, const void *b, size_t size);
/* Overwrites secrets in a way the compiler keeps. */
void secret_wipe(void *bytes, size_t size);

/* Random bytes from the operating system; aborts if it has none (nothing sensible can go on). */
void random_bytes(void *out, size_t size);

/* SplitMix64-seeded xoshiro256**: repeatable randomness for simulation, demo and tests; not secret. */
struct prng {
    uint64_t state[4];
};
void prng_seed(struct prng *prng, uint64_t seed);
uint64_t prng_next(struct prng *prng);
/* Uniform in [0, bound), bound > 0. */
uint64_t prng_below(struct prng *prng, uint64_t bound);
