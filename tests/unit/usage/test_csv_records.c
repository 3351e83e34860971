/* Unit tests of records from CSV: cutting rows off a stream at any boundary, headers, cells. */
#include "base/arena.h"
#include "base/json.h"
#include "support/testing.h"
#include "usage/csv_records.h"

#define HEADER "id,source,subscriptionId,meterId,resourceUri,usageStartTime,usageEndTime,quantity"

struct fixture {
    struct arena *arena;
    struct csv_records records;
    struct error_info info;
};

static int set_up(void **state)
{
    struct fixture *f = calloc(1, sizeof *f);
    assert_non_null(f);
    f->arena = arena_new(65536, 0);
    *state = f;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *f = *state;
    arena_free(f->arena);
    free(f);
    return 0;
}

static void header(struct fixture *f, const char *row)
{
    if (csv_records_header(&f->records, f->arena, text_of(row), false, &f->info) != ERROR_OK)
        fail_msg("%s", f->info.message);
}

static struct text record(struct fixture *f, const char *row)
{
    struct text text;
    if (csv_records_row(&f->records, f->arena, text_of(row), &text, &f->info) != ERROR_OK)
        fail_msg("%s", f->info.message);
    return text;
}

static void cells_become_members(void **state)
{
    struct fixture *f = *state;
    header(f, HEADER ",location,tags.cc,tags.env,additionalInfo\r\n");
    assert_text(
        record(f, "1,s,sub,m,\"/a,\"\"b\"\"\",x,y,4.250,,47,,\"{\"\"a\"\":1}\"\r\n"),
        "{\"id\":\"1\",\"source\":\"s\",\"subscriptionId\":\"sub\",\"meterId\":\"m\",\"resourceUri\":\"/a,\\\"b\\\"\","
        "\"usageStartTime\":\"x\",\"usageEndTime\":\"y\",\"quantity\":\"4.250\",\"additionalInfo\":{\"a\":1},"
        "\"tags\":{\"cc\":\"47\"}}");
}

static void tags_may_be_json_or_text(void **state)
{
    struct fixture *f = *state;
    header(f, HEADER ",TAGS\n");
    assert_non_null(
        strstr(record(f, "1,s,sub,m,/a,x,y,1,\"{\"\"cc\"\":\"\"1\"\"}\"\n").ptr, "\"tags\":{\"cc\":\"1\"}}"));
    assert_non_null(strstr(record(f, "1,s,sub,m,/a,x,y,1,null\n").ptr, "\"tags\":\"null\"}"));
    assert_non_null(strstr(record(f, "1,s,sub,m,/a,x,y,1,{broken\n").ptr, "\"tags\":\"{broken\"}"));
    assert_null(strstr(record(f, "1,s,sub,m,/a,x,y,1,\n").ptr, "tags"));
}

static void headers_are_checked(void **state)
{
    struct fixture *f = *state;
    static const struct {
        const char *row, *target;
    } rows[] = {
        { HEADER ",locatoin\n", "locatoin" },    { HEADER ",id\n", "id" },     { HEADER ",tags,tags.cc\n", "tags" },
        { HEADER ",tags.cc,tags.cc\n", "tags" }, { HEADER ",id.x\n", "id.x" }, { HEADER ",tags.\n", "tags." },
        { "id,source\n", "subscriptionId" },     { HEADER ",\n", "" },
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        assert_error(csv_records_header(&f->records, f->arena, text_of(rows[i].row), false, &f->info),
                     ERROR_INVALID_PROPERTY);
        assert_string_equal(f->info.target, rows[i].target);
    }
    assert_error(csv_records_header(&f->records, f->arena, TEXT("\"open\n"), false, &f->info),
                 ERROR_INVALID_REQUEST_CONTENT);
    assert_error(csv_records_header(&f->records, f->arena, TEXT(HEADER "\n"), true, &f->info), ERROR_INVALID_PROPERTY);
    assert_string_equal(f->info.target, "reportedTime");
}

static void rows_are_checked(void **state)
{
    struct fixture *f = *state;
    struct text text;
    header(f, "\xEF\xBB\xBF" HEADER "\n");
    assert_error(csv_records_row(&f->records, f->arena, TEXT("1,2\n"), &text, &f->info), ERROR_INVALID_PROPERTY);
    assert_error(csv_records_row(&f->records, f->arena, TEXT("1,s,sub,m,/a,x,y,1,9\n"), &text, &f->info),
                 ERROR_INVALID_PROPERTY);
    assert_error(csv_records_row(&f->records, f->arena, TEXT("a\"b,s,sub,m,/a,x,y,1\n"), &text, &f->info),
                 ERROR_INVALID_PROPERTY);
    assert_error(csv_records_row(&f->records, f->arena, TEXT("\r\n"), &text, &f->info), ERROR_NOT_FOUND);
}

/* However the bytes arrive, the rows are the same. */
static void rows_are_cut_at_any_boundary(void **state)
{
    (void)state;
    static const char content[] = "a,b\r\n\"x\ny\",\"\"\"\n\"\r\n\nlast,\"\r\n\"";
    static const char *const rows[] = { "a,b\r\n", "\"x\ny\",\"\"\"\n\"\r\n", "\n", "last,\"\r\n\"" };
    for (size_t split = 0; split < sizeof content; split++) {
        size_t start = 0, end = split, row_count = 0;
        for (;;) {
            struct text rest = { content + start, end - start }, row = TEXT_NONE;
            enum csv_extent extent = csv_cut_row(&rest, end == sizeof content - 1, &row);
            if (extent == CSV_MORE) {
                assert_true(end < sizeof content - 1);
                end = sizeof content - 1;
                continue;
            }
            if (extent == CSV_END)
                break;
            assert_int_equal(extent, CSV_ROW);
            assert_true(row_count < COUNT_OF(rows));
            assert_text(row, rows[row_count++]);
            start += row.len;
        }
        assert_int_equal(row_count, COUNT_OF(rows));
    }
}

/* A quote that never closes costs one line, not the rest of the file. */
static void an_open_quote_ends_with_its_line(void **state)
{
    (void)state;
    struct text rest = TEXT("\"open,1\nb,2\n"), row = TEXT_NONE;
    assert_int_equal(csv_cut_row(&rest, true, &row), CSV_TOO_LONG);
    assert_text(row, "\"open,1\n");
    assert_int_equal(csv_cut_row(&rest, true, &row), CSV_ROW);
    assert_text(row, "b,2\n");
    assert_int_equal(csv_cut_row(&rest, true, &row), CSV_END);
    size_t size = 2 * CSV_ROW_SIZE_BYTES_MAX;
    char *large = malloc(size);
    assert_non_null(large);
    memset(large, 'x', size);
    large[0] = '"';
    large[9] = '\n';
    rest = (struct text){ large, size };
    assert_int_equal(csv_cut_row(&rest, false, &row), CSV_TOO_LONG);
    assert_int_equal(row.len, 10);
    free(large);
}

static void lines_are_counted(void **state)
{
    (void)state;
    assert_int_equal(csv_line_count(TEXT("a\n")), 1);
    assert_int_equal(csv_line_count(TEXT("a")), 1);
    assert_int_equal(csv_line_count(TEXT("\"a\nb\"\r\n")), 2);
    assert_int_equal(csv_line_count(TEXT("")), 0);
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, set_up, tear_down)
TESTS(TEST(cells_become_members), TEST(tags_may_be_json_or_text), TEST(headers_are_checked), TEST(rows_are_checked),
      TEST(rows_are_cut_at_any_boundary), TEST(an_open_quote_ends_with_its_line), TEST(lines_are_counted))
