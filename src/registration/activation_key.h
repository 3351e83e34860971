/* The activation key: the commercial side's signed answer to a registration, as JWS compact serialisation (RFC 7515)
 * with ES256; header {"alg","kid","jwk"}, payload as spec 6.6. The stamp takes it, checks it, and knows from then on
 * where its usage goes. Works air-gapped: it is text in a file. Pure, any thread. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/attributes.h"
#include "base/buffer.h"
#include "base/error.h"
#include "base/guid.h"
#include "base/json.h"
#include "base/signature.h"
#include "base/text.h"
#include "registration/billing_model.h"

#define ACTIVATION_KEY_SIZE_MAX ((size_t)512 * 1024)
/* "9999-12-30T23:59:59.9999999Z" on the wire: never expires. */
#define ACTIVATION_NEVER_EXPIRES INT64_MAX

struct activation_key {
    struct guid subscription_id; /* the registration's: who pays by default */
    struct text resource_group, registration_name;
    struct guid cloud_id, object_id;
    enum billing_model model;
    struct text usage_endpoint, usage_resource_uri, marketplace_endpoint, marketplace_resource_uri;
    bool usage_reporting, marketplace_syndication;
    int64_t issued_ns; /* INT64_MIN: the key does not tell. Both to the 100 ns on the wire */
    int64_t expires_ns;
    struct text issuer, version;
    struct text text;                              /* set when read: the key without blanks and line ends */
    char key_id[SIGNATURE_KEY_ID_SIZE];            /* set when read */
    uint8_t public_key[SIGNATURE_PUBLIC_KEY_SIZE]; /* of the signer; set when read */
};

/* A time as keys and the activation resource show it: seven decimals, "9999-12-30T23:59:59.9999999Z" for never. */
void put_expiry_member(struct json_writer *json, const char *name, int64_t instant_ns);
/* Appends the signed text. ERROR_NO_MEMORY. */
MUST_CHECK err_t activation_key_sign(const struct activation_key *key, const struct signature_key *signer,
                                     struct buffer *out);
/* Blanks and line ends in the text do not count (people paste). Checks form and signature, against the key in its own
 * header: whether that key is trusted is the caller's question. Texts in the arena. ERROR_INVALID_ACTIVATION_KEY with
 * what is wrong (not three parts, not ES256, damaged, forged, a member missing), ERROR_NO_MEMORY; target
 * "properties.activationKey". Never "none", never another algorithm. */
MUST_CHECK err_t activation_key_read(struct arena *arena, struct text text, struct activation_key *out,
                                     struct error_info *info);
