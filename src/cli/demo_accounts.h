/* Who may use the demo, with passwords and tokens in clear: made once, kept in DIR/demo.json (mode 0600) because the
 * store only holds hashes, and repeated in the ready file at every start. Texts live in the arena given. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/attributes.h"
#include "base/error.h"
#include "base/guid.h"
#include "base/json.h"
#include "base/text.h"
#include "cli/demo_stamp.h"
#include "store/store.h"

#define DEMO_TENANTS_MAX 16

struct demo_login {
    struct text token, username, password;
};

struct demo_accounts {
    int64_t start_ns;
    bool empty;
    struct text operator_subscription;
    struct demo_login operator_login;
    struct demo_login tenants[DEMO_TENANTS_MAX];        /* parallel to demo_tenants() */
    struct text producer_tokens[DEMO_SOURCE_COUNT + 1]; /* the last is that of "*" */
    struct demo_login commerce_login;
};

/* Draws passwords and tokens and writes users, tokens and subscriptions in one commit. Blocks. */
MUST_CHECK err_t demo_accounts_make(struct store *store, struct arena *arena, const struct guid *operator_subscription,
                                    int64_t start_ns, bool empty, struct demo_accounts *out, struct error_info *info);
/* Adds the members of the ready file: operator, tenants, producers, commerce. */
void demo_accounts_put(const struct demo_accounts *accounts, struct json_writer *json);

MUST_CHECK err_t demo_accounts_save(const struct demo_accounts *accounts, const char *path, struct error_info *info);
/* ERROR_NOT_FOUND when there is no such file. */
MUST_CHECK err_t demo_accounts_load(struct arena *arena, const char *path, struct demo_accounts *out,
                                    struct error_info *info);
/* "Microsoft.Compute", ..., and "*" for DEMO_SOURCE_COUNT. */
const char *demo_producer_source(size_t index);
