/* AES-GCM (NIST SP 800-38D) in place of Mbed TLS's own, which takes one block at a time: with eight blocks under way
 * the processor's AES and carry-less multiplication units are busy all the time, eight times as fast, and TLS is half
 * of what a record costs the network side. Only on x86-64, where the build asks for both units and the program checks
 * at its start that they are there; elsewhere the library's own file is built.
 *
 * GHASH is computed as POLYVAL over reversed bytes (RFC 8452, appendix A), whose product needs no shifts. Sums of eight
 * products with the hash key's powers are reduced once. No branch and no address depends on a secret.
 * It is built into the library, with its flags: whoever links the one needs the other.
 * Invariant: between calls every byte of 'started' beyond the started block is zero. */
#include <mbedtls/gcm.h>

#if defined(MBEDTLS_GCM_ALT)

#include <emmintrin.h>
#include <mbedtls/constant_time.h>
#include <mbedtls/platform_util.h>
#include <stdbool.h>
#include <string.h>
#include <tmmintrin.h>
#include <wmmintrin.h>

#include "base/encode.h"
#include "net/mbedtls/gcm_alt.h"

#define LEN_MAX UINT64_C(0xFFFFFFFE0) /* 2^39 - 256 bits */
#define ADD_LEN_MAX (UINT64_C(1) << 61)
#define TAG_SIZE_MIN 4
#define NONCE_SIZE_USUAL 12

static inline __m128i load(const uint8_t *at)
{
    return _mm_loadu_si128((const __m128i *)(const void *)at);
}

static inline void store(uint8_t *at, __m128i block)
{
    _mm_storeu_si128((__m128i *)(void *)at, block);
}

static inline __m128i reverse(__m128i block)
{
    return _mm_shuffle_epi8(block, _mm_setr_epi8(15, 14, 13, 12, 11, 10, 9, 8, 7, 6, 5, 4, 3, 2, 1, 0));
}

/* --- the block cipher (FIPS 197) --- */

/* The cipher's substitution of each byte of a word. */
static uint32_t substitute(uint32_t word)
{
    return (uint32_t)_mm_cvtsi128_si32(_mm_aeskeygenassist_si128(_mm_set1_epi32((int)word), 0));
}

static void expand_key(mbedtls_gcm_context *ctx, const uint8_t *key, unsigned key_words)
{
    uint32_t words[GCM_ROUND_KEYS_MAX * 4];
    uint32_t round_constant = 1;
    unsigned count = 4 * (ctx->rounds + 1);
    memcpy(words, key, key_words * sizeof words[0]);
    for (unsigned i = key_words; i < count; i++) {
        uint32_t word = words[i - 1];
        if (i % key_words == 0) {
            word = substitute(word >> 8 | word << 24) ^ round_constant;
            round_constant = (round_constant << 1 ^ (round_constant >> 7) * 0x11B) & 0xFF;
        } else if (key_words > 6 && i % key_words == 4) {
            word = substitute(word);
        }
        words[i] = words[i - key_words] ^ word;
    }
    memcpy(ctx->round_keys, words, count * sizeof words[0]);
    mbedtls_platform_zeroize(words, sizeof words);
}

static __m128i encrypt(const mbedtls_gcm_context *ctx, __m128i block)
{
    block = _mm_xor_si128(block, load(ctx->round_keys[0]));
    for (unsigned round = 1; round < ctx->rounds; round++)
        block = _mm_aesenc_si128(block, load(ctx->round_keys[round]));
    return _mm_aesenclast_si128(block, load(ctx->round_keys[ctx->rounds]));
}

/* --- the hash --- */

/* A product of 256 bits; mid is worth 64 bits more than low. */
struct product {
    __m128i low, mid, high;
};

static inline void add_product(struct product *sum, __m128i a, __m128i b)
{
    __m128i cross = _mm_xor_si128(_mm_clmulepi64_si128(a, b, 0x01), _mm_clmulepi64_si128(a, b, 0x10));
    sum->low = _mm_xor_si128(sum->low, _mm_clmulepi64_si128(a, b, 0x00));
    sum->high = _mm_xor_si128(sum->high, _mm_clmulepi64_si128(a, b, 0x11));
    sum->mid = _mm_xor_si128(sum->mid, cross);
}

/* RFC 8452's field: x^128 + x^127 + x^126 + x^121 + 1; the result is the product divided by x^128. Each of the two
 * steps makes the lowest 64 bits zero by adding a multiple of that polynomial. */
static inline __m128i reduce(const struct product *product)
{
    const __m128i polynomial = _mm_set_epi64x((long long)UINT64_C(0xC200000000000000), 1);
    __m128i low = _mm_xor_si128(product->low, _mm_slli_si128(product->mid, 8));
    __m128i high = _mm_xor_si128(product->high, _mm_srli_si128(product->mid, 8));
    for (int step = 0; step < 2; step++)
        low = _mm_xor_si128(_mm_clmulepi64_si128(low, polynomial, 0x10), _mm_shuffle_epi32(low, 0x4E));
    return _mm_xor_si128(high, low);
}

static inline __m128i multiply(__m128i a, __m128i b)
{
    struct product product = { _mm_setzero_si128(), _mm_setzero_si128(), _mm_setzero_si128() };
    add_product(&product, a, b);
    return reduce(&product);
}

/* The hash key times x, which is what makes POLYVAL of it GHASH. */
static __m128i times_x(__m128i value)
{
    uint64_t words[2];
    memcpy(words, &value, sizeof words);
    uint64_t carry = words[1] >> 63;
    uint64_t high = words[1] << 1 | words[0] >> 63, low = words[0] << 1;
    return _mm_set_epi64x((long long)(high ^ (carry * UINT64_C(0xC200000000000000))), (long long)(low ^ carry));
}

static void hash_block(mbedtls_gcm_context *ctx, __m128i block)
{
    __m128i sum = _mm_xor_si128(load(ctx->hash), reverse(block));
    store(ctx->hash, multiply(sum, load(ctx->powers[0])));
}

static void hash_started(mbedtls_gcm_context *ctx)
{
    hash_block(ctx, load(ctx->started));
    memset(ctx->started, 0, sizeof ctx->started);
}

/* --- data --- */

static inline __m128i next_counter(__m128i counter)
{
    return _mm_add_epi32(counter, _mm_set_epi32(0, 0, 0, 1)); /* only the last 32 bits count, and wrap */
}

/* Eight blocks at a time; returns the bytes done. The hash runs over the encrypted side. */
static size_t crypt_eights(mbedtls_gcm_context *ctx, const uint8_t *in, uint8_t *out, size_t size)
{
    __m128i counter = load(ctx->counter), hash = load(ctx->hash), blocks[GCM_POWERS], hashed[GCM_POWERS];
    bool decrypts = ctx->mode == MBEDTLS_GCM_DECRYPT;
    size_t done = 0;
    for (; size - done >= sizeof blocks; done += sizeof blocks) {
        for (int i = 0; i < GCM_POWERS; i++) {
            counter = next_counter(counter);
            blocks[i] = _mm_xor_si128(reverse(counter), load(ctx->round_keys[0]));
        }
        for (unsigned round = 1; round < ctx->rounds; round++) {
            __m128i key = load(ctx->round_keys[round]);
            for (int i = 0; i < GCM_POWERS; i++)
                blocks[i] = _mm_aesenc_si128(blocks[i], key);
        }
        __m128i last_key = load(ctx->round_keys[ctx->rounds]);
        for (int i = 0; i < GCM_POWERS; i++) {
            __m128i data = load(in + done + (size_t)i * GCM_BLOCK_SIZE);
            blocks[i] = _mm_xor_si128(_mm_aesenclast_si128(blocks[i], last_key), data);
            hashed[i] = decrypts ? data : blocks[i];
        }
        for (int i = 0; i < GCM_POWERS; i++)
            store(out + done + (size_t)i * GCM_BLOCK_SIZE, blocks[i]);
        struct product sum = { _mm_setzero_si128(), _mm_setzero_si128(), _mm_setzero_si128() };
        for (int i = 0; i < GCM_POWERS; i++) {
            __m128i block = reverse(hashed[i]);
            add_product(&sum, i == 0 ? _mm_xor_si128(block, hash) : block, load(ctx->powers[GCM_POWERS - 1 - i]));
        }
        hash = reduce(&sum);
    }
    store(ctx->counter, counter);
    store(ctx->hash, hash);
    return done;
}

static void next_mask(mbedtls_gcm_context *ctx)
{
    __m128i counter = next_counter(load(ctx->counter));
    store(ctx->counter, counter);
    store(ctx->mask, encrypt(ctx, reverse(counter)));
}

/* Up to one block: one that is whole, or bytes of the one that has been started at 'offset'. */
static void crypt_part(mbedtls_gcm_context *ctx, const uint8_t *in, uint8_t *out, size_t offset, size_t size)
{
    if (size == GCM_BLOCK_SIZE) {
        __m128i data = load(in), done = _mm_xor_si128(data, load(ctx->mask));
        store(out, done);
        hash_block(ctx, ctx->mode == MBEDTLS_GCM_DECRYPT ? data : done);
        return;
    }
    for (size_t i = 0; i < size; i++) {
        uint8_t before = in[i], after = before ^ ctx->mask[offset + i];
        out[i] = after;
        ctx->started[offset + i] = ctx->mode == MBEDTLS_GCM_DECRYPT ? before : after;
    }
    if (offset + size == GCM_BLOCK_SIZE)
        hash_started(ctx);
}

/* --- the library's interface --- */

void mbedtls_gcm_init(mbedtls_gcm_context *ctx)
{
    memset(ctx, 0, sizeof *ctx);
}

void mbedtls_gcm_free(mbedtls_gcm_context *ctx)
{
    if (ctx != NULL)
        mbedtls_platform_zeroize(ctx, sizeof *ctx);
}

int mbedtls_gcm_setkey(mbedtls_gcm_context *ctx, mbedtls_cipher_id_t cipher, const unsigned char *key,
                       unsigned int keybits)
{
    if (cipher != MBEDTLS_CIPHER_ID_AES || (keybits != 128 && keybits != 192 && keybits != 256))
        return MBEDTLS_ERR_GCM_BAD_INPUT;
    ctx->rounds = keybits / 32 + 6;
    expand_key(ctx, key, keybits / 32);
    __m128i first = times_x(reverse(encrypt(ctx, _mm_setzero_si128()))), power = first;
    for (int i = 0; i < GCM_POWERS; i++) {
        store(ctx->powers[i], power);
        power = multiply(power, first);
    }
    return 0;
}

/* Another nonce than one of 12 bytes is hashed, with its length in bits. */
static void hash_nonce(mbedtls_gcm_context *ctx, const uint8_t *nonce, size_t size)
{
    uint8_t block[GCM_BLOCK_SIZE];
    for (size_t at = 0; at < size; at += sizeof block) {
        size_t part = size - at < sizeof block ? size - at : sizeof block;
        memset(block, 0, sizeof block);
        memcpy(block, nonce + at, part);
        hash_block(ctx, load(block));
    }
    memset(block, 0, sizeof block);
    put_u64be(block + 8, (uint64_t)size * 8);
    hash_block(ctx, load(block));
}

int mbedtls_gcm_starts(mbedtls_gcm_context *ctx, int mode, const unsigned char *iv, size_t iv_len)
{
    uint8_t block[GCM_BLOCK_SIZE] = { 0 };
    if (iv_len == 0 || (uint64_t)iv_len >= ADD_LEN_MAX)
        return MBEDTLS_ERR_GCM_BAD_INPUT;
    memset(ctx->hash, 0, sizeof ctx->hash);
    memset(ctx->started, 0, sizeof ctx->started);
    ctx->mode = mode;
    ctx->len = ctx->add_len = 0;
    if (iv_len == NONCE_SIZE_USUAL) {
        memcpy(block, iv, iv_len);
        block[GCM_BLOCK_SIZE - 1] = 1;
        store(ctx->counter, reverse(load(block)));
    } else {
        hash_nonce(ctx, iv, iv_len);
        memcpy(ctx->counter, ctx->hash, sizeof ctx->counter);
        memset(ctx->hash, 0, sizeof ctx->hash);
    }
    store(ctx->tag_mask, encrypt(ctx, reverse(load(ctx->counter))));
    return 0;
}

int mbedtls_gcm_update_ad(mbedtls_gcm_context *ctx, const unsigned char *add, size_t add_len)
{
    if (add_len > ADD_LEN_MAX - ctx->add_len)
        return MBEDTLS_ERR_GCM_BAD_INPUT;
    while (add_len > 0) {
        size_t offset = ctx->add_len % GCM_BLOCK_SIZE, part = GCM_BLOCK_SIZE - offset;
        part = part < add_len ? part : add_len;
        memcpy(ctx->started + offset, add, part);
        if (offset + part == GCM_BLOCK_SIZE)
            hash_started(ctx);
        ctx->add_len += part;
        add += part;
        add_len -= part;
    }
    return 0;
}

int mbedtls_gcm_update(mbedtls_gcm_context *ctx, const unsigned char *input, size_t input_length, unsigned char *output,
                       size_t output_size, size_t *output_length)
{
    if (output_size < input_length)
        return MBEDTLS_ERR_GCM_BUFFER_TOO_SMALL;
    *output_length = input_length;
    if (input_length == 0)
        return 0;
    if (output > input && (size_t)(output - input) < input_length)
        return MBEDTLS_ERR_GCM_BAD_INPUT;
    if (input_length > LEN_MAX - ctx->len)
        return MBEDTLS_ERR_GCM_BAD_INPUT;
    if (ctx->len == 0 && ctx->add_len % GCM_BLOCK_SIZE != 0)
        hash_started(ctx);
    while (input_length > 0) {
        size_t offset = ctx->len % GCM_BLOCK_SIZE, part = 0;
        if (offset == 0)
            part = crypt_eights(ctx, input, output, input_length);
        if (part == 0) {
            part = GCM_BLOCK_SIZE - offset < input_length ? GCM_BLOCK_SIZE - offset : input_length;
            if (offset == 0)
                next_mask(ctx);
            crypt_part(ctx, input, output, offset, part);
        }
        ctx->len += part;
        input += part;
        output += part;
        input_length -= part;
    }
    return 0;
}

int mbedtls_gcm_finish(mbedtls_gcm_context *ctx, unsigned char *output, size_t output_size, size_t *output_length,
                       unsigned char *tag, size_t tag_len)
{
    uint8_t block[GCM_BLOCK_SIZE];
    (void)output; /* for implementations that hold data back */
    (void)output_size;
    *output_length = 0;
    if (tag_len > GCM_BLOCK_SIZE || tag_len < TAG_SIZE_MIN)
        return MBEDTLS_ERR_GCM_BAD_INPUT;
    if ((ctx->len != 0 ? ctx->len : ctx->add_len) % GCM_BLOCK_SIZE != 0)
        hash_started(ctx);
    put_u64be(block, ctx->add_len * 8);
    put_u64be(block + 8, ctx->len * 8);
    hash_block(ctx, load(block));
    store(block, _mm_xor_si128(reverse(load(ctx->hash)), load(ctx->tag_mask)));
    memcpy(tag, block, tag_len);
    return 0;
}

int mbedtls_gcm_crypt_and_tag(mbedtls_gcm_context *ctx, int mode, size_t length, const unsigned char *iv, size_t iv_len,
                              const unsigned char *add, size_t add_len, const unsigned char *input,
                              unsigned char *output, size_t tag_len, unsigned char *tag)
{
    size_t output_length;
    int code = mbedtls_gcm_starts(ctx, mode, iv, iv_len);
    if (code == 0)
        code = mbedtls_gcm_update_ad(ctx, add, add_len);
    if (code == 0)
        code = mbedtls_gcm_update(ctx, input, length, output, length, &output_length);
    return code == 0 ? mbedtls_gcm_finish(ctx, NULL, 0, &output_length, tag, tag_len) : code;
}

int mbedtls_gcm_auth_decrypt(mbedtls_gcm_context *ctx, size_t length, const unsigned char *iv, size_t iv_len,
                             const unsigned char *add, size_t add_len, const unsigned char *tag, size_t tag_len,
                             const unsigned char *input, unsigned char *output)
{
    uint8_t expected[GCM_BLOCK_SIZE];
    int code = mbedtls_gcm_crypt_and_tag(ctx, MBEDTLS_GCM_DECRYPT, length, iv, iv_len, add, add_len, input, output,
                                         tag_len, expected);
    if (code == 0 && mbedtls_ct_memcmp(tag, expected, tag_len) != 0) {
        mbedtls_platform_zeroize(output, length);
        code = MBEDTLS_ERR_GCM_AUTH_FAILED;
    }
    return code;
}

#else
typedef int nothing_to_build; /* ISO C wants a declaration in every file */
#endif
