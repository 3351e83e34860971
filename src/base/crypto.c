/* SHA-256 by Mbed TLS, with HMAC and PBKDF2 built on it here: the library's own message-digest layer may
 * be routed to PSA, whose global state must not be touched from worker threads. A sha256 context is plain
 * memory: it may be copied, needs no end, and holds no secret after sha256_finish. */
#include "base/crypto.h"

#include <errno.h>
#include <mbedtls/sha256.h>
#include <string.h>
#include <sys/random.h>

#include "base/check.h"

_Static_assert(sizeof(mbedtls_sha256_context) <= sizeof(struct sha256), "room for the context");
_Static_assert(_Alignof(mbedtls_sha256_context) <= _Alignof(struct sha256), "alignment");

static mbedtls_sha256_context *context_of(struct sha256 *hash)
{
    return (mbedtls_sha256_context *)(void *)hash->opaque;
}

void sha256_init(struct sha256 *hash)
{
    mbedtls_sha256_init(context_of(hash));
    REQUIRE(mbedtls_sha256_starts(context_of(hash), 0) == 0);
}

void sha256_update(struct sha256 *hash, const void *bytes, size_t size)
{
    if (size != 0)
        REQUIRE(mbedtls_sha256_update(context_of(hash), bytes, size) == 0);
}

void sha256_finish(struct sha256 *hash, uint8_t out[SHA256_SIZE])
{
    REQUIRE(mbedtls_sha256_finish(context_of(hash), out) == 0);
    mbedtls_sha256_free(context_of(hash));
}

void sha256_of(const void *bytes, size_t size, uint8_t out[SHA256_SIZE])
{
    struct sha256 hash;
    sha256_init(&hash);
    sha256_update(&hash, bytes, size);
    sha256_finish(&hash, out);
}

#define BLOCK_SIZE 64

/* RFC 2104: the two hashes of a key, each already past its first block. */
struct hmac_key {
    struct sha256 inner;
    struct sha256 outer;
};

static void hmac_key_init(struct hmac_key *hmac, const void *key, size_t key_size)
{
    uint8_t block[BLOCK_SIZE] = { 0 };
    if (key_size > BLOCK_SIZE)
        sha256_of(key, key_size, block);
    else if (key_size != 0)
        memcpy(block, key, key_size);
    for (size_t i = 0; i < BLOCK_SIZE; i++)
        block[i] ^= 0x36;
    sha256_init(&hmac->inner);
    sha256_update(&hmac->inner, block, BLOCK_SIZE);
    for (size_t i = 0; i < BLOCK_SIZE; i++)
        block[i] ^= 0x36 ^ 0x5C;
    sha256_init(&hmac->outer);
    sha256_update(&hmac->outer, block, BLOCK_SIZE);
    secret_wipe(block, sizeof block);
}

/* The message in two pieces, since PBKDF2 appends a counter to its salt. */
static void hmac_compute(const struct hmac_key *hmac, const void *bytes, size_t size, const void *more,
                         size_t more_size, uint8_t out[SHA256_SIZE])
{
    struct sha256 hash = hmac->inner;
    sha256_update(&hash, bytes, size);
    sha256_update(&hash, more, more_size);
    sha256_finish(&hash, out);
    hash = hmac->outer;
    sha256_update(&hash, out, SHA256_SIZE);
    sha256_finish(&hash, out);
}

void hmac_sha256(const void *key, size_t key_size, const void *bytes, size_t size, uint8_t out[SHA256_SIZE])
{
    struct hmac_key hmac;
    hmac_key_init(&hmac, key, key_size);
    hmac_compute(&hmac, bytes, size, NULL, 0, out);
    secret_wipe(&hmac, sizeof hmac);
}

void pbkdf2_sha256(struct text password, const void *salt, size_t salt_size, uint32_t iterations, uint8_t *out,
                   size_t out_size)
{
    struct hmac_key hmac;
    uint8_t round[SHA256_SIZE];
    uint8_t block[SHA256_SIZE];
    REQUIRE(iterations > 0);
    hmac_key_init(&hmac, password.ptr, password.len);
    for (uint32_t index = 1; out_size > 0; index++) {
        const uint8_t counter[4] = { (uint8_t)(index >> 24), (uint8_t)(index >> 16), (uint8_t)(index >> 8),
                                     (uint8_t)index };
        hmac_compute(&hmac, salt, salt_size, counter, sizeof counter, round);
        memcpy(block, round, sizeof block);
        for (uint32_t i = 1; i < iterations; i++) {
            hmac_compute(&hmac, round, sizeof round, NULL, 0, round);
            for (size_t byte = 0; byte < sizeof block; byte++)
                block[byte] ^= round[byte];
        }
        size_t size = out_size < sizeof block ? out_size : sizeof block;
        memcpy(out, block, size);
        out += size;
        out_size -= size;
    }
    secret_wipe(&hmac, sizeof hmac);
    secret_wipe(round, sizeof round);
    secret_wipe(block, sizeof block);
}

bool equal_constant_time(const void *a, const void *b, size_t size)
{
    const volatile uint8_t *left = a;
    const volatile uint8_t *right = b;
    unsigned difference = 0;
    for (size_t i = 0; i < size; i++)
        difference |= (unsigned)(left[i] ^ right[i]);
    return difference == 0;
}

void secret_wipe(void *bytes, size_t size)
{
    explicit_bzero(bytes, size);
}

void random_bytes(void *out, size_t size)
{
    uint8_t *at = out;
    while (size > 0) {
        ssize_t got = getrandom(at, size, 0);
        if (got < 0 && errno == EINTR)
            continue;
        REQUIREF(got > 0, "getrandom: errno=%d", errno);
        at += got;
        size -= (size_t)got;
    }
}

static uint64_t rotate(uint64_t value, unsigned bits)
{
    return value << bits | value >> (64 - bits);
}

/* SplitMix64 fills the state, so that seeds which differ in one bit start far apart and the state is
 * never all zeros. */
void prng_seed(struct prng *prng, uint64_t seed)
{
    for (size_t i = 0; i < COUNT_OF(prng->state); i++) {
        seed += UINT64_C(0x9E3779B97F4A7C15);
        uint64_t mixed = (seed ^ seed >> 30) * UINT64_C(0xBF58476D1CE4E5B9);
        mixed = (mixed ^ mixed >> 27) * UINT64_C(0x94D049BB133111EB);
        prng->state[i] = mixed ^ mixed >> 31;
    }
}

uint64_t prng_next(struct prng *prng)
{
    uint64_t *s = prng->state;
    uint64_t result = rotate(s[1] * 5, 7) * 9;
    uint64_t shifted = s[1] << 17;
    s[2] ^= s[0];
    s[3] ^= s[1];
    s[1] ^= s[2];
    s[0] ^= s[3];
    s[2] ^= shifted;
    s[3] = rotate(s[3], 45);
    return result;
}

/* The lowest 2^64 mod bound values are drawn again, so that each remainder is equally likely. */
uint64_t prng_below(struct prng *prng, uint64_t bound)
{
    REQUIRE(bound > 0);
    uint64_t unfair = (0 - bound) % bound;
    uint64_t value;
    do {
        value = prng_next(prng);
    } while (value < unfair);
    return value % bound;
}
