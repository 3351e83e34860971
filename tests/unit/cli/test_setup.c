/* Unit tests of what a data directory gets at its first start, also when that is cut short. */
#include "identity/fixture.h"

#include <sys/stat.h>

#include "base/files.h"
#include "cli/setup.h"
#include "cli/options.h"
#include "identity/identity.h"
#include "net/tls.h"

static struct config default_config(struct fixture *f)
{
    struct config config;
    struct error_info info;
    assert_int_equal(options_load(f->arena, &(struct options_source){ 0 }, &config, &info), ERROR_OK);
    assert_int_equal(tls_global_init(&info), ERROR_OK);
    return config;
}

static unsigned mode_of(struct fixture *f, const char *name)
{
    char path[PATH_MAX];
    struct stat status;
    assert_int_equal(setup_path(path, f->folder, name, NULL), ERROR_OK);
    assert_int_equal(stat(path, &status), 0);
    return status.st_mode & 0777;
}

static void makes_a_certificate_once(void **state)
{
    struct fixture *f = *state;
    struct config config = default_config(f);
    struct setup_certificate first, second;
    struct error_info info = { 0 };
    struct tls_server *tls;
    bool made;
    if (setup_certificate(&config, f->folder, &first, &made, &info) != ERROR_OK)
        fail_msg("%s", info.message);
    assert_true(made);
    assert_int_equal(mode_of(f, "tls/key.pem"), 0600);
    assert_true(first.file[0] == '/');
    assert_int_equal(tls_server_new(buffer_text(&first.certificate_pem), buffer_text(&first.key_pem), &tls, &info),
                     ERROR_OK);
    tls_server_unref(tls);
    assert_int_equal(setup_certificate(&config, f->folder, &second, &made, &info), ERROR_OK);
    assert_false(made);
    assert_true(text_equal(buffer_text(&first.key_pem), buffer_text(&second.key_pem)));
    setup_certificate_free(&first);
    setup_certificate_free(&second);
}

static void goes_on_where_it_was_cut_short(void **state)
{
    struct fixture *f = *state;
    struct config config = default_config(f);
    struct setup_certificate certificate;
    struct error_info info = { 0 };
    char path[PATH_MAX];
    bool made;
    assert_int_equal(setup_path(path, f->folder, "tls.new", &info), ERROR_OK);
    assert_int_equal(folder_create(path, &info), ERROR_OK);
    assert_int_equal(setup_path(path, f->folder, "tls.new/key.pem", &info), ERROR_OK);
    assert_int_equal(file_write_durable(path, TEXT("half"), 0600, &info), ERROR_OK);
    assert_int_equal(setup_certificate(&config, f->folder, &certificate, &made, &info), ERROR_OK);
    assert_true(made);
    setup_certificate_free(&certificate);
    assert_int_equal(setup_path(path, f->folder, "tls/key.pem", &info), ERROR_OK);
    assert_int_equal(unlink(path), 0);
    assert_int_not_equal(setup_certificate(&config, f->folder, &certificate, &made, &info), ERROR_OK);
    assert_non_null(strstr(info.message, "only one of"));
}

static void makes_the_operator_once(void **state)
{
    struct fixture *f = *state;
    struct guid fresh = { { 7 } }, other = { { 8 } }, id;
    struct error_info info = { 0 };
    struct buffer file = { 0 };
    struct identity identity;
    char path[PATH_MAX];
    bool made, has_users;
    assert_int_equal(setup_operator_subscription(f->store, &fresh, &id, &info), ERROR_OK);
    assert_true(guid_equal(&id, &fresh));
    assert_int_equal(setup_operator_subscription(f->store, &other, &id, &info), ERROR_OK);
    assert_true(guid_equal(&id, &fresh));
    assert_int_equal(setup_operator_token(f->store, f->folder, &made, &info), ERROR_OK);
    assert_true(made);
    assert_int_equal(mode_of(f, "operator.token"), 0600);
    assert_int_equal(setup_path(path, f->folder, "operator.token", &info), ERROR_OK);
    assert_int_equal(file_read(path, 1000, &file, &info), ERROR_OK);
    struct kv_txn *txn = fixture_read(f);
    struct text token = text_trim(buffer_text(&file));
    assert_int_equal(token_authenticate(txn, f->arena, FIXTURE_NOW_NS, token, &identity), ERROR_OK);
    store_read_end(txn);
    assert_int_equal(identity.role, ROLE_OPERATOR);
    buffer_free(&file);
    assert_int_equal(unlink(path), 0); /* moved to a safer place */
    assert_int_equal(setup_operator_token(f->store, f->folder, &made, &info), ERROR_OK);
    assert_false(made);
    assert_false(file_exists(path));
    assert_int_equal(setup_has_users(f->store, &has_users, &info), ERROR_OK);
    assert_false(has_users);
}

/* The token is stored last: without it the file is worth nothing, and the next start makes another. */
static void a_failed_token_is_made_again(void **state)
{
    struct fixture *f = *state;
    struct error_info info = { 0 };
    bool made;
    store_fail_write(f->store, 1, ERROR_IO);
    assert_int_equal(setup_operator_token(f->store, f->folder, &made, &info), ERROR_IO);
    assert_false(made);
    store_fail_write(f->store, 0, ERROR_OK);
    assert_int_equal(setup_operator_token(f->store, f->folder, &made, &info), ERROR_OK);
    assert_true(made);
}

TESTS(STORE_TEST(makes_a_certificate_once), STORE_TEST(goes_on_where_it_was_cut_short),
      STORE_TEST(makes_the_operator_once), STORE_TEST(a_failed_token_is_made_again))
