/* hash64: 16 bytes at a time are combined with two lanes of state and multiplied to 128 bits, of which
 * the halves are folded together. Both factors hold state that comes from the seed, so that no input can
 * be chosen that makes a factor zero and wipes the other lane. The constants are the first 64 bits of
 * the fractions of the square roots of 2, 3, 5, 7 and 11, made odd. */
#include "base/hash.h"

#include <string.h>

#define ROOT_2 UINT64_C(0x6A09E667F3BCC909)
#define ROOT_3 UINT64_C(0xBB67AE8584CAA73B)
#define ROOT_5 UINT64_C(0x3C6EF372FE94F82B)
#define ROOT_7 UINT64_C(0xA54FF53A5F1D36F1)
#define ROOT_11 UINT64_C(0x510E527FADE682D1)

static uint64_t fold(uint64_t a, uint64_t b)
{
    __extension__ typedef unsigned __int128 u128;
    u128 product = (u128)a * b;
    return (uint64_t)product ^ (uint64_t)(product >> 64);
}

static uint64_t rotate(uint64_t value, unsigned bits)
{
    return value << bits | value >> (64 - bits);
}

static uint64_t load_le(const unsigned char *at)
{
    uint64_t word;
    memcpy(&word, at, sizeof word);
#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
    word = __builtin_bswap64(word);
#endif
    return word;
}

uint64_t hash64(const void *bytes, size_t size, uint64_t seed)
{
    const unsigned char *at = bytes;
    uint64_t first = fold(seed ^ ROOT_2, ROOT_3);
    uint64_t second = fold(seed + ROOT_5, ROOT_7) ^ size;
    size_t left = size;
    for (; left > 16; left -= 16, at += 16) {
        first = fold(load_le(at) ^ first, load_le(at + 8) ^ second);
        second = rotate(second, 29) + ROOT_11;
    }
    unsigned char tail[16] = { 0 };
    if (left != 0)
        memcpy(tail, at, left);
    first = fold(load_le(tail) ^ first, load_le(tail + 8) ^ second);
    return fold(first ^ ROOT_11, second ^ ROOT_2 ^ rotate(first, 32));
}
