/* Unit tests of tokens and sessions, against a real store. */
#include "fixture.h"

#include "base/buffer.h"
#include "base/encode.h"
#include "identity/identity.h"

static const struct identity operator_identity = { .name = { "op", 2 },
                                                   .role = ROLE_OPERATOR,
                                                   .expires_ns = INT64_MAX };

static struct token_create create(struct fixture *f, const struct identity *identity)
{
    struct token_create create;
    token_create_init(&create, identity, FIXTURE_NOW_NS);
    assert_int_equal(store_run(f->store, &create.job), ERROR_OK);
    return create;
}

static err_t authenticate(struct fixture *f, const char *token, int64_t now_ns, struct identity *out)
{
    struct kv_txn *txn = fixture_read(f);
    err_t error = token_authenticate(txn, f->arena, now_ns, text_of(token), out);
    store_read_end(txn);
    return error;
}

static size_t count_tokens(struct fixture *f)
{
    struct token_entry *entries;
    size_t count;
    struct kv_txn *txn = fixture_read(f);
    assert_int_equal(token_list(txn, f->arena, &entries, &count), ERROR_OK);
    store_read_end(txn);
    return count;
}

static struct token_revoke revoke_token(struct fixture *f, struct text id, struct text token)
{
    struct token_revoke revoke;
    token_revoke_init(&revoke, id, token);
    assert_int_equal(store_run(f->store, &revoke.job), ERROR_OK);
    return revoke;
}

static void roles_have_names(void **state)
{
    (void)state;
    enum role role;
    for (int i = 0; i < ROLE_COUNT; i++) {
        assert_true(role_parse(text_of(role_name((enum role)i)), &role));
        assert_int_equal(role, i);
    }
    assert_false(role_parse(TEXT("Operator"), &role));
    assert_false(role_parse(TEXT(""), &role));
    assert_false(role_parse(TEXT("root"), &role));
}

static void gives_back_what_was_stored(void **state)
{
    struct fixture *f = *state;
    struct identity out,
        tenant = { .role = ROLE_TENANT, .name = TEXT("caf\xC3\xA9 \"x\""), .expires_ns = FIXTURE_NOW_NS + 5 };
    assert_true(guid_parse(TEXT("11111111-2222-3333-4444-555555555555"), &tenant.subscription));
    struct token_create made = create(f, &tenant);
    assert_int_equal(authenticate(f, made.token, FIXTURE_NOW_NS, &out), ERROR_OK);
    assert_int_equal(out.role, ROLE_TENANT);
    assert_text(out.name, "caf\xC3\xA9 \"x\"");
    assert_true(guid_equal(&out.subscription, &tenant.subscription));
    assert_int_equal(out.source_count, 0);
    assert_int_equal(out.expires_ns, FIXTURE_NOW_NS + 5);
    assert_false(out.is_session);

    struct identity producer = { .role = ROLE_PRODUCER, .name = TEXT("p"), .expires_ns = INT64_MAX, .source_count = 8 };
    for (size_t i = 0; i < producer.source_count; i++)
        producer.sources[i] = i == 7 ? TEXT("*") : TEXT("Microsoft.Compute");
    made = create(f, &producer);
    assert_int_equal(authenticate(f, made.token, INT64_MAX - 1, &out), ERROR_OK);
    assert_int_equal(out.role, ROLE_PRODUCER);
    assert_int_equal(out.source_count, 8);
    assert_text(out.sources[0], "Microsoft.Compute");
    assert_text(out.sources[7], "*");
    assert_int_equal(out.expires_ns, INT64_MAX);
}

static void tokens_have_their_form(void **state)
{
    struct fixture *f = *state;
    struct identity nameless = operator_identity, out;
    nameless.name = TEXT_NONE;
    struct token_create a = create(f, &nameless), b = create(f, &nameless);
    uint8_t secret[32];
    size_t len;
    assert_int_equal(strlen(a.token), 46);
    assert_true(strncmp(a.token, "sm_", 3) == 0);
    assert_true(base64url_decode(text_of(a.token + 3), secret, sizeof secret, &len));
    assert_int_equal(len, 32);
    assert_int_equal(strlen(a.id), 16);
    assert_string_not_equal(a.token, b.token);
    assert_int_equal(authenticate(f, a.token, FIXTURE_NOW_NS, &out), ERROR_OK);
    assert_true(text_starts_with(out.name, TEXT("operator-")));
    assert_true(strncmp(out.name.ptr + 9, a.id, 8) == 0);
}

static void refuses_what_is_no_token(void **state)
{
    struct fixture *f = *state;
    struct identity out;
    struct token_create made = create(f, &operator_identity);
    char other[TOKEN_TEXT_SIZE];
    memcpy(other, made.token, sizeof other);
    other[20] = other[20] == 'A' ? 'B' : 'A';
    assert_int_equal(authenticate(f, other, FIXTURE_NOW_NS, &out), ERROR_INVALID_TOKEN);
    assert_int_equal(authenticate(f, "", FIXTURE_NOW_NS, &out), ERROR_INVALID_TOKEN);
    assert_int_equal(authenticate(f, "sm_", FIXTURE_NOW_NS, &out), ERROR_INVALID_TOKEN);
    made.token[45] = '\0';
    assert_int_equal(authenticate(f, made.token, FIXTURE_NOW_NS, &out), ERROR_INVALID_TOKEN);
    assert_int_equal(authenticate(f, made.id, FIXTURE_NOW_NS, &out), ERROR_INVALID_TOKEN);
}

static void expires(void **state)
{
    struct fixture *f = *state;
    struct identity out, brief = operator_identity;
    brief.expires_ns = FIXTURE_NOW_NS + NS_PER_HOUR;
    struct token_create made = create(f, &brief);
    assert_int_equal(authenticate(f, made.token, FIXTURE_NOW_NS + NS_PER_HOUR - 1, &out), ERROR_OK);
    assert_int_equal(authenticate(f, made.token, FIXTURE_NOW_NS + NS_PER_HOUR, &out), ERROR_EXPIRED_TOKEN);
}

static void revokes_by_id_and_by_token(void **state)
{
    struct fixture *f = *state;
    struct identity out;
    struct token_create a = create(f, &operator_identity), b = create(f, &operator_identity);
    assert_false(revoke_token(f, text_of(a.id), TEXT_NONE).missing);
    assert_int_equal(authenticate(f, a.token, FIXTURE_NOW_NS, &out), ERROR_INVALID_TOKEN);
    assert_int_equal(authenticate(f, b.token, FIXTURE_NOW_NS, &out), ERROR_OK);
    assert_true(revoke_token(f, text_of(a.id), TEXT_NONE).missing);
    assert_true(revoke_token(f, TEXT("zz"), TEXT_NONE).missing);
    assert_true(revoke_token(f, TEXT("ffffffffffffffffff"), TEXT_NONE).missing);
    assert_true(revoke_token(f, TEXT("ffffffffffffffff"), TEXT_NONE).missing);
    assert_true(revoke_token(f, TEXT(""), TEXT_NONE).missing);
    assert_false(revoke_token(f, TEXT(""), text_of(b.token)).missing);
    assert_true(revoke_token(f, TEXT(""), text_of(b.token)).missing);
    assert_int_equal(count_tokens(f), 0);
}

static void lists_and_survives_reopening(void **state)
{
    struct fixture *f = *state;
    struct token_entry *entries;
    size_t count;
    char ids[70][17];
    for (size_t i = 0; i < COUNT_OF(ids); i++)
        memcpy(ids[i], create(f, &operator_identity).id, sizeof ids[i]);
    store_close(f->store);
    fixture_open_store(f);
    struct kv_txn *txn = fixture_read(f);
    assert_int_equal(token_list(txn, f->arena, &entries, &count), ERROR_OK);
    store_read_end(txn);
    assert_int_equal(count, COUNT_OF(ids));
    for (size_t i = 0; i < count; i++) {
        size_t matches = 0;
        for (size_t j = 0; j < COUNT_OF(ids); j++)
            matches += strcmp(entries[i].id, ids[j]) == 0;
        assert_int_equal(matches, 1);
        assert_text(entries[i].identity.name, "op");
        assert_int_equal(entries[i].created_ns, FIXTURE_NOW_NS);
        assert_true(i == 0 || strcmp(entries[i - 1].id, entries[i].id) < 0);
    }
}

static void writes_json(void **state)
{
    (void)state;
    struct buffer out = { 0 };
    struct token_entry entry = { .id = "0123456789abcdef",
                                 .created_ns = FIXTURE_NOW_NS,
                                 .identity = { .role = ROLE_PRODUCER,
                                               .name = TEXT("p\"1"),
                                               .source_count = 1,
                                               .sources = { TEXT("*") },
                                               .expires_ns = FIXTURE_NOW_NS + NS_PER_HOUR } };
    struct json_writer json = json_writer(&out);
    token_entry_to_json(&entry, &json);
    assert_text(buffer_text(&out), "{\"id\":\"0123456789abcdef\",\"role\":\"producer\",\"name\":\"p\\\"1\","
                                   "\"sources\":[\"*\"],\"created\":\"2024-10-04T00:00:00Z\","
                                   "\"expires\":\"2024-10-04T01:00:00Z\"}");
    buffer_free(&out);
}

/* Neither the token nor its random part is anywhere in the store's files. */
static void keeps_no_token_in_the_clear(void **state)
{
    struct fixture *f = *state;
    char path[128];
    struct token_create made = create(f, &operator_identity);
    store_close(f->store);
    f->store = NULL;
    (void)snprintf(path, sizeof path, "%s/data.mdb", f->folder);
    FILE *file = fopen(path, "rb");
    assert_non_null(file);
    static char bytes[4 << 20];
    size_t size = fread(bytes, 1, sizeof bytes, file);
    (void)fclose(file);
    assert_true(size > 0);
    assert_null(memmem(bytes, size, made.token + 3, 43));
    assert_null(memmem(bytes, size, made.token + 3, 12));
}

static void sessions_are_cleared_away(void **state)
{
    struct fixture *f = *state;
    struct identity out, session = { .role = ROLE_OPERATOR, .name = TEXT("ann"), .is_session = true };
    struct identity old_token = operator_identity;
    old_token.expires_ns = FIXTURE_NOW_NS - 1; /* no session: kept, so that lists can show that it ended */
    struct token_create kept = create(f, &old_token);
    session.expires_ns = FIXTURE_NOW_NS - NS_PER_HOUR;
    for (int i = 0; i < 30; i++)
        (void)create(f, &session);
    session.expires_ns = FIXTURE_NOW_NS + NS_PER_HOUR;
    struct token_create live = create(f, &session);
    assert_int_equal(count_tokens(f), 2);
    assert_int_equal(authenticate(f, live.token, FIXTURE_NOW_NS, &out), ERROR_OK);
    assert_true(out.is_session);
    assert_int_equal(authenticate(f, kept.token, FIXTURE_NOW_NS, &out), ERROR_EXPIRED_TOKEN);
}

/* With more tokens than one sign-in looks at, several do, wherever their random keys lie. */
static void clearing_goes_around(void **state)
{
    struct fixture *f = *state;
    struct identity session = { .role = ROLE_OPERATOR, .name = TEXT("ann"), .is_session = true };
    session.expires_ns = FIXTURE_NOW_NS + NS_PER_HOUR;
    for (int i = 0; i < 300; i++)
        (void)create(f, &session);
    assert_int_equal(count_tokens(f), 300);
    session.expires_ns = FIXTURE_NOW_NS + 3 * NS_PER_HOUR;
    size_t rounds = 0;
    for (; count_tokens(f) > rounds && rounds < 400; rounds++) {
        struct token_create later;
        token_create_init(&later, &session, FIXTURE_NOW_NS + 2 * NS_PER_HOUR);
        assert_int_equal(store_run(f->store, &later.job), ERROR_OK);
        arena_reset(f->arena);
    }
    assert_true(rounds >= 3 && rounds <= 60);
}

static void checks_identities(void **state)
{
    (void)state;
    struct error_info info;
    struct identity identity = operator_identity;
    assert_int_equal(identity_check(&identity, FIXTURE_NOW_NS, &info), ERROR_OK);
    identity.name = TEXT("a\nb");
    assert_int_equal(identity_check(&identity, FIXTURE_NOW_NS, &info), ERROR_INVALID_PROPERTY);
    assert_string_equal(info.target, "name");
    identity = operator_identity;
    identity.expires_ns = FIXTURE_NOW_NS;
    assert_int_equal(identity_check(&identity, FIXTURE_NOW_NS, &info), ERROR_INVALID_PROPERTY);
    assert_string_equal(info.target, "expires");
    identity = operator_identity;
    identity.role = ROLE_TENANT;
    assert_int_equal(identity_check(&identity, FIXTURE_NOW_NS, &info), ERROR_INVALID_PROPERTY);
    assert_string_equal(info.target, "subscriptionId");
    identity.subscription.bytes[3] = 1;
    assert_int_equal(identity_check(&identity, FIXTURE_NOW_NS, &info), ERROR_OK);
    identity.role = ROLE_COMMERCE;
    assert_int_equal(identity_check(&identity, FIXTURE_NOW_NS, &info), ERROR_INVALID_PROPERTY);
    identity = operator_identity;
    identity.role = ROLE_PRODUCER;
    assert_int_equal(identity_check(&identity, FIXTURE_NOW_NS, &info), ERROR_INVALID_PROPERTY);
    assert_string_equal(info.target, "sources");
    identity.sources[identity.source_count++] = TEXT("*");
    assert_int_equal(identity_check(&identity, FIXTURE_NOW_NS, &info), ERROR_OK);
    identity.sources[identity.source_count++] = TEXT("");
    assert_int_equal(identity_check(&identity, FIXTURE_NOW_NS, &info), ERROR_INVALID_PROPERTY);
    identity.role = ROLE_OPERATOR;
    identity.source_count = 1;
    assert_int_equal(identity_check(&identity, FIXTURE_NOW_NS, &info), ERROR_INVALID_PROPERTY);
}

TESTS(cmocka_unit_test(roles_have_names), STORE_TEST(gives_back_what_was_stored), STORE_TEST(tokens_have_their_form),
      STORE_TEST(refuses_what_is_no_token), STORE_TEST(expires), STORE_TEST(revokes_by_id_and_by_token),
      STORE_TEST(lists_and_survives_reopening), cmocka_unit_test(writes_json), STORE_TEST(keeps_no_token_in_the_clear),
      STORE_TEST(sessions_are_cleared_away), STORE_TEST(clearing_goes_around), cmocka_unit_test(checks_identities))
