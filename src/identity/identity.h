/* Who is asking: roles, tokens, local users, sessions. Tokens are 256 random bits, stored as SHA-256, looked
 * up by that hash; passwords are PBKDF2. A session of the console is a short-lived token in a cookie. Part of
 * the store's tables (KV_TOKENS, KV_USERS); changes are store jobs, look-ups take any snapshot. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/attributes.h"
#include "base/buffer.h"
#include "base/error.h"
#include "base/guid.h"
#include "base/json.h"
#include "base/text.h"
#include "store/audit.h"
#include "store/store.h"

enum role { ROLE_OPERATOR, ROLE_TENANT, ROLE_PRODUCER, ROLE_COMMERCE, ROLE_COUNT };
const char *role_name(enum role role); /* "operator", ... */
MUST_CHECK bool role_parse(struct text text, enum role *role);

struct identity {
    enum role role;
    struct text name;         /* token's or user's name, for logs and the journal's producer; in the arena */
    struct guid subscription; /* tenants: their own; zeros otherwise */
    struct text sources[8];   /* producers: what they may post for; "*": anything */
    size_t source_count;
    int64_t expires_ns; /* INT64_MAX: never */
    bool is_session;
};

#define IDENTITY_NAME_SIZE_MAX 128
#define IDENTITY_SOURCE_SIZE_MAX 256

/* Whether a token may be made for it: tenants need a subscription, producers a source, names and sources have
 * their sizes, the expiry lies ahead. ERROR_INVALID_PROPERTY with the member of POST /v1/tokens as target. */
MUST_CHECK err_t identity_check(const struct identity *identity, int64_t now_ns, struct error_info *info);

/* What the audit log says of an identity: {"role","name","subscriptionId"?,"sources"?}. */
void identity_describe(const struct identity *identity, struct buffer *out);
/* For struct audited_job: whether a token_revoke, user_put or user_disable has changed anything. */
bool token_was_revoked(struct audited_job *audited);
bool user_was_put(struct audited_job *audited);
bool user_was_disabled(struct audited_job *audited);

/* --- tokens --- */

#define TOKEN_TEXT_SIZE 64 /* "sm_" + 43 base64url characters + NUL */

/* ERROR_INVALID_TOKEN (unknown, revoked), ERROR_EXPIRED_TOKEN. */
MUST_CHECK err_t token_authenticate(struct kv_txn *txn, struct arena *arena, int64_t now_ns, struct text token,
                                    struct identity *out);

struct token_create {
    struct store_job job;     /* first member */
    struct identity identity; /* role, name, subscription, sources, expires_ns, is_session */
    int64_t now_ns;
    char token[TOKEN_TEXT_SIZE]; /* out: shown once, never stored */
    char id[17];                 /* out: short id for list and revoke (hex of the hash's first 8 bytes) */
    char name[32];               /* what identity.name points to when it was given empty: role and id */
};
/* Draws the token. Texts are borrowed until the job is done. A session also clears away some sessions that have
 * expired; one whose user was disabled meanwhile is not stored, so that its token is worth nothing. */
void token_create_init(struct token_create *create, const struct identity *identity, int64_t now_ns);

struct token_revoke {
    struct store_job job;
    char id[17];       /* by short id, or ... */
    struct text token; /* ... by the token itself (sign-out); ptr NULL: by id */
    bool missing;      /* out */
};
void token_revoke_init(struct token_revoke *revoke, struct text id, struct text token);

struct token_entry {
    char id[17];
    struct identity identity;
    int64_t created_ns;
};
/* Sessions included; in the order of ids. */
MUST_CHECK err_t token_list(struct kv_txn *txn, struct arena *arena, struct token_entry **out, size_t *count);
/* An element of GET /v1/tokens: {"id","role","name","subscriptionId"?,"sources"?,"session"?,"created","expires"?}. */
void token_entry_to_json(const struct token_entry *entry, struct json_writer *json);

/* --- users --- */

#define PASSWORD_ITERATIONS_DEFAULT 210000
#define PASSWORD_SIZE_MIN 8
#define PASSWORD_SIZE_MAX 256
#define USER_NAME_SIZE_MAX 128

struct user {
    struct text name;
    enum role role; /* not ROLE_PRODUCER: those have no console */
    struct guid subscription;
    bool disabled;
    int64_t created_ns;
};

/* Slow (PBKDF2): on a worker, never on the loop thread. Same time for unknown users as for wrong passwords.
 * ERROR_AUTHENTICATION_FAILED for unknown, wrong or disabled. */
MUST_CHECK err_t user_verify(struct store *store, struct arena *arena, struct text name, struct text password,
                             struct user *out);

struct user_put {
    struct store_job job;
    struct user user;
    bool replace; /* false: keep an existing user and set 'exists' */
    bool exists;  /* out */
    uint8_t salt[16], hash[32];
    uint32_t iterations;
};
/* Replacing a user keeps its time of creation and ends its sessions. Derives the password hash: slow.
 * ERROR_INVALID_PROPERTY when name or password do not fit. */
MUST_CHECK err_t user_put_init(struct user_put *put, const struct user *user, struct text password, uint32_t iterations,
                               struct error_info *info);
/* Ends the user's sessions, too. */
struct user_disable {
    struct store_job job;
    struct text name;
    bool missing;
};
void user_disable_init(struct user_disable *disable, struct text name);
MUST_CHECK err_t user_list(struct kv_txn *txn, struct arena *arena, struct user **out, size_t *count);
/* An element of GET /v1/users: {"username","role","subscriptionId"?,"disabled","created"}. */
void user_to_json(const struct user *user, struct json_writer *json);
/* 20 characters in groups of 5, easy to read aloud, 100 bits. */
void password_make(char out[32]);
