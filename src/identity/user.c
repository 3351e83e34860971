/* Local users. The table's key is the name in lower case, so that people need not remember how it was written. */
#include <string.h>

#include "base/check.h"
#include "base/crypto.h"
#include "base/encode.h"
#include "base/instant.h"
#include "identity/identity_internal.h"
#include "store/write.h"
#include "identity/password.h"

struct user_key {
    char text[USER_NAME_SIZE_MAX];
    size_t len;
};

struct stored_user {
    struct user user;
    struct password_hash password;
};

static bool is_name(struct text name)
{
    return name.len > 0 && name.len <= USER_NAME_SIZE_MAX;
}

/* ASCII only: other letters compare as written. */
static struct text key_of(struct text name, struct user_key *key)
{
    REQUIRE(is_name(name));
    for (size_t i = 0; i < name.len; i++) {
        char c = name.ptr[i];
        key->text[i] = c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c;
    }
    key->len = name.len;
    return (struct text){ key->text, key->len };
}

/* --- the stored form --- */

static void put_hex(struct json_writer *json, const char *name, const uint8_t *bytes, size_t size)
{
    char text[2 * SHA256_SIZE + 1];
    REQUIRE(2 * size + 1 <= sizeof text);
    hex_encode(bytes, size, text);
    json_name(json, name);
    json_put_cstring(json, text);
    secret_wipe(text, sizeof text);
}

static void stored_write(const struct stored_user *stored, struct buffer *out)
{
    struct json_writer json = json_writer(out);
    json_begin_object(&json);
    json_name(&json, "name");
    json_put_text(&json, stored->user.name);
    json_name(&json, "role");
    json_put_cstring(&json, role_name(stored->user.role));
    identity_write_guid(&json, "subscription", &stored->user.subscription);
    json_name(&json, "disabled");
    json_put_bool(&json, stored->user.disabled);
    identity_write_instant(&json, "created", stored->user.created_ns);
    json_name(&json, "iterations");
    json_put_u64(&json, stored->password.iterations);
    put_hex(&json, "salt", stored->password.salt, sizeof stored->password.salt);
    put_hex(&json, "hash", stored->password.hash, sizeof stored->password.hash);
    json_end_object(&json);
}

static bool read_password(const struct json *object, struct password_hash *out)
{
    struct text salt, hash;
    unsigned long long iterations;
    const struct json *number = json_member(object, TEXT("iterations"));
    if (number == NULL || json_type(number) != JSON_NUMBER || !text_to_u64(json_number(number), &iterations) ||
        iterations == 0 || iterations > UINT32_MAX)
        return false;
    out->iterations = (uint32_t)iterations;
    return json_member_string(object, TEXT("salt"), &salt) && hex_decode(salt, out->salt, sizeof out->salt) &&
           json_member_string(object, TEXT("hash"), &hash) && hex_decode(hash, out->hash, sizeof out->hash);
}

static err_t stored_read(struct arena *arena, struct text text, struct stored_user *out)
{
    const struct json *object;
    struct text role;
    memset(out, 0, sizeof *out);
    err_t error = json_parse(arena, text, &object, NULL);
    if (error != ERROR_OK)
        return error == ERROR_NO_MEMORY ? error : ERROR_STORE_CORRUPT;
    const struct json *disabled = json_member(object, TEXT("disabled"));
    out->user.disabled = disabled != NULL && json_type(disabled) == JSON_TRUE;
    bool ok = json_member_string(object, TEXT("name"), &out->user.name) &&
              json_member_string(object, TEXT("role"), &role) && role_parse(role, &out->user.role) &&
              identity_read_guid(object, TEXT("subscription"), &out->user.subscription) &&
              identity_read_instant(object, TEXT("created"), 0, &out->user.created_ns) &&
              read_password(object, &out->password);
    return ok ? ERROR_OK : ERROR_STORE_CORRUPT;
}

static err_t stored_get(struct kv_txn *txn, struct arena *arena, struct text name, struct stored_user *out)
{
    struct user_key key;
    struct text value;
    if (!is_name(name))
        return ERROR_NOT_FOUND;
    err_t error = kv_get(txn, KV_USERS, key_of(name, &key), &value);
    return error == ERROR_OK ? stored_read(arena, value, out) : error;
}

static err_t stored_put(struct kv_txn *txn, const struct stored_user *stored)
{
    struct user_key key;
    struct buffer value = { 0 };
    stored_write(stored, &value);
    return identity_put(txn, KV_USERS, key_of(stored->user.name, &key), &value);
}

err_t user_is_disabled(struct kv_txn *txn, struct arena *arena, struct text name, bool *disabled)
{
    struct stored_user stored;
    err_t error = stored_get(txn, arena, name, &stored);
    *disabled = error == ERROR_OK && stored.user.disabled;
    return error == ERROR_NOT_FOUND ? ERROR_OK : error;
}

/* --- signing in --- */

/* What to compute for a name that is not there: as much as for one that is. */
static err_t decoy(struct kv_txn *txn, struct arena *arena, struct stored_user *out)
{
    struct kv_cursor *cursor;
    struct text key, value;
    err_t error = kv_cursor_open(txn, KV_USERS, &cursor);
    if (error != ERROR_OK)
        return error;
    error = kv_cursor_seek(cursor, TEXT("\0"), &key, &value);
    if (error == ERROR_OK)
        error = stored_read(arena, value, out);
    kv_cursor_close(cursor);
    if (error == ERROR_NOT_FOUND) {
        memset(out, 0, sizeof *out);
        out->password.iterations = PASSWORD_ITERATIONS_DEFAULT;
        error = ERROR_OK;
    }
    return error;
}

err_t user_verify(struct store *store, struct arena *arena, struct text name, struct text password, struct user *out)
{
    struct stored_user stored;
    struct kv_txn *txn;
    err_t error = store_read_begin(store, &txn);
    if (error != ERROR_OK)
        return error;
    error = stored_get(txn, arena, name, &stored);
    bool known = error == ERROR_OK;
    if (error == ERROR_NOT_FOUND)
        error = decoy(txn, arena, &stored);
    store_read_end(txn);
    if (error != ERROR_OK)
        return error;
    bool matches = password_matches(password, &stored.password);
    secret_wipe(&stored.password, sizeof stored.password);
    if (!matches || !known || stored.user.disabled)
        return ERROR_AUTHENTICATION_FAILED;
    *out = stored.user;
    return ERROR_OK;
}

/* --- jobs --- */

static err_t run_put(struct store_write *write, struct store_job *job)
{
    struct user_put *put = (struct user_put *)job;
    struct kv_txn *txn = write_txn(write);
    struct stored_user before, stored = { .user = put->user, .password = { .iterations = put->iterations } };
    struct arena *arena = arena_new(4096, 0);
    if (arena == NULL)
        return ERROR_NO_MEMORY;
    err_t error = stored_get(txn, arena, put->user.name, &before);
    put->exists = error == ERROR_OK;
    if (put->exists)
        stored.user.created_ns = before.user.created_ns;
    arena_free(arena);
    if (error != ERROR_OK && error != ERROR_NOT_FOUND)
        return error;
    if (put->exists && !put->replace)
        return ERROR_OK;
    memcpy(stored.password.salt, put->salt, sizeof put->salt);
    memcpy(stored.password.hash, put->hash, sizeof put->hash);
    error = stored_put(txn, &stored);
    if (error == ERROR_OK && put->exists)
        error = token_end_sessions(txn, put->user.name);
    return error;
}

static err_t check_user(const struct user *user, struct text password, struct error_info *info)
{
    struct identity identity = {
        .role = user->role, .name = user->name, .subscription = user->subscription, .expires_ns = INT64_MAX
    };
    _Static_assert(USER_NAME_SIZE_MAX <= IDENTITY_NAME_SIZE_MAX, "a session is named after its user");
    if (!is_name(user->name) || !text_equal(text_trim(user->name), user->name))
        return error_set(info, ERROR_INVALID_PROPERTY, "name",
                         "a user's name is 1 to %d bytes of text without blanks around it", USER_NAME_SIZE_MAX);
    if (user->role == ROLE_PRODUCER)
        return error_set(info, ERROR_INVALID_PROPERTY, "role",
                         "a user is an operator, a tenant or of the commerce role");
    err_t error = identity_check(&identity, INT64_MIN, info);
    if (error != ERROR_OK)
        return error;
    if (password.len < PASSWORD_SIZE_MIN || password.len > PASSWORD_SIZE_MAX)
        return error_set(info, ERROR_INVALID_PROPERTY, "password", "a password is %d to %d bytes long",
                         PASSWORD_SIZE_MIN, PASSWORD_SIZE_MAX);
    return ERROR_OK;
}

err_t user_put_init(struct user_put *put, const struct user *user, struct text password, uint32_t iterations,
                    struct error_info *info)
{
    struct password_hash hash = { .iterations = iterations };
    REQUIRE(iterations > 0);
    memset(put, 0, sizeof *put);
    err_t error = check_user(user, password, info);
    if (error != ERROR_OK)
        return error;
    random_bytes(hash.salt, sizeof hash.salt);
    password_derive(password, &hash);
    put->job.run = run_put;
    put->job.weight = 1;
    put->user = *user;
    put->iterations = iterations;
    memcpy(put->salt, hash.salt, sizeof put->salt);
    memcpy(put->hash, hash.hash, sizeof put->hash);
    secret_wipe(&hash, sizeof hash);
    return ERROR_OK;
}

static err_t run_disable(struct store_write *write, struct store_job *job)
{
    struct user_disable *disable = (struct user_disable *)job;
    struct kv_txn *txn = write_txn(write);
    struct stored_user stored;
    struct arena *arena = arena_new(4096, 0);
    if (arena == NULL)
        return ERROR_NO_MEMORY;
    err_t error = stored_get(txn, arena, disable->name, &stored);
    disable->missing = error == ERROR_NOT_FOUND;
    if (error == ERROR_OK) {
        stored.user.disabled = true;
        error = stored_put(txn, &stored);
    }
    arena_free(arena);
    if (error == ERROR_OK)
        error = token_end_sessions(txn, disable->name);
    return disable->missing ? ERROR_OK : error;
}

void user_disable_init(struct user_disable *disable, struct text name)
{
    memset(disable, 0, sizeof *disable);
    disable->job.run = run_disable;
    disable->job.weight = 1;
    disable->name = name;
}

/* --- listing --- */

err_t user_list(struct kv_txn *txn, struct arena *arena, struct user **out, size_t *count)
{
    struct user *users = NULL;
    size_t capacity = 0;
    struct kv_cursor *cursor;
    struct text key, value;
    *count = 0;
    err_t error = kv_cursor_open(txn, KV_USERS, &cursor);
    if (error != ERROR_OK)
        return error;
    error = kv_cursor_seek(cursor, TEXT("\0"), &key, &value);
    while (error == ERROR_OK) {
        struct user *moved = arena_grow(arena, users, *count, &capacity, sizeof *users);
        if (moved == NULL) {
            error = ERROR_NO_MEMORY;
            break;
        }
        users = moved;
        struct stored_user stored;
        error = stored_read(arena, value, &stored);
        if (error != ERROR_OK)
            break;
        users[(*count)++] = stored.user;
        error = kv_cursor_next(cursor, &key, &value);
    }
    kv_cursor_close(cursor);
    *out = users;
    return error == ERROR_NOT_FOUND ? ERROR_OK : error;
}

void user_to_json(const struct user *user, struct json_writer *json)
{
    json_begin_object(json);
    json_name(json, "username");
    json_put_text(json, user->name);
    json_name(json, "role");
    json_put_cstring(json, role_name(user->role));
    identity_write_guid(json, "subscriptionId", &user->subscription);
    json_name(json, "disabled");
    json_put_bool(json, user->disabled);
    identity_write_instant(json, "created", user->created_ns);
    json_end_object(json);
}
