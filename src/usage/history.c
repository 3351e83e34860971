/* Outer structure is scanned, rows are parsed: so a file of any size needs the memory of one row beside itself. */
#include "usage/history.h"

#include <stdio.h>
#include <string.h>

#include "base/buffer.h"
#include "base/check.h"
#include "base/crypto.h"
#include "base/encode.h"
#include "base/instant.h"
#include "usage/record.h"

#define SEEN_CAPACITY_MIN 256
#define FALLBACK_SOURCE "import"

/* --- scanning: strings and brackets only, as json_split does --- */

static struct text skip_blanks(struct text text)
{
    while (text.len > 0 && strchr(" \t\r\n", text.ptr[0]) != NULL && text.ptr[0] != '\0') {
        text.ptr++;
        text.len--;
    }
    return text;
}

/* Index behind the string that begins at 'at'; 0 when it does not end. */
static size_t skip_string(struct text text, size_t at)
{
    for (size_t i = at + 1; i < text.len; i++) {
        if (text.ptr[i] == '\\')
            i++;
        else if (text.ptr[i] == '"')
            return i + 1;
    }
    return 0;
}

/* Length of the value at the start of text; 0 when it does not end or nothing is there. */
static size_t value_length(struct text text)
{
    size_t depth = 0, i = 0;
    while (i < text.len) {
        char c = text.ptr[i];
        if (c == '"') {
            i = skip_string(text, i);
            if (i == 0)
                return 0;
            if (depth == 0)
                return i;
            continue;
        }
        bool closes = c == '}' || c == ']';
        if (depth == 0 && (closes || c == ',' || strchr(" \t\r\n", c) != NULL))
            return i;
        i++;
        if (c == '{' || c == '[')
            depth++;
        else if (closes && --depth == 0)
            return i;
    }
    return depth == 0 ? i : 0;
}

/* Raw text of a member of the object that text begins with. False when there is none, or the object is broken. */
static bool raw_member(struct text object, struct text name, struct text *value)
{
    struct text rest = skip_blanks(object);
    if (rest.len == 0 || rest.ptr[0] != '{')
        return false;
    rest = (struct text){ rest.ptr + 1, rest.len - 1 };
    for (;;) {
        rest = skip_blanks(rest);
        if (rest.len == 0 || rest.ptr[0] != '"')
            return false;
        size_t length = skip_string(rest, 0);
        struct text key = { rest.ptr + 1, length < 2 ? 0 : length - 2 };
        rest = skip_blanks((struct text){ rest.ptr + length, rest.len - length });
        if (length == 0 || rest.len == 0 || rest.ptr[0] != ':')
            return false;
        rest = skip_blanks((struct text){ rest.ptr + 1, rest.len - 1 });
        length = value_length(rest);
        if (length == 0)
            return false;
        if (text_equal(key, name)) {
            *value = (struct text){ rest.ptr, length };
            return true;
        }
        rest = skip_blanks((struct text){ rest.ptr + length, rest.len - length });
        if (rest.len == 0 || rest.ptr[0] != ',')
            return false;
        rest = (struct text){ rest.ptr + 1, rest.len - 1 };
    }
}

/* --- documents of a file --- */

struct history_file history_file(struct text content)
{
    if (text_starts_with(content, TEXT("\xEF\xBB\xBF"))) { /* PowerShell writes a byte order mark */
        content.ptr += 3;
        content.len -= 3;
    }
    struct history_file file = { .rest = skip_blanks(content) };
    file.is_array = file.rest.len > 0 && file.rest.ptr[0] == '[';
    if (file.is_array)
        file.array = json_split(file.rest);
    return file;
}

err_t history_next_document(struct history_file *file, struct text *document)
{
    if (file->is_array) {
        if (json_split_next(&file->array, document))
            return ERROR_OK;
        return file->array.error == ERROR_OK ? ERROR_NOT_FOUND : file->array.error;
    }
    file->rest = skip_blanks(file->rest);
    if (file->rest.len == 0)
        return ERROR_NOT_FOUND;
    size_t length = value_length(file->rest);
    if (length == 0)
        return ERROR_INVALID_REQUEST_CONTENT;
    *document = (struct text){ file->rest.ptr, length };
    file->rest = (struct text){ file->rest.ptr + length, file->rest.len - length };
    return ERROR_OK;
}

/* --- one answer --- */

static err_t read_start(struct history_answer *answer, struct text document, int64_t reported_start_ns,
                        struct error_info *info)
{
    struct text request, start;
    const struct json *value;
    answer->reported_ns = reported_start_ns;
    if (raw_member(document, TEXT("request"), &request)) {
        err_t error = json_parse(answer->arena, request, &value, info);
        if (error != ERROR_OK)
            return error;
        if (json_member_string(value, TEXT("reportedStartTime"), &start) &&
            (instant_parse_lenient(start, &answer->reported_ns) != ERROR_OK || answer->reported_ns < 0))
            return error_set(info, ERROR_INVALID_PROPERTY, "reportedStartTime", "'%.*s' is not a time",
                             (int)(start.len < 64 ? start.len : 64), start.ptr);
    }
    if (answer->reported_ns < 0)
        return error_set(info, ERROR_INVALID_PROPERTY, "reportedStartTime",
                         "the answer does not say from when on it was asked for; give --reported-start TIME");
    instant_print(answer->reported_ns, answer->reported_text);
    return ERROR_OK;
}

err_t history_open(struct arena *arena, struct text document, int64_t reported_start_ns, struct history_answer *out,
                   struct error_info *info)
{
    struct text response, rows;
    _Static_assert(sizeof out->reported_text >= INSTANT_TEXT_SIZE, "an instant fits");
    *out = (struct history_answer){ .arena = arena };
    if (!raw_member(document, TEXT("response"), &response))
        response = document;
    if (!raw_member(response, TEXT("value"), &rows) || rows.ptr[0] != '[')
        return error_set(info, ERROR_INVALID_REQUEST_CONTENT, NULL,
                         "not an answer of the usage API: an object with a 'value' array of rows is expected");
    out->rows = json_split(rows);
    return read_start(out, document, reported_start_ns, info);
}

/* --- identities --- */

static size_t slot_of(const struct history_answer *answer, const uint8_t identity[32])
{
    size_t slot = (size_t)get_u64be(identity) & (answer->seen_capacity - 1);
    while (answer->repeats[slot] != 0 && memcmp(answer->seen[slot], identity, 32) != 0)
        slot = (slot + 1) & (answer->seen_capacity - 1);
    return slot;
}

/* The old table stays in the arena until the answer is through: doubling bounds that by the size of the last. */
static err_t grow_seen(struct history_answer *answer)
{
    struct history_answer grown = *answer;
    grown.seen_capacity = answer->seen_capacity == 0 ? SEEN_CAPACITY_MIN : answer->seen_capacity * 2;
    grown.seen = arena_array(answer->arena, grown.seen_capacity, sizeof *grown.seen);
    grown.repeats = arena_array(answer->arena, grown.seen_capacity, sizeof *grown.repeats);
    if (grown.seen == NULL || grown.repeats == NULL)
        return ERROR_NO_MEMORY;
    for (size_t i = 0; i < answer->seen_capacity; i++) {
        if (answer->repeats[i] == 0)
            continue;
        size_t slot = slot_of(&grown, answer->seen[i]);
        memcpy(grown.seen[slot], answer->seen[i], 32);
        grown.repeats[slot] = answer->repeats[i];
    }
    *answer = grown;
    return ERROR_OK;
}

/* How many rows of this answer had the identity before. */
static err_t count_repeat(struct history_answer *answer, const uint8_t identity[32], uint32_t *before)
{
    if (answer->seen_count * 2 >= answer->seen_capacity) {
        err_t error = grow_seen(answer);
        if (error != ERROR_OK)
            return error;
    }
    size_t slot = slot_of(answer, identity);
    if (answer->repeats[slot] == 0) {
        memcpy(answer->seen[slot], identity, 32);
        answer->seen_count++;
    }
    *before = answer->repeats[slot]++;
    return ERROR_OK;
}

/* --- rows --- */

struct row {
    struct text subscription, meter, start, end, quantity; /* quantity: JSON */
    int64_t end_ns;
    struct text resource_uri, location;
    const struct json *tags, *additional_info;
};

static err_t lacks(struct error_info *info, const char *member, const char *what)
{
    return error_set(info, ERROR_INVALID_PROPERTY, member, "the row's %s %s", member, what);
}

static err_t read_instance(struct arena *arena, const struct json *properties, struct row *row, struct error_info *info)
{
    struct text text;
    const struct json *instance;
    const struct json *value = json_member(properties, TEXT("instanceData"));
    if (value == NULL || json_type(value) == JSON_NULL)
        return lacks(info, "instanceData", "is missing");
    instance = value;
    if (json_type(value) == JSON_STRING) {
        text = json_string(value);
        err_t error = json_parse(arena, text, &instance, NULL);
        if (error != ERROR_OK)
            return error == ERROR_NO_MEMORY ? error : lacks(info, "instanceData", "is not JSON");
    }
    const struct json *resources = json_member(instance, TEXT("Microsoft.Resources"));
    if (!json_member_string(resources, TEXT("resourceUri"), &row->resource_uri) || row->resource_uri.len == 0)
        return lacks(info, "instanceData", "has no resourceUri");
    if (!json_member_string(resources, TEXT("location"), &row->location))
        row->location = TEXT("");
    row->tags = json_member(resources, TEXT("tags"));
    row->additional_info = json_member(resources, TEXT("additionalInfo"));
    return ERROR_OK;
}

static err_t read_row(struct arena *arena, const struct json *value, struct row *row, struct error_info *info)
{
    const struct json *properties = json_member(value, TEXT("properties"));
    const struct json *quantity = json_member(properties, TEXT("quantity"));
    if (properties == NULL)
        return lacks(info, "properties", "are missing");
    if (!json_member_string(properties, TEXT("subscriptionId"), &row->subscription))
        return lacks(info, "subscriptionId", "is missing");
    if (!json_member_string(properties, TEXT("meterId"), &row->meter))
        return lacks(info, "meterId", "is missing");
    if (!json_member_string(properties, TEXT("usageStartTime"), &row->start))
        return lacks(info, "usageStartTime", "is missing");
    if (!json_member_string(properties, TEXT("usageEndTime"), &row->end))
        return lacks(info, "usageEndTime", "is missing");
    if (quantity == NULL || (json_type(quantity) != JSON_NUMBER && json_type(quantity) != JSON_STRING))
        return lacks(info, "quantity", "is missing");
    row->quantity = json_minify(arena, quantity);
    return row->quantity.ptr == NULL ? ERROR_NO_MEMORY : read_instance(arena, properties, row, info);
}

/* Times in all spellings, so that two savings of one answer agree. */
static err_t read_times(struct row *row, char start[INSTANT_TEXT_SIZE], char end[INSTANT_TEXT_SIZE],
                        struct error_info *info)
{
    int64_t start_ns;
    if (instant_parse_lenient(row->start, &start_ns) != ERROR_OK)
        return lacks(info, "usageStartTime", "is not a time");
    if (instant_parse_lenient(row->end, &row->end_ns) != ERROR_OK)
        return lacks(info, "usageEndTime", "is not a time");
    instant_print(start_ns, start);
    instant_print(row->end_ns, end);
    row->start = text_of(start);
    row->end = text_of(end);
    return ERROR_OK;
}

static void hash_text(struct sha256 *hash, struct text text)
{
    uint8_t length[8];
    put_u64be(length, text.len);
    sha256_update(hash, length, sizeof length);
    if (text.len > 0)
        sha256_update(hash, text.ptr, text.len);
}

static void finish_id(const uint8_t identity[32], uint32_t repeat, char id[65])
{
    uint8_t ordinal[4], bytes[32];
    struct sha256 hash;
    put_u32be(ordinal, repeat);
    sha256_init(&hash);
    sha256_update(&hash, identity, 32);
    sha256_update(&hash, ordinal, sizeof ordinal);
    sha256_finish(&hash, bytes);
    hex_encode(bytes, sizeof bytes, id);
}

static err_t make_id(struct history_answer *answer, struct arena *arena, const struct row *row, char id[65])
{
    struct text subscription = resource_fold(arena, row->subscription);
    struct text meter = meter_fold(arena, row->meter), resource = resource_fold(arena, row->resource_uri);
    if (subscription.ptr == NULL || meter.ptr == NULL || resource.ptr == NULL)
        return ERROR_NO_MEMORY;
    struct sha256 hash;
    uint8_t identity[32];
    uint32_t before;
    sha256_init(&hash);
    hash_text(&hash, text_of(answer->reported_text));
    hash_text(&hash, subscription);
    hash_text(&hash, meter);
    hash_text(&hash, resource);
    hash_text(&hash, row->start);
    hash_text(&hash, row->end);
    sha256_finish(&hash, identity);
    err_t error = count_repeat(answer, identity, &before);
    if (error == ERROR_OK)
        finish_id(identity, before, id);
    return error;
}

/* "/subscriptions/.../providers/Microsoft.Storage/..." -> "Microsoft.Storage": the last such part, as a nested
 * resource belongs to the innermost provider. */
static struct text source_of(struct text resource_uri)
{
    struct text rest = resource_uri, piece, source = TEXT(FALLBACK_SOURCE);
    bool is_next = false;
    while (text_cut(&rest, '/', &piece)) {
        if (is_next && piece.len > 0 && piece.len <= RECORD_SOURCE_SIZE_MAX)
            source = piece;
        is_next = text_equal_nocase(piece, TEXT("providers"));
    }
    return source;
}

static void put_text(struct json_writer *json, const char *name, struct text value)
{
    json_name(json, name);
    json_put_text(json, value);
}

/* Strings stay strings, to the letter: Azure Stack sends "", "null" and JSON in a string. */
static err_t put_attributes(struct arena *arena, struct json_writer *json, const char *name, const struct json *value)
{
    if (value == NULL || json_type(value) == JSON_NULL)
        return ERROR_OK;
    struct text raw = json_minify(arena, value);
    if (raw.ptr == NULL)
        return ERROR_NO_MEMORY;
    json_name(json, name);
    json_put_raw(json, raw);
    return ERROR_OK;
}

/* An answer does not say when each of its rows was reported: at the start of what was asked for, but for long windows
 * not earlier than usage can be reported. */
static void print_reported(const struct history_answer *answer, const struct row *row, char out[INSTANT_TEXT_SIZE])
{
    int64_t earliest_ns = row->end_ns - RECORD_REPORTED_BEFORE_END_NS_MAX;
    instant_print(earliest_ns > answer->reported_ns ? earliest_ns : answer->reported_ns, out);
}

static err_t put_record(const struct history_answer *answer, struct arena *arena, const struct row *row, const char *id,
                        struct buffer *out)
{
    struct json_writer json = json_writer(out);
    char reported[INSTANT_TEXT_SIZE];
    print_reported(answer, row, reported);
    json_begin_object(&json);
    put_text(&json, "id", text_of(id));
    put_text(&json, "source", source_of(row->resource_uri));
    put_text(&json, "subscriptionId", row->subscription);
    put_text(&json, "meterId", row->meter);
    put_text(&json, "resourceUri", row->resource_uri);
    if (row->location.len > 0)
        put_text(&json, "location", row->location);
    put_text(&json, "usageStartTime", row->start);
    put_text(&json, "usageEndTime", row->end);
    json_name(&json, "quantity");
    json_put_raw(&json, row->quantity);
    err_t error = put_attributes(arena, &json, "tags", row->tags);
    if (error == ERROR_OK)
        error = put_attributes(arena, &json, "additionalInfo", row->additional_info);
    put_text(&json, "reportedTime", text_of(reported));
    json_end_object(&json);
    return error == ERROR_OK && out->failed ? ERROR_NO_MEMORY : error;
}

err_t history_next(struct history_answer *answer, struct arena *arena, struct text *record, struct error_info *info)
{
    struct text text;
    const struct json *value;
    struct row row = { 0 };
    char id[65], start[INSTANT_TEXT_SIZE], end[INSTANT_TEXT_SIZE];
    if (!json_split_next(&answer->rows, &text))
        return answer->rows.error == ERROR_OK
                   ? ERROR_NOT_FOUND
                   : error_set(info, ERROR_INVALID_REQUEST_CONTENT, NULL, "the array of rows is broken");
    err_t error = json_parse(arena, text, &value, info);
    if (error == ERROR_INVALID_REQUEST_CONTENT) /* this row only: its neighbours were told apart from it */
        error = ERROR_INVALID_PROPERTY;
    if (error == ERROR_OK)
        error = read_row(arena, value, &row, info);
    if (error == ERROR_OK)
        error = read_times(&row, start, end, info);
    if (error == ERROR_OK)
        error = make_id(answer, arena, &row, id);
    if (error != ERROR_OK)
        return error == ERROR_NO_MEMORY ? error_set(info, error, NULL, NULL) : error;
    struct buffer out = { 0 };
    error = put_record(answer, arena, &row, id, &out);
    if (error == ERROR_OK) {
        *record = arena_text(arena, buffer_text(&out));
        error = record->ptr != NULL ? ERROR_OK : ERROR_NO_MEMORY;
    }
    buffer_free(&out);
    return error;
}
