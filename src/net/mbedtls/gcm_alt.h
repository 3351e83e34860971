/* Mbed TLS's context of AES-GCM where net/tls_gcm.c takes the place of the library's own file (MBEDTLS_GCM_ALT). The
 * library includes this by its name alone. Byte arrays, because the library aligns them as it likes. */
#pragma once

#include <stdint.h>

#define GCM_BLOCK_SIZE 16
#define GCM_ROUND_KEYS_MAX 15
#define GCM_POWERS 8

typedef struct mbedtls_gcm_context {
    uint8_t round_keys[GCM_ROUND_KEYS_MAX][GCM_BLOCK_SIZE];
    uint8_t powers[GCM_POWERS][GCM_BLOCK_SIZE]; /* of the hash key, the first one first */
    uint8_t hash[GCM_BLOCK_SIZE];               /* over whole blocks so far */
    uint8_t started[GCM_BLOCK_SIZE];            /* bytes of a block that is not whole yet, then zeros */
    uint8_t counter[GCM_BLOCK_SIZE];            /* the last one used, in reverse order of bytes */
    uint8_t mask[GCM_BLOCK_SIZE];               /* what that one encrypts to */
    uint8_t tag_mask[GCM_BLOCK_SIZE];
    uint64_t len, add_len; /* bytes taken so far */
    unsigned rounds;
    int mode;
} mbedtls_gcm_context;
