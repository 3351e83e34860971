/* What can be configured: the one table that feeds the parser of the file, the environment names, the flags, the help
 * and the sample config/stampmeter.json; and typed access to the effective values. Never changes; any thread. */
#pragma once

#include <stdint.h>

#include "base/arena.h"
#include "base/attributes.h"
#include "base/check.h"
#include "base/config.h"
#include "base/error.h"
#include "base/instant.h"

/* In the order of the table and the sample. */
enum option {
    OPTION_SERVER_ROLE,
    OPTION_SERVER_WORKER_THREADS,
    OPTION_NET_LISTEN,
    OPTION_NET_CONNECTIONS_MAX,
    OPTION_NET_HANDSHAKES_MAX,
    OPTION_NET_BODY_SIZE_MAX,
    OPTION_NET_HANDSHAKE_TIMEOUT,
    OPTION_NET_HEADER_TIMEOUT,
    OPTION_NET_BODY_TIMEOUT,
    OPTION_NET_IDLE_TIMEOUT,
    OPTION_NET_WRITE_TIMEOUT,
    OPTION_NET_DRAIN_TIMEOUT,
    OPTION_TLS_CERTIFICATE_FILE,
    OPTION_TLS_KEY_FILE,
    OPTION_STORE_DATA_DIR,
    OPTION_STORE_MAP_SIZE,
    OPTION_STORE_MAP_SIZE_MAX,
    OPTION_STORE_QUEUE_RECORDS_MAX,
    OPTION_USAGE_FUTURE_MAX,
    OPTION_USAGE_AGE_MAX,
    OPTION_RETENTION_JOURNAL,
    OPTION_RETENTION_HOURLY,
    OPTION_RETENTION_DAILY,
    OPTION_RETENTION_REJECTS,
    OPTION_RETENTION_AUDIT,
    OPTION_REGISTRATION_TRUSTED_KEY_ID,
    OPTION_COMMERCE_PUBLIC_URL,
    OPTION_COMMERCE_CAPACITY_DURATION,
    OPTION_COMMERCE_RESOLVER_URL,
    OPTION_COMMERCE_RESOLVER_TIMEOUT,
    OPTION_COMMERCE_RESOLVER_ATTEMPTS,
    OPTION_COMMERCE_RESOLVER_CACHE,
    OPTION_COMMERCE_RESOLVER_CA_FILE,
    OPTION_COMMERCE_RESOLVER_TOKEN_FILE,
    OPTION_IDENTITY_SESSION_DURATION,
    OPTION_IDENTITY_PASSWORD_ITERATIONS,
    OPTION_LOG_LEVEL,
    OPTION_LOG_FORMAT,
    OPTION_COUNT
};

extern const struct config_option options_table[OPTION_COUNT];

enum server_role { SERVER_ROLE_STAMP, SERVER_ROLE_COMMERCE, SERVER_ROLE_BOTH }; /* values of OPTION_SERVER_ROLE */

#define OPTIONS_FLAGS_MAX 8

/* Where values come from, kept so that SIGHUP can ask again. Zeroed: defaults only. Paths and texts are borrowed. */
struct options_source {
    const char *file_path;    /* NULL: no file */
    char *const *environment; /* environ; NULL: none */
    size_t flag_options[OPTIONS_FLAGS_MAX];
    struct text flag_texts[OPTIONS_FLAGS_MAX];
    size_t flag_count;
};
/* As if the option's flag were given. */
void options_set(struct options_source *source, enum option option, const char *value);
/* The effective values, checked one by one and against each other. ERROR_INVALID_CONFIG, ERROR_NOT_FOUND (the
 * file), ERROR_IO, ERROR_NO_MEMORY, with a message for a person. Values live in the arena. */
MUST_CHECK err_t options_load(struct arena *arena, const struct options_source *source, struct config *out,
                              struct error_info *info);

static inline struct text options_text(const struct config *config, enum option option)
{
    return config->values[option].text;
}

/* NUL-terminated. */
static inline const char *options_string(const struct config *config, enum option option)
{
    return config->values[option].text.ptr;
}

static inline int64_t options_number(const struct config *config, enum option option)
{
    return config->values[option].number;
}

static inline size_t options_size(const struct config *config, enum option option)
{
    REQUIRE(config->values[option].number >= 0);
    return (size_t)config->values[option].number;
}

static inline uint32_t options_u32(const struct config *config, enum option option)
{
    REQUIRE(config->values[option].number >= 0 && config->values[option].number <= UINT32_MAX);
    return (uint32_t)config->values[option].number;
}

static inline int64_t options_duration_ns(const struct config *config, enum option option)
{
    return config->values[option].number * NS_PER_MS;
}
