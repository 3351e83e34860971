/* TLS sessions over memory: Mbed TLS asks for ciphertext through receive_bytes and gives it out through send_bytes,
 * neither of which ever touches a socket.
 * Thread: loop only. Ownership: contexts are counted, each session holds one; a session owns its output buffer.
 * Invariants: tls_feed consumes all its input before it returns, because the library asks again until
 * receive_bytes has no more (so "wants to read" means exactly "input is empty"); send_bytes never refuses, so the
 * library never has to repeat a write. After a failure the library's context is not touched again.
 *
 * Cipher choice: AES-256-GCM, then ChaCha20-Poly1305; AES-128-GCM is left out because net/tls_gcm.c does without it.
 * In TLS 1.3 the library's server takes the client's first suite that it knows, so there the order is the client's.
 * A processor without what libsodium's AES-256-GCM needs gets ChaCha20-Poly1305 alone. */
#include "net/tls.h"

#include <mbedtls/error.h>
#include <mbedtls/pk.h>
#include <mbedtls/psa_util.h>
#include <mbedtls/ssl.h>
#include <mbedtls/ssl_ciphersuites.h>
#include <mbedtls/ssl_ticket.h>
#include <mbedtls/x509_crt.h>
#include <psa/crypto.h>
#include <sodium/crypto_aead_aes256gcm.h>
#include <sodium/runtime.h>
#include <stdio.h>
#include <string.h>

#include "base/check.h"
#include "base/crypto.h"
#include "base/memory.h"

#define RECORD_BYTES MBEDTLS_SSL_IN_CONTENT_LEN
/* Header, nonce, tag and content type of one record, rounded up. */
#define RECORD_OVERHEAD_BYTES 64
/* Must stay below 7 days or TLS 1.3 connections fail; ticket keys rotate at the same period. */
#define TICKET_LIFETIME_SECONDS (24 * 60 * 60)
#define FAILURE_SIZE 192
#define HOST_NAME_SIZE 256

static const int CIPHERSUITES[] = { MBEDTLS_TLS1_3_AES_256_GCM_SHA384,
                                    MBEDTLS_TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384,
                                    MBEDTLS_TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384,
                                    MBEDTLS_TLS1_3_CHACHA20_POLY1305_SHA256,
                                    MBEDTLS_TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256,
                                    MBEDTLS_TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256,
                                    0 };
#define AES_CIPHERSUITES_COUNT 3 /* they come first */
/* P-256 is the fastest of them here (anchors 8.4). */
static const uint16_t GROUPS[] = { MBEDTLS_SSL_IANA_TLS_GROUP_SECP256R1, MBEDTLS_SSL_IANA_TLS_GROUP_X25519,
                                   MBEDTLS_SSL_IANA_TLS_GROUP_SECP384R1, MBEDTLS_SSL_IANA_TLS_GROUP_NONE };
static const char *const ALPN[] = { "http/1.1", NULL };

struct tls_server {
    unsigned references_count;
    mbedtls_ssl_config config;
    mbedtls_x509_crt chain;
    mbedtls_pk_context key;
    mbedtls_ssl_ticket_context tickets;
};

struct tls_client {
    unsigned references_count;
    mbedtls_ssl_config config;
    mbedtls_x509_crt anchors;
};

struct tls {
    mbedtls_ssl_context ssl;
    struct tls_server *server; /* or client; one of them is held */
    struct tls_client *client;
    enum tls_state state;
    const unsigned char *input; /* valid during tls_feed only */
    size_t input_len;
    struct buffer output;
    bool fed, close_sent;
    char failure[FAILURE_SIZE];
};

static void describe(int code, char *out, size_t size)
{
    char text[128];
    mbedtls_strerror(code, text, sizeof text);
    (void)snprintf(out, size, "%s (-0x%04x)", text, (unsigned)-code);
}

static err_t set_tls_error(struct error_info *info, err_t error, const char *what, int code)
{
    char text[FAILURE_SIZE];
    describe(code, text, sizeof text);
    return error_set(info, error, NULL, "%s: %s", what, text);
}

err_t tls_global_init(struct error_info *info)
{
    (void)_sodium_runtime_get_cpu_features(); /* for crypto_aead_aes256gcm_is_available */
    psa_status_t status = psa_crypto_init();
    if (status != PSA_SUCCESS)
        return error_set(info, ERROR_TLS, NULL, "the cryptography library did not start (%d)", (int)status);
    return ERROR_OK;
}

/* --- contexts --- */

static int configure(mbedtls_ssl_config *config, int endpoint)
{
    mbedtls_ssl_config_init(config);
    int code = mbedtls_ssl_config_defaults(config, endpoint, MBEDTLS_SSL_TRANSPORT_STREAM, MBEDTLS_SSL_PRESET_DEFAULT);
    if (code != 0)
        return code;
    mbedtls_ssl_conf_rng(config, mbedtls_psa_get_random, MBEDTLS_PSA_RANDOM_STATE);
    mbedtls_ssl_conf_min_tls_version(config, MBEDTLS_SSL_VERSION_TLS1_2);
    mbedtls_ssl_conf_max_tls_version(config, MBEDTLS_SSL_VERSION_TLS1_3);
    bool has_aes = crypto_aead_aes256gcm_is_available() != 0;
    mbedtls_ssl_conf_ciphersuites(config, has_aes ? CIPHERSUITES : CIPHERSUITES + AES_CIPHERSUITES_COUNT);
    mbedtls_ssl_conf_groups(config, GROUPS);
    return mbedtls_ssl_conf_alpn_protocols(config, (const char **)(uintptr_t)ALPN);
}

/* The library reads PEM only with its terminating NUL. */
static char *copy_terminated(struct text pem)
{
    char *copy = memory_alloc(pem.len + 1);
    if (copy == NULL)
        return NULL;
    memcpy(copy, pem.ptr, pem.len);
    copy[pem.len] = '\0';
    return copy;
}

static err_t parse_chain(mbedtls_x509_crt *chain, struct text pem, const char *what, struct error_info *info)
{
    char *copy = copy_terminated(pem);
    if (copy == NULL)
        return error_set(info, ERROR_NO_MEMORY, NULL, NULL);
    int code = mbedtls_x509_crt_parse(chain, (const unsigned char *)copy, pem.len + 1);
    memory_free(copy);
    if (code < 0)
        return set_tls_error(info, ERROR_INVALID_CONFIG, what, code);
    if (code > 0)
        return error_set(info, ERROR_INVALID_CONFIG, NULL, "%s: %d of its certificates can't be read", what, code);
    return ERROR_OK;
}

static err_t parse_key(mbedtls_pk_context *key, struct text pem, struct error_info *info)
{
    char *copy = copy_terminated(pem);
    if (copy == NULL)
        return error_set(info, ERROR_NO_MEMORY, NULL, NULL);
    int code = mbedtls_pk_parse_key(key, (const unsigned char *)copy, pem.len + 1, NULL, 0, mbedtls_psa_get_random,
                                    MBEDTLS_PSA_RANDOM_STATE);
    secret_wipe(copy, pem.len);
    memory_free(copy);
    return code == 0 ? ERROR_OK : set_tls_error(info, ERROR_INVALID_CONFIG, "the private key", code);
}

static int set_up_tickets(struct tls_server *server)
{
    int code = mbedtls_ssl_ticket_setup(&server->tickets, mbedtls_psa_get_random, MBEDTLS_PSA_RANDOM_STATE,
                                        MBEDTLS_CIPHER_CHACHA20_POLY1305, TICKET_LIFETIME_SECONDS);
    if (code == 0)
        mbedtls_ssl_conf_session_tickets_cb(&server->config, mbedtls_ssl_ticket_write, mbedtls_ssl_ticket_parse,
                                            &server->tickets);
    return code;
}

err_t tls_server_new(struct text certificate_pem, struct text key_pem, struct tls_server **out, struct error_info *info)
{
    struct tls_server *server = memory_zalloc(1, sizeof *server);
    if (server == NULL)
        return error_set(info, ERROR_NO_MEMORY, NULL, NULL);
    server->references_count = 1;
    mbedtls_x509_crt_init(&server->chain);
    mbedtls_pk_init(&server->key);
    mbedtls_ssl_ticket_init(&server->tickets);
    int code = configure(&server->config, MBEDTLS_SSL_IS_SERVER);
    err_t error = code == 0 ? ERROR_OK : set_tls_error(info, ERROR_TLS, "TLS settings", code);
    if (error == ERROR_OK)
        error = parse_chain(&server->chain, certificate_pem, "the certificate", info);
    if (error == ERROR_OK)
        error = parse_key(&server->key, key_pem, info);
    if (error == ERROR_OK &&
        mbedtls_pk_check_pair(&server->chain.pk, &server->key, mbedtls_psa_get_random, MBEDTLS_PSA_RANDOM_STATE) != 0)
        error = error_set(info, ERROR_INVALID_CONFIG, NULL, "the private key does not belong to the certificate");
    if (error == ERROR_OK) {
        code = mbedtls_ssl_conf_own_cert(&server->config, &server->chain, &server->key);
        if (code == 0)
            code = set_up_tickets(server);
        if (code != 0)
            error = set_tls_error(info, ERROR_TLS, "TLS settings", code);
    }
    if (error != ERROR_OK) {
        tls_server_unref(server);
        return error;
    }
    *out = server;
    return ERROR_OK;
}

void tls_server_ref(struct tls_server *server)
{
    server->references_count++;
}

void tls_server_unref(struct tls_server *server)
{
    if (server == NULL || --server->references_count > 0)
        return;
    mbedtls_ssl_config_free(&server->config);
    mbedtls_ssl_ticket_free(&server->tickets);
    mbedtls_x509_crt_free(&server->chain);
    mbedtls_pk_free(&server->key);
    memory_free(server);
}

err_t tls_client_new(struct text ca_pem, struct tls_client **out, struct error_info *info)
{
    struct tls_client *client = memory_zalloc(1, sizeof *client);
    if (client == NULL)
        return error_set(info, ERROR_NO_MEMORY, NULL, NULL);
    client->references_count = 1;
    mbedtls_x509_crt_init(&client->anchors);
    int code = configure(&client->config, MBEDTLS_SSL_IS_CLIENT);
    err_t error = code == 0 ? ERROR_OK : set_tls_error(info, ERROR_TLS, "TLS settings", code);
    if (error == ERROR_OK)
        error = parse_chain(&client->anchors, ca_pem, "the CA file", info);
    if (error != ERROR_OK) {
        tls_client_unref(client);
        return error;
    }
    mbedtls_ssl_conf_authmode(&client->config, MBEDTLS_SSL_VERIFY_REQUIRED);
    mbedtls_ssl_conf_ca_chain(&client->config, &client->anchors, NULL);
    *out = client;
    return ERROR_OK;
}

void tls_client_ref(struct tls_client *client)
{
    client->references_count++;
}

void tls_client_unref(struct tls_client *client)
{
    if (client == NULL || --client->references_count > 0)
        return;
    mbedtls_ssl_config_free(&client->config);
    mbedtls_x509_crt_free(&client->anchors);
    memory_free(client);
}

/* --- sessions --- */

static int send_bytes(void *context, const unsigned char *bytes, size_t size)
{
    struct tls *tls = context;
    buffer_append(&tls->output, bytes, size);
    return tls->output.failed ? MBEDTLS_ERR_SSL_ALLOC_FAILED : (int)size;
}

static int receive_bytes(void *context, unsigned char *out, size_t size)
{
    struct tls *tls = context;
    if (tls->input_len == 0)
        return MBEDTLS_ERR_SSL_WANT_READ;
    if (size > tls->input_len)
        size = tls->input_len;
    memcpy(out, tls->input, size);
    tls->input += size;
    tls->input_len -= size;
    return (int)size;
}

static bool looks_like_http(const unsigned char *bytes, size_t size)
{
    static const char *const starts[] = { "GET ", "HEAD ", "POST ", "PUT ", "PATCH ", "DELETE ", "OPTIONS ", "PRI " };
    for (size_t i = 0; i < COUNT_OF(starts); i++) {
        size_t len = strlen(starts[i]);
        if (size >= len && memcmp(bytes, starts[i], len) == 0)
            return true;
    }
    return false;
}

/* The library alerts for what it finds inside handshake messages; for junk in place of a record nobody has yet. */
static void alert_if_silent(struct tls *tls, int code, size_t output_before)
{
    if (buffer_len(&tls->output) != output_before || tls->output.failed || code == MBEDTLS_ERR_SSL_FATAL_ALERT_MESSAGE)
        return;
    unsigned char alert = code == MBEDTLS_ERR_SSL_INVALID_RECORD || code == MBEDTLS_ERR_SSL_UNEXPECTED_RECORD
                              ? MBEDTLS_SSL_ALERT_MSG_PROTOCOL_VERSION
                              : MBEDTLS_SSL_ALERT_MSG_DECODE_ERROR;
    (void)mbedtls_ssl_send_alert_message(&tls->ssl, MBEDTLS_SSL_ALERT_LEVEL_FATAL, alert);
}

static void fail(struct tls *tls, int code, size_t output_before)
{
    if (tls->failure[0] == '\0')
        describe(code, tls->failure, sizeof tls->failure);
    if (code == MBEDTLS_ERR_X509_CERT_VERIFY_FAILED) {
        uint32_t flags = mbedtls_ssl_get_verify_result(&tls->ssl);
        char reasons[FAILURE_SIZE] = "";
        (void)mbedtls_x509_crt_verify_info(reasons, sizeof reasons, "", flags);
        reasons[strcspn(reasons, "\n")] = '\0';
        (void)snprintf(tls->failure, sizeof tls->failure, "the certificate was not accepted: %.150s", reasons);
    }
    alert_if_silent(tls, code, output_before);
    tls->state = TLS_FAILED;
}

static void advance_handshake(struct tls *tls)
{
    size_t output_before = buffer_len(&tls->output);
    int code = mbedtls_ssl_handshake(&tls->ssl);
    if (code == 0)
        tls->state = TLS_OPEN;
    else if (code != MBEDTLS_ERR_SSL_WANT_READ)
        fail(tls, code, output_before);
}

static struct tls *session_new(const mbedtls_ssl_config *config)
{
    struct tls *tls = memory_zalloc(1, sizeof *tls);
    if (tls == NULL)
        return NULL;
    mbedtls_ssl_init(&tls->ssl);
    if (mbedtls_ssl_setup(&tls->ssl, config) != 0) {
        tls_free(tls);
        return NULL;
    }
    mbedtls_ssl_set_bio(&tls->ssl, tls, send_bytes, receive_bytes, NULL);
    return tls;
}

struct tls *tls_accept(struct tls_server *server)
{
    struct tls *tls = session_new(&server->config);
    if (tls == NULL)
        return NULL;
    tls->server = server;
    tls_server_ref(server);
    return tls;
}

struct tls *tls_connect(struct tls_client *client, struct text host_name)
{
    char name[HOST_NAME_SIZE];
    if (host_name.len == 0 || host_name.len >= sizeof name)
        return NULL;
    memcpy(name, host_name.ptr, host_name.len);
    name[host_name.len] = '\0';
    struct tls *tls = session_new(&client->config);
    if (tls == NULL)
        return NULL;
    tls->client = client;
    tls_client_ref(client);
    if (mbedtls_ssl_set_hostname(&tls->ssl, name) != 0) {
        tls_free(tls);
        return NULL;
    }
    advance_handshake(tls);
    return tls;
}

void tls_free(struct tls *tls)
{
    if (tls == NULL)
        return;
    mbedtls_ssl_free(&tls->ssl);
    tls_server_unref(tls->server);
    tls_client_unref(tls->client);
    buffer_free(&tls->output);
    memory_free(tls);
}

enum tls_state tls_state(const struct tls *tls)
{
    return tls->state;
}

const char *tls_failure(const struct tls *tls)
{
    return tls->failure;
}

const char *tls_version(const struct tls *tls)
{
    return mbedtls_ssl_get_version(&tls->ssl);
}

static void read_records(struct tls *tls, struct buffer *plain_out)
{
    while (tls->state == TLS_OPEN) {
        char *at = buffer_reserve(plain_out, RECORD_BYTES);
        if (at == NULL) {
            fail(tls, MBEDTLS_ERR_SSL_ALLOC_FAILED, buffer_len(&tls->output));
            return;
        }
        size_t output_before = buffer_len(&tls->output);
        int code = mbedtls_ssl_read(&tls->ssl, (unsigned char *)at, RECORD_BYTES);
        if (code > 0)
            plain_out->end += (size_t)code;
        else if (code == MBEDTLS_ERR_SSL_WANT_READ)
            return;
        else if (code == 0 || code == MBEDTLS_ERR_SSL_PEER_CLOSE_NOTIFY)
            tls->state = TLS_CLOSED;
        else if (code != MBEDTLS_ERR_SSL_RECEIVED_NEW_SESSION_TICKET)
            fail(tls, code, output_before);
    }
}

void tls_feed(struct tls *tls, const void *ciphertext, size_t size, struct buffer *plain_out)
{
    if (!tls->fed && size > 0) {
        tls->fed = true;
        if (tls->server != NULL && looks_like_http(ciphertext, size))
            (void)snprintf(tls->failure, sizeof tls->failure, "plain HTTP on the HTTPS port");
    }
    tls->input = ciphertext;
    tls->input_len = size;
    if (tls->state == TLS_HANDSHAKE)
        advance_handshake(tls);
    if (tls->state == TLS_OPEN)
        read_records(tls, plain_out);
    tls->input = NULL; /* what is left came after the end or a failure: dropped */
    tls->input_len = 0;
}

void tls_write(struct tls *tls, const void *plain, size_t size)
{
    const unsigned char *at = plain;
    bool writable = (tls->state == TLS_OPEN || tls->state == TLS_CLOSED) && !tls->close_sent;
    if (!writable || size == 0)
        return;
    /* Room for all records at once; a shortage shows in send_bytes. */
    if (buffer_reserve(&tls->output, size + (size / RECORD_BYTES + 1) * RECORD_OVERHEAD_BYTES) == NULL) {
        fail(tls, MBEDTLS_ERR_SSL_ALLOC_FAILED, buffer_len(&tls->output));
        return;
    }
    while (size > 0) {
        int code = mbedtls_ssl_write(&tls->ssl, at, size);
        if (code <= 0) {
            fail(tls, code, buffer_len(&tls->output));
            return;
        }
        at += code;
        size -= (size_t)code;
    }
}

void tls_close(struct tls *tls)
{
    if (tls->close_sent || (tls->state != TLS_OPEN && tls->state != TLS_CLOSED))
        return;
    tls->close_sent = true;
    (void)mbedtls_ssl_close_notify(&tls->ssl);
}

struct buffer *tls_output(struct tls *tls)
{
    return &tls->output;
}
