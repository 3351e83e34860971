/* Token: version (1 byte), position (16), first 8 bytes of a keyed hash over version, scope and position. */
#include "usage/page_token.h"

#include <string.h>

#include "base/crypto.h"
#include "base/encode.h"

#define TOKEN_VERSION 1
#define SIGNATURE_SIZE 8
#define TOKEN_SIZE (1 + PAGE_POSITION_SIZE + SIGNATURE_SIZE)

_Static_assert(BASE64URL_LEN(TOKEN_SIZE) < PAGE_TOKEN_TEXT_SIZE, "the token's text fits");

static void sign(const uint8_t *hash_key, const struct hash128 *scope, const uint8_t *token,
                 uint8_t out[SIGNATURE_SIZE])
{
    struct siphash state;
    siphash_init(&state, hash_key);
    siphash_update_sized(&state, "page", 4); /* keeps these hashes apart from those of identities */
    siphash_update(&state, scope->bytes, sizeof scope->bytes);
    siphash_update(&state, token, 1 + PAGE_POSITION_SIZE);
    struct hash128 hash = siphash_finish(&state);
    memcpy(out, hash.bytes, SIGNATURE_SIZE);
}

void page_token_make(const uint8_t *hash_key, const struct hash128 *scope, const uint8_t position[PAGE_POSITION_SIZE],
                     char out[PAGE_TOKEN_TEXT_SIZE])
{
    uint8_t token[TOKEN_SIZE];
    token[0] = TOKEN_VERSION;
    memcpy(token + 1, position, PAGE_POSITION_SIZE);
    sign(hash_key, scope, token, token + 1 + PAGE_POSITION_SIZE);
    base64url_encode(token, sizeof token, out);
}

err_t page_token_read(const uint8_t *hash_key, const struct hash128 *scope, struct text text,
                      uint8_t position[PAGE_POSITION_SIZE])
{
    uint8_t token[TOKEN_SIZE], signature[SIGNATURE_SIZE];
    size_t size;
    if (!base64url_decode(text, token, sizeof token, &size) || size != sizeof token || token[0] != TOKEN_VERSION)
        return ERROR_INVALID_PROPERTY;
    sign(hash_key, scope, token, signature);
    if (!equal_constant_time(signature, token + 1 + PAGE_POSITION_SIZE, SIGNATURE_SIZE))
        return ERROR_INVALID_PROPERTY;
    memcpy(position, token + 1, PAGE_POSITION_SIZE);
    return ERROR_OK;
}
