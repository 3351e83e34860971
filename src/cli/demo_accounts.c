/* Making, writing and reading back the demo's accounts. demo.json is the ready file's four members beside start and
 * empty; reading takes what was written and refuses anything else. */
#include "cli/demo_accounts.h"

#include "base/buffer.h"
#include "base/check.h"
#include "base/files.h"
#include "base/instant.h"
#include "identity/identity.h"
#include "store/write.h"

#define FILE_SIZE_BYTES_MAX ((size_t)1024 * 1024)
/* The passwords are random and long, and stand in a file beside the store: stretching them buys nothing. */
#define PASSWORD_ITERATIONS 4096
#define JOBS_MAX (5 * DEMO_TENANTS_MAX + DEMO_SOURCE_COUNT + 8)

const char *demo_producer_source(size_t index)
{
    return index < DEMO_SOURCE_COUNT ? demo_source_name((enum demo_source)index) : "*";
}

/* --- making: many jobs in one transaction --- */

struct making {
    struct store_job job; /* first member */
    struct store_job *parts[JOBS_MAX];
    size_t part_count;
    struct arena *arena;
    int64_t now_ns;
    struct error_info *info;
};

static err_t run_parts(struct store_write *write, struct store_job *job)
{
    struct making *making = (struct making *)job;
    for (size_t i = 0; i < making->part_count; i++) {
        err_t error = making->parts[i]->run(write, making->parts[i]);
        if (error != ERROR_OK)
            return error;
    }
    return ERROR_OK;
}

static void add_part(struct making *making, struct store_job *part)
{
    REQUIRE(making->part_count < JOBS_MAX);
    making->parts[making->part_count++] = part;
}

static err_t add_token(struct making *making, const struct identity *identity, struct text *token)
{
    struct token_create *create = arena_zalloc(making->arena, sizeof *create);
    if (create == NULL)
        return ERROR_NO_MEMORY;
    token_create_init(create, identity, making->now_ns);
    add_part(making, &create->job);
    *token = text_of(create->token);
    return ERROR_OK;
}

static err_t add_login(struct making *making, enum role role, const struct guid *subscription, const char *name,
                       struct demo_login *login)
{
    char password[32];
    struct user_put *put = arena_zalloc(making->arena, sizeof *put);
    if (put == NULL)
        return ERROR_NO_MEMORY;
    password_make(password);
    login->username = text_of(name);
    login->password = arena_text(making->arena, text_of(password));
    if (login->password.ptr == NULL)
        return ERROR_NO_MEMORY;
    struct user user = {
        .name = login->username, .role = role, .subscription = *subscription, .created_ns = making->now_ns
    };
    err_t error = user_put_init(put, &user, login->password, PASSWORD_ITERATIONS, making->info);
    if (error != ERROR_OK)
        return error;
    put->replace = true;
    add_part(making, &put->job);
    struct identity identity = {
        .role = role, .name = login->username, .subscription = *subscription, .expires_ns = INT64_MAX
    };
    return add_token(making, &identity, &login->token);
}

static struct guid guid_of(const char *text)
{
    struct guid guid = { { 0 } };
    bool valid = text == NULL || guid_parse(text_of(text), &guid);
    REQUIREF(valid, "'%s' in the demo's tables is not a GUID", text);
    return guid;
}

/* Unknown tenants get a login but are not described: that is what makes them unknown. */
static err_t add_subscription(struct making *making, const struct demo_tenant *tenant, const struct guid *id)
{
    if (tenant->state == SUBSCRIPTION_UNKNOWN)
        return ERROR_OK;
    struct subscription subscription = {
        .id = *id,
        .tenant_id = guid_of(tenant->tenant),
        .display_name = text_of(tenant->display_name),
        .owner = text_of(tenant->owner),
        .offer_id = text_of(tenant->offer),
        .provider_subscription_id = guid_of(tenant->provider),
        .state = SUBSCRIPTION_ENABLED,
    };
    struct subscription_put *put = arena_zalloc(making->arena, sizeof *put);
    if (put == NULL)
        return ERROR_NO_MEMORY;
    subscription_put_init(put, &subscription);
    put->by = TEXT("operator");
    add_part(making, &put->job);
    if (tenant->state != SUBSCRIPTION_DELETED)
        return ERROR_OK;
    struct subscription_delete *deletion = arena_zalloc(making->arena, sizeof *deletion);
    if (deletion == NULL)
        return ERROR_NO_MEMORY;
    subscription_delete_init(deletion, id);
    deletion->by = TEXT("operator");
    add_part(making, &deletion->job);
    return ERROR_OK;
}

static err_t add_tenants(struct making *making, struct demo_accounts *accounts)
{
    size_t count;
    const struct demo_tenant *tenants = demo_tenants(&count);
    REQUIRE(count <= DEMO_TENANTS_MAX);
    for (size_t i = 0; i < count; i++) {
        struct guid id = guid_of(tenants[i].subscription);
        err_t error = add_subscription(making, &tenants[i], &id);
        if (error == ERROR_OK)
            error = add_login(making, ROLE_TENANT, &id, tenants[i].user, &accounts->tenants[i]);
        if (error != ERROR_OK)
            return error;
    }
    return ERROR_OK;
}

static err_t add_producers(struct making *making, struct demo_accounts *accounts)
{
    for (size_t i = 0; i <= DEMO_SOURCE_COUNT; i++) {
        struct text source = text_of(demo_producer_source(i));
        struct identity identity = {
            .role = ROLE_PRODUCER,
            .name = i < DEMO_SOURCE_COUNT ? source : TEXT("gateway"),
            .sources = { source },
            .source_count = 1,
            .expires_ns = INT64_MAX,
        };
        err_t error = add_token(making, &identity, &accounts->producer_tokens[i]);
        if (error != ERROR_OK)
            return error;
    }
    return ERROR_OK;
}

static err_t add_parts(struct making *making, const struct guid *operator_subscription, struct demo_accounts *accounts)
{
    const struct guid none = { { 0 } };
    char text[GUID_TEXT_SIZE];
    guid_print(operator_subscription, text);
    accounts->operator_subscription = arena_text(making->arena, text_of(text));
    if (accounts->operator_subscription.ptr == NULL)
        return ERROR_NO_MEMORY;
    err_t error = add_login(making, ROLE_OPERATOR, &none, "operator", &accounts->operator_login);
    if (error == ERROR_OK)
        error = add_tenants(making, accounts);
    if (error == ERROR_OK)
        error = add_producers(making, accounts);
    return error == ERROR_OK ? add_login(making, ROLE_COMMERCE, &none, "commerce", &accounts->commerce_login) : error;
}

err_t demo_accounts_make(struct store *store, struct arena *arena, const struct guid *operator_subscription,
                         int64_t start_ns, bool empty, struct demo_accounts *out, struct error_info *info)
{
    *out = (struct demo_accounts){ .start_ns = start_ns, .empty = empty };
    struct making *making = arena_zalloc(arena, sizeof *making);
    if (making == NULL)
        return error_set(info, ERROR_NO_MEMORY, NULL, NULL);
    making->arena = arena;
    making->now_ns = start_ns;
    making->info = info;
    err_t error = add_parts(making, operator_subscription, out);
    if (error != ERROR_OK)
        return error == ERROR_NO_MEMORY ? error_set(info, error, NULL, NULL) : error;
    making->job.run = run_parts;
    making->job.weight = 1;
    error = store_run(store, &making->job);
    return error == ERROR_OK
               ? ERROR_OK
               : error_set(info, error, NULL, "the demo's accounts could not be written: %s", error_text(error));
}

/* --- writing --- */

static void put_text(struct json_writer *json, const char *name, struct text value)
{
    json_name(json, name);
    json_put_text(json, value);
}

static void put_cstring(struct json_writer *json, const char *name, const char *value)
{
    json_name(json, name);
    json_put_cstring(json, value);
}

static void put_login(struct json_writer *json, const struct demo_login *login)
{
    put_text(json, "token", login->token);
    put_text(json, "username", login->username);
    put_text(json, "password", login->password);
}

static void put_tenants(const struct demo_accounts *accounts, struct json_writer *json)
{
    size_t count;
    const struct demo_tenant *tenants = demo_tenants(&count);
    json_name(json, "tenants");
    json_begin_array(json);
    for (size_t i = 0; i < count; i++) {
        json_begin_object(json);
        put_cstring(json, "subscriptionId", tenants[i].subscription);
        put_cstring(json, "tenantId", tenants[i].tenant);
        put_cstring(json, "state", subscription_state_name(tenants[i].state));
        json_name(json, "mapped");
        json_put_bool(json, tenants[i].mapped);
        put_login(json, &accounts->tenants[i]);
        put_cstring(json, "displayName", tenants[i].display_name);
        if (tenants[i].provider != NULL)
            put_cstring(json, "providerSubscriptionId", tenants[i].provider);
        json_end_object(json);
    }
    json_end_array(json);
}

void demo_accounts_put(const struct demo_accounts *accounts, struct json_writer *json)
{
    json_name(json, "operator");
    json_begin_object(json);
    put_text(json, "subscriptionId", accounts->operator_subscription);
    put_login(json, &accounts->operator_login);
    json_end_object(json);
    put_tenants(accounts, json);
    json_name(json, "producers");
    json_begin_array(json);
    for (size_t i = 0; i <= DEMO_SOURCE_COUNT; i++) {
        json_begin_object(json);
        put_cstring(json, "source", demo_producer_source(i));
        put_text(json, "token", accounts->producer_tokens[i]);
        json_end_object(json);
    }
    json_end_array(json);
    json_name(json, "commerce");
    json_begin_object(json);
    put_cstring(json, "subscriptionId", demo_commerce.subscription);
    put_cstring(json, "resourceGroup", demo_commerce.resource_group);
    put_cstring(json, "registration", demo_commerce.registration);
    put_cstring(json, "partnerId", demo_commerce.partner);
    put_login(json, &accounts->commerce_login);
    json_end_object(json);
}

err_t demo_accounts_save(const struct demo_accounts *accounts, const char *path, struct error_info *info)
{
    struct buffer buffer = { 0 };
    struct json_writer json = json_writer(&buffer);
    char start[INSTANT_TEXT_SIZE];
    instant_print(accounts->start_ns, start);
    json_begin_object(&json);
    put_cstring(&json, "start", start);
    json_name(&json, "empty");
    json_put_bool(&json, accounts->empty);
    demo_accounts_put(accounts, &json);
    json_end_object(&json);
    buffer_append_char(&buffer, '\n');
    err_t error = buffer.failed ? error_set(info, ERROR_NO_MEMORY, NULL, NULL)
                                : file_write_durable(path, buffer_text(&buffer), 0600, info);
    buffer_free(&buffer);
    return error;
}

/* --- reading --- */

static bool get_login(const struct json *object, struct demo_login *login)
{
    return json_member_string(object, TEXT("token"), &login->token) &&
           json_member_string(object, TEXT("username"), &login->username) &&
           json_member_string(object, TEXT("password"), &login->password);
}

static bool get_tenants(const struct json *array, struct demo_accounts *out)
{
    size_t count, index = 0;
    const struct demo_tenant *tenants = demo_tenants(&count);
    if (array == NULL || json_type(array) != JSON_ARRAY || json_count(array) != count)
        return false;
    for (struct json_iterator i = json_iterate(array); json_next(&i); index++) {
        struct text subscription;
        if (!json_member_string(i.value, TEXT("subscriptionId"), &subscription) ||
            !text_equal(subscription, text_of(tenants[index].subscription)) ||
            !get_login(i.value, &out->tenants[index]))
            return false;
    }
    return true;
}

static bool get_producers(const struct json *array, struct demo_accounts *out)
{
    size_t index = 0;
    if (array == NULL || json_type(array) != JSON_ARRAY || json_count(array) != DEMO_SOURCE_COUNT + 1)
        return false;
    for (struct json_iterator i = json_iterate(array); json_next(&i); index++)
        if (!json_member_string(i.value, TEXT("token"), &out->producer_tokens[index]))
            return false;
    return true;
}

static bool get_accounts(const struct json *root, struct demo_accounts *out)
{
    struct text start;
    const struct json *empty = json_member(root, TEXT("empty"));
    const struct json *operator= json_member(root, TEXT("operator"));
    if (!json_member_string(root, TEXT("start"), &start) || instant_parse(start, &out->start_ns) != ERROR_OK ||
        empty == NULL)
        return false;
    out->empty = json_type(empty) == JSON_TRUE;
    return json_member_string(operator, TEXT("subscriptionId"), &out->operator_subscription) &&
           get_login(operator, & out->operator_login) && get_tenants(json_member(root, TEXT("tenants")), out) &&
           get_producers(json_member(root, TEXT("producers")), out) &&
           get_login(json_member(root, TEXT("commerce")), &out->commerce_login);
}

err_t demo_accounts_load(struct arena *arena, const char *path, struct demo_accounts *out, struct error_info *info)
{
    struct buffer buffer = { 0 };
    const struct json *root;
    *out = (struct demo_accounts){ 0 };
    err_t error = file_read(path, FILE_SIZE_BYTES_MAX, &buffer, info);
    if (error == ERROR_OK) {
        struct text copy = arena_text(arena, buffer_text(&buffer));
        error = copy.ptr == NULL ? error_set(info, ERROR_NO_MEMORY, NULL, NULL) : json_parse(arena, copy, &root, info);
        if (error == ERROR_OK && !get_accounts(root, out))
            error = ERROR_INVALID_REQUEST_CONTENT;
        if (error == ERROR_INVALID_REQUEST_CONTENT)
            error = error_set(info, ERROR_INVALID_CONFIG, NULL,
                              "%s is not the file of a demo of this version; use another --data-dir", path);
    }
    buffer_free(&buffer);
    return error;
}
