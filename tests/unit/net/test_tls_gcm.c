/* AES-GCM as Mbed TLS calls it: the published test cases, and random ones against a slow model over the library's own
 * block cipher. Where the library's own file is built the same must hold. */
#include "support/testing.h"

#include <mbedtls/aes.h>
#include <mbedtls/gcm.h>

#include "base/encode.h"

#define BLOCK 16
#define DATA_MAX 700

static size_t bytes_of(const char *hex, uint8_t *out)
{
    size_t size = strlen(hex) / 2;
    assert_true(hex_decode(text_of(hex), out, size));
    return size;
}

/* --- the test cases of "The Galois/Counter Mode of Operation" (McGrew and Viega), appendix B --- */

struct vector {
    const char *key, *nonce, *add, *plain, *cipher, *tag;
};

#define KEY_128 "feffe9928665731c6d6a8f9467308308"
#define KEY_192 KEY_128 "feffe9928665731c"
#define KEY_256 KEY_128 KEY_128
#define ZEROS_16 "00000000000000000000000000000000"
#define ZEROS_12 "000000000000000000000000"
#define NONCE_12 "cafebabefacedbaddecaf888"
#define NONCE_8 "cafebabefacedbad"
#define ADD_20 "feedfacedeadbeeffeedfacedeadbeefabaddad2"
#define PLAIN_60                                                                                                       \
    "d9313225f88406e5a55909c5aff5269a86a7a9531534f7da2e4c303d8a318a721c3c0c95956809532fcf0e2449a6b525b16aedf5aa0de657" \
    "ba637b39"
#define PLAIN_64 PLAIN_60 "1aafd255"

static const struct vector vectors[] = {
    { ZEROS_16, ZEROS_12, "", "", "", "58e2fccefa7e3061367f1d57a4e7455a" },
    { ZEROS_16, ZEROS_12, "", ZEROS_16, "0388dace60b6a392f328c2b971b2fe78", "ab6e47d42cec13bdf53a67b21257bddf" },
    { KEY_128, NONCE_12, "", PLAIN_64,
      "42831ec2217774244b7221b784d0d49ce3aa212f2c02a4e035c17e2329aca12e21d514b25466931c7d8f6a5aac84aa051ba30b396a0aac97"
      "3d58e091473f5985",
      "4d5c2af327cd64a62cf35abd2ba6fab4" },
    { KEY_128, NONCE_12, ADD_20, PLAIN_60,
      "42831ec2217774244b7221b784d0d49ce3aa212f2c02a4e035c17e2329aca12e21d514b25466931c7d8f6a5aac84aa051ba30b396a0aac97"
      "3d58e091",
      "5bc94fbc3221a5db94fae95ae7121a47" },
    { KEY_128, NONCE_8, ADD_20, PLAIN_60,
      "61353b4c2806934a777ff51fa22a4755699b2a714fcdc6f83766e5f97b6c742373806900e49f24b22b097544d4896b424989b5e1ebac0f07"
      "c23f4598",
      "3612d2e79e3b0785561be14aaca2fccb" },
    { KEY_192, NONCE_12, ADD_20, PLAIN_60,
      "3980ca0b3c00e841eb06fac4872a2757859e1ceaa6efd984628593b40ca1e19c7d773d00c144c525ac619d18c84a3f4718e2448b2fe324d9"
      "ccda2710",
      "2519498e80f1478f37ba55bd6d27618c" },
    { KEY_256, NONCE_12, ADD_20, PLAIN_60,
      "522dc1f099567d07f47f37a32a84427d643a8cdcbfe5c0c97598a2bd2555d1aa8cb08e48590dbb3da7b08b1056828838c5f61e6393ba7a0a"
      "bcc9f662",
      "76fc6ece0f4e1768cddf8853bb2d551b" },
};

static void published_cases_come_out(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT_OF(vectors); i++) {
        uint8_t key[32], nonce[60], add[32], plain[64], cipher[64], tag[BLOCK], got[64], got_tag[BLOCK];
        mbedtls_gcm_context gcm;
        unsigned key_bits = (unsigned)bytes_of(vectors[i].key, key) * 8;
        size_t nonce_len = bytes_of(vectors[i].nonce, nonce), add_len = bytes_of(vectors[i].add, add);
        size_t len = bytes_of(vectors[i].plain, plain);
        (void)bytes_of(vectors[i].cipher, cipher);
        (void)bytes_of(vectors[i].tag, tag);
        mbedtls_gcm_init(&gcm);
        assert_int_equal(mbedtls_gcm_setkey(&gcm, MBEDTLS_CIPHER_ID_AES, key, key_bits), 0);
        assert_int_equal(mbedtls_gcm_crypt_and_tag(&gcm, MBEDTLS_GCM_ENCRYPT, len, nonce, nonce_len, add, add_len,
                                                   plain, got, sizeof got_tag, got_tag),
                         0);
        assert_memory_equal(got, cipher, len);
        assert_memory_equal(got_tag, tag, sizeof tag);
        assert_int_equal(
            mbedtls_gcm_auth_decrypt(&gcm, len, nonce, nonce_len, add, add_len, tag, sizeof tag, cipher, got), 0);
        assert_memory_equal(got, plain, len);
        mbedtls_gcm_free(&gcm);
    }
}

/* --- the model: bit by bit, as SP 800-38D says it --- */

static void model_multiply(uint8_t x[BLOCK], const uint8_t y[BLOCK])
{
    uint8_t product[BLOCK] = { 0 }, v[BLOCK];
    memcpy(v, y, BLOCK);
    for (int bit = 0; bit < 128; bit++) {
        if (x[bit / 8] >> (7 - bit % 8) & 1)
            for (int i = 0; i < BLOCK; i++)
                product[i] ^= v[i];
        uint8_t lost = v[BLOCK - 1] & 1;
        for (int i = BLOCK - 1; i > 0; i--)
            v[i] = (uint8_t)(v[i] >> 1 | v[i - 1] << 7);
        v[0] = (uint8_t)(v[0] >> 1 ^ (lost ? 0xE1 : 0));
    }
    memcpy(x, product, BLOCK);
}

static void model_hash(uint8_t hash[BLOCK], const uint8_t key[BLOCK], const uint8_t *bytes, size_t size)
{
    for (size_t i = 0; i < size; i++) {
        hash[i % BLOCK] ^= bytes[i];
        if (i % BLOCK == BLOCK - 1 || i == size - 1)
            model_multiply(hash, key);
    }
}

static void model_lengths(uint8_t hash[BLOCK], const uint8_t key[BLOCK], size_t first, size_t second)
{
    uint8_t block[BLOCK];
    put_u64be(block, (uint64_t)first * 8);
    put_u64be(block + 8, (uint64_t)second * 8);
    model_hash(hash, key, block, sizeof block);
}

struct sealed {
    uint8_t cipher[DATA_MAX], tag[BLOCK];
};

static void model_encrypt(mbedtls_aes_context *aes, const uint8_t *nonce, size_t nonce_len, const uint8_t *add,
                          size_t add_len, const uint8_t *plain, size_t len, struct sealed *out)
{
    uint8_t hash_key[BLOCK] = { 0 }, counter[BLOCK] = { 0 }, mask[BLOCK], hash[BLOCK] = { 0 };
    assert_int_equal(mbedtls_aes_crypt_ecb(aes, MBEDTLS_AES_ENCRYPT, hash_key, hash_key), 0);
    memcpy(counter, nonce, nonce_len == 12 ? 12 : 0);
    counter[BLOCK - 1] = nonce_len == 12;
    if (nonce_len != 12) {
        model_hash(counter, hash_key, nonce, nonce_len);
        model_lengths(counter, hash_key, 0, nonce_len);
    }
    assert_int_equal(mbedtls_aes_crypt_ecb(aes, MBEDTLS_AES_ENCRYPT, counter, out->tag), 0);
    for (size_t i = 0; i < len; i++) {
        if (i % BLOCK == 0) {
            put_u32be(counter + 12, get_u32be(counter + 12) + 1);
            assert_int_equal(mbedtls_aes_crypt_ecb(aes, MBEDTLS_AES_ENCRYPT, counter, mask), 0);
        }
        out->cipher[i] = plain[i] ^ mask[i % BLOCK];
    }
    model_hash(hash, hash_key, add, add_len);
    model_hash(hash, hash_key, out->cipher, len);
    model_lengths(hash, hash_key, add_len, len);
    for (int i = 0; i < BLOCK; i++)
        out->tag[i] ^= hash[i];
}

static void fill(struct prng *prng, uint8_t *out, size_t size)
{
    for (size_t i = 0; i < size; i++)
        out[i] = (uint8_t)prng_next(prng);
}

/* In pieces of any size, in place. */
static void crypt_in_pieces(mbedtls_gcm_context *gcm, struct prng *prng, uint8_t *data, size_t len)
{
    for (size_t at = 0; at < len;) {
        size_t piece = (size_t)prng_below(prng, 300), output_length = 0;
        piece = piece < len - at ? piece : len - at;
        assert_int_equal(mbedtls_gcm_update(gcm, data + at, piece, data + at, piece, &output_length), 0);
        assert_int_equal(output_length, piece);
        at += piece;
    }
}

struct nonce {
    uint8_t bytes[40];
    size_t len;
};

static void assert_as_model(struct prng *prng, const uint8_t *key, unsigned key_size, const struct nonce *nonce,
                            size_t len)
{
    size_t add_len = (size_t)prng_below(prng, 60), split = (size_t)prng_below(prng, add_len + 1), unused;
    uint8_t add[60], plain[DATA_MAX], data[DATA_MAX], tag[BLOCK];
    struct sealed model;
    mbedtls_aes_context aes;
    mbedtls_gcm_context gcm;
    fill(prng, add, sizeof add);
    fill(prng, plain, sizeof plain);
    mbedtls_aes_init(&aes);
    mbedtls_gcm_init(&gcm);
    assert_int_equal(mbedtls_aes_setkey_enc(&aes, key, key_size * 8), 0);
    assert_int_equal(mbedtls_gcm_setkey(&gcm, MBEDTLS_CIPHER_ID_AES, key, key_size * 8), 0);
    model_encrypt(&aes, nonce->bytes, nonce->len, add, add_len, plain, len, &model);

    memcpy(data, plain, sizeof data);
    assert_int_equal(mbedtls_gcm_starts(&gcm, MBEDTLS_GCM_ENCRYPT, nonce->bytes, nonce->len), 0);
    assert_int_equal(mbedtls_gcm_update_ad(&gcm, add, split), 0);
    assert_int_equal(mbedtls_gcm_update_ad(&gcm, add + split, add_len - split), 0);
    crypt_in_pieces(&gcm, prng, data, len);
    assert_int_equal(mbedtls_gcm_finish(&gcm, NULL, 0, &unused, tag, sizeof tag), 0);
    assert_memory_equal(data, model.cipher, len);
    assert_memory_equal(tag, model.tag, sizeof tag);
    assert_memory_equal(data + len, plain + len, sizeof data - len);

    assert_int_equal(mbedtls_gcm_auth_decrypt(&gcm, len, nonce->bytes, nonce->len, add, add_len, model.tag,
                                              sizeof model.tag, model.cipher, data),
                     0);
    assert_memory_equal(data, plain, len);
    mbedtls_gcm_free(&gcm);
    mbedtls_aes_free(&aes);
}

static void assert_random_as_model(struct prng *prng, size_t len)
{
    uint8_t key[32];
    struct nonce nonce = { .len = prng_below(prng, 3) == 0 ? 1 + (size_t)prng_below(prng, 40) : 12 };
    fill(prng, key, sizeof key);
    fill(prng, nonce.bytes, sizeof nonce.bytes);
    assert_as_model(prng, key, 16 + 8 * (unsigned)prng_below(prng, 3), &nonce, len);
}

static void every_length_and_split_agrees_with_the_model(void **state)
{
    (void)state;
    struct prng prng = test_prng("test_tls_gcm");
    for (size_t len = 0; len <= 300; len++)
        assert_random_as_model(&prng, len);
    for (int round = 0; round < 200; round++)
        assert_random_as_model(&prng, (size_t)prng_below(&prng, DATA_MAX + 1));
}

/* x^(2^128 - 2). */
static void model_invert(uint8_t x[BLOCK])
{
    uint8_t power[BLOCK], result[BLOCK] = { 0x80 }; /* one */
    memcpy(power, x, BLOCK);
    for (int i = 1; i < 128; i++) {
        model_multiply(power, power);
        model_multiply(result, power);
    }
    memcpy(x, result, BLOCK);
}

/* The counter's 32 bits overflow within the data and carry nothing into the rest. A nonce of 16 bytes that leads to
 * such a counter is found backwards: counter = ((nonce * key) + length) * key. */
static void the_counter_wraps(void **state)
{
    (void)state;
    struct prng prng = test_prng("test_tls_gcm_wrap");
    for (uint32_t before = 1; before < 40; before++) {
        uint8_t key[16], inverse[BLOCK] = { 0 }, length[BLOCK] = { 0 };
        struct nonce nonce = { .len = BLOCK };
        mbedtls_aes_context aes;
        fill(&prng, key, sizeof key);
        mbedtls_aes_init(&aes);
        assert_int_equal(mbedtls_aes_setkey_enc(&aes, key, 128), 0);
        assert_int_equal(mbedtls_aes_crypt_ecb(&aes, MBEDTLS_AES_ENCRYPT, inverse, inverse), 0);
        model_invert(inverse);
        memset(nonce.bytes, 0xFF, BLOCK);
        put_u32be(nonce.bytes + 12, 0 - before);
        put_u64be(length + 8, BLOCK * 8);
        model_multiply(nonce.bytes, inverse);
        for (int i = 0; i < BLOCK; i++)
            nonce.bytes[i] ^= length[i];
        model_multiply(nonce.bytes, inverse);
        assert_as_model(&prng, key, sizeof key, &nonce, DATA_MAX);
        mbedtls_aes_free(&aes);
    }
}

static void a_changed_bit_anywhere_is_noticed(void **state)
{
    (void)state;
    struct prng prng = test_prng("test_tls_gcm_changed");
    uint8_t key[16], nonce[12], add[13], plain[200], cipher[200], tag[BLOCK], got[200], zeros[200] = { 0 };
    mbedtls_gcm_context gcm;
    fill(&prng, key, sizeof key);
    fill(&prng, nonce, sizeof nonce);
    fill(&prng, add, sizeof add);
    fill(&prng, plain, sizeof plain);
    mbedtls_gcm_init(&gcm);
    assert_int_equal(mbedtls_gcm_setkey(&gcm, MBEDTLS_CIPHER_ID_AES, key, 128), 0);
    assert_int_equal(mbedtls_gcm_crypt_and_tag(&gcm, MBEDTLS_GCM_ENCRYPT, sizeof plain, nonce, sizeof nonce, add,
                                               sizeof add, plain, cipher, sizeof tag, tag),
                     0);
    struct {
        uint8_t *bytes;
        size_t size;
    } parts[] = { { cipher, sizeof cipher }, { add, sizeof add }, { tag, sizeof tag }, { nonce, sizeof nonce } };
    for (size_t p = 0; p < COUNT_OF(parts); p++) {
        for (size_t bit = 0; bit < parts[p].size * 8; bit++) {
            parts[p].bytes[bit / 8] ^= (uint8_t)(1 << bit % 8);
            assert_int_equal(mbedtls_gcm_auth_decrypt(&gcm, sizeof got, nonce, sizeof nonce, add, sizeof add, tag,
                                                      sizeof tag, cipher, got),
                             MBEDTLS_ERR_GCM_AUTH_FAILED);
            assert_memory_equal(got, zeros, sizeof got); /* nothing of it leaks */
            parts[p].bytes[bit / 8] ^= (uint8_t)(1 << bit % 8);
        }
    }
    assert_int_equal(
        mbedtls_gcm_auth_decrypt(&gcm, sizeof got, nonce, sizeof nonce, add, sizeof add, tag, sizeof tag, cipher, got),
        0);
    mbedtls_gcm_free(&gcm);
}

static void bad_parameters_are_refused(void **state)
{
    (void)state;
    uint8_t key[32] = { 0 }, nonce[12] = { 0 }, data[32] = { 0 }, tag[BLOCK];
    size_t unused;
    mbedtls_gcm_context gcm;
    mbedtls_gcm_init(&gcm);
    assert_int_not_equal(mbedtls_gcm_setkey(&gcm, MBEDTLS_CIPHER_ID_AES, key, 100), 0);
    assert_int_equal(mbedtls_gcm_setkey(&gcm, MBEDTLS_CIPHER_ID_AES, key, 256), 0);
    assert_int_equal(mbedtls_gcm_starts(&gcm, MBEDTLS_GCM_ENCRYPT, nonce, 0), MBEDTLS_ERR_GCM_BAD_INPUT);
    assert_int_equal(mbedtls_gcm_starts(&gcm, MBEDTLS_GCM_ENCRYPT, nonce, sizeof nonce), 0);
    assert_int_equal(mbedtls_gcm_update(&gcm, data, 32, data, 31, &unused), MBEDTLS_ERR_GCM_BUFFER_TOO_SMALL);
    assert_int_equal(mbedtls_gcm_update(&gcm, data, 20, data + 4, 20, &unused), MBEDTLS_ERR_GCM_BAD_INPUT);
    assert_int_equal(mbedtls_gcm_finish(&gcm, NULL, 0, &unused, tag, 3), MBEDTLS_ERR_GCM_BAD_INPUT);
    assert_int_equal(mbedtls_gcm_finish(&gcm, NULL, 0, &unused, tag, 17), MBEDTLS_ERR_GCM_BAD_INPUT);
    mbedtls_gcm_free(&gcm);
}

TESTS(cmocka_unit_test(published_cases_come_out), cmocka_unit_test(every_length_and_split_agrees_with_the_model),
      cmocka_unit_test(the_counter_wraps), cmocka_unit_test(a_changed_bit_anywhere_is_noticed),
      cmocka_unit_test(bad_parameters_are_refused))
