/* Unit tests of base/signature: published vectors, and that nothing but the signed message verifies. */
#include "support.h"

#include "base/crypto.h"
#include "base/encode.h"
#include "base/signature.h"

/* RFC 6979 appendix A.2.5. */
#define VECTOR_PRIVATE "c9afa9d845ba75166b5c215767b1d6934e50c3db36e89b127b8a622b120f6721"
#define VECTOR_PUBLIC                                                                                                  \
    "0460fed4ba255a9d31c961eb74c6356d68c049b8923b61fa6ce669622e60f29fb6"                                               \
    "7903fe1008b8bc99a41ae9e95628bc64f2f1b20c2d7e9f5177a3c294d4462299"

static struct signature_key vector_key(void)
{
    struct signature_key key;
    uint8_t bytes[SIGNATURE_PRIVATE_KEY_SIZE];
    assert_true(hex_decode(text_of(VECTOR_PRIVATE), bytes, sizeof bytes));
    assert_int_equal(signature_key_from_private(bytes, &key), ERROR_OK);
    return key;
}

static void assert_hex(const uint8_t *bytes, size_t size, const char *expected)
{
    char text[256];
    assert_true(2 * size < sizeof text);
    hex_encode(bytes, size, text);
    assert_string_equal(text, expected);
}

static void signs_as_the_standard_says(void **state)
{
    (void)state;
    static const struct {
        const char *message, *signature;
    } vectors[] = {
        { "sample", "efd48b2aacb6a8fd1140dd9cd45e81d69d2c877b56aaf991c34d0ea84eaf3716"
                    "f7cb1c942d657c41d436c7a1b6e29f65f3e900dbb9aff4064dc4ab2f843acda8" },
        { "test", "f1abb023518351cd71d881567b1ea663ed3efcf6c5132b354f28d3b0b7d38367"
                  "019f4113742a2b14bd25926b49c649155f267e60d3814b4c0cc84250e46f0083" },
    };
    struct signature_key key = vector_key();
    assert_hex(key.public_key, sizeof key.public_key, VECTOR_PUBLIC);
    for (size_t i = 0; i < COUNT_OF(vectors); i++) {
        uint8_t signature[SIGNATURE_SIZE];
        size_t size = strlen(vectors[i].message);
        assert_int_equal(signature_sign(&key, vectors[i].message, size, signature), ERROR_OK);
        assert_hex(signature, sizeof signature, vectors[i].signature);
        assert_true(signature_verify(key.public_key, vectors[i].message, size, signature));
    }
}

/* The thumbprint of the key above as RFC 7638 defines it, computed independently. */
static void key_ids_are_thumbprints(void **state)
{
    (void)state;
    struct signature_key key = vector_key();
    assert_string_equal(key.key_id, "DOvxvJiAdIqVWIkFt5hDtCunXLF0BV4-JGv4f-ALSm0");
}

static void nothing_else_verifies(void **state)
{
    (void)state;
    struct signature_key key, other;
    static const char message[] = "head";
    uint8_t signature[SIGNATURE_SIZE], again[SIGNATURE_SIZE];
    assert_int_equal(signature_key_new(&key), ERROR_OK);
    assert_int_equal(signature_key_new(&other), ERROR_OK);
    assert_memory_not_equal(key.private_key, other.private_key, sizeof key.private_key);
    assert_int_equal(signature_sign(&key, message, 4, signature), ERROR_OK);
    assert_int_equal(signature_sign(&key, message, 4, again), ERROR_OK);
    assert_memory_equal(signature, again, sizeof again);
    assert_true(signature_verify(key.public_key, message, 4, signature));
    assert_false(signature_verify(other.public_key, message, 4, signature));
    assert_false(signature_verify(key.public_key, message, 3, signature));
    assert_false(signature_verify(key.public_key, "heaD", 4, signature));
    for (size_t at = 0; at < sizeof signature; at++) {
        signature[at] ^= 0x10;
        assert_false(signature_verify(key.public_key, message, 4, signature));
        signature[at] ^= 0x10;
    }
    key.public_key[40] ^= 1; /* no point of the curve any more */
    assert_false(signature_verify(key.public_key, message, 4, signature));
    memset(key.public_key, 0, sizeof key.public_key);
    assert_false(signature_verify(key.public_key, message, 4, signature));
}

static void what_is_no_private_key_is_refused(void **state)
{
    (void)state;
    struct signature_key key;
    uint8_t bytes[SIGNATURE_PRIVATE_KEY_SIZE] = { 0 };
    assert_int_equal(signature_key_from_private(bytes, &key), ERROR_INVALID_PROPERTY);
    memset(bytes, 0xFF, sizeof bytes);
    assert_int_equal(signature_key_from_private(bytes, &key), ERROR_INVALID_PROPERTY);
}

TESTS(cmocka_unit_test(signs_as_the_standard_says), cmocka_unit_test(key_ids_are_thumbprints),
      cmocka_unit_test(nothing_else_verifies), cmocka_unit_test(what_is_no_private_key_is_refused))
