/* Page tokens: opaque, URL-safe, signed with the store's key, bound to the request they continue. They hold
 * where a page ended, not a cursor, so they survive restarts and concurrent writes. A token of another
 * request, store or making is refused instead of giving wrong data (wire-contracts 1.7). */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "base/attributes.h"
#include "base/error.h"
#include "base/siphash.h"
#include "base/text.h"

#define PAGE_POSITION_SIZE 16
#define PAGE_TOKEN_TEXT_SIZE 48

/* scope: hash of everything that must be equal in the request that uses the token. */
void page_token_make(const uint8_t *hash_key, const struct hash128 *scope, const uint8_t position[PAGE_POSITION_SIZE],
                     char out[PAGE_TOKEN_TEXT_SIZE]);
/* ERROR_INVALID_PROPERTY. */
MUST_CHECK err_t page_token_read(const uint8_t *hash_key, const struct hash128 *scope, struct text token,
                                 uint8_t position[PAGE_POSITION_SIZE]);
