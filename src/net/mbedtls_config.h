/* What Mbed TLS 3.6 is built with: TLS 1.2 and 1.3 as server and client, ECDHE with AEAD only, X.509 parsing and
 * writing, and the primitives of base/crypto.c. Passed by MBEDTLS_CONFIG_FILE in place of the library's own file,
 * which is never edited. What is not named here is off: renegotiation, external PSK, finite-field DH, CBC, static
 * RSA key exchange, DTLS, 3DES, early data, debug output, self-tests, RSA key generation. */
#pragma once

/* ---- Platform ---- */

#define MBEDTLS_HAVE_ASM
#define MBEDTLS_HAVE_TIME
#define MBEDTLS_HAVE_TIME_DATE
#define MBEDTLS_PLATFORM_C
/* Lets the program count the bytes that TLS holds (mbedtls_platform_set_calloc_free). */
#define MBEDTLS_PLATFORM_MEMORY
#define MBEDTLS_THREADING_C
#define MBEDTLS_THREADING_PTHREAD
#define MBEDTLS_ERROR_C
#define MBEDTLS_VERSION_C

/* ---- Randomness ---- */

#define MBEDTLS_ENTROPY_C
#define MBEDTLS_CTR_DRBG_C
#define MBEDTLS_HMAC_DRBG_C

/* ---- Symmetric ciphers ---- */

#define MBEDTLS_CIPHER_C
#define MBEDTLS_AES_C
#define MBEDTLS_GCM_C
#define MBEDTLS_CHACHA20_C
#define MBEDTLS_POLY1305_C
#define MBEDTLS_CHACHAPOLY_C
/* By libsodium through net/tls_gcm.c, several times as fast; its header, gcm_alt.h, is in net/mbedtls/. */
#define MBEDTLS_GCM_ALT
#if defined(__x86_64__)
#define MBEDTLS_AESNI_C
#endif
#if defined(__aarch64__)
#define MBEDTLS_AESCE_C
/* The build's aarch64 baseline includes SHA-2, so there is no need for a check at run time. */
#define MBEDTLS_SHA256_USE_ARMV8_A_CRYPTO_ONLY
#endif

/* ---- Hashes and what is derived from them ---- */

#define MBEDTLS_MD_C
#define MBEDTLS_SHA224_C
#define MBEDTLS_SHA256_C
#define MBEDTLS_SHA384_C
#define MBEDTLS_SHA512_C
/* Key identifiers of certificates (RFC 5280, 4.2.1.2) are SHA-1; strict clients refuse a certificate without them.
 * No signature with SHA-1 is accepted: the default certificate profile leaves it out. */
#define MBEDTLS_SHA1_C
#define MBEDTLS_HKDF_C
#define MBEDTLS_PKCS5_C

/* ---- Public keys ---- */

#define MBEDTLS_BIGNUM_C
#define MBEDTLS_ECP_C
#define MBEDTLS_ECP_NIST_OPTIM
#define MBEDTLS_ECP_DP_SECP256R1_ENABLED
#define MBEDTLS_ECP_DP_SECP384R1_ENABLED
#define MBEDTLS_ECP_DP_CURVE25519_ENABLED
#define MBEDTLS_ECDH_C
#define MBEDTLS_ECDSA_C
#define MBEDTLS_ECDSA_DETERMINISTIC
/* Peers and configured certificates may be RSA; keys of our own are always EC. */
#define MBEDTLS_RSA_C
#define MBEDTLS_PKCS1_V15
#define MBEDTLS_PKCS1_V21
#define MBEDTLS_PK_C
#define MBEDTLS_PK_PARSE_C
#define MBEDTLS_PK_WRITE_C

/* ---- Encodings and certificates ---- */

#define MBEDTLS_ASN1_PARSE_C
#define MBEDTLS_ASN1_WRITE_C
#define MBEDTLS_OID_C
#define MBEDTLS_BASE64_C
#define MBEDTLS_PEM_PARSE_C
#define MBEDTLS_PEM_WRITE_C
#define MBEDTLS_X509_USE_C
#define MBEDTLS_X509_CRT_PARSE_C
#define MBEDTLS_X509_RSASSA_PSS_SUPPORT
#define MBEDTLS_X509_CREATE_C
#define MBEDTLS_X509_CRT_WRITE_C

/* ---- PSA: TLS 1.3 is written on top of it ---- */

#define MBEDTLS_PSA_CRYPTO_C
/* Every handshake holds a key of its own; the fixed table (32 slots) would refuse clients under load. */
#define MBEDTLS_PSA_KEY_STORE_DYNAMIC

/* ---- TLS ---- */

#define MBEDTLS_SSL_TLS_C
#define MBEDTLS_SSL_CLI_C
#define MBEDTLS_SSL_SRV_C
#define MBEDTLS_SSL_PROTO_TLS1_2
#define MBEDTLS_SSL_PROTO_TLS1_3
#define MBEDTLS_SSL_TLS1_3_COMPATIBILITY_MODE
#define MBEDTLS_SSL_TLS1_3_KEY_EXCHANGE_MODE_EPHEMERAL_ENABLED
/* Only for resumption: a ticket is a pre-shared key in TLS 1.3. No other PSK can be configured without a call. */
#define MBEDTLS_SSL_TLS1_3_KEY_EXCHANGE_MODE_PSK_EPHEMERAL_ENABLED
#define MBEDTLS_KEY_EXCHANGE_ECDHE_ECDSA_ENABLED
#define MBEDTLS_KEY_EXCHANGE_ECDHE_RSA_ENABLED
#define MBEDTLS_SSL_ALPN
#define MBEDTLS_SSL_SERVER_NAME_INDICATION
#define MBEDTLS_SSL_SESSION_TICKETS
#define MBEDTLS_SSL_TICKET_C
#define MBEDTLS_SSL_EXTENDED_MASTER_SECRET
#define MBEDTLS_SSL_KEEP_PEER_CERTIFICATE
#define MBEDTLS_SSL_ALL_ALERT_MESSAGES
/* Peers may send full records, so the input must hold one. Full records out halve the per-record cost of big
 * reports, which is worth the 8 KiB a connection that a smaller buffer would save. */
#define MBEDTLS_SSL_IN_CONTENT_LEN 16384
#define MBEDTLS_SSL_OUT_CONTENT_LEN 16384
