/* Fuzz target for what a summary may be asked: a filter or groupBy that is read can be written again and then reads the
 * same. */
#include <stddef.h>
#include <stdint.h>

#include "base/check.h"
#include "usage/summary.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void put_member(struct buffer *out, const struct summary_filter *filter)
{
    static const char *const names[] = { "subscriptionId", "meterId", "resourceUri", "location", "source" };
    if (filter->member == SUMMARY_TAG) {
        buffer_append_literal(out, "tag:");
        buffer_append_text(out, filter->tag);
    } else {
        buffer_append_text(out, text_of(names[filter->member]));
    }
}

static void write_filter(const struct summary_query *query, struct buffer *out)
{
    for (size_t i = 0; i < query->filter_count; i++) {
        buffer_append_text(out, i > 0 ? TEXT(" and ") : TEXT(""));
        put_member(out, &query->filters[i]);
        buffer_append_literal(out, " eq '");
        for (size_t c = 0; c < query->filters[i].value.len; c++) {
            buffer_append_char(out, query->filters[i].value.ptr[c]);
            if (query->filters[i].value.ptr[c] == '\'')
                buffer_append_char(out, '\'');
        }
        buffer_append_char(out, '\'');
    }
}

static void check_filter(struct arena *arena, struct text text)
{
    struct summary_query query = { 0 }, again = { 0 };
    struct error_info info = { 0 };
    err_t error = summary_read_filter(arena, text, &query, &info);
    REQUIREF(error == info.code && (error == ERROR_OK || error == ERROR_INVALID_PROPERTY), "error=%d", (int)error);
    REQUIRE(query.filter_count <= SUMMARY_FILTERS_MAX);
    if (error != ERROR_OK)
        return;
    struct buffer out = { 0 };
    write_filter(&query, &out);
    REQUIREF(summary_read_filter(arena, buffer_text(&out), &again, &info) == ERROR_OK, "%.*s",
             TEXT_ARGS(buffer_text(&out)));
    REQUIRE(again.filter_count == query.filter_count);
    for (size_t i = 0; i < query.filter_count; i++) {
        const struct summary_filter *a = &query.filters[i], *b = &again.filters[i];
        REQUIRE(a->member == b->member && text_equal(a->value, b->value));
        REQUIRE(a->member != SUMMARY_TAG || (a->tag.len > 0 && text_equal(a->tag, b->tag)));
    }
    buffer_free(&out);
}

static void check_group_by(struct text text)
{
    struct summary_query query = { 0 }, again = { 0 };
    struct error_info info = { 0 };
    err_t error = summary_read_group_by(text, &query, &info);
    REQUIREF(error == info.code && (error == ERROR_OK || error == ERROR_INVALID_PROPERTY), "error=%d", (int)error);
    REQUIRE(query.tag_count <= SUMMARY_TAGS_MAX);
    struct buffer out = { 0 };
    for (size_t i = 0; i < query.tag_count; i++) {
        buffer_append_text(&out, i > 0 ? TEXT(",tag:") : TEXT("tag:"));
        buffer_append_text(&out, query.tags[i]);
    }
    REQUIRE(summary_read_group_by(buffer_text(&out), &again, NULL) == ERROR_OK && again.tag_count == query.tag_count);
    for (size_t i = 0; i < query.tag_count; i++)
        REQUIRE(text_equal(again.tags[i], query.tags[i]));
    buffer_free(&out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct text text = { (const char *)data, size };
    struct arena *arena = arena_new(4096, 0);
    REQUIRE(arena != NULL);
    check_filter(arena, text);
    check_group_by(text);
    arena_free(arena);
    return 0;
}
