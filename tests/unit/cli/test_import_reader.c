/* Unit tests of reading files to import: guessing the format, lines in bounded memory, positions, broken ends. */
#include <fcntl.h>

#include "base/arena.h"
#include "base/buffer.h"
#include "cli/import_reader.h"
#include "support/folder.h"
#include "support/testing.h"
#include "usage/record.h"

struct fixture {
    struct test_folder folder;
    char path[TEST_PATH_SIZE];
    struct arena *arena;
    struct import_reader *reader;
    struct error_info info;
};

static int set_up(void **state)
{
    struct fixture *f = calloc(1, sizeof *f);
    assert_non_null(f);
    test_folder_make(&f->folder);
    f->arena = arena_new(65536, 0);
    *state = f;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *f = *state;
    import_reader_close(f->reader);
    arena_free(f->arena);
    test_folder_remove(&f->folder);
    free(f);
    return 0;
}

static err_t open_text(struct fixture *f, const char *name, struct text content, enum import_format format)
{
    test_folder_path(&f->folder, name, f->path);
    FILE *file = fopen(f->path, "wb");
    assert_non_null(file);
    assert_int_equal(fwrite(content.ptr, 1, content.len, file), content.len);
    assert_int_equal(fclose(file), 0);
    import_reader_close(f->reader);
    f->reader = NULL;
    const struct import_reader_options options = { .path = f->path, .format = format, .reported_start_ns = -1 };
    return import_reader_open(&options, &f->reader, &f->info);
}

static struct import_item next(struct fixture *f)
{
    struct import_item item;
    if (import_reader_next(f->reader, f->arena, &item, &f->info) != ERROR_OK)
        fail_msg("%s", f->info.message);
    return item;
}

static void assert_end(struct fixture *f)
{
    struct import_item item;
    assert_error(import_reader_next(f->reader, f->arena, &item, &f->info), ERROR_NOT_FOUND);
}

static void formats_are_guessed(void **state)
{
    struct fixture *f = *state;
    static const struct {
        const char *name, *content;
        enum import_format format;
    } files[] = {
        { "a.csv", "id,source,subscriptionId,meterId,resourceUri,usageStartTime,usageEndTime,quantity\n", IMPORT_CSV },
        { "a", "id,source,subscriptionId,meterId,resourceUri,usageStartTime,usageEndTime,quantity\n", IMPORT_CSV },
        { "a.ndjson", "{}", IMPORT_NDJSON },
        { "a.jsonl", "", IMPORT_NDJSON },
        { "a.json", "{\"id\":\"1\"}\n{\"id\":\"2\"}\n", IMPORT_NDJSON },
        { "a.json", "{\n \"id\":\"1\"\n}\n", IMPORT_JSON },
        { "a.json", " [{\"id\":\"1\"}]", IMPORT_JSON },
        { "a.json", "[]", IMPORT_JSON },
        { "a.json", "{\"request\":{},\"response\":{}}", IMPORT_ARM },
        { "a.txt", "\xEF\xBB\xBF[ { \"value\": [] } ]", IMPORT_ARM },
        { "a.ndjson", "{\"value\":[]}\n", IMPORT_ARM },
        { "a", "", IMPORT_NDJSON },
    };
    for (size_t i = 0; i < COUNT_OF(files); i++) {
        assert_ok(open_text(f, files[i].name, text_of(files[i].content), IMPORT_GUESS));
        if (import_reader_format(f->reader) != files[i].format)
            fail_msg("%s: guessed %s, not %s", files[i].content, import_format_name(import_reader_format(f->reader)),
                     import_format_name(files[i].format));
    }
}

static void lines_have_positions(void **state)
{
    struct fixture *f = *state;
    assert_ok(open_text(f, "a.ndjson", TEXT("\xEF\xBB\xBF{\"a\":1}\r\n\n  \n{\"b\":2}"), IMPORT_GUESS));
    struct import_item item = next(f);
    assert_int_equal(item.position, 1);
    assert_text(item.record, "{\"a\":1}");
    item = next(f);
    assert_int_equal(item.position, 4);
    assert_text(item.record, "{\"b\":2}");
    assert_end(f);
    assert_end(f);
}

/* A line of megabytes is rejected as one record and does not grow the memory with it. */
static void long_lines_are_rejected(void **state)
{
    struct fixture *f = *state;
    struct buffer content = { 0 };
    buffer_append_literal(&content, "{\"a\":1}\n");
    for (size_t i = 0; i < 3000000; i++)
        buffer_append_char(&content, 'x');
    buffer_append_literal(&content, "\n{\"b\":2}\n");
    for (size_t i = 0; i < RECORD_SIZE_BYTES_MAX + 2000; i++)
        buffer_append_char(&content, 'y');
    assert_false(content.failed);
    assert_ok(open_text(f, "a.ndjson", buffer_text(&content), IMPORT_GUESS));
    buffer_free(&content);
    assert_int_equal(next(f).position, 1);
    struct import_item item = next(f);
    assert_int_equal(item.position, 2);
    assert_null(item.record.ptr);
    assert_int_equal(item.info.code, ERROR_RECORD_TOO_LARGE);
    item = next(f);
    assert_int_equal(item.position, 3);
    assert_text(item.record, "{\"b\":2}");
    assert_int_equal(next(f).info.code, ERROR_RECORD_TOO_LARGE);
    assert_end(f);
}

static void csv_rows_have_the_line_they_begin_in(void **state)
{
    struct fixture *f = *state;
    assert_ok(open_text(f, "a.csv",
                        TEXT("id,source,subscriptionId,meterId,resourceUri,usageStartTime,usageEndTime,quantity\r\n"
                             "1,s,g,m,\"/a\nb\",x,y,1\r\n\r\nshort\n2,s,g,m,/c,x,y,1"),
                        IMPORT_GUESS));
    assert_int_equal(next(f).position, 2);
    struct import_item item = next(f);
    assert_int_equal(item.position, 5);
    assert_null(item.record.ptr);
    item = next(f);
    assert_int_equal(item.position, 6);
    assert_non_null(item.record.ptr);
    assert_end(f);
}

static void broken_json_ends_the_import(void **state)
{
    struct fixture *f = *state;
    struct import_item item;
    assert_ok(open_text(f, "a.json", TEXT("[{\"a\":1},{\"b\":2} oops"), IMPORT_JSON));
    assert_int_equal(next(f).position, 1);
    err_t error;
    while ((error = import_reader_next(f->reader, f->arena, &item, &f->info)) == ERROR_OK)
        ;
    assert_error(error, ERROR_INVALID_REQUEST_CONTENT);
}

static void the_recorded_hour_is_found(void **state)
{
    struct fixture *f = *state;
    const struct import_reader_options options = { .path = "tests/data/recorded-hour.json",
                                                   .history = true,
                                                   .reported_start_ns = -1 };
    assert_ok(import_reader_open(&options, &f->reader, &f->info));
    assert_int_equal(import_reader_format(f->reader), IMPORT_ARM);
    for (uint64_t i = 1; i <= 236; i++) {
        struct import_item item = next(f);
        assert_true(item.position == i && item.record.ptr != NULL);
    }
    assert_end(f);
}

static void what_cannot_be_read_is_said(void **state)
{
    struct fixture *f = *state;
    struct import_item item;
    struct import_reader_options options = { .path = "/nonexistent/file", .reported_start_ns = -1 };
    assert_error(import_reader_open(&options, &f->reader, &f->info), ERROR_NOT_FOUND);
    options.path = f->folder.path;
    assert_error(import_reader_open(&options, &f->reader, &f->info), ERROR_IO);
    assert_ok(open_text(f, "a.json", TEXT("{\"value\":[]}"), IMPORT_GUESS));
    assert_error(import_reader_next(f->reader, f->arena, &item, &f->info), ERROR_INVALID_PROPERTY);
    assert_string_equal(f->info.target, "reportedStartTime");
    assert_error(open_text(f, "a.csv", TEXT(""), IMPORT_GUESS), ERROR_INVALID_REQUEST_CONTENT);
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, set_up, tear_down)
TESTS(TEST(formats_are_guessed), TEST(lines_have_positions), TEST(long_lines_are_rejected),
      TEST(csv_rows_have_the_line_they_begin_in), TEST(broken_json_ends_the_import), TEST(the_recorded_hour_is_found),
      TEST(what_cannot_be_read_is_said))
