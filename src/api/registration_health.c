/* See registration_health.h. */
#include "api/registration_health.h"

#include "base/instant.h"
#include "base/members.h"
#include "registration/activation.h"
#include "registration/registration.h"

#define EXPIRY_DAYS_SOON 30
#define ARENA_BLOCK_SIZE ((size_t)16 * 1024)

/* What is to be told, of either side. */
struct health {
    struct arena *arena;
    struct text trusted_key_id; /* as configured, "" for none */
    err_t activation_error;     /* ERROR_NOT_FOUND: not activated */
    struct activation activation;
    struct registration_counts counts;
};

static err_t open_health(struct health *health, struct text trusted_key_id)
{
    *health = (struct health){ .trusted_key_id = trusted_key_id,
                               .activation_error = ERROR_NOT_FOUND,
                               .arena = arena_new(ARENA_BLOCK_SIZE, 0) };
    return health->arena == NULL ? ERROR_NO_MEMORY : ERROR_OK;
}

static err_t read_activation(struct health *health, struct kv_txn *txn)
{
    health->activation_error = activation_get(txn, health->arena, &health->activation);
    return health->activation_error == ERROR_NOT_FOUND ? ERROR_OK : health->activation_error;
}

/* NULL: none. */
static const struct activation *activation_of(const struct health *health)
{
    return health->activation_error == ERROR_OK ? &health->activation : NULL;
}

static enum activation_state state_of(const struct health *health, int64_t now_ns)
{
    return activation_state_of(activation_of(health), health->trusted_key_id, now_ns);
}

/* --- the doctor --- */

#define REMEDY_RENEW                                                                                                   \
    "renew it: make a token ('stampmeter registration token'), put it to the registration on the commercial side, "    \
    "and give the new activation key to 'stampmeter registration activate'"

#define REMEDY_UNTRUSTED                                                                                               \
    "get an activation key from whom registration.trusted_key_id names and give it to 'stampmeter registration "       \
    "activate', or correct that setting"

static void tell_activation(struct doctor *doctor, const struct health *health, int64_t now_ns)
{
    char until[INSTANT_TEXT_SIZE];
    int64_t expires_ns = health->activation.key.expires_ns;
    if (state_of(health, now_ns) == ACTIVATION_UNTRUSTED) {
        doctor_find(doctor, "activation", DOCTOR_PROBLEM, REMEDY_UNTRUSTED,
                    "The activation of this stamp is signed by %s, and registration.trusted_key_id trusts another "
                    "key: it must not report usage.",
                    health->activation.key.key_id);
        return;
    }
    if (expires_ns == ACTIVATION_NEVER_EXPIRES) {
        doctor_find(doctor, "activation", DOCTOR_OK, "", "The activation of this stamp does not expire.");
        return;
    }
    instant_print(expires_ns / NS_PER_SECOND * NS_PER_SECOND, until);
    int64_t days = (expires_ns - now_ns) / NS_PER_DAY;
    if (expires_ns <= now_ns)
        doctor_find(doctor, "activation", DOCTOR_PROBLEM, REMEDY_RENEW,
                    "The activation of this stamp expired at %s: it must not report usage.", until);
    else
        doctor_find(doctor, "activation", days < EXPIRY_DAYS_SOON ? DOCTOR_ATTENTION : DOCTOR_OK, REMEDY_RENEW,
                    "This stamp is activated until %s, %lld days.", until, (long long)days);
}

static void tell_counts(struct doctor *doctor, const struct registration_counts *counts, int64_t now_ns)
{
    char next[INSTANT_TEXT_SIZE];
    unsigned long long active = counts->active, expired = counts->expired;
    if (expired > 0)
        doctor_find(doctor, "registrations", DOCTOR_ATTENTION,
                    "see GET /v1/commerce/registrations: each is renewed by putting a new token of its stamp, or "
                    "deleted",
                    "%llu of %llu registrations have expired: they make no activation keys.", expired,
                    active + expired);
    else if (counts->next_expiry_ns / NS_PER_DAY - now_ns / NS_PER_DAY < EXPIRY_DAYS_SOON) {
        instant_print(counts->next_expiry_ns / NS_PER_SECOND * NS_PER_SECOND, next);
        doctor_find(doctor, "registrations", DOCTOR_ATTENTION,
                    "see GET /v1/commerce/registrations: put a new token of that stamp in time",
                    "A registration expires at %s.", next);
    } else if (active > 0)
        doctor_find(doctor, "registrations", DOCTOR_OK, "", "None of %llu registrations expires within %d days.",
                    active, EXPIRY_DAYS_SOON);
}

err_t doctor_look_at_registration(struct doctor *doctor, struct kv_txn *txn, struct text trusted_key_id, int64_t now_ns)
{
    struct health health;
    err_t error = open_health(&health, trusted_key_id);
    if (error == ERROR_OK)
        error = read_activation(&health, txn);
    if (error == ERROR_STORE_CORRUPT) {
        doctor_find(doctor, "activation", DOCTOR_PROBLEM, "activate the stamp again, or restore a backup",
                    "The activation that is kept cannot be read.");
        error = ERROR_OK;
    } else if (activation_of(&health) != NULL) {
        tell_activation(doctor, &health, now_ns);
    }
    if (error == ERROR_OK)
        error = registration_count(txn, health.arena, now_ns, &health.counts);
    if (error == ERROR_OK)
        tell_counts(doctor, &health.counts, now_ns);
    arena_free(health.arena);
    return error;
}

/* --- status and metrics --- */

/* As far as the roles of the process go. */
static err_t read_health(struct health *health, const struct api *api, struct kv_txn *txn)
{
    err_t error = open_health(health, api->options.trusted_key_id);
    if (error == ERROR_OK && !api->options.without_stamp)
        error = read_activation(health, txn);
    if (error == ERROR_OK && !api->options.without_commerce)
        error = registration_count(txn, health->arena, store_now_ns(api->options.store), &health->counts);
    return error;
}

static void put_activation(struct json_writer *json, const struct health *health, int64_t now_ns)
{
    const struct activation *activation = activation_of(health);
    json_name(json, "activation");
    json_begin_object(json);
    put_member(json, "state", text_of(activation_state_name(state_of(health, now_ns))));
    if (activation != NULL) {
        put_member(json, "registrationName", activation->key.registration_name);
        put_time_member(json, "expires",
                        activation->key.expires_ns == ACTIVATION_NEVER_EXPIRES ? INT64_MIN
                                                                               : activation->key.expires_ns);
    }
    json_end_object(json);
}

err_t put_registration_status(struct json_writer *json, struct api *api, struct kv_txn *txn)
{
    struct health health;
    err_t error = read_health(&health, api, txn);
    if (error == ERROR_OK && !api->options.without_stamp)
        put_activation(json, &health, store_now_ns(api->options.store));
    if (error == ERROR_OK && !api->options.without_commerce) {
        json_name(json, "registrations");
        json_begin_object(json);
        put_number_member(json, "active", health.counts.active);
        put_number_member(json, "expired", health.counts.expired);
        json_end_object(json);
    }
    arena_free(health.arena);
    return error;
}

static void put_activation_metrics(struct buffer *out, const struct health *health, int64_t now_ns)
{
    const struct activation *activation = activation_of(health);
    bool holds = state_of(health, now_ns) == ACTIVATION_REGISTERED;
    buffer_append_format(out,
                         "# HELP stampmeter_activated 1 when the stamp has an activation that has not expired and is "
                         "of a trusted signer.\n"
                         "# TYPE stampmeter_activated gauge\n"
                         "stampmeter_activated %d\n",
                         holds ? 1 : 0);
    if (activation == NULL)
        return;
    buffer_append_literal(out, "# HELP stampmeter_activation_expires_timestamp_seconds When the stamp's activation "
                               "expires, Unix time; +Inf: never.\n"
                               "# TYPE stampmeter_activation_expires_timestamp_seconds gauge\n");
    if (activation->key.expires_ns == ACTIVATION_NEVER_EXPIRES)
        buffer_append_literal(out, "stampmeter_activation_expires_timestamp_seconds +Inf\n");
    else
        buffer_append_format(out, "stampmeter_activation_expires_timestamp_seconds %lld\n",
                             (long long)(activation->key.expires_ns / NS_PER_SECOND));
}

err_t put_registration_metrics(struct buffer *out, struct api *api, struct kv_txn *txn)
{
    struct health health;
    err_t error = read_health(&health, api, txn);
    if (error == ERROR_OK && !api->options.without_stamp)
        put_activation_metrics(out, &health, store_now_ns(api->options.store));
    if (error == ERROR_OK && !api->options.without_commerce)
        buffer_append_format(out,
                             "# HELP stampmeter_registrations Registrations of stamps.\n"
                             "# TYPE stampmeter_registrations gauge\n"
                             "stampmeter_registrations{state=\"active\"} %llu\n"
                             "stampmeter_registrations{state=\"expired\"} %llu\n",
                             (unsigned long long)health.counts.active, (unsigned long long)health.counts.expired);
    arena_free(health.arena);
    return error;
}
