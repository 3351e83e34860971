/* One input buffer; lines are cut from its front, whole files are read into it first. */
#include "cli/import_reader.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/buffer.h"
#include "base/check.h"
#include "base/json.h"
#include "base/memory.h"
#include "usage/csv_records.h"
#include "usage/history.h"
#include "usage/record.h"

#define CHUNK_BYTES ((size_t)256 * 1024)
#define GUESS_BYTES ((size_t)256 * 1024)
/* Blanks around a record do not count as part of it, within reason. */
#define LINE_BYTES_MAX ((size_t)RECORD_SIZE_BYTES_MAX + 1024)

struct import_reader {
    struct import_reader_options options;
    int fd;
    bool at_end;
    struct buffer input;
    uint64_t position;
    struct arena *arena; /* header, or the answer being read */
    /* by format */
    bool skipping; /* NDJSON: behind the start of a line that is too long */
    struct csv_records csv;
    struct json_splitter array;
    struct history_file file;
    struct history_answer answer;
    bool has_answer;
};

static const char *const format_names[] = { "guess", "ndjson", "json", "csv", "arm" };

const char *import_format_name(enum import_format format)
{
    return format_names[format];
}

bool import_format_parse(struct text name, enum import_format *format)
{
    for (int i = IMPORT_NDJSON; i <= IMPORT_ARM; i++) {
        if (text_equal_nocase(name, text_of(format_names[i]))) {
            *format = (enum import_format)i;
            return true;
        }
    }
    return false;
}

enum import_format import_reader_format(const struct import_reader *reader)
{
    return reader->options.format;
}

/* --- input --- */

static const char *path_shown(const struct import_reader *reader)
{
    return strcmp(reader->options.path, "-") == 0 ? "standard input" : reader->options.path;
}

static err_t fill(struct import_reader *reader, struct error_info *info)
{
    char *room = buffer_reserve(&reader->input, CHUNK_BYTES);
    if (room == NULL)
        return error_set(info, ERROR_NO_MEMORY, NULL, NULL);
    ssize_t count;
    do
        count = read(reader->fd, room, CHUNK_BYTES);
    while (count < 0 && errno == EINTR);
    if (count < 0)
        return error_set(info, ERROR_IO, NULL, "reading %s: %s", path_shown(reader), strerror(errno));
    reader->input.end += (size_t)count;
    reader->at_end = count == 0;
    return ERROR_OK;
}

static err_t fill_all(struct import_reader *reader, struct error_info *info)
{
    while (!reader->at_end) {
        if (buffer_len(&reader->input) > IMPORT_WHOLE_BYTES_MAX)
            return error_set(info, ERROR_REQUEST_TOO_LARGE, NULL,
                             "%s is larger than 1 GiB, the most that is read as %s; split it or use NDJSON",
                             path_shown(reader), import_format_name(reader->options.format));
        err_t error = fill(reader, info);
        if (error != ERROR_OK)
            return error;
    }
    return ERROR_OK;
}

/* --- guessing --- */

static bool has_extension(const char *path, const char *extension)
{
    struct text name = text_of(path), wanted = text_of(extension);
    return name.len > wanted.len &&
           text_equal_nocase((struct text){ name.ptr + name.len - wanted.len, wanted.len }, wanted);
}

/* Whether the first object in the text looks like a saved answer by its first member's name. */
static bool looks_like_answer(struct text text)
{
    static const char *const names[] = { "request", "response", "value", "nextLink", "@odata.context" };
    const char *brace = memchr(text.ptr, '{', text.len);
    if (brace == NULL)
        return false;
    struct text rest = text_trim((struct text){ brace + 1, text.len - (size_t)(brace + 1 - text.ptr) });
    if (rest.len == 0 || rest.ptr[0] != '"')
        return false;
    const char *end = memchr(rest.ptr + 1, '"', rest.len - 1);
    struct text name = { rest.ptr + 1, end == NULL ? 0 : (size_t)(end - rest.ptr - 1) };
    for (size_t i = 0; i < COUNT_OF(names); i++)
        if (text_equal(name, text_of(names[i])))
            return true;
    return false;
}

static enum import_format guess(const char *path, struct text begin)
{
    struct text trimmed = text_trim(begin), line;
    if (text_starts_with(trimmed, TEXT("\xEF\xBB\xBF")))
        trimmed = text_trim((struct text){ trimmed.ptr + 3, trimmed.len - 3 });
    if (has_extension(path, ".csv"))
        return IMPORT_CSV;
    if (trimmed.len > 0 && (trimmed.ptr[0] == '{' || trimmed.ptr[0] == '[') && looks_like_answer(trimmed))
        return IMPORT_ARM;
    if (has_extension(path, ".ndjson") || has_extension(path, ".jsonl") || trimmed.len == 0)
        return IMPORT_NDJSON;
    if (trimmed.ptr[0] == '[')
        return IMPORT_JSON;
    if (trimmed.ptr[0] != '{')
        return IMPORT_CSV;
    /* An object that ends with its line is NDJSON, also when it is the only one. */
    bool has_line = text_cut(&trimmed, '\n', &line);
    line = text_trim(line);
    return has_line && line.ptr[line.len - 1] == '}' ? IMPORT_NDJSON : IMPORT_JSON;
}

/* --- opening --- */

static err_t cut_row(struct import_reader *reader, struct text *row, enum csv_extent *extent, struct error_info *info)
{
    for (;;) {
        struct text rest = buffer_text(&reader->input);
        *extent = csv_cut_row(&rest, reader->at_end, row);
        if (*extent != CSV_MORE)
            return ERROR_OK;
        err_t error = fill(reader, info);
        if (error != ERROR_OK)
            return error;
    }
}

static err_t open_csv(struct import_reader *reader, struct error_info *info)
{
    struct text row = TEXT_NONE;
    enum csv_extent extent;
    err_t error = cut_row(reader, &row, &extent, info);
    if (error != ERROR_OK)
        return error;
    if (extent != CSV_ROW)
        return error_set(info, ERROR_INVALID_REQUEST_CONTENT, NULL, "%s has no header line", path_shown(reader));
    reader->position = 1;
    error = csv_records_header(&reader->csv, reader->arena, row, reader->options.history, info);
    reader->position += csv_line_count(row);
    buffer_consume(&reader->input, row.len);
    return error;
}

static err_t open_format(struct import_reader *reader, struct error_info *info)
{
    while (!reader->at_end && buffer_len(&reader->input) < GUESS_BYTES) {
        err_t error = fill(reader, info);
        if (error != ERROR_OK)
            return error;
    }
    if (reader->options.format == IMPORT_GUESS)
        reader->options.format = guess(reader->options.path, buffer_text(&reader->input));
    if (reader->options.format == IMPORT_CSV)
        return open_csv(reader, info);
    if (reader->options.format == IMPORT_NDJSON)
        return ERROR_OK;
    err_t error = fill_all(reader, info);
    if (error == ERROR_OK && reader->options.format == IMPORT_JSON)
        reader->array = json_split(buffer_text(&reader->input));
    else if (error == ERROR_OK)
        reader->file = history_file(buffer_text(&reader->input));
    return error;
}

err_t import_reader_open(const struct import_reader_options *options, struct import_reader **out,
                         struct error_info *info)
{
    struct import_reader *reader = memory_zalloc(1, sizeof *reader);
    if (reader == NULL || (reader->arena = arena_new(16384, 0)) == NULL) {
        memory_free(reader);
        return error_set(info, ERROR_NO_MEMORY, NULL, NULL);
    }
    reader->options = *options;
    reader->fd = strcmp(options->path, "-") == 0 ? STDIN_FILENO : open(options->path, O_RDONLY | O_CLOEXEC);
    err_t error = reader->fd >= 0 ? open_format(reader, info)
                                  : error_set(info, errno == ENOENT ? ERROR_NOT_FOUND : ERROR_IO, NULL, "%s: %s",
                                              options->path, strerror(errno));
    if (error != ERROR_OK) {
        import_reader_close(reader);
        return error;
    }
    *out = reader;
    return ERROR_OK;
}

void import_reader_close(struct import_reader *reader)
{
    if (reader == NULL)
        return;
    if (reader->fd > STDIN_FILENO)
        close(reader->fd);
    buffer_free(&reader->input);
    arena_free(reader->arena);
    memory_free(reader);
}

/* --- reading --- */

static err_t give(struct arena *arena, struct text record, struct import_item *item, struct error_info *info)
{
    item->record = arena_text(arena, record);
    return item->record.ptr != NULL ? ERROR_OK : error_set(info, ERROR_NO_MEMORY, NULL, NULL);
}

static err_t give_too_long(struct import_item *item)
{
    error_set(&item->info, ERROR_RECORD_TOO_LARGE, NULL, NULL);
    return ERROR_OK;
}

/* The next line without its end; too_long: only its beginning was there to see, and it is gone by now. */
static err_t next_line(struct import_reader *reader, struct text *line, bool *too_long, struct error_info *info)
{
    *too_long = false;
    for (;;) {
        struct text input = buffer_text(&reader->input);
        const char *end = input.len > 0 ? memchr(input.ptr, '\n', input.len) : NULL;
        if (end != NULL || (reader->at_end && (input.len > 0 || reader->skipping))) {
            size_t length = end != NULL ? (size_t)(end - input.ptr) : input.len;
            *line = (struct text){ input.ptr, length };
            buffer_consume(&reader->input, end != NULL ? length + 1 : length);
            *too_long = reader->skipping || length > LINE_BYTES_MAX;
            reader->skipping = false;
            reader->position++;
            return ERROR_OK;
        }
        if (reader->at_end)
            return ERROR_NOT_FOUND;
        if (input.len > LINE_BYTES_MAX) {
            reader->skipping = true;
            buffer_clear(&reader->input);
        }
        err_t error = fill(reader, info);
        if (error != ERROR_OK)
            return error;
    }
}

static err_t next_ndjson(struct import_reader *reader, struct arena *arena, struct import_item *item,
                         struct error_info *info)
{
    for (;;) {
        struct text line;
        bool too_long;
        err_t error = next_line(reader, &line, &too_long, info);
        if (error != ERROR_OK)
            return error;
        item->position = reader->position;
        if (too_long)
            return give_too_long(item);
        line = text_trim(line);
        if (reader->position == 1 && text_starts_with(line, TEXT("\xEF\xBB\xBF")))
            line = text_trim((struct text){ line.ptr + 3, line.len - 3 });
        if (line.len > 0)
            return give(arena, line, item, info);
    }
}

static err_t next_csv(struct import_reader *reader, struct arena *arena, struct import_item *item,
                      struct error_info *info)
{
    for (;;) {
        struct text row = TEXT_NONE;
        enum csv_extent extent;
        err_t error = cut_row(reader, &row, &extent, info);
        if (error != ERROR_OK)
            return error;
        if (extent == CSV_END)
            return ERROR_NOT_FOUND;
        item->position = reader->position;
        reader->position += csv_line_count(row);
        if (extent == CSV_ROW)
            error = csv_records_row(&reader->csv, arena, row, &item->record, &item->info);
        else
            error_set(&item->info, ERROR_INVALID_PROPERTY, NULL,
                      "a quoted cell that begins here does not end within %zu KiB", CSV_ROW_SIZE_BYTES_MAX / 1024);
        buffer_consume(&reader->input, row.len);
        if (error == ERROR_NO_MEMORY)
            return error_set(info, error, NULL, NULL);
        if (error != ERROR_NOT_FOUND)
            return ERROR_OK;
    }
}

static err_t next_json(struct import_reader *reader, struct arena *arena, struct import_item *item,
                       struct error_info *info)
{
    struct text element;
    if (!json_split_next(&reader->array, &element))
        return reader->array.error == ERROR_OK
                   ? ERROR_NOT_FOUND
                   : error_set(info, ERROR_INVALID_REQUEST_CONTENT, NULL,
                               "%s is not a JSON array of records from record %llu on; nothing behind it was read",
                               path_shown(reader), (unsigned long long)reader->position + 1);
    item->position = ++reader->position;
    return element.len > RECORD_SIZE_BYTES_MAX ? give_too_long(item) : give(arena, element, item, info);
}

static err_t next_answer(struct import_reader *reader, struct error_info *info)
{
    struct text document;
    arena_reset(reader->arena);
    err_t error = history_next_document(&reader->file, &document);
    if (error == ERROR_INVALID_REQUEST_CONTENT)
        return error_set(info, error, NULL, "%s is not JSON behind row %llu; nothing behind it was read",
                         path_shown(reader), (unsigned long long)reader->position);
    if (error == ERROR_OK)
        error = history_open(reader->arena, document, reader->options.reported_start_ns, &reader->answer, info);
    reader->has_answer = error == ERROR_OK;
    return error;
}

static err_t next_arm(struct import_reader *reader, struct arena *arena, struct import_item *item,
                      struct error_info *info)
{
    for (;;) {
        if (!reader->has_answer) {
            err_t error = next_answer(reader, info);
            if (error != ERROR_OK)
                return error;
        }
        err_t error = history_next(&reader->answer, arena, &item->record, &item->info);
        if (error == ERROR_NOT_FOUND) {
            reader->has_answer = false;
            continue;
        }
        if (error == ERROR_INVALID_REQUEST_CONTENT || error == ERROR_NO_MEMORY) {
            *info = item->info;
            return error;
        }
        item->position = ++reader->position;
        if (error != ERROR_OK)
            item->record = TEXT_NONE;
        return ERROR_OK;
    }
}

err_t import_reader_next(struct import_reader *reader, struct arena *arena, struct import_item *item,
                         struct error_info *info)
{
    *item = (struct import_item){ .record = TEXT_NONE };
    switch (reader->options.format) {
    case IMPORT_NDJSON:
        return next_ndjson(reader, arena, item, info);
    case IMPORT_JSON:
        return next_json(reader, arena, item, info);
    case IMPORT_CSV:
        return next_csv(reader, arena, item, info);
    case IMPORT_ARM:
        return next_arm(reader, arena, item, info);
    case IMPORT_GUESS:
        break;
    }
    REQUIREF(false, "format=%d", (int)reader->options.format);
    return ERROR_INTERNAL;
}
