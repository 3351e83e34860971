/* The option table, and the checks that concern more than one value. */
#include "cli/options.h"

#include <stdio.h>
#include <string.h>

#include "api/subscription_resolver.h"
#include "base/crypto.h"
#include "base/encode.h"
#include "base/url.h"

#define SECONDS(n) ((int64_t)(n)*1000)
#define MINUTES(n) SECONDS((n)*60)
#define DAYS(n) MINUTES((int64_t)(n)*24 * 60)
#define KIB(n) ((int64_t)(n) << 10)
#define MIB(n) ((int64_t)(n) << 20)
#define TIB(n) ((int64_t)(n) << 40)

static const char *const role_choices[] = { "stamp", "commerce", "both", NULL };
/* In the order of enum log_level. */
static const char *const level_choices[] = { "error", "warning", "info", "debug", NULL };
static const char *const format_choices[] = { "logfmt", "json", NULL };

const struct config_option options_table[OPTION_COUNT] = {
    [OPTION_SERVER_ROLE] = { .section = "server",
                             .key = "role",
                             .type = CONFIG_CHOICE,
                             .default_text = "stamp",
                             .choices = role_choices,
                             .flag = "--role",
                             .help =
                                 "What this process is: the stamp that meters, the commerce that rates and bills, or both." },
    [OPTION_SERVER_WORKER_THREADS] = { .section = "server",
                                       .key = "worker_threads",
                                       .type = CONFIG_INT,
                                       .default_text = "4",
                                       .min = 1,
                                       .max = 16,
                                       .help = "Threads for long reads, exports and password checks." },

    [OPTION_NET_LISTEN] = { .section = "net",
                            .key = "listen",
                            .type = CONFIG_TEXT,
                            .default_text = "127.0.0.1:8443",
                            .flag = "--listen",
                            .help =
                                "Address and port to serve HTTPS on; 0.0.0.0 or [::] is every address, port 0 picks a free one." },
    [OPTION_NET_CONNECTIONS_MAX] = { .section = "net",
                                     .key = "connections_max",
                                     .type = CONFIG_INT,
                                     .default_text = "1024",
                                     .min = 1,
                                     .max = 100000,
                                     .help =
                                         "Connections open at once; more wait. Each takes about 40 KiB of memory." },
    [OPTION_NET_HANDSHAKES_MAX] = { .section = "net",
                                    .key = "handshakes_max",
                                    .type = CONFIG_INT,
                                    .default_text = "64",
                                    .min = 1,
                                    .max = 10000,
                                    .help = "TLS handshakes under way at once; more wait." },
    [OPTION_NET_BODY_SIZE_MAX] = { .section = "net",
                                   .key = "body_size_max",
                                   .type = CONFIG_SIZE,
                                   .default_text = "16MiB",
                                   .min = KIB(64),
                                   .max = MIB(256),
                                   .help = "Largest body of a request, as it is sent and after it is decompressed." },
    [OPTION_NET_HANDSHAKE_TIMEOUT] = { .section = "net",
                                       .key = "handshake_timeout",
                                       .type = CONFIG_DURATION,
                                       .default_text = "10s",
                                       .min = 100,
                                       .max = MINUTES(10),
                                       .help = "How long a TLS handshake may take." },
    [OPTION_NET_HEADER_TIMEOUT] = { .section = "net",
                                    .key = "header_timeout",
                                    .type = CONFIG_DURATION,
                                    .default_text = "10s",
                                    .min = 100,
                                    .max = MINUTES(10),
                                    .help = "How long the headers of a request may take." },
    [OPTION_NET_BODY_TIMEOUT] = { .section = "net",
                                  .key = "body_timeout",
                                  .type = CONFIG_DURATION,
                                  .default_text = "30s",
                                  .min = 100,
                                  .max = MINUTES(60),
                                  .help = "How long a request's body may make no progress." },
    [OPTION_NET_IDLE_TIMEOUT] = { .section = "net",
                                  .key = "idle_timeout",
                                  .type = CONFIG_DURATION,
                                  .default_text = "60s",
                                  .min = 100,
                                  .max = MINUTES(60),
                                  .help = "How long a connection is kept between two requests." },
    [OPTION_NET_WRITE_TIMEOUT] = { .section = "net",
                                   .key = "write_timeout",
                                   .type = CONFIG_DURATION,
                                   .default_text = "30s",
                                   .min = 100,
                                   .max = MINUTES(60),
                                   .help = "How long a client may read nothing of an answer." },
    [OPTION_NET_DRAIN_TIMEOUT] = { .section = "net",
                                   .key = "drain_timeout",
                                   .type = CONFIG_DURATION,
                                   .default_text = "10s",
                                   .min = 1,
                                   .max = MINUTES(10),
                                   .help = "How long requests under way may take when the server is stopped." },

    [OPTION_TLS_CERTIFICATE_FILE] = { .section = "tls",
                                      .key = "certificate_file",
                                      .type = CONFIG_TEXT,
                                      .default_text = "",
                                      .reloadable = true,
                                      .help =
                                          "Certificate and its chain as PEM. Empty: a self-signed one is made in the data directory, "
                                          "tls/certificate.pem." },
    [OPTION_TLS_KEY_FILE] = { .section = "tls",
                              .key = "key_file",
                              .type = CONFIG_TEXT,
                              .default_text = "",
                              .reloadable = true,
                              .help = "The certificate's private key as PEM; goes with certificate_file." },

    [OPTION_STORE_DATA_DIR] = { .section = "store",
                                .key = "data_dir",
                                .type = CONFIG_TEXT,
                                .default_text = "/var/lib/stampmeter",
                                .flag = "--data-dir",
                                .help = "The data directory, on a local disk." },
    [OPTION_STORE_MAP_SIZE] = { .section = "store",
                                .key = "map_size",
                                .type = CONFIG_SIZE,
                                .default_text = "64GiB",
                                .min = MIB(16),
                                .max = TIB(64),
                                .help = "Address space for the store to start with; it is made larger as it fills." },
    [OPTION_STORE_MAP_SIZE_MAX] = { .section = "store",
                                    .key = "map_size_max",
                                    .type = CONFIG_SIZE,
                                    .default_text = "32TiB",
                                    .min = MIB(16),
                                    .max = TIB(64),
                                    .help = "Upper bound of the store's size." },
    [OPTION_STORE_QUEUE_RECORDS_MAX] = { .section = "store",
                                         .key = "queue_records_max",
                                         .type = CONFIG_INT,
                                         .default_text = "65536",
                                         .min = 1024,
                                         .max = 10000000,
                                         .help =
                                             "Records that may wait to be written before producers are asked to come back later." },

    [OPTION_USAGE_FUTURE_MAX] = { .section = "usage",
                                  .key = "future_max",
                                  .type = CONFIG_DURATION,
                                  .default_text = "5m",
                                  .min = 0,
                                  .max = DAYS(1),
                                  .reloadable = true,
                                  .help = "How far after now usage may end, for producers whose clocks are ahead." },
    [OPTION_USAGE_AGE_MAX] = { .section = "usage",
                               .key = "age_max",
                               .type = CONFIG_DURATION,
                               .default_text = "400d",
                               .min = MINUTES(60),
                               .max = DAYS(36500),
                               .reloadable = true,
                               .help = "How long ago usage may have begun." },

    [OPTION_RETENTION_JOURNAL] = { .section = "retention",
                                   .key = "journal",
                                   .type = CONFIG_DURATION,
                                   .default_text = "0",
                                   .min = 0,
                                   .max = DAYS(36500),
                                   .help =
                                       "How long the journal is kept, from which everything else can be rebuilt and proved; 0 keeps it for ever. At least 1d." },
    [OPTION_RETENTION_HOURLY] = { .section = "retention",
                                  .key = "hourly",
                                  .type = CONFIG_DURATION,
                                  .default_text = "400d",
                                  .min = 0,
                                  .max = DAYS(36500),
                                  .help =
                                      "How long usage is kept by the hour, counted back from the newest sealed hour; 0: for ever. At least 1d." },
    [OPTION_RETENTION_DAILY] = { .section = "retention",
                                 .key = "daily",
                                 .type = CONFIG_DURATION,
                                 .default_text = "0",
                                 .min = 0,
                                 .max = DAYS(36500),
                                 .help = "How long usage is kept by the day; 0: for ever. Not shorter than hourly." },
    [OPTION_RETENTION_REJECTS] = { .section = "retention",
                                   .key = "rejects",
                                   .type = CONFIG_DURATION,
                                   .default_text = "90d",
                                   .min = 0,
                                   .max = DAYS(36500),
                                   .help =
                                       "How long refused records are kept after they were last received; 0: until there are too many of them. At least 1d." },
    [OPTION_RETENTION_AUDIT] = { .section = "retention",
                                 .key = "audit",
                                 .type = CONFIG_DURATION,
                                 .default_text = "400d",
                                 .min = 0,
                                 .max = DAYS(36500),
                                 .help = "How long the audit log is kept; 0: for ever. At least 1d." },

    [OPTION_REGISTRATION_TRUSTED_KEY_ID] = { .section = "registration",
                                             .key = "trusted_key_id",
                                             .type = CONFIG_TEXT,
                                             .default_text = "",
                                             .help =
                                                 "Id of the key that must have signed an activation key: the kid that GET /v1/heads/key of the commercial side answers. Empty: the signer of the first activation is trusted from then on." },

    [OPTION_COMMERCE_PUBLIC_URL] = { .section = "commerce",
                                     .key = "public_url",
                                     .type = CONFIG_TEXT,
                                     .default_text = "",
                                     .help =
                                         "Where stamps reach this commercial side, https://HOST[:PORT]; goes into activation keys. Empty: the host by which the client that asked for the key reached it, if the certificate names it, or else the server's own address." },
    [OPTION_COMMERCE_CAPACITY_DURATION] = { .section = "commerce",
                                            .key = "capacity_duration",
                                            .type = CONFIG_DURATION,
                                            .default_text = "365d",
                                            .min = DAYS(1),
                                            .max = DAYS(36500),
                                            .help =
                                                "How long a registration under the Capacity model holds before it must be renewed." },
    [OPTION_COMMERCE_RESOLVER_URL] = { .section = "commerce",
                                       .key = "subscription_resolver_url",
                                       .type = CONFIG_TEXT,
                                       .default_text = "",
                                       .help =
                                           "Where to ask for commercial subscriptions, https://HOST[:PORT][/PATH]: GET {url}/subscriptions/{id} answers what PUT /v1/commerce/subscriptions takes, or 404. Empty: what is entered with that PUT." },
    [OPTION_COMMERCE_RESOLVER_TIMEOUT] = { .section = "commerce",
                                           .key = "subscription_resolver_timeout",
                                           .type = CONFIG_DURATION,
                                           .default_text = "5s",
                                           .min = 100,
                                           .max = MINUTES(1),
                                           .help =
                                               "How long one attempt may take to connect, and then to be answered." },
    [OPTION_COMMERCE_RESOLVER_ATTEMPTS] = { .section = "commerce",
                                            .key = "subscription_resolver_attempts",
                                            .type = CONFIG_INT,
                                            .default_text = "3",
                                            .min = 1,
                                            .max = RESOLVER_ATTEMPTS_MAX,
                                            .help =
                                                "How often a subscription is asked for before the request that needs it fails." },
    [OPTION_COMMERCE_RESOLVER_CACHE] = { .section = "commerce",
                                         .key = "subscription_resolver_cache",
                                         .type = CONFIG_DURATION,
                                         .default_text = "10m",
                                         .min = 0,
                                         .max = DAYS(1),
                                         .help =
                                             "How long an answer is used again, a 404 for 30s at most; 0: never. What has expired is not used, also when the resolver fails." },
    [OPTION_COMMERCE_RESOLVER_CA_FILE] = { .section = "commerce",
                                           .key = "subscription_resolver_ca_file",
                                           .type = CONFIG_TEXT,
                                           .default_text = "",
                                           .help =
                                               "Certificates that the resolver's must be signed by, as PEM. Empty: those the system trusts." },
    [OPTION_COMMERCE_RESOLVER_TOKEN_FILE] = { .section = "commerce",
                                              .key = "subscription_resolver_token_file",
                                              .type = CONFIG_TEXT,
                                              .default_text = "",
                                              .help =
                                                  "File with one line, sent to the resolver as bearer token. Empty: none is sent." },

    [OPTION_IDENTITY_SESSION_DURATION] = { .section = "identity",
                                           .key = "session_duration",
                                           .type = CONFIG_DURATION,
                                           .default_text = "12h",
                                           .min = MINUTES(1),
                                           .max = DAYS(90),
                                           .reloadable = true,
                                           .help = "How long a sign-in to the console lasts." },
    [OPTION_IDENTITY_PASSWORD_ITERATIONS] = { .section = "identity",
                                              .key = "password_iterations",
                                              .type = CONFIG_INT,
                                              .default_text = "210000",
                                              .min = 1000,
                                              .max = 10000000,
                                              .help =
                                                  "PBKDF2 rounds for passwords set from now on: more is slower to sign in with and to guess." },

    [OPTION_LOG_LEVEL] = { .section = "log",
                           .key = "level",
                           .type = CONFIG_CHOICE,
                           .default_text = "info",
                           .choices = level_choices,
                           .reloadable = true,
                           .help = "The least important events that are still written." },
    [OPTION_LOG_FORMAT] = { .section = "log",
                            .key = "format",
                            .type = CONFIG_CHOICE,
                            .default_text = "logfmt",
                            .choices = format_choices,
                            .reloadable = true,
                            .help = "Form of the lines on standard error." },
};

void options_set(struct options_source *source, enum option option, const char *value)
{
    REQUIRE(source->flag_count < OPTIONS_FLAGS_MAX);
    source->flag_options[source->flag_count] = option;
    source->flag_texts[source->flag_count] = text_of(value);
    source->flag_count++;
}

/* "host:port", "[v6]:port" or ":port". What the host is, only binding to it can tell. */
static bool is_listen_address(struct text address)
{
    unsigned long long port;
    size_t colon = address.len;
    while (colon > 0 && address.ptr[colon - 1] != ':')
        colon--;
    if (colon == 0)
        return false;
    struct text host = { address.ptr, colon - 1 };
    bool is_bracketed = host.len > 2 && host.ptr[0] == '[' && host.ptr[host.len - 1] == ']';
    return text_to_u64((struct text){ address.ptr + colon, address.len - colon }, &port) && port <= UINT16_MAX &&
           (is_bracketed || (memchr(host.ptr, ':', host.len) == NULL && memchr(host.ptr, '[', host.len) == NULL));
}

/* 0 is longer than any other. */
static bool is_shorter(int64_t a_ms, int64_t b_ms)
{
    return a_ms != 0 && (b_ms == 0 || a_ms < b_ms);
}

static err_t check_retention(const struct config *config, struct error_info *info)
{
    for (int o = OPTION_RETENTION_JOURNAL; o <= OPTION_RETENTION_AUDIT; o++) {
        char name[CONFIG_NAME_SIZE];
        int64_t keep_ms = options_number(config, (enum option)o);
        (void)snprintf(name, sizeof name, "%s.%s", options_table[o].section, options_table[o].key);
        if (keep_ms != 0 && keep_ms < DAYS(1))
            return error_set(info, ERROR_INVALID_CONFIG, name,
                             "%s is shorter than a day; give at least 1d, or 0 to keep everything", name);
    }
    if (is_shorter(options_number(config, OPTION_RETENTION_DAILY), options_number(config, OPTION_RETENTION_HOURLY)))
        return error_set(
            info, ERROR_INVALID_CONFIG, "retention.daily",
            "retention.daily is shorter than retention.hourly; days must be kept at least as long as hours");
    return ERROR_OK;
}

/* An id that can be none would refuse every activation key. */
static err_t check_trusted_key(const struct config *config, struct error_info *info)
{
    struct text id = options_text(config, OPTION_REGISTRATION_TRUSTED_KEY_ID);
    uint8_t hash[SHA256_SIZE];
    size_t size;
    if (id.len == 0 || (base64url_decode(id, hash, sizeof hash, &size) && size == sizeof hash))
        return ERROR_OK;
    return error_set(info, ERROR_INVALID_CONFIG, "registration.trusted_key_id",
                     "registration.trusted_key_id is \"%.60s\", which is no key id; it has 43 letters, digits, - and _",
                     options_string(config, OPTION_REGISTRATION_TRUSTED_KEY_ID));
}

static err_t check_public_url(const struct config *config, struct error_info *info)
{
    struct text url = options_text(config, OPTION_COMMERCE_PUBLIC_URL);
    if (url.len == 0 || https_url_is_valid(url)) /* as stamps check what their keys say */
        return ERROR_OK;
    return error_set(info, ERROR_INVALID_CONFIG, "commerce.public_url",
                     "commerce.public_url is \"%.80s\"; it takes https://HOST or https://HOST:PORT",
                     options_string(config, OPTION_COMMERCE_PUBLIC_URL));
}

static err_t check_resolver(const struct config *config, struct error_info *info)
{
    struct text url = options_text(config, OPTION_COMMERCE_RESOLVER_URL);
    if (url.len == 0 || https_url_is_valid(url))
        return ERROR_OK;
    return error_set(info, ERROR_INVALID_CONFIG, "commerce.subscription_resolver_url",
                     "commerce.subscription_resolver_url is \"%.80s\"; it takes https://HOST:PORT/PATH without a query",
                     options_string(config, OPTION_COMMERCE_RESOLVER_URL));
}

static err_t check_together(const struct config *config, struct error_info *info)
{
    bool has_certificate = options_text(config, OPTION_TLS_CERTIFICATE_FILE).len > 0;
    bool has_key = options_text(config, OPTION_TLS_KEY_FILE).len > 0;
    if (has_certificate != has_key)
        return error_set(info, ERROR_INVALID_CONFIG, has_key ? "tls.certificate_file" : "tls.key_file",
                         "tls.%s is set and tls.%s is not; set both or neither",
                         has_key ? "key_file" : "certificate_file", has_key ? "certificate_file" : "key_file");
    err_t error = check_retention(config, info);
    if (error == ERROR_OK)
        error = check_trusted_key(config, info);
    if (error == ERROR_OK)
        error = check_public_url(config, info);
    if (error == ERROR_OK)
        error = check_resolver(config, info);
    if (error != ERROR_OK)
        return error;
    if (!is_listen_address(options_text(config, OPTION_NET_LISTEN)))
        return error_set(info, ERROR_INVALID_CONFIG, "net.listen",
                         "net.listen is \"%.80s\"; it takes ADDRESS:PORT such as 127.0.0.1:8443 or [::]:8443",
                         options_string(config, OPTION_NET_LISTEN));
    if (options_text(config, OPTION_STORE_DATA_DIR).len == 0)
        return error_set(info, ERROR_INVALID_CONFIG, "store.data_dir", "store.data_dir is empty; name a folder");
    return ERROR_OK;
}

err_t options_load(struct arena *arena, const struct options_source *source, struct config *out,
                   struct error_info *info)
{
    struct config config;
    err_t error = config_load(arena, options_table, OPTION_COUNT, source->file_path, source->environment,
                              source->flag_options, source->flag_texts, source->flag_count, &config, info);
    if (error == ERROR_OK)
        error = check_together(&config, info);
    if (error == ERROR_OK)
        *out = config;
    return error;
}
