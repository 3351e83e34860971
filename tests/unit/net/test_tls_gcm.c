/* AES-256-GCM as Mbed TLS calls it for TLS: published test cases, every length there and back, changed bits, and
 * what is refused. */
#include "support/testing.h"

#include <mbedtls/gcm.h>
#include <sodium/runtime.h>

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

#define KEY_256 "feffe9928665731c6d6a8f9467308308feffe9928665731c6d6a8f9467308308"
#define ZEROS_12 "000000000000000000000000"
#define ZEROS_16 "00000000000000000000000000000000"
#define ZEROS_32 ZEROS_16 ZEROS_16
#define NONCE_12 "cafebabefacedbaddecaf888"
#define ADD_20 "feedfacedeadbeeffeedfacedeadbeefabaddad2"
#define PLAIN_60                                                                                                       \
    "d9313225f88406e5a55909c5aff5269a86a7a9531534f7da2e4c303d8a318a721c3c0c95956809532fcf0e2449a6b525b16aedf5aa0de657" \
    "ba637b39"
#define PLAIN_64 PLAIN_60 "1aafd255"
#define CIPHER_60                                                                                                      \
    "522dc1f099567d07f47f37a32a84427d643a8cdcbfe5c0c97598a2bd2555d1aa8cb08e48590dbb3da7b08b1056828838c5f61e6393ba7a0a" \
    "bcc9f662"

static const struct vector vectors[] = {
    { ZEROS_32, ZEROS_12, "", "", "", "530f8afbc74536b9a963b4f1c4cb738b" },
    { ZEROS_32, ZEROS_12, "", ZEROS_16, "cea7403d4d606b6e074ec5d3baf39d18", "d0d1c8a799996bf0265b98b5d48ab919" },
    { KEY_256, NONCE_12, "", PLAIN_64, CIPHER_60 "898015ad", "b094dac5d93471bdec1a502270e3cc6c" },
    { KEY_256, NONCE_12, ADD_20, PLAIN_60, CIPHER_60, "76fc6ece0f4e1768cddf8853bb2d551b" },
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

static void fill(struct prng *prng, uint8_t *out, size_t size)
{
    for (size_t i = 0; i < size; i++)
        out[i] = (uint8_t)prng_next(prng);
}

/* In place, as TLS does it. Shorter messages are not the start of longer ones' answers: the tag covers the length. */
static void every_length_comes_back(void **state)
{
    (void)state;
    struct prng prng = test_prng("test_tls_gcm");
    for (size_t len = 0; len <= DATA_MAX; len++) {
        uint8_t key[32], nonce[12], add[60], plain[DATA_MAX + 1], data[DATA_MAX + 1], tag[BLOCK];
        size_t add_len = (size_t)prng_below(&prng, sizeof add);
        mbedtls_gcm_context gcm;
        fill(&prng, key, sizeof key);
        fill(&prng, nonce, sizeof nonce);
        fill(&prng, add, sizeof add);
        fill(&prng, plain, sizeof plain);
        memcpy(data, plain, sizeof data);
        mbedtls_gcm_init(&gcm);
        assert_int_equal(mbedtls_gcm_setkey(&gcm, MBEDTLS_CIPHER_ID_AES, key, 256), 0);
        assert_int_equal(mbedtls_gcm_crypt_and_tag(&gcm, MBEDTLS_GCM_ENCRYPT, len, nonce, sizeof nonce, add, add_len,
                                                   data, data, sizeof tag, tag),
                         0);
        assert_int_equal(data[len], plain[len]);
        assert_true(len < BLOCK || memcmp(data, plain, len) != 0);
        assert_int_equal(
            mbedtls_gcm_auth_decrypt(&gcm, len, nonce, sizeof nonce, add, add_len, tag, sizeof tag, data, data), 0);
        assert_memory_equal(data, plain, sizeof data);
        mbedtls_gcm_free(&gcm);
    }
}

static void a_changed_bit_anywhere_is_noticed(void **state)
{
    (void)state;
    struct prng prng = test_prng("test_tls_gcm_changed");
    uint8_t key[32], nonce[12], add[13], plain[200], cipher[200], tag[BLOCK], got[200], zeros[200] = { 0 };
    mbedtls_gcm_context gcm;
    fill(&prng, key, sizeof key);
    fill(&prng, nonce, sizeof nonce);
    fill(&prng, add, sizeof add);
    fill(&prng, plain, sizeof plain);
    mbedtls_gcm_init(&gcm);
    assert_int_equal(mbedtls_gcm_setkey(&gcm, MBEDTLS_CIPHER_ID_AES, key, 256), 0);
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

static void what_tls_does_not_need_is_refused(void **state)
{
    (void)state;
    uint8_t key[32] = { 0 }, nonce[16] = { 0 }, data[32] = { 0 }, tag[BLOCK] = { 0 };
    size_t unused;
    mbedtls_gcm_context gcm;
    mbedtls_gcm_init(&gcm);
    for (unsigned key_bits = 0; key_bits < 256; key_bits += 64)
        assert_int_equal(mbedtls_gcm_setkey(&gcm, MBEDTLS_CIPHER_ID_AES, key, key_bits), MBEDTLS_ERR_GCM_BAD_INPUT);
    struct {
        int mode;
        size_t nonce_len, tag_len;
        bool has_key;
    } cases[] = {
        { MBEDTLS_GCM_ENCRYPT, 12, 16, false }, { MBEDTLS_GCM_ENCRYPT, 16, 16, true },
        { MBEDTLS_GCM_ENCRYPT, 8, 16, true },   { MBEDTLS_GCM_ENCRYPT, 12, 15, true },
        { MBEDTLS_GCM_ENCRYPT, 12, 0, true },   { MBEDTLS_GCM_DECRYPT, 12, 16, true },
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        if (cases[i].has_key)
            assert_int_equal(mbedtls_gcm_setkey(&gcm, MBEDTLS_CIPHER_ID_AES, key, 256), 0);
        assert_int_equal(mbedtls_gcm_crypt_and_tag(&gcm, cases[i].mode, sizeof data, nonce, cases[i].nonce_len, NULL, 0,
                                                   data, data, cases[i].tag_len, tag),
                         MBEDTLS_ERR_GCM_BAD_INPUT);
        if (cases[i].mode == MBEDTLS_GCM_ENCRYPT)
            assert_int_equal(mbedtls_gcm_auth_decrypt(&gcm, sizeof data, nonce, cases[i].nonce_len, NULL, 0, tag,
                                                      cases[i].tag_len, data, data),
                             MBEDTLS_ERR_GCM_BAD_INPUT);
    }
    assert_int_not_equal(mbedtls_gcm_starts(&gcm, MBEDTLS_GCM_ENCRYPT, nonce, 12), 0);
    assert_int_not_equal(mbedtls_gcm_update(&gcm, data, 32, data, 32, &unused), 0);
    assert_int_not_equal(mbedtls_gcm_finish(&gcm, NULL, 0, &unused, tag, sizeof tag), 0);
    mbedtls_gcm_free(&gcm);
}

static int find_processor_features(void **state)
{
    (void)state;
    (void)_sodium_runtime_get_cpu_features();
    return 0;
}

TESTS(cmocka_unit_test_setup(published_cases_come_out, find_processor_features),
      cmocka_unit_test(every_length_comes_back), cmocka_unit_test(a_changed_bit_anywhere_is_noticed),
      cmocka_unit_test(what_tls_does_not_need_is_refused))
