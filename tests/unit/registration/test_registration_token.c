/* Unit tests of registration/registration_token: what is written reads back, what others write is read, what is wrong
 * is named. */
#include "support/testing.h"

#include "base/encode.h"
#include "registration/registration_token.h"

#define CLOUD "f5fac26a-6f2a-4c5e-9e0a-0c5a3a1b7d11"
#define MINIMAL "\"billingModel\":\"PayAsYouUse\",\"cloudId\":\"" CLOUD "\""

struct fixture {
    struct arena *arena;
    struct registration_token token;
    struct error_info info;
};

static int set_up(void **state)
{
    struct fixture *f = calloc(1, sizeof *f);
    assert_non_null(f);
    assert_non_null(f->arena = arena_new(4096, 0));
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

static struct text encoded(struct fixture *f, struct text json)
{
    struct buffer out = { 0 };
    base64_encode(&out, json.ptr, json.len);
    struct text copy = arena_text(f->arena, buffer_text(&out));
    buffer_free(&out);
    assert_non_null(copy.ptr);
    return copy;
}

static err_t read_json(struct fixture *f, const char *json)
{
    memset(&f->info, 0, sizeof f->info);
    return registration_token_read(f->arena, encoded(f, text_of(json)), &f->token, &f->info);
}

static void assert_refused(struct fixture *f, const char *json, const char *reason)
{
    if (read_json(f, json) != ERROR_INVALID_REGISTRATION_TOKEN)
        fail_msg("taken, or refused wrongly: %s", json);
    assert_int_equal(f->info.code, ERROR_INVALID_REGISTRATION_TOKEN);
    assert_string_equal(f->info.target, "properties.registrationToken");
    if (strstr(f->info.message, reason) == NULL)
        fail_msg("%s is refused with: %s", json, f->info.message);
}

/* --- what is read --- */

static struct signature_key sample_public_key(void)
{
    struct signature_key key;
    uint8_t private_key[SIGNATURE_PRIVATE_KEY_SIZE] = { [0] = 1, [31] = 7 };
    assert_ok(signature_key_from_private(private_key, &key));
    return key;
}

static struct registration_token whole_token(struct fixture *f)
{
    struct registration_token token = { .model = BILLING_RUGGEDIZED,
                                        .agreement_number = TEXT("123"),
                                        .ms_asset_tag = TEXT("tag \"4711\" \xC3\xA4"),
                                        .usage_reporting = true,
                                        .marketplace_syndication = true,
                                        .stamp_version = TEXT("1.2301.2.58"),
                                        .issuer = REGISTRATION_TOKEN_ISSUER,
                                        .version = REGISTRATION_TOKEN_VERSION,
                                        .node_count = REGISTRATION_NODES_MAX,
                                        .has_public_key = true };
    assert_true(guid_parse(TEXT(CLOUD), &token.cloud_id));
    assert_true(guid_parse(TEXT("00000000-0000-0000-0000-000000000001"), &token.object_id));
    memcpy(token.public_key, sample_public_key().public_key, sizeof token.public_key);
    token.nodes = arena_array(f->arena, token.node_count, sizeof *token.nodes);
    assert_non_null(token.nodes);
    for (size_t i = 0; i < token.node_count; i++) {
        struct hardware_node *node = &token.nodes[i];
        node->name = arena_format(f->arena, "node%zu", i);
        node->uuid = TEXT("00112233445566778899aabbccddeeff");
        node->cores = 32 + i;
        node->bios[node->bios_count++] = TEXT("aa");
        while (node->disk_count < i)
            node->disk[node->disk_count++] = TEXT("bb");
        node->nic[node->nic_count++] = TEXT("cc");
        node->cpu[node->cpu_count++] = TEXT("dd");
        node->memory[node->memory_count++] = TEXT("ee");
    }
    return token;
}

static struct text json_of(struct fixture *f, const struct registration_token *token)
{
    struct buffer out = { 0 };
    registration_token_to_json(token, &out);
    assert_false(out.failed);
    struct text copy = arena_text(f->arena, buffer_text(&out));
    buffer_free(&out);
    return copy;
}

static void what_is_written_reads_back(void **state)
{
    struct fixture *f = *state;
    struct registration_token token = whole_token(f);
    struct buffer out = { 0 };
    registration_token_write(&token, &out);
    assert_false(out.failed);
    assert_true(buffer_len(&out) <= REGISTRATION_TOKEN_SIZE_MAX);
    assert_ok(registration_token_read(f->arena, buffer_text(&out), &f->token, &f->info));
    assert_int_equal(f->token.node_count, REGISTRATION_NODES_MAX);
    assert_int_equal(f->token.nodes[40].cores, 72);
    assert_int_equal(f->token.nodes[40].disk_count, 40);
    assert_true(guid_equal(&f->token.object_id, &token.object_id));
    assert_memory_equal(f->token.public_key, token.public_key, sizeof token.public_key);
    assert_true(text_equal(json_of(f, &f->token), json_of(f, &token)));
    buffer_free(&out);
}

/* What can sign nothing is nobody's key. */
static void a_public_key_that_is_no_point_of_the_curve_is_refused(void **state)
{
    struct fixture *f = *state;
    struct registration_token token = whole_token(f);
    struct buffer good = { 0 }, bad = { 0 };
    registration_token_write(&token, &good);
    assert_ok(registration_token_read(f->arena, buffer_text(&good), &f->token, &f->info));
    token.public_key[SIGNATURE_PUBLIC_KEY_SIZE - 1] ^= 1;
    registration_token_write(&token, &bad);
    assert_error(registration_token_read(f->arena, buffer_text(&bad), &f->token, &f->info),
                 ERROR_INVALID_REGISTRATION_TOKEN);
    assert_non_null(strstr(f->info.message, "publicKey"));
    buffer_free(&good);
    buffer_free(&bad);
}

static void a_token_of_two_members_is_enough(void **state)
{
    struct fixture *f = *state;
    assert_ok(read_json(f, "{" MINIMAL "}"));
    assert_int_equal(f->token.model, BILLING_PAY_AS_YOU_USE);
    assert_true(f->token.usage_reporting); /* the model's default */
    assert_false(f->token.marketplace_syndication);
    assert_int_equal(f->token.node_count, 0);
    assert_false(f->token.has_public_key);
    assert_text(f->token.version, "");
}

/* Names as scripts and older stamps write them; what nobody here knows is passed over. */
static void names_have_no_case_and_strange_ones_are_ignored(void **state)
{
    struct fixture *f = *state;
    assert_ok(read_json(
        f, "\xEF\xBB\xBF{\"BILLINGMODEL\":\"capacity\",\"CloudId\":\"F5FAC26A-6F2A-4C5E-9E0A-0C5A3A1B7D11\","
           "\"AgreementNumber\":\"55\",\"usagereportingenabled\":true,\"objectId\":\"\",\"TokenVersion\":\"4.0\","
           "\"version\":\"4.0\",\"extra\":{\"cloudId\":1},\"hardwareInfo\":[{\"NUMCORES\":16,\"Bios\":null}]}"));
    assert_int_equal(f->token.model, BILLING_CAPACITY);
    assert_text(f->token.agreement_number, "55");
    assert_text(f->token.version, "4.0");
    assert_int_equal(f->token.nodes[0].cores, 16);
    assert_true(f->token.usage_reporting); /* as wanted; the model decides later */
}

static void pasted_text_is_read(void **state)
{
    struct fixture *f = *state;
    struct text good = encoded(f, TEXT("{" MINIMAL "}"));
    struct text pasted =
        arena_format(f->arena, "  \r\n%.*s\r\n %.*s \t\n\n", 20, good.ptr, (int)good.len - 20, good.ptr + 20);
    assert_ok(registration_token_read(f->arena, pasted, &f->token, &f->info));
    assert_int_equal(f->token.cloud_id.bytes[0], 0xf5);
}

/* --- what is refused --- */

static void what_is_no_base64_of_json_is_refused(void **state)
{
    struct fixture *f = *state;
    static const struct {
        const char *text, *reason;
    } cases[] = { { "", "empty" },      { " \r\n", "empty" },       { "{\"cloudId\":1}", "base64" },
                  { "a", "base64" },    { "====", "base64" },       { "ab-_", "base64" },
                  { "e30", "base64" },  { "e30=", "billingModel" }, { "e30=e30=", "base64" },
                  { "W10=", "object" }, { "Ig==", "JSON" },         { "//4=", "JSON" } };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        memset(&f->info, 0, sizeof f->info);
        assert_error(registration_token_read(f->arena, text_of(cases[i].text), &f->token, &f->info),
                     ERROR_INVALID_REGISTRATION_TOKEN);
        if (strstr(f->info.message, cases[i].reason) == NULL)
            fail_msg("'%s' is refused with: %s", cases[i].text, f->info.message);
    }
}

static void every_cut_is_refused(void **state)
{
    struct fixture *f = *state;
    struct text good = encoded(f, TEXT("{" MINIMAL ",\"version\":\"1.0\"}"));
    for (size_t i = 0; i < good.len; i++)
        assert_error(registration_token_read(f->arena, (struct text){ good.ptr, i }, &f->token, &f->info),
                     ERROR_INVALID_REGISTRATION_TOKEN);
}

static void members_are_named_when_they_are_wrong(void **state)
{
    struct fixture *f = *state;
    static const struct {
        const char *json, *reason;
    } cases[] = {
        { "{\"cloudId\":\"" CLOUD "\"}", "billingModel is missing" },
        { "{\"billingModel\":null,\"cloudId\":\"" CLOUD "\"}", "billingModel is missing" },
        { "{\"billingModel\":\"Free\",\"cloudId\":\"" CLOUD "\"}", "'Free'" },
        { "{\"billingModel\":1,\"cloudId\":\"" CLOUD "\"}", "billingModel must be a string" },
        { "{\"billingModel\":\"Development\"}", "cloudId is missing" },
        { "{\"billingModel\":\"Development\",\"cloudId\":\"\"}", "cloudId is missing" },
        { "{\"billingModel\":\"Development\",\"cloudId\":\"00000000-0000-0000-0000-000000000000\"}", "all zeros" },
        { "{\"billingModel\":\"Development\",\"cloudId\":\"f5fac26a\"}", "cloudId must be a GUID" },
        { "{\"billingModel\":\"Development\",\"cloudId\":7}", "cloudId must be a string" },
        { "{" MINIMAL ",\"CLOUDID\":\"" CLOUD "\"}", "cloudId is given twice" },
        { "{" MINIMAL ",\"objectId\":\"x\"}", "objectId must be a GUID" },
        { "{" MINIMAL ",\"usageReportingEnabled\":\"true\"}", "usageReportingEnabled must be true or false" },
        { "{" MINIMAL ",\"marketplaceSyndicationEnabled\":0}", "marketplaceSyndicationEnabled" },
        { "{" MINIMAL ",\"agreementNumber\":12}", "agreementNumber must be a string" },
        { "{" MINIMAL ",\"msAssetTag\":[]}", "msAssetTag must be a string" },
        { "{" MINIMAL ",\"version\":1.0}", "version must be a string" },
        { "{" MINIMAL ",\"publicKey\":\"AAAA\"}", "publicKey" },
        { "{" MINIMAL ",\"hardwareInfo\":{}}", "hardwareInfo must be a list" },
        { "{" MINIMAL ",\"hardwareInfo\":[1]}", "hardwareInfo" },
        { "{" MINIMAL ",\"hardwareInfo\":[{\"numCores\":\"4\"}]}", "numCores must be a whole number" },
        { "{" MINIMAL ",\"hardwareInfo\":[{\"numCores\":-4}]}", "numCores" },
        { "{" MINIMAL ",\"hardwareInfo\":[{\"numCores\":99999999999}]}", "numCores" },
        { "{" MINIMAL ",\"hardwareInfo\":[{\"nic\":\"aa\"}]}", "nic must be a list" },
        { "{" MINIMAL ",\"hardwareInfo\":[{\"disk\":[1]}]}", "disk must hold short strings" },
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++)
        assert_refused(f, cases[i].json, cases[i].reason);
}

static struct text repeated(struct fixture *f, const char *head, const char *item, size_t count, const char *tail)
{
    struct buffer out = { 0 };
    buffer_append_text(&out, text_of(head));
    for (size_t i = 0; i < count; i++)
        buffer_append_format(&out, "%s%s", i > 0 ? "," : "", item);
    buffer_append_text(&out, text_of(tail));
    struct text copy = arena_text(f->arena, buffer_text(&out));
    buffer_free(&out);
    return copy;
}

static void what_is_too_much_is_refused(void **state)
{
    struct fixture *f = *state;
    const char *head = "{" MINIMAL ",\"hardwareInfo\":[";
    assert_ok(read_json(f, repeated(f, head, "{}", REGISTRATION_NODES_MAX, "]}").ptr));
    assert_refused(f, repeated(f, head, "{}", REGISTRATION_NODES_MAX + 1, "]}").ptr, "more nodes");
    head = "{" MINIMAL ",\"hardwareInfo\":[{\"nic\":[";
    assert_ok(read_json(f, repeated(f, head, "\"a\"", REGISTRATION_PARTS_MAX, "]}]}").ptr));
    assert_refused(f, repeated(f, head, "\"a\"", REGISTRATION_PARTS_MAX + 1, "]}]}").ptr, "more parts");
    assert_refused(f, repeated(f, "{" MINIMAL ",", "\"x\":1", 100, "}").ptr, "known kind");
    assert_refused(f, repeated(f, "{" MINIMAL ",\"version\":\"", "0123456789", 30, "\"}").ptr, "too long");
    assert_refused(f, repeated(f, "{" MINIMAL ",\"x\":\"", "0123456789", 20000, "\"}").ptr, "longer than");
}

static void models_that_need_more_say_so(void **state)
{
    struct fixture *f = *state;
    assert_error(read_json(f, "{\"billingModel\":\"Capacity\",\"cloudId\":\"" CLOUD "\"}"),
                 ERROR_MISSING_AGREEMENT_NUMBER);
    assert_string_equal(f->info.target, "properties.registrationToken");
    assert_non_null(strstr(f->info.message, "agreement number"));
    assert_error(read_json(f, "{\"billingModel\":\"Custom\",\"cloudId\":\"" CLOUD "\",\"msAssetTag\":\" \"}"),
                 ERROR_MISSING_MS_ASSET_TAG);
    assert_non_null(strstr(f->info.message, "asset tag"));
    assert_error(read_json(f, "{\"billingModel\":\"Ruggedized\",\"cloudId\":\"" CLOUD "\"}"),
                 ERROR_MISSING_MS_ASSET_TAG);
}

#define WITH(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

TESTS(WITH(what_is_written_reads_back), WITH(a_public_key_that_is_no_point_of_the_curve_is_refused),
      WITH(a_token_of_two_members_is_enough), WITH(names_have_no_case_and_strange_ones_are_ignored),
      WITH(pasted_text_is_read), WITH(what_is_no_base64_of_json_is_refused), WITH(every_cut_is_refused),
      WITH(members_are_named_when_they_are_wrong), WITH(what_is_too_much_is_refused),
      WITH(models_that_need_more_say_so))
