/* What is written from the table of options: the commented sample file and the effective values. */
#include <string.h>

#include "base/check.h"
#include "base/config.h"
#include "base/json.h"

static bool starts_section(const struct config_option *options, size_t index)
{
    if (index == 0)
        return true;
    if (strcmp(options[index - 1].section, options[index].section) == 0)
        return false;
    for (size_t i = 0; i < index; i++)
        REQUIREF(strcmp(options[i].section, options[index].section) != 0, "section %s is in two places",
                 options[index].section);
    return true;
}

static void write_comment(const struct config_option *option, struct buffer *out)
{
    char name[CONFIG_NAME_SIZE];
    config_environment_name(option, name);
    buffer_append_format(out, "        // %s\n        // Takes ", option->help);
    config_describe_values(option, out);
    buffer_append_format(out, "%s. Also: %s", option->reloadable ? "; SIGHUP reloads it" : "", name);
    if (option->flag != NULL)
        buffer_append_format(out, ", %s", option->flag);
    buffer_append_literal(out, "\n");
}

static void write_scalar(const struct config_option *option, struct text text, struct buffer *out)
{
    bool bare = option->type == CONFIG_BOOL || option->type == CONFIG_INT;
    if (!bare)
        buffer_append_char(out, '"');
    json_escape(out, text);
    if (!bare)
        buffer_append_char(out, '"');
}

void config_write_sample(const struct config_option *options, size_t count, struct buffer *out)
{
    buffer_append_literal(out, "// Settings of Stampmeter, all at their defaults. JSON, in which whole lines "
                               "may be // comments.\n"
                               "// A flag goes before an environment variable, that before this file.\n{\n");
    for (size_t i = 0; i < count; i++) {
        const struct config_option *option = &options[i];
        bool last = i + 1 == count || strcmp(option->section, options[i + 1].section) != 0;
        if (starts_section(options, i))
            buffer_append_format(out, "    \"%s\": {\n", option->section);
        else
            buffer_append_literal(out, "\n");
        write_comment(option, out);
        buffer_append_format(out, "        \"%s\": ", option->key);
        write_scalar(option, text_of(option->default_text != NULL ? option->default_text : ""), out);
        buffer_append_format(out, "%s\n", last ? "" : ",");
        if (last)
            buffer_append_format(out, "    }%s\n", i + 1 == count ? "" : ",");
    }
    buffer_append_literal(out, "}\n");
}

static const char *origin_name(enum config_origin origin)
{
    static const char *const names[] = { "default", "file", "environment", "flag" };
    REQUIREF((size_t)origin < COUNT_OF(names), "origin=%d", (int)origin);
    return names[origin];
}

static struct text shown_value(const struct config *config, size_t index)
{
    const struct config_value *value = &config->values[index];
    return config->options[index].secret && value->text.len > 0 ? TEXT("***") : value->text;
}

static void write_effective_json(const struct config *config, struct buffer *out)
{
    struct json_writer w = json_writer(out);
    json_begin_object(&w);
    for (size_t i = 0; i < config->count; i++) {
        const struct config_option *option = &config->options[i];
        if (starts_section(config->options, i)) {
            if (i > 0)
                json_end_object(&w);
            json_name(&w, option->section);
            json_begin_object(&w);
        }
        json_name(&w, option->key);
        json_begin_object(&w);
        json_name(&w, "value");
        json_put_text(&w, shown_value(config, i));
        json_name(&w, "origin");
        json_put_cstring(&w, origin_name(config->values[i].origin));
        json_end_object(&w);
    }
    if (config->count > 0)
        json_end_object(&w);
    json_end_object(&w);
    buffer_append_char(out, '\n');
}

void config_write_effective(const struct config *config, bool json, struct buffer *out)
{
    if (json) {
        write_effective_json(config, out);
        return;
    }
    for (size_t i = 0; i < config->count; i++) {
        const struct config_option *option = &config->options[i];
        buffer_append_format(out, "%s.%s = ", option->section, option->key);
        write_scalar(option, shown_value(config, i), out);
        buffer_append_format(out, "  (%s)\n", origin_name(config->values[i].origin));
    }
}
