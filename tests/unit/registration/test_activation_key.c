/* Unit tests of registration/activation_key: what is signed reads back, the payload is that of spec 6.6, and whatever
 * is not signed well or not whole is refused with the reason. */
#include "registration/key_fixture.h"

#include "base/encode.h"
#include "base/json.h"
#include "base/jws.h"

#define REST                                                                                                           \
    "\"resourceGroupName\":\"g\",\"registrationName\":\"n\",\"billingModel\":\"Development\","                         \
    "\"expires\":\"2027-01-31T12:00:00.0000000Z\""
#define WHO "\"cloudId\":\"" CLOUD "\",\"subscriptionId\":\"" PAYER "\""

struct fixture {
    struct arena *arena;
    struct signature_key signer;
    struct activation_key key;
    struct error_info info;
};

static int set_up(void **state)
{
    struct fixture *f = calloc(1, sizeof *f);
    assert_non_null(f);
    assert_non_null(f->arena = arena_new(4096, 0));
    f->signer = new_signer();
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

static void assert_refused(struct fixture *f, struct text text, const char *reason)
{
    memset(&f->info, 0, sizeof f->info);
    if (activation_key_read(f->arena, text, &f->key, &f->info) != ERROR_INVALID_ACTIVATION_KEY)
        fail_msg("taken, or refused wrongly: %.*s", TEXT_ARGS(text));
    assert_string_equal(f->info.target, "properties.activationKey");
    if (reason != NULL && strstr(f->info.message, reason) == NULL)
        fail_msg("refused with: %s", f->info.message);
}

/* A payload of our own, signed well. */
static struct text signed_payload(struct fixture *f, const char *payload)
{
    struct buffer out = { 0 };
    assert_ok(jws_sign(&f->signer, text_of(payload), &out));
    struct text copy = arena_text(f->arena, buffer_text(&out));
    buffer_free(&out);
    return copy;
}

static err_t read_payload(struct fixture *f, const char *payload)
{
    return activation_key_read(f->arena, signed_payload(f, payload), &f->key, &f->info);
}

static void what_is_signed_reads_back(void **state)
{
    struct fixture *f = *state;
    struct activation_key key = sample_key();
    key.object_id = key.subscription_id;
    struct text text = key_text(f->arena, &key, &f->signer);
    assert_ok(activation_key_read(f->arena, text, &f->key, &f->info));
    assert_true(guid_equal(&f->key.cloud_id, &key.cloud_id));
    assert_true(guid_equal(&f->key.subscription_id, &key.subscription_id));
    assert_true(guid_equal(&f->key.object_id, &key.object_id));
    assert_text(f->key.resource_group, "azurestack");
    assert_text(f->key.registration_name, "azurestack-one");
    assert_int_equal(f->key.model, BILLING_PAY_AS_YOU_USE);
    assert_text(f->key.usage_endpoint, "https://commerce.example:8443");
    assert_text(f->key.usage_resource_uri, "https://usage.microsoftazurestack.com");
    assert_text(f->key.marketplace_endpoint, "https://management.azure.com");
    assert_text(f->key.marketplace_resource_uri, "https://marketplace.microsoftazurestack.com");
    assert_true(f->key.usage_reporting);
    assert_false(f->key.marketplace_syndication);
    assert_int_equal(f->key.issued_ns, key.issued_ns);
    assert_int_equal(f->key.expires_ns, key.expires_ns);
    assert_text(f->key.issuer, "Stampmeter");
    assert_text(f->key.version, "1.0");
    assert_string_equal(f->key.key_id, f->signer.key_id);
    assert_memory_equal(f->key.public_key, f->signer.public_key, sizeof f->key.public_key);
    assert_true(text_equal(f->key.text, text));
}

/* The members of spec 6.6, all of them but hardwareInfo, and "issued". */
static void the_payload_is_that_of_the_specification(void **state)
{
    struct fixture *f = *state;
    struct activation_key key = sample_key();
    struct jws jws;
    assert_ok(jws_verify(f->arena, key_text(f->arena, &key, &f->signer), &jws, &f->info));
    assert_text(jws.payload,
                "{\"subscriptionId\":\"" PAYER "\",\"resourceGroupName\":\"azurestack\","
                "\"registrationName\":\"azurestack-one\",\"certPinningRootSubjects\":[],"
                "\"certPinningIntermediateThumbprints\":[],\"usageEndpoint\":\"https://commerce.example:8443\","
                "\"usageResourceUri\":\"https://usage.microsoftazurestack.com\","
                "\"marketplaceEndpoint\":\"https://management.azure.com\","
                "\"marketplaceResourceUri\":\"https://marketplace.microsoftazurestack.com\","
                "\"issued\":\"2026-01-31T12:00:00.1234567Z\",\"expires\":\"2027-01-31T12:00:00.0000000Z\","
                "\"cloudId\":\"" CLOUD "\",\"billingModel\":\"PayAsYouUse\",\"usageReportingEnabled\":true,"
                "\"marketplaceSyndicationEnabled\":false,\"issuer\":\"Stampmeter\",\"version\":\"1.0\"}");
}

static void a_key_may_never_expire(void **state)
{
    struct fixture *f = *state;
    struct activation_key key = sample_key();
    struct jws jws;
    key.expires_ns = ACTIVATION_NEVER_EXPIRES;
    struct text text = key_text(f->arena, &key, &f->signer);
    assert_ok(jws_verify(f->arena, text, &jws, &f->info));
    assert_non_null(strstr(arena_text(f->arena, jws.payload).ptr, "\"expires\":\"9999-12-30T23:59:59.9999999Z\""));
    assert_ok(activation_key_read(f->arena, text, &f->key, &f->info));
    assert_int_equal(f->key.expires_ns, ACTIVATION_NEVER_EXPIRES);
    assert_ok(read_payload(f, "{" WHO
                              ",\"resourceGroupName\":\"g\",\"registrationName\":\"n\",\"billingModel\":\"Custom\","
                              "\"expires\":\"2262-01-01T00:00:00Z\"}"));
    assert_int_equal(f->key.expires_ns, ACTIVATION_NEVER_EXPIRES);
    assert_int_equal(f->key.issued_ns, INT64_MIN);
}

static void pasted_text_is_read(void **state)
{
    struct fixture *f = *state;
    struct activation_key key = sample_key();
    struct text good = key_text(f->arena, &key, &f->signer);
    struct text pasted = arena_format(f->arena, "\r\n  %.*s\r\n%.*s\n%.*s \t\n", 76, good.ptr, 76, good.ptr + 76,
                                      (int)good.len - 152, good.ptr + 152);
    assert_ok(activation_key_read(f->arena, pasted, &f->key, &f->info));
    assert_true(text_equal(f->key.text, good));
}

static void one_changed_character_anywhere_is_refused(void **state)
{
    struct fixture *f = *state;
    struct activation_key key = sample_key();
    struct text text = key_text(f->arena, &key, &f->signer);
    char *changed = (char *)(uintptr_t)text.ptr;
    struct prng prng = test_prng("test_activation_key");
    /* Every tenth, from a random one on: a signature takes a millisecond to check. */
    for (size_t i = prng_below(&prng, 10); i < text.len; i += 10) {
        char kept = changed[i];
        changed[i] = (char)(kept == 'A' ? 'B' : 'A');
        assert_refused(f, text, NULL);
        changed[i] = kept;
    }
    for (size_t cut = prng_below(&prng, 50); cut < text.len; cut += 50)
        assert_refused(f, (struct text){ text.ptr, cut }, NULL);
    assert_ok(activation_key_read(f->arena, text, &f->key, &f->info));
}

static void what_others_signed_is_read_but_named_as_theirs(void **state)
{
    struct fixture *f = *state;
    struct activation_key key = sample_key();
    struct signature_key other = new_signer();
    assert_ok(activation_key_read(f->arena, key_text(f->arena, &key, &other), &f->key, &f->info));
    assert_string_equal(f->key.key_id, other.key_id);
}

static void forms_that_are_none_are_refused(void **state)
{
    struct fixture *f = *state;
    assert_refused(f, TEXT(""), "three parts");
    assert_refused(f, TEXT("abc"), "three parts");
    assert_refused(f, TEXT("{\"activationKey\":\"x\"}"), "three parts");
    assert_refused(f, signed_payload(f, "[]"), "no JSON object");
    assert_refused(f, signed_payload(f, "{"), "no JSON object");
    assert_refused(f, signed_payload(f, "{" WHO "," REST ",\"expires\":\"9999-12-30T23:59:59.9999999Z\"}"), "twice");
    struct buffer huge = { 0 };
    while (buffer_len(&huge) <= ACTIVATION_KEY_SIZE_MAX)
        buffer_append_literal(&huge, "AAAAAAAAAAAAAAA.");
    assert_refused(f, buffer_text(&huge), "longer");
    buffer_free(&huge);
}

static void members_that_are_wrong_are_named(void **state)
{
    struct fixture *f = *state;
    static const struct {
        const char *payload, *reason;
    } cases[] = {
        { "{\"subscriptionId\":\"" PAYER "\"," REST "}", "cloudId is missing" },
        { "{\"cloudId\":\"00000000-0000-0000-0000-000000000000\",\"subscriptionId\":\"" PAYER "\"," REST "}",
          "cloudId is missing" },
        { "{\"cloudId\":\"" CLOUD "\"," REST "}", "subscriptionId is missing" },
        { "{\"cloudId\":7,\"subscriptionId\":\"" PAYER "\"," REST "}", "cloudId is no GUID" },
        { "{" WHO ",\"registrationName\":\"n\",\"billingModel\":\"Custom\",\"expires\":\"2027-01-31T12:00:00Z\"}",
          "resourceGroupName is missing" },
        { "{" WHO ",\"resourceGroupName\":\"g\",\"billingModel\":\"Custom\",\"expires\":\"2027-01-31T12:00:00Z\"}",
          "registrationName is missing" },
        { "{" WHO ",\"resourceGroupName\":\"g\",\"registrationName\":\"n\",\"billingModel\":\"Custom\"}",
          "expires is missing" },
        { "{" WHO ",\"resourceGroupName\":\"g\",\"registrationName\":\"n\",\"billingModel\":\"Free\","
          "\"expires\":\"2027-01-31T12:00:00Z\"}",
          "billingModel is none" },
        { "{" WHO ",\"resourceGroupName\":\"g\",\"registrationName\":\"n\",\"billingModel\":\"Custom\","
          "\"expires\":\"soon\"}",
          "expires is no time" },
        { "{" WHO ",\"resourceGroupName\":\"g\",\"registrationName\":\"n\",\"billingModel\":\"Custom\","
          "\"expires\":\"9999-99-99T23:59:59Z\"}",
          "expires is no time" },
        { "{" WHO "," REST ",\"usageReportingEnabled\":\"yes\"}", "usageReportingEnabled is neither" },
        { "{" WHO "," REST ",\"usageReportingEnabled\":true}", "usageEndpoint is missing" },
        { "{" WHO "," REST ",\"usageEndpoint\":\"http://plain.example\"}", "usageEndpoint is no https address" },
        { "{" WHO "," REST ",\"marketplaceEndpoint\":\"ftp://x\"}", "marketplaceEndpoint is no https address" },
        { "{" WHO "," REST ",\"issuer\":{}}", "issuer is no text" },
        { "{" WHO "," REST ",\"issuer\":\"a\\u001b[2Jb\"}", "issuer has control characters" },
        { "{" WHO ",\"resourceGroupName\":\"g\",\"registrationName\":\"n/m\",\"billingModel\":\"Custom\","
          "\"expires\":\"2027-01-31T12:00:00Z\"}",
          "registrationName is no name" },
        { "{" WHO ",\"resourceGroupName\":\"g g\",\"registrationName\":\"n\",\"billingModel\":\"Custom\","
          "\"expires\":\"2027-01-31T12:00:00Z\"}",
          "resourceGroupName is no name" },
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++)
        assert_refused(f, signed_payload(f, cases[i].payload), cases[i].reason);
    assert_ok(read_payload(f, "{" WHO "," REST ",\"hardwareInfo\":[],\"somethingNew\":{\"a\":1}}"));
}

/* What a key says is called, logged and printed. */
static void endpoints_that_are_no_addresses_are_refused(void **state)
{
    struct fixture *f = *state;
    static const char *const endpoints[] = {
        "https://",         "https:///path",       "https://x\\r\\nEvil: y", "https://user:pw@x", "https://x\\u0000.y",
        "https://x\\u001b", "https://x y",         "https://x?query",        "https://:443",      "https://x\\u0085",
        "HTTP://x",         "https://x\\\"onload",
    };
    for (size_t i = 0; i < COUNT_OF(endpoints); i++) {
        struct text payload = arena_format(f->arena, "{" WHO "," REST ",\"usageEndpoint\":\"%s\"}", endpoints[i]);
        assert_refused(f, signed_payload(f, payload.ptr), "usageEndpoint");
    }
    assert_ok(read_payload(f, "{" WHO "," REST ",\"usageEndpoint\":\"https://[::1]:8443/base\"}"));
    assert_ok(read_payload(f, "{" WHO "," REST ",\"usageEndpoint\":\"\"}"));
}

#define WITHOUT_EXPIRY                                                                                                 \
    "{" WHO ",\"resourceGroupName\":\"g\",\"registrationName\":\"n\",\"billingModel\":\"Custom\",\"expires\":"

static void times_beyond_ours_are_times_all_the_same(void **state)
{
    struct fixture *f = *state;
    assert_refused(f, signed_payload(f, WITHOUT_EXPIRY "\"zzzz-12-30T23:59:59.9999999Z\"}"), "expires is no time");
    assert_refused(f, signed_payload(f, WITHOUT_EXPIRY "\"99999-2-30T23:59:59.9999999Z\"}"), "expires is no time");
    assert_refused(f, signed_payload(f, WITHOUT_EXPIRY "\"2263-02-29T00:00:00Z\"}"), "expires is no time");
    assert_refused(f, signed_payload(f, WITHOUT_EXPIRY "\"2300-02-29T00:00:00Z\"}"), "expires is no time");
    assert_ok(read_payload(f, WITHOUT_EXPIRY "\"2264-02-29T00:00:00Z\"}"));
    assert_true(f->key.expires_ns == ACTIVATION_NEVER_EXPIRES);
    assert_ok(read_payload(f, WITHOUT_EXPIRY "\"2400-02-29T00:00:00Z\"}"));
    assert_true(f->key.expires_ns == ACTIVATION_NEVER_EXPIRES);
}

#define WITH(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

TESTS(WITH(what_is_signed_reads_back), WITH(the_payload_is_that_of_the_specification), WITH(a_key_may_never_expire),
      WITH(pasted_text_is_read), WITH(one_changed_character_anywhere_is_refused),
      WITH(what_others_signed_is_read_but_named_as_theirs), WITH(forms_that_are_none_are_refused),
      WITH(members_that_are_wrong_are_named), WITH(endpoints_that_are_no_addresses_are_refused),
      WITH(times_beyond_ours_are_times_all_the_same))
