/* The registration token: what a stamp tells the commercial side about itself, as base64 of a JSON object (spec 6.6,
 * wire-contracts 4.1). It is made on the stamp, travels by hand or as a file, and comes in as "registrationToken" of the
 * registration resource. Not secret, not signed; it carries the public key of the stamp's store, so that whatever the
 * stamp signs later can be held against it. Pure, any thread. */
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
#include "base/signature.h"
#include "base/text.h"
#include "registration/billing_model.h"

#define REGISTRATION_TOKEN_SIZE_MAX ((size_t)256 * 1024) /* as base64 */
#define REGISTRATION_NODES_MAX 64
#define REGISTRATION_PARTS_MAX 64 /* ids of one kind in a node */

/* One node: 32 hexadecimal digits per part, hashes that only tell "the same" or "another". */
struct hardware_node {
    struct text name, uuid;
    uint64_t cores; /* physical; what the capacity model counts */
    struct text bios[REGISTRATION_PARTS_MAX], nic[REGISTRATION_PARTS_MAX], cpu[REGISTRATION_PARTS_MAX],
        disk[REGISTRATION_PARTS_MAX], memory[REGISTRATION_PARTS_MAX];
    size_t bios_count, nic_count, cpu_count, disk_count, memory_count;
};

struct registration_token {
    enum billing_model model;
    struct guid cloud_id, object_id;            /* object_id: zeros if not given */
    struct text agreement_number, ms_asset_tag; /* "" if not given */
    bool usage_reporting;                       /* as wanted; the model decides (billing_model_reports) */
    bool marketplace_syndication;
    struct text stamp_version, issuer, version;
    struct hardware_node *nodes;
    size_t node_count;
    bool has_public_key;
    uint8_t public_key[SIGNATURE_PUBLIC_KEY_SIZE]; /* of the stamp's store */
};

#define REGISTRATION_TOKEN_VERSION TEXT("1.0")
#define REGISTRATION_TOKEN_ISSUER TEXT("Stampmeter")

/* Appends base64 text. */
void registration_token_write(const struct registration_token *token, struct buffer *out);
/* Member names without case, unknown ones ignored, blanks and line ends around and inside the base64 text too (people
 * paste). Texts in the arena. ERROR_INVALID_REGISTRATION_TOKEN with what is wrong, ERROR_MISSING_AGREEMENT_NUMBER,
 * ERROR_MISSING_MS_ASSET_TAG, ERROR_NO_MEMORY; target "properties.registrationToken". */
MUST_CHECK err_t registration_token_read(struct arena *arena, struct text text, struct registration_token *out,
                                         struct error_info *info);
/* The members of that object, "billingModel", "cloudId" and so on, into one that is open. */
void registration_token_put_members(const struct registration_token *token, struct json_writer *json);
/* {"billingModel","cloudId",...}: the members as they are stored and shown. */
void registration_token_to_json(const struct registration_token *token, struct buffer *out);
