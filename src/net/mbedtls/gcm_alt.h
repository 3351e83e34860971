/* Mbed TLS's context of AES-GCM, where net/tls_gcm.c takes the place of the library's own file (MBEDTLS_GCM_ALT). The
 * library includes this by its name alone. */
#pragma once

#include <stdbool.h>

/* A crypto_aead_aes256gcm_state, whose header not everybody who includes this can see. */
#define GCM_STATE_SIZE 512
#define GCM_STATE_ALIGNMENT 16

typedef struct mbedtls_gcm_context {
    _Alignas(GCM_STATE_ALIGNMENT) unsigned char state[GCM_STATE_SIZE];
    bool has_key;
} mbedtls_gcm_context;
