/* Unit tests of base/siphash: the reference vectors of SipHash-2-4 with 128-bit output, whole and in
 * pieces. */
#include "support.h"

#include "base/encode.h"
#include "base/siphash.h"

static void key_of_counting(uint8_t key[SIPHASH_KEY_SIZE])
{
    for (uint8_t i = 0; i < SIPHASH_KEY_SIZE; i++)
        key[i] = i;
}

/* Key 00 01 ... 0f, input 00 01 ... of each length: from the table that the reference code carries. */
static void matches_the_reference(void **state)
{
    (void)state;
    static const struct {
        size_t size;
        const char *hash;
    } vectors[] = { { 0, "a3817f04ba25a8e66df67214c7550293" },
                    { 1, "da87c1d86b99af44347659119b22fc45" },
                    { 2, "8177228da4a45dc7fca38bdef60affe4" } };
    uint8_t key[SIPHASH_KEY_SIZE];
    static const uint8_t input[] = { 0, 1, 2, 3 };
    key_of_counting(key);
    for (size_t i = 0; i < COUNT_OF(vectors); i++) {
        struct siphash hash;
        char text[33];
        siphash_init(&hash, key);
        siphash_update(&hash, input, vectors[i].size);
        struct hash128 out = siphash_finish(&hash);
        hex_encode(out.bytes, sizeof out.bytes, text);
        assert_string_equal(text, vectors[i].hash);
    }
}

static void takes_pieces(void **state)
{
    (void)state;
    struct prng prng = test_prng("test_siphash");
    uint8_t key[SIPHASH_KEY_SIZE];
    uint8_t input[200];
    key_of_counting(key);
    for (size_t i = 0; i < sizeof input; i++)
        input[i] = (uint8_t)prng_next(&prng);
    for (size_t size = 0; size <= sizeof input; size++) {
        struct siphash whole;
        struct siphash pieces;
        siphash_init(&whole, key);
        siphash_init(&pieces, key);
        siphash_update(&whole, input, size);
        for (size_t at = 0; at < size;) {
            size_t piece = 1 + (size_t)prng_below(&prng, 20);
            piece = piece < size - at ? piece : size - at;
            siphash_update(&pieces, input + at, piece);
            at += piece;
        }
        struct hash128 a = siphash_finish(&whole);
        struct hash128 b = siphash_finish(&pieces);
        assert_memory_equal(a.bytes, b.bytes, sizeof a.bytes);
    }
}

static struct hash128 hash_of_two(struct text first, struct text second)
{
    uint8_t key[SIPHASH_KEY_SIZE] = { 7 };
    struct siphash hash;
    siphash_init(&hash, key);
    siphash_update_sized(&hash, first.ptr, first.len);
    siphash_update_sized(&hash, second.ptr, second.len);
    return siphash_finish(&hash);
}

static void keeps_members_apart(void **state)
{
    (void)state;
    struct hash128 a = hash_of_two(TEXT("ab"), TEXT("c"));
    struct hash128 b = hash_of_two(TEXT("a"), TEXT("bc"));
    struct hash128 c = hash_of_two(TEXT("ab"), TEXT("c"));
    assert_memory_not_equal(a.bytes, b.bytes, sizeof a.bytes);
    assert_memory_equal(a.bytes, c.bytes, sizeof a.bytes);
}

TESTS(cmocka_unit_test(matches_the_reference), cmocka_unit_test(takes_pieces), cmocka_unit_test(keeps_members_apart))
