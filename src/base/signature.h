/* ES256: ECDSA on P-256 with SHA-256 (RFC 7518 section 3.4), deterministic (RFC 6979), signatures as r and s, 32 bytes
 * each. Contexts of their own, never PSA, so any thread. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/attributes.h"
#include "base/error.h"
#include "base/text.h"

#define SIGNATURE_SIZE 64
#define SIGNATURE_PRIVATE_KEY_SIZE 32
#define SIGNATURE_PUBLIC_KEY_SIZE 65 /* 0x04, x, y */
/* base64url of the RFC 7638 thumbprint of the public key as JWK, with NUL. */
#define SIGNATURE_KEY_ID_SIZE 44

struct signature_key {
    uint8_t private_key[SIGNATURE_PRIVATE_KEY_SIZE];
    uint8_t public_key[SIGNATURE_PUBLIC_KEY_SIZE];
    char key_id[SIGNATURE_KEY_ID_SIZE];
};

MUST_CHECK err_t signature_key_new(struct signature_key *key);
/* Derives public key and id. ERROR_INVALID_PROPERTY when it is no private key. */
MUST_CHECK err_t signature_key_from_private(const uint8_t private_key[SIGNATURE_PRIVATE_KEY_SIZE],
                                            struct signature_key *key);
/* ERROR_NO_MEMORY. */
MUST_CHECK err_t signature_sign(const struct signature_key *key, const void *message, size_t size,
                                uint8_t signature[SIGNATURE_SIZE]);
/* False also for a public key that is none. */
MUST_CHECK bool signature_verify(const uint8_t public_key[SIGNATURE_PUBLIC_KEY_SIZE], const void *message, size_t size,
                                 const uint8_t signature[SIGNATURE_SIZE]);
/* Whether it is a point of the curve, uncompressed. */
MUST_CHECK bool signature_public_key_is_valid(const uint8_t public_key[SIGNATURE_PUBLIC_KEY_SIZE]);
void signature_key_id(const uint8_t public_key[SIGNATURE_PUBLIC_KEY_SIZE], char key_id[SIGNATURE_KEY_ID_SIZE]);
