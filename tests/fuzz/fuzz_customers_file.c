/* Fuzz target for files of customer mappings: any text is refused as a whole with a reason, or each of its lines is
 * either fit to be applied or rejected with a reason, and no two that are fit contradict each other. */
#include <stddef.h>
#include <stdint.h>

#include "base/check.h"
#include "base/instant.h"
#include "registration/customers_file.h"

#define LINES_MAX 64

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const int64_t now_ns = INT64_C(490000) * NS_PER_HOUR + 7;

static int64_t hour_of(const struct customer_line *line)
{
    return line->effective_ns == INT64_MIN ? INT64_C(490000) * NS_PER_HOUR : line->effective_ns;
}

static void check_line(const struct customers_file_line *line)
{
    const struct customer_line *parsed = &line->parsed;
    if (line->code != ERROR_OK) {
        REQUIRE(line->message != NULL && line->message[0] != '\0');
        return;
    }
    REQUIRE(!guid_is_zero(&parsed->tenant_id) && parsed->mapped == (line->customer.len > 0));
    REQUIRE(!parsed->mapped || !guid_is_zero(&parsed->customer_id));
    REQUIRE(parsed->effective_ns == INT64_MIN || parsed->effective_ns % NS_PER_HOUR == 0);
}

static void check_pair(const struct customer_line *a, const struct customer_line *b)
{
    if (hour_of(a) != hour_of(b))
        return;
    bool same_tenant = guid_equal(&a->tenant_id, &b->tenant_id);
    bool same_customer = a->mapped == b->mapped && guid_equal(&a->customer_id, &b->customer_id);
    REQUIRE(!same_tenant || same_customer);
    REQUIRE(!same_customer || same_tenant || !a->mapped);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct customers_file_line lines[LINES_MAX];
    struct error_info info = { 0 };
    size_t count, previous = 0;
    struct arena *arena = arena_new(4096, 0);
    REQUIRE(arena != NULL);
    err_t error =
        customers_file_read(arena, (struct text){ (const char *)data, size }, now_ns, lines, LINES_MAX, &count, &info);
    REQUIRE(count <= LINES_MAX);
    if (error != ERROR_OK) {
        REQUIRE(error == ERROR_INVALID_REQUEST_CONTENT || error == ERROR_REQUEST_TOO_LARGE);
        REQUIRE(info.code == error && info.message[0] != '\0');
        count = 0;
    }
    for (size_t i = 0; i < count; i++) {
        REQUIRE(lines[i].line > previous);
        previous = lines[i].line;
        check_line(&lines[i]);
        for (size_t j = 0; j < i; j++)
            if (lines[i].code == ERROR_OK && lines[j].code == ERROR_OK)
                check_pair(&lines[i].parsed, &lines[j].parsed);
    }
    arena_free(arena);
    return 0;
}
