/* CSV: see csv.h. The reader keeps only a position; a quoted field is copied only if it holds a doubled quote. */
#include "base/csv.h"

#include <string.h>

struct csv_reader csv_reader(struct text content)
{
    if (text_starts_with(content, TEXT("\xEF\xBB\xBF"))) { /* spreadsheets write a byte order mark */
        content.ptr += 3;
        content.len -= 3;
    }
    return (struct csv_reader){ .rest = content, .line = 0, .next_line = 1 };
}

static void skip(struct csv_reader *reader, size_t count)
{
    reader->rest.ptr += count;
    reader->rest.len -= count;
}

static bool at(const struct csv_reader *reader, size_t offset, char c)
{
    return reader->rest.len > offset && reader->rest.ptr[offset] == c;
}

static bool undouble(struct arena *arena, struct text *field)
{
    char *out = arena_alloc(arena, field->len);
    if (out == NULL)
        return false;
    size_t length = 0;
    for (size_t i = 0; i < field->len; i++) {
        out[length++] = field->ptr[i];
        if (field->ptr[i] == '"')
            i++;
    }
    *field = (struct text){ out, length };
    return true;
}

static err_t read_quoted(struct csv_reader *reader, struct arena *arena, struct text *field)
{
    skip(reader, 1);
    bool doubled = false;
    size_t length = 0;
    for (;; length++) {
        if (length >= reader->rest.len)
            return ERROR_INVALID_REQUEST_CONTENT;
        if (reader->rest.ptr[length] == '\n')
            reader->next_line++;
        if (reader->rest.ptr[length] != '"')
            continue;
        if (!at(reader, length + 1, '"'))
            break;
        doubled = true;
        length++;
    }
    *field = (struct text){ reader->rest.ptr, length };
    skip(reader, length + 1);
    return !doubled || undouble(arena, field) ? ERROR_OK : ERROR_NO_MEMORY;
}

static err_t read_plain(struct csv_reader *reader, struct text *field)
{
    size_t length = 0;
    while (length < reader->rest.len && strchr(",\r\n", reader->rest.ptr[length]) == NULL) {
        if (reader->rest.ptr[length] == '"' || reader->rest.ptr[length] == '\0')
            return ERROR_INVALID_REQUEST_CONTENT;
        length++;
    }
    *field = (struct text){ reader->rest.ptr, length };
    skip(reader, length);
    return ERROR_OK;
}

static bool skip_line_end(struct csv_reader *reader)
{
    size_t size = at(reader, 0, '\n') ? 1 : at(reader, 0, '\r') && at(reader, 1, '\n') ? 2 : 0;
    if (size == 0)
        return false;
    skip(reader, size);
    reader->next_line++;
    return true;
}

err_t csv_next(struct csv_reader *reader, struct arena *arena, struct text fields[CSV_FIELDS_MAX], size_t *count)
{
    *count = 0;
    while (skip_line_end(reader))
        ;
    if (reader->rest.len == 0)
        return ERROR_NOT_FOUND;
    reader->line = reader->next_line;
    for (;;) {
        if (*count == CSV_FIELDS_MAX)
            return ERROR_INVALID_REQUEST_CONTENT;
        struct text *field = &fields[(*count)++];
        err_t error = at(reader, 0, '"') ? read_quoted(reader, arena, field) : read_plain(reader, field);
        if (error != ERROR_OK)
            return error;
        if (at(reader, 0, ',')) {
            skip(reader, 1);
            continue;
        }
        if (reader->rest.len == 0 || skip_line_end(reader))
            return ERROR_OK;
        return ERROR_INVALID_REQUEST_CONTENT;
    }
}

static bool is_formula(struct text field)
{
    if (field.len == 0 || strchr("=+-@\t\r", field.ptr[0]) == NULL)
        return false;
    for (size_t i = 1; i < field.len; i++)
        if (strchr("0123456789.eE+-", field.ptr[i]) == NULL)
            return true;
    return field.ptr[0] != '-' || field.len == 1;
}

void csv_put_plain(struct buffer *out, struct text field, bool first)
{
    if (!first)
        buffer_append_char(out, ',');
    buffer_append_text(out, field);
}

void csv_put(struct buffer *out, struct text field, bool first)
{
    bool formula = is_formula(field), quote = formula;
    for (size_t i = 0; i < field.len && !quote; i++)
        quote = strchr(",\"\r\n", field.ptr[i]) != NULL;
    if (!quote) {
        csv_put_plain(out, field, first);
        return;
    }
    if (!first)
        buffer_append_char(out, ',');
    buffer_append_char(out, '"');
    if (formula)
        buffer_append_char(out, '\'');
    for (size_t i = 0; i < field.len; i++) {
        if (field.ptr[i] == '"')
            buffer_append_char(out, '"');
        buffer_append_char(out, field.ptr[i]);
    }
    buffer_append_char(out, '"');
}

void csv_end_record(struct buffer *out)
{
    buffer_append_literal(out, "\r\n");
}
