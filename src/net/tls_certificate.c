/* The appliance's own certificate: an ECDSA P-256 key and a self-signed certificate that is server certificate and
 * trust anchor in one. What strict verifiers ask for: critical basic constraints and key usage, key identifiers,
 * subject alternative names (names and addresses), a positive serial, SHA-256.
 * Thread: any, after tls_global_init. No state. */
#include <arpa/inet.h>
#include <mbedtls/asn1write.h>
#include <mbedtls/ecp.h>
#include <mbedtls/error.h>
#include <mbedtls/oid.h>
#include <mbedtls/pk.h>
#include <mbedtls/psa_util.h>
#include <mbedtls/x509_crt.h>
#include <stdio.h>
#include <string.h>

#include "base/crypto.h"
#include "base/instant.h"
#include "net/tls.h"

#define SERIAL_BYTES 16
#define PEM_SIZE 4096
#define SAN_COUNT_MAX 4
#define HOST_NAME_LEN_MAX 253
#define COMMON_NAME_LEN_MAX 64

/* "20260131130000" and NUL. */
#define VALIDITY_SIZE 15

static void print_validity(int64_t instant_ns, char out[VALIDITY_SIZE])
{
    int64_t days = instant_day(instant_ns);
    struct civil_date date = civil_from_days(days);
    unsigned seconds = (unsigned)((instant_ns - day_start_ns(days)) / NS_PER_SECOND);
    char text[64];
    (void)snprintf(text, sizeof text, "%04u%02u%02u%02u%02u%02u", (unsigned)date.year % 10000, date.month % 100,
                   date.day % 100, seconds / 3600 % 100, seconds / 60 % 60, seconds % 60);
    memcpy(out, text, VALIDITY_SIZE);
}

/* Letters, digits, dots, dashes, underscores: what may stand in a DNS name and needs no escape in a subject. */
static bool is_dns_name(struct text name)
{
    if (name.len == 0 || name.len > HOST_NAME_LEN_MAX)
        return false;
    for (size_t i = 0; i < name.len; i++) {
        char c = name.ptr[i];
        bool ok = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' || c == '-' ||
                  c == '_';
        if (!ok)
            return false;
    }
    return true;
}

struct names {
    mbedtls_x509_san_list list[SAN_COUNT_MAX];
    size_t count;
    unsigned char loopback4[4], loopback6[16], address[16];
    char host[HOST_NAME_LEN_MAX + 1];
};

static void names_add(struct names *names, int type, const void *bytes, size_t size)
{
    mbedtls_x509_san_list *item = &names->list[names->count];
    item->node.type = type;
    item->node.san.unstructured_name.tag = 0;
    item->node.san.unstructured_name.p = (unsigned char *)(uintptr_t)bytes;
    item->node.san.unstructured_name.len = size;
    item->next = NULL;
    if (names->count > 0)
        names->list[names->count - 1].next = item;
    names->count++;
}

static void names_collect(struct names *names, struct text host_name)
{
    static const char localhost[] = "localhost";
    memset(names, 0, sizeof *names);
    names_add(names, MBEDTLS_X509_SAN_DNS_NAME, localhost, sizeof localhost - 1);
    (void)inet_pton(AF_INET, "127.0.0.1", names->loopback4);
    (void)inet_pton(AF_INET6, "::1", names->loopback6);
    names_add(names, MBEDTLS_X509_SAN_IP_ADDRESS, names->loopback4, sizeof names->loopback4);
    names_add(names, MBEDTLS_X509_SAN_IP_ADDRESS, names->loopback6, sizeof names->loopback6);
    if (host_name.len == 0 || host_name.len > HOST_NAME_LEN_MAX || text_equal_nocase(host_name, TEXT("localhost")))
        return;
    memcpy(names->host, host_name.ptr, host_name.len);
    if (inet_pton(AF_INET, names->host, names->address) == 1)
        names_add(names, MBEDTLS_X509_SAN_IP_ADDRESS, names->address, 4);
    else if (inet_pton(AF_INET6, names->host, names->address) == 1)
        names_add(names, MBEDTLS_X509_SAN_IP_ADDRESS, names->address, 16);
    else if (is_dns_name(host_name))
        names_add(names, MBEDTLS_X509_SAN_DNS_NAME, names->host, host_name.len);
}

static int make_key(mbedtls_pk_context *key)
{
    int code = mbedtls_pk_setup(key, mbedtls_pk_info_from_type(MBEDTLS_PK_ECKEY));
    if (code != 0)
        return code;
    return mbedtls_ecp_gen_key(MBEDTLS_ECP_DP_SECP256R1, mbedtls_pk_ec(*key), mbedtls_psa_get_random,
                               MBEDTLS_PSA_RANDOM_STATE);
}

static int set_serial(mbedtls_x509write_cert *certificate)
{
    unsigned char serial[SERIAL_BYTES];
    random_bytes(serial, sizeof serial);
    serial[0] = (unsigned char)((serial[0] & 0x3f) | 0x40); /* positive, no leading zero */
    return mbedtls_x509write_crt_set_serial_raw(certificate, serial, sizeof serial);
}

static int set_server_purpose(mbedtls_x509write_cert *certificate)
{
    mbedtls_asn1_sequence purpose = { .buf = { .tag = MBEDTLS_ASN1_OID,
                                               .len = MBEDTLS_OID_SIZE(MBEDTLS_OID_SERVER_AUTH),
                                               .p = (unsigned char *)(uintptr_t)MBEDTLS_OID_SERVER_AUTH },
                                      .next = NULL };
    return mbedtls_x509write_crt_set_ext_key_usage(certificate, &purpose);
}

static int describe_certificate(mbedtls_x509write_cert *certificate, mbedtls_pk_context *key, struct text host_name,
                                struct names *names, int64_t now_ns, int days)
{
    char subject[COMMON_NAME_LEN_MAX + 32], from[VALIDITY_SIZE], to[VALIDITY_SIZE];
    bool named = is_dns_name(host_name) && host_name.len <= COMMON_NAME_LEN_MAX;
    struct text name = named ? host_name : TEXT("localhost");
    (void)snprintf(subject, sizeof subject, "CN=%.*s,O=Stampmeter", TEXT_ARGS(name));
    print_validity(now_ns - NS_PER_DAY, from);
    print_validity(now_ns + (int64_t)days * NS_PER_DAY, to);
    mbedtls_x509write_crt_set_version(certificate, MBEDTLS_X509_CRT_VERSION_3);
    mbedtls_x509write_crt_set_md_alg(certificate, MBEDTLS_MD_SHA256);
    mbedtls_x509write_crt_set_subject_key(certificate, key);
    mbedtls_x509write_crt_set_issuer_key(certificate, key);
    int code = set_serial(certificate);
    if (code == 0)
        code = mbedtls_x509write_crt_set_validity(certificate, from, to);
    if (code == 0)
        code = mbedtls_x509write_crt_set_subject_name(certificate, subject);
    if (code == 0)
        code = mbedtls_x509write_crt_set_issuer_name(certificate, subject);
    if (code == 0)
        code = mbedtls_x509write_crt_set_basic_constraints(certificate, 1, 0);
    if (code == 0)
        code = mbedtls_x509write_crt_set_subject_key_identifier(certificate);
    if (code == 0)
        code = mbedtls_x509write_crt_set_authority_key_identifier(certificate);
    if (code == 0)
        code = mbedtls_x509write_crt_set_key_usage(certificate,
                                                   MBEDTLS_X509_KU_DIGITAL_SIGNATURE | MBEDTLS_X509_KU_KEY_CERT_SIGN);
    if (code == 0)
        code = set_server_purpose(certificate);
    if (code == 0)
        code = mbedtls_x509write_crt_set_subject_alternative_name(certificate, &names->list[0]);
    return code;
}

err_t tls_make_certificate(struct text host_name, int64_t now_ns, int days, struct buffer *certificate_pem,
                           struct buffer *key_pem, struct error_info *info)
{
    mbedtls_pk_context key;
    mbedtls_x509write_cert certificate;
    struct names names;
    unsigned char pem[PEM_SIZE] = { 0 };
    mbedtls_pk_init(&key);
    mbedtls_x509write_crt_init(&certificate);
    names_collect(&names, host_name);
    int code = make_key(&key);
    if (code == 0)
        code = describe_certificate(&certificate, &key, host_name, &names, now_ns, days);
    if (code == 0)
        code =
            mbedtls_x509write_crt_pem(&certificate, pem, sizeof pem, mbedtls_psa_get_random, MBEDTLS_PSA_RANDOM_STATE);
    if (code == 0) {
        buffer_append_text(certificate_pem, text_of((const char *)pem));
        code = mbedtls_pk_write_key_pem(&key, pem, sizeof pem);
    }
    if (code == 0)
        buffer_append_text(key_pem, text_of((const char *)pem));
    secret_wipe(pem, sizeof pem);
    mbedtls_x509write_crt_free(&certificate);
    mbedtls_pk_free(&key);
    if (code != 0) {
        char text[128];
        mbedtls_strerror(code, text, sizeof text);
        return error_set(info, ERROR_TLS, NULL, "making the server certificate failed: %s", text);
    }
    if (certificate_pem->failed || key_pem->failed)
        return error_set(info, ERROR_NO_MEMORY, NULL, NULL);
    return ERROR_OK;
}

/* The first certificate of a PEM text; the caller frees it in any case. */
static bool parse_pem(struct text certificate_pem, mbedtls_x509_crt *out)
{
    struct buffer terminated = { 0 }; /* the parser wants the NUL counted in */
    mbedtls_x509_crt_init(out);
    buffer_append_text(&terminated, certificate_pem);
    buffer_append_char(&terminated, '\0');
    bool good = !terminated.failed &&
                mbedtls_x509_crt_parse(out, (const unsigned char *)terminated.data, buffer_len(&terminated)) == 0;
    buffer_free(&terminated);
    return good;
}

err_t tls_certificate_end(struct text certificate_pem, int64_t *end_ns, struct error_info *info)
{
    mbedtls_x509_crt certificate;
    char text[64];
    bool good = parse_pem(certificate_pem, &certificate);
    const mbedtls_x509_time *end = &certificate.valid_to;
    (void)snprintf(text, sizeof text, "%04d-%02d-%02dT%02d:%02d:%02dZ", end->year, end->mon, end->day, end->hour,
                   end->min, end->sec);
    err_t error = good && instant_parse(text_of(text), end_ns) == ERROR_OK
                      ? ERROR_OK
                      : error_set(info, ERROR_TLS, NULL, "the certificate cannot be read");
    mbedtls_x509_crt_free(&certificate);
    return error;
}

/* "host:port", "[::1]:port" or either without a port. */
static struct text host_of(struct text authority)
{
    struct text rest = authority, host;
    if (text_starts_with(authority, TEXT("[")))
        rest = (struct text){ authority.ptr + 1, authority.len - 1 };
    return text_cut(&rest, rest.ptr != authority.ptr ? ']' : ':', &host) ? host : TEXT("");
}

/* "*.example.org" stands for one label, the first. */
static bool name_matches(struct text name, struct text host)
{
    struct text label;
    if (!text_starts_with(name, TEXT("*.")))
        return text_equal_nocase(name, host);
    return text_cut(&host, '.', &label) && label.len > 0 && host.ptr != NULL &&
           text_equal_nocase(host, (struct text){ name.ptr + 2, name.len - 2 });
}

bool tls_certificate_names(struct text certificate_pem, struct text authority)
{
    mbedtls_x509_crt certificate;
    char host[256];
    uint8_t address[16];
    struct text name = host_of(authority);
    bool found = false;
    if (name.len == 0 || name.len >= sizeof host)
        return false;
    memcpy(host, name.ptr, name.len);
    host[name.len] = '\0';
    size_t address_size = inet_pton(AF_INET, host, address) == 1 ? 4 : inet_pton(AF_INET6, host, address) == 1 ? 16 : 0;
    bool good = parse_pem(certificate_pem, &certificate);
    const mbedtls_x509_sequence *one = good ? &certificate.subject_alt_names : NULL;
    for (; one != NULL && !found; one = one->next) {
        struct text value = { (const char *)one->buf.p, one->buf.len };
        switch (one->buf.tag & MBEDTLS_ASN1_TAG_VALUE_MASK) {
        case MBEDTLS_X509_SAN_DNS_NAME:
            found = address_size == 0 && value.len > 0 && name_matches(value, name);
            break;
        case MBEDTLS_X509_SAN_IP_ADDRESS:
            found = address_size > 0 && text_equal(value, (struct text){ (const char *)address, address_size });
            break;
        default:
            break;
        }
    }
    mbedtls_x509_crt_free(&certificate);
    return found;
}
