/* Usage rows are written by hand for speed; what they say is what the JSON writer would have written. */
#include "support/testing.h"

#include "base/members.h"
#include "api/usage_rows.h"
#include "base/crypto.h"
#include "base/json.h"
#include "usage/record.h"

static const char catalogue[] = "meter_id,name,category,unit,resource_provider\n"
                                "m-1,\"A \"\"meter\"\"\",Compute,GB*hours,Microsoft.Compute\n"
                                "m-2,Other\\,x,y,Microsoft.Storage\n";

struct fixture {
    struct arena *arena;
    struct meters *meters;
};

static int set_up(void **state)
{
    struct fixture *f = calloc(1, sizeof *f);
    assert_non_null(f);
    f->arena = arena_new((size_t)64 * 1024, 0);
    assert_non_null(f->arena);
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

/* --- the same by the general writer --- */

static void reference_row(struct json_writer *json, const struct fixture *f, const struct guid *scope,
                          bool operator_form, const struct listing_row *row)
{
    char subscription[GUID_TEXT_SIZE], scope_text[GUID_TEXT_SIZE];
    guid_print(&row->subscription, subscription);
    guid_print(scope, scope_text);
    struct text name = arena_format(f->arena, "%s-%.*s", subscription, TEXT_ARGS(row->meter_id));
    json_begin_object(json);
    put_member(json, "id",
               arena_format(f->arena, "/subscriptions/%s/providers/Microsoft.Commerce/UsageAggregate/%s", scope_text,
                            name.ptr));
    put_member(json, "name", name);
    put_member(json, "type", TEXT("Microsoft.Commerce/UsageAggregate"));
    json_name(json, "properties");
    json_begin_object(json);
    put_guid_member(json, "subscriptionId", &row->subscription);
    put_offset_time_member(json, "usageStartTime", row->start_ns);
    put_offset_time_member(json, "usageEndTime", row->end_ns);
    if (row->has_instance) {
        struct buffer data = { 0 };
        listing_write_instance_data(&row->instance, &data);
        put_member(json, "instanceData", buffer_text(&data));
        buffer_free(&data);
    }
    put_quantity_member(json, "quantity", &row->quantity);
    put_member(json, "meterId", row->meter_id);
    const struct meter *meter = meters_find(f->meters, meter_fold(f->arena, row->meter_id));
    if (operator_form) {
        put_member(json, "name", name);
    } else if (meter != NULL) {
        put_member(json, "meterName", meter->name);
        put_member(json, "meterCategory", meter->category);
        put_member(json, "unit", meter->unit);
    }
    json_end_object(json);
    json_end_object(json);
}

/* --- random rows with few and nasty names, so that they come again --- */

static const char *const meter_ids[] = { "m-1", "M-1", "m-2", "un\"known\\", "gr\xc3\xbc\xc3\x9f" };
static const char *const texts[] = { "",     "/r",           "/a\"b\\c/\t",        "{\"cc\":\"4711\"}",
                                     "null", "caf\xc3\xa9/", "bad \xff\xfe utf-8", "{\"x\":\"a\\\"b\"}" };

static struct text any(struct prng *prng)
{
    return text_of(texts[prng_below(prng, COUNT_OF(texts))]);
}

static struct listing_row random_row(struct prng *prng, const struct instance *instances, uint32_t instance_count)
{
    uint32_t subscription = 1 + (uint32_t)prng_below(prng, 3), meter = (uint32_t)prng_below(prng, COUNT_OF(meter_ids));
    uint32_t instance = (uint32_t)prng_below(prng, instance_count);
    struct listing_row row = { .subscription_number = subscription,
                               .meter_number = meter + 1,
                               /* Some that share a slot. */
                               .instance_number = 1 + instance * (USAGE_ROWS_INSTANCE_SLOTS / 4),
                               .subscription = { { [15] = (uint8_t)subscription } },
                               .meter_id = text_of(meter_ids[meter]),
                               .start_ns =
                                   (int64_t)prng_below(prng, 500000) / (int64_t)(1 + prng_below(prng, 3)) * NS_PER_HOUR,
                               .has_instance = prng_below(prng, 8) != 0,
                               .instance = instances[instance] };
    struct decimal quantity;
    char text[40];
    row.end_ns = row.start_ns + NS_PER_HOUR;
    (void)snprintf(text, sizeof text, "%s%d.%09d", prng_below(prng, 9) == 0 ? "-" : "", (int)prng_below(prng, 100000),
                   (int)prng_below(prng, 1000000000));
    assert_ok(decimal_parse(text_of(text), &quantity));
    decimal_sum_add(&row.quantity, &quantity);
    return row;
}

static void rows_are_what_the_json_writer_writes(void **state)
{
    enum { INSTANCES = 12, ROWS = 300 };
    struct fixture *f = *state;
    struct prng prng = test_prng("unit-api-usage_rows");
    struct instance instances[INSTANCES];
    const struct guid scope = { { 0xab, 0xcd } };
    assert_ok(meters_load(f->arena, text_of(catalogue), &f->meters, NULL));
    for (size_t i = 0; i < INSTANCES; i++)
        instances[i] = (struct instance){
            .resource_uri = any(&prng), .location = any(&prng), .tags = any(&prng), .additional_info = any(&prng)
        };
    for (int round = 0; round < 8; round++) {
        bool operator_form = round % 2 == 0;
        struct buffer fast = { 0 }, slow = { 0 };
        struct json_writer json = json_writer(&slow);
        buffer_append_char(&fast, '[');
        json_begin_array(&json);
        struct usage_rows *rows = usage_rows_begin(f->arena, &fast, &scope, operator_form, f->meters);
        assert_non_null(rows);
        for (int i = 0; i < ROWS; i++) {
            struct listing_row row = random_row(&prng, instances, INSTANCES);
            assert_ok(usage_rows_put(rows, &row));
            reference_row(&json, f, &scope, operator_form, &row);
        }
        usage_rows_end(rows);
        buffer_append_char(&fast, ']');
        json_end_array(&json);
        struct text left = buffer_text(&fast), right = buffer_text(&slow);
        for (size_t i = 0; i < left.len && i < right.len; i++)
            if (left.ptr[i] != right.ptr[i])
                fail_msg("differs at %zu: %.*s, should be %.*s", i, 60, left.ptr + i, 60, right.ptr + i);
        assert_int_equal(left.len, right.len);
        buffer_free(&fast);
        buffer_free(&slow);
    }
}

TESTS(cmocka_unit_test_setup_teardown(rows_are_what_the_json_writer_writes, set_up, tear_down))
