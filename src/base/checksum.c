/* Four lanes take 32 bytes a round, so that the processor works on four multiplications at once; what is left goes
 * through the first lane, eight bytes at a time. The constants are the first 64 bits of the fractions of the cube roots
 * of 2, 3, 5, 7 and 11, made odd: odd factors are invertible modulo 2^64. */
#include "base/checksum.h"

#include <string.h>

#define ROOT_2 UINT64_C(0x428A2F98D728AE23)
#define ROOT_3 UINT64_C(0x7137449123EF65CD)
#define ROOT_5 UINT64_C(0xB5C0FBCFEC4D3B2F)
#define ROOT_7 UINT64_C(0xE9B5DBA58189DBBD)
#define ROOT_11 UINT64_C(0x3956C25BF348B539)

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

/* Invertible in lane and in word. */
static uint64_t step(uint64_t lane, uint64_t word)
{
    return rotate(lane + word * ROOT_2, 31) * ROOT_3;
}

/* Invertible: spreads every bit over all others. */
static uint64_t finish(uint64_t value)
{
    value ^= value >> 32;
    value *= ROOT_5;
    value ^= value >> 29;
    value *= ROOT_7;
    return value ^ value >> 32;
}

uint64_t checksum64(uint64_t seed, const void *bytes, size_t size)
{
    const unsigned char *at = bytes;
    uint64_t lanes[4] = { seed ^ ROOT_11, seed + ROOT_5, seed ^ ROOT_7, seed + ROOT_3 };
    size_t left = size;
    for (; left >= 32; left -= 32, at += 32) {
        for (size_t i = 0; i < 4; i++)
            lanes[i] = step(lanes[i], load_le(at + 8 * i));
    }
    uint64_t sum = step(step(step(lanes[0], lanes[1]), lanes[2]), lanes[3]);
    for (; left >= 8; left -= 8, at += 8)
        sum = step(sum, load_le(at));
    unsigned char tail[8] = { 0 };
    if (left != 0)
        memcpy(tail, at, left);
    sum = step(sum, load_le(tail));
    return finish(step(sum, size));
}
