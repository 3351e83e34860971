/* SipHash-2-4-128: see siphash.h. State is four 64-bit words; bytes are taken in little-endian words, a
 * started word waits in 'tail'. */
#include "base/siphash.h"

#include <string.h>

#include "base/attributes.h"

/* The four words of the state while they are worked on: in registers, not in memory. */
struct words {
    uint64_t v0, v1, v2, v3;
};

static inline struct words words_of(const struct siphash *state)
{
    return (struct words){ state->v[0], state->v[1], state->v[2], state->v[3] };
}

static inline void keep_words(struct siphash *state, const struct words *w)
{
    state->v[0] = w->v0;
    state->v[1] = w->v1;
    state->v[2] = w->v2;
    state->v[3] = w->v3;
}

HOT static inline uint64_t rotate_left(uint64_t x, unsigned bits)
{
    return (x << bits) | (x >> (64 - bits));
}

HOT static inline void sip_round(struct words *w)
{
    w->v0 += w->v1;
    w->v2 += w->v3;
    w->v1 = rotate_left(w->v1, 13) ^ w->v0;
    w->v3 = rotate_left(w->v3, 16) ^ w->v2;
    w->v0 = rotate_left(w->v0, 32);
    w->v2 += w->v1;
    w->v0 += w->v3;
    w->v1 = rotate_left(w->v1, 17) ^ w->v2;
    w->v3 = rotate_left(w->v3, 21) ^ w->v0;
    w->v2 = rotate_left(w->v2, 32);
}

HOT static inline uint64_t load_le64(const uint8_t *p)
{
    uint64_t word;
    memcpy(&word, p, 8);
#if defined(__BYTE_ORDER__) && __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
    word = __builtin_bswap64(word);
#endif
    return word;
}

HOT static inline uint64_t load_le32(const uint8_t *p)
{
    uint32_t word;
    memcpy(&word, p, 4);
#if defined(__BYTE_ORDER__) && __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
    word = __builtin_bswap32(word);
#endif
    return word;
}

/* One to seven bytes; where they are loaded twice, they say the same twice. */
HOT static inline uint64_t load_part(const uint8_t *p, size_t size)
{
    if (size >= 4)
        return load_le32(p) | load_le32(p + size - 4) << (8 * (size - 4));
    return p[0] | (uint64_t)p[size / 2] << (8 * (size / 2)) | (uint64_t)p[size - 1] << (8 * (size - 1));
}

HOT static inline void compress(struct words *w, uint64_t word)
{
    w->v3 ^= word;
    sip_round(w);
    sip_round(w);
    w->v0 ^= word;
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

/* One word of input, shifted to where the started word ends. */
HOT static inline void take_word(struct words *w, uint64_t *tail, unsigned shift, uint64_t word)
{
    compress(w, *tail | word << shift);
    *tail = shift != 0 ? word >> (64 - shift) : 0;
}

/* Always put into its callers: called, it would keep the words in memory. */
HOT __attribute__((always_inline)) static inline void take_bytes(struct words *w, uint64_t *tail, unsigned shift,
                                                                 const uint8_t *p, size_t size)
{
    for (; size >= 8; size -= 8, p += 8)
        take_word(w, tail, shift, load_le64(p));
    if (size == 0)
        return;
    uint64_t word = load_part(p, size);
    if (shift + 8 * size >= 64)
        take_word(w, tail, shift, word);
    else
        *tail |= word << shift;
}

HOT static inline unsigned shift_of(const struct siphash *state)
{
    return 8 * (unsigned)(state->length & 7);
}

HOT void siphash_update(struct siphash *state, const void *bytes, size_t size)
{
    uint64_t tail = state->tail;
    struct words w = words_of(state);
    take_bytes(&w, &tail, shift_of(state), bytes, size);
    state->length += size;
    state->tail = tail;
    keep_words(state, &w);
}

HOT void siphash_update_u64(struct siphash *state, uint64_t value)
{
    struct words w = words_of(state);
    take_word(&w, &state->tail, shift_of(state), value);
    state->length += 8;
    keep_words(state, &w);
}

HOT void siphash_update_sized(struct siphash *state, const void *bytes, size_t size)
{
    uint64_t tail = state->tail;
    struct words w = words_of(state);
    take_word(&w, &tail, shift_of(state), size);
    take_bytes(&w, &tail, shift_of(state), bytes, size);
    state->length += 8 + size;
    state->tail = tail;
    keep_words(state, &w);
}

static void store_le64(uint8_t *p, uint64_t word)
{
    for (unsigned i = 0; i < 8; i++)
        p[i] = (uint8_t)(word >> (8 * i));
}

static uint64_t fold_words(const struct words *w)
{
    return w->v0 ^ w->v1 ^ w->v2 ^ w->v3;
}

struct hash128 siphash_finish(struct siphash *state)
{
    struct hash128 out;
    struct words w = words_of(state);
    compress(&w, state->tail | state->length << 56);
    w.v2 ^= 0xee;
    for (int i = 0; i < 4; i++)
        sip_round(&w);
    store_le64(out.bytes, fold_words(&w));
    w.v1 ^= 0xdd;
    for (int i = 0; i < 4; i++)
        sip_round(&w);
    store_le64(out.bytes + 8, fold_words(&w));
    keep_words(state, &w);
    return out;
}
