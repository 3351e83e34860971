/* SipHash-2-4-128: see siphash.h. State is four 64-bit words; bytes are taken in little-endian words, a
 * started word waits in 'tail'. */
#include "base/siphash.h"

#include <string.h>

static inline uint64_t rotate_left(uint64_t x, unsigned bits)
{
    return (x << bits) | (x >> (64 - bits));
}

static inline void sip_round(uint64_t v[4])
{
    v[0] += v[1];
    v[2] += v[3];
    v[1] = rotate_left(v[1], 13) ^ v[0];
    v[3] = rotate_left(v[3], 16) ^ v[2];
    v[0] = rotate_left(v[0], 32);
    v[2] += v[1];
    v[0] += v[3];
    v[1] = rotate_left(v[1], 17) ^ v[2];
    v[3] = rotate_left(v[3], 21) ^ v[0];
    v[2] = rotate_left(v[2], 32);
}

static inline uint64_t load_le64(const uint8_t *p)
{
    uint64_t word;
    memcpy(&word, p, 8);
#if defined(__BYTE_ORDER__) && __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
    word = __builtin_bswap64(word);
#endif
    return word;
}

static inline void compress(uint64_t v[4], uint64_t word)
{
    v[3] ^= word;
    sip_round(v);
    sip_round(v);
    v[0] ^= word;
}

void siphash_init(struct siphash *state, const uint8_t key[SIPHASH_KEY_SIZE])
{
    uint64_t k0 = load_le64(key), k1 = load_le64(key + 8);
    state->v[0] = UINT64_C(0x736f6d6570736575) ^ k0;
    state->v[1] = UINT64_C(0x646f72616e646f6d) ^ k1 ^ 0xee; /* 0xee marks the 128-bit variant */
    state->v[2] = UINT64_C(0x6c7967656e657261) ^ k0;
    state->v[3] = UINT64_C(0x7465646279746573) ^ k1;
    state->tail = 0;
    state->length = 0;
}

void siphash_update(struct siphash *state, const void *bytes, size_t size)
{
    const uint8_t *p = bytes;
    unsigned filled = (unsigned)(state->length & 7);
    state->length += size;
    while (filled != 0 && size > 0) {
        state->tail |= (uint64_t)*p++ << (8 * filled);
        size--;
        filled = (filled + 1) & 7;
        if (filled == 0) {
            compress(state->v, state->tail);
            state->tail = 0;
        }
    }
    for (; size >= 8; size -= 8, p += 8)
        compress(state->v, load_le64(p));
    for (unsigned i = 0; i < size; i++)
        state->tail |= (uint64_t)p[i] << (8 * (filled + i));
}

void siphash_update_u64(struct siphash *state, uint64_t value)
{
    uint8_t bytes[8];
    for (unsigned i = 0; i < 8; i++)
        bytes[i] = (uint8_t)(value >> (8 * i));
    siphash_update(state, bytes, sizeof bytes);
}

void siphash_update_sized(struct siphash *state, const void *bytes, size_t size)
{
    siphash_update_u64(state, size);
    siphash_update(state, bytes, size);
}

static void store_le64(uint8_t *p, uint64_t word)
{
    for (unsigned i = 0; i < 8; i++)
        p[i] = (uint8_t)(word >> (8 * i));
}

struct hash128 siphash_finish(struct siphash *state)
{
    struct hash128 out;
    compress(state->v, state->tail | state->length << 56);
    state->v[2] ^= 0xee;
    for (int i = 0; i < 4; i++)
        sip_round(state->v);
    store_le64(out.bytes, state->v[0] ^ state->v[1] ^ state->v[2] ^ state->v[3]);
    state->v[1] ^= 0xdd;
    for (int i = 0; i < 4; i++)
        sip_round(state->v);
    store_le64(out.bytes + 8, state->v[0] ^ state->v[1] ^ state->v[2] ^ state->v[3]);
    return out;
}
