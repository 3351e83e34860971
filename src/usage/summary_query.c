/* Reading groupBy and filter of a summary. */
#include <string.h>

#include "usage/summary.h"

static bool tag_name(struct text text, struct text *name)
{
    if (!text_starts_with_nocase(text, TEXT("tag:")))
        return false;
    *name = (struct text){ text.ptr + 4, text.len - 4 };
    return name->len > 0;
}

static err_t add_group(struct text name, struct summary_query *query, struct error_info *info)
{
    const struct {
        const char *name;
        bool *flag;
    } members[] = { { "subscription", &query->by_subscription },
                    { "meter", &query->by_meter },
                    { "resource", &query->by_resource },
                    { "location", &query->by_location },
                    { "source", &query->by_source } };
    for (size_t i = 0; i < COUNT_OF(members); i++) {
        if (text_equal_nocase(name, text_of(members[i].name))) {
            *members[i].flag = true;
            return ERROR_OK;
        }
    }
    struct text tag;
    if (!tag_name(name, &tag))
        return error_set(info, ERROR_INVALID_PROPERTY, "groupBy",
                         "groupBy takes subscription, meter, resource, location, source and tag:NAME");
    if (query->tag_count == SUMMARY_TAGS_MAX)
        return error_set(info, ERROR_INVALID_PROPERTY, "groupBy", "at most %d tags", SUMMARY_TAGS_MAX);
    query->tags[query->tag_count++] = tag;
    return ERROR_OK;
}

err_t summary_read_group_by(struct text text, struct summary_query *query, struct error_info *info)
{
    struct text name;
    while (text_cut(&text, ',', &name)) {
        name = text_trim(name);
        if (name.len == 0)
            continue;
        err_t error = add_group(name, query, info);
        if (error != ERROR_OK)
            return error;
    }
    return ERROR_OK;
}

/* --- filter: member eq 'text' [and ...]; '' inside a text is one ' (as in OData) --- */

static void skip_blanks(struct text *text)
{
    while (text->len > 0 && text->ptr[0] == ' ') {
        text->ptr++;
        text->len--;
    }
}

static struct text take_word(struct text *text)
{
    skip_blanks(text);
    struct text word = { text->ptr, 0 };
    while (word.len < text->len && text->ptr[word.len] != ' ' && text->ptr[word.len] != '\'')
        word.len++;
    text->ptr += word.len;
    text->len -= word.len;
    return word;
}

static bool has_control_character(struct text text)
{
    for (size_t i = 0; i < text.len; i++)
        if ((unsigned char)text.ptr[i] < 0x20)
            return true;
    return false;
}

/* The member's name: what stands before " eq", so that names of tags may hold blanks. Not control characters: with
 * line ends a name could seem to end in " eq" itself. */
static bool take_name(struct text *text, struct text *name)
{
    for (size_t i = 0; i + 3 < text->len; i++) {
        struct text operator= { text->ptr + i, 3 };
        if (!text_equal_nocase(operator, TEXT(" eq")) || (text->ptr[i + 3] != ' ' && text->ptr[i + 3] != '\''))
            continue;
        struct text before = { text->ptr, i };
        *name = text_trim(before);
        text->ptr += i + 3;
        text->len -= i + 3;
        return !has_control_character(before);
    }
    return false;
}

/* ERROR_INVALID_PROPERTY when no literal comes next. */
static err_t take_literal(struct arena *arena, struct text *text, struct text *out)
{
    skip_blanks(text);
    if (text->len == 0 || text->ptr[0] != '\'')
        return ERROR_INVALID_PROPERTY;
    char *copy = arena_alloc(arena, text->len);
    if (copy == NULL)
        return ERROR_NO_MEMORY;
    size_t length = 0, i = 1;
    for (; i < text->len; i++) {
        if (text->ptr[i] == '\'') {
            if (i + 1 >= text->len || text->ptr[i + 1] != '\'')
                break;
            i++;
        }
        copy[length++] = text->ptr[i];
    }
    if (i >= text->len)
        return ERROR_INVALID_PROPERTY;
    *out = (struct text){ copy, length };
    text->ptr += i + 1;
    text->len -= i + 1;
    return ERROR_OK;
}

static bool find_member(struct text name, struct summary_filter *filter)
{
    static const struct {
        const char *name;
        enum summary_member member;
    } members[] = { { "subscriptionId", SUMMARY_SUBSCRIPTION },
                    { "subscription", SUMMARY_SUBSCRIPTION },
                    { "meterId", SUMMARY_METER },
                    { "meter", SUMMARY_METER },
                    { "resourceUri", SUMMARY_RESOURCE },
                    { "resource", SUMMARY_RESOURCE },
                    { "location", SUMMARY_LOCATION },
                    { "source", SUMMARY_SOURCE } };
    for (size_t i = 0; i < COUNT_OF(members); i++) {
        if (text_equal_nocase(name, text_of(members[i].name))) {
            filter->member = members[i].member;
            return true;
        }
    }
    filter->member = SUMMARY_TAG;
    return tag_name(name, &filter->tag);
}

static err_t bad_filter(struct error_info *info)
{
    return error_set(info, ERROR_INVALID_PROPERTY, "filter",
                     "filter is: member eq 'text', joined by and; members are subscriptionId, meterId, resourceUri, "
                     "location, source and tag:NAME");
}

err_t summary_read_filter(struct arena *arena, struct text text, struct summary_query *query, struct error_info *info)
{
    skip_blanks(&text);
    while (text.len > 0) {
        struct summary_filter filter = { .member = SUMMARY_TAG };
        struct text name;
        if (!take_name(&text, &name) || !find_member(name, &filter))
            return bad_filter(info);
        err_t error = take_literal(arena, &text, &filter.value);
        if (error != ERROR_OK)
            return error == ERROR_NO_MEMORY ? error_set(info, error, NULL, NULL) : bad_filter(info);
        if (query->filter_count == SUMMARY_FILTERS_MAX)
            return error_set(info, ERROR_INVALID_PROPERTY, "filter", "at most %d comparisons", SUMMARY_FILTERS_MAX);
        query->filters[query->filter_count++] = filter;
        skip_blanks(&text);
        if (text.len == 0)
            break;
        if (!text_equal_nocase(take_word(&text), TEXT("and")))
            return bad_filter(info);
        skip_blanks(&text);
        if (text.len == 0)
            return bad_filter(info);
    }
    return ERROR_OK;
}
