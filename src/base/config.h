/* The mechanism of configuration: a table of options feeds the parser of the file, the environment names,
 * the flags, the help and the commented sample. The table itself (what options exist) is in cli/options.c.
 * Precedence: flag > environment > file > default. A bad source is rejected as a whole. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/attributes.h"
#include "base/buffer.h"
#include "base/error.h"
#include "base/text.h"

enum config_type {
    CONFIG_TEXT,
    CONFIG_BOOL,
    CONFIG_INT,      /* min..max */
    CONFIG_SIZE,     /* bytes; file and environment also take "64KiB", "16MiB", "1GiB" */
    CONFIG_DURATION, /* milliseconds; "250ms", "10s", "5m", "24h", "400d" */
    CONFIG_CHOICE    /* one of 'choices', a NULL-terminated list */
};

struct config_option {
    const char *section; /* "net" */
    const char *key;     /* "listen" -> net.listen, STAMPMETER_NET_LISTEN */
    enum config_type type;
    const char *default_text;
    int64_t min, max; /* CONFIG_INT, CONFIG_SIZE, CONFIG_DURATION; both 0: any */
    const char *const *choices;
    bool reloadable;
    bool secret;      /* shown as "***" by check-config */
    const char *flag; /* "--listen", or NULL */
    const char *help; /* one sentence */
};

enum config_origin { CONFIG_FROM_DEFAULT, CONFIG_FROM_FILE, CONFIG_FROM_ENVIRONMENT, CONFIG_FROM_FLAG };

/* Effective values, parallel to the table. Owned by the arena given to config_load. */
struct config_value {
    struct text text; /* NUL-terminated, as given */
    int64_t number;   /* BOOL 0/1, INT, SIZE bytes, DURATION ms, CHOICE index */
    enum config_origin origin;
};

struct config {
    const struct config_option *options;
    size_t count;
    struct config_value *values;
};

/* Options without default_text start as "" and must then be CONFIG_TEXT. A variable with our prefix that is
 * no option is an error if its section exists or it is within two letters of a known one.
 * file_path NULL: no file. environment: NULL-terminated as in environ. flags: count pairs of option index
 * and text. ERROR_INVALID_CONFIG with a message that names source, key, and the nearest known key for an
 * unknown one. The file is JSON {section:{key:value}} whose lines may be // comments. */
MUST_CHECK err_t config_load(struct arena *arena, const struct config_option *options, size_t count,
                             const char *file_path, char *const *environment, const size_t *flag_options,
                             const struct text *flag_texts, size_t flag_count, struct config *out,
                             struct error_info *info);
/* Index by "section.key" or -1. */
int config_find(const struct config_option *options, size_t count, struct text dotted);
#define CONFIG_NAME_SIZE 128
/* The option's environment variable: STAMPMETER_SECTION_KEY, other characters than letters and digits
 * as '_'. */
void config_environment_name(const struct config_option *option, char out[CONFIG_NAME_SIZE]);
/* What values the option takes, in words: "one of text, json", "a whole number, 1 to 16". For help. */
void config_describe_values(const struct config_option *option, struct buffer *out);

/* The commented sample (gen-config). Options of one section stand together in the table. */
void config_write_sample(const struct config_option *options, size_t count, struct buffer *out);
/* Effective values with their origin (check-config); secrets hidden. */
void config_write_effective(const struct config *config, bool json, struct buffer *out);
