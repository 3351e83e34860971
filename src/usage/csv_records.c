/* Cells go into JSON as strings, quantities included, so that nothing is rounded; the record parser judges them. */
#include "usage/csv_records.h"

#include <string.h>

#include "base/buffer.h"
#include "base/check.h"
#include "base/json.h"

enum member {
    MEMBER_ID,
    MEMBER_SOURCE,
    MEMBER_SUBSCRIPTION_ID,
    MEMBER_METER_ID,
    MEMBER_RESOURCE_URI,
    MEMBER_LOCATION,
    MEMBER_START,
    MEMBER_END,
    MEMBER_QUANTITY,
    MEMBER_REPORTED,
    MEMBER_TAGS,
    MEMBER_INFO,
    MEMBER_COUNT
};

static const struct {
    const char *name;
    bool required;
} members[MEMBER_COUNT] = {
    [MEMBER_ID] = { "id", true },
    [MEMBER_SOURCE] = { "source", true },
    [MEMBER_SUBSCRIPTION_ID] = { "subscriptionId", true },
    [MEMBER_METER_ID] = { "meterId", true },
    [MEMBER_RESOURCE_URI] = { "resourceUri", true },
    [MEMBER_LOCATION] = { "location", false },
    [MEMBER_START] = { "usageStartTime", true },
    [MEMBER_END] = { "usageEndTime", true },
    [MEMBER_QUANTITY] = { "quantity", true },
    [MEMBER_REPORTED] = { "reportedTime", false },
    [MEMBER_TAGS] = { "tags", false },
    [MEMBER_INFO] = { "additionalInfo", false },
};

#define NAME_SHOWN_MAX 40

static int shown(struct text text)
{
    return (int)(text.len < NAME_SHOWN_MAX ? text.len : NAME_SHOWN_MAX);
}

/* --- rows of a stream --- */

enum csv_extent csv_cut_row(struct text *rest, bool is_last, struct text *row)
{
    bool quoted = false, was_quoted = false, field_begins = true;
    size_t bound = rest->len < CSV_ROW_SIZE_BYTES_MAX ? rest->len : CSV_ROW_SIZE_BYTES_MAX;
    if (rest->len == 0)
        return is_last ? CSV_END : CSV_MORE;
    for (size_t i = 0; i < bound; i++) {
        char c = rest->ptr[i];
        if (quoted) {
            quoted = c != '"'; /* a doubled quote closes and opens again */
            continue;
        }
        if (c == '"' && (field_begins || (was_quoted && rest->ptr[i - 1] == '"')))
            quoted = was_quoted = true;
        field_begins = c == ',';
        if (field_begins)
            was_quoted = false;
        if (c != '\n')
            continue;
        *row = (struct text){ rest->ptr, i + 1 };
        *rest = (struct text){ rest->ptr + i + 1, rest->len - i - 1 };
        return CSV_ROW;
    }
    if (bound == CSV_ROW_SIZE_BYTES_MAX || (is_last && quoted)) {
        const char *end = memchr(rest->ptr, '\n', rest->len);
        size_t length = end != NULL ? (size_t)(end - rest->ptr) + 1 : rest->len;
        *row = (struct text){ rest->ptr, length };
        *rest = (struct text){ rest->ptr + length, rest->len - length };
        return CSV_TOO_LONG;
    }
    if (!is_last)
        return CSV_MORE;
    *row = *rest;
    *rest = (struct text){ rest->ptr + rest->len, 0 };
    return CSV_ROW;
}

size_t csv_line_count(struct text row)
{
    size_t count = 0;
    for (size_t i = 0; i < row.len; i++)
        count += row.ptr[i] == '\n';
    return count + (row.len > 0 && row.ptr[row.len - 1] != '\n');
}

/* --- header --- */

static int find_member(struct text name)
{
    for (int i = 0; i < MEMBER_COUNT; i++)
        if (text_equal_nocase(name, text_of(members[i].name)))
            return i;
    return -1;
}

static err_t unknown_column(struct text name, struct error_info *info)
{
    const char *nearest = NULL;
    size_t best = 4;
    for (int i = 0; i < MEMBER_COUNT; i++) {
        size_t distance = text_distance(name, text_of(members[i].name), best);
        if (distance < best) {
            best = distance;
            nearest = members[i].name;
        }
    }
    char target[NAME_SHOWN_MAX + 1] = { 0 };
    memcpy(target, name.ptr, (size_t)shown(name));
    if (nearest != NULL)
        return error_set(info, ERROR_INVALID_PROPERTY, target, "the column '%.*s' is not known; did you mean '%s'?",
                         shown(name), name.ptr, nearest);
    return error_set(info, ERROR_INVALID_PROPERTY, target,
                     "the column '%.*s' is not known; columns are the members of a record", shown(name), name.ptr);
}

static err_t read_column(struct arena *arena, struct text name, struct csv_column *column, struct error_info *info)
{
    struct text rest = name, first;
    column->name = TEXT_NONE;
    column->member = find_member(name);
    if (column->member >= 0)
        return ERROR_OK;
    if (!text_cut(&rest, '.', &first) || rest.ptr == NULL || rest.len == 0)
        return unknown_column(name, info);
    column->member = find_member(first);
    if (column->member != MEMBER_TAGS && column->member != MEMBER_INFO)
        return unknown_column(name, info);
    column->name = arena_text(arena, rest);
    return column->name.ptr != NULL ? ERROR_OK : error_set(info, ERROR_NO_MEMORY, NULL, NULL);
}

/* The same column twice, or a spread one beside its whole. */
static bool clashes(const struct csv_column *a, const struct csv_column *b)
{
    if (a->member != b->member)
        return false;
    return a->name.ptr == NULL || b->name.ptr == NULL || text_equal(a->name, b->name);
}

static err_t check_columns(const struct csv_records *records, bool history, struct error_info *info)
{
    bool given[MEMBER_COUNT] = { false };
    for (size_t i = 0; i < records->column_count; i++) {
        given[records->columns[i].member] = true;
        for (size_t j = 0; j < i; j++) {
            const char *name = members[records->columns[i].member].name;
            if (clashes(&records->columns[i], &records->columns[j]))
                return error_set(info, ERROR_INVALID_PROPERTY, name, "the column '%s' is given twice", name);
        }
    }
    for (int i = 0; i < MEMBER_COUNT; i++) {
        bool required = members[i].required || (history && i == MEMBER_REPORTED);
        if (required && !given[i])
            return error_set(info, ERROR_INVALID_PROPERTY, members[i].name, "the column '%s' is missing",
                             members[i].name);
    }
    return ERROR_OK;
}

err_t csv_records_header(struct csv_records *records, struct arena *arena, struct text row, bool history,
                         struct error_info *info)
{
    struct csv_reader reader = csv_reader(row);
    struct text fields[CSV_FIELDS_MAX];
    size_t count;
    records->column_count = 0;
    err_t error = csv_next(&reader, arena, fields, &count);
    if (error == ERROR_NO_MEMORY)
        return error_set(info, error, NULL, NULL);
    if (error != ERROR_OK)
        return error_set(info, ERROR_INVALID_REQUEST_CONTENT, NULL, "the header is not CSV");
    for (size_t i = 0; i < count; i++) {
        error = read_column(arena, text_trim(fields[i]), &records->columns[i], info);
        if (error != ERROR_OK)
            return error;
        records->column_count++;
    }
    return check_columns(records, history, info);
}

/* --- rows --- */

/* A cell that holds a JSON object is one; anything else is a string, as Azure Stack's own providers send. */
static void put_attributes(struct json_writer *json, struct arena *arena, struct text cell)
{
    const struct json *value;
    struct text trimmed = text_trim(cell);
    if (trimmed.len > 0 && trimmed.ptr[0] == '{' && json_parse(arena, trimmed, &value, NULL) == ERROR_OK &&
        json_type(value) == JSON_OBJECT)
        json_put_raw(json, trimmed);
    else
        json_put_text(json, cell);
}

static void put_spread(const struct csv_records *records, struct json_writer *json, const struct text *fields,
                       int member)
{
    bool begun = false;
    for (size_t i = 0; i < records->column_count; i++) {
        const struct csv_column *column = &records->columns[i];
        if (column->member != member || column->name.ptr == NULL || fields[i].len == 0)
            continue;
        if (!begun) {
            json_name(json, members[member].name);
            json_begin_object(json);
            begun = true;
        }
        json_name_text(json, column->name);
        json_put_text(json, fields[i]);
    }
    if (begun)
        json_end_object(json);
}

static void put_record(const struct csv_records *records, struct arena *arena, const struct text *fields,
                       struct buffer *out)
{
    struct json_writer json = json_writer(out);
    json_begin_object(&json);
    for (size_t i = 0; i < records->column_count; i++) {
        const struct csv_column *column = &records->columns[i];
        if (column->name.ptr != NULL || fields[i].len == 0)
            continue;
        json_name(&json, members[column->member].name);
        if (column->member == MEMBER_TAGS || column->member == MEMBER_INFO)
            put_attributes(&json, arena, fields[i]);
        else
            json_put_text(&json, fields[i]);
    }
    put_spread(records, &json, fields, MEMBER_TAGS);
    put_spread(records, &json, fields, MEMBER_INFO);
    json_end_object(&json);
}

err_t csv_records_row(const struct csv_records *records, struct arena *arena, struct text row, struct text *record,
                      struct error_info *info)
{
    struct csv_reader reader = csv_reader(row);
    struct text fields[CSV_FIELDS_MAX];
    size_t count;
    err_t error = csv_next(&reader, arena, fields, &count);
    if (error == ERROR_NOT_FOUND)
        return error;
    if (error == ERROR_NO_MEMORY)
        return error_set(info, error, NULL, NULL);
    if (error != ERROR_OK)
        return error_set(info, ERROR_INVALID_PROPERTY, NULL,
                         "the line is not CSV: a quote stands where none may stand");
    if (count != records->column_count)
        return error_set(info, ERROR_INVALID_PROPERTY, NULL, "the line has %zu cells, the header %zu", count,
                         records->column_count);
    struct buffer out = { 0 };
    put_record(records, arena, fields, &out);
    *record = out.failed ? TEXT_NONE : arena_text(arena, buffer_text(&out));
    buffer_free(&out);
    return record->ptr != NULL ? ERROR_OK : error_set(info, ERROR_NO_MEMORY, NULL, NULL);
}
