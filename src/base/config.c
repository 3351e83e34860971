/* Configuration from a table of options: reading of values and of the four sources. Everything is read
 * into a new array of values; the caller's config changes only when all sources were good. What is
 * written from the table (sample, effective values) is in config_write.c. */
#include "base/config.h"

#include <stdio.h>
#include <string.h>

#include "base/check.h"
#include "base/files.h"
#include "base/json.h"

#define FILE_SIZE_MAX ((size_t)1 << 20)
#define NAME_SIZE CONFIG_NAME_SIZE
#define ENVIRONMENT_PREFIX "STAMPMETER_"

/* One load in progress. */
struct loader {
    struct arena *arena;
    const struct config_option *options;
    size_t count;
    struct config_value *values;
    struct error_info *info;
};

static void dotted_name(const struct config_option *option, char out[NAME_SIZE])
{
    int len = snprintf(out, NAME_SIZE, "%s.%s", option->section, option->key);
    REQUIREF(len > 0 && len < NAME_SIZE, "%s.%s", option->section, option->key);
}

int config_find(const struct config_option *options, size_t count, struct text dotted)
{
    for (size_t i = 0; i < count; i++) {
        char name[NAME_SIZE];
        dotted_name(&options[i], name);
        if (text_equal(text_of(name), dotted))
            return (int)i;
    }
    return -1;
}

void config_environment_name(const struct config_option *option, char out[CONFIG_NAME_SIZE])
{
    int len = snprintf(out, CONFIG_NAME_SIZE, ENVIRONMENT_PREFIX "%s_%s", option->section, option->key);
    REQUIREF(len > 0 && len < CONFIG_NAME_SIZE, "%s.%s", option->section, option->key);
    for (char *at = out; *at != '\0'; at++) {
        if (*at >= 'a' && *at <= 'z')
            *at = (char)(*at - 'a' + 'A');
        else if ((*at < 'A' || *at > 'Z') && (*at < '0' || *at > '9'))
            *at = '_';
    }
}

/* ---- Values ---- */

struct unit {
    const char *name;
    int64_t factor;
};

static const struct unit size_units[] = { { "", 1 },
                                          { "B", 1 },
                                          { "KiB", INT64_C(1) << 10 },
                                          { "MiB", INT64_C(1) << 20 },
                                          { "GiB", INT64_C(1) << 30 },
                                          { "TiB", INT64_C(1) << 40 } };
static const struct unit duration_units[] = { { "ms", 1 },      { "s", 1000 },     { "m", 60000 },
                                              { "h", 3600000 }, { "d", 86400000 }, { "", 1 } };
static const struct unit no_units[] = { { "", 1 } };

static bool read_number(struct text text, const struct unit *units, size_t unit_count, int64_t *out)
{
    bool negative = text.len > 0 && text.ptr[0] == '-';
    size_t digits = negative;
    while (digits < text.len && text.ptr[digits] >= '0' && text.ptr[digits] <= '9')
        digits++;
    unsigned long long magnitude;
    struct text unit = { text.ptr + digits, text.len - digits };
    if (!text_to_u64((struct text){ text.ptr + negative, digits - negative }, &magnitude) || magnitude > INT64_MAX)
        return false;
    for (size_t i = 0; i < unit_count; i++) {
        if (text_equal(unit, text_of(units[i].name))) {
            int64_t value = negative ? -(int64_t)magnitude : (int64_t)magnitude;
            return !__builtin_mul_overflow(value, units[i].factor, out);
        }
    }
    return false;
}

static bool read_bool(struct text text, int64_t *out)
{
    *out = text_equal(text, TEXT("true")) || text_equal(text, TEXT("1"));
    return *out != 0 || text_equal(text, TEXT("false")) || text_equal(text, TEXT("0"));
}

static bool read_choice(const struct config_option *option, struct text text, int64_t *out)
{
    for (int64_t i = 0; option->choices[i] != NULL; i++) {
        if (text_equal(text, text_of(option->choices[i]))) {
            *out = i;
            return true;
        }
    }
    return false;
}

static bool in_range(const struct config_option *option, int64_t number)
{
    return (option->min == 0 && option->max == 0) || (number >= option->min && number <= option->max);
}

/* The number behind a text, by the option's type. */
static bool read_value(const struct config_option *option, struct text text, int64_t *out)
{
    *out = 0;
    switch (option->type) {
    case CONFIG_TEXT:
        return text_is_utf8(text) && (text.len == 0 || memchr(text.ptr, '\0', text.len) == NULL);
    case CONFIG_BOOL:
        return read_bool(text, out);
    case CONFIG_INT:
        return read_number(text, no_units, COUNT_OF(no_units), out) && in_range(option, *out);
    case CONFIG_SIZE:
        return read_number(text, size_units, COUNT_OF(size_units), out) && *out >= 0 && in_range(option, *out);
    case CONFIG_DURATION:
        return read_number(text, duration_units, COUNT_OF(duration_units), out) && *out >= 0 && in_range(option, *out);
    case CONFIG_CHOICE:
        return read_choice(option, text, out);
    }
    return false;
}

/* What the option takes, in words, for messages and the sample. */
void config_describe_values(const struct config_option *option, struct buffer *out)
{
    static const char *const kinds[] = { [CONFIG_TEXT] = "text",
                                         [CONFIG_BOOL] = "true or false",
                                         [CONFIG_INT] = "a whole number",
                                         [CONFIG_SIZE] = "a size such as 64KiB, 16MiB or 1GiB",
                                         [CONFIG_DURATION] = "a duration such as 250ms, 10s, 24h or 400d",
                                         [CONFIG_CHOICE] = "one of" };
    buffer_append_text(out, text_of(kinds[option->type]));
    if (option->type == CONFIG_CHOICE) {
        for (size_t i = 0; option->choices[i] != NULL; i++)
            buffer_append_format(out, "%s%s", i == 0 ? " " : ", ", option->choices[i]);
    } else if (option->min != 0 || option->max != 0) {
        buffer_append_format(out, ", %lld to %lld%s", (long long)option->min, (long long)option->max,
                             option->type == CONFIG_DURATION ? " ms"
                             : option->type == CONFIG_SIZE   ? " bytes"
                                                             : "");
    }
}

/* A value from 'source' (a file's path, "environment", "flag"): taken, or refused with a message that
 * says what would be right. Secrets are not repeated in messages. */
static err_t set_value(struct loader *loader, size_t index, struct text text, enum config_origin origin,
                       const char *source)
{
    const struct config_option *option = &loader->options[index];
    struct config_value value = { .origin = origin };
    if (!read_value(option, text, &value.number)) {
        struct buffer wanted = { 0 };
        config_describe_values(option, &wanted);
        struct text words = buffer_text(&wanted);
        char name[NAME_SIZE];
        dotted_name(option, name);
        int shown_len = text.len > 60 ? 60 : (int)text.len;
        err_t error =
            error_set(loader->info, ERROR_INVALID_CONFIG, name, "%s: %s is \"%.*s\", it takes %.*s", source, name,
                      option->secret ? 3 : shown_len, option->secret ? "***" : text.ptr, TEXT_ARGS(words));
        buffer_free(&wanted);
        return error;
    }
    value.text = arena_text(loader->arena, text);
    if (value.text.ptr == NULL)
        return error_set(loader->info, ERROR_NO_MEMORY, NULL, NULL);
    loader->values[index] = value;
    return ERROR_OK;
}

/* ---- Unknown names ---- */

static err_t unknown(struct loader *loader, const char *source, struct text name, const char *nearest)
{
    char shown[NAME_SIZE];
    (void)snprintf(shown, sizeof shown, "%.*s", name.len > 80 ? 80 : (int)name.len, name.ptr);
    return error_set(loader->info, ERROR_INVALID_CONFIG, shown, "%s: %s is not known; the nearest known key is %s",
                     source, shown, nearest);
}

static err_t unknown_key(struct loader *loader, const char *source, struct text dotted)
{
    char nearest[NAME_SIZE] = "";
    size_t best = SIZE_MAX;
    for (size_t i = 0; i < loader->count; i++) {
        char name[NAME_SIZE];
        dotted_name(&loader->options[i], name);
        size_t distance = text_distance(dotted, text_of(name), NAME_SIZE);
        if (distance < best) {
            best = distance;
            memcpy(nearest, name, sizeof nearest);
        }
    }
    return unknown(loader, source, dotted, nearest);
}

/* ---- The file ---- */

/* Lines that hold only a // comment become blanks: positions in messages stay those of the file. */
static void blank_comments(char *text, size_t len)
{
    size_t at = 0;
    while (at < len) {
        size_t start = at;
        while (at < len && (text[at] == ' ' || text[at] == '\t'))
            at++;
        bool comment = len - at >= 2 && text[at] == '/' && text[at + 1] == '/';
        char *newline = memchr(text + start, '\n', len - start);
        size_t end = newline != NULL ? (size_t)(newline - text) : len;
        if (comment)
            memset(text + start, ' ', end - start);
        at = end + 1;
    }
}

/* Strings, numbers and booleans are all read by their text; null and nested values are not values. */
static bool scalar_text(const struct json *value, struct text *out)
{
    switch (json_type(value)) {
    case JSON_STRING:
        *out = json_string(value);
        return true;
    case JSON_NUMBER:
        *out = json_number(value);
        return true;
    case JSON_TRUE:
    case JSON_FALSE:
        *out = json_type(value) == JSON_TRUE ? TEXT("true") : TEXT("false");
        return true;
    case JSON_NULL:
    case JSON_ARRAY:
    case JSON_OBJECT:
        return false;
    }
    return false;
}

static err_t read_section(struct loader *loader, const char *path, struct text section, const struct json *members)
{
    for (struct json_iterator i = json_iterate(members); json_next(&i);) {
        struct text dotted = arena_format(loader->arena, "%.*s.%.*s", TEXT_ARGS(section), TEXT_ARGS(i.name));
        struct text text;
        if (dotted.ptr == NULL)
            return error_set(loader->info, ERROR_NO_MEMORY, NULL, NULL);
        int index = config_find(loader->options, loader->count, dotted);
        if (index < 0)
            return unknown_key(loader, path, dotted);
        if (!scalar_text(i.value, &text))
            return error_set(loader->info, ERROR_INVALID_CONFIG, dotted.ptr,
                             "%s: %s is not a string, number, true or false", path, dotted.ptr);
        err_t error = set_value(loader, (size_t)index, text, CONFIG_FROM_FILE, path);
        if (error != ERROR_OK)
            return error;
    }
    return ERROR_OK;
}

static err_t read_document(struct loader *loader, const char *path, const struct json *root)
{
    struct text name;
    if (json_type(root) != JSON_OBJECT)
        return error_set(loader->info, ERROR_INVALID_CONFIG, NULL, "%s: not an object of sections", path);
    if (json_has_duplicate_member(loader->arena, root, &name))
        return error_set(loader->info, ERROR_INVALID_CONFIG, NULL, "%s: \"%.*s\" is there twice", path,
                         TEXT_ARGS(name));
    for (struct json_iterator i = json_iterate(root); json_next(&i);) {
        if (json_type(i.value) != JSON_OBJECT)
            return unknown_key(loader, path, i.name);
        err_t error = read_section(loader, path, i.name, i.value);
        if (error != ERROR_OK)
            return error;
    }
    return ERROR_OK;
}

static err_t read_file(struct loader *loader, const char *path)
{
    struct buffer content = { 0 };
    const struct json *root;
    struct error_info cause = { 0 };
    err_t error = file_read(path, FILE_SIZE_MAX, &content, &cause);
    if (error == ERROR_OK && buffer_len(&content) > 0) {
        blank_comments(content.data + content.start, buffer_len(&content));
        error = json_parse(loader->arena, buffer_text(&content), &root, &cause);
    } else if (error == ERROR_OK) {
        error = error_set(&cause, ERROR_INVALID_CONFIG, NULL, "the file is empty");
    }
    if (error == ERROR_NO_MEMORY)
        error = error_set(loader->info, error, NULL, NULL);
    else if (error != ERROR_OK)
        error = error_set(loader->info, ERROR_INVALID_CONFIG, NULL, "%s: %.200s", path, cause.message);
    else
        error = read_document(loader, path, root);
    buffer_free(&content);
    return error;
}

/* ---- Environment and flags ---- */

#define TYPO_DISTANCE_MAX 2

/* A variable with our prefix that is no option. It is an error when it names a section of ours or is
 * nearly an option; others are let pass, because orchestrators invent names too (a service called
 * "stampmeter" makes STAMPMETER_SERVICE_HOST and STAMPMETER_PORT). */
static err_t unknown_variable(struct loader *loader, struct text name)
{
    char nearest[CONFIG_NAME_SIZE] = "";
    size_t best = SIZE_MAX;
    bool of_section = false;
    for (size_t i = 0; i < loader->count; i++) {
        char known[CONFIG_NAME_SIZE];
        config_environment_name(&loader->options[i], known);
        size_t section_len = strlen(ENVIRONMENT_PREFIX) + strlen(loader->options[i].section) + 1;
        of_section = of_section || text_starts_with(name, (struct text){ known, section_len });
        size_t distance = text_distance(name, text_of(known), CONFIG_NAME_SIZE);
        if (distance < best) {
            best = distance;
            memcpy(nearest, known, sizeof nearest);
        }
    }
    if (!of_section && best > TYPO_DISTANCE_MAX)
        return ERROR_OK;
    return unknown(loader, "environment", name, nearest);
}

static err_t read_variable(struct loader *loader, const char *variable)
{
    struct text value = text_of(variable);
    struct text name;
    if (!text_starts_with(value, TEXT(ENVIRONMENT_PREFIX)) || !text_cut(&value, '=', &name))
        return ERROR_OK;
    for (size_t i = 0; i < loader->count; i++) {
        char known[CONFIG_NAME_SIZE];
        config_environment_name(&loader->options[i], known);
        if (text_equal(name, text_of(known)))
            return set_value(loader, i, value.ptr != NULL ? value : TEXT(""), CONFIG_FROM_ENVIRONMENT, "environment");
    }
    return unknown_variable(loader, name);
}

static err_t read_sources(struct loader *loader, const char *file_path, char *const *environment,
                          const size_t *flag_options, const struct text *flag_texts, size_t flag_count)
{
    err_t error = file_path != NULL ? read_file(loader, file_path) : ERROR_OK;
    for (; error == ERROR_OK && environment != NULL && *environment != NULL; environment++)
        error = read_variable(loader, *environment);
    for (size_t i = 0; error == ERROR_OK && i < flag_count; i++) {
        size_t index = flag_options[i];
        REQUIREF(index < loader->count, "index=%zu count=%zu", index, loader->count);
        const char *flag = loader->options[index].flag;
        error = set_value(loader, index, flag_texts[i], CONFIG_FROM_FLAG, flag != NULL ? flag : "flag");
    }
    return error;
}

err_t config_load(struct arena *arena, const struct config_option *options, size_t count, const char *file_path,
                  char *const *environment, const size_t *flag_options, const struct text *flag_texts,
                  size_t flag_count, struct config *out, struct error_info *info)
{
    struct loader loader = { arena, options, count, NULL, info };
    loader.values = arena_array(arena, count, sizeof *loader.values);
    if (loader.values == NULL)
        return error_set(info, ERROR_NO_MEMORY, NULL, NULL);
    for (size_t i = 0; i < count; i++) {
        struct text text = text_of(options[i].default_text != NULL ? options[i].default_text : "");
        err_t error = set_value(&loader, i, text, CONFIG_FROM_DEFAULT, "default");
        REQUIREF(error != ERROR_INVALID_CONFIG, "default of %s.%s", options[i].section, options[i].key);
        if (error != ERROR_OK)
            return error;
    }
    err_t error = read_sources(&loader, file_path, environment, flag_options, flag_texts, flag_count);
    if (error == ERROR_OK)
        *out = (struct config){ options, count, loader.values };
    return error;
}
