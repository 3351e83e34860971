/* Unit tests of users, passwords and what they do to sessions, against a real store. */
#include "fixture.h"

#include "base/buffer.h"
#include "identity/identity.h"

#define ITERATIONS 1000

static struct user_put put_user(struct fixture *f, const char *name, const char *password, bool replace)
{
    struct user_put put;
    struct error_info info = { 0 };
    struct user user = { .name = text_of(name), .role = ROLE_OPERATOR, .created_ns = FIXTURE_NOW_NS };
    if (user_put_init(&put, &user, text_of(password), ITERATIONS, &info) != ERROR_OK)
        fail_msg("%s", info.message);
    put.replace = replace;
    assert_int_equal(store_run(f->store, &put.job), ERROR_OK);
    return put;
}

static err_t verify(struct fixture *f, const char *name, const char *password, struct user *out)
{
    return user_verify(f->store, f->arena, text_of(name), text_of(password), out);
}

static bool disable(struct fixture *f, const char *name)
{
    struct user_disable disable;
    user_disable_init(&disable, text_of(name));
    assert_int_equal(store_run(f->store, &disable.job), ERROR_OK);
    return !disable.missing;
}

static struct token_create session(struct fixture *f, const char *name)
{
    struct token_create create;
    struct identity identity = {
        .role = ROLE_OPERATOR, .name = text_of(name), .is_session = true, .expires_ns = FIXTURE_NOW_NS + NS_PER_HOUR
    };
    token_create_init(&create, &identity, FIXTURE_NOW_NS);
    assert_int_equal(store_run(f->store, &create.job), ERROR_OK);
    return create;
}

static err_t authenticate(struct fixture *f, const struct token_create *token)
{
    struct identity out;
    struct kv_txn *txn = fixture_read(f);
    err_t error = token_authenticate(txn, f->arena, FIXTURE_NOW_NS, text_of(token->token), &out);
    store_read_end(txn);
    return error;
}

static void signs_in(void **state)
{
    struct fixture *f = *state;
    struct user out;
    assert_int_equal(verify(f, "ann", "correct horse", &out), ERROR_AUTHENTICATION_FAILED);
    assert_false(put_user(f, "Ann", "correct horse", false).exists);
    assert_int_equal(verify(f, "ann", "correct horse", &out), ERROR_OK);
    assert_text(out.name, "Ann");
    assert_int_equal(out.role, ROLE_OPERATOR);
    assert_int_equal(out.created_ns, FIXTURE_NOW_NS);
    assert_false(out.disabled);
    assert_int_equal(verify(f, "ANN", "correct horse", &out), ERROR_OK);
    assert_int_equal(verify(f, "ann", "correct horsf", &out), ERROR_AUTHENTICATION_FAILED);
    assert_int_equal(verify(f, "ann", "", &out), ERROR_AUTHENTICATION_FAILED);
    assert_int_equal(verify(f, "", "correct horse", &out), ERROR_AUTHENTICATION_FAILED);
    assert_int_equal(verify(f, "bob", "correct horse", &out), ERROR_AUTHENTICATION_FAILED);
    char longest[PASSWORD_SIZE_MAX + 2];
    memset(longest, 'x', sizeof longest - 1);
    longest[sizeof longest - 1] = '\0';
    assert_int_equal(verify(f, "ann", longest, &out), ERROR_AUTHENTICATION_FAILED);
    assert_int_equal(verify(f, longest, "correct horse", &out), ERROR_AUTHENTICATION_FAILED);
}

static void keeps_the_first_unless_told(void **state)
{
    struct fixture *f = *state;
    struct user out;
    (void)put_user(f, "ann", "first password", false);
    assert_true(put_user(f, "ANN", "second password", false).exists);
    assert_int_equal(verify(f, "ann", "first password", &out), ERROR_OK);
    assert_true(put_user(f, "ann", "second password", true).exists);
    assert_int_equal(verify(f, "ann", "first password", &out), ERROR_AUTHENTICATION_FAILED);
    assert_int_equal(verify(f, "ann", "second password", &out), ERROR_OK);
}

static void disabling_shuts_out(void **state)
{
    struct fixture *f = *state;
    struct user out;
    (void)put_user(f, "ann", "correct horse", false);
    (void)put_user(f, "bob", "correct horse", false);
    struct token_create ann = session(f, "ann"), bob = session(f, "bob");
    assert_true(disable(f, "Ann"));
    assert_false(disable(f, "nobody"));
    assert_int_equal(verify(f, "ann", "correct horse", &out), ERROR_AUTHENTICATION_FAILED);
    assert_int_equal(authenticate(f, &ann), ERROR_INVALID_TOKEN);
    assert_int_equal(authenticate(f, &bob), ERROR_OK);
    struct token_create late = session(f, "ann"); /* the password was checked before, the session made after */
    assert_int_equal(authenticate(f, &late), ERROR_INVALID_TOKEN);
    (void)put_user(f, "ann", "correct horse", true);
    assert_int_equal(verify(f, "ann", "correct horse", &out), ERROR_OK);
}

static void a_new_password_ends_sessions(void **state)
{
    struct fixture *f = *state;
    (void)put_user(f, "ann", "correct horse", false);
    struct token_create sessions[150];
    for (size_t i = 0; i < COUNT_OF(sessions); i++)
        sessions[i] = session(f, i % 3 == 0 ? "bob" : "ann");
    (void)put_user(f, "ann", "battery staple", true);
    for (size_t i = 0; i < COUNT_OF(sessions); i++)
        assert_int_equal(authenticate(f, &sessions[i]), i % 3 == 0 ? ERROR_OK : ERROR_INVALID_TOKEN);
}

static void refuses_what_does_not_fit(void **state)
{
    (void)state;
    struct user_put put;
    struct error_info info;
    char name[USER_NAME_SIZE_MAX + 2], password[PASSWORD_SIZE_MAX + 2];
    memset(name, 'n', sizeof name);
    memset(password, 'p', sizeof password);
    struct user user = { .name = TEXT("ann"), .role = ROLE_OPERATOR };
    struct text good = TEXT("correct horse");
    assert_int_equal(user_put_init(&put, &user, TEXT("1234567"), ITERATIONS, &info), ERROR_INVALID_PROPERTY);
    assert_string_equal(info.target, "password");
    assert_int_equal(user_put_init(&put, &user, (struct text){ password, PASSWORD_SIZE_MAX + 1 }, ITERATIONS, &info),
                     ERROR_INVALID_PROPERTY);
    assert_int_equal(user_put_init(&put, &user, (struct text){ password, PASSWORD_SIZE_MAX }, ITERATIONS, &info),
                     ERROR_OK);
    user.name = (struct text){ name, USER_NAME_SIZE_MAX + 1 };
    assert_int_equal(user_put_init(&put, &user, good, ITERATIONS, &info), ERROR_INVALID_PROPERTY);
    user.name = TEXT(" ann");
    assert_int_equal(user_put_init(&put, &user, good, ITERATIONS, &info), ERROR_INVALID_PROPERTY);
    user.name = TEXT("");
    assert_int_equal(user_put_init(&put, &user, good, ITERATIONS, &info), ERROR_INVALID_PROPERTY);
    assert_string_equal(info.target, "name");
    user = (struct user){ .name = TEXT("ann"), .role = ROLE_PRODUCER };
    assert_int_equal(user_put_init(&put, &user, good, ITERATIONS, &info), ERROR_INVALID_PROPERTY);
    assert_string_equal(info.target, "role");
    user.role = ROLE_TENANT;
    assert_int_equal(user_put_init(&put, &user, good, ITERATIONS, &info), ERROR_INVALID_PROPERTY);
    assert_string_equal(info.target, "subscriptionId");
    user.subscription.bytes[0] = 1;
    assert_int_equal(user_put_init(&put, &user, good, ITERATIONS, &info), ERROR_OK);
}

static void lists(void **state)
{
    struct fixture *f = *state;
    struct user *users;
    size_t count;
    struct buffer out = { 0 };
    (void)put_user(f, "bob", "correct horse", false);
    (void)put_user(f, "Ann", "correct horse", false);
    (void)disable(f, "bob");
    struct kv_txn *txn = fixture_read(f);
    assert_int_equal(user_list(txn, f->arena, &users, &count), ERROR_OK);
    store_read_end(txn);
    assert_int_equal(count, 2);
    assert_text(users[0].name, "Ann");
    assert_true(users[1].disabled);
    struct json_writer json = json_writer(&out);
    user_to_json(&users[1], &json);
    assert_text(buffer_text(&out),
                "{\"username\":\"bob\",\"role\":\"operator\",\"disabled\":true,\"created\":\"2024-10-04T00:00:00Z\"}");
    buffer_free(&out);
}

static void makes_passwords(void **state)
{
    (void)state;
    char a[32], b[32];
    password_make(a);
    password_make(b);
    assert_int_equal(strlen(a), 23);
    assert_string_not_equal(a, b);
    for (size_t i = 0; i < strlen(a); i++)
        assert_true(i % 6 == 5 ? a[i] == '-' : strchr("0123456789abcdefghjkmnpqrstvwxyz", a[i]) != NULL);
}

TESTS(STORE_TEST(signs_in), STORE_TEST(keeps_the_first_unless_told), STORE_TEST(disabling_shuts_out),
      STORE_TEST(a_new_password_ends_sessions), cmocka_unit_test(refuses_what_does_not_fit), STORE_TEST(lists),
      cmocka_unit_test(makes_passwords))
