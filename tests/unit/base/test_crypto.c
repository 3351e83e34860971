/* Unit tests of base/crypto and base/hash: published vectors, and sanity of the random sources. */
#include "support.h"

#include "base/encode.h"
#include "base/hash.h"

static void assert_hex(const uint8_t *bytes, size_t size, const char *expected)
{
    char text[256];
    assert_true(2 * size < sizeof text);
    hex_encode(bytes, size, text);
    assert_string_equal(text, expected);
}

/* FIPS 180-2 appendix B. */
static void hashes(void **state)
{
    (void)state;
    uint8_t out[SHA256_SIZE];
    sha256_of("abc", 3, out);
    assert_hex(out, sizeof out, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    sha256_of(NULL, 0, out);
    assert_hex(out, sizeof out, "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
    sha256_of("abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq", 56, out);
    assert_hex(out, sizeof out, "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1");
    struct sha256 hash;
    char block[1000];
    memset(block, 'a', sizeof block);
    sha256_init(&hash);
    for (int i = 0; i < 1000; i++) {
        sha256_update(&hash, block, (size_t)i);
        sha256_update(&hash, NULL, 0);
        sha256_update(&hash, block, sizeof block - (size_t)i);
    }
    sha256_finish(&hash, out);
    assert_hex(out, sizeof out, "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0");
}

/* RFC 4231 section 4. */
static void authenticates(void **state)
{
    (void)state;
    uint8_t out[SHA256_SIZE];
    uint8_t key[131];
    memset(key, 0x0b, 20);
    hmac_sha256(key, 20, "Hi There", 8, out);
    assert_hex(out, sizeof out, "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7");
    hmac_sha256("Jefe", 4, "what do ya want for nothing?", 28, out);
    assert_hex(out, sizeof out, "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
    memset(key, 0xaa, sizeof key);
    hmac_sha256(key, sizeof key, "Test Using Larger Than Block-Size Key - Hash Key First", 54, out);
    assert_hex(out, sizeof out, "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54");
    hmac_sha256(NULL, 0, NULL, 0, out);
    assert_hex(out, sizeof out, "b613679a0814d9ec772f95d778c35fc5ff1697c493715653c6c712144292c5ad");
}

/* RFC 7914 section 11, and RFC 6070's shapes with SHA-256. */
static void derives(void **state)
{
    (void)state;
    uint8_t out[64];
    pbkdf2_sha256(TEXT("passwd"), "salt", 4, 1, out, 64);
    assert_hex(out, 64,
               "55ac046e56e3089fec1691c22544b605f94185216dde0465e68b9d57c20dacbc"
               "49ca9cccf179b645991664b39d77ef317c71b845b1e30bd509112041d3a19783");
    pbkdf2_sha256(TEXT("password"), "salt", 4, 2, out, 32);
    assert_hex(out, 32, "ae4d0c95af6b46d32d0adff928f06dd02a303f8ef3c251dfd6e2d85a95474c43");
    pbkdf2_sha256(TEXT("password"), "salt", 4, 4096, out, 20);
    assert_hex(out, 20, "c5e478d59288c841aa530db6845c4c8d962893a0");
    pbkdf2_sha256(TEXT("passwordPASSWORDpassword"), "saltSALTsaltSALTsaltSALTsaltSALTsalt", 36, 4096, out, 40);
    assert_hex(out, 40, "348c89dbcbd32b2f32d814b8116e84cf2b17347ebc1800181c4e2a1fb8dd53e1c635518c7dac47e9");
}

static void compares(void **state)
{
    (void)state;
    assert_true(equal_constant_time("abc", "abd", 2));
    assert_false(equal_constant_time("abc", "abd", 3));
    assert_false(equal_constant_time("xbc", "abc", 3));
    assert_true(equal_constant_time(NULL, NULL, 0));
    char secret[16] = "secret";
    secret_wipe(secret, sizeof secret);
    for (size_t i = 0; i < sizeof secret; i++)
        assert_int_equal(secret[i], 0);
}

static void draws(void **state)
{
    (void)state;
    uint8_t a[1000] = { 0 };
    uint8_t b[1000] = { 0 };
    random_bytes(a, sizeof a);
    random_bytes(b, sizeof b);
    assert_memory_not_equal(a, b, sizeof a);
    unsigned seen[256] = { 0 };
    for (size_t i = 0; i < sizeof a; i++)
        seen[a[i]]++;
    for (size_t i = 0; i < 256; i++)
        assert_true(seen[i] < 30);
    random_bytes(a, 0);
}

/* The reference of SplitMix64 (seed 1234567) and of xoshiro256** in Python. */
static void repeats(void **state)
{
    (void)state;
    struct prng prng;
    prng_seed(&prng, 1234567);
    assert_true(prng.state[0] == UINT64_C(6457827717110365317));
    assert_true(prng.state[1] == UINT64_C(3203168211198807973));
    assert_true(prng.state[2] == UINT64_C(9817491932198370423));
    assert_true(prng.state[3] == UINT64_C(4593380528125082431));
    prng.state[0] = 1;
    prng.state[1] = 2;
    prng.state[2] = 3;
    prng.state[3] = 4;
    assert_true(prng_next(&prng) == 11520);
    assert_true(prng_next(&prng) == 0);
    assert_true(prng_next(&prng) == 1509978240);
    assert_true(prng_next(&prng) == UINT64_C(1215971899390074240));
    unsigned counts[7] = { 0 };
    for (int i = 0; i < 70000; i++)
        counts[prng_below(&prng, 7)]++;
    for (size_t i = 0; i < 7; i++)
        assert_true(counts[i] > 9500 && counts[i] < 10500);
    assert_true(prng_below(&prng, 1) == 0);
    /* a bound that divides the range badly: each third of it is drawn equally often */
    unsigned thirds[3] = { 0 };
    for (int i = 0; i < 30000; i++)
        thirds[prng_below(&prng, UINT64_C(3) << 62) >> 62]++;
    for (size_t i = 0; i < 3; i++)
        assert_true(thirds[i] > 9600 && thirds[i] < 10400);
}

/* Every input bit and every seed bit changes about half of the output bits. */
static void hash64_mixes(void **state)
{
    (void)state;
    for (size_t size = 1; size <= 70; size += 3) {
        uint8_t bytes[70];
        unsigned changed = 0;
        memset(bytes, (int)size, sizeof bytes);
        uint64_t plain = hash64(bytes, size, 42);
        for (size_t bit = 0; bit < size * 8; bit++) {
            bytes[bit / 8] ^= (uint8_t)(1u << bit % 8);
            int flips = __builtin_popcountll(plain ^ hash64(bytes, size, 42));
            assert_true(flips > 10 && flips < 54);
            changed += (unsigned)flips;
            bytes[bit / 8] ^= (uint8_t)(1u << bit % 8);
        }
        double mean = (double)changed / (double)(size * 8);
        assert_true(mean > 28.5 && mean < 35.5);
        for (unsigned bit = 0; bit < 64; bit++) {
            int flips = __builtin_popcountll(plain ^ hash64(bytes, size, 42 ^ UINT64_C(1) << bit));
            assert_true(flips > 10 && flips < 54);
        }
    }
}

/* Counters, lengths and sparse keys fall evenly into the buckets of a table, at either end of the hash. */
static void hash64_spreads(void **state)
{
    (void)state;
    enum { BUCKETS = 1024, KEYS = 200 * BUCKETS };
    static unsigned low[BUCKETS];
    static unsigned high[BUCKETS];
    memset(low, 0, sizeof low);
    memset(high, 0, sizeof high);
    for (uint64_t i = 0; i < KEYS; i++) {
        uint64_t hash = hash64(&i, sizeof i, 7);
        low[hash % BUCKETS]++;
        high[hash >> 54]++;
    }
    for (size_t i = 0; i < BUCKETS; i++)
        assert_true(low[i] > 120 && low[i] < 280 && high[i] > 120 && high[i] < 280);
    uint8_t zeros[100] = { 0 };
    for (size_t a = 0; a <= sizeof zeros; a++) {
        for (size_t b = 0; b < a; b++)
            assert_true(hash64(zeros, a, 7) != hash64(zeros, b, 7));
    }
}

/* Computed by a second writing-down of the definition, in Python. */
static void hash64_is_stable(void **state)
{
    (void)state;
    char text[] = "xabcdefghijklmnopqrstuvwxyz0123456789";
    uint64_t odd = hash64(text + 1, 36, 1);
    memmove(text, text + 1, 36);
    assert_true(hash64(text, 36, 1) == odd); /* any alignment */
    assert_true(hash64("", 0, 0) == UINT64_C(0xc90af5e04b4d5414));
    assert_true(hash64("abc", 3, 1) == UINT64_C(0xbbf9e660d36ddd96));
    assert_true(hash64("0123456789abcdef0123456789abcdef0", 33, 2) == UINT64_C(0xa5b100d03cc17c44));
}

TESTS(cmocka_unit_test(hashes), cmocka_unit_test(authenticates), cmocka_unit_test(derives), cmocka_unit_test(compares),
      cmocka_unit_test(draws), cmocka_unit_test(repeats), cmocka_unit_test(hash64_mixes),
      cmocka_unit_test(hash64_spreads), cmocka_unit_test(hash64_is_stable))
