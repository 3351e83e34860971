/* See customers_file.h. */
#include "registration/customers_file.h"

#include <stdlib.h>
#include <string.h>

#include "base/csv.h"
#include "base/instant.h"

#define SHOWN_SIZE_MAX 64 /* of a column's name in a message */

enum column { COLUMN_TENANT, COLUMN_CUSTOMER, COLUMN_FROM, COLUMN_COUNT };
static const char *const column_names[COLUMN_COUNT] = { "tenantId", "customerSubscriptionId", "effectiveFrom" };

struct file {
    struct arena *arena;
    struct customers_file_line *lines;
    size_t count;
    struct error_info *info;
};

/* --- line by line --- */

static err_t read_header(struct file *file, struct csv_reader *reader, size_t columns[COLUMN_COUNT],
                         struct text fields[CSV_FIELDS_MAX], size_t *named)
{
    struct error_info *info = file->info;
    size_t count = 0;
    err_t error = csv_next(reader, file->arena, fields, &count);
    if (error != ERROR_OK && error != ERROR_NOT_FOUND)
        return error == ERROR_NO_MEMORY ? error : error_set(info, error, "1", "line 1 is not valid CSV");
    for (int c = 0; c < COLUMN_COUNT; c++)
        columns[c] = SIZE_MAX;
    for (size_t i = 0; i < count; i++) {
        struct text name = text_trim(fields[i]);
        int c = 0;
        while (c < COLUMN_COUNT && !text_equal_nocase(name, text_of(column_names[c])))
            c++;
        if (c == COLUMN_COUNT || columns[c] != SIZE_MAX)
            return error_set(info, ERROR_INVALID_REQUEST_CONTENT, "1",
                             "line 1 has the column '%.*s', which is %s; the columns are tenantId, "
                             "customerSubscriptionId and effectiveFrom",
                             (int)(name.len < SHOWN_SIZE_MAX ? name.len : SHOWN_SIZE_MAX), name.ptr,
                             c == COLUMN_COUNT ? "not known" : "there twice");
        columns[c] = i;
    }
    if (columns[COLUMN_TENANT] == SIZE_MAX || columns[COLUMN_CUSTOMER] == SIZE_MAX)
        return error_set(info, ERROR_INVALID_REQUEST_CONTENT, "1",
                         "line 1 must name the columns: tenantId, customerSubscriptionId and, optional, effectiveFrom");
    *named = count;
    return ERROR_OK;
}

void customers_file_reject(struct arena *arena, struct customers_file_line *line, const struct error_info *info)
{
    struct text message = arena_text(arena, text_of(info->message));
    line->code = info->code;
    line->message = message.ptr != NULL ? message.ptr : error_text(info->code);
}

static void read_line(struct file *file, struct customers_file_line *line, struct text from)
{
    struct error_info info = { 0 };
    struct customer_line *parsed = &line->parsed;
    err_t error = customer_tenant_parse(line->tenant, "tenantId", &parsed->tenant_id, &info);
    parsed->mapped = line->customer.len > 0;
    if (error == ERROR_OK && parsed->mapped)
        error = customer_id_parse(line->customer, &parsed->customer_id, &info);
    if (error == ERROR_OK)
        error = customer_effective_parse(from, "effectiveFrom", &parsed->effective_ns, &info);
    if (error != ERROR_OK)
        customers_file_reject(file->arena, line, &info);
}

/* Fields that are missing or too many have been shifted, most likely by a comma, and mean something else. */
static void reject_field_count(struct file *file, struct customers_file_line *line, size_t count, size_t named)
{
    struct error_info info = { 0 };
    error_set(&info, ERROR_INVALID_PROPERTY, NULL, "line %zu has %zu fields, and line 1 names %zu columns", line->line,
              count, named);
    customers_file_reject(file->arena, line, &info);
}

static struct text field_of(struct text fields[CSV_FIELDS_MAX], size_t count, size_t column)
{
    return column < count ? text_trim(fields[column]) : TEXT("");
}

static err_t read_lines(struct file *file, struct text csv, size_t max)
{
    struct text fields[CSV_FIELDS_MAX];
    size_t columns[COLUMN_COUNT], named, count;
    struct csv_reader reader = csv_reader(csv);
    err_t error = read_header(file, &reader, columns, fields, &named);
    while (error == ERROR_OK && (error = csv_next(&reader, file->arena, fields, &count)) == ERROR_OK) {
        if (file->count == max)
            return error_set(file->info, ERROR_REQUEST_TOO_LARGE, NULL,
                             "a file has at most %zu lines besides the first; split it", max);
        struct customers_file_line *line = &file->lines[file->count++];
        *line = (struct customers_file_line){ .line = reader.line,
                                              .tenant = field_of(fields, count, columns[COLUMN_TENANT]),
                                              .customer = field_of(fields, count, columns[COLUMN_CUSTOMER]) };
        if (count == named)
            read_line(file, line, field_of(fields, count, columns[COLUMN_FROM]));
        else
            reject_field_count(file, line, count, named);
    }
    if (error == ERROR_NOT_FOUND)
        return ERROR_OK;
    return error == ERROR_INVALID_REQUEST_CONTENT && file->info->code == ERROR_OK
               ? error_set(file->info, error, NULL, "line %zu is not valid CSV", reader.line)
               : error;
}

/* --- lines that contradict each other --- */

/* What a line says of a tenant, or of a subscription, from some hour on. */
struct statement {
    struct guid about, says;
    int64_t effective_ns;
    struct customers_file_line *line;
};

static int compare_statements(const void *a, const void *b)
{
    const struct statement *left = a, *right = b;
    int order = memcmp(left->about.bytes, right->about.bytes, sizeof left->about.bytes);
    if (order == 0 && left->effective_ns != right->effective_ns)
        order = left->effective_ns < right->effective_ns ? -1 : 1;
    if (order == 0)
        order = memcmp(left->says.bytes, right->says.bytes, sizeof left->says.bytes);
    return order != 0 ? order : left->line < right->line ? -1 : left->line > right->line;
}

static void reject_group(struct file *file, struct statement *statements, size_t count, const char *what)
{
    struct error_info info = { 0 };
    if (guid_equal(&statements[0].says, &statements[count - 1].says))
        return; /* the same, once or more */
    for (size_t i = 0; i < count; i++) {
        bool is_first = guid_equal(&statements[i].says, &statements[0].says);
        error_set(&info, ERROR_INVALID_PROPERTY, NULL, "line %zu maps the same %s from the same hour on; keep one",
                  statements[is_first ? count - 1 : 0].line->line, what);
        customers_file_reject(file->arena, statements[i].line, &info);
    }
}

/* Nobody can tell which of two such lines is right, so none of them is applied. */
static err_t reject_contradictions(struct file *file, bool by_tenant, int64_t now_ns)
{
    struct statement *statements = arena_array(file->arena, file->count + 1, sizeof *statements);
    size_t count = 0;
    if (statements == NULL)
        return ERROR_NO_MEMORY;
    for (size_t i = 0; i < file->count; i++) {
        struct customer_line *parsed = &file->lines[i].parsed;
        if (file->lines[i].code != ERROR_OK || (!by_tenant && !parsed->mapped))
            continue;
        statements[count++] =
            (struct statement){ .about = by_tenant ? parsed->tenant_id : parsed->customer_id,
                                .says = by_tenant ? parsed->customer_id : parsed->tenant_id,
                                .effective_ns = parsed->effective_ns == INT64_MIN ? hour_start_ns(instant_hour(now_ns))
                                                                                  : parsed->effective_ns,
                                .line = &file->lines[i] };
    }
    qsort(statements, count, sizeof *statements, compare_statements);
    for (size_t first = 0, end = 0; first < count; first = end) {
        while (end < count && guid_equal(&statements[end].about, &statements[first].about) &&
               statements[end].effective_ns == statements[first].effective_ns)
            end++;
        reject_group(file, &statements[first], end - first,
                     by_tenant ? "tenant to another subscription" : "subscription to another tenant");
    }
    return ERROR_OK;
}

err_t customers_file_read(struct arena *arena, struct text csv, int64_t now_ns, struct customers_file_line *lines,
                          size_t max, size_t *count, struct error_info *info)
{
    struct file file = { .arena = arena, .lines = lines, .info = info };
    err_t error = read_lines(&file, csv, max);
    if (error == ERROR_OK)
        error = reject_contradictions(&file, true, now_ns);
    if (error == ERROR_OK)
        error = reject_contradictions(&file, false, now_ns);
    *count = file.count;
    return error;
}
